"""Single keys of the review, alive only while it is on screen and switched on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget


@dataclass(frozen=True)
class ReviewCommand:
    """Something that a key does.

    Attributes:
        name: the method of the page that does it.
        title: what it does.
        key: as ``QKeySequence`` writes it.
    """

    name: str
    title: str
    key: str


REVIEW_COMMANDS = (
    ReviewCommand("accept", "Accept", "Return"),
    ReviewCommand("reject", "Reject", "Backspace"),
    ReviewCommand("ask_behavior", "Relabel: then the key of the behavior", "R"),
    ReviewCommand("start_here", "Starts at this frame", "I"),
    ReviewCommand("stop_here", "Stops at this frame", "O"),
    ReviewCommand("skip", "Ask again later", "N"),
    ReviewCommand("back", "Back: take the last decision back", "B"),
    ReviewCommand("replay", "Play again", "P"),
)


def native(key: str) -> str:
    """A key as people on this system know it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)


class Keys:
    """Keys of a widget's window."""

    def __init__(self, parent: QWidget, actions: Sequence[tuple[str, Callable[[], None]]]) -> None:
        self._shortcuts = []
        for key, action in actions:
            shortcut = QShortcut(QKeySequence(key), parent)
            shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
            shortcut.setAutoRepeat(False)
            shortcut.activated.connect(action)
            shortcut.setEnabled(False)
            self._shortcuts.append(shortcut)

    def set_active(self, active: bool) -> None:
        """Alive or not."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(active)

    def close(self) -> None:
        """Give the keys back for good."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._shortcuts.clear()
