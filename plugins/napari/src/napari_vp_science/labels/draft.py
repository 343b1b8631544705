"""A catalogue of behaviors while somebody edits it. No Qt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import vp_science as vp
from napari_vp_science.labels.keys import KeyMap, free_key

PRESETS: dict[str, tuple[tuple[str, ...], bool]] = {
    "A mouse alone": (("walk", "rear", "groom", "sniff", "rest", "eat", "drink"), True),
    "Two mice (as in CalMS21)": (("attack", "investigation", "mount"), True),
    "Flies in courtship": (("chase", "wing extension", "circle", "copulation", "groom", "walk"), False),
    "Birds at a nest": (("incubate", "brood", "feed", "preen", "away"), True),
}
"""Names to begin with, and whether they exclude each other."""


@dataclass(frozen=True)
class Row:
    """A behavior as it shall be.

    Attributes:
        entry: its name, kind, color and key.
        old: its name before, "" for a new one.
    """

    entry: "vp.sessions.Behavior"
    old: str = ""


class CatalogueDraft:
    """Rows that can be added, changed, moved and removed.

    Args:
        behaviors: the present catalogue.
        num_bouts: bouts by name of behavior.
        keys: of commands, which behaviors cannot have as well.
    """

    def __init__(self, behaviors: vp.Behaviors, num_bouts: Mapping[str, int], keys: KeyMap | None = None) -> None:
        self.rows = [Row(entry, entry.name) for entry in behaviors]
        self.exclusive = behaviors.exclusive
        self._before = behaviors
        self._num_bouts = dict(num_bouts)
        self._keys = keys or KeyMap()

    def add(self, name: str = "") -> int:
        """A new behavior at the end; its place."""
        taken = {row.entry.name for row in self.rows}
        number = len(self.rows) + 1
        while not name or name in taken:
            name, number = f"behavior {number}", number + 1
        self.rows.append(Row(vp.sessions.Behavior(name, key=self._free_key(name))))
        return len(self.rows) - 1

    def take(self, behaviors: vp.Behaviors) -> None:
        """Add the behaviors of another catalogue that are not here yet; an empty one takes all of it."""
        if not self.rows:
            self.exclusive = behaviors.exclusive
        known = {row.entry.name for row in self.rows}
        for entry in behaviors:
            if entry.name not in known:
                used = {row.entry.key.lower() for row in self.rows}
                key = entry.key if entry.key and entry.key.lower() not in used else self._free_key(entry.name)
                self.rows.append(Row(replace(entry, key=key)))

    def take_preset(self, title: str) -> None:
        """Add the behaviors of a preset."""
        names, exclusive = PRESETS[title]
        self.take(vp.Behaviors.of(names, exclusive=exclusive))

    def change(self, place: int, **fields: str) -> None:
        """Change name, kind, key, color or description of a row.

        Raises:
            vp.VPScienceError: when it cannot be so.
        """
        self.rows[place] = replace(self.rows[place], entry=replace(self.rows[place].entry, **fields))

    def remove(self, place: int) -> None:
        """Take a row out."""
        del self.rows[place]

    def move(self, place: int, by: int) -> int:
        """Move a row up (-1) or down (1); its new place."""
        target = min(max(place + by, 0), len(self.rows) - 1)
        self.rows.insert(target, self.rows.pop(place))
        return target

    def num_bouts(self, place: int) -> int:
        """How many bouts a row has."""
        return self._num_bouts.get(self.rows[place].old, 0)

    @property
    def renamed(self) -> dict[str, str]:
        """New names by old ones."""
        return {row.old: row.entry.name for row in self.rows if row.old and row.old != row.entry.name}

    def behaviors(self) -> vp.Behaviors:
        """The catalogue.

        Raises:
            vp.VPScienceError: when two behaviors have the same name.
        """
        background = self._before.background
        entries = tuple(row.entry for row in self.rows)
        return vp.Behaviors(entries, self.exclusive, "" if background in {e.name for e in entries} else background)

    @property
    def problems(self) -> list[str]:
        """What must be repaired first, in words."""
        names = [row.entry.name for row in self.rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        found = [f"Two behaviors are called “{name}”: rename one" for name in twice]
        for row in self.rows:
            kept = next((entry for entry in self._before if entry.name == row.old), None)
            if kept is not None and kept.kind != row.entry.kind and self._num_bouts.get(row.old, 0):
                word = "events" if row.entry.kind == "point" else "lasting"
                found.append(f"{row.entry.name} has bouts and cannot become {word}: delete them first")
        return found + self._keys.conflicts([(row.entry.name, row.entry.key) for row in self.rows])

    @property
    def warnings(self) -> list[str]:
        """What people should know before, in words."""
        kept = {row.old for row in self.rows}
        lost = [(entry.name, self._num_bouts.get(entry.name, 0)) for entry in self._before if entry.name not in kept]
        return [
            f"Removing {name} also deletes its {number} bout{'' if number == 1 else 's'} (undo brings them back)"
            for name, number in lost
            if number
        ]

    def _free_key(self, name: str) -> str:
        used: Sequence[str] = [row.entry.key for row in self.rows]
        commands = [key for command_keys in self._keys.changed.values() for key in command_keys]
        return free_key([*used, *commands], name)
