"""A function in a thread, its result in the window: for what takes longer than a moment but needs no process."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, QRunnable, QThreadPool, Signal

import vp_science as vp


class _Told(QObject):
    done = Signal(object)
    failed = Signal(str)


class _Task(QRunnable):
    def __init__(self, function: Callable[[], Any], told: _Told) -> None:
        super().__init__()
        self._function, self._told = function, told

    def run(self) -> None:
        """Runs in the thread; only signals leave it."""
        try:
            result = self._function()
        except (vp.VPScienceError, OSError) as error:
            self._say(self._told.failed, str(error))
        except Exception as error:
            self._say(self._told.failed, f"{type(error).__name__}: {error}")
        else:
            self._say(self._told.done, result)

    @staticmethod
    def _say(signal: Any, value: Any) -> None:
        with suppress(RuntimeError):  # the window is gone, and nobody waits for this any more
            signal.emit(value)


class Background(QObject):
    """Runs functions in threads and gives their results to the thread of the window.

    Results that arrive after ``close`` are dropped.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._under_way: set[_Told] = set()

    def run(self, function: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        """Call ``function`` in a thread, then ``done`` with its result or ``failed`` with a message."""
        told = _Told(self)
        self._under_way.add(told)

        def finish(tell: Callable[[Any], None], value: Any) -> None:
            if told in self._under_way:
                self._under_way.discard(told)
                told.deleteLater()
                tell(value)

        told.done.connect(lambda value: finish(done, value))
        told.failed.connect(lambda text: finish(failed, text))
        QThreadPool.globalInstance().start(_Task(function, told))

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return bool(self._under_way)

    def close(self) -> None:
        """Forget what is under way."""
        self._under_way.clear()
