"""Interval algebra: on arrays of half-open intervals, and on bout tables.

Bouts are compared within one recording, subject, target and behavior unless told otherwise. Point events have no
duration: they are kept or left out as a whole.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import BOUT_COLUMNS

Intervals = Float64[np.ndarray, "_ 2"]
SAME = ("recording", "subject", "target", "behavior")
"""What bouts must share to be the same thing."""

_JOINED = {"modifiers": "|", "comment": "; "}


def as_union(intervals: Intervals, gap_s: int | float = 0.0) -> Intervals:
    """The time that the intervals cover, as sorted intervals with more than ``gap_s`` between them.

    Args:
        intervals: half-open ``[start, stop)`` in seconds, in any order; empty ones do not count.
        gap_s: intervals no further apart than this become one; 0 joins those that touch.
    """
    return _merged(intervals[intervals[:, 1] > intervals[:, 0]], gap_s)[0]


def _merged(intervals: Intervals, gap_s: int | float) -> tuple[Intervals, Int64[np.ndarray, " n"]]:
    """Joined intervals, and which of them each given one went into."""
    order = np.argsort(intervals[:, 0], kind="stable")
    start, reach = intervals[order, 0], np.maximum.accumulate(intervals[order, 1])
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = start[1:] > reach[:-1] + gap_s
    heads = np.flatnonzero(fresh)
    joined = np.column_stack([start[heads], np.maximum.reduceat(reach, heads) if len(heads) else reach])
    place = np.zeros(len(order), dtype=np.int64)
    place[order] = np.cumsum(fresh) - 1
    return joined.astype(np.float64), place


def intersect_intervals(first: Intervals, second: Intervals) -> Intervals:
    """The time that both cover."""
    one, other = as_union(first), as_union(second)
    begin = np.searchsorted(other[:, 1], one[:, 0], side="right")
    end = np.searchsorted(other[:, 0], one[:, 1], side="left")
    number = np.maximum(end - begin, 0)
    which = np.repeat(np.arange(len(one)), number)
    partner = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(begin, number)
    start, stop = np.maximum(one[which, 0], other[partner, 0]), np.minimum(one[which, 1], other[partner, 1])
    return np.column_stack([start, stop]).astype(np.float64)


def subtract_intervals(first: Intervals, second: Intervals) -> Intervals:
    """The time that the first cover and the second do not."""
    other = as_union(second)
    border = np.concatenate([[-np.inf], other.ravel(), [np.inf]]).reshape(-1, 2)
    return intersect_intervals(first, border)


def covers(intervals: Intervals, at_s: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Which of these instants lie in an interval ``[start, stop)``."""
    union = as_union(intervals)
    place = np.searchsorted(union[:, 0], at_s, side="right") - 1
    inside = np.zeros(len(at_s), dtype=bool)
    inside[place >= 0] = at_s[place >= 0] < union[place[place >= 0], 1]
    return inside


def total_s(intervals: Intervals) -> float:
    """Duration of the time that the intervals cover; overlaps count once."""
    union = as_union(intervals)
    return float((union[:, 1] - union[:, 0]).sum())


def merge_close(bouts: pd.DataFrame, gap_s: int | float) -> pd.DataFrame:
    """Join bouts of the same behavior that overlap or are at most ``gap_s`` apart.

    A joined bout has the mean score (weighted by duration, of the bouts that have one), the common source, and every
    modifier and comment once. Bouts of different sources give ``curated:`` with every name, because then somebody chose
    to join them; of the same kind of source they keep the kind. Point events stay as they are.

    Args:
        bouts: bout table (``BOUT_COLUMNS``).
        gap_s: seconds, 0 or more.

    Raises:
        AnnotationError: when a column is missing, or the gap is no duration.
    """
    _check(bouts)
    if not gap_s >= 0:
        raise AnnotationError(f"expected gap_s to be a duration in seconds, found {gap_s}")
    parts = [bouts[bouts["kind"] == "point"]]
    for _, group in bouts[bouts["kind"] == "state"].groupby(list(SAME), sort=False):
        joined, place = _merged(_times(group), gap_s)
        alone = np.bincount(place, minlength=len(joined))[place] == 1
        parts.append(group[alone])
        rows = [
            _joined(group[place == index], *joined[index].tolist())
            for index in np.flatnonzero(np.bincount(place, minlength=len(joined)) > 1)
        ]
        parts.append(pd.DataFrame(rows, columns=list(BOUT_COLUMNS)))
    return _table(parts)


def drop_short(bouts: pd.DataFrame, min_s: int | float) -> pd.DataFrame:
    """Without the state bouts that are shorter than ``min_s`` (to a microsecond); point events stay.

    Raises:
        AnnotationError: when a column is missing, or ``min_s`` is no duration.
    """
    _check(bouts)
    if not min_s >= 0:
        raise AnnotationError(f"expected min_s to be a duration in seconds, found {min_s}")
    long = bouts["stop_s"] - bouts["start_s"] >= min_s - 1e-6
    return _table([bouts[long | (bouts["kind"] == "point")]])


def union(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The bouts of both tables; those that overlap or touch become one, as in ``merge_close``.

    Point events at the same instant become one.

    Raises:
        AnnotationError: when a column is missing.
    """
    _check(first, second)
    both = _table([first, second])
    merged = merge_close(both[both["kind"] == "state"], 0.0)
    points = both[both["kind"] == "point"].groupby([*SAME, "start_s"], sort=False)
    rows = [_joined(group, *_times(group)[0].tolist()) if len(group) > 1 else group.iloc[0] for _, group in points]
    return _table([merged, pd.DataFrame(rows, columns=list(BOUT_COLUMNS))])


def intersect(first: pd.DataFrame, second: pd.DataFrame, by: Sequence[str] = SAME) -> pd.DataFrame:
    """The bouts of the first table, cut down to the time that the second covers.

    What is left of a bout keeps its score, source, modifiers and comment. A point event of the first table stays when
    it lies in a bout of the second, or at the same instant as one of its point events.

    Args:
        first: bout table.
        second: bout table.
        by: columns that must be equal; ``("recording", "subject")`` gives a behavior during others.

    Raises:
        AnnotationError: when a column is missing or ``by`` names another.
    """
    return _cut(first, second, by, keep_inside=True)


def subtract(first: pd.DataFrame, second: pd.DataFrame, by: Sequence[str] = SAME) -> pd.DataFrame:
    """The bouts of the first table without the time that the second covers; the opposite of ``intersect``."""
    return _cut(first, second, by, keep_inside=False)


def _cut(first: pd.DataFrame, second: pd.DataFrame, by: Sequence[str], *, keep_inside: bool) -> pd.DataFrame:
    _check(first, second)
    if not by or any(name not in SAME for name in by):
        raise AnnotationError(
            f"expected bouts to be compared by some of {', '.join(SAME)}, found {', '.join(by) or 'nothing'}"
        )
    others = dict(iter(second.groupby(list(by), sort=False)))
    parts = []
    for key, group in first.groupby(list(by), sort=False):
        other = others.get(key)
        if other is None:
            parts += [] if keep_inside else [group]
            continue
        parts.append(_cut_group(group, other, keep_inside))
    return _table(parts)


def _cut_group(group: pd.DataFrame, other: pd.DataFrame, keep_inside: bool) -> pd.DataFrame:
    spans = _times(other[other["kind"] == "state"])
    instants = other.loc[other["kind"] == "point", "start_s"].to_numpy(np.float64)
    point = (group["kind"] == "point").to_numpy()
    at_s = group["start_s"].to_numpy(np.float64)
    parts = [group[point & ((covers(spans, at_s) | np.isin(at_s, instants)) == keep_inside)]]
    states = group[~point]
    operation = intersect_intervals if keep_inside else subtract_intervals
    pieces = [operation(time[None], spans) for time in _times(states)]
    number = [len(piece) for piece in pieces]
    cut = states.iloc[np.repeat(np.arange(len(states)), number)]
    times = np.concatenate([np.zeros((0, 2)), *pieces])
    return pd.concat([*parts, cut.assign(start_s=times[:, 0], stop_s=times[:, 1])])


def _joined(rows: pd.DataFrame, start_s: float, stop_s: float) -> dict[str, Any]:
    """One row for several of the same behavior."""
    scores, weight = rows["score"].to_numpy(np.float64), (rows["stop_s"] - rows["start_s"]).to_numpy(np.float64)
    there = np.isfinite(scores)
    weight = np.where(weight > 0, weight, 1.0)
    row: dict[str, Any] = rows.sort_values("start_s", kind="stable").iloc[0].to_dict()
    row |= {name: mark.join(dict.fromkeys(text for text in rows[name] if text)) for name, mark in _JOINED.items()}
    return row | {
        "start_s": start_s,
        "stop_s": stop_s,
        "score": float(np.average(scores[there], weights=weight[there])) if there.any() else np.nan,
        "source": _common_source(rows["source"]),
    }


def _common_source(sources: "pd.Series[str]") -> str:
    kinds, names = zip(*(source.partition(":")[::2] for source in sorted(set(sources))), strict=True)
    if len(kinds) == 1:
        return f"{kinds[0]}:{names[0]}"
    kind = kinds[0] if len(set(kinds)) == 1 else "curated"
    return f"{kind}:{'+'.join(dict.fromkeys(name for name in names if name))}"


def _times(bouts: pd.DataFrame) -> Float64[np.ndarray, "bout 2"]:
    return np.asarray(bouts[["start_s", "stop_s"]].to_numpy(np.float64).reshape(-1, 2))


def _check(*tables: pd.DataFrame) -> None:
    for table in tables:
        if missing := [name for name in BOUT_COLUMNS if name not in table]:
            raise AnnotationError(
                f"expected a bout table with the columns {', '.join(BOUT_COLUMNS)}, found none called {missing[0]!r}: "
                "make it with Annotations.of"
            )


def _table(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows in order of recording and time, in the columns of a bout table."""
    there = [part[list(BOUT_COLUMNS)] for part in parts if len(part)]
    if not there:
        numbers = ("start_s", "stop_s", "score")
        return pd.DataFrame({name: pd.Series(dtype=float if name in numbers else str) for name in BOUT_COLUMNS})
    keys = ["recording", "start_s", "stop_s", "subject", "target", "behavior"]
    return pd.concat(there).sort_values(keys, kind="stable", ignore_index=True)
