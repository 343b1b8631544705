"""``vp-science demo``: all of it on the recording that ships with the package, ending in a page to look at."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vp_science.cli.options import PrecisionOption

if TYPE_CHECKING:
    from vp_science.cli.demo_report import DemoResults
    from vp_science.maps.map import Map
    from vp_science.store.reader import Embeddings

_FPS = 5.0


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("vp-science-demo"),
    model: Annotated[str, typer.Option("--model", "-m", help="Name of the encoder.")] = "videoprism-lvt-tiny",
    precision: PrecisionOption = "auto",
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> None:
    """Embed, compare, map, cluster and label a real recording of a courting fruit fly (it ships with the package).

    Ends with report.html, a page that holds everything and needs no network. About a minute on two cores.
    """
    from vp_science.checkpoints.load import load_encoder
    from vp_science.cli.info import describe_encoder
    from vp_science.cli.progress import BatchProgress
    from vp_science.embedding.run import embed
    from vp_science.samples import sample_recording
    from vp_science.store.reader import open_embeddings

    encoder = load_encoder(model, precision=precision)
    with BatchProgress() as progress:
        progress.console.print(describe_encoder(encoder), markup=False, soft_wrap=True)
        [result] = embed(sample_recording(), encoder, out=out, fps=_FPS, progress=progress)
    assert result.output is not None
    with open_embeddings(result.output) as track:
        typer.echo(f"embeddings  {result.output}  ({track.grid_size} frames x {track.dim} numbers)")
        page = _make_page(track, out)
    if open_page:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            typer.echo("no browser was found: open the page by hand", err=True)


def _make_page(track: "Embeddings", out: Path) -> Path:
    from vp_science.cli.demo_overview import draw_overview
    from vp_science.cli.demo_report import write_demo_report
    from vp_science.pictures import PictureBook
    from vp_science.samples import sample_recording

    results = _work(track, out)
    with PictureBook(sample_recording(), [track]) as book:
        picture = draw_overview(results, book, out / f"{track.recording_id}.png")
        typer.echo(f"picture     {picture}")
        page = write_demo_report(results, book, out / "report.html")
    for name in ("map", "labels"):
        typer.echo(f"{name:<12}{results.files[name]}")
    typer.echo(f"page        {page}   (open it in a browser: --open does)")
    typer.echo('your own    vp-science embed "my_videos/*.mp4" --out embeddings   (vp-science embed --help)')
    return page


def _work(track: "Embeddings", out: Path) -> "DemoResults":
    """Evaluate a probe and make a map, and keep what the next steps on the page need."""
    from vp_science.annotations.formats import write_annotations
    from vp_science.cli.demo_report import NUM_BLOCKS, NUM_CLUSTERS, DemoResults
    from vp_science.maps import make_map
    from vp_science.probes.evaluate import evaluate_probe
    from vp_science.probes.probe import Probe
    from vp_science.samples import sample_annotations, sample_recording

    labels = sample_annotations()
    typer.echo(f"a probe     on {NUM_BLOCKS} blocks of time, beside baselines", err=True)
    evaluation = evaluate_probe(
        Probe("logistic"), [track], labels, folds="time-blocks", num_blocks=NUM_BLOCKS, allow_leakage=True,
        recordings=sample_recording(), baselines=("majority", "pixels"),
    )  # fmt: skip
    typer.echo("a map       of all windows (compiling UMAP takes a while)", err=True)
    made = make_map([track], cluster="kmeans", num_clusters=NUM_CLUSTERS)
    files = {"embeddings": track.path, "recording": sample_recording(), "map": out / f"{track.recording_id}.map.h5"}
    files["labels"] = out / f"{track.recording_id}.labels.csv"
    if not files["labels"].exists():
        write_annotations(labels, files["labels"])
    return DemoResults(track, labels, evaluation, _keep_map(made, files["map"]), files)


def _keep_map(made: "Map", path: Path) -> "Map":
    """Write the map; where the same one is there already, names of clusters that somebody gave stay."""
    from vp_science.errors import MapError
    from vp_science.maps import open_map, save_map

    if not path.exists():
        save_map(made, path)
        return made
    before = open_map(path)
    if before.id != made.id:
        raise MapError(
            f"expected {path} to be the map of an earlier demo ({made.id}), found another one ({before.id}): move it "
            "away, or choose another folder (--out)"
        )
    return before
