"""A client that is connected to the scheduler that was asked for; what was started for it ends with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vp_science.cluster.place import (
    Client,
    ClusterWatch,
    LocalWorkers,
    SchedulerAddress,
    SchedulerFile,
    SlurmJobs,
    is_client,
    read_place,
)
from vp_science.errors import ClusterError, SettingsError, require_extra

_TIMEOUT_S = 15


@contextmanager
def connected(where: str | Path | Client, watch: ClusterWatch) -> Iterator[Client]:
    """Connect, and start workers where that was asked for.

    Args:
        where: see ``Cluster.where``.
        watch: is told what is started.

    Raises:
        ClusterError: when there is no scheduler, or workers cannot be started.
        SettingsError: when the place makes no sense.
        MissingExtraError: when Dask is not installed (extra ``cluster``).
    """
    require_extra("distributed", "cluster")
    if is_client(where):
        yield _usable(where)
        return
    if not isinstance(where, str | Path):
        raise SettingsError(f"cluster: expected a place in words or a distributed.Client, found {type(where).__name__}")
    place = read_place(where)
    if isinstance(place, LocalWorkers):
        from vp_science.cluster.local import local_client

        with local_client(place.count, watch) as client:
            yield client
    elif isinstance(place, SlurmJobs):
        from vp_science.cluster.slurm import slurm_client

        with slurm_client(place, watch) as client:
            yield client
    else:
        with _running(place) as client:
            yield client


@contextmanager
def _running(place: SchedulerAddress | SchedulerFile) -> Iterator[Client]:
    from distributed import Client as Connect

    if isinstance(place, SchedulerAddress):
        named, options = place.address, {"address": place.address}
    else:
        named, options = f"the place in {place.path}", {"scheduler_file": str(place.path)}
    try:
        client = Connect(**options, timeout=_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError, KeyError, TimeoutError) as error:
        raise ClusterError(
            f"cluster: expected a running scheduler at {named}, found none that answers within {_TIMEOUT_S} s: start "
            'one ("dask scheduler"), or check the address and the firewall'
        ) from error
    try:
        yield client
    finally:
        client.close()


def _usable(client: Any) -> Client:
    if client.asynchronous or client.status != "running":
        state = "an asynchronous one" if client.asynchronous else f"one that is {client.status}"
        raise SettingsError(f"cluster: expected a connected, synchronous distributed.Client, found {state}")
    connected_client: Client = client
    return connected_client
