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
    """``(frame, behavior)`` scores as ``(behavior, frame)``, then the highest of every eight, of 64, and so on."""
    levels = [np.ascontiguousarray(np.asarray(scores, np.float32).T)]
    while levels[-1].shape[1] > 4 * _BLOCK:
        last = levels[-1]
        whole = last.shape[1] // _BLOCK * _BLOCK
        blocks = np.fmax.reduce(last[:, :whole].reshape(len(last), -1, _BLOCK), axis=2)
        rest = [np.fmax.reduce(last[:, whole:], axis=1)[:, None]] if whole < last.shape[1] else []
        levels.append(np.concatenate([blocks, *rest], axis=1))
    return levels


class ScoreColumns:
    """One prediction, ready to be looked up for any part of the recording: a night is drawn as fast as a minute.

    Attributes:
        prediction: what it is made of.
        levels: ``score_levels`` of its scores.
    """

    def __init__(self, prediction: Prediction, levels: list[np.ndarray] | None = None) -> None:
        self.prediction = prediction
        self.levels = score_levels(prediction.scores) if levels is None else levels
        time_s = np.asarray(prediction.time_s, np.float64)
        self._edges_s = vp.sessions.frame_edges(time_s) if len(time_s) else np.zeros(1)
        of = prediction.bouts[:, 0]
        self._bouts = [prediction.bouts[of == index, 1:3] for index in range(len(prediction.behaviors))]
        self._looked: tuple[TimeAxis, int] | None = None
        self._found = (np.zeros(0), np.zeros(0), np.zeros(0, bool))

    def highest(self, behavior: int, axis: TimeAxis, num_columns: int) -> np.ndarray:
        """The highest score of a behavior in every column of the visible time, NaN where there is none.

        Where many frames share a column, its borders are taken up to an eighth of a column too wide, so that no peak
        is lost.
        """
        first, last, inside = self._frames(axis, num_columns)
        scores = np.full(num_columns, np.nan, np.float32)
        if inside.any():
            scores[inside] = self._highest(behavior, first[inside], last[inside])
        return scores

    def happening(self, behavior: int, axis: TimeAxis, num_columns: int) -> np.ndarray:
        """The share of every column in which the model says yes; a short event takes at least half a column."""
        bouts = self._bouts[behavior]
        own = bouts[(bouts[:, 0] <= axis.stop_s) & (bouts[:, 1] >= axis.start_s)]
        start, stop = (own - axis.start_s).T * (num_columns / axis.length_s)
        key = np.zeros(len(own), np.int64)
        return np.minimum(coverage(start, np.maximum(stop, start + 0.5), key, 1, num_columns)[0], 1.0)

    def _frames(self, axis: TimeAxis, num_columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First frame and the one after the last of every column, and which columns have any; the same for all rows."""
        if self._looked == (axis, num_columns):
            return self._found
        times = axis.start_s + np.arange(num_columns + 1) * (axis.length_s / num_columns)
        num_frames = len(self._edges_s) - 1
        first = np.searchsorted(self._edges_s, times[:-1], side="right") - 1
        last = np.searchsorted(self._edges_s, times[1:], side="left")
        inside = (first < num_frames) & (last > 0)
        first = np.clip(first, 0, max(num_frames - 1, 0))
        self._looked, self._found = (axis, num_columns), (first, np.clip(last, first + 1, max(num_frames, 1)), inside)
        return self._found

    def _highest(self, behavior: int, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        per_column = float(np.median(last - first))
        level = 0
        while level + 1 < len(self.levels) and _BLOCK ** (level + 2) <= per_column:
            level += 1
        block, line = _BLOCK**level, self.levels[level][behavior]
        bounds = np.stack([first // block, np.minimum(-(-last // block), len(line))], axis=1).ravel()
        # reduceat takes pairs of bounds, and none of them may be the end: one value more that counts for nothing.
        return np.fmax.reduceat(np.append(line, np.float32(np.nan)), bounds)[::2]
