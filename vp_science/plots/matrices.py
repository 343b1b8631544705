"""What is taken for what."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from vp_science.errors import FigureError
from vp_science.plots.palette import lightness
from vp_science.plots.style import INK, UNTRAINED_NOTE, axes_for, headline, wrapped
from vp_science.probes.evaluation_file import EvaluationFigures
from vp_science.probes.report import EvaluationReport
from vp_science.timeline.metrics import Metrics

MAX_NAMES = 60
_CELL = 0.52
_QUESTIONS = ("found", "missed", "false", "absent")


def confusion(
    counts: EvaluationReport | EvaluationFigures | Metrics | pd.DataFrame,
    *,
    rows: str = "marked by people",
    columns: str = "found by the probe",
    title: str = "",
    note: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw what each behavior is taken for: every row is the labelled time of one behavior, 100 % together.

    Where behaviors may overlap every behavior is a question of its own: of the frames in which it happens, how many are
    found and missed; of the others, how many are falsely found and rightly left alone.

    Args:
        counts: an evaluation or its figures, metrics, or frames: rows are labels, columns predictions
            (``frame_metrics.confusion``).
        rows: where the labels come from.
        columns: where the others come from.
        title: headline.
        note: small text below it; None says what a number is, and where the encoder is untrained.
        axes: to draw into; None makes a figure.

    Returns:
        The axes; one unit per cell.

    Raises:
        FigureError: when there is no behavior, or more than ``MAX_NAMES``.
    """
    untrained = False
    if isinstance(counts, EvaluationReport):
        counts = EvaluationFigures.of(counts)
    if isinstance(counts, EvaluationFigures):
        counts, untrained = counts.confusion, counts.untrained
    table = counts.confusion if isinstance(counts, Metrics) else counts
    if not table.size or max(table.shape) > MAX_NAMES:
        raise FigureError(f"expected counts of 1 to {MAX_NAMES} behaviors, found {table.shape}: choose some of them")
    questions = set(map(str, table.columns)) == set(_QUESTIONS)
    table = table[list(_QUESTIONS)] if questions else table
    values = table.to_numpy(np.float64)
    shares = _question_shares(values) if questions else values / np.maximum(values.sum(axis=1, keepdims=True), 1)
    high, wide = values.shape
    cell = _CELL if max(high, wide) <= 20 else 0.36
    axes = axes_for(axes, max(2.2, cell * wide * (1.35 if questions else 1)), max(1.0, cell * high))
    _draw_cells(axes, shares, values)
    names = [wrapped(str(name), 22) for name in table.index]
    axes.set_yticks(range(high), names, color=INK, fontsize=9)
    axes.set_ylabel("behavior" if questions else rows)
    axes.set_xlabel("" if questions else columns)
    if questions:
        axes.set_xticks(range(wide), ["found", "missed", "falsely found", "left alone"], rotation=35, ha="left")
        axes.axvline(1.5, color="white", linewidth=6)
    else:
        axes.set_xticks(range(wide), [wrapped(str(name), 18, 1) for name in table.columns], rotation=45, ha="left")
    axes.xaxis.tick_top()
    axes.tick_params(length=0, colors=INK)
    axes.tick_params(axis="x", pad=1)
    told = "percent of the labelled frames of each row"
    if questions:
        told = "percent of the frames in which it happens, and of those in which it does not"
    told += f"; {UNTRAINED_NOTE}" if untrained else ""
    longest = max(len(wrapped(str(name), 18, 1)) for name in table.columns)
    headline(axes, title, told if note is None else note, above=8 + (48 if questions else 10 + 4.4 * longest))
    return axes


def _question_shares(values: np.ndarray) -> np.ndarray:
    """Found and missed as shares of what happens, the others as shares of what does not."""
    parts = [values[:, :2], values[:, 2:]]
    return np.concatenate([part / np.maximum(part.sum(axis=1, keepdims=True), 1) for part in parts], axis=1)


def _draw_cells(axes: Axes, shares: np.ndarray, values: np.ndarray) -> None:
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*shares.shape):
        if values[row].sum():
            red, green, blue, _ = image.to_rgba(shares[row, column])
            dark = lightness(f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}") < 0.55
            words = f"{100 * shares[row, column]:.0f}"
            color = "white" if dark else INK
            axes.text(column, row, words, ha="center", va="center", color=color, fontsize=8)
    for edge in axes.spines.values():
        edge.set_visible(False)
