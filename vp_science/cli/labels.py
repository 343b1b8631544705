"""``vp-science labels``: convert, check and summarise annotations."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vp_science.cli.probe_inputs import label_files

if TYPE_CHECKING:
    from rich.table import Table

    from vp_science.annotations.checks import Problem
    from vp_science.annotations.clock import FrameClock

EXIT_ERROR = 1
_MOST_PROBLEMS = 50

app = typer.Typer(help="Convert, check and summarise annotations.", no_args_is_help=True, add_completion=False)

Files = Annotated[list[Path], typer.Argument(help="Annotation files.", show_default=False)]
FromOption = Annotated[
    str | None, typer.Option("--from", help='Format of the input, where it is not obvious; see "labels formats".')
]
FpsOption = Annotated[float | None, typer.Option(help="Frames per second, for formats that count frames.")]
RecordingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--recordings", help="Recordings (file, folder or pattern) for the times of their frames; repeatable."
    ),
]
RecordingOption = Annotated[
    str | None, typer.Option(help="Id of the recording, for files that hold one and do not say which.")
]
AnnotatorOption = Annotated[str, typer.Option(help="Who scored, where the file does not say.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def convert(
    files: Annotated[list[Path], typer.Argument(metavar="IN... OUT", help="Files to read, then the one to write.")],
    from_format: FromOption = None,
    to_format: Annotated[
        str | None, typer.Option("--to", help="Format of the output; by default the ending tells it.")
    ] = None,
    fps: FpsOption = None,
    recordings: RecordingsOption = None,
    recording: RecordingOption = None,
    annotator: AnnotatorOption = "",
    subject: Annotated[str | None, typer.Option(help="Take only this subject.")] = None,
    source: Annotated[
        Literal["manual", "model", "curated"] | None, typer.Option(help="Take only bouts of this source.")
    ] = None,
    drop: Annotated[
        str, typer.Option(help="Leave out on purpose what a format cannot hold: target,modifiers,comment,score.")
    ] = "",
    all_scored: Annotated[
        bool, typer.Option("--all-scored", help="Take whole recordings as scored (needs --recordings).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Convert annotations from one format to another; several inputs are joined.

    OUT is a folder for formats of one recording per file. An existing BORIS project is added to, never replaced.
    """
    from vp_science.annotations import prepare
    from vp_science.annotations.formats import read_annotations, write_annotations
    from vp_science.errors import SettingsError

    if len(files) < 2:
        raise SettingsError(f"expected files to read and one to write, found {len(files)}: give IN... OUT")
    *inputs, out = files
    if out.resolve() in {path.resolve() for path in inputs}:
        raise SettingsError(f"expected another name for the output, found the input {out}: inputs are never changed")
    clock, media = _recordings(recordings, fps)
    annotations = read_annotations(inputs, from_format, clock=clock, recording=recording, annotator=annotator)
    if source is not None:
        annotations = annotations.select(sources=[source])
    if subject is not None:
        annotations = prepare.only_subject(annotations, subject)
    annotations = prepare.without(annotations, [name.strip() for name in drop.split(",") if name.strip()])
    if all_scored:
        annotations = prepare.all_scored(annotations, clock)
    written = write_annotations(annotations, out, to_format, clock=clock, media=media)
    if as_json:
        _print_json({"files": [str(path) for path in written], "bouts": len(annotations.bouts)})
        return
    typer.echo(repr(annotations))
    for path in written:
        typer.echo(f"wrote {path}")


@app.command()
def check(
    files: Files,
    from_format: FromOption = None,
    fps: FpsOption = None,
    recordings: RecordingsOption = None,
    recording: RecordingOption = None,
    behaviors: Annotated[str | None, typer.Option(help="Names that are allowed, separated by commas.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for contradictions in annotations, and count what is there.

    Errors (exit code 1): unreadable files, overlaps of a behavior with itself or in an exclusive set, unknown
    behaviors, bouts beyond the recording. Warnings (exit code 0): bouts outside the scored time or shorter than a
    frame, recordings without scored time.
    """
    from vp_science.annotations.checks import allowed_names, check_annotations, summarise
    from vp_science.annotations.formats import read_annotations
    from vp_science.errors import AnnotationError

    clock, _ = _recordings(recordings, fps)
    reports: list[dict[str, Any]] = []
    for path in [path for text in files for path in label_files(str(text))]:
        try:
            annotations = read_annotations(path, from_format, clock=clock, recording=recording)
        except AnnotationError as error:
            reports.append({"file": str(path), "error": str(error), "problems": [], "behaviors": []})
            continue
        problems = check_annotations(annotations, clock=clock, behaviors=allowed_names(behaviors))
        reports.append({"file": str(path), "error": None, "problems": problems, "behaviors": summarise(annotations)})
    failed = any(report["error"] or any(p.severity == "error" for p in report["problems"]) for report in reports)
    if as_json:
        _print_json([{**report, "problems": [p.to_json() for p in report["problems"]]} for report in reports])
    else:
        for report in reports:
            _print_report(report)
    if failed:
        raise typer.Exit(EXIT_ERROR)


@app.command()
def summary(
    files: Files,
    from_format: FromOption = None,
    fps: FpsOption = None,
    recordings: RecordingsOption = None,
    recording: RecordingOption = None,
    by: Annotated[
        Literal["recording", "subject"] | None, typer.Option(help="One row per group, instead of all together.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print bouts, time, and share of the observed time of every behavior."""
    from vp_science.annotations.checks import summarise
    from vp_science.annotations.formats import read_annotations

    clock, _ = _recordings(recordings, fps)
    paths = [path for text in files for path in label_files(str(text))]
    annotations = read_annotations(paths, from_format, clock=clock, recording=recording)
    rows = summarise(annotations, by)
    if as_json:
        _print_json(rows)
        return
    typer.echo(repr(annotations))
    _console().print(_summary_table(rows))


@app.command()
def formats(as_json: JsonOption = False) -> None:
    """List the formats."""
    from vp_science.annotations.formats import FORMATS

    if as_json:
        _print_json([{"name": e.name, "title": e.title, "endings": list(e.endings)} for e in FORMATS])
        return
    for entry in FORMATS:
        typer.echo(f"{entry.name:<18} {entry.title:<40} {', '.join(entry.endings)}")


def _recordings(names: list[str] | None, fps: float | None) -> "tuple[FrameClock, dict[str, str]]":
    """Times and paths of the recordings, by their ids; a clock with a rate only where none are given.

    A recording that cannot be read is named, and does not keep the others from being used.
    """
    from vp_science.annotations.clock import FrameClock

    if not names:
        return FrameClock(fps), {}
    from vp_science.batch import find_inputs
    from vp_science.errors import VPScienceError
    from vp_science.video.open import open_recording

    times, media = {}, {}
    for item in find_inputs(names):
        try:
            with open_recording(item.path, source_fps=fps, recording_id=item.recording_id) as opened:
                times[item.recording_id] = opened.time_s
        except VPScienceError as error:
            typer.echo(f"not read, its times are not known: {error}", err=True)
            continue
        media[item.recording_id] = str(item.path.resolve())
    return FrameClock(fps, times), media


def _print_json(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace"))


def _print_report(report: dict[str, Any]) -> None:
    console = _console()
    problems: list[Problem] = report["problems"]
    errors = sum(problem.severity == "error" for problem in problems)
    unreadable = int(report["error"] is not None)
    typer.echo(f"{report['file']}: {errors + unreadable} errors, {len(problems) - errors} warnings")
    if report["error"]:
        typer.echo(f"error: {report['error']}")
        return
    if problems:
        console.print(_problem_table(problems[:_MOST_PROBLEMS]))
    if len(problems) > _MOST_PROBLEMS:
        typer.echo(f"... and {len(problems) - _MOST_PROBLEMS} more (--json lists all)")
    console.print(_summary_table(report["behaviors"]))


def _problem_table(problems: "list[Problem]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=False)
    for name in ("", "recording", "subject", "behavior", "at (s)", "what"):
        table.add_column(name, overflow="fold", justify="right" if name.endswith("(s)") else "left")
    for problem in problems:
        at = "" if problem.start_s != problem.start_s else f"{problem.start_s:.3f}"
        cells = (problem.severity, problem.recording, problem.subject, problem.behavior, at, problem.message)
        table.add_row(*map(Text, cells))
    return table


def _summary_table(rows: list[dict[str, Any]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    group = [name for name in ("recording", "subject") if rows and name in rows[0]]
    table = Table()
    for name in (*group, "behavior"):
        table.add_column(name, overflow="fold")
    for name in ("bouts", "total s", "mean s", "median s", "share", "per min"):
        table.add_column(name, justify="right")
    for row in rows:
        numbers = [_number(row[name]) for name in ("total_s", "mean_s", "median_s")]
        share = "" if row["share"] is None else f"{100 * row['share']:.1f} %"
        cells = [*(row[name] for name in group), row["behavior"], str(row["bouts"]), *numbers, share]
        table.add_row(*map(Text, [*cells, _number(row["per_minute"])]))
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _console() -> Any:
    from rich.console import Console

    return Console()
