"""Keys of the window: shortcuts for commands, and the keys of behaviors going down and up."""

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QKeySequenceEdit,
    QLineEdit,
    QMainWindow,
    QPlainTextEdit,
    QShortcut,
    QTextEdit,
    QWidget,
)

from napari_vp_science.labels.keys import COMMANDS, KeyMap
from napari_vp_science.labels.labeller import Labeller

SETTLE_MS = 30
"""X11 now and then reports a key that repeats as let go and pressed again a few milliseconds later."""

_TEXT = (QLineEdit, QAbstractSpinBox, QKeySequenceEdit)
_MAC_DIGITS = {18: "1", 19: "2", 20: "3", 21: "4", 23: "5", 22: "6", 26: "7", 28: "8", 25: "9", 29: "0"}


def main_window(widget: QWidget) -> QMainWindow | None:
    """The window in which a widget is docked, also while its dock floats."""
    parent: Any = widget
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    return parent


def is_typing(widget: QWidget | None) -> bool:
    """Whether keys belong to a field in which somebody writes."""
    if isinstance(widget, QTextEdit | QPlainTextEdit):
        return not widget.isReadOnly()
    return isinstance(widget, _TEXT) or (isinstance(widget, QComboBox) and widget.isEditable())


def digit_key(event: QKeyEvent, platform: str) -> str:
    """The digit of a key in the row above the letters, whatever layout and Shift make of it; "" for other keys."""
    if platform == "cocoa":
        return _MAC_DIGITS.get(event.nativeVirtualKey(), "") if event.nativeScanCode() else ""
    first = {"xcb": 10, "wayland": 10, "windows": 2}.get(platform)
    place = event.nativeScanCode() - first if first is not None else -1
    return "1234567890"[place] if 0 <= place < 10 else ""


def key_names(event: QKeyEvent, platform: str) -> list[str]:
    """What a key may be called in a catalogue, in the order in which it is looked up."""
    names = [event.text().lower(), QKeySequence(event.key()).toString().lower(), digit_key(event, platform)]
    return [name for name in dict.fromkeys(names) if name.strip()]


class LabelKeys(QObject):
    """Binds keys to a labeller while it is on.

    Commands are shortcuts of the window. Keys of behaviors are seen where they enter the window, because it matters
    when they are let go. Fields in which somebody writes keep their keys.

    Attributes:
        window: the window, None before there is one.
    """

    def __init__(self, labeller: Labeller, keys: KeyMap) -> None:
        super().__init__()
        self._labeller = labeller
        self._keys = keys
        self.window: QMainWindow | None = None
        self._shortcuts: list[QShortcut] = []
        self._behaviors: dict[str, str] = {}
        self._down: dict[int, str] = {}
        self._ending: dict[int, tuple[int, float]] = {}
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._let_go_of_ending)
        self._watched: list[QObject] = []
        labeller.changed.connect(self._enable)

    def bind(self, window: QMainWindow | None) -> None:
        """Belong to a window."""
        if window is self.window:
            return
        self.unbind()
        self.window = window
        if window is not None:
            self._make_shortcuts()
            application = QApplication.instance()
            application.focusChanged.connect(self._focus_changed)
            self._watch(window)
        self._enable()

    def unbind(self) -> None:
        """Let go of the window."""
        if self.window is None:
            return
        QApplication.instance().focusChanged.disconnect(self._focus_changed)
        for watched in self._watched:
            watched.removeEventFilter(self)
        self._watched.clear()
        self._drop_shortcuts()
        self.window = None

    def close_view(self) -> None:
        """Let go of everything."""
        self._settle.stop()
        self._labeller.changed.disconnect(self._enable)
        self.unbind()

    def set_keys(self, keys: KeyMap) -> None:
        """Other keys for commands."""
        self._keys = keys
        if self.window is not None:
            self._drop_shortcuts()
            self._make_shortcuts()
            self._enable()

    def set_behaviors(self, keys: Mapping[str, str]) -> None:
        """Names of behaviors by their keys."""
        self._behaviors = {key.lower(): name for key, name in keys.items() if key}

    # ---- commands

    def _make_shortcuts(self) -> None:
        for command in COMMANDS:
            for key in self._keys.keys(command.name):
                shortcut = QShortcut(QKeySequence(key), self.window)
                shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
                shortcut.setAutoRepeat(command.repeats)
                shortcut.activated.connect(lambda name=command.name: self._labeller.run(name))
                self._shortcuts.append(shortcut)

    def _drop_shortcuts(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts.clear()

    def _enable(self) -> None:
        on = self._labeller.on and not is_typing(QApplication.focusWidget())
        for shortcut in self._shortcuts:
            if shortcut.isEnabled() != on:
                shortcut.setEnabled(on)
        if not self._labeller.on:
            self._settle.stop()
            self._ending.clear()
            self._down.clear()

    def _focus_changed(self, _old: QWidget | None, new: QWidget | None) -> None:
        if new is not None and main_window(new) is self.window:
            self._watch(self.window)
            self._watch(new.window())  # the dock may float
        if new is None or is_typing(new):
            self._let_go()
        self._enable()

    # ---- behaviors

    def _watch(self, widget: QWidget) -> None:
        """See the keys of a window: where they come in from the system, and those that are sent to the widget."""
        for target in (widget, widget.windowHandle()):
            if target is not None and target not in self._watched:
                target.installEventFilter(self)
                self._watched.append(target)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Take keys of behaviors out; everything else goes on."""
        kind = event.type()
        if kind == QEvent.Type.Show and self.window is not None:
            self._watch(self.window)
        if not self._labeller.on:
            return False
        if kind == QEvent.Type.KeyPress:
            return self._pressed(event)
        if kind == QEvent.Type.KeyRelease:
            return self._released(event)
        if kind == QEvent.Type.WindowDeactivate:
            self._let_go()
        return False

    def _pressed(self, event: Any) -> bool:
        plain = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier
        if event.modifiers() & ~plain or is_typing(QApplication.focusWidget()):
            return False
        if self._ending.pop(self._which(event), None) is not None:
            return True  # it repeats
        names = key_names(event, QGuiApplication.platformName())
        behavior = next((self._behaviors[name] for name in names if name in self._behaviors), None)
        if behavior is None:
            return False
        if not event.isAutoRepeat() and behavior not in self._down.values():
            self._down[self._which(event)] = behavior
            self._labeller.press(behavior, erase=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        return True

    def _released(self, event: Any) -> bool:
        which = self._which(event)
        if which not in self._down:
            return False
        if not event.isAutoRepeat() and (moment := self._labeller.moment()) is not None:
            self._ending[which] = moment
            self._settle.start()
        return True

    @staticmethod
    def _which(event: Any) -> int:
        """Names a key between its way down and up, during which Shift may change."""
        return -int(event.nativeScanCode()) or int(event.key())

    def _let_go_of_ending(self) -> None:
        for which, moment in list(self._ending.items()):
            self._labeller.release(self._down.pop(which), moment)
        self._ending.clear()

    def _let_go(self) -> None:
        """No release will come any more for keys that are down."""
        self._settle.stop()
        self._let_go_of_ending()
        for behavior in list(self._down.values()):
            self._labeller.release(behavior)
        self._down.clear()
