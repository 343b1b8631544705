"""A function in a thread, its result in the window: for what takes longer than a moment but needs no process."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qtpy.QtCore import QObject

import vp_science as vp
from napari_vp_science.voice import Voice

_MOST_THREADS = 2


class Background(QObject):
    """Runs functions in threads and gives their results to the thread of the window.

    Results that arrive after ``close`` are dropped.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="background")
        self._under_way: dict[int, tuple[Callable[[Any], None], Callable[[str], None]]] = {}
        self._number = 0

    def run(self, function: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        """Call ``function`` in a thread, then ``done`` with its result or ``failed`` with a message."""
        self._number += 1
        self._under_way[self._number] = (done, failed)
        self._threads.submit(_work, [function], Voice(self._finish, function), self._number)

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return bool(self._under_way)

    def close(self) -> None:
        """Forget what is under way."""
        self._under_way.clear()

    def _finish(self, number: int, value: Any, problem: str | None) -> None:
        if number not in self._under_way:
            return
        done, failed = self._under_way.pop(number)
        if problem is None:
            done(value)
        else:
            failed(problem)


def _work(functions: list[Callable[[], Any]], voice: Voice, number: int) -> None:
    """Runs in the thread. It lets go of the function before it tells the end, so that the voice is the last to."""
    try:
        value, problem = functions[0](), None
    except (vp.VPScienceError, OSError) as error:
        value, problem = None, str(error)
    except Exception as error:
        value, problem = None, f"{type(error).__name__}: {error}"
    functions.clear()
    voice.say(number, value, problem)
    voice.end()
