"""Edits: what changed, in a form that can be undone, journalled and told to others.

A label book consists of elements: every bout under its number, every observed interval under itself, and the
catalogue. An edit says for every element that it touches what was there before and what is there after. So an edit is
as small as what it changes, however much there is.
"""

from dataclasses import dataclass
from typing import Any, Literal

from vp_science.sessions.bout import Observed

Place = (
    tuple[Literal["bout"], int]
    | tuple[Literal["observed"], tuple[str, Observed]]
    | tuple[Literal["behaviors"], Literal[""]]
)
"""Where a change happens: the number of a bout, recording and interval, or the catalogue."""


@dataclass(frozen=True, slots=True)
class Change:
    """One element before and after; None where there is none.

    Attributes:
        place: which element.
        before: a ``Bout``, an ``Observed``, or the ``Behaviors``.
        after: the same kind.
    """

    place: Place
    before: Any
    after: Any

    def inverted(self) -> "Change":
        """The way back."""
        return Change(self.place, self.after, self.before)

    def rank(self) -> int:
        """In which order changes are made: the catalogue, then what goes, then what comes."""
        if self.place[0] == "behaviors":
            return 0
        return 1 if self.after is None else 2


@dataclass(frozen=True, slots=True)
class Edit:
    """Changes that belong together: one step of undo.

    Attributes:
        name: for the menu, such as ``"add groom"``.
        changes: at most one for every element.
    """

    name: str
    changes: tuple[Change, ...]

    def inverted(self) -> "Edit":
        """What undoes it."""
        return Edit(self.name, tuple(change.inverted() for change in reversed(self.changes)))

    @property
    def changes_catalogue(self) -> bool:
        """Whether the catalogue of behaviors is another one afterwards."""
        return any(change.place[0] == "behaviors" for change in self.changes)

    def spans(self) -> dict[str, list[tuple[int | float, int | float]]]:
        """Start and stop of all bouts and observed intervals that it changes (before and after), by recording."""
        found: dict[str, list[tuple[int | float, int | float]]] = {}
        for change in self.changes:
            for one in (change.before, change.after):
                if one is not None and change.place[0] != "behaviors":
                    recording = change.place[1][0] if change.place[0] == "observed" else one.recording
                    found.setdefault(recording, []).append((one.start_s, one.stop_s))
        return found

    def touched(self) -> set[str]:
        """Recordings whose labels it changes; "" when it changes the catalogue."""
        return {*self.spans(), *([""] if self.changes_catalogue else [])}


class EditBuilder:
    """Collects changes until the edit is complete; only what differs in the end stays."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._changes: list[Change] = []

    def note(self, change: Change) -> None:
        """One more change."""
        self._changes.append(change)

    @property
    def mark(self) -> int:
        """A point to which ``taken_back`` can return."""
        return len(self._changes)

    def taken_back(self, mark: int) -> list[Change]:
        """Drop what was noted since a point; gives the way back, in order."""
        dropped = self._changes[mark:]
        del self._changes[mark:]
        return [change.inverted() for change in reversed(dropped)]

    def build(self) -> Edit:
        """The edit; it may be empty."""
        first: dict[Place, Any] = {}
        last: dict[Place, Any] = {}
        for change in self._changes:
            first.setdefault(change.place, change.before)
            last[change.place] = change.after
        changes = (Change(place, before, last[place]) for place, before in first.items())
        return Edit(self.name, tuple(change for change in changes if change.before != change.after))
