"""What the verbs of ``vp-science probe`` have in common: options, and how tracks, labels and settings are read."""

import glob
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vp_science.errors import ProbeError

if TYPE_CHECKING:
    from vp_science.probes.probe import Probe
    from vp_science.store.reader import Embeddings
    from vp_science.store.tables import EmbeddingTable
    from vp_science.timeline.annotations import Annotations
    from vp_science.timeline.postprocess import PostProcess

_LEARNING, _LABELS, _RULES = "How it learns", "Labels", "From scores to bouts"

Tracks = Annotated[
    list[str], typer.Argument(help="Embedding files, folders of them, or quoted patterns.", show_default=False)
]
TracksOrRecordings = Annotated[
    list[str],
    typer.Argument(
        help="Embedding files, folders of them, or quoted patterns; with a fine-tuned probe, recordings.",
        show_default=False,
    ),
]
OwnModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="With a fine-tuned probe: the encoder that it stands on, where it is not found by name."
    ),
]
LabelsOption = Annotated[
    list[str],
    typer.Option(
        "--labels", "-l", help="File with labels, or a quoted pattern; may be repeated.", rich_help_panel=_LABELS
    ),
]
FormatOption = Annotated[
    str | None, typer.Option("--format", help="Format of the labels, where it is not obvious.", rich_help_panel=_LABELS)
]
FpsOption = Annotated[
    float | None,
    typer.Option(
        help="Frames per second, for labels that count frames of recordings embedded at another rate.",
        rich_help_panel=_LABELS,
    ),
]
BehaviorsOption = Annotated[
    list[str] | None,
    typer.Option("--behaviors", help="Only these, separated by commas; may be repeated.", rich_help_panel=_LABELS),
]
ExclusiveOption = Annotated[
    bool | None,
    typer.Option(
        "--exclusive/--multi-label",
        help="One behavior at a time, or several; by default what the labels say.",
        show_default=False,
        rich_help_panel=_LABELS,
    ),
]
HeadOption = Annotated[
    Literal["logistic", "knn", "prototype", "attentive", "temporal"],
    typer.Option("--head", help="Kind of readout; knn and prototype need only a handful of examples."),
]


def _learning(help: str, *names: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_LEARNING, show_default=False)


LossOption = Annotated[
    Literal["cross-entropy", "focal", "eql"],
    typer.Option("--loss", help="Loss (attentive, temporal).", rich_help_panel=_LEARNING),
]
WeightingOption = Annotated[
    Literal["sqrt", "none"],
    typer.Option(
        "--weighting",
        help="Weight rare behaviors by the root of their inverse frequency, or not.",
        rich_help_panel=_LEARNING,
    ),
]
SmoothingOption = Annotated[
    float,
    typer.Option(
        "--label-smoothing",
        help="Share of a label given to the others (attentive, temporal).",
        rich_help_panel=_LEARNING,
    ),
]
ValidationOption = Annotated[
    list[str] | None,
    _learning("Recording that only chooses thresholds and when to stop; may be repeated.", "--validation"),
]
TuneOption = Annotated[
    bool,
    typer.Option(
        "--tune-postprocess",
        help="Choose smoothing, gaps and shortest bouts by cross-validation over the training recordings.",
        rich_help_panel=_RULES,
    ),
]
MedianOption = Annotated[
    float, typer.Option("--median", min=0, help="Running median of the scores, in seconds.", rich_help_panel=_RULES)
]
FillGapOption = Annotated[
    float, typer.Option("--fill-gap", min=0, help="Fill gaps of at most this, in seconds.", rich_help_panel=_RULES)
]
MinBoutOption = Annotated[
    float, typer.Option("--min-bout", min=0, help="Drop bouts shorter than this, in seconds.", rich_help_panel=_RULES)
]
FeaturesOption = Annotated[
    Literal["mean", "mean+std"] | None, _learning("What a window becomes (logistic, knn, prototype).", "--features")
]
RegularizationOption = Annotated[float | None, _learning("Inverse of the penalty (logistic).", "--regularization")]
NeighborsOption = Annotated[int | None, _learning("Neighbours that vote (knn).", "--num-neighbors")]
WidthOption = Annotated[int | None, _learning("Hidden width (attentive, temporal).", "--width")]
DropoutOption = Annotated[float | None, _learning("Dropout (attentive, temporal).", "--dropout")]
RateOption = Annotated[float | None, _learning("Learning rate (attentive, temporal).", "--learning-rate")]
DecayOption = Annotated[float | None, _learning("Weight decay (attentive, temporal).", "--weight-decay")]
EpochsOption = Annotated[int | None, _learning("Epochs at most (attentive, temporal).", "--epochs")]
BatchOption = Annotated[int | None, _learning("Examples per step (attentive, temporal).", "--batch-size")]
PatienceOption = Annotated[
    int | None, _learning("Epochs without progress before it stops (attentive, temporal).", "--patience")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Of everything random.", rich_help_panel=_LEARNING)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def make_rules(tune: bool, median_s: float, fill_gap_s: float, min_bout_s: float) -> "PostProcess | str | None":
    """The rules from scores to states that the options ask for.

    Raises:
        ProbeError: when rules are given and shall be chosen as well.
    """
    from vp_science.timeline.postprocess import PostProcess

    given = bool(median_s or fill_gap_s or min_bout_s)
    if tune and given:
        raise ProbeError(
            "expected --tune-postprocess or rules (--median, --fill-gap, --min-bout), found both: leave one out"
        )
    if tune:
        return "tune"
    return PostProcess(median_s=median_s, fill_gap_s=fill_gap_s, min_bout_s=min_bout_s) if given else None


def make_probe(head: str, rules: "PostProcess | str | None", settings: dict[str, Any]) -> "Probe":
    """A probe that is not fitted yet."""
    from vp_science.probes.probe import Probe

    return Probe(head, postprocess=rules, **settings)


def read_labels(
    files: Sequence[str],
    tracks: "Sequence[EmbeddingTable]",
    *,
    format: str | None,
    fps: float | None,
    behaviors: Sequence[str] | None,
    exclusive: bool | None,
) -> "Annotations":
    """Labels of all files as one, with the behaviors that were asked for."""
    from vp_science.annotations.formats import read_annotations
    from vp_science.probes.open_tracks import choose_behaviors, clock_of

    paths = [path for text in files for path in label_files(text)]
    labels = read_annotations(paths, format, clock=clock_of(tracks, fps), exclusive=exclusive)
    return labels.select(behaviors=choose_behaviors(behaviors, labels.behaviors.names)) if behaviors else labels


def label_files(text: str) -> list[Path]:
    """The files that a name or pattern means."""
    if Path(text).exists() or not glob.has_magic(text):
        return [Path(text)]
    # Our own bout tables have their observed intervals and catalogue beside them.
    found = [Path(name) for name in sorted(glob.glob(text, recursive=True))]
    found = [path for path in found if not path.name.endswith((".observed.csv", ".behaviors.json")) and path.is_file()]
    if not found:
        raise ProbeError(f'the pattern "{text}" matches no file: expected labels')
    return found


@contextmanager
def open_tracks_for(
    probe: "Probe", inputs: Sequence[str], out: Path, base: Mapping[str, Any]
) -> "Iterator[list[Embeddings]]":
    """The tracks that a bundle reads, open; of recordings, a fine-tuned one makes them first.

    Args:
        probe: fitted.
        inputs: tracks, or recordings.
        out: folder in which tracks that are made are kept.
        base: options about the encoder that a fine-tuned probe stands on.
    """
    from vp_science.probes.fine_tuned import own_model
    from vp_science.probes.open_tracks import open_tracks

    if own_model(probe) is None:
        refuse_model_options(base)
        with open_tracks(inputs) as opened:
            yield opened
        return
    from vp_science.annotating.encoder_for import EncoderFor
    from vp_science.annotating.own_tracks import own_tracks
    from vp_science.cli.embed import stop_cleanly
    from vp_science.cli.progress import BatchProgress

    with stop_cleanly(out), BatchProgress() as progress:
        paths = own_tracks(inputs, EncoderFor.of(probe, **base), probe, out, progress)
    with open_tracks(paths) as opened:
        yield opened


def refuse_model_options(base: Mapping[str, Any]) -> None:
    """Refuse options about an encoder where none is used.

    Raises:
        ProbeError: naming the first one.
    """
    usual = {"model": None, "weights": None, "precision": "auto", "offline": False}
    if given := [name for name, value in base.items() if value != usual[name]]:
        raise ProbeError(
            f"--{given[0]} is about the encoder of a fine-tuned probe, and tracks are given here: leave it out"
        )


def refuse_training_options(verb: Callable[..., None], options: Mapping[str, Any]) -> None:
    """Refuse options about training where a bundle is measured as it is.

    Args:
        verb: what was called; knows the usual values.
        options: the values that it was called with.

    Raises:
        ProbeError: naming them.
    """
    used = {"tracks", "labels", "out", "bundle", "format", "fps", "allow_leakage", "as_json"}
    used |= {"model", "weights", "precision", "offline"}
    usual = {name: parameter.default for name, parameter in inspect.signature(verb).parameters.items()}
    given = [name for name in usual if name not in used and options[name] != usual[name]]
    if odd := [f"--{name.replace('_', '-')}" for name in given]:
        raise ProbeError(f"--probe measures a bundle as it is, and {', '.join(odd)} would train another: leave it out")


def say_unmatched(labels: "Annotations", tracks: "Sequence[EmbeddingTable]") -> None:
    """Name labelled recordings without a track, and tracks without labels: nothing is left out without a word."""
    from vp_science.timeline.names import listed, match_names

    names = match_names(labels.recordings, [track.bout_recording for track in tracks])
    if bare := [track.recording_id for track, name in zip(tracks, names, strict=True) if not name]:
        typer.echo(f"tracks without labels, left out: {listed(bare)}", err=True)
    if unused := [name for name in labels.recordings if name not in names]:
        typer.echo(f"labelled recordings without a track, left out: {listed(unused)}", err=True)
