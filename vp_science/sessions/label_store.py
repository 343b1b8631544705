"""The elements of a label book: catalogue, bouts and observed intervals, with the tables that views draw from."""

from collections.abc import Iterable
from typing import Any

from vp_science.errors import AnnotationError
from vp_science.sessions.bout import Bout, Observed
from vp_science.sessions.bout_table import BoutTable
from vp_science.sessions.edits import Change, Place
from vp_science.sessions.spans import ObservedTime
from vp_science.timeline.behaviors import Behaviors

CATALOGUE: Place = ("behaviors", "")
_MANY = 100
"""From so many changes on tables are made anew instead of being updated."""


class LabelStore:
    """Elements by their place.

    Attributes:
        behaviors: the catalogue.
        bouts: by number.
        next_id: a number that no bout ever had.
    """

    def __init__(self) -> None:
        self.behaviors = Behaviors(())
        self.bouts: dict[int, Bout] = {}
        self.next_id = 1
        self._by_recording: dict[str, dict[int, Bout]] = {}
        self._observed: dict[str, ObservedTime] = {}
        self._tables: dict[str, BoutTable] = {}

    def copy(self) -> "LabelStore":
        """Another one with the same elements."""
        other = LabelStore()
        other.behaviors, other.next_id = self.behaviors, self.next_id
        other.bouts = dict(self.bouts)
        other._by_recording = {name: dict(own) for name, own in self._by_recording.items()}
        other._observed = {name: time.copy() for name, time in self._observed.items()}
        other._tables = dict(self._tables)
        return other

    @property
    def recordings(self) -> tuple[str, ...]:
        """Ids of all recordings that have bouts or observed intervals, sorted."""
        return tuple(sorted({*self._by_recording, *self._observed}))

    def of_recording(self, recording: str) -> Iterable[Bout]:
        """Bouts of a recording in no order."""
        return self._by_recording.get(recording, {}).values()

    def count(self, recording: str) -> int:
        """How many bouts a recording has."""
        return len(self._by_recording.get(recording, {}))

    def observed(self, recording: str) -> ObservedTime:
        """Observed intervals of a recording; not to be changed."""
        return self._observed.get(recording) or ObservedTime()

    def table(self, recording: str) -> BoutTable:
        """The bouts of a recording as columns; the same object until something in it changes."""
        if recording not in self._tables:
            self._tables[recording] = BoutTable.of(list(self.of_recording(recording)), self.behaviors.names)
        return self._tables[recording]

    def overlapping(
        self, recording: str, start_s: int | float, stop_s: int | float, *, touching_s: int | float = -1.0
    ) -> list[Bout]:
        """State bouts that share time with an interval; with ``touching_s`` also those that are so near to it."""
        table = self.table(recording)
        if touching_s < 0:
            hits = (table.start_s < stop_s) & (table.stop_s > start_s)
        else:
            hits = (table.start_s <= stop_s + touching_s) & (table.stop_s >= start_s - touching_s)
        hits &= table.stop_s > table.start_s
        return [self.bouts[number] for number in table.id[hits].tolist()]

    def events(self, recording: str, start_s: int | float, stop_s: int | float) -> list[Bout]:
        """Point events from a time up to another one."""
        table = self.table(recording)
        hits = (table.start_s == table.stop_s) & (table.start_s >= start_s) & (table.start_s < stop_s)
        return [self.bouts[number] for number in table.id[hits].tolist()]

    # ---- changing

    def new_id(self) -> int:
        """A number for a new bout."""
        self.next_id += 1
        return self.next_id - 1

    def get(self, place: Place) -> Any:
        """What is at a place; None where nothing is."""
        if place[0] == "bout":
            return self.bouts.get(place[1])
        if place[0] == "observed":
            recording, one = place[1]
            return one if one in self.observed(recording) else None
        return self.behaviors

    def set(self, place: Place, after: Any) -> None:
        """Put something at a place; None takes it away."""
        if place[0] == "bout":
            self._set_bout(place[1], after)
        elif place[0] == "observed":
            self._set_observed(*place[1], after)
        else:
            self.behaviors = after
            self._tables.clear()

    def apply(self, changes: Iterable[Change]) -> None:
        """Make changes in the order in which they fit together."""
        changes = sorted(changes, key=Change.rank)
        self.expect(len(changes))
        tables, self._tables = self._tables, {}
        gone: dict[str, list[Bout]] = {}
        come: dict[str, list[Bout]] = {}
        for change in changes:
            if change.place[0] == "bout":
                if (before := self.bouts.get(change.place[1])) is not None:
                    gone.setdefault(before.recording, []).append(before)
                if change.after is not None:
                    come.setdefault(change.after.recording, []).append(change.after)
            elif change.place == CATALOGUE:
                tables = {}
            self.set(change.place, change.after)
        for recording in {*gone, *come} & set(tables):
            table = tables.pop(recording).changed(gone.get(recording, []), come.get(recording, []))
            if table is not None:
                tables[recording] = table
        self._tables = tables

    def expect(self, num_changes: int) -> None:
        """So many changes come: when they are many, tables are made anew afterwards."""
        if num_changes > _MANY:
            self._tables.clear()

    def _set_bout(self, number: int, after: Bout | None) -> None:
        before = self.bouts.pop(number, None)
        if before is not None:
            own = self._by_recording[before.recording]
            del own[number]
            if not own:
                del self._by_recording[before.recording]
            self._update_table(before.recording, lambda table: table.without(before))
        if after is not None:
            self.bouts[number] = after
            self._by_recording.setdefault(after.recording, {})[number] = after
            self.next_id = max(self.next_id, number + 1)
            self._update_table(after.recording, lambda table: table.with_bout(after))

    def _update_table(self, recording: str, change: Any) -> None:
        table = self._tables.pop(recording, None)
        changed = None if table is None else change(table)
        if changed is not None:
            self._tables[recording] = changed

    def _set_observed(self, recording: str, one: Observed, after: Observed | None) -> None:
        time = self._observed.setdefault(recording, ObservedTime())
        if one in time:
            time.remove(one)
        if after is not None:
            time.insert(after)
        if not len(time):
            del self._observed[recording]


def check_exclusive(bouts: Iterable[Bout], fix: str) -> None:
    """Refuse state bouts of one subject that share time.

    Args:
        bouts: of any recordings.
        fix: what to do, for the message.

    Raises:
        AnnotationError: naming the first two, and how many there are.
    """
    states = [bout for bout in bouts if not bout.is_point]
    states.sort(key=lambda bout: (bout.recording, bout.subject, bout.start_s, bout.stop_s))
    found: list[tuple[Bout, Bout]] = []
    last: Bout | None = None
    for bout in states:
        same = last is not None and (last.recording, last.subject) == (bout.recording, bout.subject)
        if last is not None and same and bout.start_s < last.stop_s:
            found.append((last, bout))
        if last is None or not same or bout.stop_s > last.stop_s:
            last = bout
    if found:
        one, other = found[0]
        raise AnnotationError(
            f"expected behaviors that exclude each other, found {one.behavior!r} and {other.behavior!r} of "
            f"{one.recording!r} both at {other.start_s:.3f} s ({len(found)} such in all): {fix}"
        )
