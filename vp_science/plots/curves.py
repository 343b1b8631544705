"""Precision and recall at every threshold, and whether scores are probabilities."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from vp_science.plots.style import BLUE, INK, METHOD_COLORS, MUTED, SKY, Page, wrapped
from vp_science.probes.report import EvaluationReport, MethodResult

_PANEL, _GAP, _COLUMNS = 2.1, 0.75, 4
_MAX_POINTS = 400


def plot_precision_recall(report: EvaluationReport, path: Path) -> Path:
    """Draw one panel per behavior: pooled curves of all methods, and a thin one per fold of the probe."""
    names = report.behaviors.names
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    page = Page(max(0.85 + columns * (_PANEL + _GAP), 7.2), 1.35 + rows * (_PANEL + 0.85))
    page.title(
        "Precision and recall at every threshold",
        "thick: all test recordings together; thin: single folds of the probe; dotted: guessing",
    )
    shown = [method for method in report.methods if method.tested]
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        axes = page.axes(0.75 + column * (_PANEL + _GAP), 1.35 + row * (_PANEL + 0.85), _PANEL, _PANEL)
        _draw_curves(axes, shown, index, len(report.folds))
        axes.set_title(wrapped(name, 26), fontsize=9.5, color=INK, loc="left")
        if column == 0:
            axes.set_ylabel("precision")
        if row == rows - 1 or index + columns >= len(names):
            axes.set_xlabel("recall")
    _legend(page, shown)
    return page.save(path)


def _draw_curves(axes: Any, methods: list[MethodResult], behavior: int, num_folds: int) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    truth, _ = _pooled(methods[0], behavior, None)
    if not truth.any():
        axes.text(0.5, 0.5, "never happens\nin the labels", ha="center", va="center", color=MUTED, fontsize=9)
        return
    axes.axhline(truth.mean(), color=MUTED, linestyle=(0, (1, 2)), linewidth=1)
    for fold in range(num_folds if num_folds > 1 else 0):
        happens, scores = _pooled(methods[0], behavior, fold)
        if happens.any():
            axes.plot(*_curve(happens, scores), color=SKY, linewidth=0.7, alpha=0.8)
    for method in reversed(methods):
        happens, scores = _pooled(method, behavior, None)
        if method.name != "majority" and happens.any():
            wide = 2.0 if method.name == "probe" else 1.3
            axes.plot(*_curve(happens, scores), color=METHOD_COLORS[method.name], linewidth=wide)


def _pooled(
    method: MethodResult, behavior: int, fold: int | None
) -> tuple[Bool[np.ndarray, " frame"], Float[np.ndarray, " frame"]]:
    """Labels and scores of a behavior at all known frames, of one fold or all."""
    labels, scores = [np.zeros(0, np.int8)], [np.zeros(0, np.float32)]
    for tested in method.tested:
        if fold in (None, tested.fold) and tested.prediction.scores is not None:
            known = tested.truth.known[:, behavior] & np.isfinite(tested.prediction.scores[:, behavior])
            labels.append(tested.truth.states[known, behavior])
            scores.append(tested.prediction.scores[known, behavior])
    return np.concatenate(labels) == 1, np.concatenate(scores)


def _curve(happens: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision, thinned to what a picture can show."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(happens, scores)
    if len(recall) > _MAX_POINTS:
        kept = np.unique(np.searchsorted(-recall, -np.linspace(1, 0, _MAX_POINTS)).clip(0, len(recall) - 1))
        precision, recall = precision[kept], recall[kept]
    return recall, precision


def _legend(page: Page, methods: list[MethodResult]) -> None:
    left = 0.35
    for method in methods:
        if method.name == "majority":
            continue
        page.text(left, 0.8, "━ " + method.title, color=METHOD_COLORS[method.name], fontsize=9)
        left += 0.35 + 0.078 * len(method.title)


def plot_reliability(report: EvaluationReport, path: Path) -> Path:
    """Draw how often a behavior really happens where the probe gives a certain score."""
    assert report.probe.pooled is not None
    bins = report.probe.pooled.reliability
    page = Page(6.2, 6.9)
    page.title("Are the scores of the probe probabilities?", "all behaviors and test recordings together")
    axes = page.axes(0.85, 1.0, 4.9, 4.1)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
    axes.text(0.94, 0.84, "as it says", color=MUTED, fontsize=8.5, rotation=40, ha="right", va="center")
    score, share, count = (bins[name].to_numpy(np.float64) for name in ("score", "frequency", "count"))
    seen = count > 0
    axes.plot(score[seen], share[seen], color=BLUE, linewidth=1.5, marker="o", markersize=5)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of frames in which it happens")
    axes.tick_params(labelbottom=False)
    below = page.axes(0.85, 5.3, 4.9, 0.9)
    low, high = (bins[name].to_numpy(np.float64)[seen] for name in ("low", "high"))
    below.bar((low + high) / 2, count[seen], width=0.92 * (high - low), color=SKY, linewidth=0)
    below.set_yscale("log")
    below.minorticks_off()
    below.set_xlim(0, 1)
    below.set_xlabel("score of the probe")
    below.set_ylabel("frames")
    return page.save(path)
