"""An evaluation as a page of Markdown: figures, the sample sizes behind them, and what every number means."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vp_science.probes.metric_names import FIGURES, GROUPS, MetricName
from vp_science.probes.report import EvaluationReport, FoldFacts

_NONE = "-"


def report_text(report: EvaluationReport, figures: Sequence[str] = ()) -> str:
    """The page.

    Args:
        report: what was found.
        figures: names of pictures beside the page.
    """
    parts = [
        _summary(report),
        _notes(report),
        _per_behavior(report),
        _against_baselines(report),
        _folds(report),
        _confusion(report),
        _calibration(report),
        _pictures(figures),
        _meanings(),
        _settings(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(report: EvaluationReport) -> str:
    lines = ["# How well the probe finds behavior", ""]
    seconds = sum(fold.test_s for fold in report.folds)
    tested = {name for fold in report.folds for name in fold.test_recordings}
    lines.append(
        f"{len(report.behaviors)} behaviors ({'one at a time' if report.behaviors.exclusive else 'may overlap'}), "
        f"{len(tested)} labelled recordings, {_duration(seconds)} of labelled time, {len(report.folds)} folds "
        f"({report.settings['folds']}). {_how(report)}"
        if not any(fold.leakage for fold in report.folds)
        else f"{len(report.behaviors)} behaviors, {len(tested)} labelled recordings, {_duration(seconds)} of labelled "
        f"time, {len(report.folds)} folds ({report.settings['folds']}). **Train and test share recordings**: see below."
    )
    lines += ["", *_table(["", *(entry.title for entry in _overall_figures())], _overall_rows(report))]
    lines.append("")
    lines.append(
        "All test recordings together; in brackets mean ± standard deviation over the folds. (Together, one scale of "
        "scores serves all recordings: where this is much lower than the mean over the folds, scores are not "
        "comparable between recordings, and neither is one threshold.)"
    )
    return "\n".join(lines)


def _how(report: EvaluationReport) -> str:
    fitted = report.settings.get("fitted")
    if fitted is None:
        return "Every recording was predicted by a probe that was trained on the others."
    return f"Every recording was predicted by the probe `{_safe(str(fitted))}` as it is, which learned from others."


def _overall_figures() -> list[MetricName]:
    return [entry for entry in FIGURES if entry.overall_key]


def _overall_rows(report: EvaluationReport) -> list[list[str]]:
    rows = []
    for method in report.methods:
        title = f"**{method.title}**" if method.name == "probe" else method.title
        if method.pooled is None:
            rows.append([title, f"*{_safe(method.note)}*", *[""] * (len(_overall_figures()) - 1)])
            continue
        cells = [
            _with_spread(report.figure(entry.overall_key, "", method.name), entry.unsigned())
            for entry in _overall_figures()
        ]
        rows.append([title, *cells])
    return rows


def _notes(report: EvaluationReport) -> str:
    if not report.notes:
        return ""
    return "\n".join(["## To know before you believe it", "", *(f"- {_safe(note)}" for note in report.notes)])


def _per_behavior(report: EvaluationReport) -> str:
    lines = [
        "## The probe, behavior by behavior",
        "",
        "All test recordings together; in brackets mean ± standard deviation over the folds in which there "
        "is one. A figure that rests on a handful of bouts is a guess.",
    ]
    for group, title in GROUPS.items():
        entries = [entry for entry in FIGURES if entry.group == group and entry.key]
        rows = []
        for name in report.behaviors.names:
            bouts = sum(fold.test_bouts[name] for fold in report.folds)
            cells = [_with_spread(report.figure(entry.key, name), entry) for entry in entries]
            rows.append([_safe(name), *([str(bouts)] if group != "bouts" else []), *cells])
        size = ["bouts tested"] if group != "bouts" else []
        heading = ["behavior", *size, *(entry.title for entry in entries)]
        lines += ["", f"### {title}", "", *_table(heading, rows)]
    return "\n".join(lines)


def _against_baselines(report: EvaluationReport) -> str:
    if "fitted" in report.settings:
        return ""  # nothing else was trained on the same recordings
    lines = ["## What it must beat"]
    shown = [method for method in report.methods if method.pooled is not None]
    for entry in (entry for entry in FIGURES if entry.compared):
        rows = [
            [_safe(name), *(_number(report.figure(entry.key, name, method.name)["pooled"], entry) for method in shown)]
            for name in report.behaviors.names
        ]
        lines += ["", f"### {entry.title}", "", *_table(["behavior", *(method.title for method in shown)], rows)]
    for method in report.methods:
        if method.pooled is None:
            lines += ["", f"- {method.title}: {_safe(method.note)}"]
    return "\n".join(lines)


def _folds(report: EvaluationReport) -> str:
    names = report.behaviors.names
    heading = ["held out", "recordings tested", "learned from", "labelled time tested", *(f"bouts: {n}" for n in names)]
    rows = [
        [
            _safe(fold.name),
            _safe(", ".join(fold.test_recordings)),
            f"{len(fold.train_recordings)} recordings, {_duration(fold.train_s)}",
            _duration(fold.test_s),
            *(str(fold.test_bouts[name]) for name in names),
        ]
        for fold in report.folds
    ]
    lines = ["## The folds", "", *_table([_safe(cell) for cell in heading], rows), ""]
    entry = next(entry for entry in FIGURES if entry.compared)
    lines += [f"{entry.title} of the probe in each fold:", "", *_fold_figures(report, entry)]
    return "\n".join(lines)


def _fold_figures(report: EvaluationReport, entry: MetricName) -> list[str]:
    from vp_science.probes.report import flat_figures

    figures = [flat_figures(metrics) for metrics in report.probe.folds]
    numbers = sorted({tested.fold for tested in report.probe.tested})
    rows = []
    for number, fold in zip(numbers, figures, strict=True):
        cells = [_number(fold.get((name, entry.key), np.nan), entry) for name in report.behaviors.names]
        rows.append([_safe(report.folds[number].name), *cells])
    return _table(["held out", *map(_safe, report.behaviors.names)], rows)


def _confusion(report: EvaluationReport) -> str:
    if not report.behaviors.exclusive or report.probe.pooled is None:
        return ""
    counts = report.probe.pooled.confusion
    rows = [
        [_safe(str(name)), *(str(int(value)) for value in row)]
        for name, row in zip(counts.index, counts.to_numpy(), strict=True)
    ]
    heading = ["marked by people \\\\ found by the probe", *(_safe(str(name)) for name in counts.columns)]
    return "\n".join(
        ["## What is taken for what", "", "Grid frames of all test recordings.", "", *_table(heading, rows)]
    )


def _calibration(report: EvaluationReport) -> str:
    if report.probe.pooled is None:
        return ""
    bins = report.probe.pooled.reliability
    rows = [
        [
            f"{row['low']:.2f} to {row['high']:.2f}",
            f"{row['score']:.3f}",
            f"{row['frequency']:.3f}",
            str(int(row["count"])),
        ]
        for _, row in bins.iterrows()
        if row["count"]
    ]
    heading = ["score of the probe", "mean score", "how often it happens", "frames (of all behaviors)"]
    return "\n".join(["## Scores and what really happens", "", *_table(heading, rows)])


def _pictures(figures: Sequence[str]) -> str:
    if not figures:
        return ""
    return "\n".join(["## Figures", "", *(f"![{name}]({name})" for name in figures)])


def _meanings() -> str:
    return "\n".join(["## What the numbers mean", "", *(f"- **{entry.title}**: {entry.meaning}" for entry in FIGURES)])


def _settings(report: EvaluationReport) -> str:
    probe = {name: value for name, value in report.settings["probe"].items() if value is not None}
    lines = ["## Settings", "", f"- probe: {_pairs(probe)}"]
    lines.append(f"- tracks: {_pairs(report.settings['tracks'])}")
    if report.settings["groups"]:
        lines.append(
            f"- recordings that share one of these are tested together: {', '.join(report.settings['groups'])}"
        )
    lines += [_chosen(fold, report) for fold in report.folds]
    return "\n".join(lines)


def _chosen(fold: FoldFacts, report: EvaluationReport) -> str:
    chosen = ", ".join(f"{n} {value:.3g}" for n, value in zip(report.behaviors.names, fold.thresholds, strict=True))
    return f"- {_safe(fold.name)}: thresholds {_safe(chosen)}; chosen on {_safe(fold.validation)}"


def _pairs(values: Mapping[str, Any]) -> str:
    return _safe(", ".join(f"{name} {value}" for name, value in values.items() if not isinstance(value, dict)))


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(heading) + " |", "|" + "|".join([" :--- ", *[" ---: "] * (len(heading) - 1)]) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _with_spread(figure: Mapping[str, float], entry: MetricName) -> str:
    if not np.isfinite(figure["pooled"]):
        return _NONE
    text = _number(figure["pooled"], entry)
    if figure["folds"] < 2 or not entry.spread:
        return text
    return f"{text} ({_number(figure['mean'], entry)} ± {_number(figure['sd'], entry.unsigned())})"


def _number(value: float, entry: MetricName) -> str:
    return _NONE if not np.isfinite(value) else format(value, entry.form)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _safe(text: str) -> str:
    """Text that cannot end a cell or become markup."""
    for character in "\\|*_`[]<>#":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
