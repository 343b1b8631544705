"""The bouts of one recording as columns, for views that draw thousands of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int8, Int16, Int64

from vp_science.sessions.bout import Bout


@dataclass(frozen=True, eq=False)
class BoutTable:
    """Bouts of one recording, sorted by start; never changed in place.

    Attributes:
        id: of every bout.
        behavior: position in ``names``.
        subject: position in ``subjects``.
        start_s: in seconds.
        stop_s: in seconds.
        status: a ``Status``.
        score: NaN for none.
        names: behaviors of the catalogue, in its order.
        subjects: who occurs in this recording, in order of first appearance.
    """

    id: Int64[np.ndarray, " bout"]
    behavior: Int16[np.ndarray, " bout"]
    subject: Int16[np.ndarray, " bout"]
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
        subjects = tuple(dict.fromkeys(bout.subject for bout in bouts))
        who = {name: index for index, name in enumerate(subjects)}
        return cls(
            np.array([bout.id for bout in bouts], np.int64),
            np.array([place[bout.behavior] for bout in bouts], np.int16),
            np.array([who[bout.subject] for bout in bouts], np.int16),
            np.array([bout.start_s for bout in bouts], np.float64),
            np.array([bout.stop_s for bout in bouts], np.float64),
            np.array([bout.status for bout in bouts], np.int8),
            np.array([bout.score for bout in bouts], np.float32),
            names,
            subjects,
        )

    def without(self, bout_id: int) -> "BoutTable":
        """The same without one bout."""
        return self._mapped(lambda column: column[self.id != bout_id])

    def with_bout(self, bout: Bout) -> "BoutTable":
        """The same with one bout more."""
        subjects = self.subjects if bout.subject in self.subjects else (*self.subjects, bout.subject)
        at = int(np.searchsorted(self.start_s, bout.start_s, side="right"))
        values = {
            "id": bout.id,
            "behavior": self.names.index(bout.behavior),
            "subject": subjects.index(bout.subject),
            "start_s": bout.start_s,
            "stop_s": bout.stop_s,
            "status": bout.status,
            "score": bout.score,
        }
        columns = {name: np.insert(getattr(self, name), at, value) for name, value in values.items()}
        return BoutTable(**columns, names=self.names, subjects=subjects)

    def _mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> "BoutTable":
        columns = (self.id, self.behavior, self.subject, self.start_s, self.stop_s, self.status, self.score)
        identity, behavior, subject, start_s, stop_s, status, score = (change(column) for column in columns)
        return BoutTable(identity, behavior, subject, start_s, stop_s, status, score, self.names, self.subjects)
