"""The label book: catalogue, bouts and observed intervals of a session, while people edit them.

Every change goes through a step, every step can be undone and done again without limit, and whoever subscribed (a view,
the log on disk) is told about it. Times are seconds on the clock of the recording; nothing here knows a file or a view.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pandas as pd

from vp_science.errors import AnnotationError
from vp_science.sessions.bout import Bout, Observed, Status, checked_bout
from vp_science.sessions.bout_table import BoutTable
from vp_science.sessions.edits import Change, Edit, EditBuilder, Place
from vp_science.sessions.label_import import merge_into
from vp_science.sessions.label_store import CATALOGUE, LabelStore, check_exclusive
from vp_science.sessions.spans import Span, remaining
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors

Listener = Callable[[Edit], None]


class LabelBook:
    """Labels of any number of recordings, with undo.

    Attributes:
        version: grows with every change, whoever made it.
    """

    def __init__(self, annotations: Annotations | None = None) -> None:
        self.version = 0
        self._store = LabelStore()
        self._origin: tuple[LabelBook, int] | None = None
        self._step: EditBuilder | None = None
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._listeners: list[Listener] = []
        if annotations is not None:
            self.merge(annotations)
            self._done.clear()

    # ---- looking

    @property
    def behaviors(self) -> Behaviors:
        """The catalogue."""
        return self._store.behaviors

    @property
    def recordings(self) -> tuple[str, ...]:
        """Ids of all recordings that have bouts or observed intervals, sorted."""
        return self._store.recordings

    def __len__(self) -> int:
        return len(self._store.bouts)

    def __contains__(self, bout_id: object) -> bool:
        return bout_id in self._store.bouts

    def bout(self, bout_id: int) -> Bout:
        """One bout.

        Raises:
            AnnotationError: when there is none of this number.
        """
        try:
            return self._store.bouts[bout_id]
        except KeyError:
            raise AnnotationError(f"expected a bout of this session, found the number {bout_id}") from None

    def bouts(self, recording: str | None = None) -> list[Bout]:
        """Bouts (of one recording), sorted by recording and start."""
        own = self._store.bouts.values() if recording is None else self._store.of_recording(recording)
        return sorted(own, key=lambda bout: (bout.recording, bout.start_s, bout.stop_s, bout.id))

    def count(self, recording: str) -> int:
        """How many bouts a recording has."""
        return self._store.count(recording)

    def table(self, recording: str) -> BoutTable:
        """The bouts of a recording as columns; the same object until something in it changes."""
        return self._store.table(recording)

    def observed(self, recording: str) -> tuple[Observed, ...]:
        """Observed intervals of a recording, sorted; the same object until something in it changes."""
        return self._store.observed(recording).sorted()

    def subjects(self, recording: str | None = None) -> tuple[str, ...]:
        """Names of the subjects (not the empty one), sorted."""
        names = self.recordings if recording is None else (recording,)
        tables = {subject for name in names for subject in self.table(name).subjects}
        return tuple(sorted((tables | {one.subject for name in names for one in self.observed(name)}) - {""}))

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

    def copy(self) -> "LabelBook":
        """The labels as they are now, without history or listeners: to work with in another thread.

        What is done to it can be taken over with ``adopt``.
        """
        other = LabelBook()
        other._store = self._store.copy()
        other._origin = (self, self.version)
        return other

    # ---- changing

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Make all changes inside one step of undo; an error inside takes back what was changed inside.

        Steps inside a step belong to the outer one.
        """
        outer = self._step
        builder = outer or EditBuilder(name)
        mark = builder.mark
        self._step = builder
        try:
            yield
        except BaseException:
            for change in builder.taken_back(mark):
                self._store.set(change.place, change.after)
            self.version += 1
            raise
        finally:
            self._step = outer
        if outer is None and (edit := builder.build()).changes:
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
        """Add a bout. Bouts of the same behavior, subject and target give way to it; in an exclusive catalogue all do.

        Args:
            recording: id of the recording.
            behavior: a name of the catalogue.
            start_s: in seconds.
            stop_s: in seconds; for a point behavior it is taken to be ``start_s``.
            observe: its time counts as scored (unless it comes from a model): for all behaviors in an exclusive
                catalogue, else for this one.
            fields: other fields of ``Bout``.

        Returns:
            Its number.

        Raises:
            AnnotationError: when the behavior is not in the catalogue, or a state has no duration.
        """
        is_point = self.behaviors[behavior].kind == "point"
        stop = float(start_s) if is_point else float(stop_s)
        bout = Bout(self._store.new_id(), recording, behavior, float(start_s), stop, **fields)
        with self.step(f"add {behavior}"):
            self._put(bout, observe=observe)
        return bout.id

    def paint(
        self,
        recording: str,
        behavior: str,
        start_s: int | float,
        stop_s: int | float,
        *,
        subject: str = "",
        source: str = "manual:",
        join_s: int | float = 0.0,
    ) -> int:
        """Say that a behavior happens from start to stop: bouts of it that overlap or touch become one with it.

        Args:
            recording: id of the recording.
            behavior: a name of the catalogue; a point behavior gets an event at ``start_s``.
            start_s: in seconds.
            stop_s: in seconds.
            subject: who.
            source: who says so. Joined with a bout that a model found, the whole becomes ``curated``.
            join_s: how far apart bouts may be that still touch.

        Returns:
            The number of the bout.

        Raises:
            AnnotationError: as ``add``.
        """
        if self.behaviors[behavior].kind == "point":
            return self.add(recording, behavior, start_s, start_s, subject=subject, source=source)
        near = [
            bout
            for bout in self._store.overlapping(recording, start_s, stop_s, touching_s=join_s)
            if (bout.behavior, bout.subject, bout.target) == (behavior, subject, "")
        ]
        with self.step(f"add {behavior}"):
            if not near:
                return self.add(recording, behavior, start_s, stop_s, subject=subject, source=source)
            if any(bout.status != Status.MANUAL for bout in near):
                source = "curated:" + source.partition(":")[2]
            self.delete([bout.id for bout in near[1:]])
            whole = replace(
                near[0],
                start_s=min(float(start_s), *(bout.start_s for bout in near)),
                stop_s=max(float(stop_s), *(bout.stop_s for bout in near)),
                source=source,
                comment="; ".join(dict.fromkeys(bout.comment for bout in near if bout.comment)),
            )
            self._put(whole)
            return whole.id

    def erase(
        self,
        recording: str,
        start_s: int | float,
        stop_s: int | float,
        *,
        behavior: str | None = None,
        subject: str | None = None,
    ) -> None:
        """Say that a behavior (None: any) does not happen for a while: bouts are cut; the time stays observed."""
        with self.step(f"erase {behavior or 'bouts'}"):
            if not start_s < stop_s:
                return
            inside = self._store.events(recording, start_s, stop_s)
            for bout in [*inside, *self._store.overlapping(recording, start_s, stop_s)]:
                if behavior in (None, bout.behavior) and subject in (None, bout.subject):
                    self._cut(bout, [(float(start_s), float(stop_s))])

    def split(self, bout_id: int, at_s: int | float) -> int:
        """Make two bouts of one.

        Returns:
            The number of the second one.

        Raises:
            AnnotationError: when the time is not inside the bout.
        """
        bout = self.bout(bout_id)
        if not bout.start_s < at_s < bout.stop_s:
            raise AnnotationError(
                f"expected a time inside the bout, {bout.start_s:.3f} to {bout.stop_s:.3f} s, found {at_s:.3f} s"
            )
        with self.step(f"split {bout.behavior}"):
            second = replace(bout, id=self._store.new_id(), start_s=float(at_s))
            self._set(("bout", bout.id), replace(bout, stop_s=float(at_s)))
            self._set(("bout", second.id), second)
        return second.id

    def change(self, bout_id: int, *, observe: bool = True, **fields: Any) -> None:
        """Change fields of a bout (not its recording); others give way, and time becomes observed, as in ``add``.

        Raises:
            AnnotationError: as ``add``.
        """
        before = self.bout(bout_id)
        with self.step(f"change {before.behavior}"):
            self._put(replace(before, **fields), observe=observe)

    def delete(self, bout_ids: Iterable[int]) -> None:
        """Remove bouts; the time stays observed."""
        chosen = [self.bout(bout_id) for bout_id in bout_ids]
        what = chosen[0].behavior if len(chosen) == 1 else f"{len(chosen)} bouts"
        with self.step(f"delete {what}"):
            self._store.expect(len(chosen))
            for bout in chosen:
                self._set(("bout", bout.id), None)

    def observe(
        self, recording: str, start_s: int | float, stop_s: int | float, *, behavior: str = "", subject: str = ""
    ) -> None:
        """Mark time as scored: inside it no bout means that the behavior did not happen.

        Raises:
            AnnotationError: when the behavior is not in the catalogue ("" means all of it).
        """
        if behavior:
            self.behaviors.index(behavior)
        if not start_s < stop_s:
            return
        time = self._store.observed(recording)
        new = Observed(float(start_s), float(stop_s), behavior, subject)
        if time.covers(new):
            return
        with self.step("mark as scored"):
            replaced, whole = time.joined(new)
            for one in replaced:
                self._set(("observed", (recording, one)), None)
            self._set(("observed", (recording, whole)), whole)

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
        time = self._store.observed(recording)
        with self.step("mark as not scored"):
            for one, left in list(time.without(float(start_s), float(stop_s), behavior, subject)):
                self._set(("observed", (recording, one)), None)
                for piece in left:
                    self._set(("observed", (recording, piece)), piece)

    def set_behaviors(self, behaviors: Behaviors, renamed: Mapping[str, str] | None = None) -> None:
        """Replace the catalogue. Bouts of renamed behaviors follow, those of removed ones are deleted.

        Raises:
            AnnotationError: when a behavior with bouts changes its kind, or behaviors that shall exclude each other
                overlap.
        """
        new_name = {name: name for name in self.behaviors.names} | dict(renamed or {})
        with self.step("edit behaviors"):
            old = self.behaviors
            self._set(CATALOGUE, behaviors)
            for bout in list(self._store.bouts.values()):
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
            self._carry_observed({name: new for name, new in new_name.items() if new in behaviors})
            if behaviors.exclusive:
                fix = "remove one of each pair first, or let behaviors overlap"
                check_exclusive(self._store.bouts.values(), fix)

    def rename_subject(self, old: str, new: str) -> None:
        """Give a subject another name, in all recordings.

        Raises:
            AnnotationError: when the name is taken.
        """
        if old == new:
            return
        if new in self.subjects():
            raise AnnotationError(f"expected a name that no subject has, found {new!r}: choose another one")
        with self.step(f"rename {old or 'nobody in particular'}"):
            for bout in list(self._store.bouts.values()):
                if bout.subject == old:
                    self._set(("bout", bout.id), replace(bout, subject=new))
            for recording in self.recordings:
                for one in self.observed(recording):
                    if one.subject == old:
                        self._set(("observed", (recording, one)), None)
                        self.observe(recording, one.start_s, one.stop_s, behavior=one.behavior, subject=new)

    def merge(self, annotations: Annotations, *, replace_recordings: bool = False) -> None:
        """Take in annotations: the catalogue grows, bouts and observed intervals are added.

        Bouts that are there already are not added twice. In an exclusive catalogue what was there gives way.

        Args:
            annotations: from a file of any format.
            replace_recordings: what these recordings had before goes.

        Raises:
            AnnotationError: when the catalogues contradict each other, or bouts overlap that exclude each other.
        """
        with self.step("import"):
            merge_into(self, self._store, self._set, annotations, replace_recordings)

    def adopt(self, copy: "LabelBook") -> None:
        """Take over what was done to a copy of this book, as steps of this one. The copy is of no use afterwards.

        Raises:
            AnnotationError: when this book has changed since the copy was made.
        """
        if copy._origin != (self, self.version) or self._step is not None:
            raise AnnotationError(
                "expected the labels as they were when the change was prepared, found newer ones: do it again"
            )
        self._store, copy._store = copy._store, LabelStore()
        copy._origin = None
        for edit in copy._done:
            self.version += 1
            self._done.append(edit)
            self._undone.clear()
            self._tell(edit)

    # ---- undo

    @property
    def last_edit(self) -> Edit | None:
        """The last step that could be undone; None when there is none."""
        return self._done[-1] if self._done else None

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
        back = source.pop().inverted()
        self._store.apply(back.changes)
        self.version += 1
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

    def apply_logged(self, changes: Sequence[tuple[Place, Any]]) -> None:
        """Bring elements to a state, without undo and without telling anybody: for reading a log.

        Raises:
            AnnotationError: when they do not fit together.
        """
        self._store.apply(Change(place, None, after) for place, after in changes)
        names = set(self.behaviors.names)
        new_catalogue = any(place == CATALOGUE for place, _ in changes)
        touched = self._store.bouts if new_catalogue else {place[1] for place, _ in changes if place[0] == "bout"}
        for bout in filter(None, map(self._store.bouts.get, touched)):
            if bout.behavior not in names:
                raise AnnotationError(f"expected a bout of a behavior of the catalogue, found {bout!r}")
        self.version += 1

    # ---- the elements

    def _put(self, bout: Bout, *, observe: bool = True) -> None:
        """Set a bout after making room for it."""
        checked_bout(bout)
        entry = self.behaviors[bout.behavior]
        if (entry.kind == "point") != bout.is_point:
            raise AnnotationError(
                f"{bout.behavior!r} is a {entry.kind} behavior: expected "
                + ("start and stop at one instant" if entry.kind == "point" else "a bout that ends after it starts")
                + f", found {bout.start_s:.6g} to {bout.stop_s:.6g} s"
            )
        every = self.behaviors.exclusive
        if not bout.is_point:
            for other in self._store.overlapping(bout.recording, bout.start_s, bout.stop_s):
                same = every or (other.behavior, other.target) == (bout.behavior, bout.target)
                if same and other.subject == bout.subject and other.id != bout.id:
                    self._cut(other, [(bout.start_s, bout.stop_s)])
        self._set(("bout", bout.id), bout)
        if observe and not bout.is_point and bout.status != Status.MODEL:
            behavior = "" if every else bout.behavior
            self.observe(bout.recording, bout.start_s, bout.stop_s, behavior=behavior, subject=bout.subject)

    def _cut(self, bout: Bout, spans: Sequence[Span]) -> None:
        """Take times out of a bout; the first piece that is left keeps its number."""
        pieces = remaining(bout.start_s, bout.stop_s, spans)
        if not pieces:
            self._set(("bout", bout.id), None)
        for index, (start, stop) in enumerate(pieces):
            number = bout.id if index == 0 else self._store.new_id()
            self._set(("bout", number), replace(bout, id=number, start_s=start, stop_s=stop))

    def _carry_observed(self, new_name: Mapping[str, str]) -> None:
        """Observed intervals of single behaviors follow them to their new names, or go with them."""
        moved = [
            (recording, one)
            for recording in self.recordings
            for one in self.observed(recording)
            if one.behavior and new_name.get(one.behavior) != one.behavior
        ]
        for recording, one in moved:
            self._set(("observed", (recording, one)), None)
        for recording, one in moved:
            if name := new_name.get(one.behavior):
                self.observe(recording, one.start_s, one.stop_s, behavior=name, subject=one.subject)

    def _set(self, place: Place, after: Any) -> None:
        before = self._store.get(place)
        self._store.set(place, after)
        self.version += 1
        assert self._step is not None, "changes happen inside a step"
        self._step.note(Change(place, before, after))

    def _tell(self, edit: Edit) -> None:
        """Everybody hears of it, also when somebody fails."""
        failed: list[Exception] = []
        for listener in list(self._listeners):
            try:
                listener(edit)
            except Exception as error:
                failed.append(error)
        if failed:
            raise failed[0]
