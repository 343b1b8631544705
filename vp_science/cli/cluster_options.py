"""Options about running on many machines, which ``embed`` and ``annotate`` share."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vp_science.cluster.place import Cluster, ClusterWatch

_PANEL = "Many machines"

ClusterOption = Annotated[
    str | None,
    typer.Option(
        help="Run on workers: local:4 (processes on this machine, a GPU each), tcp://HOST:PORT or scheduler.json (a "
        "running Dask scheduler), slurm:8 or slurm:FILE.toml (jobs).",
        metavar="WHERE",
        rich_help_panel=_PANEL,
    ),
]
RetriesOption = Annotated[
    int | None,
    typer.Option(
        help="How often a recording is tried again after its worker died; 2 by default.",
        min=0,
        rich_help_panel=_PANEL,
    ),
]


def chosen_cluster(where: str | None, retries: int | None) -> "Cluster | None":
    """What the options say; None for this machine alone.

    Raises:
        SettingsError: when they name no place, or retries come without one.
    """
    from vp_science.cluster.place import Cluster
    from vp_science.errors import SettingsError

    if where is None:
        if retries is not None:
            raise SettingsError("expected --cluster with --retries, found --retries alone: say where workers are")
        return None
    return Cluster(where) if retries is None else Cluster(where, retries)


def watched(cluster: "Cluster", watch: "ClusterWatch") -> "Cluster":
    """The same cluster, which tells how it goes."""
    from dataclasses import replace

    return replace(cluster, watch=watch)
