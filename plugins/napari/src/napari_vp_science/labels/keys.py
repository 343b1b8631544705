"""The keys of the panel: one table that is bound to the window, drawn in the help, and can be changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from qtpy.QtGui import QKeySequence

import vp_science as vp

SETTINGS = "keys"


@dataclass(frozen=True)
class Command:
    """Something that a key does.

    Attributes:
        name: for settings and code.
        group: under which heading the help shows it.
        title: what it does.
        keys: defaults, as ``QKeySequence`` writes them.
        repeats: whether holding the key does it again and again.
    """

    name: str
    group: str
    title: str
    keys: tuple[str, ...]
    repeats: bool = False


MOVE, MARK, CHANGE, LOOK = "Move through the video", "Mark and label", "Change the chosen bout", "Look and undo"
GROUPS = (MOVE, MARK, CHANGE, LOOK)

COMMANDS = (
    Command("play", MOVE, "Play or pause", ("Return",)),
    Command("back_frame", MOVE, "1 frame back", (",",), True),
    Command("forward_frame", MOVE, "1 frame forward", (".",), True),
    Command("back_10_frames", MOVE, "10 frames back", ("Shift+Left",), True),
    Command("forward_10_frames", MOVE, "10 frames forward", ("Shift+Right",), True),
    Command("back_second", MOVE, "1 second back", ("Alt+Left",), True),
    Command("forward_second", MOVE, "1 second forward", ("Alt+Right",), True),
    Command("back_10_seconds", MOVE, "10 seconds back", ("Alt+Shift+Left",), True),
    Command("forward_10_seconds", MOVE, "10 seconds forward", ("Alt+Shift+Right",), True),
    Command("previous_bout", MOVE, "Previous bout", ("Ctrl+Left",), True),
    Command("next_bout", MOVE, "Next bout", ("Ctrl+Right",), True),
    Command("previous_same", MOVE, "Previous bout of this behavior", ("Ctrl+Shift+Left",), True),
    Command("next_same", MOVE, "Next bout of this behavior", ("Ctrl+Shift+Right",), True),
    Command("previous_recording", MOVE, "Previous recording", ("Ctrl+Up",)),
    Command("next_recording", MOVE, "Next recording", ("Ctrl+Down",)),
    Command("slower", MOVE, "Play slower", ("Shift+Down",)),
    Command("faster", MOVE, "Play faster", ("Shift+Up",)),
    Command("mark_in", MARK, "Range starts here", ("I",)),
    Command("mark_out", MARK, "Range ends here", ("O",)),
    Command("let_go", MARK, "Forget range and selection, stop labelling", ("Esc",)),
    Command("mark_scored", MARK, "Mark the range as scored", ("Ctrl+Return",)),
    Command("mark_not_scored", MARK, "Mark the range as not scored", ("Ctrl+Shift+Return",)),
    Command("next_subject", MARK, "Next subject", ("Ctrl+J",)),
    Command("start_here", CHANGE, "Starts at this frame", ("Alt+I",)),
    Command("stop_here", CHANGE, "Stops at this frame", ("Alt+O",)),
    Command("split", CHANGE, "Split before this frame", ("Ctrl+B",)),
    Command("delete", CHANGE, "Delete", ("Backspace", "Del")),
    Command("undo", LOOK, "Undo", ("Ctrl+Z",), True),
    Command("redo", LOOK, "Redo", ("Ctrl+Shift+Z",), True),
    Command("zoom_in", LOOK, "Zoom in on the ethogram", ("+", "="), True),
    Command("zoom_out", LOOK, "Zoom out", ("-",), True),
    Command("fit", LOOK, "Show all of the recording", ("Ctrl+L",)),
    Command("help", LOOK, "Show the keys", ("?", "F1")),
)
BY_NAME = {command.name: command for command in COMMANDS}


def tidy(key: str) -> str:
    """A key as ``QKeySequence`` writes it; "" for none."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.PortableText)


def shown(key: str) -> str:
    """A key as people on this system know it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)


@dataclass(frozen=True)
class KeyMap:
    """Which keys belong to which command.

    Attributes:
        changed: keys by name of command, where they are not the defaults.
    """

    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def keys(self, name: str) -> tuple[str, ...]:
        """Keys of a command."""
        return self.changed.get(name, BY_NAME[name].keys)

    def with_keys(self, name: str, keys: Iterable[str]) -> "KeyMap":
        """The same with other keys of a command."""
        wanted = tuple(dict.fromkeys(key for key in map(tidy, keys) if key))
        changed = {other: own for other, own in self.changed.items() if other != name}
        if wanted != tuple(map(tidy, BY_NAME[name].keys)):
            changed[name] = wanted
        return KeyMap(changed)

    def conflicts(self, behaviors: Iterable[tuple[str, str]] = ()) -> list[str]:
        """Which keys are meant for two things, in words.

        Args:
            behaviors: names and keys of behaviors.
        """
        used: dict[str, list[str]] = {}
        for command in COMMANDS:
            for key in self.keys(command.name):
                used.setdefault(tidy(key).lower(), []).append(f"“{command.title}”")
        for name, key in behaviors:
            for one in (key, f"Shift+{key}") if key else ():
                used.setdefault(tidy(one).lower(), []).append(name if one == key else f"erasing {name}")
        return [f"{shown(key)} is used for {' and '.join(who)}" for key, who in used.items() if len(who) > 1]

    def to_json(self) -> dict[str, list[str]]:
        """What differs from the defaults."""
        return {name: list(keys) for name, keys in self.changed.items()}


def read_key_map() -> KeyMap:
    """The keys of this user.

    Raises:
        vp.VPScienceError: when the settings are damaged.
    """
    return key_map_from(vp.sessions.read_user_settings(SETTINGS))


def key_map_from(record: Mapping[str, object]) -> KeyMap:
    """Read what ``KeyMap.to_json`` made; what is not a command or a key any more is left out."""
    keys = KeyMap()
    for name, own in record.items():
        if name in BY_NAME and isinstance(own, list) and all(isinstance(key, str) for key in own):
            keys = keys.with_keys(name, own)
    return keys


def write_key_map(keys: KeyMap) -> None:
    """Keep the keys of this user.

    Raises:
        vp.VPScienceError: when the disk refuses.
    """
    vp.sessions.write_user_settings(SETTINGS, dict(keys.to_json()))


def free_key(taken: Iterable[str], name: str = "") -> str:
    """A key for a new behavior: a letter of its name, a digit, or any letter; "" when all are taken."""
    gone = {key.lower() for key in taken} | {
        tidy(key).lower() for command in COMMANDS for key in command.keys if len(key) == 1
    }
    wanted = [letter for letter in name.lower() if letter.isascii() and letter.isalnum()]
    everything = (*wanted, *"123456789", *"abcdefghjklmnpqrstuvwxyz")
    return next((key for key in everything if key not in gone), "")
