"""A published protocol from the download to the number: embed, fit, predict, score."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Int8

from vp_science.batch import PICTURE_ENDINGS, EmbedResult, natural_key
from vp_science.bench.boxes import box_tables
from vp_science.bench.changes import Changes, check_head
from vp_science.bench.protocol import (
    SPLITS,
    BenchRecording,
    ClipSettings,
    FindOptions,
    FrameLabels,
    Shape,
    Split,
    Study,
)
from vp_science.bench.registry import find_dataset
from vp_science.bench.report import BenchReport, Counts
from vp_science.bench.scores import TestPart, score_parts
from vp_science.bench.tracks import read_track
from vp_science.embedding.outcome import BatchError, Progress
from vp_science.embedding.run import embed
from vp_science.embedding.settings import native_preprocess
from vp_science.encoder.family import VideoModel
from vp_science.errors import BenchError, SettingsError
from vp_science.probes.bundle import save_probe
from vp_science.probes.dataset import hide_absent
from vp_science.probes.probe import Probe
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.ethogram import Ethogram
from vp_science.typing import StrPath
from vp_science.video.images import image_size
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess


def run_bench(
    name: str,
    data: StrPath,
    encoder: VideoModel,
    *,
    out: StrPath,
    split: StrPath | None = None,
    view: Literal["side", "top"] | None = None,
    changes: Changes | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> BenchReport:
    """Follow a published protocol and report the published metric beside the published numbers.

    Finished tracks in ``<out>/tracks`` are reused, so an interrupted run goes on where it stopped.

    Args:
        name: ``calms21``, ``fly-vs-fly``, ``kabr``, ``crim13`` or ``chimpact``.
        data: the unpacked download.
        encoder: from ``load_encoder``.
        out: folder for tracks, probe and report.
        split: a table ``recording,split`` instead of the split of the protocol.
        view: CRIM13: which camera; top by default.
        changes: what is done otherwise; None follows the protocol.
        seed: of the head.
        progress: is told about the embedding.

    Returns:
        The report, which also lies in ``out`` (``report.json``, ``report.md``), with the probe (``probe.zip``).

    Raises:
        BenchError: when the data are not laid out as their download.
        SettingsError: when a setting does not apply.
        BatchError: when recordings could not be embedded.
    """
    dataset, changes, folder = find_dataset(name), changes or Changes(), Path(out)
    changes.check()
    if view is not None and "view" not in dataset.options:
        raise SettingsError(f"view: the benchmark {name} has one camera, found {view}: leave it out")
    head = changes.probe(dataset.protocol.head)
    check_head(head)
    options = FindOptions(None if split is None else Path(split), view, changes.max_recordings is not None)
    study = _limited(dataset.find(Path(data), options), changes.max_recordings)
    shapes = {recording.id: _shape(recording) for recording in study.recordings}
    labels = dataset.read_labels(study, shapes, changes.length_tolerance)
    native = native_preprocess(encoder)
    preprocess = native if changes.size is None else Preprocess(changes.size, changes.size)
    clip = changes.clip(dataset.protocol.clip)
    began = time.monotonic()
    paths = _embed(study, encoder, clip, preprocess, folder / "tracks", progress)
    embedded = time.monotonic()
    tracks = {key: read_track(path) for key, path in paths.items()}
    bench = _Bench(study, clip, _join(study, tracks, labels))
    probe = bench.fit(head, seed, f"bench-{name}")
    fitted = time.monotonic()
    parts = bench.predict(probe)
    score = score_parts(parts, study.behaviors, dataset.protocol.metric)
    deviations = [*study.deviations, *changes.deviations(dataset)]
    if preprocess != native:
        deviations.append(f"frames of {preprocess.height} pixels instead of {native.height}")
    report = BenchReport(
        protocol=dataset.protocol,
        view=(view or "top") if "view" in dataset.options else "",
        score=score,
        counts=bench.counts(),
        deviations=tuple(deviations + _absent(score.per_behavior)),
        notes=study.notes,
        model=encoder.info.name,
        checkpoint=encoder.info.checkpoint,
        untrained=encoder.info.untrained,
        seed=seed,
        head=head,
        clip=clip,
        preprocess=preprocess.to_json(),
        training=dict(probe.training_),
        seconds={
            "embed": embedded - began,
            "fit": fitted - embedded,
            "predict": time.monotonic() - fitted,
        },
    )
    save_probe(probe, folder / "probe.zip", overwrite=True)
    report.save(folder)
    return report


def _absent(per_behavior: Mapping[str, float | None]) -> list[str]:
    absent = [name for name, value in per_behavior.items() if value is None]
    return [f"no test frame shows {', '.join(absent)}: left out of the mean"] if absent else []


def _limited(study: Study, limit: int | None) -> Study:
    if limit is None:
        return study
    kept = tuple(recording for split in SPLITS for recording in study.of(split)[:limit])
    return replace(study, recordings=kept)


def _shape(recording: BenchRecording) -> Shape:
    """Frames and size; of a folder of pictures without opening all of them."""
    if recording.path.is_dir():
        pictures = sorted(
            (path for path in recording.path.iterdir() if path.suffix.lower() in PICTURE_ENDINGS),
            key=lambda path: natural_key(path.name),
        )
        if not pictures:
            raise BenchError(
                f"{recording.path}: expected the pictures of {recording.id!r}, found none: unpack them again"
            )
        return Shape(len(pictures), *image_size(pictures[0]))
    with open_recording(recording.path) as opened:
        return Shape(opened.num_frames, opened.width, opened.height)


def _embed(
    study: Study,
    encoder: VideoModel,
    clip: ClipSettings,
    preprocess: Preprocess,
    folder: Path,
    progress: Progress | None,
) -> dict[str, Path]:
    """Tracks of all recordings; one that fails does not stop the others, but the benchmark."""
    fps = None
    if clip.frame_step > 1:
        assert clip.source_fps is not None
        fps = clip.source_fps / clip.frame_step
    results: list[EmbedResult] = []
    for position, recording in enumerate(study.recordings):
        with open_recording(recording.path, source_fps=clip.source_fps, recording_id=recording.id) as opened:
            results += embed(
                opened,
                encoder,
                out=folder,
                fps=fps,
                num_frames=clip.num_frames,
                stride=clip.stride,
                spatial_pool=clip.spatial_pool,
                preprocess=preprocess,
                progress=_Numbered(progress, position, len(study.recordings)) if progress else None,
                raise_failures=False,
            )
    if any(result.status == "failed" for result in results):
        raise BatchError(results)
    return {result.recording_id: result.output for result in results if result.output is not None}


@dataclass(frozen=True)
class _Numbered:
    """Progress of one recording among all of the benchmark."""

    inner: Progress
    position: int
    total: int

    def start(
        self, recording_id: str, position: int, total: int, grid_frames: int, done: int, duration_s: float
    ) -> None:
        self.inner.start(recording_id, self.position, self.total, grid_frames, done, duration_s)

    def advance(self, grid_frames: int) -> None:
        self.inner.advance(grid_frames)

    def finish(self, result: EmbedResult) -> None:
        self.inner.finish(result)


@dataclass(frozen=True, eq=False)
class _Item:
    """Track and labels of one recording, or of one animal in it."""

    recording: BenchRecording
    subject: str
    table: EmbeddingTable
    states: Int8[np.ndarray, "grid behavior"]
    boxes: Float32[np.ndarray, "grid four"] | None


def _join(study: Study, tracks: Mapping[str, EmbeddingTable], labels: Sequence[FrameLabels]) -> list[_Item]:
    """Labels at the grid frames of the tracks; where there are boxes, a track for every animal."""
    by_recording: dict[str, list[FrameLabels]] = {}
    for each in labels:
        by_recording.setdefault(each.recording, []).append(each)
    items = []
    for recording in study.recordings:
        track, mine = tracks[recording.id], by_recording.get(recording.id, [])
        shown = track.frame_index
        boxes = {each.subject: each.boxes[shown] for each in mine if each.boxes is not None}
        tables = box_tables(track, boxes) if boxes else {}
        for each in mine:
            table = tables.get(each.subject, track)
            items.append(_Item(recording, each.subject, table, each.states[shown], boxes.get(each.subject)))
    return items


@dataclass(frozen=True, eq=False)
class _Bench:
    """Everything that is fitted and predicted."""

    study: Study
    clip: ClipSettings
    items: Sequence[_Item]

    def fit(self, head: Mapping[str, Any], seed: int, name: str) -> Probe:
        """Fit the head on the training recordings; the validation recordings, where there are any, stop it."""
        used = self._of("train", "val")
        ethograms = [hide_absent(self._examples(item), item.table) for item in used]
        validation = [recording.id for recording in self.study.of("val")]
        probe = Probe(**head, validation=validation or None, random_state=seed, name=name)
        return probe.fit([item.table for item in used], ethograms)

    def _examples(self, item: _Item) -> Ethogram:
        """Only every so many frames are examples: the clips of the others overlap them almost completely."""
        used = np.arange(len(item.states)) % self.clip.train_every == self.clip.train_every // 2
        if not used.any():
            used[len(used) // 2] = True
        states = np.where(used[:, None], item.states, -1).astype(np.int8)
        time_s = np.asarray(item.table.time_s, np.float64)
        return Ethogram(self.study.behaviors, time_s, states, None, item.recording.id, item.subject)

    def predict(self, probe: Probe) -> list[TestPart]:
        """Scores of every test recording (and animal)."""
        return [
            TestPart(item.recording.id, item.states, probe.predict_proba(item.table), item.boxes)
            for item in self._of("test")
        ]

    def counts(self) -> dict[Split, Counts]:
        """How much there was of what."""
        counts: dict[Split, Counts] = {}
        for split in SPLITS:
            empty = np.zeros((0, len(self.study.behaviors)), np.int8)
            states = np.concatenate([empty, *(item.states for item in self._of(split))])
            positive = dict(zip(self.study.behaviors.names, (states == 1).sum(axis=0).tolist(), strict=True))
            counts[split] = Counts(len(self.study.of(split)), int((states >= 0).any(axis=1).sum()), positive)
        return counts

    def _of(self, *splits: Split) -> list[_Item]:
        return [item for item in self.items if item.recording.split in splits]
