"""Recordings overlap: one is prepared and one completed while a third is encoded."""

import threading
from dataclasses import dataclass, field

import pytest

from vp_science.flight import run_in_flight

PATIENCE_S = 30.0


@dataclass
class Job:
    """Every stage of every item may wait for a stage of another one."""

    waits: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    raises: dict[tuple[str, int], BaseException] = field(default_factory=dict)
    reached: dict[tuple[str, int], threading.Event] = field(default_factory=dict)
    log: list[tuple[str, int]] = field(default_factory=list)
    threads: dict[str, str] = field(default_factory=dict)
    in_time: bool = True
    open: int = 0
    most_open: int = 0

    def event(self, stage: str, item: int) -> threading.Event:
        return self.reached.setdefault((stage, item), threading.Event())

    def step(self, stage: str, item: int) -> None:
        self.log.append((stage, item))
        self.threads[stage] = threading.current_thread().name
        self.event(stage, item).set()
        if (stage, item) in self.waits:
            self.in_time &= self.event(*self.waits[stage, item]).wait(PATIENCE_S)
        if (stage, item) in self.raises:
            raise self.raises[stage, item]

    def prepare(self, item: int, position: int, total: int) -> "Flight":
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.step("prepare", item)
        return Flight(self, item)


@dataclass
class Flight:
    job: Job
    item: int
    closed: bool = False

    def encode(self) -> None:
        self.job.step("encode", self.item)

    def complete(self) -> str:
        self.job.step("complete", self.item)
        self.close()
        return f"result {self.item}"

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.job.open -= 1
            self.job.log.append(("close", self.item))


def test_stages_overlap():
    """Encoding 1 ends only when 2 is prepared and 0 completes; nothing of that would happen one after another."""
    job = Job(waits={("encode", 1): ("prepare", 2), ("complete", 0): ("encode", 1), ("complete", 1): ("encode", 2)})
    assert list(run_in_flight([0, 1, 2, 3], job)) == [f"result {n}" for n in range(4)]
    assert job.in_time
    assert job.most_open <= 3
    assert job.open == 0
    assert job.threads["encode"] == threading.current_thread().name
    assert len(set(job.threads.values())) == 3


def test_nothing_and_one():
    assert list(run_in_flight([], Job())) == []
    job = Job()
    assert list(run_in_flight([7], job)) == ["result 7"]
    assert job.log == [("prepare", 7), ("encode", 7), ("complete", 7), ("close", 7)]


@pytest.mark.parametrize("stage", ["encode", "complete", "prepare"])
def test_an_interruption_closes_everything(stage):
    job = Job(raises={(stage, 1): KeyboardInterrupt()})
    results = []
    with pytest.raises(KeyboardInterrupt):
        results.extend(run_in_flight([0, 1, 2, 3], job))
    assert job.open == (1 if stage in ("prepare", "complete") else 0)  # what raised itself has to close itself
    assert results in (["result 0"], [])
    assert [name for name in threading.enumerate() if "vp_science-" in name.name] == []


def test_a_caller_that_stops_listening_closes_everything():
    job = Job()
    results = run_in_flight([0, 1, 2, 3], job)
    assert next(results) == "result 0"
    results.close()
    assert job.open == 0
