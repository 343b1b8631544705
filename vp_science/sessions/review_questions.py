"""The questions about many recordings as columns: sorted and looked up without a Python object for each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vp_science.sessions.review_items import KINDS, ItemTable, ReviewItem

Order = Literal["confidence", "behavior", "time", "disagreement"]
REVIEW_ORDERS: tuple[Order, ...] = ("confidence", "behavior", "time", "disagreement")

_MISSED = KINDS.index("missed")


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions about any number of recordings.

    Attributes:
        tables: of the recordings.
        table: position in ``tables``.
        row: row of that table.
        names: behaviors of all tables.
        behavior: position in ``names``.
        kind: position in ``KINDS``.
        start_s: in seconds.
        stop_s: in seconds.
        until_s: in seconds.
        score: of the prediction.
    """

    tables: tuple[ItemTable, ...]
    table: Int64[np.ndarray, " item"]
    row: Int64[np.ndarray, " item"]
    names: tuple[str, ...]
    behavior: Int64[np.ndarray, " item"]
    kind: Int64[np.ndarray, " item"]
    start_s: Float64[np.ndarray, " item"]
    stop_s: Float64[np.ndarray, " item"]
    until_s: Float64[np.ndarray, " item"]
    score: Float64[np.ndarray, " item"]

    def __len__(self) -> int:
        return len(self.table)

    @classmethod
    def of(cls, tables: Sequence[ItemTable]) -> "Questions":
        """All questions of some tables."""
        names = tuple(dict.fromkeys(name for some in {table.names: None for table in tables} for name in some))
        lengths = np.array([len(table) for table in tables], np.int64)
        first = np.cumsum(lengths) - lengths
        return cls(
            tuple(tables),
            np.repeat(np.arange(len(tables)), lengths).astype(np.int64),
            (np.arange(lengths.sum()) - np.repeat(first, lengths)).astype(np.int64),
            names,
            _integers(_places(table, names) for table in tables),
            _integers(table.kind for table in tables),
            _numbers(table.start_s for table in tables),
            _numbers(table.stop_s for table in tables),
            _numbers(table.until_s for table in tables),
            _numbers(table.score for table in tables),
        )

    def item(self, place: int) -> ReviewItem:
        """One question."""
        return self.tables[int(self.table[place])].item(int(self.row[place]))

    def taken(self, rows: Bool[np.ndarray, " item"] | Int64[np.ndarray, " chosen"]) -> "Questions":
        """Some of them, in this order."""
        columns = ("table", "row", "behavior", "kind", "start_s", "stop_s", "until_s", "score")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def of_behavior(self, name: str) -> Bool[np.ndarray, " item"]:
        """Which are about a behavior."""
        found: np.ndarray = self.behavior == (self.names.index(name) if name in self.names else -1)
        return found

    def same(self, item: ReviewItem) -> Bool[np.ndarray, " item"]:
        """Which are exactly this question."""
        found: np.ndarray = self._about(item) & (self.start_s == item.start_s) & (self.stop_s == item.stop_s)
        return found

    def alike(self, item: ReviewItem) -> Bool[np.ndarray, " item"]:
        """Which are this question with borders that may have moved: at least half of the time of both is shared."""
        shared = np.minimum(self.until_s, item.until_s) - np.maximum(self.start_s, item.start_s)
        both = np.maximum(self.until_s, item.until_s) - np.minimum(self.start_s, item.start_s)
        found: np.ndarray = self._about(item) & (2 * shared >= both)
        return found

    def sorted(
        self, order: Order, catalogue: Sequence[str], last: Bool[np.ndarray, " item"]
    ) -> Int64[np.ndarray, " item"]:
        """Their places in an order.

        Args:
            order: ``confidence``: the least sure first; ``behavior``: behavior by behavior, the least sure first;
                ``time``: as they happen; ``disagreement``: what the probe is surest of first.
            catalogue: behaviors in their order.
            last: those that come after all others.
        """
        unsure = np.nan_to_num(self.score, nan=2.0)
        keys: tuple[np.ndarray, ...] = (self.start_s, self.table)
        if order == "confidence":
            keys = (*keys, unsure)
        elif order == "behavior":
            place = {name: i for i, name in enumerate(catalogue)}
            keys = (*keys, unsure, np.array([place.get(name, -1) for name in self.names], np.int64)[self.behavior])
        elif order == "disagreement":
            against = np.where(self.kind == _MISSED, 1 - self.score, self.score)
            keys = (*keys, -np.nan_to_num(against, nan=-1.0))
        return np.lexsort((*keys, last)).astype(np.int64)

    def _about(self, item: ReviewItem) -> Bool[np.ndarray, " item"]:
        mine = [(one.recording, one.subject) == (item.recording, item.subject) for one in self.tables]
        found = np.array([*mine, False])[self.table] & (self.kind == KINDS.index(item.kind))
        return np.asarray(found & self.of_behavior(item.behavior))


def _places(table: ItemTable, names: tuple[str, ...]) -> Int64[np.ndarray, " item"]:
    """Behaviors of a table as positions in other names."""
    if table.names == names:
        return table.behavior
    return np.asarray(np.array([names.index(name) for name in table.names], np.int64)[table.behavior])


def _integers(parts: Iterable[np.ndarray]) -> Int64[np.ndarray, " item"]:
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)


def _numbers(parts: Iterable[np.ndarray]) -> Float64[np.ndarray, " item"]:
    return np.concatenate([np.zeros(0), *parts])
