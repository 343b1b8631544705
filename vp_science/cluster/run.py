"""One run of a batch on a cluster: the folder that all machines see, the connection, and the results."""

import secrets
import shutil
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vp_science.cluster.connect import connected
from vp_science.cluster.dispatch import Dispatcher
from vp_science.cluster.place import Cluster
from vp_science.cluster.recipe import Outcome, Recipe, Run
from vp_science.errors import ClusterError


@contextmanager
def cluster_run(out: Path) -> Iterator[Run]:
    """A folder in the output folder for what workers read; it is gone when the run ends.

    Args:
        out: the output folder; made where it is missing.

    Raises:
        ClusterError: when it cannot be written.
    """
    name = secrets.token_hex(8)
    folder = out.absolute() / f".vp-science-cluster-{name}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ClusterError(
            f"cannot write {folder} ({error.strerror}): expected a folder that you may write to, and that workers see"
        ) from error
    try:
        yield Run(name, folder, Path.cwd())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_on_cluster(
    run: Run, items: Sequence[Any], recipe: Recipe, cluster: Cluster
) -> Generator[tuple[int, Outcome], None, None]:
    """Position and outcome of every item, as they are finished.

    Args:
        run: from ``cluster_run``.
        items: the recordings; they are pickled, so files and no open recordings.
        recipe: from which workers build the job.
        cluster: where.

    Raises:
        ClusterError: when the cluster cannot be had, or no worker can work on this batch.
        MissingExtraError: when Dask is not installed (extra ``cluster``).
    """
    watch = cluster.watch or _Plain()
    with connected(cluster.where, watch) as client:
        watch.begin(len(items))
        yield from Dispatcher(client, run, recipe, items, cluster.retries, watch).results()


class _Plain:
    """Prints to stderr what a person should know."""

    def begin(self, total: int) -> None:
        """Nothing to say."""

    def workers(self, count: int) -> None:
        """Nothing to say."""

    def say(self, line: str) -> None:
        """Print it."""
        print(line, file=sys.stderr, flush=True)
