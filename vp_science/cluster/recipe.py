"""What travels between the program that runs a batch and its workers: settings one way, results the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vp_science.flight import FlightJob
from vp_science.typing import JSON


class StoppedError(BaseException):
    """The batch was told to stop; finished segments are kept. No recording failed, so it is no ``Exception``."""


@runtime_checkable
class WorkerJob(FlightJob, Protocol):
    """What a worker built from a recipe, once: begins flights as on one machine."""

    @property
    def facts(self) -> Mapping[str, JSON]:
        """What a line of the manifest says beside the result; the same on all workers."""

    def outcome(self, result: Any) -> Any:
        """What must come back beside the result of one recording; None for nothing."""


@runtime_checkable
class Recipe(Protocol):
    """Plain settings from which every worker builds the same job. It is pickled: no open files, no weights."""

    def resolved(self) -> "Recipe":
        """The same, with what depends on the machine decided; runs on the first worker, for all of them."""

    def build(self, between_segments: Callable[[], None]) -> WorkerJob:
        """The job, with its model loaded.

        Args:
            between_segments: to be called after every segment that was written; raises ``StoppedError``.

        Raises:
            VPScienceError: when this machine cannot do it: other software, no weights, settings that do not work.
        """

    def failed(self, item: Any, error: str) -> Any:
        """The result of a recording that no worker could finish."""


@dataclass(frozen=True)
class Run:
    """One run of a batch, as workers know it.

    Attributes:
        id: of the run, random.
        folder: of the run, absolute, beside the results; whoever does not see it does not share the file system.
        working_directory: of the program that runs the batch: relative paths mean the same on workers.
    """

    id: str
    folder: Path
    working_directory: Path


@dataclass(frozen=True)
class Ready:
    """A worker that was asked to get ready.

    Attributes:
        host: name of the machine.
        device: what it computes on.
        facts: of its job; empty where it could not get ready.
        error: why it cannot work; "" where it can.
    """

    host: str
    device: str = ""
    facts: Mapping[str, JSON] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a worker sends back for one recording.

    Attributes:
        result: None where the recording was stopped, or could not be begun.
        extras: what goes with it (see ``WorkerJob.outcome``).
        facts: see ``WorkerJob.facts``.
        warnings: what would have been shown on one machine.
        unseen: the path that this worker does not see; "" otherwise.
        stopped: the batch was told to stop.
    """

    result: Any = None
    extras: Any = None
    facts: Mapping[str, JSON] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    unseen: str = ""
    stopped: bool = False
