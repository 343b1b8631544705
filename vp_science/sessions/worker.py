"""The worker process of the panel: ``python -m vp_science.sessions.worker``.

One JSON object per line in both directions. In: ``{"job": name, "request": {...}}`` starts a job (one at a time; the
process stays for the next one, so that libraries are loaded once); ``{"control": word}`` with ``pause``, ``resume`` or
``cancel`` speaks to the one that runs. Out: ``{"event": "ready"}``, then for a job any number of
``{"event": "progress", ...}`` and at last ``{"event": "result", "result": {...}}``, ``{"event": "cancelled"}`` or
``{"event": "error", "message": ...}``. Large results go to files of the session, never through the pipe. Killing the
process at any time is safe: every job leaves only complete files.
"""

import importlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from io import TextIOBase
from queue import SimpleQueue
from typing import Any

from vp_science.errors import VPScienceError

JOBS: Mapping[str, str] = {
    "embed": "vp_science.sessions.embedding_job:embed_recordings",
    "estimate": "vp_science.sessions.embedding_estimate:estimate_embedding",
    "train": "vp_science.sessions.training:train_probe",
    "evaluate": "vp_science.sessions.scoring:evaluate_session_probe",
    "predict": "vp_science.sessions.predicting:predict_recordings",
    "export_probe": "vp_science.sessions.training:export_probe",
    "suggest": "vp_science.sessions.suggestions:suggest_segments",
    "map": "vp_science.sessions.mapping:make_session_map",
    "search": "vp_science.sessions.searching:search_session",
    "reencode": "vp_science.sessions.reencoding:make_viewing_copy",
}
"""Name -> ``module:function``; a function takes the request and ``Reporter`` and returns a JSON object."""


class CancelledError(BaseException):
    """Somebody asked the job to stop.

    Like ``KeyboardInterrupt`` it is no ``Exception``: what catches failures, as a batch does whose other recordings
    shall go on, must not take it for one.
    """


class Reporter:
    """What a job tells, and how it hears that it shall wait or stop."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._go = threading.Event()
        self._go.set()
        self._cancelled = False

    def progress(self, stage: str, done: int | float = 0, total: int | float = 0, **facts: Any) -> None:
        """Say how far the work is; waits while paused.

        Args:
            stage: in words, such as ``"embedding fly_1"``.
            done: how much of it.
            total: of how much; 0 when nobody knows.
            facts: more numbers and texts for the view.

        Raises:
            CancelledError: when the job shall stop.
        """
        self.tell(stage, done, total, **facts)
        self.checkpoint()

    def tell(self, stage: str, done: int | float = 0, total: int | float = 0, **facts: Any) -> None:
        """Say how far the work is without waiting or stopping: from another thread of the job."""
        self._send({"event": "progress", "stage": stage, "done": done, "total": total, **facts})

    def checkpoint(self) -> None:
        """Wait while paused.

        Raises:
            CancelledError: when the job shall stop.
        """
        self._go.wait()
        if self._cancelled:
            raise CancelledError

    def control(self, word: str) -> None:
        """Hear ``pause``, ``resume`` or ``cancel`` (from another thread)."""
        if word == "pause":
            self._go.clear()
        elif word in ("resume", "cancel"):
            self._cancelled = self._cancelled or word == "cancel"
            self._go.set()


def run_job(name: str, request: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Run one job in this process.

    Raises:
        VPScienceError: when the job fails for a reason that people can do something about.
        CancelledError: when it was cancelled.
    """
    if name not in JOBS:
        raise VPScienceError(f"expected one of the jobs {', '.join(JOBS)}, found {name!r}")
    module, function = JOBS[name].split(":")
    result: dict[str, Any] = getattr(importlib.import_module(module), function)(dict(request), report)
    return result


def serve(lines: Iterable[str], out: TextIOBase) -> None:
    """Do jobs until the input ends."""
    guard = threading.Lock()

    def send(event: dict[str, Any]) -> None:
        with guard:
            out.write(json.dumps(event, allow_nan=False, default=_plain) + "\n")
            out.flush()

    jobs: SimpleQueue[tuple[str, Mapping[str, Any], Reporter] | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(lines, jobs, send), name="worker-input", daemon=True).start()
    send({"event": "ready", "pid": os.getpid()})
    while (job := jobs.get()) is not None:
        name, request, report = job
        try:
            send({"event": "result", "result": run_job(name, request, report)})
        except CancelledError:
            send({"event": "cancelled"})
        except VPScienceError as error:
            send({"event": "error", "message": str(error), "kind": type(error).__name__})
        except Exception as error:
            trace = traceback.format_exc()
            send(
                {"event": "error", "message": f"{type(error).__name__}: {error}", "kind": "unexpected", "trace": trace}
            )


def _listen(lines: Iterable[str], jobs: "SimpleQueue[Any]", send: Callable[[dict[str, Any]], None]) -> None:
    current: Reporter | None = None
    for line in lines:
        message = json.loads(line)
        if "control" in message:
            if current is not None:
                current.control(message["control"])
            continue
        current = Reporter(send)
        jobs.put((message["job"], message["request"], current))
    if current is not None:
        current.control("cancel")  # the panel is gone: stop at the next safe point
    jobs.put(None)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def main() -> None:
    """Serve on standard input and output; whatever libraries print goes to standard error."""
    # Several workers share one GPU, and the window comes first where they share the processor.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if hasattr(os, "nice"):
        os.nice(5)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin, out)


if __name__ == "__main__":
    main()
