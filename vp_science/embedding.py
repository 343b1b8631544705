"""From recordings to embedding tracks on disk.

The module is not called ``embed``: a submodule of that name would hide the function ``vp_science.embed``.
"""

import os
import re
import time
import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from vp_science.animals import Poses, Subjects, follow_batch, open_item
from vp_science.batch import BatchItem, EmbedResult, append_manifest, find_inputs
from vp_science.encoder.family import VideoModel
from vp_science.errors import RecordingError, SettingsError, StoreError, VPScienceError
from vp_science.files import hash_file
from vp_science.flight import run_in_flight
from vp_science.recordings import DecodedFrame, Fingerprint, Recording
from vp_science.store.plan import RecordingFacts
from vp_science.store.provenance import Provenance
from vp_science.store.reader import open_embeddings
from vp_science.store.writer import EmbeddingWriter, pending_execution
from vp_science.stream import (
    Execution,
    StreamPlan,
    check_spatial_pool,
    choose_execution,
    embed_segments,
    start_decoding,
)
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.typing import JSON, StrPath
from vp_science.video.crop_path import FollowSettings
from vp_science.video.hdf5_times import TimeUnit
from vp_science.video.preprocess import Preprocess

SOFTWARE = (
    f"vp-science {version('vp-science')} (" + ", ".join(f"{name} {version(name)}" for name in ("jax", "av")) + ")"
)


@dataclass(frozen=True)
class EmbedSettings:
    """How recordings are embedded; every field is recorded in the provenance of the track.

    Attributes:
        fps: rate of the sample grid in frames per second; None takes every source frame, as in the paper's
            experiments on animal behaviour (Zhao et al. 2024, appendix H).
        num_frames: grid frames per window.
        stride: grid frames between the starts of consecutive windows, from 1 to ``num_frames``.
        spatial_pool: k for k x k vectors per frame; 1 averages the whole frame.
        dtype: of the stored track.
        preprocess: region, fit and size of the frames.
    """

    fps: float | None = None
    num_frames: int = 16
    stride: int = 4
    spatial_pool: int = 1
    dtype: Literal["float16", "float32"] = "float16"
    preprocess: Preprocess = field(default_factory=Preprocess)


@runtime_checkable
class Progress(Protocol):
    """What ``embed`` tells about its work; the command line and the panel draw it."""

    def start(
        self, recording_id: str, position: int, total: int, grid_frames: int, done: int, duration_s: float
    ) -> None:
        """A recording begins: ``done`` of its ``grid_frames`` were finished by an earlier run."""

    def advance(self, grid_frames: int) -> None:
        """More grid frames of the current recording were finished."""

    def finish(self, result: EmbedResult) -> None:
        """A recording ended, in one way or another."""


class BatchError(VPScienceError):
    """Some recordings of a batch failed; ``results`` holds what became of all."""

    def __init__(self, results: Sequence[EmbedResult]):
        self.results = list(results)
        failed = [result for result in results if result.status == "failed"]
        lines = "\n".join(f"  {result.recording_id}: {result.error}" for result in failed)
        super().__init__(f"{len(failed)} of {len(results)} recordings failed:\n{lines}")


def embed(
    recordings: StrPath | Recording | Iterable[StrPath | Recording],
    encoder: VideoModel | None = None,
    *,
    out: StrPath,
    model: str | None = None,
    fps: int | float | None = None,
    num_frames: int = 16,
    stride: int = 4,
    spatial_pool: int = 1,
    dtype: Literal["float16", "float32"] = "float16",
    preprocess: Preprocess | None = None,
    dataset: str | None = None,
    value_range: tuple[int | float, int | float] | None = None,
    source_fps: int | float | None = None,
    timestamps: str | None = None,
    timestamps_unit: TimeUnit | None = None,
    poses: Poses | None = None,
    follow: FollowSettings | None = None,
    subjects: Subjects | None = None,
    pairs: bool = False,
    whole_frame: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
    raise_failures: bool = True,
) -> list[EmbedResult]:
    """Embed recordings; every recording gives one file ``<out>/<recording id>.embeddings.h5``.

    With ``poses`` every animal gives another one, ``<out>/<recording id>@<subject>.embeddings.h5``, made from pictures
    cut around it; rows of frames in which it was not seen are not ``present``. Each animal decodes the recording anew.

    Finished files are skipped, unfinished ones are resumed, and a recording that fails does not stop the others. Every
    recording adds a line to ``<out>/manifest.jsonl``.

    Args:
        recordings: files, folders, patterns, or open recordings.
        encoder: from ``load_encoder``.
        out: folder for the results.
        model: instead of an encoder, the name of one (``vp-science models`` lists them). The tracks of video-text
            models (``"videoprism-lvt-base"``) can be searched by text.
        fps: rate of the sample grid in frames per second; None takes every source frame.
        num_frames: grid frames per window.
        stride: grid frames between the starts of consecutive windows.
        spatial_pool: k for k x k vectors per frame.
        dtype: of the stored track.
        preprocess: region, fit and size of the frames; None squashes whole frames to the encoder's native size.
        dataset: HDF5 and NWB: which dataset holds the frames.
        value_range: what becomes black and white where pixels are not 8-bit.
        source_fps: frame rate of recordings that carry no times.
        timestamps: HDF5: the dataset with the times of the frames, where it is not obvious.
        timestamps_unit: HDF5: unit of these times.
        poses: where the animals are: a folder or pattern with a pose file for every recording, found by its name (see
            ``find_pose_file``), one file for one recording, or files by recording (its id or path).
        follow: how pictures around animals are cut; None takes the defaults.
        subjects: which animals of the pose files; a mapping also gives the names that bouts use. None takes all.
        pairs: also follow every ordered pair of animals, ``<recording id>@<subject>+<target>``; needs
            ``FollowSettings(rotate=True)``.
        whole_frame: embed whole frames too.
        overwrite: replace files that were made with other settings.
        progress: is told about the work.
        raise_failures: raise a ``BatchError`` at the end when a recording failed; otherwise look at ``status``.

    Returns:
        One result per recording, or per recording and animal; ``open_embeddings(result.output)`` reads it.

    Raises:
        SettingsError: when the settings contradict each other or no recording was found.
        BatchError: when recordings failed.
    """
    encoder = _chosen_encoder(encoder, model)
    rate = None if fps is None else float(fps)  # 5 and 5.0 are one setting, down to the bytes of the provenance
    settings = EmbedSettings(rate, num_frames, stride, spatial_pool, dtype, preprocess or native_preprocess(encoder))
    check_settings(settings, encoder)
    reading = {
        "dataset": dataset,
        "value_range": value_range,
        "source_fps": source_fps,
        "timestamps": timestamps,
        "timestamps_unit": timestamps_unit,
    }
    job = EmbedJob(encoder, settings, Path(out), reading, overwrite, progress)
    items = collect_recordings(recordings)
    if poses is not None:
        followed = follow_batch(
            items, poses, follow or FollowSettings(), subjects=subjects, pairs=pairs, whole_frame=whole_frame
        )
        items = checked_names(followed)
    elif follow is not None or subjects is not None or pairs or not whole_frame:
        raise SettingsError("expected poses, which say where the animals are, with options about following: name them")
    results = []
    for result in run_in_flight(items, job):
        append_manifest(job.folder, result, manifest_facts(encoder))
        if progress:
            progress.finish(result)
        results.append(result)
    if raise_failures and any(result.status == "failed" for result in results):
        raise BatchError(results)
    return results


def _chosen_encoder(encoder: VideoModel | None, model: str | None) -> VideoModel:
    if (encoder is None) == (model is None):
        found = "neither" if model is None else "both"
        raise SettingsError(f"expected an encoder or the name of a model, found {found}: give one of them")
    if encoder is not None:
        return encoder
    from vp_science.checkpoints.load import load_encoder

    assert model is not None
    return load_encoder(model)


def native_preprocess(encoder: VideoModel) -> Preprocess:
    """Whole frames, squashed to the size the encoder was made for."""
    height, width = encoder.config.image_size
    return Preprocess(height, width)


def check_settings(settings: EmbedSettings, encoder: VideoModel) -> None:
    """Refuse settings that cannot work, before any recording is opened.

    Raises:
        SettingsError: naming the setting, what was expected and what was found.
    """
    patch, preprocess = encoder.config.patch_size, settings.preprocess
    for name, size in (("height", preprocess.height), ("width", preprocess.width)):
        if size < patch or size % patch:
            nearest = max(patch, round(size / patch) * patch)
            raise SettingsError(f"{name}: expected a multiple of {patch} pixels, found {size}: use {nearest}")
    if settings.dtype not in ("float16", "float32"):
        raise SettingsError(f"dtype: expected float16 or float32, found {settings.dtype}")
    if preprocess.fit not in ("squash", "crop", "pad"):
        raise SettingsError(f"fit: expected squash, crop or pad, found {preprocess.fit}")
    check_spatial_pool(settings.spatial_pool, encoder.config, preprocess)
    plan_windows(1, settings.num_frames, settings.stride)


def collect_recordings(recordings: StrPath | Recording | Iterable[StrPath | Recording]) -> list[BatchItem | Recording]:
    """The recordings of a batch: files, folders and patterns expanded, each once, then those that are open.

    Raises:
        SettingsError: when there is none, or names collide or lead out of the output folder.
    """
    single = isinstance(recordings, str | os.PathLike | Recording)
    given: list[Any] = [recordings] if single else list(recordings)  # type: ignore[arg-type]
    if not given:
        raise SettingsError("expected at least one recording, found none")
    opened = list({id(item): item for item in given if isinstance(item, Recording)}.values())
    found = find_inputs(item for item in given if not isinstance(item, Recording))
    return checked_names([*found, *opened])


def checked_names(items: list[BatchItem | Recording]) -> list[BatchItem | Recording]:
    """Refuse ids that collide or lead out of the output folder.

    Raises:
        SettingsError: naming the first one.
    """
    names: set[str] = set()
    for item in items:
        name = _name(item)
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise SettingsError(
                f'recording_id: expected a name, or names joined by "/", that lead to a file in the output folder, '
                f"found {name!r}"
            )
        if name in names:
            raise SettingsError(
                f"two recordings are called {name!r}, so one would replace the other: give one of them another "
                "name (recording_id=...)"
            )
        names.add(name)
    return items


def _name(item: BatchItem | Recording) -> str:
    return item.id if isinstance(item, Recording) else item.recording_id


def manifest_facts(encoder: VideoModel) -> dict[str, JSON]:
    """What a line of the manifest says beside the result."""
    return {"checkpoint": checkpoint_identity(encoder), "model": encoder.info.name, "software": SOFTWARE}


@dataclass(eq=False)
class EmbedWork:
    """The embedding of one recording, under way.

    Attributes:
        recording: open.
        fingerprint: of the recording when it was opened.
        plan: grid, windows, group sizes.
        writer: where the segments go; holds the lock on the output.
        decoding: the first frames, decoded ahead; None when nothing is left to compute.
        result: what is known so far.
    """

    recording: Recording
    fingerprint: Fingerprint
    plan: StreamPlan
    writer: EmbeddingWriter
    decoding: Generator[DecodedFrame, None, None] | None
    result: EmbedResult

    def close(self) -> None:
        """End the decoding and let other processes have the output. Finished segments stay."""
        if self.decoding is not None:
            self.decoding.close()
        self.writer.close()


@dataclass(frozen=True)
class EmbedJob:
    """What all recordings of a batch have in common, and the three stages of embedding one.

    ``prepare`` opens and decodes ahead, ``encode`` computes, ``complete`` assembles the file. Recordings overlap: one
    is prepared and one completed while a third is encoded.

    Attributes:
        encoder: from ``load_encoder``.
        settings: how recordings are embedded.
        folder: for the results.
        reading: options of ``open_recording``.
        overwrite: replace files that were made with other settings.
        progress: is told about the work.
    """

    encoder: VideoModel
    settings: EmbedSettings
    folder: Path
    reading: dict[str, Any]
    overwrite: bool = False
    progress: Progress | None = None

    def prepare(self, item: BatchItem | Recording, position: int, total: int) -> "_Flight":
        """Open a recording and begin to decode it."""
        return _Flight.begin(self, item, position, total)

    def begin(self, recording: Recording, result: EmbedResult) -> EmbedWork:
        """Plan the work on an open recording, lock its output and decode the first frames.

        Raises:
            VPScienceError: when the settings do not fit the recording or the output.
        """
        output = BatchItem(Path(), recording.id).output(self.folder)
        begun = Execution.from_json(pending_execution(output))
        plan = plan_stream(recording, self.encoder, self.settings, begun)
        fingerprint = recording.fingerprint()
        result = replace(
            result,
            grid_frames=len(plan.grid),
            duration_s=recording.duration_s,
            recording_sha256=fingerprint.sha256,
        )
        writer = self._open_writer(output, recording, fingerprint, plan)
        decoding = None
        try:
            if writer.next_segment < plan.num_segments:
                decoding = start_decoding(recording, plan, writer.next_segment)
        except BaseException:
            writer.close()
            raise
        return EmbedWork(recording, fingerprint, plan, writer, decoding, result)

    def encode(self, work: EmbedWork, position: int, total: int) -> None:
        """Compute and write the segments that are missing.

        Raises:
            VPScienceError: when the recording cannot be read or a segment cannot be written.
        """
        recording, plan, writer = work.recording, work.plan, work.writer
        if self.progress:
            done = _finished_frames(writer, plan)
            self.progress.start(recording.id, position, total, len(plan.grid), done, recording.duration_s)
        segments = embed_segments(
            recording,
            self.encoder,
            plan,
            first_segment=writer.next_segment,
            on_frames=self.progress.advance if self.progress else None,
            decoding=work.decoding,
        )
        # Closing ends the decode thread before the recording is closed, also when writing fails.
        with closing(segments):
            for rows in segments:
                writer.write_segment(rows.index, rows.track, rows.window, rows.shown_index, rows.damaged_frames)

    def complete(self, work: EmbedWork) -> EmbedResult:
        """Assemble the file, unless it was complete before.

        Raises:
            VPScienceError: when the recording changed meanwhile, or the file cannot be written.
        """
        status: Literal["done", "skipped"] = "skipped" if work.writer.status == "already_complete" else "done"
        recording, fingerprint = work.recording, work.fingerprint
        if status == "done" and recording.fingerprint() != fingerprint:
            raise RecordingError(
                f"{recording.path} changed while it was read: expected the same {fingerprint.num_bytes} bytes; "
                "wait until the recording is finished, then run again with --overwrite"
            )
        return _finished(work.result, status, work.writer.finish())

    def _open_writer(
        self, output: Path, recording: Recording, fingerprint: Fingerprint, plan: StreamPlan
    ) -> EmbeddingWriter:
        return EmbeddingWriter.open(
            output,
            _provenance(recording, self.encoder, self.settings, plan.grid),
            RecordingFacts.of(recording.id, recording.path, fingerprint),
            plan.grid,
            plan.windows,
            self.encoder.config.model_dim,
            plan.execution.windows_per_segment,
            execution=asdict(plan.execution),
            overwrite=self.overwrite,
        )


@dataclass(eq=False)
class _Flight:
    """One recording on its way through ``embed``; whatever goes wrong becomes part of the result."""

    job: EmbedJob
    position: int
    total: int
    result: EmbedResult
    work: EmbedWork | None = None
    opened: Recording | None = None
    seconds: float = 0.0

    @classmethod
    def begin(cls, job: EmbedJob, item: BatchItem | Recording, position: int, total: int) -> "_Flight":
        """Open the recording, if it is not open yet, and begin to decode it."""
        result = EmbedResult(_name(item), "" if item.path is None else str(item.path), None, "failed")
        flight = cls(job, position, total, result)
        with flight.failing():
            if isinstance(item, Recording):
                recording = item
            else:
                recording = flight.opened = open_item(item, job.reading)
            flight.work = job.begin(recording, result)
        return flight

    def encode(self) -> None:
        """Compute what is missing."""
        with self.failing():
            if self.work:
                self.job.encode(self.work, self.position, self.total)

    def complete(self) -> EmbedResult:
        """Assemble the file and close everything."""
        with self.failing():
            if self.work:
                self.result = self.job.complete(self.work)
        self.close()
        return replace(self.result, seconds=self.seconds)

    def close(self) -> None:
        """Close the decoder, the output and, if it was opened here, the recording."""
        if self.work:
            self.work.close()
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Keep the time that was worked, and what went wrong; after that nothing more is done."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            self.close()
            self.work = None
            self.result = replace(self.result, error=describe_failure(error))
        except BaseException:
            self.close()
            raise
        finally:
            self.seconds += time.monotonic() - started


def describe_failure(error: Exception) -> str:
    """The text of a result whose recording failed; bugs and faults of the machine are named with their place."""
    if isinstance(error, VPScienceError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {error}"


def plan_stream(
    recording: Recording, encoder: VideoModel, settings: EmbedSettings, execution: Execution | None = None
) -> StreamPlan:
    """Grid, windows and group sizes for one recording.

    Args:
        recording: gives the times and the size of the frames.
        encoder: what they are for.
        settings: what is asked for.
        execution: group sizes of work that was begun; None chooses them for this machine.

    Raises:
        SettingsError: when the region of interest or the rate does not fit the recording.
    """
    settings.preprocess.geometry(recording.width, recording.height)
    grid = SampleGrid.from_timestamps(recording.time_s, settings.fps)
    windows = plan_windows(len(grid), settings.num_frames, settings.stride)
    execution = execution or choose_execution(encoder, settings.preprocess, settings.num_frames)
    return StreamPlan(grid, windows, settings.preprocess, settings.spatial_pool, execution)


def _finished_frames(writer: EmbeddingWriter, plan: StreamPlan) -> int:
    if writer.next_segment == len(writer.segments):
        return len(plan.grid)
    return int(writer.segments[writer.next_segment].grid.start)


def _finished(result: EmbedResult, status: Literal["done", "skipped"], output: Path) -> EmbedResult:
    try:
        with open_embeddings(output) as embeddings:
            damaged = len(embeddings.damaged_frames)
        return replace(result, status=status, output=output, damaged_frames=damaged, output_sha256=hash_file(output))
    except OSError as error:
        raise StoreError(f"cannot read back {output}: {error}") from error


def _provenance(recording: Recording, encoder: VideoModel, settings: EmbedSettings, grid: SampleGrid) -> Provenance:
    return Provenance(
        model=encoder.info.name,
        checkpoint=checkpoint_identity(encoder),
        encoder_config=encoder.config.to_json(),
        preprocess=settings.preprocess.to_json(),
        source=recording.source,
        grid={"sample_fps": settings.fps, "num_grid": len(grid)},
        num_frames=settings.num_frames,
        stride=settings.stride,
        spatial_pool=settings.spatial_pool,
        dtype=settings.dtype,
        precision=encoder.info.precision,
        software=SOFTWARE,
    )


def checkpoint_identity(encoder: VideoModel) -> str:
    """The identity of the weights; a file that was renamed is still the same file."""
    checkpoint = encoder.info.checkpoint
    return checkpoint if encoder.info.untrained else checkpoint.split(" ")[0]


def checkpoint_seed(identity: object) -> int | None:
    """The seed that untrained weights were made from; None for weights of a file. The other way from ``ModelInfo``."""
    seed = re.fullmatch(r"seed:(\d+) \(untrained\)", str(identity))
    return int(seed[1]) if seed else None
