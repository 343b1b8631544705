"""Small figures for the page of results: arms as dots with their spread, and curves of trainings."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.proof.spread import spread
from vp_science.plots import read_metrics, save, training_curves
from vp_science.plots.palette import line_color, look
from vp_science.plots.style import INK, MUTED, axes_for, headline, wrapped

_ROW, _WIDTH = 0.26, 4.6


def dots(
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    path: Path,
    *,
    title: str,
    label: str,
    chance: float | None = None,
) -> Path:
    """Draw every value as a dot and the mean as a line, arm below arm, group below group."""
    arms = list(dict.fromkeys(arm for values in groups.values() for arm in values))
    rows = sum(len(values) + 1 for values in groups.values())
    axes = axes_for(None, _WIDTH, rows * _ROW)
    ticks, names, row = [], [], 0
    for group, values in groups.items():
        axes.text(-0.02, row + 0.5, wrapped(group, 44), transform=axes.get_yaxis_transform(), ha="right", va="center",
                  fontsize=9, weight="bold", color=INK)  # fmt: skip
        row += 1
        for arm, numbers in values.items():
            color = line_color(look(arms.index(arm)).color)
            middle, found = row + 0.5, spread(numbers)
            axes.plot(numbers, [middle] * len(numbers), "o", color=color, markersize=3.5, alpha=0.55)
            if found.count:
                axes.plot([found.mean] * 2, [middle - 0.36, middle + 0.36], color=color, linewidth=2.2)
            ticks.append(middle)
            names.append(arm)
            row += 1
    axes.set_yticks(ticks, names, fontsize=8.5, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(row, 0)
    axes.set_xlabel(label)
    if chance is not None:
        axes.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
    note = "dots: single values; line: their mean" + ("; dotted: guessing" if chance is not None else "")
    headline(axes, title, note)
    return save(axes, path)


def curves(runs: Mapping[str, Path], path: Path, title: str) -> Path:
    """Draw the logs of some trainings."""
    return save(training_curves({name: read_metrics(run) for name, run in runs.items()}, title=title), path)
