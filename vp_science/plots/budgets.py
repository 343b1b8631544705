"""Where the time goes: shares of time per behavior, over animals, groups side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from vp_science.errors import FigureError
from vp_science.plots.lanes import choose
from vp_science.plots.palette import Look, behavior_looks, looks
from vp_science.plots.style import INK, axes_for, headline, wrapped
from vp_science.timeline.animal_budget import animal_budget, summarize_animals
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram

MAX_BARS = 300
_BAR, _GAP, _WIDTH = 0.21, 0.16, 5.6
_HATCHES = ("", "////", "....", "xxxx")
_FEW = 5


def time_budget(
    labels: Annotations | Ethogram | Sequence[Ethogram],
    table: pd.DataFrame | None = None,
    *,
    group_by: str | None = None,
    behaviors: Sequence[str] | None = None,
    seed: int = 0,
    title: str = "",
    note: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the share of observed time that animals spend on each behavior, groups side by side.

    Bars are means over animals, lines 95 % intervals from a bootstrap over animals, dots the animals. With one animal
    there is no interval, and the figure says so. Point events have no duration and no bar.

    Args:
        labels: bouts and observed time, or ethograms.
        table: of recordings, with the column ``recording`` and any of ``animal`` and the groups; see ``animal_budget``.
        group_by: column of the table that tells groups apart.
        behaviors: which, in this order; None for all.
        seed: of the bootstrap.
        title: headline.
        note: small text below it; None says what bars, lines and dots are, and over how many animals.
        axes: to draw into; None makes a figure.

    Returns:
        The axes; x is the share in percent, y one unit per behavior, downwards.

    Raises:
        FigureError: when no time was observed, a behavior does not exist or all are point events, or there are too many
            bars.
        AnnotationError: when the table does not fit.
    """
    annotations = labels if isinstance(labels, Annotations) else _as_annotations(labels)
    names = [name for name in choose(annotations.behaviors, behaviors) if annotations.behaviors[name].kind == "state"]
    budget = animal_budget(annotations, table, group_by)
    budget = budget[budget["behavior"].isin(names) & np.isfinite(budget["share"].to_numpy(np.float64))]
    if not len(budget):
        raise FigureError(
            "expected observed time of behaviors that last, found none: check that the labels have observed intervals"
        )
    summary = summarize_animals(budget, seed=seed)
    groups = list(dict.fromkeys(summary["group"]))
    if len(groups) * len(names) > MAX_BARS:
        raise FigureError(f"expected at most {MAX_BARS} bars, found {len(groups) * len(names)}: choose behaviors")
    axes = axes_for(axes, _WIDTH, len(names) * (_BAR * max(len(groups), 1.3) + _GAP))
    by_group = looks([str(group) for group in groups])
    by_behavior = behavior_looks(annotations.behaviors)
    high = 1 / (len(groups) + _GAP / _BAR)
    for position, group in enumerate(groups):
        for row, name in enumerate(names):
            look = by_behavior[name] if len(groups) == 1 else _grouped(by_group[str(group)], position)
            middle = row + 0.5 + (position - (len(groups) - 1) / 2) * high
            mine = (summary["group"] == group) & (summary["behavior"] == name)
            shares = budget[(budget["group"] == group) & (budget["behavior"] == name)]["share"].to_numpy(np.float64)
            if mine.any():
                _draw_bar(axes, summary[mine].iloc[0].to_dict(), shares, middle, high, look)
    axes.set_ylim(len(names), 0)
    axes.set_xlim(0, max(axes.get_xlim()[1], 1.0))
    axes.set_yticks(np.arange(len(names)) + 0.5, [wrapped(name, 28) for name in names], color=INK, fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of observed time (%)")
    counts = {group: budget.loc[budget["group"] == group, "animal"].nunique() for group in groups}
    if len(groups) > 1:
        handles = [
            Patch(
                facecolor=look.color,
                hatch=look.hatch,
                edgecolor="white",
                linewidth=0,
                label=_group_label(group, counts),
            )
            for position, group in enumerate(groups)
            for look in [_grouped(by_group[str(group)], position)]
        ]
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=8.5,
                    labelcolor=INK, title=group_by or "", alignment="left", title_fontsize=8.5)  # fmt: skip
    named = bool(annotations.subjects()) or (table is not None and "animal" in table)
    headline(axes, title, _note(counts, "animals" if named else "recordings") if note is None else note)
    return axes


def _as_annotations(labels: Ethogram | Sequence[Ethogram]) -> Annotations:
    parts = [labels] if isinstance(labels, Ethogram) else list(labels)
    if not parts:
        raise FigureError("expected labels or ethograms, found none: give at least one")
    return Annotations.concat([part.to_annotations() for part in parts])


def _grouped(look: Look, position: int) -> Look:
    return Look(look.color, _HATCHES[position % len(_HATCHES)])


def _group_label(group: object, counts: dict[Any, int]) -> str:
    return f"{wrapped(str(group), 24, 1)}  ({counts[group]} {'animals' if counts[group] != 1 else 'animal'})"


def _draw_bar(axes: Axes, row: dict[Any, Any], shares: np.ndarray, middle: float, high: float, look: Look) -> None:
    axes.barh(
        middle,
        100 * row["mean"],
        height=high * 0.88,
        color=look.color,
        hatch=look.hatch,
        edgecolor="white",
        linewidth=0,
    )
    if np.isfinite(row["low"]):
        axes.plot([100 * row["low"], 100 * row["high"]], [middle, middle], color=INK, linewidth=1.4, zorder=3,
                  solid_capstyle="butt")  # fmt: skip
    if len(shares) > 1:
        # Spread a little across the bar, always in the same way, so that equal animals are seen.
        across = (np.arange(len(shares)) % 5 - 2) / 5 * high * 0.55
        axes.plot(100 * shares, middle + across, "o", markersize=3.2, markerfacecolor="white", markeredgecolor=INK,
                  markeredgewidth=0.7, zorder=4, clip_on=False)  # fmt: skip


def _note(counts: dict[Any, int], what: str) -> str:
    """What is drawn; where nothing names animals, every recording is taken as one."""
    least, most = min(counts.values()), max(counts.values())
    if most == 1:
        return "one animal: no interval can be given" if len(counts) == 1 else "one animal per group: no intervals"
    number = f"{most}" if least == most else f"{least} to {most}"
    words = f"bars: mean over {number} {what}; lines: 95 % interval, bootstrap over {what}; dots: {what}"
    words += "\neach recording is taken as one animal" if what == "recordings" else ""
    if least == 1:
        return f"{words}; no interval for one animal"
    return f"{words}\nfewer than {_FEW} animals: intervals are too narrow" if least < _FEW else words
