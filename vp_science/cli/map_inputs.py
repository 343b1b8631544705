"""What the verbs of ``vp-science map`` have in common: options, and how progress and clusters are shown."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vp_science.errors import MapError

if TYPE_CHECKING:
    from rich.table import Table

    from vp_science.maps.map import Map

_POINTS, _LAYOUT, _CLUSTERS = "What a point is", "Layout", "Clusters"

MapFile = Annotated[Path, typer.Argument(help="Map (map.h5).", show_default=False)]
OutMap = Annotated[Path, typer.Option("--out", "-o", help="Map to write (.h5).")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file of this name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _option(panel: str, help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=True)


UnitOption = Annotated[Literal["windows", "frames"], _option(_POINTS, "Vectors of windows or of frames.", "--unit")]
PoolOption = Annotated[float | None, _option(_POINTS, "Average consecutive spans of this many seconds.", "--pool")]
ContextOption = Annotated[int, _option(_POINTS, "Stack so many neighbours in time (odd).", "--context")]
ContextStepOption = Annotated[float, _option(_POINTS, "Seconds between stacked neighbours.", "--context-step")]
SpeedOption = Annotated[bool, _option(_POINTS, "Add how fast the embedding moves.", "--speed")]
MethodOption = Annotated[Literal["umap", "tsne", "pacmap", "pca"], _option(_LAYOUT, "How it is laid out.", "--method")]
NumPcaOption = Annotated[int, _option(_LAYOUT, "Principal components that are kept.", "--num-pca")]
UnitLengthOption = Annotated[bool, _option(_LAYOUT, "Compare directions of vectors only.", "--unit-length")]
CenterOption = Annotated[
    bool,
    _option(_LAYOUT, "Subtract its mean from every recording: cage and camera part them less.", "--center-recordings"),
]
NeighborsOption = Annotated[
    int | None, _option(_LAYOUT, "Neighbours of every point (umap, pacmap; 15).", "--num-neighbors")
]
MinDistOption = Annotated[float | None, _option(_LAYOUT, "How close points may lie (umap; 0.1).", "--min-dist")]
EpochsOption = Annotated[int | None, _option(_LAYOUT, "Turns of the layout (umap; 500 or 200).", "--num-epochs")]
PerplexityOption = Annotated[float | None, _option(_LAYOUT, "Perplexity (tsne; 30).", "--perplexity")]
FitPointsOption = Annotated[
    int, _option(_LAYOUT, "Lay out so many points that cover all; place the others among them.", "--fit-points")
]
SeedOption = Annotated[int, _option(_LAYOUT, "Of everything random.", "--seed")]
ClusterOption = Annotated[
    Literal["hdbscan", "kmeans", "none"], _option(_CLUSTERS, "How clusters are found.", "--cluster")
]
SpaceOption = Annotated[
    Literal["map", "pca"] | None,
    _option(_CLUSTERS, "Where: in the map (hdbscan) or among principal components (kmeans).", "--cluster-space"),
]
MinSizeOption = Annotated[
    int | None, _option(_CLUSTERS, "Points of the smallest cluster (hdbscan; 1 in 100).", "--min-cluster-size")
]
MinSamplesOption = Annotated[
    int | None, _option(_CLUSTERS, "How dense it must be (hdbscan; 10); more leaves more out.", "--min-samples")
]
NumClustersOption = Annotated[int | None, _option(_CLUSTERS, "Number of clusters (kmeans; 20).", "--num-clusters")]
StabilityOption = Annotated[
    int, _option(_CLUSTERS, "Times that clusters are looked for again in half of the points.", "--stability-repeats")
]


class StageBars:
    """Draws the stages of making a map; a context manager. ``report`` is a ``Progress``."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._plain = None if console.is_terminal else console
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[str, Any] = {}

    def report(self, stage: str, done: int, total: int) -> None:
        """How much of a stage is done; without a terminal, a line at its end."""
        if self._plain is not None:
            if done == total:
                self._plain.print(stage, highlight=False)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)

    def __enter__(self) -> "StageBars":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def parse_names(texts: list[str]) -> dict[int, str]:
    """``3=grooming`` as a cluster and its name.

    Raises:
        MapError: when one reads otherwise, or a cluster is there twice.
    """
    names: dict[int, str] = {}
    for text in texts:
        number, sign, name = text.partition("=")
        if not sign or not number.strip().isdecimal():
            raise MapError(
                f"expected names such as 3=grooming, found {text!r}: write the number of a cluster, =, a name"
            )
        if int(number) in names:
            raise MapError(f"expected one name for cluster {int(number)}, found two: leave one out")
        names[int(number)] = name
    return names


def summary(made: "Map") -> dict[str, Any]:
    """A map as plain JSON."""
    keys = ("map_settings", "point_settings", "versions", "explained_variance", "stability_ari")
    return {
        "id": made.id,
        "points": len(made),
        "recordings": list(made.recordings),
        "untrained": made.untrained,
        "no_cluster_share": float((made.cluster < 0).mean()),
        **{key: made.provenance.get(key) for key in keys},
        "clusters": cluster_rows(made),
    }


def cluster_rows(made: "Map") -> list[dict[str, Any]]:
    """The table of clusters, with the moment that stands for each."""
    rows = []
    for number, row in made.clusters.iterrows():
        at = int(row["medoid"])
        medoid = (
            f"{made.recordings[made.recording[at]]}@{made.start_s[at]:.3f}-{made.stop_s[at]:.3f}" if at >= 0 else None
        )
        stability = None if row["stability"] != row["stability"] else float(row["stability"])
        facts = {"cluster": number, "name": row["name"], "size": int(row["size"]), "seconds": float(row["seconds"])}
        rows.append(facts | {"stability": stability, "medoid": medoid})
    return rows


def cluster_table(made: "Map") -> "Table":
    """For people."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title_justify="left")
    for name, justify in (("cluster", "right"), ("name", "left"), ("points", "right"), ("seconds", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("stability", justify="right")
    table.add_column("typical moment", overflow="fold")
    for row in cluster_rows(made):
        stability = "" if row["stability"] is None else f"{row['stability']:.2f}"
        cells = (str(row["cluster"]), row["name"], f"{row['size']:,}", f"{row['seconds']:.1f}", stability)
        table.add_row(*map(Text, (*cells, row["medoid"] or "")))
    return table
