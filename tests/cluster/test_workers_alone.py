"""What a worker answers, and how the account is kept, without any process: a client that is made up."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from vp_science.cluster import worker
from vp_science.cluster.dispatch import Dispatcher
from vp_science.cluster.recipe import Outcome, Ready, Run
from vp_science.errors import ClusterError, SettingsError

FACTS = {"model": "m", "software": "1"}


@dataclass(frozen=True)
class Item:
    recording_id: str
    path: Path


@dataclass(frozen=True)
class Result:
    recording_id: str
    status: str = "done"
    error: str = ""


@dataclass(frozen=True)
class Recipe:
    """A job whose flights do what the test says."""

    problem: str = ""
    errors: tuple[str, ...] = ()

    def resolved(self) -> "Recipe":
        if self.problem:
            raise SettingsError(self.problem)
        return self

    def build(self, between_segments: Any) -> "Job":
        if self.problem:
            raise SettingsError(self.problem)
        return Job(list(self.errors), between_segments)

    def failed(self, item: Item, error: str) -> Result:
        return Result(item.recording_id, "failed", error)


@dataclass
class Job:
    errors: list[str]
    between_segments: Any
    facts: dict[str, Any] = field(default_factory=lambda: dict(FACTS))

    def prepare(self, item: Item, position: int, total: int) -> "Flight":
        return Flight(self, item)

    def outcome(self, result: Result) -> str:
        return f"beside {result.recording_id}"


@dataclass
class Flight:
    job: Job
    item: Item

    def encode(self) -> None:
        self.job.between_segments()

    def complete(self) -> Result:
        error = self.job.errors.pop(0) if self.job.errors else ""
        return Result(self.item.recording_id, "failed" if error else "done", error)

    def close(self) -> None:
        pass


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "out" / ".run"
    folder.mkdir(parents=True)
    made = Run(tmp_path.name, folder, tmp_path)
    yield made
    worker.forget_run(made.id)
    worker._stopped.discard(made.id)


@pytest.fixture
def item(tmp_path) -> Item:
    (tmp_path / "a.avi").touch()
    return Item("a", tmp_path / "a.avi")


# A worker


def test_ready(run):
    ready = worker.get_ready(run, Recipe())
    assert (ready.error, ready.facts) == ("", FACTS)
    assert ready.device
    assert list(run.folder.iterdir()) == []


def test_not_ready(run, tmp_path):
    assert worker.get_ready(run, Recipe("no weights")).error == "no weights"
    assert worker.resolve(run, Recipe("other software")) == "other software"
    lost = replace(run, folder=tmp_path / "gone")
    for error in (worker.get_ready(lost, Recipe()).error, worker.resolve(lost, Recipe())):
        assert error.startswith("expected the output folder on a file system that all machines share, found no ")
    elsewhere = replace(run, working_directory=tmp_path / "gone")
    assert "expected the working directory on a file system" in worker.get_ready(elsewhere, Recipe()).error


def test_one_recording(run, item):
    outcome = worker.work(run, Recipe(), item, 0, 1, 0, True)
    assert outcome == Outcome(Result("a"), "beside a", FACTS)


def test_a_path_that_is_not_seen(run, tmp_path):
    missing = Item("b", tmp_path / "b.avi")
    assert worker.work(run, Recipe(), missing, 0, 1, 0, True).unseen == str(tmp_path / "b.avi")
    assert worker.work(run, Recipe(), missing, 0, 1, 0, False).unseen == ""  # nobody sees it: the reader says why


def test_stopped_between_segments(run, item):
    worker.stop_run(run.id)
    assert worker.work(run, Recipe(), item, 0, 1, 0, True) == Outcome(stopped=True)


def test_a_second_try_waits_for_the_lock_of_the_first(run, item, monkeypatch):
    """Locks of a machine that died may outlive it on a file server."""
    monkeypatch.setattr(worker, "_BUSY_PAUSE_S", 0.0)
    busy = f"{worker.WRITTEN_ELSEWHERE} a.h5: wait"
    recipe = Recipe(errors=(busy, busy))
    assert worker.work(run, recipe, item, 0, 1, 1, True).result.status == "done"
    worker.forget_run(run.id)
    assert worker.work(run, recipe, item, 0, 1, 0, True).result.error == busy


# The account


class Future:
    def __init__(self, value: Any) -> None:
        self.value = value

    def result(self, timeout: float) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def add_done_callback(self, function: Any) -> None:
        if self.value is not None:
            function(self)

    def cancel(self) -> None:
        pass

    release = cancel


class FakeClient:
    """Workers that answer at once; ``answer`` gives None for a worker that dies."""

    def __init__(self, addresses: list[str], answer: Any) -> None:
        self.addresses, self.answer, self.given = addresses, answer, []

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.addresses, 1)

    def subscribe_topic(self, topic: str, handler: Any) -> None:
        self.hear = handler

    def unsubscribe_topic(self, topic: str) -> None:
        pass

    def submit(self, function: Any, *arguments: Any, workers: list[str], **_: Any) -> Future:
        self.given.append((function.__name__, workers[0], *(a.recording_id for a in arguments if isinstance(a, Item))))
        value = self.answer(function.__name__, workers[0], arguments)
        if value is None:
            self.hear((0, {"action": "remove-worker", "worker": workers[0]}))
            self.hear((0, {"action": "add-worker", "worker": workers[0] + "+"}))
        return Future(value)

    def run(self, *_: Any, **__: Any) -> None:
        pass

    cancel = run


def dispatch(answer: Any, watch: Any, run: Run, items: list[Item], retries: int = 2, workers: str = "AB") -> Any:
    client = FakeClient(list(workers), answer)
    found = list(Dispatcher(client, run, Recipe(), items, retries, watch).results())
    return client, {position: outcome.result for position, outcome in found}


def plain(name: str, address: str, arguments: tuple[Any, ...]) -> Any:
    if name == "resolve":
        return Recipe()
    if name == "get_ready":
        return Ready("host", "cpu", FACTS)
    return Outcome(Result(arguments[2].recording_id), None, FACTS)


@pytest.fixture
def items(tmp_path) -> list[Item]:
    return [Item(str(number), tmp_path / f"{number}.avi") for number in range(5)]


def test_every_recording_once(watch, run, items):
    client, results = dispatch(plain, watch, run, items)
    assert sorted(results) == [0, 1, 2, 3, 4]
    assert {result.status for result in results.values()} == {"done"}
    assert sum(given[0] == "resolve" for given in client.given) == 1
    assert watch.counts[-1] == 2


def test_nothing_to_do(watch, run):
    assert dispatch(plain, watch, run, [])[1] == {}


@pytest.mark.parametrize("retries", [0, 2])
def test_what_kills_workers_comes_last_and_fails(watch, run, items, retries):
    def answer(name, address, arguments):
        kills = name == "work" and arguments[2].recording_id == "0"
        return None if kills else plain(name, address, arguments)

    client, results = dispatch(answer, watch, run, items, retries, workers="A")
    assert [result.recording_id for result in results.values() if result.status == "failed"] == ["0"]
    assert f"found that {retries + 1} did not: its worker died" in results[0].error
    worked = [given[2] for given in client.given if given[0] == "work"]
    assert worked.count("0") == retries + 1
    assert worked[1 : 5 if retries else 1] == (["1", "2", "3", "4"] if retries else [])


def test_ordinary_errors_are_not_tried_again(watch, run, items):
    def answer(name, address, arguments):
        return ValueError("a bug") if name == "work" else plain(name, address, arguments)

    client, results = dispatch(answer, watch, run, items)
    assert {result.error for result in results.values()} == {"unexpected ValueError on host: a bug"}
    assert sum(given[0] == "work" for given in client.given) == 5


def test_a_path_that_some_worker_does_not_see(watch, run, items):
    def answer(name, address, arguments):
        if name == "work" and address == "B":
            return Outcome(unseen="x.avi")
        return plain(name, address, arguments)

    _, results = dispatch(answer, watch, run, items[:1], workers="B")
    assert "x.avi is not seen on host: recordings and results must lie on a file system" in results[0].error
    _, results = dispatch(answer, watch, run, items, retries=50)
    assert {result.status for result in results.values()} == {"done"}


def test_no_worker_is_fit(watch, run, items):
    def answer(name, address, arguments):
        return Ready("host", error="no weights") if name == "get_ready" else plain(name, address, arguments)

    with pytest.raises(ClusterError, match="no weights"):
        dispatch(answer, watch, run, items)
    with pytest.raises(ClusterError, match="old software"):
        dispatch(lambda *_: "old software", watch, run, items)


def test_a_worker_with_another_model_is_left_out(watch, run, items):
    def answer(name, address, arguments):
        if name == "get_ready" and address == "B":
            return Ready("host", "cpu", {**FACTS, "model": "other"})
        return plain(name, address, arguments)

    client, results = dispatch(answer, watch, run, items)
    assert len(results) == 5
    assert {given[1] for given in client.given if given[0] == "work"} == {"A"}
    assert any("unfit   worker B: expected the same model and software on all workers" in line for line in watch.lines)


def test_workers_that_die_while_they_load(watch, run, items):
    def answer(name, address, arguments):
        return None if name == "get_ready" else plain(name, address, arguments)

    with pytest.raises(ClusterError, match="expected workers that load the model, found 3 that died meanwhile"):
        dispatch(answer, watch, run, items, workers="A")


def test_a_loss_that_nobody_told(watch, run, items, monkeypatch):
    """A look at the scheduler finds it."""
    monkeypatch.setattr("vp_science.cluster.dispatch._LOOK_EVERY_S", 0.01)
    clients = []

    class Silent(FakeClient):
        def submit(self, function, *arguments, workers, **_):
            if function.__name__ == "work" and workers == ["A"] and arguments[2].recording_id == "0":
                self.addresses = ["C"]
                return Future(None)
            return super().submit(function, *arguments, workers=workers)

    clients.append(Silent(["A"], plain))
    found = dict(Dispatcher(clients[0], run, Recipe(), items, 2, watch).results())
    assert len(found) == 5
    assert "lost    worker A, which worked on 0" in watch.lines


def test_a_scheduler_that_is_gone(watch, run, items, monkeypatch):
    monkeypatch.setattr("vp_science.cluster.dispatch._LOOK_EVERY_S", 0.01)

    class Gone(FakeClient):
        asked = 0

        def nthreads(self):
            self.asked += 1
            if self.asked > 1:
                raise OSError("no route")
            return {}

    with pytest.raises(ClusterError, match=r"found that it does not answer \(no route\)\. What is finished is kept"):
        list(Dispatcher(Gone([], plain), run, Recipe(), items, 2, watch).results())
