"""The bouts of one recording as columns, for views that draw thousands of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8, Int32, Int64

from vp_science.sessions.bout import Bout


@dataclass(frozen=True, eq=False)
class BoutTable:
    """Bouts of one recording, sorted by start, then stop, then number; never changed in place.

    Attributes:
        id: of every bout.
        behavior: position in ``names``.
        subject: position in ``subjects``.
        start_s: in seconds.
        stop_s: in seconds.
        status: a ``Status``.
        score: NaN for none.
        names: behaviors of the catalogue, in its order.
        subjects: who occurs in this recording, sorted.
    """

    id: Int64[np.ndarray, " bout"]
    behavior: Int32[np.ndarray, " bout"]
    subject: Int32[np.ndarray, " bout"]
    start_s: Float64[np.ndarray, " bout"]
    stop_s: Float64[np.ndarray, " bout"]
    status: Int8[np.ndarray, " bout"]
    score: Float32[np.ndarray, " bout"]
    names: tuple[str, ...]
    subjects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def of(cls, bouts: list[Bout], names: tuple[str, ...]) -> "BoutTable":
        """From bouts in any order."""
        bouts = sorted(bouts, key=lambda bout: (bout.start_s, bout.stop_s, bout.id))
        place = {name: index for index, name in enumerate(names)}
        subjects = tuple(sorted({bout.subject for bout in bouts}))
        who = {name: index for index, name in enumerate(subjects)}
        return cls(
            np.array([bout.id for bout in bouts], np.int64),
            np.array([place[bout.behavior] for bout in bouts], np.int32),
            np.array([who[bout.subject] for bout in bouts], np.int32),
            np.array([bout.start_s for bout in bouts], np.float64),
            np.array([bout.stop_s for bout in bouts], np.float64),
            np.array([bout.status for bout in bouts], np.int8),
            np.array([bout.score for bout in bouts], np.float32),
            names,
            subjects,
        )

    def without(self, bout: Bout) -> "BoutTable | None":
        """The same without a bout; None when its subject would not occur any more: make it anew then."""
        return self.changed([bout], [])

    def with_bout(self, bout: Bout) -> "BoutTable | None":
        """The same with one bout more; None when its behavior or subject is new: make it anew then."""
        return self.changed([], [bout])

    def changed(self, gone: Sequence[Bout], come: Sequence[Bout]) -> "BoutTable | None":
        """The same without some bouts and with others; None when subjects or behaviors differ: make it anew then."""
        if any(bout.subject not in self.subjects or bout.behavior not in self.names for bout in come):
            return None
        numbers = [bout.id for bout in gone]
        keep = self.id != numbers[0] if len(numbers) == 1 else ~np.isin(self.id, numbers)
        kept = self if not numbers else self._taken(keep)
        come = sorted(come, key=lambda bout: (bout.start_s, bout.stop_s, bout.id))
        left = {self.subjects.index(bout.subject) for bout in gone} - {
            self.subjects.index(bout.subject) for bout in come
        }
        if any(place not in kept.subject for place in left):
            return None
        return kept._with(come)

    def _taken(self, keep: Bool[np.ndarray, " bout"]) -> "BoutTable":
        return BoutTable(
            self.id[keep],
            self.behavior[keep],
            self.subject[keep],
            self.start_s[keep],
            self.stop_s[keep],
            self.status[keep],
            self.score[keep],
            self.names,
            self.subjects,
        )

    def _with(self, come: Sequence[Bout]) -> "BoutTable":
        """Bouts that are sorted among themselves, put where they belong."""
        if not come:
            return self
        at = [self._place(bout) for bout in come]
        return BoutTable(
            np.insert(self.id, at, [bout.id for bout in come]),
            np.insert(self.behavior, at, [self.names.index(bout.behavior) for bout in come]),
            np.insert(self.subject, at, [self.subjects.index(bout.subject) for bout in come]),
            np.insert(self.start_s, at, [bout.start_s for bout in come]),
            np.insert(self.stop_s, at, [bout.stop_s for bout in come]),
            np.insert(self.status, at, [int(bout.status) for bout in come]),
            np.insert(self.score, at, [bout.score for bout in come]),
            self.names,
            self.subjects,
        )

    def _place(self, bout: Bout) -> int:
        """Where a bout belongs in the order."""
        first = int(np.searchsorted(self.start_s, bout.start_s, "left"))
        last = int(np.searchsorted(self.start_s, bout.start_s, "right"))
        stop, number = self.stop_s[first:last], self.id[first:last]
        return first + int(((stop < bout.stop_s) | ((stop == bout.stop_s) & (number < bout.id))).sum())
