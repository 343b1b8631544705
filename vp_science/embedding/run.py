"""``embed``: from recordings to embedding tracks on disk."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from vp_science.animals import Poses, Subjects, follow_batch
from vp_science.batch import BatchItem, EmbedResult, append_manifest
from vp_science.checkpoints.request import EncoderRequest
from vp_science.cluster.place import ClusterLike, as_cluster
from vp_science.embedding.elsewhere import EmbedRecipe, embed_elsewhere
from vp_science.embedding.flight import EmbedFlights
from vp_science.embedding.inputs import checked_names, collect_recordings
from vp_science.embedding.job import EmbedJob
from vp_science.embedding.outcome import BatchError, Progress
from vp_science.embedding.settings import EmbedSettings, check_settings, native_preprocess
from vp_science.encoder.family import TrackModel
from vp_science.errors import SettingsError
from vp_science.flight import run_in_flight
from vp_science.recordings import Recording
from vp_science.typing import JSON, StrPath
from vp_science.video.crop_path import FollowSettings
from vp_science.video.hdf5_times import TimeUnit
from vp_science.video.preprocess import Preprocess


def embed(
    recordings: StrPath | Recording | Iterable[StrPath | Recording],
    encoder: TrackModel | None = None,
    *,
    out: StrPath,
    model: StrPath | None = None,
    weights: StrPath | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    offline: bool = False,
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
    cluster: ClusterLike | None = None,
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
        weights: with ``model``: a weights file instead of the released ones.
        precision: with ``model``: operand type of matrix products; ``"auto"`` takes what is fast.
        offline: with ``model``: never download.
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
        cluster: run on many machines instead: ``"local:4"``, ``"tcp://host:8786"``, ``"scheduler.json"``,
            ``"slurm:4"``, a ``distributed.Client``, or ``Cluster`` with more settings. Recordings are then files, the
            encoder is named by ``model``, and results come in the same order as here.
        progress: is told about the work; on a cluster only of recordings that are finished.
        raise_failures: raise a ``BatchError`` at the end when a recording failed; otherwise look at ``status``.

    Returns:
        One result per recording, or per recording and animal; ``open_embeddings(result.output)`` reads it.

    Raises:
        SettingsError: when the settings contradict each other or no recording was found.
        BatchError: when recordings failed.
        ClusterError: when there are no workers, or none that can do it.
    """
    chosen = _chosen_encoder(encoder, model, weights, precision, offline, load=cluster is None)
    rate = None if fps is None else float(fps)  # 5 and 5.0 are one setting, down to the bytes of the provenance
    settings = EmbedSettings(rate, num_frames, stride, spatial_pool, dtype, preprocess or native_preprocess(chosen))
    check_settings(settings, chosen)
    reading = {
        "dataset": dataset,
        "value_range": value_range,
        "source_fps": source_fps,
        "timestamps": timestamps,
        "timestamps_unit": timestamps_unit,
    }
    items = collect_recordings(recordings)
    if poses is not None:
        followed = follow_batch(
            items, poses, follow or FollowSettings(), subjects=subjects, pairs=pairs, whole_frame=whole_frame
        )
        items = checked_names(followed)
    elif follow is not None or subjects is not None or pairs or not whole_frame:
        raise SettingsError("expected poses, which say where the animals are, with options about following: name them")
    if cluster is None:
        job = EmbedJob(chosen, settings, Path(out), reading, overwrite, progress)  # type: ignore[arg-type]
        finished = _embed_here(items, job)
    else:
        recipe = EmbedRecipe(chosen, settings, Path(out), reading, overwrite)  # type: ignore[arg-type]
        finished = embed_elsewhere(items, recipe, as_cluster(cluster))
    results: dict[int, EmbedResult] = {}
    with closing(finished):
        for position, result, facts in finished:
            append_manifest(Path(out), result, dict(facts))
            if progress:
                progress.finish(result)
            results[position] = result
    ordered = [results[position] for position in sorted(results)]
    if raise_failures and any(result.status == "failed" for result in ordered):
        raise BatchError(ordered)
    return ordered


def _embed_here(
    items: Sequence[BatchItem | Recording], job: EmbedJob
) -> Generator[tuple[int, EmbedResult, Mapping[str, JSON]], None, None]:
    for position, result in enumerate(run_in_flight(items, EmbedFlights(job))):
        yield position, result, job.facts


def _chosen_encoder(
    encoder: TrackModel | None,
    model: StrPath | None,
    weights: StrPath | None,
    precision: Literal["auto", "float32", "bfloat16"],
    offline: bool,
    *,
    load: bool,
) -> TrackModel | EncoderRequest:
    if (encoder is None) == (model is None):
        found = "neither" if model is None else "both"
        raise SettingsError(f"expected an encoder or the name of a model, found {found}: give one of them")
    if encoder is not None:
        if weights is not None or precision != "auto" or offline:
            raise SettingsError(
                "expected weights, precision and offline with the name of a model, found them with an encoder that is "
                "loaded already: leave them out"
            )
        if not load:
            raise SettingsError(
                "cluster: expected the name of a model (model=...), found an encoder: workers load it themselves"
            )
        return encoder
    assert model is not None
    request = EncoderRequest(model, weights, precision, offline)
    return request.load() if load else request
