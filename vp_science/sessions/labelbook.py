"""The label book: catalogue, bouts and observed intervals of a session, while people edit them.

Every change goes through a step, every step can be undone and done again without limit, and whoever subscribed (a view,
the log on disk) is told about it. Times are seconds on the clock of the recording; nothing here knows a file or a view.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pandas as pd

from vp_science.errors import AnnotationError
from vp_science.sessions.bout import Bout, Observed, checked_bout
from vp_science.sessions.bout_table import BoutTable
from vp_science.sessions.edits import Change, Edit, EditBuilder, Place
from vp_science.sessions.spans import add_observed, remove_observed
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors

Listener = Callable[[Edit], None]
_FEW = 8
"""Up to so many bouts a table is updated in place of being made anew."""


class LabelBook:
    """Labels of any number of recordings, with undo.

    Attributes:
        behaviors: the catalogue.
        version: grows with every change, whoever made it.
    """

    def __init__(self, annotations: Annotations | None = None) -> None:
        self.behaviors = Behaviors(())
        self.version = 0
        self._bouts: dict[int, Bout] = {}
        self._by_recording: dict[str, dict[int, Bout]] = {}
        self._observed: dict[str, tuple[Observed, ...]] = {}
        self._tables: dict[str, BoutTable] = {}
        self._next_id = 1
        self._step: EditBuilder | None = None
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._listeners: list[Listener] = []
        if annotations is not None:
            self.merge(annotations)
            self._done.clear()

    # ---- looking

    @property
    def recordings(self) -> tuple[str, ...]:
        """Ids of all recordings that have bouts or observed intervals, sorted."""
        return tuple(sorted({*(name for name, own in self._by_recording.items() if own), *self._observed}))

    def __len__(self) -> int:
        return len(self._bouts)

    def __contains__(self, bout_id: object) -> bool:
        return bout_id in self._bouts

    def bout(self, bout_id: int) -> Bout:
        """One bout.

        Raises:
            AnnotationError: when there is none of this number.
        """
        try:
            return self._bouts[bout_id]
        except KeyError:
            raise AnnotationError(f"expected a bout of this session, found the number {bout_id}") from None

    def bouts(self, recording: str | None = None) -> list[Bout]:
        """Bouts (of one recording), sorted by recording and start."""
        own = self._bouts if recording is None else self._by_recording.get(recording, {})
        return sorted(own.values(), key=lambda bout: (bout.recording, bout.start_s, bout.stop_s, bout.id))

    def count(self, recording: str) -> int:
        """How many bouts a recording has."""
        return len(self._by_recording.get(recording, {}))

    def table(self, recording: str) -> BoutTable:
        """The bouts of a recording as columns; the same object until something in it changes."""
        if recording not in self._tables:
            own = list(self._by_recording.get(recording, {}).values())
            self._tables[recording] = BoutTable.of(own, self.behaviors.names)
        return self._tables[recording]

    def observed(self, recording: str) -> tuple[Observed, ...]:
        """Observed intervals of a recording, sorted."""
        return self._observed.get(recording, ())

    def annotations(self, recordings: Iterable[str] | None = None) -> Annotations:
        """All of it, or some recordings, as tables."""
        names = self.recordings if recordings is None else tuple(recordings)
        rows = [bout.row() for name in names for bout in self.bouts(name)]
        observed = [
            {"recording": name, "subject": o.subject, "behavior": o.behavior, "start_s": o.start_s, "stop_s": o.stop_s}
            for name in names
            for o in self.observed(name)
        ]
        return Annotations.of(pd.DataFrame(rows), pd.DataFrame(observed), self.behaviors)

    # ---- changing

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Make all changes inside one step of undo; an error inside takes back what was changed."""
        if self._step is not None:
            yield  # an outer step goes on
            return
        self._step = EditBuilder(name)
        try:
            yield
        except BaseException:
            edit, self._step = self._step.build(), None
            self._apply(edit.inverted())
            raise
        edit, self._step = self._step.build(), None
        if edit.changes:
            self._done.append(edit)
            self._undone.clear()
            self._tell(edit)

    def add(
        self,
        recording: str,
        behavior: str,
        start_s: int | float,
        stop_s: int | float,
        *,
        observe: bool = True,
        **fields: Any,
    ) -> int:
        """Add a bout. In an exclusive catalogue the bouts of the same subject give way to it.

        Args:
            recording: id of the recording.
            behavior: a name of the catalogue.
            start_s: in seconds.
            stop_s: in seconds; for a point behavior it is taken to be ``start_s``.
            observe: its time counts as scored: for all behaviors in an exclusive catalogue, else for this one.
            fields: other fields of ``Bout``.

        Returns:
            Its number.

        Raises:
            AnnotationError: when the behavior is not in the catalogue, or a state has no duration.
        """
        is_point = self.behaviors[behavior].kind == "point"
        stop = float(start_s) if is_point else float(stop_s)
        bout = Bout(self._next_id, recording, behavior, float(start_s), stop, **fields)
        with self.step(f"add {behavior}"):
            self._next_id += 1
            self._put(bout)
            if observe and not is_point:
                every = self.behaviors.exclusive
                self.observe(recording, bout.start_s, stop, behavior="" if every else behavior, subject=bout.subject)
        return bout.id

    def change(self, bout_id: int, **fields: Any) -> None:
        """Change fields of a bout (not its recording); others give way as in ``add``.

        Raises:
            AnnotationError: as ``add``.
        """
        before = self.bout(bout_id)
        with self.step(f"change {before.behavior}"):
            self._put(replace(before, **fields))

    def delete(self, bout_ids: Iterable[int]) -> None:
        """Remove bouts; the time stays observed."""
        chosen = [self.bout(bout_id) for bout_id in bout_ids]
        what = chosen[0].behavior if len(chosen) == 1 else f"{len(chosen)} bouts"
        with self.step(f"delete {what}"):
            for bout in chosen:
                self._set(("bout", bout.id), None)

    def observe(
        self, recording: str, start_s: int | float, stop_s: int | float, *, behavior: str = "", subject: str = ""
    ) -> None:
        """Mark time as scored: inside it no bout means that the behavior did not happen."""
        if not start_s < stop_s:
            return
        with self.step("mark as scored"):
            new = Observed(float(start_s), float(stop_s), behavior, subject)
            self._set(("observed", recording), add_observed(self.observed(recording), new))

    def forget(
        self,
        recording: str,
        start_s: int | float,
        stop_s: int | float,
        *,
        behavior: str | None = None,
        subject: str | None = None,
    ) -> None:
        """Mark time as not scored (of one behavior and subject, or of any); bouts in it stay."""
        with self.step("mark as not scored"):
            left = remove_observed(self.observed(recording), float(start_s), float(stop_s), behavior, subject)
            self._set(("observed", recording), left)

    def set_behaviors(self, behaviors: Behaviors, renamed: Mapping[str, str] | None = None) -> None:
        """Replace the catalogue. Bouts of renamed behaviors follow, those of removed ones are deleted.

        Raises:
            AnnotationError: when a behavior with bouts changes its kind.
        """
        new_name = {name: name for name in self.behaviors.names} | dict(renamed or {})
        with self.step("edit behaviors"):
            old = self.behaviors
            self._set(("behaviors", ""), behaviors)
            for bout in list(self._bouts.values()):
                name = new_name[bout.behavior]
                if name not in behaviors:
                    self._set(("bout", bout.id), None)
                    continue
                if behaviors[name].kind != old[bout.behavior].kind:
                    raise AnnotationError(
                        f"expected {name!r} to stay a {old[bout.behavior].kind} behavior, because it has bouts: "
                        "delete them first, or make another behavior"
                    )
                if name != bout.behavior:
                    self._set(("bout", bout.id), replace(bout, behavior=name))
            for recording, intervals in list(self._observed.items()):
                kept = (replace(o, behavior=new_name.get(o.behavior, "")) for o in intervals)
                self._set(("observed", recording), tuple(o for o in kept if not o.behavior or o.behavior in behaviors))

    def merge(self, annotations: Annotations, *, replace_recordings: bool = False) -> None:
        """Take in annotations: the catalogue grows, bouts and observed intervals are added.

        Args:
            annotations: from a file of any format.
            replace_recordings: what these recordings had before goes.

        Raises:
            AnnotationError: when the catalogues contradict each other.
        """
        with self.step("import"):
            self._tables.clear()  # made anew once, not for every bout
            grown = self.behaviors.merged(annotations.behaviors) if len(self.behaviors) else annotations.behaviors
            self._set(("behaviors", ""), grown)
            if replace_recordings:
                for name in annotations.recordings:
                    for bout in self.bouts(name):
                        self._set(("bout", bout.id), None)
                    self._set(("observed", name), ())
            for row in annotations.bouts.drop(columns="kind").to_dict("records"):
                self._set(("bout", self._next_id), Bout(self._next_id, **row))
                self._next_id += 1
            for name, rows in annotations.observed.groupby("recording"):
                merged = self.observed(name)
                for row in rows.itertuples():
                    merged = add_observed(merged, Observed(row.start_s, row.stop_s, row.behavior, row.subject))
                self._set(("observed", name), merged)

    # ---- undo

    @property
    def undo_name(self) -> str | None:
        """What ``undo`` would take back; None when there is nothing."""
        return self._done[-1].name if self._done else None

    @property
    def redo_name(self) -> str | None:
        """What ``redo`` would do again; None when there is nothing."""
        return self._undone[-1].name if self._undone else None

    def undo(self) -> Edit | None:
        """Take back the last step; None when there is none."""
        return self._move(self._done, self._undone)

    def redo(self) -> Edit | None:
        """Do the last undone step again; None when there is none."""
        return self._move(self._undone, self._done)

    def _move(self, source: list[Edit], target: list[Edit]) -> Edit | None:
        if not source or self._step is not None:
            return None
        edit = source.pop()
        back = edit.inverted()
        self._apply(back)
        target.append(back)
        self._tell(back)
        return back

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell somebody about every edit (also undone and redone ones), after it happened.

        Returns:
            A function that ends it.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def apply_logged(self, changes: Iterable[tuple[Place, Any]]) -> None:
        """Bring elements to a state, without undo and without telling anybody: for reading a log."""
        for place, after in changes:
            self._store(place, after)
            if place[0] == "bout":
                self._next_id = max(self._next_id, int(place[1]) + 1)
        self.version += 1

    # ---- the elements

    def _put(self, bout: Bout) -> None:
        """Set a bout after making room for it."""
        checked_bout(bout)
        entry = self.behaviors[bout.behavior]
        if (entry.kind == "point") != bout.is_point:
            raise AnnotationError(
                f"{bout.behavior!r} is a {entry.kind} behavior: expected "
                + ("start and stop at one instant" if entry.kind == "point" else "a bout that ends after it starts")
                + f", found {bout.start_s:.6g} to {bout.stop_s:.6g} s"
            )
        if self.behaviors.exclusive and not bout.is_point:
            self._make_room(bout)
        self._set(("bout", bout.id), bout)

    def _make_room(self, new: Bout) -> None:
        """Cut or remove what overlaps with a bout of the same subject."""
        for other in self._overlapping(new):
            self._set(("bout", other.id), None)
            pieces = [(other.start_s, min(other.stop_s, new.start_s)), (max(other.start_s, new.stop_s), other.stop_s)]
            numbers = iter((other.id,))
            for start, stop in pieces:
                if stop > start:
                    number = next(numbers, None) or self._next_id
                    self._next_id = max(self._next_id, number + 1)
                    self._set(("bout", number), replace(other, id=number, start_s=start, stop_s=stop))

    def _overlapping(self, new: Bout) -> list[Bout]:
        table = self.table(new.recording)
        hits = (table.start_s < new.stop_s) & (table.stop_s > new.start_s) & (table.id != new.id)
        found = [self._bouts[number] for number in table.id[hits].tolist()]
        return [bout for bout in found if bout.subject == new.subject and not bout.is_point]

    def _set(self, place: Place, after: Any) -> None:
        change = Change(place, self._element(place), after)
        self._store(place, after)
        assert self._step is not None, "changes happen inside a step"
        self._step.note(change)

    def _element(self, place: Place) -> Any:
        kind, key = place
        if kind == "bout":
            return self._bouts.get(int(key))
        return self._observed.get(str(key), ()) if kind == "observed" else self.behaviors

    def _store(self, place: Place, after: Any) -> None:
        kind, key = place
        self.version += 1
        if kind == "behaviors":
            self.behaviors = after
            self._tables.clear()
        elif kind == "observed":
            self._observed[str(key)] = after
            if not after:
                del self._observed[str(key)]
        else:
            self._store_bout(int(key), after)

    def _store_bout(self, number: int, after: Bout | None) -> None:
        before = self._bouts.pop(number, None)
        for bout in (before, after):
            if bout is not None and (table := self._tables.get(bout.recording)) is not None:
                same = bout.behavior in table.names
                self._tables[bout.recording] = table.without(number) if bout is before else table.with_bout(bout)
                if not same:
                    del self._tables[bout.recording]
        if before is not None:
            del self._by_recording[before.recording][number]
        if after is not None:
            self._bouts[number] = after
            self._by_recording.setdefault(after.recording, {})[number] = after

    def _apply(self, edit: Edit) -> None:
        if len(edit.changes) > _FEW:
            self._tables.clear()
        # The catalogue first where it grows: bouts of a name are drawn only when the name is there.
        for change in sorted(edit.changes, key=lambda change: change.place[0] != "behaviors"):
            self._store(change.place, change.after)

    def _tell(self, edit: Edit) -> None:
        for listener in list(self._listeners):
            listener(edit)
