"""Thousands of bouts and scores as columns of pixels, so that drawing takes as long as the window is wide."""

import numpy as np

import vp_science as vp
from napari_vp_science.state import Prediction
from napari_vp_science.timeline.axis import TimeAxis

_BLOCK = 8
"""Frames (or blocks) that one block of the next level holds."""


def coverage(start: np.ndarray, stop: np.ndarray, key: np.ndarray, num_keys: int, num_columns: int) -> np.ndarray:
    """How much of every column the intervals of every key cover.

    Args:
        start: ``(interval,)`` in columns, not necessarily whole ones.
        stop: ``(interval,)`` their ends.
        key: ``(interval,)`` which sum an interval goes to.
        num_keys: how many there are.
        num_columns: what lies outside of ``[0, num_columns]`` is cut off.

    Returns:
        ``(key, column)`` covered lengths; above 1 where intervals of a key overlap.
    """
    # An end at b adds 1 to all columns before floor(b) and the rest of b to that column; a begin takes the same away.
    size = num_columns + 1
    steps, parts = np.zeros(num_keys * size), np.zeros(num_keys * size)
    for border, sign in ((stop, 1.0), (start, -1.0)):
        at = np.clip(border, 0.0, num_columns)
        whole = np.floor(at).astype(np.int64)
        place = key * size + whole
        steps += sign * np.bincount(place, minlength=len(steps))
        parts += sign * np.bincount(place, weights=at - whole, minlength=len(parts))
    steps = steps.reshape(num_keys, size)
    later = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1] - steps
    return np.maximum((later + parts.reshape(num_keys, size))[:, :num_columns], 0.0)


def majority(covered: np.ndarray) -> np.ndarray:
    """For every column the key that covers most of it, -1 where none does: ``(key, column)`` -> ``(column,)``."""
    if not len(covered):
        return np.full(covered.shape[1], -1)
    most = covered.argmax(axis=0)
    return np.where(np.take_along_axis(covered, most[None], axis=0)[0] > 1e-9, most, -1)


def score_levels(scores: np.ndarray) -> list[np.ndarray]:
    """``(frame, behavior)`` scores, then the highest of every eight of them, of every 64, and so on."""
    levels = [np.asarray(scores, np.float32)]
    while len(levels[-1]) > 4 * _BLOCK:
        last = levels[-1]
        whole = len(last) // _BLOCK * _BLOCK
        blocks = np.fmax.reduce(last[:whole].reshape(-1, _BLOCK, last.shape[1]), axis=1)
        rest = [np.fmax.reduce(last[whole:], axis=0)[None]] if whole < len(last) else []
        levels.append(np.concatenate([blocks, *rest]))
    return levels


class ScoreColumns:
    """Scores and states of one prediction, ready to be looked up for any part of the recording.

    Highest scores come from levels, states are counted from the begin: a whole night is drawn as fast as a minute.

    Attributes:
        prediction: what it is made of.
        levels: ``score_levels`` of its scores.
    """

    def __init__(self, prediction: Prediction, levels: list[np.ndarray] | None = None) -> None:
        self.prediction = prediction
        self.levels = score_levels(prediction.scores) if levels is None else levels
        num_frames, num_behaviors = np.shape(prediction.states)
        self._happens = np.zeros((num_frames + 1, num_behaviors), np.int32)
        np.cumsum(np.asarray(prediction.states) == 1, axis=0, out=self._happens[1:])
        time_s = np.asarray(prediction.time_s, np.float64)
        self._edges_s = vp.sessions.frame_edges(time_s) if len(time_s) else np.zeros(1)

    def look(self, axis: TimeAxis, num_columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Highest score and share of time with the behavior, for columns of the visible part.

        Where many frames share a column, its borders are taken an eighth of a column (or less) too wide, so that no
        peak is lost.

        Returns:
            ``(behavior, column)`` scores (NaN where there is none) and shares.
        """
        times = axis.start_s + np.arange(num_columns + 1) * (axis.length_s / num_columns)
        first = np.searchsorted(self._edges_s, times[:-1], side="right") - 1
        last = np.searchsorted(self._edges_s, times[1:], side="left")
        inside = (first < len(self._happens) - 1) & (last > 0)
        first = np.clip(first, 0, max(len(self._happens) - 2, 0))
        last = np.clip(last, first + 1, max(len(self._happens) - 1, 1))
        num_behaviors = self._happens.shape[1]
        scores = np.full((num_behaviors, num_columns), np.nan, np.float32)
        shares = np.zeros((num_behaviors, num_columns), np.float32)
        if inside.any():
            a, b = first[inside], last[inside]
            scores[:, inside] = self._highest(a, b).T
            shares[:, inside] = ((self._happens[b] - self._happens[a]) / (b - a)[:, None]).T
        return scores, shares

    def _highest(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        per_column = float(np.median(last - first))
        level = 0
        while level + 1 < len(self.levels) and _BLOCK ** (level + 2) <= per_column:
            level += 1
        block, table = _BLOCK**level, self.levels[level]
        bounds = np.stack([first // block, -(-last // block)], axis=1).ravel()
        bounds[1::2] = np.minimum(bounds[1::2], len(table))
        # reduceat takes pairs of bounds; the end of the table must not be named as a bound.
        padded = np.concatenate([table, np.full((1, table.shape[1]), np.nan, np.float32)])
        return np.fmax.reduceat(padded, bounds, axis=0)[::2]
