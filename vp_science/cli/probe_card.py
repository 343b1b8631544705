"""Model cards and evaluations in the terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vp_science.probes.metric_names import FIGURES
from vp_science.probes.report import EvaluationReport

_MAX_RECORDINGS = 8
_SHORT = {"average_precision": "AP", "chance": "chance", "f1": "F1", "segment_f1@0.5": "bout F1"}
"""Headings that fit a terminal."""


def print_card(card: Mapping[str, Any]) -> None:
    """Print what a bundle is (the content of its ``probe.json``)."""
    console = Console(highlight=False)
    training, tracks = card["training"], card["tracks"]
    kind = "one behavior at a time" if card["behaviors"]["exclusive"] else "behaviors may overlap"
    _say(console, f"{card['id']}: {_what(card)}, {kind}", style="bold")
    if training["untrained_encoder"]:
        _say(console, "UNTRAINED encoder: random weights, good for trying things out, not for science")
    console.print(_behavior_table(card))
    recordings = training["recordings"]
    names = [entry["recording"] + (f" ({entry['subject']})" if entry["subject"] else "") for entry in recordings]
    more = f" and {len(names) - _MAX_RECORDINGS} more" if len(names) > _MAX_RECORDINGS else ""
    seconds = sum(entry["labelled_s"] for entry in recordings)
    _say(console, f"trained on    {len(names)} recordings, {seconds / 60:.1f} min labelled: "
         f"{', '.join(names[:_MAX_RECORDINGS])}{more}")  # fmt: skip
    _say(console, f"thresholds    chosen on {training['validation']}")
    _say(console, f"rules         {' '.join(_rules(card['postprocess']))}")
    _say(console, f"tracks        {_tracks(tracks)}")
    if own := card.get("model"):
        _say(console, f"stands on     {own['base']} {own['base_checkpoint']}")
    _say(console, f"weights       {tracks['checkpoint']}")
    _say(console, f"made with     {', '.join(f'{name} {number}' for name, number in training['software'].items())}")
    if card["evaluation"]:
        for note in card["evaluation"]["notes"]:
            _say(console, f"note          {note}")
    else:
        how = "vp-science probe evaluate, then probe train --evaluation evaluation.json"
        if card.get("model") is not None:
            how = "vp-science probe evaluate --probe, on labelled recordings that it never saw"
        _say(console, f"figures       none yet: {how}")


def _what(card: Mapping[str, Any]) -> str:
    own = card.get("model")
    if own is None:
        return f"{card['parameters']['head']} on {card['tracks']['model']}"
    return f"fine-tuned from {own['base']}, readout {own['config']['readout']}"


def _say(console: Console, line: str, style: str = "") -> None:
    console.print(Text(line, style=style), soft_wrap=True)


def _behavior_table(card: Mapping[str, Any]) -> Table:
    figures = {
        (row["behavior"], row["metric"]): row
        for row in (card["evaluation"] or {"figures": []})["figures"]
        if row["method"] == "probe"
    }
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("behavior", overflow="fold")
    headings = ["bouts learned", "threshold"]
    shown = [entry for entry in FIGURES if entry.key in _SHORT and entry.compared] if figures else []
    for heading in [*headings, *(_SHORT[entry.key] for entry in shown)]:
        table.add_column(heading, justify="right", no_wrap=True)
    entries = card["behaviors"]["entries"]
    for entry, threshold in zip(entries, card["thresholds"], strict=True):
        bouts = sum(recording["bouts"].get(entry["name"], 0) for recording in card["training"]["recordings"])
        values = [figures.get((entry["name"], metric.key), {}).get("pooled") for metric in shown]
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        table.add_row(Text(entry["name"]), str(bouts), f"{threshold:.2f}", *cells)
    return table


def _rules(postprocess: Mapping[str, Any]) -> Sequence[str]:
    from vp_science.timeline.postprocess import PostProcess

    return PostProcess.from_json(postprocess).explain()


def _tracks(tracks: Mapping[str, Any]) -> str:
    rate = "every frame" if tracks["sample_fps"] is None else f"{tracks['sample_fps']:g} frames per second"
    size = tracks["preprocess"]
    pool = f", {tracks['spatial_pool']} x {tracks['spatial_pool']} vectors" if tracks["spatial_pool"] > 1 else ""
    who = ", single animals" if tracks["follow"] else ""
    return (
        f"{tracks['model']}, {rate}, windows of {tracks['num_frames']} frames, stride {tracks['stride']}, "
        f"{size['width']} x {size['height']} pixels ({size['fit']}){pool}{who}"
    )


def print_evaluation(report: EvaluationReport) -> None:
    """Print the figures of all methods, the probe behavior by behavior, and what to know."""
    console = Console(highlight=False)
    done = [method for method in report.methods if method.pooled is not None]
    table = _start("all behaviors", [method.name for method in done])
    for entry in (entry for entry in FIGURES if entry.overall_key):
        values = [report.figure(entry.overall_key, "", method.name)["pooled"] for method in done]
        table.add_row(entry.title, *(_number(value, entry.unsigned().form) for value in values))
    console.print(table)
    console.print()
    shown = [entry for entry in FIGURES if entry.key in _SHORT]
    table = _start("behavior", ["bouts", *(_SHORT[entry.key] for entry in shown), "AP over the folds"])
    for name in report.behaviors.names:
        figures = [report.figure(entry.key, name) for entry in shown]
        cells = [_number(figure["pooled"], entry.form) for figure, entry in zip(figures, shown, strict=True)]
        bouts = sum(fold.test_bouts[name] for fold in report.folds)
        table.add_row(Text(name), str(bouts), *cells, _range(figures[0]))
    console.print(table)
    console.print()
    for method in report.methods:
        if method.pooled is None:
            _say(console, f"{method.title}: {method.note}")
    for note in report.notes:
        _say(console, f"note: {note}")


def _start(first: str, headings: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _range(figure: Mapping[str, float]) -> str:
    if not figure["folds"]:
        return "-"
    return f"{figure['min']:.2f} to {figure['max']:.2f} ({figure['folds']:.0f})"


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "-"
