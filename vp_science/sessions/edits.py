"""Edits: what changed, in a form that can be undone, journalled and told to others.

A label book consists of elements: every bout under its number, the observed intervals under their recording, and the
catalogue. An edit says for every element that it touches what was there before and what is there after.
"""

from dataclasses import dataclass
from typing import Any, Literal

Place = tuple[Literal["bout"], int] | tuple[Literal["observed"], str] | tuple[Literal["behaviors"], str]
"""Where a change happens; the catalogue is at ``("behaviors", "")``."""


@dataclass(frozen=True, slots=True)
class Change:
    """One element before and after; None where there is none.

    Attributes:
        place: which element.
        before: a ``Bout``, a tuple of ``Observed``, or the ``Behaviors``.
        after: the same kind.
    """

    place: Place
    before: Any
    after: Any

    def inverted(self) -> "Change":
        """The way back."""
        return Change(self.place, self.after, self.before)


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

    def touched(self) -> set[str]:
        """Recordings whose labels it changes; "" when it changes the catalogue."""
        names: set[str] = set()
        for change in self.changes:
            kind, key = change.place
            if kind == "bout":
                names |= {bout.recording for bout in (change.before, change.after) if bout is not None}
            else:
                names.add(str(key))
        return names


class EditBuilder:
    """Collects changes until the edit is complete; only what differs in the end stays."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._first: dict[Place, Any] = {}
        self._last: dict[Place, Any] = {}

    def note(self, change: Change) -> None:
        """One more change."""
        self._first.setdefault(change.place, change.before)
        self._last[change.place] = change.after

    def build(self) -> Edit:
        """The edit; it may be empty."""
        changes = [Change(place, before, self._last[place]) for place, before in self._first.items()]
        return Edit(self.name, tuple(change for change in changes if change.before != change.after))
