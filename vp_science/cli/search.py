"""``vp-science search``: where else does this happen?"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vp_science.errors import SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from vp_science.points import PointSettings
    from vp_science.search.index import SearchIndex
    from vp_science.search.results import Results
    from vp_science.store.reader import Embeddings

_WHAT, _HOW, _OUT = "What to look for", "How to look", "What to do with the results"


def search(
    tracks: Annotated[
        list[str] | None,
        typer.Argument(
            help="Embedding files, folders of them, or quoted patterns; may be left out with a complete --index.",
            show_default=False,
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(
            "--like",
            "--yes",
            help='A moment that shows it: "recording@start-stop", in seconds or h:mm:ss; may be repeated.',
            rich_help_panel=_WHAT,
        ),
    ] = None,
    unlike: Annotated[
        list[str] | None,
        typer.Option(
            "--unlike",
            "--no",
            help="A moment that does not, although one might think so; may be repeated.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            "--text", help="A description, for tracks of videoprism-lvt-*; may be repeated.", rich_help_panel=_WHAT
        ),
    ] = None,
    vector: Annotated[
        Path | None,
        typer.Option(help="A .npy file with a vector in the space of the tracks.", rich_help_panel=_WHAT),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of the text model, where they are not the released ones.", rich_help_panel=_WHAT),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="SentencePiece file for texts instead of the released one.", rich_help_panel=_WHAT),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Never download a text model.", rich_help_panel=_WHAT)
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Number of results.", rich_help_panel=_HOW)] = 20,
    per_recording: Annotated[
        int | None, typer.Option(min=1, help="At most this many results of one recording.", rich_help_panel=_HOW)
    ] = None,
    min_score: Annotated[float | None, typer.Option(help="Leave out what scores less.", rich_help_panel=_HOW)] = None,
    merge_gap: Annotated[
        float | None,
        typer.Option(
            min=0, help="Seconds: what is no further apart is one event; by default one window.", rich_help_panel=_HOW
        ),
    ] = None,
    common: Annotated[
        Literal["all", "recording", "none"] | None,
        typer.Option(
            help="Compare what is special among all moments, or within each recording (arena and light then count "
            "less; for long recordings), or whole vectors. By default all, for texts none.",
            show_default=False,
            rich_help_panel=_HOW,
        ),
    ] = None,
    include_examples: Annotated[
        bool,
        typer.Option(
            "--include-examples",
            help="List the examples too, marked, instead of leaving them out.",
            rich_help_panel=_HOW,
        ),
    ] = False,
    unit: Annotated[
        Literal["windows", "frames"] | None,
        typer.Option(help="What a moment is; by default a window.", show_default=False, rich_help_panel=_HOW),
    ] = None,
    pool: Annotated[
        float | None, typer.Option(help="Average over spans of this many seconds.", rich_help_panel=_HOW)
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps what is searched, made once and used again until tracks change.", rich_help_panel=_HOW
        ),
    ] = None,
    suggest: Annotated[
        int | None,
        typer.Option(
            min=1, help="Also list this many moments whose answer (--yes, --no) would help most.", rich_help_panel=_OUT
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Write the results as bouts of the source model:<query>, for review; the ending tells the format.",
            rich_help_panel=_OUT,
        ),
    ] = None,
    behavior: Annotated[
        str | None, typer.Option(help="What the exported bouts are called; by default the text.", rich_help_panel=_OUT)
    ] = None,
    strips: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures: a strip for every result and a contact sheet.", rich_help_panel=_OUT),
    ] = None,
    recordings: Annotated[
        list[str] | None,
        typer.Option(help="Folder or pattern of the recordings, for --strips; may be repeated.", rich_help_panel=_OUT),
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(help="Folder of the pose files, so that strips show followed animals.", rich_help_panel=_OUT),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.", rich_help_panel=_OUT)] = False,
) -> None:
    """Find where something happens: like an example, a description or a vector.

    Results are suggestions. Nothing is labelled: --export writes bouts only when
    asked, and they count as labels only after somebody has looked at them.
    Answer with --yes and --no (the same as --like and --unlike) to sharpen the
    search; with eight examples on either side it becomes a classifier.

    [bold]What a text can do:[/bold] without training, the public video-text models name
    everyday human actions (69 % of the clips of Kinetics-400 with the base model,
    72 % with the large one), but only 11 to 18 % of fine actions of the kind of
    Something-Something v2, and in a study of capuchins such models could not rank
    the behaviors at all. Take a text as a first guess, then answer, or search by
    example.

    A model that was never trained finds nothing that means anything.
    """
    from vp_science.search.finding import find
    from vp_science.search.vector_file import read_vector

    if (weights or tokenizer or offline) and not text:
        raise SettingsError("expected --text with --weights, --tokenizer or --offline, found none: they are for texts")
    _check_options(tracks, index, export, behavior or ", ".join(text or []), behavior, strips, recordings, poses)
    with _opened(tracks) as opened:
        began = time.perf_counter()
        points = _points(unit, pool)
        searched = _index(opened, index, points)
        loaded_s = time.perf_counter() - began
        results = find(
            searched,
            like,
            unlike=unlike,
            text=text or None,
            vector=None if vector is None else read_vector(vector),
            limit=limit,
            per_recording=per_recording,
            min_score=min_score,
            merge_gap_s=merge_gap,
            include_examples=include_examples,
            common=common,
            points=points,
            weights=weights,
            tokenizer=tokenizer,
            offline=offline,
        )
        suggested = None if suggest is None else results.suggest(suggest)
        files = _write(results, opened, export, behavior or ", ".join(text or []), strips, recordings, poses)
    if as_json:
        asked = {} if suggested is None else {"suggested": suggested.to_dict("records")}
        written = {"files": [str(file) for file in files]} if files else {}
        typer.echo(json.dumps(results.to_json() | asked | written, ensure_ascii=False, indent=2))
        return
    _print(results, loaded_s)
    if suggested is not None:
        typer.echo("\nto ask next:")
        _print_table(suggested)
    for file in files:
        typer.echo(f"wrote {file}")


def _check_options(
    tracks: Sequence[str] | None,
    index: Path | None,
    export: Path | None,
    called: str,
    behavior: str | None,
    strips: Path | None,
    recordings: Sequence[str] | None,
    poses: Path | None,
) -> None:
    """Refuse what does not go together before any work."""
    if not tracks and (index is None or not index.exists()):
        raise SettingsError("expected tracks to search, found none: name embedding files, or a complete --index")
    if export is not None and not called:
        raise SettingsError("expected a name for the exported bouts, found none: give it with --behavior")
    if behavior is not None and export is None:
        raise SettingsError("expected --export for --behavior, found none: name the file to write")
    if (strips is None) != (recordings is None):
        given, missing = ("--strips", "--recordings") if recordings is None else ("--recordings", "--strips")
        raise SettingsError(f"expected {missing} with {given}, found none: pictures come from the recordings")
    if poses is not None and strips is None:
        raise SettingsError("expected --strips for --poses, found none: pose files only matter for pictures")
    if strips is not None and not tracks:
        raise SettingsError("expected tracks for --strips, found only an index: name the embedding files too")


@contextmanager
def _opened(tracks: Sequence[str] | None) -> "Iterator[list[Embeddings]]":
    from vp_science.probes.open_tracks import open_tracks

    if not tracks:
        yield []
        return
    with open_tracks(tracks) as opened:
        yield opened


def _points(unit: Literal["windows", "frames"] | None, pool: float | None) -> "PointSettings | None":
    """What was asked for; None leaves it to an index that is there."""
    from vp_science.points import PointSettings

    return None if unit is None and pool is None else PointSettings(unit=unit or "windows", pool_s=pool)


def _index(opened: "Sequence[Embeddings]", path: Path | None, points: "PointSettings | None") -> "SearchIndex":
    """The index of the tracks; made, or made again, where it is not of these tracks as they are now."""
    from vp_science.search.build import build_index
    from vp_science.search.index_file import open_index

    if not opened:
        assert path is not None
        return open_index(path)
    with _progress(path) as progress:
        return build_index(opened, path, points=points, progress=progress)


@contextmanager
def _progress(path: Path | None) -> "Iterator[Callable[[int, int], None]]":
    """A bar in a terminal, one line elsewhere; only where there is something to make."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True, highlight=False)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading tracks" if path is None else f"making {path.name}", total=None)
        said = False

        def advance(done: int, total: int) -> None:
            nonlocal said
            if path is not None and not said and not console.is_terminal:
                console.print(f"making {path}: {total} moments", markup=False, soft_wrap=True)
            said = True
            bar.update(task, completed=done, total=total)

        yield advance


def _write(
    results: "Results",
    opened: "Sequence[Embeddings]",
    export: Path | None,
    behavior: str,
    strips: Path | None,
    recordings: Sequence[str] | None,
    poses: Path | None,
) -> list[Path]:
    files: list[Path] = []
    if export is not None:
        from vp_science.annotations.formats import write_annotations
        from vp_science.probes.open_tracks import clock_of

        files += write_annotations(results.to_annotations(behavior), export, clock=clock_of(opened))
    if strips is not None and recordings is not None and len(results):
        from vp_science.pictures import PictureBook
        from vp_science.search.strips import save_strips

        names = {row.recording for row in results.to_pandas().itertuples()}
        names |= {results.track_name(example.recording) for example in results.query.like}
        found = [track for track in opened if track.recording_id in names]
        with PictureBook(list(recordings), found, poses=poses) as book:
            files.append(save_strips(results, book, strips)[0])
    return files


def _print(results: "Results", loaded_s: float) -> None:
    index = results.index
    typer.echo(f"looked for {results.query.describe()}")
    typer.echo(
        f"searched {index.seconds / 3600:.3g} h: {len(index):,} {index.settings.unit} of {len(index.recordings)} "
        f"tracks, in {results.seconds:.2g} s after {loaded_s:.2g} s of loading"
    )
    if index.untrained and not results.query.texts:  # of texts it has been said already
        typer.echo("warning: the model was never trained: this tries out the software and finds no behavior", err=True)
    if not len(results):
        typer.echo("found nothing: lower --min-score, or look for something else")
        return
    table = results.to_pandas()
    _print_table(table)
    typer.echo(f"scores are {'probabilities' if results.scorer.method == 'logistic' else 'cosines'} ({results.id})")
    new = [event for event, role in zip(results.events, table["example"], strict=True) if not role]
    if new:
        typer.echo(f'to search better, answer: --yes "{results.example_of(new[0])}", or --no')
    _print_hint(results)


def _print_hint(results: "Results") -> None:
    """Say so where all results come from the recording of the example: the background may be what was found."""
    own = {results.index.find_recording(example.recording) for example in results.query.like}
    found = {event.recording for event in results.events}
    if results.options.common == "all" and len(found) == 1 and found <= own and len(results.index.recordings) > 1:
        typer.echo(
            "all results are from the recording of the example: perhaps it is the scene that is alike. "
            "--common recording compares what is special within each recording, --per-recording spreads the results"
        )


def _print_table(rows: "pd.DataFrame") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    marked = bool((rows["example"] != "").any())
    for name in ("rank", "score", "recording", "start", "stop", *(("example",) if marked else ())):
        table.add_column(name, overflow="fold", justify="left" if name in ("recording", "example") else "right")
    long = bool(len(rows)) and float(rows["stop_s"].max()) >= 60
    for row in rows.itertuples(index=False):
        times = (_clock(row.start_s), _clock(row.stop_s)) if long else (f"{row.start_s:.3f}", f"{row.stop_s:.3f}")
        cells = (str(row.rank), f"{row.score:.4f}", row.recording, *times, *((row.example,) if marked else ()))
        table.add_row(*map(Text, cells))
    Console().print(table)


def _clock(seconds: float) -> str:
    sign, whole = "-" if seconds < 0 else "", round(abs(seconds) * 1000)
    minutes, rest = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds_text = f"{rest // 1000:02d}.{rest % 1000:03d}"
    return f"{sign}{hours}:{minutes:02d}:{seconds_text}" if hours else f"{sign}{minutes}:{seconds_text}"
