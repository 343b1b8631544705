"""``vp-science plot``: figures of labels, predictions, maps, tracks, evaluations and trainings."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vp_science.cli.plot_inputs import (
    BehaviorsOption,
    Evaluated,
    Files,
    FormatOption,
    FpsOption,
    OutOption,
    TitleOption,
    names_of,
    read_evaluated,
    read_inputs,
    split_names,
    write,
)
from vp_science.errors import FigureError

app = typer.Typer(
    name="plot",
    help="Draw figures: ethograms, maps, similarity, evaluations, time budgets, transitions, trainings.",
    no_args_is_help=True,
)

RecordingsOption = Annotated[
    list[str] | None, typer.Option("--recordings", "-r", help="Recordings (file, folder, pattern) for the pictures.")
]
PosesOption = Annotated[Path | None, typer.Option("--poses", help="Pose file or folder, for followed animals.")]


@app.command("ethogram")
def ethogram(
    files: Files,
    out: OutOption,
    predictions: Annotated[
        list[str] | None, typer.Option("--below", help="Files to draw below the others, such as another annotator's.")
    ] = None,
    behaviors: BehaviorsOption = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this recording, in this order; may be repeated.")
    ] = None,
    since_start: Annotated[
        bool | None,
        typer.Option(
            "--since-start/--clock",
            help="Count time from the start of each recording.",
            show_default="if clocks differ",
        ),
    ] = None,
    title: TitleOption = "",
    format: FormatOption = None,
    fps: FpsOption = None,
) -> None:
    """Draw when each behavior happens: labels above, predictions below them with their scores, unknown time hatched.

    Which files are labels and which are predictions is read from them: .ethogram.h5 files and bouts whose source is a
    model are predictions.
    """
    from vp_science.plots.raster import ethogram as draw
    from vp_science.plots.saving import check_ending
    from vp_science.timeline.annotations import Annotations
    from vp_science.timeline.ethogram import Ethogram

    check_ending(out)
    above = read_inputs(files, format, fps)
    upper: Annotations | list[Ethogram] | None = above.labels
    lower = above.predictions
    note = above.note
    if predictions:
        below = read_inputs(predictions, format, fps)
        upper, lower = above.one(), below.one()
        note = note or below.note
    chosen = split_names(behaviors, names_of(upper, lower))
    axes = draw(upper, lower, behaviors=chosen, recordings=only, since_start=since_start, title=title, note=note)
    write(axes, out)


@app.command("map")
def draw_map(
    map_file: Annotated[Path, typer.Argument(metavar="MAP", help="Map (map.h5).", show_default=False)],
    out: OutOption,
    color: Annotated[
        Literal["cluster", "behavior", "time", "recording", "score"], typer.Option("--color", "-c", help="Color by.")
    ] = "cluster",
    labels: Annotated[
        list[str] | None, typer.Option("--labels", "-l", help="Labels, to color by behavior; may be repeated.")
    ] = None,
    scores: Annotated[
        list[str] | None, typer.Option("--scores", help=".ethogram.h5 files, to color by score; may be repeated.")
    ] = None,
    behavior: Annotated[str | None, typer.Option("--behavior", help="Whose score.")] = None,
    recordings: RecordingsOption = None,
    tracks: Annotated[
        list[str] | None, typer.Option("--tracks", "-t", help="Tracks of the map, for pictures of its clusters.")
    ] = None,
    poses: PosesOption = None,
    title: TitleOption = "",
    format: FormatOption = None,
    fps: FpsOption = None,
) -> None:
    """Draw a map of moments; with --recordings and --tracks with a picture of the typical moment of every cluster."""
    from vp_science.maps import open_map
    from vp_science.pictures import PictureBook
    from vp_science.plots.map_pictures import medoid_pictures
    from vp_science.plots.saving import check_ending
    from vp_science.plots.scatter import embedding_map
    from vp_science.probes.open_tracks import open_tracks

    check_ending(out)
    if (recordings is None) != (tracks is None):
        raise FigureError("expected --recordings and --tracks together, for pictures, found one: give both or neither")
    made = open_map(map_file)
    marked = read_inputs(labels, format, fps).labels if labels else None
    scored = read_inputs(scores, format, fps).ethograms if scores else None
    pictures = {}
    if recordings is not None and tracks is not None:
        with open_tracks(tracks) as opened:
            mine = [track for track in opened if track.recording_id in made.recordings]
            with PictureBook(recordings, mine, poses=poses) as book:
                pictures = medoid_pictures(made, book)
    axes = embedding_map(made, color, labels=marked, scores=scored, behavior=behavior, thumbnails=pictures, title=title)
    write(axes, out)


@app.command("similarity")
def similarity(
    track: Annotated[Path, typer.Argument(help="Embedding file (.embeddings.h5).", show_default=False)],
    out: OutOption,
    recordings: RecordingsOption = None,
    frames: Annotated[int, typer.Option("--frames", min=1, max=40, help="Frames in the strip.")] = 10,
    poses: PosesOption = None,
    title: TitleOption = "",
) -> None:
    """Draw which moments of a recording look alike; with --recordings with a strip of frames over it."""
    from vp_science.pictures import PictureBook
    from vp_science.plots.saving import check_ending
    from vp_science.plots.similarity import self_similarity, strip_times
    from vp_science.store.reader import open_embeddings

    check_ending(out)
    with open_embeddings(track) as opened:
        strip = []
        if recordings:
            with PictureBook(recordings, [opened], poses=poses) as book:
                strip = [book.frame(opened.recording_id, time_s, 160) for time_s in strip_times(opened, frames)]
        write(self_similarity(opened, frames=strip, title=title or opened.recording_id), out)


@app.command("confusion")
def confusion(
    inputs: Evaluated, out: OutOption, title: TitleOption = "", format: FormatOption = None, fps: FpsOption = None
) -> None:
    """Draw what each behavior is taken for."""
    from vp_science.plots.matrices import confusion as draw
    from vp_science.plots.saving import check_ending

    check_ending(out)
    write(draw(read_evaluated(inputs, format, fps), title=title), out)


@app.command("precision-recall")
def precision_recall(
    inputs: Evaluated,
    out: OutOption,
    behavior: Annotated[
        str | None, typer.Option("--behavior", help="One behavior: then beside the baselines of an evaluation.")
    ] = None,
    behaviors: BehaviorsOption = None,
    title: TitleOption = "",
    format: FormatOption = None,
    fps: FpsOption = None,
) -> None:
    """Draw precision against recall at every threshold.

    From evaluation.json the curves of recordings that the probe never saw. From labels and ethograms: look that the
    probe was not trained on these recordings, or the curves are too good.
    """
    from vp_science.plots.curves import precision_recall as draw
    from vp_science.plots.saving import check_ending

    check_ending(out)
    figures = read_evaluated(inputs, format, fps)
    chosen = split_names(behaviors, figures.behaviors.names)
    write(draw(figures, behavior, behaviors=chosen, title=title or behavior or ""), out)


@app.command("reliability")
def reliability(
    inputs: Evaluated, out: OutOption, title: TitleOption = "", format: FormatOption = None, fps: FpsOption = None
) -> None:
    """Draw whether scores are probabilities: how often a behavior happens where it gets a certain score."""
    from vp_science.plots.curves import reliability as draw
    from vp_science.plots.saving import check_ending

    check_ending(out)
    write(draw(read_evaluated(inputs, format, fps), title=title), out)


@app.command("budget")
def budget(
    files: Files,
    out: OutOption,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Table (CSV) with the columns recording, and animal or groups of animals."),
    ] = None,
    group_by: Annotated[
        str | None, typer.Option("--group-by", help="Column of the table whose groups stand side by side.")
    ] = None,
    behaviors: BehaviorsOption = None,
    title: TitleOption = "",
    format: FormatOption = None,
    fps: FpsOption = None,
) -> None:
    """Draw the share of observed time per behavior, with 95 % intervals over animals.

    An animal is a named subject; where bouts name nobody it is what the table says, or else the recording.
    """
    from vp_science.plots.budgets import time_budget
    from vp_science.plots.saving import check_ending
    from vp_science.probes.groups import read_recordings_table

    check_ending(out)
    read = read_inputs(files, format, fps)
    source = read.one()
    about = None if table is None else read_recordings_table(table)
    chosen = split_names(behaviors, names_of(source))
    axes = time_budget(source, about, group_by=group_by, behaviors=chosen, title=title)
    write(axes, out)


@app.command("transitions")
def transitions(
    files: Files,
    out: OutOption,
    show: Annotated[Literal["probabilities", "counts"], typer.Option("--show", help="What arrows show.")] = (
        "probabilities"
    ),
    threshold: Annotated[
        float | None, typer.Option("--threshold", min=0, help="Leave out arrows below (0.05, or 1 for counts).")
    ] = None,
    behaviors: BehaviorsOption = None,
    title: TitleOption = "",
    format: FormatOption = None,
    fps: FpsOption = None,
) -> None:
    """Draw which behavior follows which."""
    from vp_science.plots.graph import transitions as draw
    from vp_science.plots.saving import check_ending

    check_ending(out)
    source = read_inputs(files, format, fps).one()
    chosen = split_names(behaviors, names_of(source))
    write(draw(source, show=show, threshold=threshold, behaviors=chosen, title=title), out)


@app.command("training")
def training(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs, or their metrics.jsonl; several are compared.", show_default=False),
    ],
    out: OutOption,
    metrics: Annotated[
        list[str] | None, typer.Option("--metrics", "-m", help="Only these figures, in this order; comma-separated.")
    ] = None,
    smooth: Annotated[
        int | None,
        typer.Option("--smooth", min=1, help="Lines of a running mean; 1 for none.", show_default="a fortieth of them"),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Logarithmic axes.")] = False,
    title: TitleOption = "",
) -> None:
    """Draw loss, accuracy and other figures of a training against its steps, also while it runs."""
    from vp_science.plots.saving import check_ending
    from vp_science.plots.training import name_runs, read_metrics, training_curves

    check_ending(out)
    read = {name: read_metrics(run) for name, run in name_runs(runs).items()}
    names = list(dict.fromkeys(name for run in read.values() for name in run.columns))
    write(training_curves(read, split_names(metrics, names), smooth=smooth, log=log, title=title), out)
