"""What follows what: behaviors as circles, transitions as arrows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch

from vp_science.errors import FigureError
from vp_science.plots.lanes import pick
from vp_science.plots.palette import Look, behavior_looks, lightness, line_color, looks
from vp_science.plots.style import INK, axes_for, headline, wrapped
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.budget import TransitionMatrix, time_budget, transition_matrix
from vp_science.timeline.ethogram import Ethogram

MAX_NODES = 30
_SIDE = 5.6
_BEND = 0.2
_LABEL_AT = 0.38  # of the way: arrows cross in the middle
_MOST_LABELS = 32
_PLATE = {"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.85, "linewidth": 0}
_NONE = Look("#c9ccd1")


def transitions(
    labels: Annotations | Sequence[Ethogram] | TransitionMatrix | pd.DataFrame,
    *,
    show: str = "probabilities",
    threshold: int | float | None = None,
    seconds: Mapping[str, int | float] | None = None,
    behaviors: Sequence[str] | None = None,
    title: str = "",
    note: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw which behavior follows which: arrows as wide as their probability or count, circles as large as their time.

    Args:
        labels: annotations or ethograms (transitions between bouts, see ``transition_matrix``); or a matrix of
            transitions; or a table of counts, rows before, columns after.
        show: ``"probabilities"`` of what follows (all arrows that leave a circle add up to 1), or ``"counts"``.
        threshold: arrows below it are not drawn; None takes 0.05 or 1.
        seconds: time per behavior, for the circles; None takes that of the labels, and equal circles where a matrix
            does not tell.
        behaviors: only these and transitions among them, in this order; None for all.
        title: headline.
        note: small text below it; None says what arrows and circles mean, and how many transitions there are.
        axes: to draw into; None makes a figure.

    Returns:
        The axes, without ticks; circles lie on a circle of radius 1, clockwise from the top.

    Raises:
        FigureError: when nothing follows anything, a behavior does not exist, or there are more than 30.
        AnnotationError: when two behaviors of an exclusive catalogue happen at once.
    """
    if show not in ("probabilities", "counts"):
        raise FigureError(f'expected to show "probabilities" or "counts", found {show!r}')
    counts, probabilities, catalogue, times = _measure(labels)
    times = dict(seconds) if seconds is not None else times
    names = pick(behaviors, list(counts.index), "behavior") if behaviors is not None else list(counts.index)
    used = [name for name in names if behaviors is not None or _has_any(counts, name)]
    if len(used) > MAX_NODES:
        raise FigureError(f"expected at most {MAX_NODES} behaviors, found {len(used)}: choose some of them")
    if not used or not counts.loc[used, used].to_numpy().sum():
        raise FigureError("expected behaviors that follow each other, found none: check the bouts and observed time")
    least = threshold if threshold is not None else (0.05 if show == "probabilities" else 1)
    values = (probabilities if show == "probabilities" else counts).loc[used, used].to_numpy(np.float64)
    axes = axes_for(axes, _SIDE, _SIDE)
    axes.set_aspect("equal")
    axes.set_axis_off()
    places = _places(len(used))
    radii = _radii([times.get(name, 0.0) for name in used], len(used)) if times else np.full(len(used), 0.12)
    own = behavior_looks(catalogue) if catalogue is not None else looks(list(counts.index))
    shown = [own.get(name, _NONE) for name in used]
    circles = _draw_nodes(axes, used, places, radii, shown, times)
    _draw_arrows(axes, values, least, circles, places, radii, [look.color for look in shown], show)
    reach = 1 + float(radii.max()) + 0.3
    axes.set_xlim(-reach, reach)
    axes.set_ylim(float((places[:, 1] - radii).min()) - 0.25, float((places[:, 1] + radii).max()) + 0.25)
    number = int(counts.loc[used, used].to_numpy().sum())
    headline(axes, title, _note(show, least, number, bool(times)) if note is None else note)
    return axes


def _measure(
    labels: Annotations | Sequence[Ethogram] | TransitionMatrix | pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame, Behaviors | None, dict[str, float]]:
    """Counts, probabilities, the catalogue and the seconds per behavior, as far as they are known."""
    if isinstance(labels, pd.DataFrame):
        if list(labels.index) != list(labels.columns) or not len(labels):
            raise FigureError("expected a table whose rows and columns are the same behaviors, found another")
        table = labels.rename(index=str, columns=str)
        total = table.sum(axis=1)
        return table, table.div(total.where(total > 0), axis=0), None, {}
    if isinstance(labels, TransitionMatrix):
        return labels.counts, labels.probabilities, None, {}
    annotations = labels
    if not isinstance(labels, Annotations):
        if not len(labels):
            raise FigureError("expected labels or ethograms, found none: give at least one")
        annotations = Annotations.concat([one.to_annotations() for one in labels])
    assert isinstance(annotations, Annotations)
    matrix = transition_matrix(labels)
    budget = time_budget(annotations)
    seconds = {str(row["behavior"]): float(row["total_s"]) for row in budget.to_dict(orient="records")}
    known = {name: value for name, value in seconds.items() if np.isfinite(value)}
    if annotations.behaviors.exclusive and len(budget):
        background = str(matrix.counts.index[-1])
        known[background] = max(0.0, float(budget["observed_s"].max()) - sum(known.values()))
    return matrix.counts, matrix.probabilities, annotations.behaviors, known


def _has_any(counts: pd.DataFrame, name: str) -> bool:
    return bool(counts.loc[name].sum() + counts[name].sum())


def _places(count: int) -> np.ndarray:
    """Points on a circle, clockwise from the top."""
    angle = np.pi / 2 - 2 * np.pi * np.arange(count) / count
    around = np.column_stack([np.cos(angle), np.sin(angle)])
    return around if count > 1 else np.zeros((1, 2))


def _radii(seconds: Sequence[int | float], count: int) -> np.ndarray:
    """Radii whose areas are as the times; circles stay apart, and never vanish."""
    share = np.asarray(seconds, np.float64) / max(sum(seconds), 1e-9)
    largest = min(0.25, 0.7 * np.sin(np.pi / max(count, 2)))
    return np.asarray(np.maximum(largest * np.sqrt(share / max(float(share.max()), 1e-9)), 0.045))


def _draw_nodes(
    axes: Axes,
    names: Sequence[str],
    places: np.ndarray,
    radii: np.ndarray,
    shown: Sequence[Look],
    times: Mapping[str, int | float],
) -> list[Circle]:
    total = sum(times.get(name, 0.0) for name in names)
    circles = []
    for name, place, radius, look in zip(names, places, radii.tolist(), shown, strict=True):
        filled: dict[str, Any] = {"facecolor": look.color, "edgecolor": "white", "hatch": look.hatch, "linewidth": 1.2}
        circle = Circle(place.tolist(), radius, zorder=3, **filled)
        axes.add_patch(circle)
        circles.append(circle)
        share = f"{100 * times[name] / total:.0f} %" if total and name in times else ""
        inside = radius > 0.1
        if inside and share:
            plate = {"boxstyle": "round,pad=0.15", "facecolor": look.color, "linewidth": 0} if look.hatch else None
            color = "white" if lightness(look.color) < 0.55 else INK
            axes.text(
                place[0], place[1], share, ha="center", va="center", fontsize=8.5, zorder=5, bbox=plate, color=color
            )
        x, y = place * (1 + (radius + 0.07) / max(float(np.hypot(*place)), 1e-9)) if place.any() else (0, -radius - 0.1)
        side = "center" if abs(x) < 0.25 else "left" if x > 0 else "right"
        words = wrapped(name, 18) + (f"  {share}" if share and not inside else "")
        axes.text(x, y, words, ha=side, va="center" if side != "center" else "bottom" if y > 0 else "top",
                  fontsize=9.5, color=INK, weight="bold", zorder=6)  # fmt: skip
    return circles


def _draw_arrows(
    axes: Axes,
    values: np.ndarray,
    least: int | float,
    circles: Sequence[Circle],
    places: np.ndarray,
    radii: np.ndarray,
    colors: Sequence[str],
    show: str,
) -> None:
    drawn = [(i, j) for i, j in np.argwhere(np.nan_to_num(values) >= max(least, 1e-12)).tolist()]
    largest = 1.0 if show == "probabilities" else max((values[i, j] for i, j in drawn), default=1.0)
    for i, j in sorted(drawn, key=lambda pair: values[pair]):
        width = 0.5 + 4.5 * float(values[i, j]) / largest
        style: dict[str, Any] = {"color": line_color(colors[i]), "linewidth": width, "zorder": 2, "alpha": 0.9}
        head = f"-|>,head_length={2.4 + 1.1 * width:.2f},head_width={1.2 + 0.6 * width:.2f}"
        if i == j:
            start, stop, middle = _loop(places[i], float(radii[i]))
            arrow = FancyArrowPatch(start, stop, connectionstyle="arc3,rad=-1.6", arrowstyle=head, mutation_scale=1,
                                    **style)  # fmt: skip
        else:
            middle = _on_curve(places[i], places[j], float(radii[i]), float(radii[j]))
            arrow = FancyArrowPatch(
                tuple(places[i]), tuple(places[j]), connectionstyle=f"arc3,rad={_BEND}", arrowstyle=head,
                mutation_scale=1, patchA=circles[i], patchB=circles[j], shrinkA=1, shrinkB=2, **style,
            )  # fmt: skip
        axes.add_patch(arrow)
        if len(drawn) <= _MOST_LABELS:
            words = f"{values[i, j]:.2f}".lstrip("0") if values[i, j] < 0.995 else "1"
            words = words if show == "probabilities" else f"{values[i, j]:.0f}"
            axes.text(*middle, words, ha="center", va="center", fontsize=7.5, color=INK, zorder=4, bbox=_PLATE)


def _on_curve(start: np.ndarray, stop: np.ndarray, leaves: float, enters: float) -> tuple[float, float]:
    """Where the number of an arrow stands: on the part of its curve outside both circles, nearer to its begin.

    The curve is quadratic, as matplotlib's arc3 draws it.
    """
    dx, dy = stop - start
    bend = (start + stop) / 2 + _BEND * np.array([dy, -dx])
    t = np.linspace(0, 1, 101)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * stop
    seen = (np.hypot(*(curve - start).T) > leaves) & (np.hypot(*(curve - stop).T) > enters)
    part = curve[seen] if seen.any() else curve
    x, y = part[int(_LABEL_AT * len(part))].tolist()
    return x, y


def _loop(place: np.ndarray, radius: float) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Begin, end and the place of the number of an arrow from a circle to itself, on its inner side."""
    inward = np.arctan2(-place[1], -place[0]) if place.any() else np.pi / 2
    ends = [place + radius * np.array([np.cos(inward + turn), np.sin(inward + turn)]) for turn in (0.5, -0.5)]
    far = place + (radius + 0.16) * np.array([np.cos(inward), np.sin(inward)])
    (a, b), (c, d), (e, f) = (end.tolist() for end in (*ends, far))
    return (a, b), (c, d), (e, f)


def _note(show: str, least: int | float, number: int, timed: bool) -> str:
    what = "probability of what comes next" if show == "probabilities" else "number of transitions"
    limit = f"{least:.0%}" if show == "probabilities" else f"{least:g}"
    hidden = f"; below {limit} not drawn" if least > (0 if show == "probabilities" else 1) else ""
    circles = "; circles: time" if timed else ""
    return f"arrows: {what} ({number:,} in all{hidden}){circles}"
