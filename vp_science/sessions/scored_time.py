"""Which time of a recording was scored, and what the labels say about a behavior there, as arrays of intervals."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from vp_science.sessions.bout import Status
from vp_science.sessions.labelbook import LabelBook
from vp_science.timeline.intervals import as_union

Intervals = Float64[np.ndarray, "_ 2"]
Spans = Mapping[str, Intervals]
"""Intervals by recording id."""

NOTHING: np.ndarray = np.zeros((0, 2))


def scored_time(book: LabelBook, recording: str, behavior: str | None = None, subject: str = "") -> Intervals:
    """Time that somebody scored, sorted and joined.

    Args:
        book: the labels.
        recording: id of the recording.
        behavior: scored for this behavior; None takes time that was scored for any.
        subject: whose behavior; "" takes anybody's.
    """
    rows = [
        (one.start_s, one.stop_s)
        for one in book.observed(recording)
        if (behavior is None or one.behavior in ("", behavior)) and (not subject or one.subject in ("", subject))
    ]
    return as_union(np.array(rows, np.float64).reshape(-1, 2))


def labelled_time(book: LabelBook, recording: str, behavior: str, subject: str = "") -> Intervals:
    """Bouts that people marked (not those of a model), sorted as they are; point events are empty intervals.

    Args:
        book: the labels.
        recording: id of the recording.
        behavior: a name of the catalogue.
        subject: whose behavior; "" takes anybody's.
    """
    table = book.table(recording)
    mine = (table.behavior == table.names.index(behavior)) & (table.status != Status.MODEL)
    if subject:
        mine &= np.isin(table.subject, [i for i, name in enumerate(table.subjects) if name in ("", subject)])
    return np.column_stack([table.start_s[mine], table.stop_s[mine]])


def joined(*parts: Intervals) -> Intervals:
    """The time that any of them covers."""
    return as_union(np.concatenate([NOTHING, *parts]))
