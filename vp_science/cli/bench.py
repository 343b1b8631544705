"""``vp-science bench``: a published protocol in one command."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vp_science.cli.options import ModelOption, OfflineOption, PrecisionOption, WeightsOption

if TYPE_CHECKING:
    from vp_science.bench.protocol import Protocol
    from vp_science.bench.report import BenchReport


def bench(
    name: Annotated[
        str, typer.Argument(help="calms21, fly-vs-fly, kabr, crim13 or chimpact.", metavar="NAME", show_default=False)
    ],
    data: Annotated[
        Path | None, typer.Option("--data", help="The unpacked download; without it the protocol is printed.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for tracks, probe and report; bench-NAME by default.")
    ] = None,
    model: ModelOption = "videoprism-base",
    weights: WeightsOption = None,
    precision: PrecisionOption = "auto",
    split: Annotated[
        Path | None, typer.Option(help="Table with the columns recording and split (train, val, test).")
    ] = None,
    view: Annotated[Literal["side", "top"] | None, typer.Option(help="CRIM13: which camera; top by default.")] = None,
    max_recordings: Annotated[
        int | None, typer.Option(help="At most so many recordings of every split: a quick look, NOT comparable.")
    ] = None,
    stride: Annotated[int | None, typer.Option(help="Frames between the starts of clips.")] = None,
    spatial_pool: Annotated[int | None, typer.Option(help="Store k x k vectors per frame: 1, 2, 4, 8 or 16.")] = None,
    train_every: Annotated[
        int | None, typer.Option(help="Every how many frames of a training recording are examples.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the frames, a multiple of 18 pixels.")] = None,
    head: Annotated[
        str | None, typer.Option(help="Another head, with its defaults: logistic, knn, prototype or temporal.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training examples, at most.")] = None,
    width: Annotated[int | None, typer.Option(help="Hidden width of the head: 32 to 768, a multiple of 32.")] = None,
    length_tolerance: Annotated[
        int, typer.Option(help="Frames by which labels and recording may differ in length.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the head.")] = 0,
    offline: OfflineOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report (or the protocol) as JSON.")] = False,
) -> None:
    """Reproduce a published protocol: embed, train the head, test, and stand beside the published numbers.

    Everything that is done otherwise than published, by these options or because it is not known, stands in the
    report, and the number is then marked as not comparable. Interrupted runs go on where they stopped.
    """
    from vp_science.bench.registry import find_dataset

    protocol = find_dataset(name).protocol
    if data is None:
        _print_protocol(protocol, as_json)
        return
    from vp_science.bench.changes import Changes
    from vp_science.bench.run import run_bench
    from vp_science.checkpoints.load import load_encoder
    from vp_science.cli.embed import stop_cleanly
    from vp_science.cli.info import describe_encoder
    from vp_science.cli.progress import BatchProgress

    folder = out or Path(f"bench-{name}")
    changes = Changes(max_recordings, stride, spatial_pool, train_every, size, head, epochs, width, length_tolerance)
    encoder = load_encoder(model, weights, precision, offline=offline)
    with stop_cleanly(folder), BatchProgress() as progress:
        progress.console.print(describe_encoder(encoder), markup=False, soft_wrap=True)
        report = run_bench(
            name, data, encoder, out=folder, split=split, view=view, changes=changes, seed=seed, progress=progress
        )
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False, default=str))
    else:
        _print_report(report, folder)


def _print_protocol(protocol: "Protocol", as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        typer.echo(json.dumps(asdict(protocol), indent=2, ensure_ascii=False))
        return
    lines = [f"{protocol.title}: {protocol.metric}", "", protocol.citation]
    lines += [f"Data: {protocol.url}; {protocol.licence}", "", "--data must hold:"]
    lines += [f"  {line}" for line in protocol.layout]
    lines += ["", f"Split: {protocol.split_source}", "", "As published:"]
    lines += [f"  {text}" for text in protocol.as_published]
    lines += ["", "Not as published:"]
    lines += [f"  {text}" for text in protocol.differs]
    lines += ["", "Published (%):"]
    lines += [f"  {row.value:5.1f}  {row.method} ({row.source})" for row in protocol.published]
    typer.echo("\n".join(lines))


def _print_report(report: "BenchReport", folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    title = f"{report.protocol.title} {report.view}".strip()
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    table.add_column("method", overflow="fold")
    table.add_column(f"{report.protocol.metric} (%)", justify="right", no_wrap=True)
    table.add_column("source", overflow="fold")
    for method, value, source in report.rows():
        table.add_row(Text(method), f"{value:.1f}", Text(source), style="bold" if method == report.ours else None)
    Console().print(table)
    if report.untrained:
        typer.echo("The encoder is untrained: this number tests the machinery and nothing else.")
    if report.deviations:
        typer.echo("NOT comparable with the published numbers:")
        for reason in report.deviations:
            typer.echo(f"  {reason}")
    typer.echo(f"report, probe and tracks: {folder}")
