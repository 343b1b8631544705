"""Workers on this machine: a process each, and a GPU each where there are GPUs."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from vp_science.cluster.place import Client, ClusterWatch
from vp_science.errors import ClusterError, SettingsError

_START_S = 120
_END_S = 10.0

QUIET = {
    "DASK_LOGGING__DISTRIBUTED": "error",
    # JAX takes most of a GPU's memory, and pages of files count as memory: Dask would pause or kill for it.
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False",
}
"""Environment of workers that we start."""


@contextmanager
def local_client(count: int | None, watch: ClusterWatch) -> Iterator[Client]:
    """A scheduler in this process, which only this machine can reach, and worker processes.

    Every worker has a watcher that starts it anew when it dies. Workers are sessions of their own, so that Ctrl-C
    reaches the program that runs the batch and not them.

    Args:
        count: how many; None takes one for every GPU.
        watch: is told what is started.

    Raises:
        SettingsError: when there are more workers than GPUs, or no number and no GPU.
        ClusterError: when workers do not start.
    """
    import logging

    from distributed import Client as Connect
    from distributed import LocalCluster

    gpus = visible_gpus()
    number = workers_for(count, gpus)
    watch.say(f"starting {number} workers on this machine{', one per GPU' if gpus else ''}")
    with (
        LocalCluster(
            n_workers=0,
            processes=False,
            protocol="tcp",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        ) as cluster,
        Connect(cluster, set_as_default=False) as client,
        tempfile.TemporaryDirectory(prefix="vp-science-workers-", ignore_cleanup_errors=True) as scratch,
        _processes(cluster.scheduler_address, number, gpus, scratch),
    ):
        try:
            client.wait_for_workers(1, timeout=_START_S)
        except TimeoutError as error:
            raise ClusterError(
                f"expected {number} worker processes, found none after {_START_S} s: run with fewer (local:1), and "
                "look at what they print above"
            ) from error
        yield client


def workers_for(count: int | None, gpus: Sequence[str]) -> int:
    """How many workers start.

    Raises:
        SettingsError: when there are more workers than GPUs, or no number and no GPU.
    """
    if count is None and not gpus:
        raise SettingsError(
            "cluster: expected a number of workers on a machine without a GPU, found local: use local:2"
        )
    if gpus and count is not None and count > len(gpus):
        raise SettingsError(
            f"cluster: expected at most {len(gpus)} workers on this machine, one per GPU, found local:{count}: two "
            f"models on one GPU would fight for its memory; use local:{len(gpus)}"
        )
    return len(gpus) if count is None else count


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES would call the GPUs of this machine, found without touching them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        asked = subprocess.run(
            [tool, "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in asked.stdout.splitlines() if line.strip().isdecimal()]


@contextmanager
def _processes(address: str, number: int, gpus: Sequence[str], scratch: str) -> Iterator[None]:
    options = ["--nthreads", "1", "--nworkers", "1", "--memory-limit", "0", "--no-dashboard", "--death-timeout", "60"]
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, *options, "--local-directory", scratch]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for position in range(number):
            gpu = {"CUDA_VISIBLE_DEVICES": gpus[position]} if gpus else {}
            environment = {**os.environ, **QUIET, **gpu}
            started.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True))
        yield
    finally:
        _end(started)


def _end(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Ask the watchers to end, then end whatever is left of their sessions."""
    for process in processes:
        process.terminate()
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
