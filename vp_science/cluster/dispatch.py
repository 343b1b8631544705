"""Gives recordings to workers one by one, and keeps account of those whose worker died.

Every recording is sent to one named worker, and the next one only when that is finished. So it is always known which
recording a dead worker had, whatever the scheduler is configured to retry; one that kills every worker it meets goes
behind all others, and ends as failed.
"""

import queue
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from vp_science.cluster.place import Client, ClusterWatch
from vp_science.cluster.recipe import Outcome, Ready, Recipe, Run
from vp_science.cluster.worker import forget_run, get_ready, resolve, stop_run, work
from vp_science.errors import ClusterError

_LOOK_EVERY_S = 10.0
_REMIND_AFTER_S = 60.0
_RESULT_PATIENCE_S = 60.0
_GRACE_S = 60.0
_SETUP_DEATHS = 3


@dataclass(eq=False)
class _Worker:
    """One worker process, as long as the scheduler knows it."""

    address: str
    host: str = ""
    state: Literal["new", "ready", "unfit"] = "new"
    task: "_Task | None" = None


@dataclass(eq=False)
class _Task:
    """What a worker was given."""

    kind: Literal["resolve", "get ready", "work"]
    worker: _Worker
    future: Any
    position: int = -1


class Dispatcher:
    """One run of a batch on the workers of a scheduler; ``results`` may be read once.

    Args:
        client: connected.
        run: names the run.
        recipe: from which workers build the job.
        items: what ``WorkerJob.prepare`` takes.
        retries: how often a recording is tried again after its worker died.
        watch: is told what happens.
    """

    def __init__(
        self, client: Client, run: Run, recipe: Recipe, items: Sequence[Any], retries: int, watch: ClusterWatch
    ) -> None:
        self.client, self.run, self.recipe, self.items = client, run, recipe, items
        self.retries, self.watch = retries, watch
        self._workers: dict[str, _Worker] = {}
        self._pending = deque(range(len(items)))
        self._tries = Counter[int]()
        self._left = len(items)
        self._resolved = False
        self._facts: dict[str, Any] = {}
        self._setup_deaths = 0
        self._unfit: list[str] = []
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._alone_since = time.monotonic()

    def results(self) -> Iterator[tuple[int, Outcome]]:
        """Position and outcome of every recording, as they are finished.

        Raises:
            ClusterError: when no worker can work on this batch, or the scheduler is gone.
        """
        if not self.items:
            return
        self.client.subscribe_topic("all", self._hear)
        for address in self.client.nthreads():
            self._events.put(("add-worker", address))
        try:
            while self._left:
                kind, what = self._next_event()
                if kind == "add-worker":
                    self._joined(what)
                elif kind == "remove-worker":
                    yield from self._lost(what)
                elif what.worker.task is what:  # and not a task that was given up
                    what.worker.task = None
                    yield from self._done(what)
                self._give_out()
        finally:
            self._wind_down()

    def _hear(self, event: tuple[Any, Any]) -> None:
        message = event[1]
        if isinstance(message, dict) and message.get("action") in ("add-worker", "remove-worker"):
            self._events.put((message["action"], message["worker"]))

    def _next_event(self) -> tuple[str, Any]:
        while True:
            with suppress(queue.Empty):
                return self._events.get(timeout=_LOOK_EVERY_S)
            self._look()

    def _look(self) -> None:
        """Compare what we believe with what the scheduler says: a message may have been lost."""
        try:
            there = set(self.client.nthreads())
        except (OSError, RuntimeError, TimeoutError) as error:
            raise ClusterError(
                f"expected the scheduler to go on, found that it does not answer ({error}). What is finished is kept: "
                "start it again, and run the same command again"
            ) from error
        for address in self._workers.keys() - there:
            self._events.put(("remove-worker", address))
        for address in there - self._workers.keys():
            self._events.put(("add-worker", address))
        if self._workers:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > _REMIND_AFTER_S:
            self._alone_since = time.monotonic()
            self.watch.say("waiting: the scheduler has no workers (do jobs wait in the queue, or end at once?)")

    # Workers

    def _joined(self, address: str) -> None:
        if address not in self._workers:
            self._workers[address] = _Worker(address)

    def _lost(self, address: str) -> Iterator[tuple[int, Outcome]]:
        worker = self._workers.pop(address, None)
        if worker is None:
            return
        task, worker.task = worker.task, None
        if task is not None:
            with suppress(Exception):  # its scheduler may be gone, too
                task.future.cancel()
        self._tell_workers()
        if task is None or task.kind != "work":
            self.watch.say(f"lost    worker {address}")
            if task is not None:
                self._count_setup_death()
            return
        name = _name(self.items[task.position])
        self.watch.say(f"lost    worker {address}, which worked on {name}")
        yield from self._try_again(task.position, f"its worker died, {address} on {worker.host}")

    def _count_setup_death(self) -> None:
        self._setup_deaths += 1
        if self._setup_deaths >= _SETUP_DEATHS:
            raise ClusterError(
                f"expected workers that load the model, found {self._setup_deaths} that died meanwhile: look at their "
                "logs; too little memory is the most frequent reason"
            )

    def _try_again(self, position: int, why: str) -> Iterator[tuple[int, Outcome]]:
        item = self.items[position]
        self._tries[position] += 1
        if self._tries[position] <= self.retries:
            # Behind all others: what kills workers shall not hold them up.
            self._pending.append(position)
            self.watch.say(f"again   {_name(item)}: try {self._tries[position] + 1} of {self.retries + 1}")
            return
        error = (
            f"expected a worker to finish it, found that {self._tries[position]} did not: {why}. Look at the logs of "
            "the workers (often it is memory); what was embedded before is kept, run the same command again"
        )
        yield from self._end(position, Outcome(self.recipe.failed(item, error), facts=self._facts))

    def _end(self, position: int, outcome: Outcome) -> Iterator[tuple[int, Outcome]]:
        self._left -= 1
        yield position, outcome

    def _tell_workers(self) -> None:
        self.watch.workers(sum(worker.state == "ready" for worker in self._workers.values()))

    # Tasks

    def _give_out(self) -> None:
        for worker in list(self._workers.values()):
            if worker.task is not None or worker.state == "unfit":
                continue
            if not self._resolved:
                if not self._busy_with("resolve"):
                    self._submit(worker, "resolve", resolve, self.run, self.recipe)
            elif worker.state == "new":
                self._submit(worker, "get ready", get_ready, self.run, self.recipe)
            elif self._pending:
                position = self._pending.popleft()
                item = self.items[position]
                path = getattr(item, "path", None)
                here = path is not None and Path(path).exists()
                arguments = (self.run, self.recipe, item, position, len(self.items), self._tries[position], here)
                self._submit(worker, "work", work, *arguments, position=position)

    def _busy_with(self, kind: str) -> bool:
        return any(worker.task is not None and worker.task.kind == kind for worker in self._workers.values())

    def _submit(self, worker: _Worker, kind: Any, function: Any, *arguments: Any, position: int = -1) -> None:
        future = self.client.submit(
            function,
            *arguments,
            key=f"vp-science-{kind.replace(' ', '-')}-{uuid.uuid4().hex}",
            workers=[worker.address],
            allow_other_workers=False,
            pure=False,
        )
        worker.task = _Task(kind, worker, future, position)
        future.add_done_callback(partial(self._finished, worker.task))

    def _finished(self, task: _Task, future: Any) -> None:
        self._events.put(("done", task))

    def _done(self, task: _Task) -> Iterator[tuple[int, Outcome]]:
        try:
            value: Any = task.future.result(timeout=_RESULT_PATIENCE_S)
        except Exception as error:
            value = error
        task.future.release()
        if task.kind == "work":
            yield from self._worked(task, value)
        elif task.kind == "resolve" and not isinstance(value, str | Exception):
            self.recipe, self._resolved = value, True
        else:
            self._answered(task.worker, value)

    def _answered(self, worker: _Worker, value: Any) -> None:
        """A worker is ready, or says why it is not."""
        if isinstance(value, Exception):
            value = f"unexpected {type(value).__name__}: {value}"
        ready = value if isinstance(value, Ready) else Ready("", error=str(value))
        worker.host, error = ready.host, ready.error
        if ready.facts and not self._facts:
            self._facts = dict(ready.facts)
            self.watch.say(", ".join(f"{name} {value}" for name, value in self._facts.items()))
        if not error and dict(ready.facts) != self._facts:
            error = f"expected the same model and software on all workers ({self._facts}), found {dict(ready.facts)}"
        if not error:
            worker.state, self._setup_deaths = "ready", 0
            self.watch.say(f"ready   worker {worker.address} on {ready.host}: {ready.device}")
            self._tell_workers()
            return
        worker.state = "unfit"
        self._unfit.append(error)
        self.watch.say(f"unfit   worker {worker.address}: {error}")
        if all(other.state == "unfit" for other in self._workers.values()):
            raise ClusterError(error)

    def _worked(self, task: _Task, value: Any) -> Iterator[tuple[int, Outcome]]:
        position, item = task.position, self.items[task.position]
        if isinstance(value, Outcome) and value.unseen:
            why = (
                f"{value.unseen} is not seen on {task.worker.host}: recordings and results must lie on a file system "
                "that all machines share, under the same path"
            )
            yield from self._try_again(position, why)
        elif isinstance(value, Outcome) and not value.stopped:
            for text in value.warnings:
                self.watch.say(f"warning {_name(item)}: {text}")
            yield from self._end(position, value)
        elif isinstance(value, Outcome) or _is_loss(value):
            yield from self._try_again(position, f"its worker was stopped, {task.worker.address}")
        else:
            error = f"unexpected {type(value).__name__} on {task.worker.host}: {value}"
            yield from self._end(position, Outcome(self.recipe.failed(item, error), facts=self._facts))

    # The end

    def _wind_down(self) -> None:
        """Let recordings that are under way end at a segment, and workers let go of their models."""
        with suppress(Exception):
            self.client.unsubscribe_topic("all")
        tasks = [worker.task for worker in self._workers.values() if worker.task is not None]
        with suppress(Exception, KeyboardInterrupt):
            if tasks:
                from distributed import wait

                self.watch.say(
                    f"stopping: {len(tasks)} workers end at their next segment, for at most {_GRACE_S:.0f} s "
                    "(again to stop at once)"
                )
                addresses = [task.worker.address for task in tasks]
                self.client.run(stop_run, self.run.id, workers=addresses, on_error="ignore")
                with self.client.as_current():  # ``wait`` asks for the default client, another one, or none
                    wait([task.future for task in tasks], timeout=_GRACE_S)
        with suppress(Exception, KeyboardInterrupt):
            self.client.cancel([task.future for task in tasks])
            self.client.run(forget_run, self.run.id, on_error="ignore")


def _is_loss(error: object) -> bool:
    """Whether a task ended because of its worker, not because of what it did."""
    names = {"KilledWorker", "CancelledError", "FutureCancelledError", "FuturesCancelledError", "LostWorkerError"}
    return isinstance(error, TimeoutError) or type(error).__name__ in names


def _name(item: Any) -> str:
    return str(getattr(item, "recording_id", item))
