"""``vp-science map``: what is in these recordings, what is this cloud."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from vp_science.cli.map_inputs import (
    CenterOption,
    ClusterOption,
    ContextOption,
    ContextStepOption,
    EpochsOption,
    FitPointsOption,
    JsonOption,
    MapFile,
    MethodOption,
    MinDistOption,
    MinSamplesOption,
    MinSizeOption,
    NeighborsOption,
    NumClustersOption,
    NumPcaOption,
    OutMap,
    Overwrite,
    PerplexityOption,
    PoolOption,
    SeedOption,
    SpaceOption,
    SpeedOption,
    StabilityOption,
    StageBars,
    UnitLengthOption,
    UnitOption,
    cluster_rows,
    cluster_table,
    parse_names,
    summary,
)
from vp_science.cli.probe_inputs import FormatOption, FpsOption, Tracks

app = typer.Typer(
    name="map",
    help="Map recordings: points that are alike lie together, clusters can be looked at, named and exported.",
    no_args_is_help=True,
)


@app.command("make")
def make(
    tracks: Tracks,
    out: OutMap = Path("map.h5"),
    unit: UnitOption = "windows",
    pool: PoolOption = None,
    context: ContextOption = 1,
    context_step: ContextStepOption = 0.5,
    speed: SpeedOption = False,
    method: MethodOption = "umap",
    num_pca: NumPcaOption = 50,
    unit_length: UnitLengthOption = False,
    center_recordings: CenterOption = False,
    num_neighbors: NeighborsOption = None,
    min_dist: MinDistOption = None,
    num_epochs: EpochsOption = None,
    perplexity: PerplexityOption = None,
    fit_points: FitPointsOption = 50_000,
    seed: SeedOption = 0,
    cluster: ClusterOption = "hdbscan",
    cluster_space: SpaceOption = None,
    min_cluster_size: MinSizeOption = None,
    min_samples: MinSamplesOption = None,
    num_clusters: NumClustersOption = None,
    stability_repeats: StabilityOption = 4,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Also draw the map here (.png, .svg, .pdf), colored by cluster.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: JsonOption = False,
) -> None:
    """Make a map of embedded recordings: principal components, a layout in two dimensions, clusters."""
    from vp_science.errors import MapError
    from vp_science.maps.make import make_map
    from vp_science.maps.map_file import save_map
    from vp_science.points import PointSettings
    from vp_science.probes.open_tracks import open_tracks

    if out.exists() and not overwrite:  # before the work, not after it
        raise MapError(f"expected no file at {out}, found one: choose another name, or overwrite it (--overwrite)")
    if picture is not None:
        from vp_science.plots.saving import check_ending

        check_ending(picture)
    points = PointSettings(unit, pool, context, context_step, speed)
    with open_tracks(tracks) as opened, StageBars() as bars:
        made = make_map(
            opened,
            settings=points,
            method=method,
            num_pca=num_pca,
            cluster=None if cluster == "none" else cluster,
            seed=seed,
            fit_points=fit_points,
            progress=bars.report,
            unit_length=unit_length,
            center_recordings=center_recordings,
            num_neighbors=num_neighbors,
            min_dist=min_dist,
            num_epochs=num_epochs,
            perplexity=perplexity,
            cluster_space=cluster_space,
            min_cluster_size=min_cluster_size,
            min_samples=min_samples,
            num_clusters=num_clusters,
            stability_repeats=stability_repeats,
        )
    save_map(made, out, overwrite=overwrite)
    if picture is not None:
        _draw(made, picture)
    _print_map(made, out, as_json)


@app.command("add")
def add(
    map_file: MapFile,
    tracks: Tracks,
    out: Annotated[Path, typer.Option("--out", "-o", help="Map to write (.h5), with the old and new recordings.")],
    only_new: Annotated[bool, typer.Option("--only-new", help="Write the new recordings only.")] = False,
    overwrite: Overwrite = False,
    as_json: JsonOption = False,
) -> None:
    """Place other recordings in a map, and give them its clusters; the layout stays as it is.

    UMAP places them itself. For t-SNE and PaCMAP, which cannot, a new point lies at the median of its 10 nearest ones.
    """
    from vp_science.maps.edit import join_maps
    from vp_science.maps.map_file import open_map, save_map
    from vp_science.probes.open_tracks import open_tracks

    made = open_map(map_file)
    with open_tracks(tracks) as opened, StageBars() as bars:
        placed = made.transform(opened, bars.report)
    both = placed if only_new else join_maps(made, placed)
    save_map(both, out, overwrite=overwrite)
    _print_map(both, out, as_json)


@app.command("clusters")
def clusters(map_file: MapFile, as_json: JsonOption = False) -> None:
    """Print the clusters of a map: size, time, stability, typical moment.

    Stability says how well a cluster comes back when the map is made again from half of its points: below 0.6 it is
    hardly a pattern, above 0.85 highly stable.
    """
    from vp_science.maps.map_file import open_map

    made = open_map(map_file)
    if as_json:
        _print_json(summary(made))
        return
    typer.echo(repr(made))
    _console().print(cluster_table(made))


@app.command("relate")
def relate_verb(
    map_file: MapFile,
    labels: Annotated[
        list[str], typer.Option("--labels", "-l", help="File with labels, or a quoted pattern; may be repeated.")
    ],
    format: FormatOption = None,
    fps: FpsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the clusters with labels, in time that was observed."""
    from vp_science.annotations.clock import FrameClock
    from vp_science.annotations.formats import read_annotations
    from vp_science.cli.probe_inputs import label_files
    from vp_science.maps.map_file import open_map
    from vp_science.maps.relation import relate

    made = open_map(map_file)
    paths = [path for text in labels for path in label_files(text)]
    relation = relate(made, read_annotations(paths, format, clock=FrameClock(fps)))
    if as_json:
        _print_json(relation.to_json())
        return
    from vp_science.cli.map_relation import print_relation

    print_relation(made, relation)


@app.command("name")
def name(
    map_file: MapFile,
    names: Annotated[
        list[str], typer.Argument(help="Names of clusters, such as 3=grooming 5=rest; 3= takes one away.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write another map instead of changing the names in this one.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: JsonOption = False,
) -> None:
    """Name clusters. Several may have one name: they are then one behavior."""
    from vp_science.maps.edit import rename_clusters
    from vp_science.maps.map_file import open_map, save_map

    renamed = rename_clusters(open_map(map_file), parse_names(names))
    save_map(renamed, out or map_file, overwrite=overwrite or out is None)
    if as_json:
        _print_json({"map": str(out or map_file), "clusters": cluster_rows(renamed)})
        return
    _console().print(cluster_table(renamed))
    typer.echo(f"written to {out or map_file}")


@app.command("bouts")
def bouts(
    map_file: MapFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Labels to write; the ending tells the format.")],
    to_format: Annotated[str | None, typer.Option("--to", help="Format, where the ending does not tell it.")] = None,
    unnamed: Annotated[bool, typer.Option("--unnamed", help="Clusters without a name as well.")] = False,
    fill_gap: Annotated[float, typer.Option(min=0, help="Join bouts that are at most so many seconds apart.")] = 0.0,
    min_bout: Annotated[float, typer.Option(min=0, help="Drop shorter bouts, in seconds.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Write the bouts of named clusters as annotations with source "model:<map>".

    They are proposals: nothing counts as a label before a person has looked at it.
    """
    from vp_science.annotations.formats import write_annotations
    from vp_science.maps.bouts import cluster_bouts
    from vp_science.maps.map_file import open_map

    found = cluster_bouts(open_map(map_file), unnamed=unnamed, fill_gap_s=fill_gap, min_bout_s=min_bout)
    written = write_annotations(found, out, to_format)
    if as_json:
        counts = {name: int((found.bouts["behavior"] == name).sum()) for name in found.behaviors.names}
        _print_json({"files": [str(path) for path in written], "bouts": counts})
        return
    typer.echo(repr(found))
    for path in written:
        typer.echo(f"wrote {path}")


RecordingsOption = Annotated[
    list[str], typer.Option("--recordings", "-r", help="Recordings of the tracks: folder, pattern or file; repeatable.")
]
TracksOption = Annotated[
    list[str], typer.Option("--tracks", "-t", help="Tracks of the map: folder, pattern or file; repeatable.")
]
PosesOption = Annotated[
    Path | None, typer.Option("--poses", help="Folder of pose files, to cut out animals that were followed.")
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder for a file per cluster.")]
OnlyOption = Annotated[list[int] | None, typer.Option("--cluster", help="Only this cluster; may be repeated.")]


@app.command("sheets")
def sheets(
    map_file: MapFile,
    tracks: TracksOption,
    recordings: RecordingsOption,
    out: OutFolder,
    only: OnlyOption = None,
    count: Annotated[int, typer.Option(min=1, max=400, help="Moments per cluster.")] = 12,
    poses: PosesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a contact sheet per cluster: strips of typical and varied moments, so that a person can name it."""
    from vp_science.cli.map_pictures import draw_clusters

    _say_written(draw_clusters(map_file, tracks, recordings, out, only, count, poses, "sheet"), as_json)


@app.command("montage")
def montage(
    map_file: MapFile,
    tracks: TracksOption,
    recordings: RecordingsOption,
    out: OutFolder,
    only: OnlyOption = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="Moments per cluster.")] = 12,
    poses: PosesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a looping video (.mp4) per cluster: many moments side by side, so that a person can name it."""
    from vp_science.cli.map_pictures import draw_clusters

    _say_written(draw_clusters(map_file, tracks, recordings, out, only, count, poses, "montage"), as_json)


def _draw(made: Any, picture: Path) -> None:
    from vp_science.plots import embedding_map, save

    save(embedding_map(made), picture)


def _print_map(made: Any, path: Path, as_json: bool) -> None:
    if as_json:
        _print_json(summary(made) | {"path": str(path)})
        return
    typer.echo(repr(made))
    if len(made.clusters):
        _console().print(cluster_table(made))
    typer.echo(f"written to {path}")


def _say_written(paths: list[Path], as_json: bool) -> None:
    if as_json:
        _print_json({"files": [str(path) for path in paths]})
        return
    for path in paths:
        typer.echo(f"wrote {path}")


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace"))


def _console() -> Any:
    from rich.console import Console

    return Console()
