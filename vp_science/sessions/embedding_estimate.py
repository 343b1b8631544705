"""How long an embedding will take and how much disk it needs, before it begins.

Disk follows from the shapes of the tracks. Time follows from the speed of the model on this computer, measured on the
first windows of the first recording, or kept from the last run.
"""

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from vp_science.animals import followed_id
from vp_science.batch import BatchItem
from vp_science.errors import StoreError, VPScienceError
from vp_science.poses.load import load_animal_tracks
from vp_science.sessions.embedding_rates import Rate, known_rate, rate_key, remember_rate
from vp_science.sessions.embedding_request import AskedRecording, EmbeddingRequest
from vp_science.sessions.quick_look import QuickLook, quick_look
from vp_science.sessions.tracks import (
    PARTIAL,
    plan_differences,
    read_track,
    same_settings,
    track_path,
    unfinished_work,
)
from vp_science.sessions.worker import Reporter
from vp_science.video.crop_path import FollowSettings
from vp_science.video.open import open_recording

_MEASURE_S = 3.0
_LEAST_MARKS = 3
_OVERHEAD = 96 << 10
"""Of a track file: its chunk tables and texts."""

TrackStatus = Literal["new", "continues", "done", "other"]


@dataclass(frozen=True)
class TrackEstimate:
    """One track that was asked for.

    Attributes:
        id: of the track.
        recording: id of the recording.
        grid_frames: about how many frames; None when the recording does not say.
        status: ``done`` is there already, ``continues`` was begun, ``other`` is there or was begun in another way.
        share: how much of it is done.
        differences: in which settings an ``other`` one differs, or why it does not belong to the recording.
    """

    id: str
    recording: str
    grid_frames: int | None
    status: TrackStatus = "new"
    share: float = 0.0
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """What an embedding amounts to.

    Attributes:
        tracks: all that were asked for.
        frames_left: frames that are to be computed.
        track_bytes: size of the tracks that will be made.
        needed_bytes: room that making them needs for a while.
        unreadable: recordings that cannot be read, with the reason.
        without_poses: recordings that have no pose file although animals are to be followed.
    """

    tracks: tuple[TrackEstimate, ...]
    frames_left: int
    track_bytes: int
    needed_bytes: int
    unreadable: tuple[tuple[str, str], ...]
    without_poses: tuple[str, ...]


def estimate_embedding(request: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """The worker's job ``estimate``: see ``Estimate``, and the speed.

    Args:
        request: see ``EmbeddingRequest``; with ``measure`` the speed is measured when it is not known.
        report: is told about the work.

    Returns:
        The fields of ``Estimate``; ``free_bytes``; ``problem``: why it cannot begin; ``frames_per_s``, ``seconds`` and
        ``memory_bytes``, None when nobody knows; ``measured``: ``now``, ``before`` or "".
    """
    record = dict(request)
    measure = bool(record.pop("measure", False))
    asked = EmbeddingRequest.from_json(record)
    result = estimate(asked, report)
    rate, measured = known_rate(rate_key(asked)), "before"
    if rate is None and measure and result.frames_left:
        rate, measured = measure_rate(asked, result, report), "now"
    problem = ""
    try:
        check_room(result, asked.out)
    except StoreError as error:
        problem = str(error)
    return asdict(result) | {
        "free_bytes": free_bytes(asked.out),
        "problem": problem,
        "frames_per_s": rate.frames_per_s if rate else None,
        "seconds": result.frames_left / rate.frames_per_s if rate else None,
        "memory_bytes": (rate.memory_bytes or None) if rate else None,
        "measured": measured if rate else "",
    }


def estimate(asked: EmbeddingRequest, report: Reporter) -> Estimate:
    """Everything but the speed."""
    tracks: list[TrackEstimate] = []
    unreadable = []
    without = []
    for number, one in enumerate(asked.recordings):
        report.progress(f"looking at {one.id}", number, len(asked.recordings))
        look = _look(one.path)
        if look.error:
            unreadable.append((one.id, look.error))
            continue
        if asked.follow is not None and one.poses is None:
            without.append(one.id)
        try:
            names = track_ids(one, asked)
        except VPScienceError as error:
            unreadable.append((one.id, str(error)))
            names = [one.id] if asked.whole_frame else []
        tracks += [_track(name, one, look, asked) for name in names]
    todo = [track for track in tracks if track.status in ("new", "continues") or _is_replaced(track, asked)]
    sizes = [track_bytes(track.grid_frames or 0, asked) for track in todo]
    left = sum(round((track.grid_frames or 0) * (1 - track.share)) for track in todo)
    return Estimate(
        tuple(tracks), left, sum(sizes), sum(sizes) + max(sizes, default=0), tuple(unreadable), tuple(without)
    )


def _is_replaced(track: TrackEstimate, asked: EmbeddingRequest) -> bool:
    return track.status == "other" and asked.overwrite


def track_ids(one: AskedRecording, asked: EmbeddingRequest) -> list[str]:
    """Ids of the tracks that a recording gives.

    Raises:
        PoseError: when its pose file cannot be read.
    """
    ids = [one.id] if asked.whole_frame else []
    if asked.follow is None or one.poses is None:
        return ids
    names = [name for name in animal_names(one.poses, asked.follow) if not asked.subjects or name in asked.subjects]
    ids += [followed_id(one.id, name) for name in names]
    if asked.pairs:
        ids += [followed_id(one.id, a, b) for a in names for b in names if a != b]
    return ids


def animal_names(poses: Path, follow: FollowSettings) -> tuple[str, ...]:
    """The animals of a pose file that are ever seen.

    Raises:
        PoseError: when it cannot be read.
    """
    return _animal_names(poses, _stamp(poses), follow.min_points, follow.min_score)


@lru_cache(maxsize=4096)
def _animal_names(poses: Path, _: object, min_points: int, min_score: float | None) -> tuple[str, ...]:
    tracks = load_animal_tracks(poses, min_points=min_points, min_score=min_score)
    return tuple(name for name, track in tracks.items() if track.present.any())


def _look(path: Path) -> QuickLook:
    return _known_look(path, _stamp(path))


@lru_cache(maxsize=65536)
def _known_look(path: Path, _: object) -> QuickLook:
    return quick_look(path)


def _stamp(path: Path) -> tuple[int, int]:
    """Changes when the file does."""
    try:
        status = os.stat(path)
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _track(track_id: str, one: AskedRecording, look: QuickLook, asked: EmbeddingRequest) -> TrackEstimate:
    frames = look.grid_frames(asked.fps)
    wanted = asked.wanted(one.region)
    path = track_path(asked.out, track_id)
    if path.is_file():
        try:
            found = read_track(path, one.path)
        except VPScienceError as error:
            return TrackEstimate(track_id, one.id, frames, "other", differences=(str(error),))
        differences = same_settings(found, wanted)
        if differences:
            return TrackEstimate(track_id, one.id, frames, "other", differences=tuple(differences))
        return TrackEstimate(track_id, one.id, found.grid_frames, "done", 1.0)
    partial = path.with_name(f"{track_id}{PARTIAL}")
    work = unfinished_work(partial, track_id)
    if work is None:
        return TrackEstimate(track_id, one.id, frames)
    if differences := plan_differences(partial, wanted):
        return TrackEstimate(track_id, one.id, frames, "other", differences=tuple(differences))
    return TrackEstimate(track_id, one.id, work.grid_frames, "continues", work.share)


def track_bytes(grid_frames: int, asked: EmbeddingRequest) -> int:
    """Size of a track file, a little above the truth."""
    dim = asked.spec.config.model_dim
    number = 2 if asked.dtype == "float16" else 4
    windows = 1 + -(-max(0, grid_frames - asked.num_frames) // asked.stride)
    return grid_frames * (asked.spatial_pool**2 * dim * number + 24) + windows * (4 * dim + 16) + _OVERHEAD


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder that need not be there yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def check_room(result: Estimate, out: Path) -> None:
    """Refuse a disk that is too small.

    Raises:
        StoreError: naming how much is needed and how much there is.
    """
    free = free_bytes(out)
    if result.needed_bytes > free:
        raise StoreError(
            f"{out}: expected {in_bytes(result.needed_bytes)} of free disk for the tracks, found {in_bytes(free)}: "
            "free some space, take fewer frames per second, or keep the session on another disk"
        )


def in_bytes(number: int | float) -> str:
    """A size in words, such as ``1.2 GB``."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{int(number)} bytes"


class _EnoughError(Exception):
    """The speed is known well enough."""


def measure_rate(asked: EmbeddingRequest, result: Estimate, report: Reporter) -> Rate | None:
    """The speed on the first windows of the first recording that is to be embedded; kept for later estimates.

    Raises:
        VPScienceError: when the model cannot be loaded or the recording cannot be read.
    """
    from vp_science.embedding.settings import check_settings, plan_stream
    from vp_science.sessions.embedding_job import loaded_encoder, peak_memory

    todo = {track.recording for track in result.tracks if track.status != "done"}
    first = next((one for one in asked.recordings if one.id in todo), None)
    if first is None:
        return None
    encoder = loaded_encoder(asked, report)
    settings = asked.settings(encoder.config, first.region)
    check_settings(settings, encoder)
    report.progress(f"measuring the speed on {first.id}")
    item = BatchItem(first.path, first.id)
    with open_recording(item.path, recording_id=item.recording_id) as recording:
        plan = plan_stream(recording, encoder, settings)
        frames_per_s = _speed(recording, encoder, plan, report)
    rate = Rate(frames_per_s, peak_memory())
    remember_rate(rate_key(asked), rate)
    return rate


def _speed(recording: Any, encoder: Any, plan: Any, report: Reporter) -> float:
    """Frames per second after the first group, which also compiles; of a whole second pass where there is but one."""
    for _ in range(2):
        began = time.monotonic()
        marks = _marks(recording, encoder, plan, report)
        (first_s, first), (last_s, last) = marks[0], marks[-1]
        if len(marks) >= _LEAST_MARKS and last_s > first_s:
            return (last - first) / (last_s - first_s)
    return last / max(last_s - began, 1e-9)


def _marks(recording: Any, encoder: Any, plan: Any, report: Reporter) -> list[tuple[float, int]]:
    """When how many frames were finished, for some seconds."""
    from vp_science.stream import embed_segments

    marks: list[tuple[float, int]] = []

    def mark(frames: int) -> None:
        report.checkpoint()
        marks.append((time.monotonic(), frames + (marks[-1][1] if marks else 0)))
        if len(marks) >= _LEAST_MARKS and marks[-1][0] - marks[0][0] > _MEASURE_S:
            raise _EnoughError

    try:
        with closing(embed_segments(recording, encoder, plan, on_frames=mark)) as segments:
            for _ in segments:
                pass
    except _EnoughError:
        pass
    return marks
