"""One figure per behavior: the probe, its folds, and what it must beat."""

from pathlib import Path
from typing import Any

import numpy as np

from vp_science.plots.style import INK, METHOD_COLORS, MUTED, Page, wrapped
from vp_science.probes.report import EvaluationReport, MethodResult, flat_figures

_WIDTH, _LEFT, _RIGHT, _TOP = 8.6, 2.4, 1.5, 1.35
_BAR, _GAP = 0.17, 0.24


def plot_bars(report: EvaluationReport, metric: str, title: str, path: Path) -> Path:
    """Draw a bar per behavior and method (all test recordings together), with a dot per fold.

    The number at the right is how many bouts were tested: few bouts make any figure a guess.

    Args:
        report: gives the figures.
        metric: a column of ``Metrics.per_behavior`` from 0 to 1.
        title: headline.
        path: the picture.
    """
    methods = [method for method in report.methods if method.pooled is not None]
    names = report.behaviors.names
    group = _BAR * len(methods) + _GAP
    page = Page(_WIDTH, _TOP + group * len(names) + 0.75)
    page.title(title, "bars: all test recordings together; dots: single folds; right: bouts that were tested")
    axes = page.axes(_LEFT, _TOP, _WIDTH - _LEFT - _RIGHT, group * len(names))
    for position, method in enumerate(methods):
        _draw_method(axes, report, method, metric, position, group)
    for row, name in enumerate(names):
        count = sum(fold.test_bouts[name] for fold in report.folds)
        axes.text(1.04, (row + 0.5) * group, f"{count} bouts", va="center", color=MUTED, fontsize=8.5)
    axes.set_xlim(0, 1)
    axes.set_ylim(group * len(names), 0)
    centres = [(row + 0.5) * group for row in range(len(names))]
    axes.set_yticks(centres, [wrapped(name, 30) for name in names], color=INK, fontsize=9.5)
    axes.tick_params(axis="y", length=0)
    _draw_legend(page, methods, [method for method in report.methods if method.pooled is None])
    return page.save(path)


def _draw_method(
    axes: Any, report: EvaluationReport, method: MethodResult, metric: str, position: int, group: float
) -> None:
    assert method.pooled is not None
    pooled, folds = flat_figures(method.pooled), [flat_figures(metrics) for metrics in method.folds]
    for row, name in enumerate(report.behaviors.names):
        y = row * group + _GAP / 2 + (position + 0.5) * _BAR
        value = pooled[name, metric]
        if np.isfinite(value):
            axes.barh(y, value, height=_BAR * 0.9, color=METHOD_COLORS[method.name], linewidth=0)
        elif method.name == "probe":
            axes.text(0.01, y, "no bouts in the labels", va="center", color=MUTED, fontsize=8.5)
        dots = [fold[name, metric] for fold in folds] if len(folds) > 1 else []
        axes.plot(
            dots,
            [y] * len(dots),
            "o",
            markersize=3.2,
            markerfacecolor="white",
            markeredgecolor=INK,
            markeredgewidth=0.7,
        )


def _draw_legend(page: Page, methods: list[MethodResult], absent: list[MethodResult]) -> None:
    left = 0.35
    for method in methods:
        page.text(left, 0.86, "■ " + method.title, color=METHOD_COLORS[method.name], fontsize=9)
        left += 0.3 + 0.075 * len(method.title)
    if absent:
        page.text(left, 0.86, "not computed: " + ", ".join(m.name for m in absent), color=MUTED, fontsize=9)


def plot_confusion(report: EvaluationReport, path: Path) -> Path:
    """Draw what the probe takes each behavior for: every row is the labelled time of one behavior, 100 % together.

    Args:
        report: of an exclusive catalogue.
        path: the picture.
    """
    assert report.probe.pooled is not None
    counts = report.probe.pooled.confusion
    names = [str(name) for name in counts.index]
    values = counts.to_numpy(np.float64)
    shares = values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    longest = min(18, max(map(len, names)))
    side, head, left = max(2.2, 0.52 * len(names)), 0.45 + 0.062 * longest, 0.95 + 0.085 * min(22, max(map(len, names)))
    page = Page(max(left + side + 0.35 + 0.05 * longest, 4.6), 1.1 + head + side + 0.55)
    page.title("What is taken for what", "percent of the labelled frames of each row")
    axes = page.axes(left, 1.1 + head, side, side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*shares.shape):
        if values[row].sum():
            color = "white" if shares[row, column] > 0.55 else INK
            axes.text(
                column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=color, fontsize=8
            )
    ticks = range(len(names))
    axes.set_xticks(ticks, [wrapped(str(name), 18, 1) for name in counts.columns], rotation=45, ha="left")
    axes.set_yticks(ticks, [wrapped(name) for name in names])
    axes.xaxis.tick_top()
    axes.tick_params(length=0, colors=INK)
    axes.tick_params(axis="x", pad=0)
    page.text(0.35, 1.1 + head + side / 2, "marked by people", rotation=90, va="center")
    page.text(left + side / 2, 1.1 + head + side + 0.12, "found by the probe", ha="center")
    for edge in axes.spines.values():
        edge.set_visible(False)
    return page.save(path)
