"""What the points of a map are colored by: groups (behavior, cluster, recording) or numbers (time, score)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vp_science.errors import FigureError
from vp_science.maps import Map
from vp_science.plots.lanes import bout_lanes, pick
from vp_science.plots.palette import Look, behavior_looks, looks
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram, frame_edges
from vp_science.timeline.frame_metrics import background_name
from vp_science.timeline.intervals import Intervals
from vp_science.timeline.names import match_names

ColorBy = Literal["behavior", "cluster", "time", "recording", "score"]
COLOR_BY: tuple[str, ...] = get_args(ColorBy)
_MOSTLY = 0.5
_MAX_GROUPS = 500


@dataclass(frozen=True, eq=False)
class Groups:
    """Points in groups.

    Attributes:
        names: of the groups.
        looks: of the groups.
        index: of every point; -1 stays grey.
        grey: what the grey points are.
    """

    names: list[str]
    looks: list[Look]
    index: Int64[np.ndarray, " point"]
    grey: str


@dataclass(frozen=True, eq=False)
class Numbers:
    """A number per point.

    Attributes:
        values: NaN stays grey.
        label: what they are, with the unit (of times without: it is chosen when they are drawn).
        seconds: whether they are times.
        low: value of the first color; None takes the least.
        high: value of the last color; None takes the greatest.
        grey: what the grey points are.
    """

    values: Float64[np.ndarray, " point"]
    label: str
    seconds: bool = False
    low: float | None = None
    high: float | None = None
    grey: str = "unknown"


Colors = Groups | Numbers


def colors_of_values(values: Any, num_points: int) -> Colors:
    """Colors for one value per point: text or whole numbers are groups (-1 and "" stay grey), others are numbers.

    Raises:
        FigureError: when there is another number of values, or there are too many groups.
    """
    array = np.asarray(values)
    if array.shape != (num_points,):
        raise FigureError(f"expected one value for each of the {num_points} points, found {array.shape}: give as many")
    if array.dtype.kind == "f":
        return Numbers(array.astype(np.float64), "value")
    grey = (array == -1) if array.dtype.kind in "iu" else np.isin(array.astype(str), ["", "None", "nan"])
    names, index = np.unique(array[~grey].astype(str) if array.dtype.kind not in "iu" else array[~grey],
                             return_inverse=True)  # fmt: skip
    whole = np.full(num_points, -1, np.int64)
    whole[~grey] = index
    return groups(list(map(str, names.tolist())), whole, "other")


def groups(names: list[str], index: Int64[np.ndarray, " point"], grey: str) -> Groups:
    """Groups with the looks of the palette.

    Raises:
        FigureError: when there are so many that colors say nothing.
    """
    if len(names) > _MAX_GROUPS:
        raise FigureError(f"expected at most {_MAX_GROUPS} groups to color, found {len(names)}: color by a number")
    return Groups(names, list(looks(names).values()), index, grey)


def colors_of_map(
    made: Map,
    by: str,
    *,
    labels: Annotations | None,
    scores: Ethogram | Sequence[Ethogram] | None,
    behavior: str | None,
) -> Colors:
    """Colors of a map by what it holds, or by labels or scores of its recordings.

    Raises:
        FigureError: when ``by`` is no kind of coloring, or what it needs was not given.
    """
    pick([by], COLOR_BY, "way to color the map")
    if by == "cluster":
        names = made.names()
        place = {number: position for position, number in enumerate(names)}
        index = np.array([place.get(number, -1) for number in made.cluster.tolist()], dtype=np.int64)
        return groups(list(names.values()), index, "no cluster")
    if by == "recording":
        return groups(list(made.recordings), made.recording.astype(np.int64), "")
    if by == "time":
        return _times(made)
    if by == "behavior":
        if labels is None:
            raise FigureError("expected labels to color the map by behavior, found none: give annotations")
        return _behaviors(made, labels)
    if scores is None:
        raise FigureError("expected ethograms with scores to color the map by score, found none: give ethograms")
    return _scores(made, [scores] if isinstance(scores, Ethogram) else list(scores), behavior)


def _times(made: Map) -> Numbers:
    if len(made.recordings) == 1:
        return Numbers(np.asarray(made.start_s), "time", seconds=True)
    first = np.full(len(made.recordings), np.inf)
    np.minimum.at(first, made.recording, made.start_s)
    return Numbers(made.start_s - first[made.recording], "time since the start of each recording", seconds=True)


def _behaviors(made: Map, labels: Annotations) -> Groups:
    """The behavior that takes most of a point, where at least half of it was observed; grey elsewhere."""
    states = [entry.name for entry in labels.behaviors if entry.kind == "state"]
    seconds = np.zeros((len(made), len(states)))
    known = np.zeros(len(made))
    for number, name in _matched(made, list(labels.recordings), "labels"):
        rows = np.flatnonzero(made.recording == number)
        start, stop = made.start_s[rows], made.stop_s[rows]
        track = made.provenance["tracks"][number]
        subjects = [track["subject"]] if track["subject"] else (list(labels.subjects(name)) or [""])
        lanes = bout_lanes(labels, name, subjects, track["target"])
        parts = [_overlap(lanes[state].known, start, stop) for state in states]
        known[rows] = np.min(parts, axis=0) if parts else 0.0
        for column, state in enumerate(states):
            seconds[rows, column] = _overlap(lanes[state].on, start, stop)
    span = np.maximum(made.stop_s - made.start_s, 1e-9)
    nothing = np.maximum(known - seconds.sum(axis=1), 0.0)[:, None]
    index = np.concatenate([seconds, nothing], axis=1).argmax(axis=1).astype(np.int64)
    index[known < _MOSTLY * span] = -1
    colors = behavior_looks(labels.behaviors)
    names, shown = [*states], [colors[state] for state in states]
    if (index == len(states)).any():
        names, shown = [*names, background_name(labels.behaviors)], [*shown, Look("#8a8f98")]
    return Groups(names, shown, index, "not scored")


def _scores(made: Map, ethograms: list[Ethogram], behavior: str | None) -> Numbers:
    names = list(dict.fromkeys(name for ethogram in ethograms for name in ethogram.behaviors.names))
    if behavior is None and len(names) != 1:
        raise FigureError(f"expected one behavior whose score colors the map, found {', '.join(names)}: choose one")
    [wanted] = pick([names[0] if behavior is None else behavior], names, "behavior")
    values = np.full(len(made), np.nan)
    for number, name in _matched(made, [e.recording for e in ethograms if e.scores is not None], "scores"):
        track = made.provenance["tracks"][number]
        for one in ethograms:
            who = (one.recording, one.subject, one.target) == (name, track["subject"], track["target"])
            if who and one.scores is not None and wanted in one.behaviors:
                rows = np.flatnonzero(made.recording == number)
                column = one.scores[:, one.behaviors.index(wanted)].astype(np.float64)
                values[rows] = _means(frame_edges(one.time_s), column, made.start_s[rows], made.stop_s[rows])
    return Numbers(values, f"score of {wanted}", low=0.0, high=1.0, grey="no score")


def _matched(made: Map, given: list[str], what: str) -> list[tuple[int, str]]:
    names = match_names(list(dict.fromkeys(given)), [track["of_recording"] for track in made.provenance["tracks"]])
    found = [(number, name) for number, name in enumerate(names) if name]
    if not found:
        raise FigureError(
            f"expected {what} of the recordings of the map ({', '.join(made.recordings[:5])}, ...), found "
            f"{', '.join(given[:5]) or 'none'}: give those of these recordings"
        )
    return found


def _overlap(
    spans: Intervals, start: Float64[np.ndarray, " point"], stop: Float64[np.ndarray, " point"]
) -> Float64[np.ndarray, " point"]:
    """Seconds of every point that sorted intervals cover."""
    if not len(spans):
        return np.zeros(len(start))
    passed = np.append(0.0, np.cumsum(spans[:, 1] - spans[:, 0]))
    at, before = spans.ravel(), np.column_stack([passed[:-1], passed[1:]]).ravel()
    return np.asarray(np.interp(stop, at, before) - np.interp(start, at, before))


def _means(
    edges: Float64[np.ndarray, " edge"],
    values: Float64[np.ndarray, " frame"],
    start: Float64[np.ndarray, " point"],
    stop: Float64[np.ndarray, " point"],
) -> Float64[np.ndarray, " point"]:
    """Mean of what frames say over the time of every point."""
    there: Bool[np.ndarray, " frame"] = np.isfinite(values)
    lasts = np.diff(edges) * there
    area = np.append(0.0, np.cumsum(np.where(there, values, 0.0) * lasts))
    time = np.append(0.0, np.cumsum(lasts))
    seconds = np.interp(stop, edges, time) - np.interp(start, edges, time)
    sums = np.interp(stop, edges, area) - np.interp(start, edges, area)
    return np.asarray(np.divide(sums, seconds, out=np.full(len(start), np.nan), where=seconds > 0))
