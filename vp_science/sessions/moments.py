"""Chosen moments: what a lasso, a search or a cluster picks out of many recordings, and giving them a label at once."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from vp_science.errors import AnnotationError
from vp_science.sessions.labelbook import LabelBook
from vp_science.timeline.intervals import as_union

Moment = tuple[str, float, float]
"""Recording, start and stop in seconds."""

TOUCH_S = 1e-6
"""Times that are no further apart than this are the same: less than any frame, more than rounding."""


def merge_moments(moments: Iterable[Moment]) -> list[Moment]:
    """The same time without overlaps: moments of a recording that overlap or touch are joined.

    Returns:
        Sorted by start within every recording; recordings in the order of their first moment. Moments without any
        duration are left out.
    """
    by_recording: dict[str, list[tuple[float, float]]] = {}
    for recording, start, stop in moments:
        by_recording.setdefault(recording, []).append((float(start), float(stop)))
    return [
        (recording, start, stop)
        for recording, spans in by_recording.items()
        for start, stop in as_union(np.array(spans), TOUCH_S).tolist()
    ]


def moments_text(moments: Sequence[Moment]) -> str:
    """How much is chosen, for people: ``"132 moments in 4 recordings, 2 min 10 s"``."""
    if not moments:
        return "nothing chosen"
    recordings = len({recording for recording, _, _ in moments})
    seconds = sum(stop - start for _, start, stop in moments)
    return f"{_many(len(moments), 'moment')} in {_many(recordings, 'recording')}, {duration_text(seconds)}"


def duration_text(seconds: int | float) -> str:
    """A duration for people: ``"0.4 s"``, ``"12 s"``, ``"2 min 10 s"``, ``"1 h 5 min"``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def label_moments(
    book: LabelBook,
    moments: Iterable[Moment],
    behavior: str,
    *,
    subject: str = "",
    source: str = "manual:",
    edges: Mapping[str, Float64[np.ndarray, " edge"]] | None = None,
) -> tuple[int, ...]:
    """Give moments a label, as one step of undo.

    Moments that overlap or touch become one bout, together with bouts of this behavior and subject that were there
    before (see ``LabelBook.paint``). Moments of a point behavior become events in their middle.

    Args:
        book: the labels.
        moments: of any recordings, in any order.
        behavior: a name of the catalogue.
        subject: who does it.
        source: of the bouts.
        edges: borders of the frames of recordings where they are known: bouts begin and end there, and every moment
            becomes at least one frame long.

    Returns:
        The numbers of the bouts.

    Raises:
        AnnotationError: when the behavior is not in the catalogue, or a moment has no duration.
    """
    is_point = book.behaviors[behavior].kind == "point"
    known = {} if edges is None else edges
    snapped = [_snapped(moment, known.get(moment[0])) for moment in moments]
    for name, start, stop in snapped:
        if not start < stop:
            raise AnnotationError(f"expected moments that last, found {start:.3f} to {stop:.3f} s of {name!r}")
    merged = merge_moments(snapped)
    numbers = []
    with book.step(f"label {_many(len(merged), 'moment')} {behavior}"):
        for name, start, stop in merged:
            begin = _frame_start((start + stop) / 2, known.get(name)) if is_point else start
            number = book.paint(name, behavior, begin, stop, subject=subject, source=source, join_s=TOUCH_S)
            numbers.append(number)
    return tuple(dict.fromkeys(numbers))


def _snapped(moment: Moment, edges: Float64[np.ndarray, " edge"] | None) -> Moment:
    """To the nearest frame borders; at least one frame remains."""
    if edges is None or len(edges) < 2:
        return moment
    recording, start, stop = moment
    first = min(_nearest(edges, start), len(edges) - 2)
    return recording, float(edges[first]), float(edges[max(_nearest(edges, stop), first + 1)])


def _nearest(edges: Float64[np.ndarray, " edge"], time_s: float) -> int:
    after = int(np.clip(np.searchsorted(edges, time_s), 1, len(edges) - 1))
    return after if edges[after] - time_s < time_s - edges[after - 1] else after - 1


def _frame_start(time_s: float, edges: Float64[np.ndarray, " edge"] | None) -> float:
    """When the frame on screen at this time begins."""
    if edges is None or len(edges) < 2:
        return time_s
    return float(edges[int(np.clip(np.searchsorted(edges, time_s, side="right") - 1, 0, len(edges) - 2))])
