"""Curves of a training: loss, accuracy and other figures against the steps, of one run or of several."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from mpl_toolkits.axes_grid1 import make_axes_locatable

from vp_science.errors import FigureError
from vp_science.plots.lanes import pick
from vp_science.plots.palette import line_color, look
from vp_science.plots.style import INK, axes_for, headline, tidy, wrapped
from vp_science.typing import StrPath

METRICS_NAME = "metrics.jsonl"

_WIDTH, _HIGH, _GAP = 5.6, 1.9, 0.28
_MAX_PANELS, _MAX_RUNS = 12, 21
_MAX_BYTES = 1 << 30
_SMOOTH_FROM = 30
_LINES = ("-", "--", "-.", ":")
_BOOKKEEPING = ("step", "time_s", "seconds", "elapsed_s")
_SPEED = ("clips_per_s", "mfu", "learning_rate", "grad_norm", "gradient_norm", "wait_s", "data_wait")


def read_metrics(run: StrPath) -> pd.DataFrame:
    """The figures that a training wrote, one row per logged step, in the order of the steps.

    A run that was stopped and resumed tells some steps twice; the later line counts. A last line that is still being
    written is left out.

    Args:
        run: folder of a run, or its ``metrics.jsonl``.

    Returns:
        ``step`` and a column of float64 for every figure; NaN where a line does not have it.

    Raises:
        FigureError: when there is no such file, or it holds something else.
    """
    path = Path(run)
    path = path / METRICS_NAME if path.is_dir() else path
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise FigureError(f"{path}: expected metrics of a training, found over {_MAX_BYTES} bytes")
        lines = path.read_text("utf-8").split("\n")
    except FileNotFoundError as error:
        raise FigureError(
            f"{path}: expected metrics of a training, found no file: give the folder of a run, or its {METRICS_NAME}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise FigureError(
            f"{path}: expected metrics of a training, found a file that cannot be read: {error}"
        ) from error
    whole, _ = lines[:-1], lines[-1]  # what follows the last line break is not complete yet
    rows: dict[int, dict[str, float]] = {}
    for number, line in enumerate(whole, start=1):
        if line.strip():
            row = _read_line(line, f"{path}, line {number}")
            rows[int(row["step"])] = row
    if not rows:
        raise FigureError(f"{path}: expected lines of metrics, found none: wait for the first one")
    return pd.DataFrame([rows[step] for step in sorted(rows)]).astype({"step": np.int64})


def _read_line(line: str, where: str) -> dict[str, float]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise FigureError(f"{where}: expected a JSON object, found something else ({error})") from error
    step = record.get("step") if isinstance(record, dict) else None
    if not isinstance(step, int) or isinstance(step, bool):
        raise FigureError(f"{where}: expected a JSON object with a whole number step, found {line[:60]!r}")
    return {str(name): float(value) for name, value in record.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def name_runs(paths: Sequence[Path]) -> dict[str, Path]:
    """Short names for runs: the parts of their paths in which they differ.

    Raises:
        FigureError: when a run is given twice.
    """
    folders = [path.parent if path.name == METRICS_NAME else path for path in map(Path.resolve, paths)]
    if len(set(folders)) < len(folders):
        twice = next(folder for folder in folders if folders.count(folder) > 1)
        raise FigureError(f"expected every run once, found {twice} twice: leave one out")
    depth = 1
    while len({folder.parts[-depth:] for folder in folders}) < len(folders):
        depth += 1
    return {"/".join(folder.parts[-depth:]): path for folder, path in zip(folders, paths, strict=True)}


def training_curves(
    runs: pd.DataFrame | Mapping[str, pd.DataFrame],
    metrics: Sequence[str] | None = None,
    *,
    smooth: int | None = None,
    log: bool = False,
    title: str = "",
    note: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the figures of a training against its steps, a panel each; several runs lie over each other.

    Args:
        runs: what ``read_metrics`` gave, or several by name.
        metrics: columns to draw, from top to bottom; None draws the loss and all figures of the stage, not the rate of
            clips and the learning rate.
        smooth: lines over which a running mean is taken; the values themselves stay, pale, behind it. 1 takes none;
            None takes a fortieth of the lines where there are many.
        log: draw all figures on a logarithmic axis.
        title: headline.
        note: small text below it; None says what is pale.
        axes: to draw the first panel into, the others below it; None makes a figure.

    Returns:
        The axes of the first panel; ``axes.figure.axes`` has the others.

    Raises:
        FigureError: when no run has a figure of that name, or there are too many panels or runs.
    """
    named = {"": runs} if isinstance(runs, pd.DataFrame) else dict(runs)
    if not named:
        raise FigureError("expected at least one run, found none: give the folder of a run")
    if len(named) > _MAX_RUNS:
        raise FigureError(f"expected at most {_MAX_RUNS} runs, found {len(named)}: their lines could not be told apart")
    chosen = _choose(named, metrics)
    first = axes_for(axes, _WIDTH, len(chosen) * (_HIGH + _GAP) - _GAP)
    divider = make_axes_locatable(first)
    below = [divider.append_axes("bottom", size="100%", pad=_GAP, sharex=first) for _ in chosen[1:]]
    panels = [first, *(tidy(panel) for panel in below)]
    smoothed = False
    for panel, metric in zip(panels, chosen, strict=True):
        for position, (name, run) in enumerate(named.items()):
            if metric in run:
                smoothed |= _draw(panel, run, metric, name, position, smooth)
        panel.set_ylabel(wrapped(metric.replace("_", " "), 20))
        panel.tick_params(labelbottom=panel is panels[-1])
        if log:
            panel.set_yscale("log")
    panels[-1].set_xlabel("step")
    if len(named) > 1:
        first.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=8.5, labelcolor=INK)
    headline(first, title, ("pale: single values; thick: running mean" if smoothed else "") if note is None else note)
    return first


def _choose(runs: Mapping[str, pd.DataFrame], metrics: Sequence[str] | None) -> list[str]:
    there = list(dict.fromkeys(name for run in runs.values() for name in run.columns if name != "step"))
    if metrics is None:
        own = [name for name in there if name not in (*_BOOKKEEPING, *_SPEED)]
        metrics = sorted(own, key=lambda name: name != "loss")  # the loss first, the others as they were written
        metrics = metrics[:_MAX_PANELS]
    if len(metrics) > _MAX_PANELS:
        raise FigureError(f"expected at most {_MAX_PANELS} figures, found {len(metrics)}: choose some")
    if not metrics:
        raise FigureError("expected at least one figure besides the step, found none: name one of a run that has some")
    return list(pick(metrics, there, "figure"))


def _draw(axes: Axes, run: pd.DataFrame, metric: str, name: str, position: int, smooth: int | None) -> bool:
    """Draw one line, and whether it was smoothed."""
    there = run[["step", metric]].dropna()
    values, steps = there[metric].to_numpy(np.float64), there["step"].to_numpy()
    lines = max(1, len(values) // 40) if smooth is None and len(values) >= _SMOOTH_FROM else smooth or 1
    style: dict[str, Any] = {
        "color": line_color(look(position).color),
        "linestyle": _LINES[position // 7 % len(_LINES)],
    }
    if lines > 1:
        axes.plot(steps, values, linewidth=0.7, alpha=0.3, **style)
        values = pd.Series(values).rolling(lines, min_periods=1, center=True).mean().to_numpy()
    marker = "o" if len(values) < 3 else None
    axes.plot(steps, values, linewidth=1.7, label=wrapped(name, 30, 1), marker=marker, markersize=3.5, **style)
    return lines > 1
