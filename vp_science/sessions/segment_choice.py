"""The choice of segments: greedy, by what each adds to what is labelled and chosen already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, Integer

from vp_science.sessions.scored_time import Intervals
from vp_science.sessions.uncertainty import Doubt
from vp_science.timeline.intervals import as_union, covers, subtract_intervals

Why = Literal["unsure", "new", "covers"]

SHORTEST_S = 1.0
_DOUBT_WEIGHT = 0.5
_SOME_DOUBT = 0.25
"""Doubt is compared with the greatest there is, but a probe that is sure everywhere has no great doubts."""
_BLOCK = 256


@dataclass(frozen=True)
class Chosen:
    """A segment, and why.

    Attributes:
        recording: id of the recording.
        start_s: in seconds.
        stop_s: its end.
        why: what speaks for it most.
        reason: the same in words.
    """

    recording: str
    start_s: float
    stop_s: float
    why: Why
    reason: str


@dataclass(frozen=True, eq=False)
class Candidates:
    """Points around which segments may be chosen.

    Attributes:
        recording: of every point, as a position in ``names``.
        middle: of every point, in seconds.
        names: ids of the recordings.
        scored: whether a point lies in scored time.
        free: time of every recording that may be chosen.
        doubt: of every point's segment, 0 to 1; 0 where no probe was asked.
        doubts: of the recordings that were predicted.
        segment_s: length of a segment.
    """

    recording: Integer[np.ndarray, " point"]
    middle: Float64[np.ndarray, " point"]
    names: tuple[str, ...]
    scored: Bool[np.ndarray, " point"]
    free: Mapping[int, Intervals]
    doubt: Float64[np.ndarray, " point"]
    doubts: Mapping[str, Doubt]
    segment_s: float

    @classmethod
    def of(
        cls,
        recording: Integer[np.ndarray, " point"],
        start_s: Float64[np.ndarray, " point"],
        stop_s: Float64[np.ndarray, " point"],
        names: Sequence[str],
        lasts: Sequence[tuple[float, float]],
        settled: Mapping[str, Intervals],
        doubts: Mapping[str, Doubt],
        segment_s: int | float,
    ) -> "Candidates":
        """Look at every point.

        Args:
            recording: position in ``names``.
            start_s: begins of the points.
            stop_s: their ends.
            names: ids of the recordings (several tracks may be of one).
            lasts: begin and end of the recordings.
            settled: scored and excluded time by recording.
            doubts: by recording.
            segment_s: length of a segment.
        """
        middle = (start_s + stop_s) / 2
        ids = tuple(dict.fromkeys(names))
        place = np.array([ids.index(name) for name in names], np.int64)[recording]
        ends = {name: lasts[number] for number, name in enumerate(names)}
        free = {i: _free(ends[name], settled[name]) for i, name in enumerate(ids)}
        scored = np.zeros(len(middle), bool)
        doubt = np.zeros(len(middle))
        for i, name in enumerate(ids):
            mine = place == i
            scored[mine] = covers(settled[name], middle[mine])
            if name in doubts:
                half = segment_s / 2
                doubt[mine] = [doubts[name].of(at - half, at + half) for at in middle[mine].tolist()]
        return cls(place, middle, ids, scored, free, doubt, doubts, float(segment_s))


def choose_segments(vectors: Float32[np.ndarray, "point dim"], candidates: Candidates, number: int) -> list[Chosen]:
    """Choose segments, the most helpful first.

    What is in the recordings counts as covered as far as it is like something labelled or chosen; a segment is worth
    what it adds to that (the sum over all points of how much nearer the nearest known one comes, in squared cosine
    distance, so that the mass of common moments does not hide a rare one, and a single odd frame does not win). With
    scores of a probe half of the worth is doubt, less near to what was chosen already, because one answer settles its
    neighbours, too. No recording gives more than twice its even share while others have something left.

    Args:
        vectors: of the points.
        candidates: the points.
        number: how many segments.
    """
    units = _units(vectors)
    known = np.flatnonzero(candidates.scored)
    nearest = _nearest(units, units[known]) if len(known) else np.full(len(units), np.float32(4.0))
    before = nearest.copy()
    free = {place: spans.copy() for place, spans in candidates.free.items()}
    apart = np.ones(len(units))
    typical = max(float(np.median(_nearest(units, units[:1]))), 1e-9)
    taken: list[tuple[int, float, float, Why]] = []
    cap = max(1, int(np.ceil(2 * number / max(1, len(candidates.names)))))
    distances = _distances(units, units)
    while len(taken) < number:
        open_ = _open(candidates, free, taken, cap)
        if not open_.any():
            break
        gains = _gains(distances, nearest, np.flatnonzero(open_))
        cover = gains / max(float(gains.max()), 1e-12)
        doubt = candidates.doubt * apart / max(float(candidates.doubt[open_].max()), _SOME_DOUBT)
        weight = _DOUBT_WEIGHT if candidates.doubts else 0.0
        worth = np.where(open_, (1 - weight) * cover + weight * doubt, -np.inf)
        best = int(worth.argmax())
        start, stop = _segment(candidates, free, best)
        place = int(candidates.recording[best])
        unsure = weight * doubt[best] > (1 - weight) * cover[best]
        fresh = len(known) > 0 and before[best] >= np.median(before[~candidates.scored])
        taken.append((best, start, stop, "unsure" if unsure else "new" if fresh else "covers"))
        free[place] = subtract_intervals(free[place], np.array([[start, stop]]))
        inside = (candidates.recording == place) & (candidates.middle >= start) & (candidates.middle < stop)
        distance = _nearest(units, units[np.flatnonzero(inside | (np.arange(len(units)) == best))])
        nearest = np.minimum(nearest, distance)
        apart = np.minimum(apart, np.minimum(distance / typical, 1.0))
    return _told(units, candidates, taken, before)


def _told(
    units: Float32[np.ndarray, "point dim"],
    candidates: Candidates,
    taken: Sequence[tuple[int, float, float, Why]],
    before: Float32[np.ndarray, " point"],
) -> list[Chosen]:
    centers = [point for point, *_ in taken]
    if not centers:
        return []
    distance = _distances(units, units[centers])
    nearer = distance.min(axis=1) < before
    stands = np.bincount(distance[nearer].argmin(axis=1), minlength=len(centers))
    found = []
    for (point, start, stop, why), count in zip(taken, stands / len(units), strict=True):
        name = candidates.names[int(candidates.recording[point])]
        words = {
            "unsure": candidates.doubts[name].words(start, stop) if name in candidates.doubts else "",
            "new": "unlike anything labelled so far",
            "covers": f"stands for about {max(1, round(100 * count))} % of the recordings",
        }
        found.append(Chosen(name, start, stop, why, words[why]))
    return found


def _units(vectors: Float32[np.ndarray, "point dim"]) -> Float32[np.ndarray, "point dim"]:
    """Directions from the mean: what all moments share says nothing about which are alike."""
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(length, 1e-9), np.float32)


def _distances(
    units: Float32[np.ndarray, "point dim"], centers: Float32[np.ndarray, "center dim"]
) -> Float32[np.ndarray, "point center"]:
    """Squared cosine distances, 0 to 4."""
    distance: np.ndarray = units @ centers.T
    np.subtract(1, distance, out=distance)
    return np.asarray(np.square(distance, out=distance))


def _nearest(
    units: Float32[np.ndarray, "point dim"], centers: Float32[np.ndarray, "center dim"]
) -> Float32[np.ndarray, " point"]:
    """Squared cosine distance to the nearest center."""
    nearest: np.ndarray = np.full(len(units), np.inf, np.float32)
    for first in range(0, len(centers), _BLOCK):
        nearest = np.minimum(nearest, _distances(units, centers[first : first + _BLOCK]).min(axis=1))
    return np.asarray(nearest)


def _gains(
    distances: Float32[np.ndarray, "point point"],
    nearest: Float32[np.ndarray, " point"],
    rows: Int64[np.ndarray, " open"],
) -> Float64[np.ndarray, " point"]:
    """What each of some points would add to the cover of all."""
    gains = np.zeros(len(nearest))
    for first in range(0, len(rows), _BLOCK):
        some = rows[first : first + _BLOCK]
        gains[some] = np.maximum(nearest - distances[some], 0).sum(axis=1)  # the matrix is symmetric
    return gains


def _free(lasts: tuple[float, float], settled: Intervals) -> Intervals:
    spans: np.ndarray = subtract_intervals(np.array([lasts], np.float64), as_union(settled))
    return np.asarray(spans[spans[:, 1] - spans[:, 0] >= SHORTEST_S])


def _open(
    candidates: Candidates, free: Mapping[int, Intervals], taken: Sequence[tuple[int, float, float, Why]], cap: int
) -> Bool[np.ndarray, " point"]:
    """Points in free time of recordings that have not given their share; of all recordings when these are spent."""
    used = np.bincount([candidates.recording[point] for point, *_ in taken], minlength=len(candidates.names))
    able = np.zeros(len(candidates.middle), bool)
    for place, spans in free.items():
        mine = candidates.recording == place
        long = spans[spans[:, 1] - spans[:, 0] >= SHORTEST_S]
        able[mine] = covers(long, candidates.middle[mine])
    fair = able & (used < cap)[candidates.recording]
    return fair if fair.any() else able


def _segment(candidates: Candidates, free: Mapping[int, Intervals], point: int) -> tuple[float, float]:
    """The segment around a point, moved so that it lies in free time."""
    at = float(candidates.middle[point])
    spans = free[int(candidates.recording[point])]
    low, high = spans[int(np.searchsorted(spans[:, 0], at, side="right")) - 1].tolist()
    length = min(candidates.segment_s, high - low)
    start = min(max(at - length / 2, low), high - length)
    return start, start + length
