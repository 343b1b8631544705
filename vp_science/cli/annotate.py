"""``vp-science annotate``: recordings and a probe to ethograms."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vp_science.cli.cluster_options import ClusterOption, RetriesOption, chosen_cluster, watched
from vp_science.cli.embed import EXIT_SOME_FAILED, print_failures, stop_cleanly
from vp_science.cli.options import DatasetOption, Inputs, OfflineOption, PrecisionOption, WeightsOption

if TYPE_CHECKING:
    from vp_science.annotating.estimate import Rates
    from vp_science.annotating.results import AnnotateResult


def annotate(
    inputs: Inputs,
    probe: Annotated[Path, typer.Option("--probe", "-p", help="The probe: a bundle from probe train.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("annotations"),
    tracks: Annotated[
        Path | None, typer.Option(help="Folder with embedding tracks that are there already (and folders below it).")
    ] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Write into HDF5 and NWB recordings themselves: one group is added.")
    ] = False,
    nwb: Annotated[bool, typer.Option("--nwb", help="Also write an NWB file per recording.")] = False,
    animals: Annotated[
        Path | None,
        typer.Option(
            help="With --nwb: table with a line per recording: animal, species, sex, age, session_start_time, ... "
            "The table of groups for probe evaluate will do, with these columns added.",
            metavar="FILE",
        ),
    ] = None,
    boris: Annotated[
        bool, typer.Option("--boris", help="Also add the predictions to OUT/predictions.boris, for review in BORIS.")
    ] = False,
    boris_project: Annotated[
        Path | None, typer.Option(help="Add the predictions to this BORIS project instead.", metavar="FILE")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Also write one bout table for all recordings.")] = False,
    shard: Annotated[
        str | None, typer.Option(help="Take one part of the recordings, 1/4 to 4/4: for job arrays.", metavar="I/N")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be done, with an estimate of time and disk.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results of other recordings and tracks of other settings.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Encoder; by default the one the probe was trained with.")
    ] = None,
    weights: WeightsOption = None,
    precision: PrecisionOption = "auto",
    offline: OfflineOption = False,
    dataset: DatasetOption = None,
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--range", help="Values shown as black and white, for 16-bit, float and depth pixels.", metavar="LO HI"
        ),
    ] = None,
    source_fps: Annotated[float | None, typer.Option(help="Frame rate of recordings that carry no times.")] = None,
    timestamps: Annotated[
        str | None, typer.Option(help="HDF5 dataset with the times of the frames, where it is not obvious.")
    ] = None,
    timestamps_unit: Annotated[
        Literal["s", "ms", "us", "ns"] | None, typer.Option(help="Unit of the times in an HDF5 file.")
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(
            help="For a probe that follows animals: pose files (a folder, a quoted pattern, or one file).",
            metavar="PATH",
        ),
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Also every ordered pair of animals.")] = False,
    cluster: ClusterOption = None,
    retries: RetriesOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line per recording.")] = False,
) -> None:
    """Annotate recordings with a probe: scores, states and bouts at every frame.

    INPUTS are videos, HDF5 or NWB files, TIFF stacks, folders, or quoted patterns ("day1/*.avi"). Recordings without
    an embedding track are embedded first, as the probe wants it. Results that are complete are skipped and interrupted
    ones are resumed: run the same command again.
    """
    from vp_science.annotating.estimate import Rates
    from vp_science.annotating.run import open_batch
    from vp_science.cli.annotate_progress import AnnotateBars
    from vp_science.cli.cluster_progress import AnnotateBarsOnCluster
    from vp_science.errors import SettingsError

    if boris and boris_project is not None:
        raise SettingsError("expected --boris or --boris-project, found both: give one of them")
    there = chosen_cluster(cluster, retries)
    with stop_cleanly(out), AnnotateBars() if there is None else AnnotateBarsOnCluster() as progress:
        if there is not None and isinstance(progress, AnnotateBarsOnCluster):
            there = watched(there, progress)
        batch = open_batch(
            inputs,
            probe,
            out=out,
            tracks=tracks,
            in_place=in_place,
            nwb=nwb,
            animals=animals,
            boris=boris_project if boris_project is not None else boris,
            csv=csv,
            shard=shard,
            overwrite=overwrite,
            model=model,
            weights=weights,
            precision=precision,
            offline=offline,
            dataset=dataset,
            value_range=value_range,
            source_fps=source_fps,
            timestamps=timestamps,
            timestamps_unit=timestamps_unit,
            poses=poses,
            pairs=pairs,
            cluster=there,
            progress=progress,
        )
        progress.say(f"probe {batch.job.probe.id}: {', '.join(batch.job.probe.behaviors_.names)}")
        for path, why in batch.job.tracks.unreadable.items():
            progress.say(f"not read {path}: {why}")
        rates: Rates | None = None
        if dry_run:
            results, rates = batch.estimate()
        else:
            results = batch.run()
    if as_json:
        for result in results:
            line = json.dumps(result.to_json(), ensure_ascii=False)
            typer.echo(line.encode("utf-8", "backslashreplace"))  # names that are not Unicode become JSON escapes
    elif rates is not None:
        _print_plan(results, rates)
    else:
        _print_report(batch.report, out)
    failed = [result for result in results if result.status == "failed"]
    if failed:
        print_failures([(result.recording_id, result.error) for result in failed], None if dry_run else out)
        raise typer.Exit(EXIT_SOME_FAILED)


def _print_plan(results: Sequence["AnnotateResult"], rates: "Rates") -> None:
    from rich.table import Table
    from rich.text import Text

    from vp_science.cli.progress import format_seconds

    table = Table(title="what would be done", title_justify="left")
    for name in ("recording", "action", "frames", "length", "time", "disk"):
        table.add_column(name, justify="left" if name in ("recording", "action") else "right", overflow="fold")
    for result in results:
        action = "refuse" if result.status == "failed" else result.action
        to_do = result.status == "planned"
        table.add_row(
            Text(result.recording_id),
            action,
            f"{result.num_frames:,}",
            format_seconds(result.duration_s),
            format_seconds(result.seconds) if to_do else "",
            format_bytes(result.new_bytes) if to_do else "",
        )
    planned = [result for result in results if result.status == "planned"]
    _console().print(table)
    lines = [
        f"{len(planned)} of {len(results)} recordings to do: about {format_seconds(sum(r.seconds for r in planned))} "
        f"and {format_bytes(sum(r.new_bytes for r in planned))}"
    ]
    if rates.embed_fps is not None:
        lines.append(f"embedding: {rates.embed_fps:,.3g} frames/s ({rates.source})")
    if rates.predict_fps is not None:
        lines.append(f"predicting: {rates.predict_fps:,.3g} frames/s (measured on the first track)")
    typer.echo("\n".join(lines))


def _print_report(report: Mapping[str, Any], out: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    counts = report["recordings"]
    done = counts["done"] + counts["skipped"]
    table = Table(title="bouts and time in all recordings that are annotated", title_justify="left")
    for name in ("behavior", "bouts", "total", "share of time"):
        table.add_column(name, justify="left" if name == "behavior" else "right", overflow="fold")
    for name, total in report["behaviors"].items():
        share = "" if total["share"] is None else f"{100 * total['share']:.2f} %"
        table.add_row(Text(name), f"{total['bouts']:,}", f"{total['total_s']:,.1f} s", share)
    if report["behaviors"]:
        _console().print(table)
    factor = report["realtime_factor"]
    speed = "" if factor is None else f", {factor:.3g}x real time"
    typer.echo(
        f"{done} of {counts['all']} recordings are annotated ({report['hours']:.3g} h); this run: {counts['done']} "
        f"done ({counts['embedded']} embedded), {counts['skipped']} skipped, {counts['failed']} failed{speed}; in {out}"
    )
    if report["untrained_encoder"]:
        typer.echo("UNTRAINED encoder: these results mean nothing beyond a test of the machinery", err=True)


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False)


def format_bytes(num_bytes: int) -> str:
    """``950 kB`` or ``1.2 GB``."""
    size = float(num_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
