"""Workers as jobs of a Slurm cluster, through dask-jobqueue: one worker and one GPU a job."""

import difflib
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from vp_science.cluster.local import QUIET
from vp_science.cluster.place import Client, ClusterWatch, SlurmJobs
from vp_science.errors import ClusterError, SettingsError, require_extra

_KEEP_EVERY_S = 30.0


@dataclass(frozen=True)
class SlurmSettings:
    """What a settings file says; names are those of the TOML file.

    Attributes:
        workers: jobs, of one worker each.
        partition: of the cluster; "" takes the default of the site.
        account: that pays; "" takes the default of the site.
        gpus: per job, 0 or 1.
        gpu_type: as Slurm calls it, for example ``a100``; "" takes any.
        cores: processor cores per job: decoding and reading need some.
        memory: of the machine (not of the GPU) per job, for example ``"32GB"``.
        walltime: after which Slurm ends a job, ``"HH:MM:SS"``.
        interface: network interface on which workers reach the program that runs the batch, for example ``ib0``.
        python: interpreter on the nodes; "" takes the one that runs the batch.
        directives: more options of ``sbatch``, for example ``["--qos=long", "--exclude=node13"]``.
        prologue: shell lines before the worker starts, for example ``["module load cuda"]``.
        log_folder: for what jobs print; "" takes the current folder.
        scratch: fast folder on the nodes for Dask's own files; "" takes the current folder.
    """

    workers: int
    partition: str = ""
    account: str = ""
    gpus: int = 1
    gpu_type: str = ""
    cores: int = 4
    memory: str = "32GB"
    walltime: str = "24:00:00"
    interface: str = ""
    python: str = ""
    directives: list[str] = field(default_factory=list)
    prologue: list[str] = field(default_factory=list)
    log_folder: str = ""
    scratch: str = ""


def read_slurm_settings(path: Path) -> SlurmSettings:
    """Read the TOML file behind ``slurm:``.

    Raises:
        SettingsError: when it is no TOML, or a setting is unknown, missing or of another kind.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: expected settings for Slurm in TOML, found something else: {error}") from error
    kinds: dict[str, Any] = {one.name: one.type for one in fields(SlurmSettings)}
    for name, value in given.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(kinds)}"
            raise SettingsError(f"{path}: expected a setting of Slurm jobs, found {name!r}: {hint}")
        if not _is_a(value, kinds[name]):
            expected = {int: "a number", str: "a text"}.get(kinds[name], "a list of texts")
            raise SettingsError(f"{path}: {name}: expected {expected}, found {value!r}")
    if given.get("workers", 0) < 1:
        raise SettingsError(f"{path}: workers: expected how many jobs there shall be, from 1, found none")
    if given.get("gpus", 1) not in (0, 1):
        raise SettingsError(
            f"{path}: gpus: expected 0 or 1, as a worker uses one GPU, found {given['gpus']}: use workers"
        )
    return SlurmSettings(**given)


def _is_a(value: object, kind: Any) -> bool:
    if kind is int:
        return type(value) is int
    return isinstance(value, str) if kind is str else isinstance(value, list) and all(type(x) is str for x in value)


def job_options(settings: SlurmSettings) -> dict[str, Any]:
    """The same for ``dask_jobqueue.SLURMCluster``; what is not said is left to its own configuration."""
    gpu = f"gpu:{settings.gpu_type}:1" if settings.gpu_type else "gpu:1"
    options = {
        "queue": settings.partition,
        "account": settings.account,
        "interface": settings.interface,
        "python": settings.python,
        "log_directory": settings.log_folder,
        "local_directory": settings.scratch,
        "walltime": settings.walltime,
        "memory": settings.memory,
    }
    return {name: value for name, value in options.items() if value} | {
        "cores": settings.cores,
        "processes": 1,
        "job_extra_directives": [*([f"--gres={gpu}"] if settings.gpus else []), *settings.directives],
        "job_script_prologue": [*settings.prologue, *_exports()],
    }


def _exports() -> list[str]:
    return [f"export {name}={value}" for name, value in QUIET.items()]


def make_slurm_cluster(place: SlurmJobs) -> tuple[Any, int]:
    """The cluster, with no job submitted yet, and how many jobs there shall be.

    Raises:
        SettingsError: when nothing says how many, or settings do not work.
        ClusterError: when dask-jobqueue cannot make it.
        MissingExtraError: when dask-jobqueue is not installed (extra ``cluster``).
    """
    jobqueue = require_extra("dask_jobqueue", "cluster")
    import dask

    if place.settings is not None:
        settings = read_slurm_settings(place.settings)
        options, count = job_options(settings), settings.workers
    else:
        configured = dask.config.get("jobqueue.slurm", {})
        count = place.count or configured.get("workers") or 0
        before = configured.get("job-script-prologue") or []
        options = {"processes": 1, "job_script_prologue": [*before, *_exports()]}
    if type(count) is not int or count < 1:
        raise SettingsError(
            "cluster: expected how many jobs there shall be, found slurm alone: say slurm:8, name a TOML file "
            "(slurm:jobs.toml), or set jobqueue.slurm.workers in the configuration of dask-jobqueue"
        )
    try:
        return jobqueue.SLURMCluster(**options, scheduler_options={"dashboard": False}), count
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        raise ClusterError(
            f"cluster: expected settings with which jobs can be submitted, found that dask-jobqueue refuses: {error}. "
            "Say cores, memory and walltime in a TOML file (slurm:jobs.toml) or in its own configuration"
        ) from error


@contextmanager
def slurm_client(place: SlurmJobs, watch: ClusterWatch) -> Iterator[Client]:
    """A scheduler in this process, and jobs that connect to it; they are cancelled in the end.

    As many jobs as were asked for are kept: one that reaches its wall time is submitted anew.

    Raises:
        SettingsError: see ``make_slurm_cluster``.
        ClusterError: when jobs cannot be submitted.
    """
    import shutil

    from distributed import Client as Connect

    if shutil.which("sbatch") is None:
        raise ClusterError(
            "cluster: expected Slurm here, found no sbatch: run this on a login node of the cluster, or connect to a "
            "running scheduler (tcp://host:8786)"
        )
    cluster, count = make_slurm_cluster(place)
    with cluster, Connect(cluster, set_as_default=False) as client:
        watch.say(f"asking Slurm for {count} jobs; squeue --me shows them")
        with kept_at(cluster, count):
            yield client


@contextmanager
def kept_at(cluster: Any, count: int) -> Iterator[None]:
    """Submit so many jobs, and anew those that ended, for as long as the block runs.

    Dask forgets a job some seconds after its worker was lost; asking for the same number again submits another one.
    """
    ended = threading.Event()

    def keep() -> None:
        cluster.scale(jobs=count)
        while not ended.wait(_KEEP_EVERY_S):
            cluster.scale(jobs=count)

    keeper = threading.Thread(target=keep, name="vp_science-jobs", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
