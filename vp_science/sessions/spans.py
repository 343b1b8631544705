"""Intervals of time: what remains of some when others are cut out, and the observed intervals of one recording."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter

from vp_science.errors import AnnotationError
from vp_science.sessions.bout import Observed

Span = tuple[int | float, int | float]
_by_start = attrgetter("start_s")
_by_stop = attrgetter("stop_s")
_order = attrgetter("start_s", "stop_s", "behavior", "subject")


def remaining(start_s: int | float, stop_s: int | float, cut: Sequence[Span]) -> list[Span]:
    """What is left of an interval without others, which are sorted and do not overlap."""
    pieces = []
    for first, last in cut[bisect_right(cut, start_s, key=lambda span: span[1]) :]:
        if first >= stop_s:
            break
        if start_s < first:
            pieces.append((start_s, first))
        start_s = last
    if start_s < stop_s:
        pieces.append((start_s, stop_s))
    return pieces


class ObservedTime:
    """Observed intervals of one recording; those of one behavior and subject (a lane) never overlap or touch."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], list[Observed]] = {}
        self._all: list[Observed] = []
        self._sorted: tuple[Observed, ...] | None = ()

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Observed]:
        return iter(self.sorted())

    def __contains__(self, one: object) -> bool:
        return isinstance(one, Observed) and any(one == other for other in self._near(one))

    def sorted(self) -> tuple[Observed, ...]:
        """All of them in order; the same object until something changes."""
        if self._sorted is None:
            self._sorted = tuple(self._all)
        return self._sorted

    def insert(self, one: Observed) -> None:
        """Add an interval.

        Raises:
            AnnotationError: when another one of its lane overlaps with it.
        """
        if any(other.start_s < one.stop_s and one.start_s < other.stop_s for other in self._near(one)):
            raise AnnotationError(f"expected observed intervals that do not overlap, found {one!r}")
        insort(self._lanes.setdefault((one.behavior, one.subject), []), one, key=_by_start)
        insort(self._all, one, key=_order)
        self._sorted = None

    def remove(self, one: Observed) -> None:
        """Take an interval out."""
        lane = self._lanes[one.behavior, one.subject]
        del lane[bisect_left(lane, one.start_s, key=_by_start)]
        if not lane:
            del self._lanes[one.behavior, one.subject]
        del self._all[bisect_left(self._all, _order(one), key=_order)]
        self._sorted = None

    def joined(self, new: Observed) -> tuple[list[Observed], Observed]:
        """Which intervals a new one replaces, and what it becomes: joined with those of its lane that it touches."""
        near = self._near(new)
        starts, stops = [new.start_s, *map(_by_start, near)], [new.stop_s, *map(_by_stop, near)]
        return near, Observed(min(starts), max(stops), new.behavior, new.subject)

    def covers(self, one: Observed) -> bool:
        """Whether all of an interval is observed already, for its behavior or all, for its subject or everybody."""
        lanes = {(behavior, subject) for behavior in (one.behavior, "") for subject in (one.subject, "")}
        known = (near for lane in lanes for near in self._near(Observed(one.start_s, one.stop_s, *lane)))
        return any(near.start_s <= one.start_s and one.stop_s <= near.stop_s for near in known)

    def without(
        self, start_s: int | float, stop_s: int | float, behavior: str | None, subject: str | None
    ) -> Iterable[tuple[Observed, list[Observed]]]:
        """Which intervals (of one behavior and subject, None means any) lie between two times, and what is left."""
        for lane in list(self._lanes):
            if (behavior is not None and lane[0] != behavior) or (subject is not None and lane[1] != subject):
                continue
            for one in self._near(Observed(start_s, stop_s, *lane)):
                if one.start_s < stop_s and start_s < one.stop_s:
                    pieces = remaining(one.start_s, one.stop_s, [(start_s, stop_s)])
                    yield one, [Observed(*piece, *lane) for piece in pieces]

    def copy(self) -> "ObservedTime":
        """Another one with the same intervals."""
        other = ObservedTime()
        other._lanes = {lane: list(intervals) for lane, intervals in self._lanes.items()}
        other._all, other._sorted = list(self._all), self._sorted
        return other

    def _near(self, one: Observed) -> list[Observed]:
        """Intervals of the same lane that overlap with it or touch it."""
        lane = self._lanes.get((one.behavior, one.subject), [])
        first = bisect_left(lane, one.start_s, key=_by_stop)
        last = bisect_right(lane, one.stop_s, key=_by_start)
        return lane[first:last]
