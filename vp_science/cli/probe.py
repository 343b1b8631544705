"""``vp-science probe``: train, evaluate and use readouts on embedding tracks."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vp_science.cli.options import OfflineOption, PrecisionOption, WeightsOption
from vp_science.cli.probe_inputs import (
    BatchOption,
    BehaviorsOption,
    DecayOption,
    DropoutOption,
    EpochsOption,
    ExclusiveOption,
    FeaturesOption,
    FillGapOption,
    FormatOption,
    FpsOption,
    HeadOption,
    JsonOption,
    LabelsOption,
    LossOption,
    MedianOption,
    MinBoutOption,
    NeighborsOption,
    OwnModelOption,
    PatienceOption,
    RateOption,
    RegularizationOption,
    SeedOption,
    SmoothingOption,
    Tracks,
    TracksOrRecordings,
    TuneOption,
    ValidationOption,
    WeightingOption,
    WidthOption,
    make_probe,
    make_rules,
    open_tracks_for,
    read_labels,
    refuse_model_options,
    refuse_training_options,
    say_unmatched,
)
from vp_science.errors import ProbeError

if TYPE_CHECKING:
    from vp_science.probes.report import EvaluationReport

_SPLIT, _BASELINES = "Who is tested on", "What it must beat"

app = typer.Typer(
    name="probe",
    help="Train, evaluate and use probes: readouts on embedding tracks that find behavior.",
    no_args_is_help=True,
)


@app.command("train")
def train(
    tracks: Tracks,
    labels: LabelsOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Probe bundle to write: a folder, or a name with .zip.")],
    head: HeadOption = "logistic",
    behaviors: BehaviorsOption = None,
    exclusive: ExclusiveOption = None,
    format: FormatOption = None,
    fps: FpsOption = None,
    validation: ValidationOption = None,
    tune_postprocess: TuneOption = False,
    median: MedianOption = 0.0,
    fill_gap: FillGapOption = 0.0,
    min_bout: MinBoutOption = 0.0,
    loss: LossOption = "cross-entropy",
    weighting: WeightingOption = "sqrt",
    label_smoothing: SmoothingOption = 0.0,
    features: FeaturesOption = None,
    regularization: RegularizationOption = None,
    num_neighbors: NeighborsOption = None,
    width: WidthOption = None,
    dropout: DropoutOption = None,
    learning_rate: RateOption = None,
    weight_decay: DecayOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchOption = None,
    patience: PatienceOption = None,
    seed: SeedOption = 0,
    name: Annotated[str, typer.Option("--name", help="First part of the id of the probe.")] = "probe",
    evaluation: Annotated[
        Path | None,
        typer.Option("--evaluation", help="evaluation.json of the same settings, whose figures the model card shows."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle of this name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a probe on embedded recordings and their labels.

    It learns from all labelled recordings (and keeps some back to choose thresholds). How well it does on recordings it
    never saw is what "vp-science probe evaluate" measures, with the same options.
    """
    from vp_science.probes.bundle import describe, save_probe
    from vp_science.probes.evaluation_card import attach_evaluation
    from vp_science.probes.open_tracks import open_tracks

    settings = _settings(locals())
    rules = make_rules(tune_postprocess, median, fill_gap, min_bout)
    model = make_probe(head, rules, settings | {"name": name})
    with open_tracks(tracks) as opened:
        bouts = read_labels(labels, opened, format=format, fps=fps, behaviors=behaviors, exclusive=exclusive)
        say_unmatched(bouts, opened)
        model.fit(opened, bouts)
    if evaluation is not None:
        attach_evaluation(model, evaluation)
    save_probe(model, out, overwrite=overwrite)
    card = describe(model)
    if as_json:
        typer.echo(json.dumps(card | {"path": str(out)}, ensure_ascii=False, indent=2))
        return
    from vp_science.cli.probe_card import print_card

    print_card(card)
    typer.echo(f"written to {out}")


@app.command("evaluate")
def evaluate(
    tracks: TracksOrRecordings,
    labels: LabelsOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report.")] = Path("evaluation"),
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            "-p",
            help="Measure this bundle as it is, on labelled recordings that it never saw, instead of training anew.",
        ),
    ] = None,
    model: OwnModelOption = None,
    weights: WeightsOption = None,
    precision: PrecisionOption = "auto",
    offline: OfflineOption = False,
    folds: Annotated[
        str,
        typer.Option(
            help="leave-one-out, a number of folds, or (inside recordings) time-blocks, random-windows.",
            rich_help_panel=_SPLIT,
        ),
    ] = "leave-one-out",
    groups: Annotated[
        Path | None,
        typer.Option(
            help="Table (CSV) with the columns recording and any of animal, session, site: what shares one is tested "
            "together.",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(help="Other columns of that table that tie recordings together.", rich_help_panel=_SPLIT),
    ] = None,
    blocks: Annotated[
        int, typer.Option(min=2, help="Number of time-blocks or of random draws.", rich_help_panel=_SPLIT)
    ] = 5,
    gap: Annotated[
        float,
        typer.Option(min=0, help="Seconds left out around a time block, beyond one window.", rich_help_panel=_SPLIT),
    ] = 0.0,
    allow_leakage: Annotated[
        bool,
        typer.Option(
            "--allow-leakage", help="Allow splits inside recordings; the report says so.", rich_help_panel=_SPLIT
        ),
    ] = False,
    recordings: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder or pattern of the recordings, for the baselines pixels and untrained; may be repeated.",
            rich_help_panel=_BASELINES,
        ),
    ] = None,
    baselines: Annotated[
        str, typer.Option(help="Which of majority, pixels, untrained; or none.", rich_help_panel=_BASELINES)
    ] = "majority,pixels,untrained",
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what the baselines compute; by default baselines in --out.", rich_help_panel=_BASELINES
        ),
    ] = None,
    head: HeadOption = "logistic",
    behaviors: BehaviorsOption = None,
    exclusive: ExclusiveOption = None,
    format: FormatOption = None,
    fps: FpsOption = None,
    validation: ValidationOption = None,
    tune_postprocess: TuneOption = False,
    median: MedianOption = 0.0,
    fill_gap: FillGapOption = 0.0,
    min_bout: MinBoutOption = 0.0,
    loss: LossOption = "cross-entropy",
    weighting: WeightingOption = "sqrt",
    label_smoothing: SmoothingOption = 0.0,
    features: FeaturesOption = None,
    regularization: RegularizationOption = None,
    num_neighbors: NeighborsOption = None,
    width: WidthOption = None,
    dropout: DropoutOption = None,
    learning_rate: RateOption = None,
    weight_decay: DecayOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchOption = None,
    patience: PatienceOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a probe does on recordings it never saw, beside simple baselines.

    Every recording (or group of recordings that share an animal, a session or a site: --groups) is predicted by a probe
    trained on the others. The report holds tables, figures and what every number means.

    With --probe a bundle is measured as it is; the only way for a fine-tuned one, of which TRACKS may be recordings.
    """
    options = dict(locals())
    from vp_science.plots.evaluation import save_evaluation

    base = {"model": model, "weights": weights, "precision": precision, "offline": offline}
    if bundle is not None:
        refuse_training_options(evaluate, options)
        report = _evaluate_bundle(
            bundle, tracks, labels, out, base, format=format, fps=fps, allow_leakage=allow_leakage
        )
    else:
        refuse_model_options(base)
        report = _cross_validate(options)
    files = save_evaluation(report, out)
    if as_json:
        typer.echo(json.dumps(report.to_json(), ensure_ascii=False, indent=2))
        return
    _print_report(report)
    typer.echo(f"report and {len(files) - 2} figures: {files[1]}")


def _evaluate_bundle(
    bundle: Path,
    tracks: list[str],
    labels: list[str],
    out: Path,
    base: dict[str, Any],
    *,
    format: str | None,
    fps: float | None,
    allow_leakage: bool,
) -> "EvaluationReport":
    from vp_science.probes.bundle import load_probe
    from vp_science.probes.evaluate_fitted import evaluate_fitted_probe

    probe = load_probe(bundle)
    with open_tracks_for(probe, tracks, out, base) as opened:
        exclusive = probe.behaviors_.exclusive
        bouts = read_labels(labels, opened, format=format, fps=fps, behaviors=None, exclusive=exclusive)
        say_unmatched(bouts, opened)
        return evaluate_fitted_probe(probe, opened, bouts, allow_seen=allow_leakage)


def _cross_validate(options: dict[str, Any]) -> "EvaluationReport":
    from vp_science.probes.evaluate import evaluate_probe
    from vp_science.probes.groups import GROUP_COLUMNS, read_recordings_table
    from vp_science.probes.open_tracks import open_tracks

    asked = SimpleNamespace(**options)
    rules = make_rules(asked.tune_postprocess, asked.median, asked.fill_gap, asked.min_bout)
    probe = make_probe(asked.head, rules, _settings(options))
    table = None if asked.groups is None else read_recordings_table(asked.groups)
    if asked.group_by is not None and table is None:
        raise ProbeError("expected a table of recordings for --group-by, found none: give it with --groups")
    columns = [part.strip() for part in (asked.group_by or "").split(",") if part.strip()]
    with open_tracks(asked.tracks) as opened:
        bouts = read_labels(
            asked.labels, opened, format=asked.format, fps=asked.fps, behaviors=asked.behaviors,
            exclusive=asked.exclusive,
        )  # fmt: skip
        return evaluate_probe(
            probe,
            opened,
            bouts,
            table=table,
            by=GROUP_COLUMNS if asked.group_by is None else columns,
            folds=_folds(asked.folds),
            num_blocks=asked.blocks,
            gap_s=asked.gap,
            allow_leakage=asked.allow_leakage,
            recordings=asked.recordings,
            baselines=_baselines(asked.baselines),
            cache=asked.cache or asked.out / "baselines",
            seed=asked.seed,
            progress=lambda line: typer.echo(line, err=True),
        )


@app.command("predict")
def predict(
    tracks: TracksOrRecordings,
    bundle: Annotated[Path, typer.Option("--probe", "-p", help="Probe bundle.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File for the bouts; a folder for formats of one recording per file.")
    ],
    to: Annotated[
        str | None, typer.Option("--to", help="Format of the bouts, where the ending does not tell it.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames per second, for formats that count frames.")] = None,
    model: OwnModelOption = None,
    weights: WeightsOption = None,
    precision: PrecisionOption = "auto",
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find behavior in embedded recordings and write the bouts.

    ("vp-science annotate" does this for recordings that are not embedded yet, and writes scores too.) Of a fine-tuned
    probe, TRACKS may be recordings: its logits are kept in a folder beside the bouts.
    """
    from vp_science.annotations.formats import write_annotations
    from vp_science.probes.bundle import load_probe
    from vp_science.probes.open_tracks import clock_of
    from vp_science.timeline.annotations import Annotations

    probe = load_probe(bundle)
    base = {"model": model, "weights": weights, "precision": precision, "offline": offline}
    with open_tracks_for(probe, tracks, out.parent if out.suffix else out, base) as opened:
        probe.check_tracks(opened)
        found = [probe.predict(track).to_annotations(f"model:{probe.id}") for track in opened]
        clock = clock_of(opened, fps)
    bouts = Annotations.concat(found)
    files = write_annotations(bouts, out, to, clock=clock)
    counts = {name: int((bouts.bouts["behavior"] == name).sum()) for name in bouts.behaviors.names}
    if as_json:
        result = {"probe": probe.id, "recordings": len(found), "bouts": counts, "files": [str(file) for file in files]}
        typer.echo(json.dumps(result, ensure_ascii=False, indent=2))
        return
    for name, count in counts.items():
        typer.echo(f"{count:6d} bouts of {name}")
    typer.echo(f"{len(found)} recordings, probe {probe.id}: {', '.join(str(file) for file in files)}")


@app.command("card")
def card(
    bundle: Annotated[Path, typer.Argument(help="Probe bundle.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Print what a probe is: behaviors, training, thresholds, figures, and the tracks it reads."""
    from vp_science.cli.probe_card import print_card
    from vp_science.probes.bundle import read_card

    content = read_card(bundle)
    if as_json:
        typer.echo(json.dumps(content, ensure_ascii=False, indent=2))
    else:
        print_card(content)


_NAMES = (
    "validation", "loss", "weighting", "label_smoothing", "features", "regularization", "num_neighbors", "width",
    "dropout", "learning_rate", "weight_decay", "epochs", "batch_size", "patience",
)  # fmt: skip


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are settings of a probe."""
    return {name: options[name] for name in _NAMES} | {
        "validation": options["validation"] or None,
        "random_state": options["seed"],
    }


def _folds(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _baselines(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    return [] if names == ["none"] else names


def _print_report(report: "EvaluationReport") -> None:
    from vp_science.cli.probe_card import print_evaluation

    print_evaluation(report)
