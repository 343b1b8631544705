"""From recordings to embedding tracks on disk."""

import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

from vp_science.batch import BatchItem, EmbedResult, append_manifest, find_inputs, hash_file
from vp_science.encoder.video import VideoEncoder
from vp_science.errors import RecordingError, SettingsError, StoreError, VPScienceError
from vp_science.recordings import Recording
from vp_science.store.plan import RecordingFacts
from vp_science.store.provenance import Provenance
from vp_science.store.reader import open_embeddings
from vp_science.store.writer import EmbeddingWriter
from vp_science.stream import StreamPlan, check_spatial_pool, choose_execution, embed_segments
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.typing import JSON, StrPath
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

SOFTWARE = f"vp-science {version('vp-science')}"


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
    preprocess: Preprocess = Preprocess()


class Progress(Protocol):
    """What ``embed`` tells about its work; the command line and the panel draw it."""

    def start(self, recording_id: str, position: int, total: int, grid_frames: int, done: int, duration_s: float) -> None:
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
    encoder: VideoEncoder,
    *,
    out: StrPath,
    fps: float | None = None,
    num_frames: int = 16,
    stride: int = 4,
    spatial_pool: int = 1,
    dtype: Literal["float16", "float32"] = "float16",
    preprocess: Preprocess | None = None,
    dataset: str | None = None,
    value_range: tuple[float, float] | None = None,
    source_fps: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    raise_failures: bool = True,
) -> list[EmbedResult]:
    """Embed recordings; every recording gives one file ``<out>/<recording id>.embeddings.h5``.

    Finished files are skipped, unfinished ones are resumed, and a recording that fails does not stop the others. Every
    recording adds a line to ``<out>/manifest.jsonl``.

    Args:
        recordings: files, folders, patterns, or open recordings.
        encoder: from ``load_encoder``.
        out: folder for the results.
        fps: rate of the sample grid in frames per second; None takes every source frame.
        num_frames: grid frames per window.
        stride: grid frames between the starts of consecutive windows.
        spatial_pool: k for k x k vectors per frame.
        dtype: of the stored track.
        preprocess: region, fit and size of the frames; None squashes whole frames to the encoder's native size.
        dataset: HDF5 and NWB: which dataset holds the frames.
        value_range: what becomes black and white where pixels are not 8-bit.
        source_fps: frame rate of recordings that carry no times.
        overwrite: replace files that were made with other settings.
        progress: is told about the work.
        raise_failures: raise a ``BatchError`` at the end when a recording failed; otherwise look at ``status``.

    Returns:
        One result per recording; ``open_embeddings(result.output)`` reads it.

    Raises:
        SettingsError: when the settings contradict each other or no recording was found.
        BatchError: when recordings failed.
    """
    settings = EmbedSettings(fps, num_frames, stride, spatial_pool, dtype, preprocess or native_preprocess(encoder))
    check_settings(settings, encoder)
    folder = Path(out)
    reading = {"dataset": dataset, "value_range": value_range, "source_fps": source_fps}
    items = _collect(recordings)
    results = []
    for position, item in enumerate(items):
        result = _embed_item(item, encoder, settings, folder, reading, overwrite, progress, (position, len(items)))
        facts: dict[str, JSON] = {"checkpoint": _checkpoint(encoder), "model": encoder.info.name, "software": SOFTWARE}
        append_manifest(folder, result, facts)
        if progress:
            progress.finish(result)
        results.append(result)
    if raise_failures and any(result.status == "failed" for result in results):
        raise BatchError(results)
    return results


def native_preprocess(encoder: VideoEncoder) -> Preprocess:
    """Whole frames, squashed to the size the encoder was made for."""
    height, width = encoder.config.image_size
    return Preprocess(height, width)


def check_settings(settings: EmbedSettings, encoder: VideoEncoder) -> None:
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


def _collect(recordings: StrPath | Recording | Iterable[StrPath | Recording]) -> list[BatchItem | Recording]:
    given = [recordings] if isinstance(recordings, (str, Path, Recording)) or hasattr(recordings, "__fspath__") else recordings
    items = list(given)  # type: ignore[arg-type]
    opened = [item for item in items if isinstance(item, Recording)]
    paths = [item for item in items if not isinstance(item, Recording)]
    if not items:
        raise SettingsError("expected at least one recording, found none")
    return [*find_inputs(paths), *opened]


def _embed_item(
    item: BatchItem | Recording,
    encoder: VideoEncoder,
    settings: EmbedSettings,
    folder: Path,
    reading: dict[str, Any],
    overwrite: bool,
    progress: Progress | None,
    place: tuple[int, int],
) -> EmbedResult:
    """Embed one recording of a batch; whatever goes wrong becomes part of the result."""
    if isinstance(item, Recording):
        result = EmbedResult(item.id, "" if item.path is None else str(item.path), None, "failed")
    else:
        result = EmbedResult(item.recording_id, str(item.path), None, "failed")
    started = time.monotonic()
    try:
        if isinstance(item, Recording):
            result = _embed_one(item, result, encoder, settings, folder, overwrite, progress, place)
        else:
            with open_recording(item.path, recording_id=item.recording_id, **reading) as recording:
                result = _embed_one(recording, result, encoder, settings, folder, overwrite, progress, place)
    except VPScienceError as error:
        result = replace(result, error=str(error))
    except Exception as error:  # a bug or a fault of the machine: the rest of the night's work goes on
        where = traceback.extract_tb(error.__traceback__)[-1]
        result = replace(result, error=f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
    return replace(result, seconds=time.monotonic() - started)


def _embed_one(
    recording: Recording,
    result: EmbedResult,
    encoder: VideoEncoder,
    settings: EmbedSettings,
    folder: Path,
    overwrite: bool,
    progress: Progress | None,
    place: tuple[int, int],
) -> EmbedResult:
    grid = SampleGrid.from_timestamps(recording.time_s, settings.fps)
    windows = plan_windows(len(grid), settings.num_frames, settings.stride)
    execution = choose_execution(encoder, settings.preprocess, settings.num_frames, settings.stride)
    plan = StreamPlan(grid, windows, settings.preprocess, settings.spatial_pool, execution)
    settings.preprocess.geometry(recording.width, recording.height)
    fingerprint = recording.fingerprint()
    result = replace(
        result, grid_frames=len(grid), duration_s=recording.duration_s, recording_sha256=fingerprint.sha256
    )
    with EmbeddingWriter.open(
        BatchItem(Path(), recording.id).output(folder),
        _provenance(recording, encoder, settings, grid),
        RecordingFacts.of(recording.id, recording.path, fingerprint),
        grid,
        windows,
        encoder.config.model_dim,
        execution.windows_per_segment,
        execution=asdict(execution),
        overwrite=overwrite,
    ) as writer:
        status = "skipped" if writer.status == "already_complete" else "done"
        done = writer.segments[writer.next_segment].grid.start if writer.next_segment < len(writer.segments) else len(grid)
        if progress:
            progress.start(recording.id, *place, len(grid), done, recording.duration_s)
        for rows in embed_segments(
            recording,
            encoder,
            plan,
            first_segment=writer.next_segment,
            on_frames=progress.advance if progress else None,
        ):
            writer.write_segment(rows.index, rows.track, rows.window, rows.shown_index, rows.damaged_frames)
        if status == "done" and recording.fingerprint() != fingerprint:
            raise RecordingError(
                f"{recording.path} changed while it was read: expected the same {fingerprint.num_bytes} bytes; "
                "wait until the recording is finished, then run again with --overwrite"
            )
        output = writer.finish()
    return _finished(result, status, output)


def _finished(result: EmbedResult, status: Literal["done", "skipped"], output: Path) -> EmbedResult:
    try:
        with open_embeddings(output) as embeddings:
            damaged = len(embeddings.damaged_frames)
        return replace(
            result, status=status, output=output, damaged_frames=damaged, output_sha256=hash_file(output)
        )
    except OSError as error:
        raise StoreError(f"cannot read back {output}: {error}") from error


def _provenance(
    recording: Recording, encoder: VideoEncoder, settings: EmbedSettings, grid: SampleGrid
) -> Provenance:
    return Provenance(
        model=encoder.info.name,
        checkpoint=_checkpoint(encoder),
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


def _checkpoint(encoder: VideoEncoder) -> str:
    """The identity of the weights; a file that was renamed is still the same file."""
    checkpoint = encoder.info.checkpoint
    return checkpoint if encoder.info.untrained else checkpoint.split(" ")[0]
