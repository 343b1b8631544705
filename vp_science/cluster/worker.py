"""What runs on a worker: it builds the job once, and takes one recording at a time through it.

One recording per task and one task per worker: decoding, encoding and writing overlap inside a recording as on one
machine. A second recording in advance would hide the opening of files, but a worker that dies would then count against
two recordings, and the innocent one could run out of tries.
"""

import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from vp_science.cluster.recipe import Outcome, Ready, Recipe, Run, StoppedError, WorkerJob
from vp_science.errors import VPScienceError
from vp_science.flight import run_in_flight
from vp_science.journal.lock import OPEN_ELSEWHERE
from vp_science.store.lock import WRITTEN_ELSEWHERE

BUSY_PATIENCE_S = 120.0
"""How long a second try waits for the lock of a first one that died: file servers keep locks of lost machines."""

_BUSY_PAUSE_S = 2.0

_jobs: dict[str, WorkerJob] = {}  # of the last run only: an older model would only take memory
_stopped: set[str] = set()


def resolve(run: Run, recipe: Recipe) -> Recipe | str:
    """Decide what depends on the machine; the reason when that is not possible here."""
    if error := _unfit(run):
        return error
    try:
        with _standing_in(run.working_directory):
            return recipe.resolved()
    except VPScienceError as problem:
        return str(problem)


def get_ready(run: Run, recipe: Recipe) -> Ready:
    """Check that this worker can work on the batch, and load what it needs."""
    host = socket.gethostname()
    if error := _unfit(run):
        return Ready(host, error=error)
    try:
        with _standing_in(run.working_directory):
            job = _job(run, recipe)
    except VPScienceError as problem:
        return Ready(host, error=str(problem))
    import jax

    device = jax.devices()[0]
    return Ready(host, f"{device.device_kind} ({device.platform})", job.facts)


def work(run: Run, recipe: Recipe, item: Any, position: int, total: int, attempt: int, expected: bool) -> Outcome:
    """Take one recording through all stages; what goes wrong with it is part of the result.

    Args:
        run: the run.
        recipe: of the job.
        item: what the job takes.
        position: of the item in the batch.
        total: items in the batch.
        attempt: 0, or how often workers died over it.
        expected: whoever started the batch sees the file.
    """
    try:
        with _standing_in(run.working_directory), _collected() as shown:
            path = getattr(item, "path", "")
            if expected and not Path(path).exists():
                return Outcome(unseen=str(path))
            job = _job(run, recipe)
            result = _patiently(job, item, position, total, 0.0 if attempt == 0 else BUSY_PATIENCE_S)
            return Outcome(result, job.outcome(result), job.facts, tuple(dict.fromkeys(shown)))
    except StoppedError:
        return Outcome(stopped=True)


def stop_run(run_id: str) -> None:
    """Let the recording that is under way end at its next segment. Runs beside the work, in the worker's own thread."""
    _stopped.add(run_id)


def forget_run(run_id: str) -> None:
    """Let go of the model."""
    _jobs.pop(run_id, None)


def _patiently(job: WorkerJob, item: Any, position: int, total: int, patience_s: float) -> Any:
    until = time.monotonic() + patience_s
    while True:
        [result] = run_in_flight([item], _At(job, position, total))
        busy = WRITTEN_ELSEWHERE in result.error or OPEN_ELSEWHERE in result.error
        if not busy or time.monotonic() > until:
            return result
        time.sleep(_BUSY_PAUSE_S)


class _At:
    """A job that tells its flights where in the whole batch they are."""

    def __init__(self, job: WorkerJob, position: int, total: int) -> None:
        self._begin = partial(job.prepare, position=position, total=total)

    def prepare(self, item: Any, position: int, total: int) -> Any:
        return self._begin(item)


def _job(run: Run, recipe: Recipe) -> WorkerJob:
    if run.id not in _jobs:
        _jobs.clear()
        _jobs[run.id] = recipe.build(partial(_check_stopped, run.id))
    return _jobs[run.id]


def _check_stopped(run_id: str) -> None:
    if run_id in _stopped:
        raise StoppedError


def _unfit(run: Run) -> str:
    """Why this worker cannot take part; "" when it can."""
    host = socket.gethostname()
    for path, what in ((run.folder, "the output folder"), (run.working_directory, "the working directory")):
        if not path.is_dir():
            return (
                f"expected {what} on a file system that all machines share, found no {path} on {host}: put recordings "
                "and results where every worker sees them under the same path"
            )
    with suppress(OSError):
        mark = run.folder / f"{host}-{os.getpid()}"
        mark.touch()
        mark.unlink()
        return ""
    return (
        f"expected an output folder that {host} may write to, found none ({run.folder.parent}): check the permissions"
    )


@contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    """Relative paths mean what they mean to whoever started the batch, and are recorded as given."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _collected() -> Iterator[list[str]]:
    """Warnings as texts, to be shown where the batch was started."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("default")
        try:
            yield texts
        finally:
            texts += [str(one.message) for one in shown if one.category.__module__.startswith("vp_science")]
