"""Work that takes longer than a moment runs in another process; this is the panel's end of it."""

import codecs
import json
import sys
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

_WORKER = (sys.executable, "-m", "vp_science.sessions.worker")
_GRACE_MS = 3000
_IDLE_MS = 10 * 60 * 1000
"""A worker that nobody needs for so long gives its memory back."""


class JobRunner(QObject):
    """One worker process (``vp_science.sessions.worker``) and the job that it does.

    The process starts with the first job and stays for the next ones. The signals arrive in the thread of the window,
    in order; every job ends with exactly one of ``result``, ``cancelled`` and ``failed``, followed by ``idle``.

    Attributes:
        progress: a dict: ``stage`` (words), ``done``, ``total`` (0: unknown) and whatever else the job tells.
        result: the dict that the job returned.
        cancelled: the job was stopped; what it had finished stays.
        failed: a message for people.
        idle: ready for another job.
    """

    progress = Signal(object)
    result = Signal(object)
    cancelled = Signal()
    failed = Signal(str)
    idle = Signal()

    def __init__(self, parent: QObject | None = None, command: Sequence[str] = _WORKER) -> None:
        super().__init__(parent)
        self._command = list(command)
        self._process: QProcess | None = None
        self._buffer = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._errors = b""
        self.job: str | None = None
        self.paused = False
        self._stopping = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.timeout.connect(self.close)
        self._grace = QTimer(self)
        self._grace.setSingleShot(True)
        self._grace.timeout.connect(self._kill)

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self.job is not None

    def start(self, job: str, request: dict[str, Any]) -> None:
        """Begin a job (its name and its request, see ``vp_science.sessions.worker``).

        Raises:
            RuntimeError: when another one is under way.
        """
        if self.running:
            raise RuntimeError(f"expected no job under way, found {self.job}: wait for idle, or cancel it")
        self.job, self.paused, self._stopping, self._errors = job, False, False, b""
        self._rest.stop()
        if self._process is None:
            self._launch()
        self._write({"job": job, "request": request})

    def pause(self) -> None:
        """Let the job wait at its next safe point."""
        self.paused = self.running
        self._write({"control": "pause"})

    def resume(self) -> None:
        """Let it go on."""
        self.paused = False
        self._write({"control": "resume"})

    def cancel(self) -> None:
        """Stop the job: at its next safe point, or after three seconds by ending the process, which is safe, too."""
        if not self.running:
            return
        self._stopping = True
        self._write({"control": "cancel"})
        self._grace.start(_GRACE_MS)

    def close(self) -> None:
        """End the process; finished work stays."""
        self._rest.stop()
        self._grace.stop()
        process, self._process, self.job = self._process, None, None
        if process is None:
            return
        process.blockSignals(True)
        process.closeWriteChannel()
        process.kill()
        process.waitForFinished(2000)

    def _kill(self) -> None:
        if self.running and self._stopping and self._process is not None:
            self._process.kill()

    def _launch(self) -> None:
        process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        process.setProcessEnvironment(environment)
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._not_started)
        self._process, self._buffer = process, ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        process.start(self._command[0], self._command[1:])

    def _write(self, message: dict[str, Any]) -> None:
        if self._process is not None:
            self._process.write((json.dumps(message) + "\n").encode())

    def _read(self) -> None:
        if self._process is None:
            return
        self._buffer += self._decoder.decode(bytes(self._process.readAllStandardOutput()))
        *lines, self._buffer = self._buffer.split("\n")
        for line in lines:
            self._hear(json.loads(line))

    def _read_errors(self) -> None:
        if self._process is not None:
            self._errors = (self._errors + bytes(self._process.readAllStandardError()))[-4000:]

    def _hear(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "progress" and self.running:
            self.progress.emit(event)
        elif kind == "result":
            self._end(lambda: self.result.emit(event["result"]))
        elif kind == "cancelled":
            self._end(self.cancelled.emit)
        elif kind == "error":
            self._end(lambda: self.failed.emit(event["message"]))

    def _end(self, tell: Any) -> None:
        if not self.running:
            return
        self._grace.stop()
        self.job, self.paused = None, False
        tell()
        if not self.running:
            self._rest.start(_IDLE_MS)
            self.idle.emit()

    def _finished(self, *_: Any) -> None:
        """The process is gone: by our own hand after a cancel, or because it crashed."""
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        if self._stopping:
            self._end(self.cancelled.emit)
            return
        words = self._errors.decode("utf-8", "replace").strip().splitlines()
        last = f" ({words[-1]})" if words else ""
        self._end(lambda: self.failed.emit(f"the worker process ended unexpectedly{last}: start the work again"))

    def _not_started(self, error: Any) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._process = None
            self._end(lambda: self.failed.emit(f"cannot start {self._command[0]}: reinstall vp-science"))
