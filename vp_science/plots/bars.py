"""One figure per behavior: the probe, its folds, and what it must beat."""

from pathlib import Path
from typing import Any

import numpy as np

from vp_science.plots.matrices import confusion
from vp_science.plots.saving import save
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
    """Write a page: what the probe takes each behavior for.

    Args:
        report: of an exclusive catalogue.
        path: the picture.
    """
    axes = confusion(report, title="What is taken for what", note="percent of the labelled frames of each row")
    return save(axes, path)
