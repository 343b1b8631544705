"""How a thread tells something to the window, without touching anything of Qt that may be gone."""

import weakref
from collections.abc import Callable
from contextlib import suppress
from types import MethodType
from typing import Any

from qtpy.QtCore import QCoreApplication, QObject, Qt, Signal, Slot


class Voice(QObject):
    """Brings what one thread says to a method, in the thread of the window.

    Qt cannot bear that an object dies in one thread while another one sends it something, or while it is being sent
    something itself; PySide6 lets an object die wherever Python drops it, and Python's collector runs in any thread.
    So threads speak through this object only. It belongs to the application, not to Python, and goes away in the
    window's thread when the thread has said that it ended.

    Args:
        heard: a method that gets what is said; its object is not kept alive, and what is said after it is dropped.
        kept: whatever the thread works with and must not be the last to hold, such as a function that holds widgets.
    """

    _said = Signal(object)

    def __init__(self, heard: Callable[..., None], kept: Any = None) -> None:
        super().__init__(QCoreApplication.instance())
        assert isinstance(heard, MethodType)
        self._heard = weakref.WeakMethod(heard)
        self._kept = kept
        self._close: Callable[[], None] | None = None
        self._said.connect(self._hear, Qt.ConnectionType.QueuedConnection)

    def before_quit(self, close: Callable[[], None]) -> None:
        """Call this when the application quits while the thread still runs."""
        self._close = close
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self._quit)

    def say(self, *what: Any) -> None:
        """Tell something; called in the thread."""
        with suppress(RuntimeError):  # the application is gone
            self._said.emit(what)

    def end(self) -> None:
        """The last that is called in the thread: it needs this object no more."""
        with suppress(RuntimeError):
            self._said.emit(None)

    @Slot(object)
    def _hear(self, what: tuple[Any, ...] | None) -> None:
        heard = self._heard()
        if what is None:
            self._kept = self._close = None
            self.deleteLater()
        elif heard is not None:
            heard(*what)

    @Slot()
    def _quit(self) -> None:
        if self._close is not None:
            self._close()
