"""Smoothing in seconds: a running median of scores, gaps filled and short bouts dropped in states.

Frames have durations (``ethogram.frame_edges``), so a recording of variable frame rate is treated as what it is.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vp_science.timeline.ethogram import frame_edges, runs, spans

_TOLERANCE_S = 1e-3
"""Containers and annotation programs round times to this; a gap of "0.1 s" may measure 0.1004 s."""

_WINDOWS_AT_ONCE = 1 << 22
"""Numbers that are sorted at once: bounds the memory of the running median."""


def tolerance_s(time_s: Float64[np.ndarray, " frame"]) -> float:
    """Slack of comparisons between durations: a millisecond, but at most a third of the shortest frame."""
    shortest = float(np.diff(frame_edges(time_s)).min()) if len(time_s) else _TOLERANCE_S
    return min(_TOLERANCE_S, shortest / 3)


def running_median(
    scores: Float64[np.ndarray, "frame behavior"],
    time_s: Float64[np.ndarray, " frame"],
    known: Bool[np.ndarray, "frame behavior"],
    width_s: float,
    wanted: Bool[np.ndarray, " frame"] | None = None,
) -> Float64[np.ndarray, "frame behavior"]:
    """Median over a window of ``width_s`` around the middle of every frame, frames weighted by their time in it.

    The window shrinks towards the borders of known time (it stays centred), so the first and last frame keep their
    value. Where two values share the window equally, the frame keeps the nearer to its own.

    Args:
        scores: of every frame; what is not known is ignored and returned as it is.
        time_s: frame times in seconds.
        known: where scores are known; a window never reaches across an unknown frame.
        width_s: width of the window in seconds.
        wanted: frames for which it is needed; the others keep their value. None means all.
    """
    done, edges, slack = scores.copy(), frame_edges(time_s), tolerance_s(time_s)
    windows = _AllWindows(edges, width_s)
    for column in range(scores.shape[1]):
        for first, stop in runs(known[:, column]):
            span, around = slice(first, stop), windows.of(first, stop)
            rows = np.arange(stop - first) if wanted is None else np.flatnonzero(wanted[span])
            done[span, column] = _median_of_run(scores[span, column], edges[first : stop + 1], around, slack, rows)
    return done


def median_reaches(
    scores: Float64[np.ndarray, "frame behavior"],
    time_s: Float64[np.ndarray, " frame"],
    known: Bool[np.ndarray, "frame behavior"],
    width_s: float,
    levels: Float64[np.ndarray, " behavior"],
) -> Bool[np.ndarray, "frame behavior"]:
    """Where ``running_median`` is at least the level of a behavior (False where nothing is known).

    A median reaches a level where at most half of its window lies below. Time is summed instead of values sorted, so
    that the cost does not depend on the width.
    """
    done, edges, slack = np.zeros(scores.shape, dtype=bool), frame_edges(time_s), tolerance_s(time_s)
    windows = _AllWindows(edges, width_s)
    for column in range(scores.shape[1]):
        for first, stop in runs(known[:, column]):
            reaches = scores[first:stop, column] >= levels[column]
            done[first:stop, column] = _majority(reaches, edges[first : stop + 1], windows.of(first, stop), slack)
    return done


@dataclass(frozen=True, eq=False)
class _Windows:
    """Windows around frames: from when to when, and their first frame and one past the last."""

    low: Float64[np.ndarray, " frame"]
    high: Float64[np.ndarray, " frame"]
    first: Int64[np.ndarray, " frame"]
    stop: Int64[np.ndarray, " frame"]

    @classmethod
    def around(cls, edges: Float64[np.ndarray, " edge"], width_s: float) -> "_Windows":
        middle = (edges[:-1] + edges[1:]) / 2
        half = np.minimum(width_s / 2, np.minimum(middle - edges[0], edges[-1] - middle))
        low, high = middle - half, middle + half
        first = np.clip(np.searchsorted(edges, low, side="right") - 1, 0, len(middle) - 1)
        stop = np.clip(np.searchsorted(edges, high, side="left"), 1, len(middle))
        return cls(low, high, first.astype(np.int64), stop.astype(np.int64))


class _AllWindows:
    """The windows of every run of frames, found once: behaviors are mostly known at the same frames."""

    def __init__(self, edges: Float64[np.ndarray, " edge"], width_s: float) -> None:
        self._edges, self._width_s = edges, width_s
        self._found: dict[tuple[int, int], _Windows] = {}

    def of(self, first: int, stop: int) -> _Windows:
        """The windows within the frames of a run."""
        if (first, stop) not in self._found:
            self._found[first, stop] = _Windows.around(self._edges[first : stop + 1], self._width_s)
        return self._found[first, stop]


def _majority(
    reaches: Bool[np.ndarray, " frame"], edges: Float64[np.ndarray, " edge"], windows: _Windows, slack: float
) -> Bool[np.ndarray, " frame"]:
    """Where the own value, moved as in ``_weighted_median``, reaches the level that these frames reach."""
    total = windows.high - windows.low
    most = total / 2 + np.minimum(slack, total / 4)
    up_to = np.concatenate([[0.0], np.cumsum(np.diff(edges) * reaches)])
    last = windows.stop - 1
    until_high = up_to[last] + reaches[last] * (windows.high - edges[last])
    until_low = up_to[windows.first] + reaches[windows.first] * (windows.low - edges[windows.first])
    above = until_high - until_low
    return np.asarray((total - above <= most) & (reaches | (above > most)))


def _median_of_run(
    values: Float64[np.ndarray, " frame"],
    edges: Float64[np.ndarray, " edge"],
    windows: _Windows,
    slack: float,
    rows: Int64[np.ndarray, " row"],
) -> Float64[np.ndarray, " frame"]:
    low, high, first, stop = (each[rows] for each in (windows.low, windows.high, windows.first, windows.stop))
    done = values.copy()
    widest = int((stop - first).max(initial=1))
    if widest < 2:
        return done
    at_once = max(1, _WINDOWS_AT_ONCE // widest)
    for begin in range(0, len(rows), at_once):
        part = slice(begin, begin + at_once)
        index = first[part, None] + np.arange(widest)
        inside = index < stop[part, None]
        index = np.minimum(index, len(values) - 1)
        weight = np.minimum(edges[index + 1], high[part, None]) - np.maximum(edges[index], low[part, None])
        weight = np.where(inside, np.maximum(weight, 0), 0)
        done[rows[part]] = _weighted_median(values[index], weight, values[rows[part]], slack)
    return done


def _weighted_median(
    values: Float64[np.ndarray, "frame window"],
    weight: Float64[np.ndarray, "frame window"],
    own: Float64[np.ndarray, " frame"],
    slack: float,
) -> Float64[np.ndarray, " frame"]:
    """The own value, moved no further than until neither side holds more than half of the weight."""
    order = np.argsort(values, axis=1)
    values, weight = np.take_along_axis(values, order, axis=1), np.take_along_axis(weight, order, axis=1)
    up_to = np.cumsum(weight, axis=1)
    total = up_to[:, -1:]
    most = total / 2 + np.minimum(slack, total / 4)
    row = np.arange(len(values))
    highest = values[row, (up_to > most).argmax(axis=1)]
    from_here = total - up_to + weight
    lowest = values[row, values.shape[1] - 1 - (from_here > most)[:, ::-1].argmax(axis=1)]
    return np.asarray(np.clip(own, lowest, highest))


def clean(
    on: Bool[np.ndarray, "frame behavior"],
    time_s: Float64[np.ndarray, " frame"],
    known: Bool[np.ndarray, "frame behavior"],
    *,
    exclusive: bool,
    fill_gap_s: int | float = 0.0,
    min_bout_s: int | float = 0.0,
    root_s: int | float = 0.0,
) -> Bool[np.ndarray, "frame behavior"]:
    """Fill short gaps within a behavior, then drop short bouts, until neither is left.

    A gap is filled when the same behavior stands on both sides, every frame in it is known, and (exclusive) nothing
    else happens in it. In an exclusive catalogue the shortest bouts go first, and what they leave may be filled: a
    flicker does not take the bout around it with it. Unknown frames break bouts and gaps.

    Args:
        on: where each behavior happens.
        time_s: frame times in seconds.
        known: where the state is known.
        exclusive: at most one behavior happens at a time.
        fill_gap_s: gaps of at most this duration are filled.
        min_bout_s: bouts shorter than this are dropped.
        root_s: gaps and bouts shorter than this go as well.
    """
    edges, slack = frame_edges(time_s), tolerance_s(time_s)
    num_known = _count(known)
    done = np.zeros_like(on)
    columns = np.arange(on.shape[1])
    for together in [columns] if exclusive else columns[:, None]:
        bouts = _bouts(on & known, together)
        while True:
            before = len(bouts)
            bouts = _fill(bouts, num_known, edges, fill_gap_s + slack, root_s - slack)
            bouts = _drop(bouts, edges, max(min_bout_s, root_s) - slack, slack if exclusive else np.inf)
            if len(bouts) == before:
                break
        _mark(done, bouts)
    return done


def _count(known: Bool[np.ndarray, "frame behavior"]) -> Int64[np.ndarray, "edge behavior"]:
    """How many frames before each border are known."""
    if known.all():
        return np.broadcast_to(np.arange(len(known) + 1)[:, None], (len(known) + 1, known.shape[1]))
    return np.concatenate([np.zeros((1, known.shape[1]), np.int64), np.cumsum(known, axis=0)])


def _mark(on: Bool[np.ndarray, "frame behavior"], bouts: Int64[np.ndarray, "bout 3"]) -> None:
    """Set the frames of bouts (in place)."""
    for column in np.unique(bouts[:, 0]):
        own = bouts[bouts[:, 0] == column]
        change = np.zeros(len(on) + 1, dtype=np.int8)
        change[own[:, 1]] += 1  # bouts of one behavior do not touch
        change[own[:, 2]] -= 1
        on[:, column] = np.cumsum(change[:-1], dtype=np.int8) > 0


def _bouts(on: Bool[np.ndarray, "frame behavior"], columns: Int64[np.ndarray, " some"]) -> Int64[np.ndarray, "bout 3"]:
    """Column, first and stop of the bouts of some behaviors, in order of their beginning."""
    found = [spans(on[:, column]) for column in columns]
    column = np.repeat(columns, [len(each) for each in found])
    bouts = np.column_stack([column, np.concatenate([np.zeros((0, 2), np.int64), *found])])
    return np.asarray(bouts[np.argsort(bouts[:, 1], kind="stable")], np.int64)


def _fill(
    bouts: Int64[np.ndarray, "bout 3"],
    num_known: Int64[np.ndarray, "edge behavior"],
    edges: Float64[np.ndarray, " edge"],
    at_most_s: float,
    less_than_s: float,
) -> Int64[np.ndarray, "_ 3"]:
    """Join neighbouring bouts of one behavior across short gaps of known frames."""
    column, begin, end = bouts[:-1, 0], bouts[:-1, 2], bouts[1:, 1]
    gap_s = edges[end] - edges[begin]
    joins = (column == bouts[1:, 0]) & ((gap_s <= at_most_s) | (gap_s < less_than_s))
    joins &= num_known[end, column] - num_known[begin, column] == end - begin
    heads = np.flatnonzero(np.concatenate([[True], ~joins]))[: len(bouts)]
    tails = np.append(heads[1:], len(bouts))[: len(heads)] - 1
    return np.asarray(np.column_stack([bouts[heads, :2], bouts[tails, 2]]), np.int64)


def _drop(
    bouts: Int64[np.ndarray, "bout 3"], edges: Float64[np.ndarray, " edge"], min_s: float, beyond_shortest_s: float
) -> Int64[np.ndarray, "_ 3"]:
    """Without the bouts that are too short; of these only the shortest and those hardly longer."""
    duration_s = edges[bouts[:, 2]] - edges[bouts[:, 1]]
    limit_s = min(min_s, duration_s.min(initial=np.inf) + beyond_shortest_s)
    return np.asarray(bouts[duration_s >= limit_s])
