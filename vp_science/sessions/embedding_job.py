"""The worker's job ``embed``: recordings become tracks, the same files that ``vp-science embed`` writes."""

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from vp_science.animals import follow_batch
from vp_science.batch import BatchItem, EmbedResult, append_manifest
from vp_science.checkpoints.fetch import fetch_weights
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.registry import is_model_name
from vp_science.embedding.flight import EmbedFlights
from vp_science.embedding.identity import manifest_facts
from vp_science.embedding.inputs import checked_names
from vp_science.embedding.job import EmbedJob, EmbedWork
from vp_science.embedding.settings import check_settings
from vp_science.encoder.family import VideoModel
from vp_science.errors import CheckpointError
from vp_science.flight import run_in_flight
from vp_science.sessions.embedding_estimate import check_room, estimate
from vp_science.sessions.embedding_rates import Rate, rate_key, remember_rate
from vp_science.sessions.embedding_request import AskedRecording, EmbeddingRequest, Region
from vp_science.sessions.worker import Reporter

_RATE_OVER_S = 20.0
_LEAST_FRAMES = 32
_TELL_EVERY_S = 0.1


def embed_recordings(request: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Embed recordings; finished tracks are skipped, unfinished ones continued, failing ones do not stop the others.

    Args:
        request: see ``EmbeddingRequest``.
        report: is told ``recording``, ``position``, ``recordings``, ``recording_done``, ``recording_total``,
            ``frames_per_s``, ``seconds_left``; and ``finished`` with the result of a recording when it ends.

    Returns:
        ``results``: one record per track; ``frames_per_s``: over the whole run, None when nothing was computed.

    Raises:
        SettingsError: when the settings contradict each other.
        CheckpointError: when the weights are not there.
        StoreError: when the disk is too small.
    """
    asked = EmbeddingRequest.from_json(request)
    report.progress("looking at the recordings", 0, len(asked.recordings))
    before = estimate(asked, report)
    check_room(before, asked.out)
    encoder = loaded_encoder(asked, report)
    told = _Told(report, {one.id: one.grid_frames or 0 for one in before.tracks})
    results = []
    for region, recordings in asked.regions():
        for result, of in _embed_group(asked, encoder, region, recordings, told):
            if result.status != "done":
                told.finished(result, of)
            results.append(_to_json(result, of))
    rate = told.overall_rate()
    if rate is not None:
        remember_rate(rate_key(asked), Rate(rate, peak_memory()))
    return {"results": results, "frames_per_s": rate}


def _embed_group(
    asked: EmbeddingRequest,
    encoder: VideoModel,
    region: Region | None,
    recordings: list[AskedRecording],
    told: "_Told",
) -> Iterator[tuple[EmbedResult, str]]:
    """The results of recordings with one region, each with the id of the recording that it belongs to."""
    settings = asked.settings(encoder.config, region)
    check_settings(settings, encoder)
    items, owners = [], {}
    for one in recordings:
        told.report.checkpoint()
        for item in _items(one, asked):
            items.append(item)
            owners[item.recording_id] = one.id
    checked_names(list(items))
    job = _Job(encoder, settings, asked.out, {}, asked.overwrite, told, owners=owners)
    for result in run_in_flight(items, EmbedFlights(job)):
        append_manifest(asked.out, result, manifest_facts(encoder))
        yield result, owners[result.recording_id]


@dataclass(frozen=True)
class _Job(EmbedJob):
    """Tells that a track is there as soon as it is, while the next recording is being embedded already.

    Attributes:
        owners: id of the recording by the id of the track.
    """

    owners: dict[str, str] = field(default_factory=dict)

    def complete(self, work: EmbedWork) -> EmbedResult:
        """Assemble the file; runs in a thread of its own."""
        result = super().complete(work)
        if result.status == "done" and isinstance(self.progress, _Told):
            self.progress.made(result, self.owners[result.recording_id])
        return result


def _items(one: AskedRecording, asked: EmbeddingRequest) -> list[BatchItem]:
    """A recording, and the animals in it."""
    whole = BatchItem(one.path, one.id)
    if asked.follow is None or (one.poses is None and asked.whole_frame):
        return [whole]  # the estimate has said which recordings have no pose file
    poses = {} if one.poses is None else {one.id: one.poses}
    followed = follow_batch(
        [whole], poses, asked.follow, subjects=asked.subjects, pairs=asked.pairs, whole_frame=asked.whole_frame
    )
    return [item for item in followed if isinstance(item, BatchItem)]


def loaded_encoder(asked: EmbeddingRequest, report: Reporter) -> VideoModel:
    """The model with its weights; the last one stays loaded for the next job.

    Raises:
        CheckpointError: when the weights are not on this machine and the user did not ask for a download, or it fails.
    """
    spec, weights = asked.spec, asked.files
    if weights is None and spec.released:
        report.progress(f"looking for the weights of {spec.name}")
        weights = fetch_weights(spec, offline=not asked.download, on_bytes=_downloading(spec.name, report))
    report.progress(f"loading {spec.name}")
    try:
        stamp = None if weights is None else weights.stat().st_mtime_ns
    except OSError as error:
        raise CheckpointError(f"{weights}: expected a file with weights, found {error.strerror or error}") from error
    if is_model_name(asked.model):
        return _load(spec.name, weights, asked.precision, stamp)
    # A model that was trained here is its folder, and a file beside it would be another one's.
    return _load(str(weights), asked.weights, asked.precision, stamp)


def _downloading(name: str, report: Reporter) -> Any:
    last = [0.0]

    def tell(come: int, total: int) -> None:
        if time.monotonic() - last[0] >= _TELL_EVERY_S or come == total:
            last[0] = time.monotonic()
            report.progress(f"downloading the weights of {name}", come, total, unit="bytes")

    return tell


@lru_cache(maxsize=1)
def _load(name: str, weights: Path | None, precision: Any, stamp: int | None) -> VideoModel:
    """``stamp`` is part of the question: weights that were replaced are loaded again."""
    return load_encoder(name, weights, precision, offline=True)


@dataclass(eq=False)
class _Told:
    """Progress of a batch as the panel hears it; here the job waits while it is paused, and ends when cancelled."""

    report: Reporter
    expected: dict[str, int]
    started: set[str] = field(default_factory=set)
    done: int = 0
    new: int = 0
    failed: int = 0
    current: tuple[str, int, int] = ("", 0, 0)
    worked_s: float = 0.0
    recent: list[tuple[float, int]] = field(default_factory=list)
    _since: float = 0.0
    _said: float = 0.0

    def start(
        self, recording_id: str, position: int, total: int, grid_frames: int, done: int, duration_s: float
    ) -> None:
        """A track begins."""
        self.started.add(recording_id)
        self.expected[recording_id] = grid_frames
        self.current = (recording_id, done, grid_frames)
        self.done += done
        self._since = time.monotonic()
        self._say(force=True)

    def advance(self, grid_frames: int) -> None:
        """Frames were finished."""
        now = time.monotonic()
        self.worked_s += now - self._since
        self.new += grid_frames
        self.done += grid_frames
        name, done, whole = self.current
        self.current = (name, done + grid_frames, whole)
        self.recent.append((self.worked_s, self.new))
        while len(self.recent) > 2 and self.recent[0][0] < self.worked_s - _RATE_OVER_S:
            self.recent.pop(0)
        self._say()
        self._since = time.monotonic()  # time in which the job was paused does not count

    def finish(self, result: EmbedResult) -> None:
        """A track ended; ``finished`` says so with the recording it belongs to."""

    def made(self, result: EmbedResult, of: str) -> None:
        """A track is there; told from another thread than the work, so nothing waits or stops here."""
        stage, done, total = self._place()
        self.report.tell(stage, done, total, **(self._facts() | {"finished": _to_json(result, of)}))

    def finished(self, result: EmbedResult, of: str) -> None:
        """A track failed, or was there already."""
        if result.status == "failed":
            self.failed += 1
            self.started.add(result.recording_id)
            self.expected[result.recording_id] = 0
        self._say(force=True, finished=_to_json(result, of))
        self._since = time.monotonic()

    def rate(self) -> float | None:
        """Frames per second lately; None while too little was done."""
        if len(self.recent) < 2 or self.recent[-1][0] <= self.recent[0][0]:
            return None
        return (self.recent[-1][1] - self.recent[0][1]) / (self.recent[-1][0] - self.recent[0][0])

    def overall_rate(self) -> float | None:
        """Frames per second of the run; None when hardly anything was computed."""
        return self.rate() if self.new >= _LEAST_FRAMES else None

    def _say(self, force: bool = False, **facts: Any) -> None:
        now = time.monotonic()
        if not force and now - self._said < _TELL_EVERY_S:
            self.report.checkpoint()
            return
        self._said = now
        stage, done, total = self._place()
        self.report.progress(stage, done, total, **(self._facts() | facts))

    def _place(self) -> tuple[str, int, int]:
        return f"embedding {self.current[0]}", self.done, max(sum(self.expected.values()), self.done)

    def _facts(self) -> dict[str, Any]:
        name, done, whole = self.current
        _, overall, total = self._place()
        rate = self.rate()
        return {
            "recording": name, "position": len(self.started), "recordings": len(self.expected), "recording_done": done,
            "recording_total": whole, "frames_per_s": rate, "failed": self.failed,
            "seconds_left": (total - overall) / rate if rate else None,
        }  # fmt: skip


def _to_json(result: EmbedResult, of: str) -> dict[str, Any]:
    return {
        "track": result.recording_id,
        "recording": of,
        "status": result.status,
        "error": result.error,
        "output": None if result.output is None else str(result.output),
        "grid_frames": result.grid_frames,
        "damaged_frames": result.damaged_frames,
        "seconds": round(result.seconds, 3),
    }


def peak_memory() -> int:
    """The most memory that this process has held, in bytes; 0 when the system does not say."""
    try:
        import resource
    except ImportError:  # Windows has no such count
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
