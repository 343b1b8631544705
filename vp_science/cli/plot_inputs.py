"""What the verbs of ``vp-science plot`` have in common: options, and how their files are read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vp_science.errors import FigureError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vp_science.probes.evaluation_file import EvaluationFigures
    from vp_science.timeline.annotations import Annotations
    from vp_science.timeline.ethogram import Ethogram

Files = Annotated[
    list[str],
    typer.Argument(help="Labels of any format, .ethogram.h5 files, folders of them, or patterns.", show_default=False),
]
Evaluated = Annotated[
    list[str],
    typer.Argument(
        help="evaluation.json (or its folder) of probe evaluate; or labels and .ethogram.h5 files.", show_default=False
    ),
]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Figure to write: .png, .svg or .pdf.")]
TitleOption = Annotated[str, typer.Option("--title", help="Headline.")]
BehaviorsOption = Annotated[
    list[str] | None, typer.Option("--behaviors", "-b", help="Only these, in this order; comma-separated.")
]
FormatOption = Annotated[str | None, typer.Option("--format", help="Format of the labels, where it is not obvious.")]
FpsOption = Annotated[float | None, typer.Option(help="Frames per second, for labels that count frames.")]

_HDF5 = (".h5", ".hdf5", ".hdf", ".he5")


@dataclass
class Inputs:
    """What the files hold.

    Attributes:
        labels: what people marked; None when no file has any.
        found: bouts that a model found, as a table; None when no file has any.
        ethograms: what a model said of every frame.
        untrained: whether one of these models read an untrained encoder.
    """

    labels: "Annotations | None" = None
    found: "Annotations | None" = None
    ethograms: "list[Ethogram]" = field(default_factory=list)
    untrained: bool = False

    @property
    def note(self) -> str:
        """What must be said about the model."""
        return "predictions from an untrained encoder: its weights are random numbers" if self.untrained else ""

    @property
    def predictions(self) -> "Annotations | list[Ethogram] | None":
        """Ethograms, or bouts of a model.

        Raises:
            FigureError: when there are both.
        """
        if self.found is not None and self.ethograms:
            raise FigureError(
                "expected predictions as .ethogram.h5 files or as bouts of a model, found both: leave one out"
            )
        return self.ethograms or self.found

    def one(self) -> "Annotations | list[Ethogram]":
        """Labels, or predictions where there are no labels.

        Raises:
            FigureError: when there are both.
        """
        if self.labels is not None and self.predictions is not None:
            raise FigureError("expected labels or predictions, found both: draw a figure of each")
        chosen = self.labels if self.labels is not None else self.predictions
        assert chosen is not None
        return chosen


def read_inputs(texts: Sequence[str], format: str | None, fps: float | None) -> Inputs:
    """Read labels, bouts of a model and ethograms, told apart by what they are.

    Raises:
        FigureError: when a folder holds no ethogram.
        AnnotationError, ProbeError, StoreError: when a file cannot be read.
    """
    from vp_science.annotations.formats import read_annotations

    inputs = Inputs()
    tables = [path for path in _expand(texts) if not _read_ethograms(path, inputs)]
    if tables:
        everything = read_annotations(tables, format, fps=fps)
        by_people = everything.select(sources=("manual", "curated"))
        by_models = everything.select(sources=("model",))
        # A table without a single bout of a model is labels, even where nothing was marked.
        inputs.labels = everything if not len(by_models.bouts) else by_people if len(by_people.bouts) else None
        inputs.found = by_models if len(by_models.bouts) else None
    return inputs


def _expand(texts: Sequence[str]) -> list[Path]:
    from vp_science.cli.probe_inputs import label_files

    paths: list[Path] = []
    for text in texts:
        for path in label_files(text):
            if not path.is_dir():
                paths.append(path)
                continue
            inside = sorted(path.rglob("*.ethogram.h5"))
            if not inside:
                raise FigureError(f"expected .ethogram.h5 files in {path}, found none: name the files with labels")
            paths += inside
    return list(dict.fromkeys(paths))


def _read_ethograms(path: Path, inputs: Inputs) -> bool:
    """Whether a file is one of ethograms; if so, they are added."""
    from vp_science.store.ethogram_reader import list_ethograms, read_ethogram

    if path.suffix.lower() not in _HDF5:
        return False
    entries = list_ethograms(path)
    if len({entry.probe_id for entry in entries}) > 1:
        names = ", ".join(sorted({entry.probe_id for entry in entries}))
        raise FigureError(f"expected ethograms of one probe in {path}, found those of {names}: keep one file per probe")
    for entry in entries:
        inputs.ethograms.append(read_ethogram(path, entry.probe_id, entry.subject, entry.target))
        tracks = entry.provenance.get("tracks")
        checkpoints = [str(track.get("checkpoint")) for track in tracks or [] if isinstance(track, dict)]
        inputs.untrained |= any("untrained" in checkpoint for checkpoint in checkpoints)
    return bool(entries)


def read_evaluated(texts: Sequence[str], format: str | None, fps: float | None) -> "EvaluationFigures":
    """A saved evaluation; or labels compared with ethograms of the same recordings.

    Raises:
        FigureError: when it is neither, or labels lack a behavior that was predicted.
    """
    from vp_science.probes.evaluation_file import EvaluationFigures, read_evaluation
    from vp_science.probes.report import JSON_NAME

    paths = [Path(text) for text in texts]
    if len(paths) == 1 and ((paths[0].is_dir() and (paths[0] / JSON_NAME).exists()) or paths[0].name == JSON_NAME):
        return read_evaluation(paths[0])
    inputs = read_inputs(texts, format, fps)
    if inputs.labels is None or not inputs.ethograms:
        raise FigureError(
            "expected evaluation.json, or labels together with .ethogram.h5 files of recordings that the probe was not "
            f"trained on, found {'no labels' if inputs.labels is None else 'no ethograms'}: give one or the other"
        )
    return EvaluationFigures.compare(_truths(inputs.labels, inputs.ethograms), inputs.ethograms, inputs.untrained)


def _truths(labels: "Annotations", ethograms: "list[Ethogram]") -> "list[Ethogram]":
    from vp_science.plots.lanes import pick
    from vp_science.timeline.ethogram import to_ethogram
    from vp_science.timeline.names import match_names

    names = match_names(labels.recordings, [one.recording for one in ethograms])
    if missing := [one.recording for one, name in zip(ethograms, names, strict=True) if not name]:
        raise FigureError(f"expected labels of every ethogram, found none of {', '.join(missing[:5])}: add them")
    chosen = labels.select(behaviors=pick(ethograms[0].behaviors.names, labels.behaviors.names, "behavior"))
    return [
        to_ethogram(chosen, name, one.time_s, subject=one.subject or None, target=one.target or None)
        for one, name in zip(ethograms, names, strict=True)
    ]


def split_names(texts: Sequence[str] | None, names: Sequence[str]) -> list[str] | None:
    """The names in texts that may hold several, separated by commas; a name may hold a comma itself."""
    if texts is None:
        return None
    parts = [[text] if text in names else [part.strip() for part in text.split(",")] for text in texts]
    return [name for part in parts for name in part if name]


def write(axes: "Axes", out: Path) -> None:
    """Write the figure and say where it is."""
    from vp_science.plots.saving import save

    typer.echo(f"figure  {save(axes, out)}")


def names_of(*sources: Any) -> list[str]:
    """The behaviors of labels or ethograms."""
    found: dict[str, None] = {}
    for source in sources:
        for one in source if isinstance(source, list) else [source]:
            found |= dict.fromkeys(one.behaviors.names if one is not None else ())
    return list(found)
