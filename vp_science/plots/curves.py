"""Precision and recall at every threshold, and whether scores are probabilities."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from mpl_toolkits.axes_grid1 import make_axes_locatable

from vp_science.errors import FigureError
from vp_science.plots.lanes import pick
from vp_science.plots.palette import behavior_looks, line_color, look
from vp_science.plots.style import (
    BLUE,
    INK,
    METHOD_COLORS,
    MUTED,
    SKY,
    UNTRAINED_NOTE,
    Page,
    axes_for,
    headline,
    tidy,
    wrapped,
)
from vp_science.probes.evaluation_file import EvaluationFigures
from vp_science.probes.report import EvaluationReport
from vp_science.timeline.metrics import Metrics
from vp_science.timeline.ranking import RankingCurve

Evaluated = EvaluationReport | EvaluationFigures

_PANEL, _GAP, _COLUMNS = 2.1, 0.75, 4
_SIDE = 4.2
_LINES = ("-", "--", "-.", ":")
_METHOD_LINES = {"probe": "-", "pixels": "--", "untrained": "-."}
_MAX_CURVES = 40


def precision_recall(
    curves: Evaluated | Sequence[RankingCurve],
    behavior: str | None = None,
    *,
    behaviors: Sequence[str] | None = None,
    legend: bool = True,
    title: str = "",
    note: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw precision against recall at every threshold, of all behaviors or of all methods for one of them.

    Args:
        curves: an evaluation: then of the probe, or with ``behavior`` of all methods, with a thin line per fold. Or
            curves of ``ranking_curves``.
        behavior: only this one.
        behaviors: only these, in this order.
        legend: name the curves, with their average precision (AP).
        title: headline.
        note: small text below it; None says what was left out, and where the encoder is untrained.
        axes: to draw into; None makes a figure.

    Returns:
        The axes; both from 0 to 1. A dotted line is guessing: for one behavior the share of frames in which it happens.

    Raises:
        FigureError: when there is no such behavior, no curve, or there are more than 40.
    """
    figures = EvaluationFigures.of(curves) if isinstance(curves, EvaluationReport) else curves
    named, thin, untrained = _choose(figures, behavior, behaviors)
    if len(named) > _MAX_CURVES:
        raise FigureError(f"expected at most {_MAX_CURVES} curves, found {len(named)}: choose behaviors")
    axes = axes_for(axes, _SIDE, _SIDE)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    drawn = [(words, curve, style) for words, curve, style in named if len(curve.recall)]
    if not drawn:
        axes.text(0.5, 0.5, "never happens\nin the labels", ha="center", va="center", color=MUTED, fontsize=9)
    for curve in (one for one in thin if len(one.recall)):
        _draw(axes, curve, (SKY, "-"), linewidth=0.7, alpha=0.8)
    if drawn and len({curve.behavior for _, curve, _ in drawn}) == 1:
        axes.axhline(drawn[0][1].chance, color=MUTED, linestyle=(0, (1, 2)), linewidth=1)
    for position, (words, curve, style) in reversed(list(enumerate(drawn))):
        label = f"{wrapped(words, 26, 1)}  (AP {curve.average_precision:.2f})"
        _draw(axes, curve, style, linewidth=1.9 if position == 0 or behavior is None else 1.4, label=label)
    if legend and drawn:
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="upper left", bbox_to_anchor=(1.03, 1), frameon=False,
                    fontsize=8.5, labelcolor=INK, handlelength=2.6)  # fmt: skip
    absent = [words for words, curve, _ in named if not len(curve.recall)]
    told = [f"never happens in the labels: {', '.join(absent)}"] if absent and drawn else []
    told += ["thin: single folds; dotted: guessing"] if thin else []
    told += [UNTRAINED_NOTE] if untrained else []
    headline(axes, title, "; ".join(told) if note is None else note)
    return axes


def _choose(
    curves: EvaluationFigures | Sequence[RankingCurve], behavior: str | None, behaviors: Sequence[str] | None
) -> tuple[list[tuple[str, RankingCurve, tuple[str, str]]], list[RankingCurve], bool]:
    """Curves with their names and looks, thin ones behind them, and whether the encoder was untrained."""
    given = curves.curves["probe"] if isinstance(curves, EvaluationFigures) else list(curves)
    if not given:
        raise FigureError("expected at least one curve, found none: give an evaluation, or labels and scores")
    there = list(dict.fromkeys(curve.behavior for curve in given))
    asked = [behavior] if behavior is not None else list(behaviors) if behaviors is not None else there
    names = pick(asked, there, "behavior")
    if isinstance(curves, EvaluationFigures) and behavior is not None:
        methods = [name for name in curves.curves if name != "majority"]
        found = [
            (curves.titles[method], curve, (METHOD_COLORS[method], _METHOD_LINES.get(method, "-")))
            for method in methods
            for curve in curves.curves[method]
            if curve.behavior == behavior
        ]
        folds = [curve for fold in curves.folds for curve in fold if curve.behavior == behavior]
        return found, folds if len(curves.folds) > 1 else [], curves.untrained
    own = behavior_looks(curves.behaviors) if isinstance(curves, EvaluationFigures) else {}
    chosen = [curve for name in names for curve in given if curve.behavior == name]
    styled = []
    for position, curve in enumerate(chosen):
        color = own[curve.behavior].color if curve.behavior in own else look(position).color
        styled.append((curve.behavior, curve, (line_color(color), _LINES[position % len(_LINES)])))
    return styled, [], isinstance(curves, EvaluationFigures) and curves.untrained


def _draw(axes: Axes, curve: RankingCurve, style: tuple[str, str], **options: object) -> None:
    color, line = style
    recall = np.append(0.0, curve.recall)
    precision = np.append(curve.precision[:1], curve.precision)
    # Steps, as average precision is the area under them.
    axes.plot(recall, precision, color=color, linestyle=line, drawstyle="steps-pre", **options)  # type: ignore[arg-type]


def reliability(
    bins: Evaluated | Metrics | pd.DataFrame,
    *,
    title: str = "",
    note: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw how often a behavior really happens where it gets a certain score, and how many frames stand behind.

    Points on the dotted line mean that scores are probabilities; below it the scores promise too much.

    Args:
        bins: an evaluation or its figures, metrics, or a table of ``reliability_table``.
        title: headline.
        note: small text below it; None says where the encoder is untrained.
        axes: to draw into; None makes a figure.

    Returns:
        The axes of the curve; the bars of frames are another axes of its figure.

    Raises:
        FigureError: when no frame has a score.
    """
    untrained = False
    if isinstance(bins, EvaluationReport):
        bins = EvaluationFigures.of(bins)
    if isinstance(bins, EvaluationFigures):
        bins, untrained = bins.reliability, bins.untrained
    table = bins.reliability if isinstance(bins, Metrics) else bins
    columns = ("low", "high", "count", "score", "frequency")
    low, high, count, score, share = (table[name].to_numpy(np.float64) for name in columns)
    seen = count > 0
    if not seen.any():
        raise FigureError("expected frames with scores, found none: evaluate predictions that have scores")
    axes = axes_for(axes, 4.9, 5.0)
    below = tidy(make_axes_locatable(axes).append_axes("bottom", size="20%", pad=0.12))
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
    axes.text(0.97, 0.95, "as it says", color=MUTED, fontsize=8.5, rotation=39, ha="right", va="top",
              rotation_mode="anchor")  # fmt: skip
    axes.plot(score[seen], share[seen], color=BLUE, linewidth=1.5, marker="o", markersize=5)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of frames in which it happens")
    axes.tick_params(labelbottom=False)
    below.bar(((low + high) / 2)[seen], count[seen], width=0.92 * (high - low)[seen], color=SKY, linewidth=0)
    below.set_yscale("log")
    below.minorticks_off()
    below.set_xlim(0, 1)
    below.set_xlabel("score")
    below.set_ylabel("frames")
    headline(axes, title, (UNTRAINED_NOTE if untrained else "") if note is None else note)
    return axes


def plot_precision_recall(report: EvaluationReport, path: Path) -> Path:
    """Write a page with one panel per behavior: pooled curves of all methods, and a thin one per fold of the probe."""
    figures = EvaluationFigures.of(report)
    names = report.behaviors.names
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    page = Page(max(0.85 + columns * (_PANEL + _GAP), 7.2), 1.35 + rows * (_PANEL + 0.85))
    page.title(
        "Precision and recall at every threshold",
        "thick: all test recordings together; thin: single folds of the probe; dotted: guessing",
    )
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        axes = page.axes(0.75 + column * (_PANEL + _GAP), 1.35 + row * (_PANEL + 0.85), _PANEL, _PANEL)
        precision_recall(figures, name, legend=False, note="", axes=axes)
        axes.set_title(wrapped(name, 26), fontsize=9.5, color=INK, loc="left")
        axes.set_ylabel("precision" if column == 0 else "")
        axes.set_xlabel("recall" if row == rows - 1 or index + columns >= len(names) else "")
    left = 0.35
    for method, words in figures.titles.items():
        if method != "majority":
            page.text(left, 0.8, "━ " + words, color=METHOD_COLORS[method], fontsize=9)
            left += 0.35 + 0.078 * len(words)
    return page.save(path)


def plot_reliability(report: EvaluationReport, path: Path) -> Path:
    """Write a page: how often a behavior really happens where the probe gives a certain score."""
    page = Page(6.2, 6.9)
    page.title("Are the scores of the probe probabilities?", "all behaviors and test recordings together")
    reliability(report, note="", axes=page.axes(0.85, 1.0, 4.9, 5.2))
    return page.save(path)
