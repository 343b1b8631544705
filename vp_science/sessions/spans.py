"""Observed intervals: joined, cut and looked up."""

from collections.abc import Iterable

from vp_science.sessions.bout import Observed


def add_observed(intervals: Iterable[Observed], new: Observed) -> tuple[Observed, ...]:
    """The intervals with another one; those of the same behavior and subject that touch are joined."""
    start, stop, kept = new.start_s, new.stop_s, []
    for one in intervals:
        alike = (one.behavior, one.subject) == (new.behavior, new.subject)
        if alike and one.start_s <= stop and start <= one.stop_s:
            start, stop = min(start, one.start_s), max(stop, one.stop_s)
        else:
            kept.append(one)
    return tuple(sorted([*kept, Observed(start, stop, new.behavior, new.subject)]))


def remove_observed(
    intervals: Iterable[Observed], start_s: float, stop_s: float, behavior: str | None, subject: str | None
) -> tuple[Observed, ...]:
    """The intervals without what lies between two times (of one behavior and subject; None means any)."""
    kept = []
    for one in intervals:
        other = (behavior is not None and one.behavior != behavior) or (subject is not None and one.subject != subject)
        if other or one.stop_s <= start_s or stop_s <= one.start_s:
            kept.append(one)
            continue
        if one.start_s < start_s:
            kept.append(Observed(one.start_s, start_s, one.behavior, one.subject))
        if stop_s < one.stop_s:
            kept.append(Observed(stop_s, one.stop_s, one.behavior, one.subject))
    return tuple(sorted(kept))
