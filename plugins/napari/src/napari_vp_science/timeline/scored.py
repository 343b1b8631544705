"""Observed intervals of a recording as columns of numbers: which time of which row was scored."""

from collections.abc import Sequence

import numpy as np

import vp_science as vp
from napari_vp_science.timeline.axis import TimeAxis
from napari_vp_science.timeline.columns import coverage
from napari_vp_science.timeline.rows import Row

_ANY = -1


class ScoredTime:
    """The observed intervals of one recording."""

    def __init__(self, intervals: "Sequence[vp.sessions.Observed]") -> None:
        self._start_s = np.array([one.start_s for one in intervals], np.float64)
        self._stop_s = np.array([one.stop_s for one in intervals], np.float64)
        self._behaviors: dict[str, int] = {"": _ANY}
        self._subjects: dict[str, int] = {"": _ANY}
        self._behavior = _coded([one.behavior for one in intervals], self._behaviors)
        self._subject = _coded([one.subject for one in intervals], self._subjects)
        self.subjects = tuple(name for name in self._subjects if name)

    def columns(self, rows: Sequence[Row], axis: TimeAxis, num_columns: int) -> np.ndarray:
        """The scored share of every column of every row: ``(row, column)``, 0 to 1."""
        scale = num_columns / axis.length_s
        visible = (self._stop_s > axis.start_s) & (self._start_s < axis.stop_s)
        start = (self._start_s[visible] - axis.start_s) * scale
        stop = (self._stop_s[visible] - axis.start_s) * scale
        behavior, subject = self._behavior[visible], self._subject[visible]
        result = np.zeros((len(rows), num_columns))
        for number, row in enumerate(rows):
            # A code that no interval has: intervals for everybody and every behavior are all that is left.
            own = _either(behavior, self._behaviors.get(row.behavior, -2))
            own &= _either(subject, self._subjects.get(row.subject, -2))
            if own.any():
                key = np.zeros(int(own.sum()), np.int64)
                result[number] = coverage(start[own], stop[own], key, 1, num_columns)[0]
        return np.minimum(result, 1.0)

    def scored_at(self, row: Row, time_s: float) -> bool:
        """Whether a moment of a row was scored."""
        hits = (self._start_s <= time_s) & (time_s < self._stop_s)
        hits &= _either(self._behavior, self._behaviors.get(row.behavior, -2))
        return bool((hits & _either(self._subject, self._subjects.get(row.subject, -2))).any())


def _coded(names: list[str], codes: dict[str, int]) -> np.ndarray:
    for name in dict.fromkeys(names):
        codes.setdefault(name, len(codes) - 1)
    return np.array([codes[name] for name in names], np.int64)


def _either(column: np.ndarray, code: int) -> np.ndarray:
    return (column == _ANY) | (column == code)
