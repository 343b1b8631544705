"""What the points of the map are colored by: names (behavior, cluster, recording) or numbers (time, score)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import vp_science as vp
from napari_vp_science.state import PanelState, Prediction

NAMED = {
    "labels": "Your labels",
    "predictions": "Predictions",
    "cluster": "Clusters",
    "recording": "Recordings",
    "time": "Time in recording",
    "score": "Score of a behavior",
    "uncertainty": "How unsure the probe is",
}
"""Ways to color, and what they are called."""

_STEPS = 64
_NOTHING = "#8a8f98"

# Viridis (Smith and van der Walt 2015, CC0): evenly spaced corners, joined by straight lines; even in lightness, and
# told apart by color-blind readers.
_VIRIDIS = (
    "#440154", "#482475", "#414487", "#355f8d", "#2a788e", "#21918c", "#22a884", "#44bf70", "#7ad151", "#bddf26",
    "#fde725",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Classes:
    """Points in classes with names.

    Attributes:
        index: of every point; -1 stays grey.
        names: of the classes.
        table: ``(class, 3)`` uint8.
        grey: what the grey points are.
    """

    index: np.ndarray
    names: tuple[str, ...]
    table: np.ndarray
    grey: str


@dataclass(frozen=True, eq=False)
class Scale:
    """Points with numbers.

    Attributes:
        index: of every point, the step of the scale; -1 stays grey.
        table: ``(step, 3)`` uint8.
        low: what the first color means.
        high: what the last color means.
        label: what it is.
        grey: what the grey points are.
    """

    index: np.ndarray
    table: np.ndarray
    low: str
    high: str
    label: str
    grey: str


Coloring = Classes | Scale


def coloring(by: str, points: "vp.sessions.MapPoints", state: PanelState, behavior: str = "") -> Coloring:
    """Color the points of a map by one of ``NAMED``; ``behavior`` is the one of ``score``."""
    makers: dict[str, Callable[[], Coloring]] = {
        "labels": lambda: by_labels(points, state),
        "predictions": lambda: by_predictions(points, state),
        "cluster": lambda: by_cluster(points),
        "recording": lambda: by_recording(points),
        "time": lambda: by_time(points),
        "score": lambda: by_score(points, state, behavior),
        "uncertainty": lambda: by_uncertainty(points, state),
    }
    return makers[by]()


def by_labels(points: "vp.sessions.MapPoints", state: PanelState) -> Classes:
    """What people labelled."""
    if state.labels is None:
        return Classes(np.full(len(points), -1, np.int16), (), np.zeros((0, 3), np.uint8), "not scored")
    names, table = behavior_classes(state.labels.behaviors)
    return Classes(vp.sessions.point_behaviors(state.labels, points), names, table, "not scored")


def relabelled(old: Classes, points: "vp.sessions.MapPoints", state: PanelState, rows: np.ndarray) -> Classes:
    """The same after an edit that concerns only some points."""
    index = old.index.copy()
    if state.labels is not None and len(rows):
        index[rows] = vp.sessions.point_behaviors(state.labels, points, rows)
    return Classes(index, old.names, old.table, old.grey)


def by_predictions(points: "vp.sessions.MapPoints", state: PanelState) -> Classes:
    """What the probe predicts most of the time of every point."""
    shown = {} if state.hide_predictions else state.predictions
    names = tuple(dict.fromkeys(name for one in shown.values() for name in one.behaviors))
    index = np.full(len(points), -1, np.int16)
    for rows, one in _predicted(points, state):
        happens = vp.sessions.point_scores(
            one.time_s, np.where(one.states < 0, np.nan, one.states), points.start_s[rows], points.stop_s[rows]
        )
        known = np.isfinite(happens).any(axis=1)
        share = np.nan_to_num(happens)
        best = share.argmax(axis=1)
        place = np.array([names.index(name) for name in one.behaviors], np.int16)
        index[rows[known]] = np.where(share.max(axis=1) >= 0.5, place[best], len(names))[known]
    return Classes(index, *_named_classes(names, state), "not predicted")


def by_cluster(points: "vp.sessions.MapPoints") -> Classes:
    """Its clusters."""
    names = points.made.names("Cluster {}")
    table = _palette(len(names))
    return Classes(points.made.cluster.astype(np.int16), tuple(names.values()), table, "no cluster")


def by_recording(points: "vp.sessions.MapPoints") -> Classes:
    """The recordings, and the animals that were followed."""
    names = tuple(points.made.recordings)
    return Classes(points.track.astype(np.int16), names, _palette(len(names)), "")


def by_time(points: "vp.sessions.MapPoints") -> Scale:
    """Since the start of each recording."""
    first = np.full(len(points.recordings), np.inf)
    np.minimum.at(first, points.track, points.start_s)
    seconds = points.start_s - first[points.track]
    high = float(seconds.max(initial=0.0))
    return _scale(seconds, 0.0, max(high, 1e-9), ("start", vp.sessions.duration_text(high)), "Time in recording", "")


def by_score(points: "vp.sessions.MapPoints", state: PanelState, behavior: str) -> Scale:
    """What the probe thinks of one behavior."""
    values = np.full(len(points), np.nan)
    for rows, one in _predicted(points, state):
        if behavior in one.behaviors:
            column = one.scores[:, [one.behaviors.index(behavior)]]
            found = vp.sessions.point_scores(one.time_s, column, points.start_s[rows], points.stop_s[rows])
            values[rows] = found[:, 0]
    return _scale(values, 0.0, 1.0, ("0", "1"), f"Score of {behavior}", "no score")


def by_uncertainty(points: "vp.sessions.MapPoints", state: PanelState) -> Scale:
    """How near the least certain score of every moment is to one half: 0 sure, 1 a coin toss."""
    values = np.full(len(points), np.nan)
    for rows, one in _predicted(points, state):
        found = vp.sessions.point_scores(one.time_s, one.scores, points.start_s[rows], points.stop_s[rows])
        unsure = 1 - np.abs(2 * found - 1)
        known = np.isfinite(unsure).any(axis=1)
        values[rows] = np.where(known, np.where(np.isfinite(unsure), unsure, -1).max(axis=1), np.nan)
    return _scale(values, 0.0, 1.0, ("sure", "unsure"), "How unsure the probe is", "no score")


def behavior_classes(behaviors: "vp.Behaviors") -> tuple[tuple[str, ...], np.ndarray]:
    """Names and colors of the catalogue, and of time without any of its behaviors."""
    looks = vp.plots.behavior_looks(behaviors)
    nothing = behaviors.background or "none of these"
    return (*behaviors.names, nothing), rgb_table([*(looks[name].color for name in behaviors.names), _NOTHING])


def _named_classes(names: Sequence[str], state: PanelState) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and colors of predicted behaviors: as in the catalogue, where they are in it."""
    known = state.labels.behaviors if state.labels is not None else vp.Behaviors(())
    more = [name for name in names if name not in known]
    looks = vp.plots.behavior_looks(vp.Behaviors((*known.entries, *map(vp.sessions.Behavior, more))))
    nothing = known.background or "none of these"
    return (*names, nothing), rgb_table([*(looks[name].color for name in names), _NOTHING])


def _predicted(points: "vp.sessions.MapPoints", state: PanelState) -> list[tuple[np.ndarray, Prediction]]:
    """The points of every recording with predictions."""
    found: list[tuple[np.ndarray, Prediction]] = []
    if state.hide_predictions:
        return found
    for recording, one in state.predictions.items():
        for track in points.tracks(recording):
            if len(one.time_s) and points.subjects[track] == one.subject:
                found.append((points.rows(track), one))
    return found


def _scale(values: np.ndarray, low: float, high: float, ends: tuple[str, str], label: str, grey: str) -> Scale:
    known = np.isfinite(values)
    steps = np.clip((np.nan_to_num(values) - low) / (high - low) * _STEPS, 0, _STEPS - 1)
    return Scale(np.where(known, steps, -1).astype(np.int16), viridis(_STEPS), *ends, label, grey)


def viridis(steps: int) -> np.ndarray:
    """So many colors from dark violet to yellow, ``(step, 3)`` uint8."""
    corners = rgb_table(_VIRIDIS).astype(np.float64)
    at = np.linspace(0, len(corners) - 1, steps)
    return (
        np.stack([np.interp(at, np.arange(len(corners)), column) for column in corners.T], axis=1)
        .round()
        .astype(np.uint8)
    )


def rgb_table(colors: Sequence[str]) -> np.ndarray:
    """``(n, 3)`` uint8 of ``#rrggbb``."""
    return np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in colors], np.uint8).reshape(-1, 3)


def _palette(count: int) -> np.ndarray:
    looks = vp.plots.looks([str(number) for number in range(count)])
    return rgb_table([one.color for one in looks.values()])
