"""What happens in the time of points: labels and scores of recordings, brought to the points of a map."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int8, Int16, Int64

from vp_science.sessions.bout_table import BoutTable
from vp_science.sessions.edits import Edit
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.map_points import MapPoints
from vp_science.timeline.ethogram import frame_edges
from vp_science.timeline.intervals import Intervals, as_union

NOT_SCORED = -1
"""Of a point most of whose time nobody scored."""

_DIGITS = 6


def point_behaviors(
    book: LabelBook, points: MapPoints, rows: Int64[np.ndarray, " row"] | None = None
) -> Int16[np.ndarray, " row"]:
    """What takes most of the time that belongs to every point.

    Points of a track that follows an animal show what that animal does; others what anybody does.

    Args:
        book: the labels.
        points: of a map.
        rows: the points; None takes all.

    Returns:
        Position in the catalogue; the length of the catalogue where none of its behaviors happens; ``NOT_SCORED``.
        Point events have no duration, and do not count.
    """
    wanted = np.arange(len(points)) if rows is None else rows
    found = np.full(len(wanted), NOT_SCORED, np.int16)
    tracks = points.track[wanted]
    for track in np.unique(tracks).tolist():
        recording, subject = points.recordings[track], points.subjects[track]
        if recording:
            mine = np.flatnonzero(tracks == track)
            start, stop = points.start_s[wanted[mine]], points.stop_s[wanted[mine]]
            found[mine] = _main_behavior(book, recording, subject, start, stop)
    return found


def _main_behavior(
    book: LabelBook,
    recording: str,
    subject: str,
    start_s: Float64[np.ndarray, " point"],
    stop_s: Float64[np.ndarray, " point"],
) -> Int16[np.ndarray, " point"]:
    low, high = float(start_s.min()), float(stop_s.max())
    states = [index for index, entry in enumerate(book.behaviors) if entry.kind == "state"]
    bouts = _bouts(book.table(recording), subject, low, high)
    happening = [bouts[bouts[:, 0] == index, 1:] for index in states]
    seconds = np.stack([covered_s(spans, start_s, stop_s) for spans in happening], axis=1) if states else None
    if seconds is None:
        return np.full(len(start_s), NOT_SCORED, np.int16)
    scored = _scored_s(book, recording, subject, [book.behaviors.names[index] for index in states], start_s, stop_s)
    busy = covered_s(bouts[np.isin(bouts[:, 0], states), 1:], start_s, stop_s)
    nothing = np.maximum(scored - busy, 0.0)
    unknown = np.maximum(stop_s - start_s - busy - nothing, 0.0)
    # Where two take the same time, a behavior wins over nothing, and what is known over what is not.
    winner = np.column_stack([seconds, nothing, unknown]).round(_DIGITS).argmax(axis=1)
    meaning = np.array([*states, len(book.behaviors), NOT_SCORED], np.int16)
    return np.asarray(meaning[winner], np.int16)


def _bouts(table: BoutTable, subject: str, low_s: float, high_s: float) -> Float64[np.ndarray, "bout 3"]:
    """Behavior, start and stop of the bouts in some time."""
    keep = (table.start_s < high_s) & (table.stop_s > low_s)
    if subject:
        keep &= table.subject == (table.subjects.index(subject) if subject in table.subjects else -1)
    return np.column_stack([table.behavior[keep].astype(np.float64), table.start_s[keep], table.stop_s[keep]])


def _scored_s(
    book: LabelBook,
    recording: str,
    subject: str,
    names: Sequence[str],
    start_s: Float64[np.ndarray, " point"],
    stop_s: Float64[np.ndarray, " point"],
) -> Float64[np.ndarray, " point"]:
    """Seconds of every point in which all behaviors were scored."""
    low, high = float(start_s.min()), float(stop_s.max())
    spans: dict[str, list[tuple[float, float]]] = {}
    for one in book.observed(recording):
        if one.start_s < high and one.stop_s > low and (not subject or one.subject in (subject, "")):
            spans.setdefault(one.behavior, []).append((one.start_s, one.stop_s))
    everything = spans.pop("", [])
    least = covered_s(_array(everything), start_s, stop_s)
    if set(names) <= set(spans):
        parts = [covered_s(_array([*everything, *spans[name]]), start_s, stop_s) for name in names]
        least = np.min(parts, axis=0)
    return least


def _array(spans: Sequence[tuple[float, float]]) -> Intervals:
    return np.array(spans, np.float64).reshape(-1, 2)


def covered_s(
    spans: Intervals, start_s: Float64[np.ndarray, " point"], stop_s: Float64[np.ndarray, " point"]
) -> Float64[np.ndarray, " point"]:
    """Seconds of every point that some spans cover together."""
    union = as_union(spans)
    if not len(union):
        return np.zeros(len(start_s))
    passed = np.append(0.0, np.cumsum(union[:, 1] - union[:, 0]))
    at, before = union.ravel(), np.column_stack([passed[:-1], passed[1:]]).ravel()
    return np.asarray(np.interp(stop_s, at, before) - np.interp(start_s, at, before))


def edited_points(points: MapPoints, edit: Edit) -> Int64[np.ndarray, " row"] | None:
    """The points whose behavior an edit of the labels may have changed; None: all of them (the catalogue changed)."""
    if edit.changes_catalogue:
        return None
    found = [np.zeros(0, np.int64)]
    for recording, spans in edit.spans().items():
        union = as_union(_array(spans))
        for track in points.tracks(recording):
            rows = points.rows(track)
            after = np.searchsorted(union[:, 0], points.stop_s[rows])
            reached = np.append(-np.inf, union[:, 1])[after]
            found.append(rows[reached > points.start_s[rows]])
    return np.concatenate(found)


def point_scores(
    time_s: Float64[np.ndarray, " frame"],
    scores: Float32[np.ndarray, "frame column"]
    | Float64[np.ndarray, "frame column"]
    | Int8[np.ndarray, "frame column"],
    start_s: Float64[np.ndarray, " point"],
    stop_s: Float64[np.ndarray, " point"],
) -> Float64[np.ndarray, "point column"]:
    """The mean of scores of frames over the time of points; NaN where there are none.

    Args:
        time_s: of the frames.
        scores: a column per behavior; NaN is left out.
        start_s: begin of the points.
        stop_s: their end. A point counts the frames whose middle lies in it, or else the one on screen in its middle.
    """
    edges = frame_edges(time_s)
    middles = (edges[:-1] + edges[1:]) / 2
    first, stop = np.searchsorted(middles, start_s), np.searchsorted(middles, stop_s)
    lone = np.searchsorted(edges, (start_s + stop_s) / 2, side="right") - 1
    empty = stop <= first
    first, stop = np.where(empty, lone, first), np.where(empty, lone + 1, stop)
    outside = (first < 0) | (first >= len(time_s))
    first, stop = np.clip(first, 0, len(time_s)), np.clip(stop, 0, len(time_s))
    values = np.asarray(scores, np.float64)
    known = np.isfinite(values)
    sums = np.zeros((2, len(values) + 1, values.shape[1]))
    np.cumsum(np.where(known, values, 0.0), axis=0, out=sums[0, 1:])
    np.cumsum(known, axis=0, out=sums[1, 1:])
    total, count = sums[:, stop] - sums[:, first]
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    means[outside] = np.nan
    return np.asarray(means)
