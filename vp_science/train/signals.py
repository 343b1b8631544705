"""Being stopped: the first signal asks to save and stop, so that nothing of a night is lost."""

import signal
import threading
from multiprocessing import resource_tracker
from types import FrameType
from typing import Any

from vp_science.errors import TrainError

# Slurm and other schedulers send SIGTERM before they end a job; --signal=USR1@120 sends SIGUSR1 two minutes before.
_STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name))


def start_helper_processes() -> None:
    """Start Python's process that watches over shared memory, so that it survives SIGUSR1 as it survives the others.

    Schedulers send signals to all processes of a job. What is ignored when a process begins stays so in it.
    """
    if not hasattr(signal, "SIGUSR1") or threading.current_thread() is not threading.main_thread():
        return
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        resource_tracker.ensure_running()
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL if before is None else before)


class TrainingStopped(TrainError):
    """A training was stopped by a signal, after its state was saved.

    Attributes:
        signal: that asked for it.
        step: updates that are in the newest checkpoint.
    """

    def __init__(self, stopped_by: int, step: int, steps: int, folder: object):
        self.signal = signal.Signals(stopped_by)
        self.step = step
        super().__init__(
            f"stopped by {self.signal.name} after step {step} of {steps}, which is saved in {folder}: "
            "the same command with --resume goes on from there"
        )


class StopSignals:
    """Listens while it is entered; only in the main thread, where Python lets signals be caught.

    A second SIGTERM or SIGUSR1 changes nothing: schedulers send several. A second SIGINT (Ctrl-C) raises
    KeyboardInterrupt at once: older checkpoints are complete, the one being written is not used.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in _STOPPING:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.requested is not None:
            raise KeyboardInterrupt
        if self.requested is None:
            self.requested = number
