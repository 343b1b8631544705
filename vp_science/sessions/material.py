"""What there is to learn from: labels that people made, in time that they scored, of recordings that are embedded."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vp_science.sessions.bout import Bout, Observed, Status
from vp_science.sessions.edits import Edit
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.scored_time import NOTHING, scored_time
from vp_science.sessions.tracks import ENDING, Listings, places_of_tracks
from vp_science.timeline.intervals import as_union, subtract_intervals


@dataclass(frozen=True)
class LabelledRecording:
    """One recording with labels.

    Attributes:
        id: of the recording.
        scored_s: time that somebody scored, in seconds.
        bouts: bouts of people, by behavior.
        tracked: whether it is embedded.
    """

    id: str
    scored_s: float
    bouts: Mapping[str, int]
    tracked: bool


@dataclass(frozen=True)
class TrainingMaterial:
    """What a probe would learn from.

    Attributes:
        recordings: those with bouts or scored time, sorted by id.
        behaviors: names of the catalogue.
    """

    recordings: tuple[LabelledRecording, ...]
    behaviors: tuple[str, ...]

    @property
    def usable(self) -> tuple[LabelledRecording, ...]:
        """Recordings that can be learned from: embedded, with scored time."""
        return tuple(one for one in self.recordings if one.tracked and one.scored_s > 0)

    @property
    def scored_s(self) -> float:
        """Scored time that can be learned from, in seconds."""
        return sum(one.scored_s for one in self.usable)

    @property
    def bouts(self) -> dict[str, int]:
        """Bouts that can be learned from, by behavior."""
        return {name: sum(one.bouts.get(name, 0) for one in self.usable) for name in self.behaviors}

    @property
    def to_embed(self) -> tuple[str, ...]:
        """Recordings that are labelled and have no track."""
        return tuple(one.id for one in self.recordings if one.scored_s > 0 and not one.tracked)

    @property
    def problem(self) -> str:
        """Why no probe can be trained, and what to do; "" when one can."""
        if not self.behaviors:
            return "There are no behaviors yet: add some in the Label page."
        if not any(one.bouts for one in self.recordings):
            return "Nothing is labelled yet: mark bouts of at least one behavior."
        if not any(one.scored_s > 0 for one in self.recordings):
            return (
                "No time is marked as scored. A probe also learns from time in which a behavior does not happen: mark "
                "the time that you looked at as scored."
            )
        if not self.usable:
            return f"Labelled recordings are not embedded yet: embed {named(self.to_embed)} first."
        if not any(self.bouts.values()):
            return f"The embedded recordings have no bouts: embed {named(self.to_embed) or 'others'}, or label these."
        return ""

    @property
    def hints(self) -> tuple[str, ...]:
        """What would be left out, and why."""
        hints = []
        if self.usable and self.to_embed:
            hints.append(f"Not embedded, so left out: {named(self.to_embed)}.")
        if unscored := [one.id for one in self.recordings if one.tracked and one.scored_s <= 0]:
            hints.append(f"Bouts in time that is not marked as scored do not count: {named(unscored)}.")
        bare = [name for name, count in self.bouts.items() if not count]
        if bare and len(bare) < len(self.behaviors):
            hints.append(f"No bouts to learn from: {named(bare)}.")
        return tuple(hints)


def training_material(
    book: LabelBook, tracked: Collection[str], excluded: Iterable[tuple[str, float, float]] = ()
) -> TrainingMaterial:
    """Count what there is to learn from.

    Args:
        book: the labels.
        tracked: ids of the recordings that are embedded.
        excluded: recording, start and stop of time that nothing may be learned from.
    """
    left_out: dict[str, list[tuple[float, float]]] = {}
    for recording, start_s, stop_s in excluded:
        left_out.setdefault(recording, []).append((start_s, stop_s))
    found = []
    for recording in book.recordings:
        table, hidden = book.table(recording), as_union(np.array(left_out.get(recording, NOTHING), np.float64))
        middle = (table.start_s + table.stop_s) / 2
        inside = np.searchsorted(hidden[:, 0], middle, side="right") != np.searchsorted(hidden[:, 1], middle, "right")
        mine = (table.status != Status.MODEL) & ~inside
        own = np.bincount(table.behavior[mine], minlength=len(table.names))
        bouts = {name: int(count) for name, count in zip(table.names, own, strict=False) if count}
        scored_s = float(np.diff(subtract_intervals(scored_time(book, recording), hidden), axis=1).sum())
        if bouts or scored_s > 0:
            found.append(LabelledRecording(recording, scored_s, bouts, recording in tracked))
    return TrainingMaterial(tuple(found), book.behaviors.names)


def embedded_recordings(
    session_folder: Path, recordings: Mapping[str, Path | None], others: Collection[str] = ()
) -> set[str]:
    """Which recordings have tracks, by the names of files alone.

    Args:
        session_folder: of the session.
        recordings: where they lie, by id; None where nobody knows.
        others: ids of all recordings of the session, see ``find_tracks``.
    """
    listings = Listings()
    return {
        name
        for name, path in recordings.items()
        if any(listings.ids(folder, ENDING, name, others) for folder in places_of_tracks(session_folder, path))
    }


def named(names: Iterable[str], most: int = 3) -> str:
    """Names for a sentence: ``a, b and 4 more``."""
    given = list(names)
    if len(given) <= most:
        return ", ".join(given)
    return f"{', '.join(given[:most])} and {len(given) - most} more"


class LabelChanges:
    """Counts how many bouts differ from what they were when counting began.

    A bout that was changed and changed back does not count; neither do bouts of a model, which nothing learns from.
    """

    def __init__(self) -> None:
        self._bouts: dict[int, tuple[str, str]] = {}
        self._scored: dict[tuple[str, Observed], tuple[bool, bool]] = {}

    def note(self, edit: Edit) -> None:
        """Something was edited."""
        for change in edit.changes:
            if change.place[0] == "bout":
                number = change.place[1]
                first = self._bouts[number][0] if number in self._bouts else _essence(change.before)
                self._bouts[number] = (first, _essence(change.after))
            elif change.place[0] == "observed":
                where = change.place[1]
                there = self._scored[where][0] if where in self._scored else change.before is not None
                self._scored[where] = (there, change.after is not None)

    def start_from(self, before: LabelBook, now: LabelBook) -> None:
        """Count the differences between two states of the labels as well: edits before those that were noted."""
        old = {bout.id: _essence(bout) for bout in before.bouts()}
        new = {bout.id: _essence(bout) for bout in now.bouts()}
        for number in old.keys() | new.keys() | self._bouts.keys():
            last = self._bouts[number][1] if number in self._bouts else new.get(number, "")
            self._bouts[number] = (old.get(number, ""), last)
        was, became = _intervals(before), _intervals(now)
        for where in was | became | self._scored.keys():
            last_there = self._scored[where][1] if where in self._scored else where in became
            self._scored[where] = (where in was, last_there)

    @property
    def bouts(self) -> int:
        """How many bouts were added, removed or changed."""
        return sum(first != last for first, last in self._bouts.values())

    @property
    def scored(self) -> int:
        """In how many recordings other time is scored."""
        return len({recording for (recording, _), (first, last) in self._scored.items() if first != last})


def _intervals(book: LabelBook) -> set[tuple[str, Observed]]:
    return {(recording, one) for recording in book.recordings for one in book.observed(recording)}


def _essence(bout: object) -> str:
    """What a probe learns from a bout; "" for none and for bouts of a model."""
    if not isinstance(bout, Bout) or bout.status is Status.MODEL:
        return ""
    return f"{bout.recording}\0{bout.subject}\0{bout.target}\0{bout.behavior}\0{bout.start_s!r}\0{bout.stop_s!r}"
