"""What a batch would cost: time and disk, before anything is done."""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.annotating.encoder_for import embed_settings
from vp_science.annotating.flight import AnnotateFlight
from vp_science.annotating.job import AnnotateJob, Decision
from vp_science.annotating.results import AnnotateResult
from vp_science.batch import MANIFEST, BatchItem
from vp_science.embedding.outcome import describe_failure
from vp_science.embedding.settings import EmbedSettings, plan_stream
from vp_science.encoder.config import read_config
from vp_science.encoder.family import track_width
from vp_science.recordings import Recording
from vp_science.store.reader import open_embeddings
from vp_science.stream import embed_segments
from vp_science.timeline.grid import SampleGrid

_PIECE_S = 10.0
_WARM_GROUPS, _PIECE_GROUPS = 2, 12
_PREDICTED = 2000


@dataclass
class Rates:
    """How fast things go here.

    Attributes:
        embed_fps: grid frames per second; None until it is known.
        predict_fps: grid frames per second from a track to an ethogram; None until it is known.
        source: where ``embed_fps`` comes from, in words.
    """

    embed_fps: float | None = None
    predict_fps: float | None = None
    source: str = ""


def estimate(job: AnnotateJob, items: Sequence[BatchItem | Recording]) -> tuple[list[AnnotateResult], Rates]:
    """What would be done with every recording, and what it would cost. Nothing is written.

    The rate of embedding is that of earlier runs into the same folder, if there are any; otherwise it is measured on
    the first few windows of the first recording that needs it.

    Args:
        job: the batch.
        items: its recordings.
    """
    rates = Rates()
    if recorded := _recorded_rate(job):
        rates.embed_fps, rates.source = recorded, f"rate of earlier runs in {job.embeddings}"
    return [_estimate_one(job, item, rates) for item in items], rates


def _estimate_one(job: AnnotateJob, item: BatchItem | Recording, rates: Rates) -> AnnotateResult:
    flight = AnnotateFlight.look(job, item)
    try:
        if flight.recording is None:
            return flight.result
        if flight.result.action == "skip":
            return replace(flight.result, status="skipped", output=flight.place.path)
        seconds, num_bytes, grid_frames = _cost(job, flight.recording, flight.decision, rates)
        return replace(
            flight.result,
            status="planned",
            output=flight.place.path,
            seconds=seconds,
            new_bytes=num_bytes,
            grid_frames=grid_frames,
        )
    except Exception as error:  # what would make the recording fail makes it fail here, and the rest is looked at
        return replace(flight.result, status="failed", error=describe_failure(error))
    finally:
        flight.close()


def _cost(job: AnnotateJob, recording: Recording, decision: Decision, rates: Rates) -> tuple[float, int, int]:
    """Seconds, bytes and grid frames."""
    num_tracks = len(decision.tracks) + len(decision.to_embed)
    num_bytes = recording.num_frames * (8 + 5 * len(job.probe.behaviors_)) * num_tracks + (64 << 10)
    seconds, all_grid = 0.0, 0
    if decision.tracks:
        rates.predict_fps = rates.predict_fps or _measure_predicting(job, decision.tracks[0])
        for path in decision.tracks:
            with open_embeddings(path) as track:
                all_grid += len(track)
        seconds = all_grid / rates.predict_fps
    for part in decision.to_embed:
        settings = embed_settings(job.probe.track_settings_)
        settings.preprocess.geometry(part.width, part.height)
        grid = len(SampleGrid.from_timestamps(part.time_s, settings.fps))
        if rates.embed_fps is None:
            rates.embed_fps, rates.source = _measure_embedding(job, part), f"measured on the first frames of {part.id}"
        all_grid, seconds = all_grid + grid, seconds + grid / rates.embed_fps
        num_bytes += _track_bytes(grid, settings, track_width(read_config(job.probe.track_settings_["encoder_config"])))
    return seconds, num_bytes, all_grid


def _track_bytes(grid: int, settings: EmbedSettings, dim: int) -> int:
    windows = -(-grid // settings.stride)
    vectors = grid * settings.spatial_pool**2 * np.dtype(settings.dtype).itemsize + windows * 4
    return vectors * dim + 8 * (4 * grid + 2 * windows)


class _EnoughError(Exception):
    """Enough was measured."""


def _measure_embedding(job: AnnotateJob, recording: Recording) -> float:
    """Grid frames per second of the first windows, after those that also compile."""
    encoder = job.embedder().encoder
    plan = plan_stream(recording, encoder, embed_settings(job.probe.track_settings_))
    began = time.monotonic()
    marks: list[tuple[float, int]] = []

    def count(frames: int) -> None:
        marks.append((time.monotonic(), frames))
        if len(marks) >= _PIECE_GROUPS or (
            len(marks) > _WARM_GROUPS and marks[-1][0] - marks[_WARM_GROUPS - 1][0] > _PIECE_S
        ):
            raise _EnoughError

    try:
        with closing(embed_segments(recording, encoder, plan, on_frames=count)) as segments:
            for _ in segments:
                pass
    except _EnoughError:
        pass
    warm = _WARM_GROUPS if len(marks) > _WARM_GROUPS else 0
    since = marks[warm - 1][0] if warm else began
    return max(1e-3, sum(frames for _, frames in marks[warm:]) / max(1e-6, marks[-1][0] - since))


def _measure_predicting(job: AnnotateJob, path: Path) -> float:
    """Grid frames per second, from the beginning of one track."""
    with open_embeddings(path) as track:
        stop = min(_PREDICTED, len(track)) - 1
        piece = track.select(float(track.time_s[0]), float(np.nextafter(track.time_s[stop], np.inf)))
    piece = _from_zero(piece)
    job.probe.predict_proba(piece)  # compiles
    began = time.monotonic()
    job.probe.states(job.probe.predict_proba(piece), np.asarray(piece.time_s))
    return len(piece) / max(1e-6, time.monotonic() - began)


def _from_zero(piece: Any) -> Any:
    """The beginning of a track as a track: windows that reach beyond it end with it."""
    piece.window_stop = np.minimum(piece.window_stop, len(piece))
    return piece


def _recorded_rate(job: AnnotateJob) -> float | None:
    """Grid frames per second of earlier runs with this encoder, from the manifest of the embeddings."""
    path, wanted = job.embeddings / MANIFEST, job.probe.track_settings_
    fitting = {facts.path.name for many in job.tracks.by_recording.values() for facts in many if not facts.misfit}
    frames = seconds = 0.0
    if not path.is_file():
        return None
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            same = all(record.get(name) == wanted.get(name) for name in ("model", "checkpoint"))
            if record["status"] == "done" and same and Path(str(record["output"])).name in fitting:
                frames, seconds = frames + float(record["grid_frames"]), seconds + float(record["seconds"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # a line that a full disk cut short says nothing about the rate
    return frames / seconds if frames > 0 and seconds > 0 else None
