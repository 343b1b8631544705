"""Where a batch runs: the words behind ``--cluster``, and what they mean."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vp_science.errors import SettingsError

if TYPE_CHECKING:
    from distributed import Client as Client
else:  # annotations are read at run time, where Dask need not be installed
    Client = Any

_ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://\S+:\d+")
_CHOICES = (
    "local:4 (four workers on this machine), tcp://host:8786 (a running scheduler), scheduler.json (its file), "
    "slurm:4 or slurm:FILE.toml"
)


@dataclass(frozen=True)
class LocalWorkers:
    """Processes on this machine.

    Attributes:
        count: how many; None takes one for every GPU.
    """

    count: int | None


@dataclass(frozen=True)
class SchedulerAddress:
    """A scheduler that runs already, for example ``tcp://10.0.0.5:8786``."""

    address: str


@dataclass(frozen=True)
class SchedulerFile:
    """The file in which a running scheduler wrote where it is (``dask scheduler --scheduler-file``)."""

    path: Path


@dataclass(frozen=True)
class SlurmJobs:
    """Jobs of a Slurm cluster, one worker each.

    Attributes:
        count: how many; None where a file says it.
        settings: a TOML file; None takes the configuration of dask-jobqueue.
    """

    count: int | None = None
    settings: Path | None = None


Place = LocalWorkers | SchedulerAddress | SchedulerFile | SlurmJobs


@runtime_checkable
class ClusterWatch(Protocol):
    """What a run on a cluster tells while it goes on."""

    def begin(self, total: int) -> None:
        """So many recordings will be worked on."""

    def workers(self, count: int) -> None:
        """So many workers are ready now."""

    def say(self, line: str) -> None:
        """Something a person should know: a worker came, or was lost."""


@dataclass(frozen=True, eq=False)
class Cluster:
    """How a batch runs on many machines.

    Attributes:
        where: what ``--cluster`` takes (``"local:4"``, ``"tcp://host:8786"``, ``"scheduler.json"``, ``"slurm:4"``,
            ``"slurm:jobs.toml"``), or a ``distributed.Client`` that is connected already.
        retries: how often a recording is tried again after its worker died.
        watch: is told how it goes; None prints to stderr what a person should know.
    """

    where: str | Path | Client
    retries: int = 2
    watch: ClusterWatch | None = None

    def __post_init__(self) -> None:
        if type(self.retries) is not int or self.retries < 0:
            raise SettingsError(f"retries: expected 0 or more, found {self.retries}: 2 tries a recording three times")
        if isinstance(self.where, str | Path):
            read_place(self.where)


ClusterLike = Cluster | str | Path | Client
"""What functions of the public API take."""


def as_cluster(given: ClusterLike) -> Cluster:
    """What a caller gave, as ``Cluster``.

    Raises:
        SettingsError: when it names no place.
    """
    return given if isinstance(given, Cluster) else Cluster(given)


def read_place(text: str | Path) -> Place:
    """What ``--cluster`` means.

    Raises:
        SettingsError: when it means nothing, listing what would.
    """
    given = str(text).strip()
    head, colon, rest = given.partition(":")
    if head == "local":
        return LocalWorkers(None if not colon else _count(rest, given))
    if head == "slurm":
        return _slurm(rest, given)
    if _ADDRESS.fullmatch(given):
        return SchedulerAddress(given)
    if given.endswith(".json"):
        path = Path(given)
        if not path.is_file():
            raise SettingsError(
                f"cluster: expected the file of a running scheduler, found none at {path}: start one with "
                f'"dask scheduler --scheduler-file {path}"'
            )
        return SchedulerFile(path)
    raise SettingsError(f"cluster: expected one of {_CHOICES}, found {given!r}")


def _slurm(rest: str, given: str) -> SlurmJobs:
    if not rest:
        return SlurmJobs()
    if rest.isdecimal():
        return SlurmJobs(_count(rest, given))
    path = Path(rest)
    if not path.is_file():
        raise SettingsError(
            f"cluster: expected a number of jobs or a TOML file behind slurm:, found {rest!r}: check it"
        )
    return SlurmJobs(settings=path)


def _count(text: str, given: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"cluster: expected a number of workers from 1, as in local:4, found {given!r}")
    return int(text)


def is_client(given: Any) -> bool:
    """Whether it is a client of Dask; decided by its class, so that nothing is imported."""
    return any(kind.__module__.startswith("distributed.") and kind.__name__ == "Client" for kind in type(given).__mro__)
