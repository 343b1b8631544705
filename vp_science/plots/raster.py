"""Ethograms: a row per behavior over time, for one recording or many."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.offsetbox import AnchoredOffsetbox, DrawingArea, HPacker, TextArea
from matplotlib.patches import Rectangle

from vp_science.errors import FigureError
from vp_science.plots.lanes import Group, Lane, Scores, Source, choose, gather, pick
from vp_science.plots.palette import Look, behavior_looks, mixed
from vp_science.plots.style import FAINT, INK, MUTED, axes_for, headline, size_in_inches, wrapped
from vp_science.plots.time_axis import far_from_zero, show_time
from vp_science.timeline.intervals import Intervals, subtract_intervals

MAX_ROWS = 400
"""More rows than this make no picture that anybody can read."""

_WIDTH, _ROW = 8.5, 0.27
_HEADING, _GAP = 1.0, 0.45  # in rows
_LEAST_INCHES = 1 / 150
_MAX_COLUMNS = 2000
_MANY_BARS = 3000
_ROUNDING_S = 2e-3  # tables round times to a millisecond: no gap that anybody meant
_UNKNOWN: dict[str, Any] = {"facecolor": "#eff1f4", "edgecolor": "#aab1bc", "hatch": "/////", "linewidth": 0}


@dataclass(frozen=True)
class _Band:
    """Where in a row something stands: top and height, in rows."""

    top: float
    height: float


_ALONE, _LABELS, _FOUND = _Band(0.14, 0.72), _Band(0.08, 0.38), _Band(0.52, 0.40)
_DECIDED = 0.42  # share of a band of scores that shows what was decided


def ethogram(
    labels: Source | None = None,
    predictions: Source | None = None,
    *,
    behaviors: Sequence[str] | None = None,
    recordings: Sequence[str] | None = None,
    since_start: bool | None = None,
    headed: bool | None = None,
    title: str = "",
    note: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw when each behavior happens: labels above, predictions below them, scores as a tint, unknown time hatched.

    A group of rows per recording (and animal), all on one axis of time. Bars have the color of the behavior: that of
    the catalogue, or one of the palette. A bout that is too short for the picture is drawn one pixel wide, and not left
    out; scores are averaged where the recording has more than 2000 frames. A bout in time that nobody scored stands in
    hatching: it counts nowhere.

    Args:
        labels: bouts of any number of recordings, or ethograms.
        predictions: likewise; matched to the labels by recording and animal. Predictions for whole frames stand below
            the labels of all animals together.
        behaviors: which, in this order; None for all.
        recordings: which, in this order; None for all.
        since_start: count time from the start of each recording; False keeps the clock of the recordings. None keeps
            it, unless the recordings start so late on their clocks that the numbers say nothing.
        headed: write the recording (and animal) over its rows; None does where there are several, and makes a single
            one the title where there is none.
        title: headline.
        note: small text below it.
        axes: to draw into; None makes a figure.

    Returns:
        The axes; x is time in seconds (shown in s, min, h or days), y runs downwards, one unit per row.

    Raises:
        FigureError: when there is nothing to draw, a behavior or recording does not exist, or there are more than
            ``MAX_ROWS`` rows.
        AnnotationError: when catalogues contradict each other, or a name fits two recordings.
    """
    catalogue, groups = gather(labels, predictions)
    names = choose(catalogue, behaviors)
    groups = _chosen(groups, recordings)
    if len(names) * len(groups) > MAX_ROWS:
        raise FigureError(
            f"expected at most {MAX_ROWS} rows, found {len(names) * len(groups)} ({len(groups)} recordings or animals, "
            f"{len(names)} behaviors): choose some of them"
        )
    from_start = _counts_from_start(groups) if since_start is None else since_start
    looks = behavior_looks(catalogue)
    both = any(group.labels is not None for group in groups) and any(g.predictions is not None for g in groups)
    lone = groups[0].title if headed is None and len(groups) == 1 else ""
    headed = len(groups) > 1 if headed is None else headed
    height = len(groups) * (len(names) + _HEADING * headed) + _GAP * (len(groups) - 1)
    axes = axes_for(axes, _WIDTH, max(0.7, _ROW * height))
    longest = _set_time(axes, groups, from_start)
    least = longest * _LEAST_INCHES / size_in_inches(axes)[0]
    ticks: list[tuple[float, str]] = []
    top = 0.0
    for group in groups:
        if headed:
            heading = wrapped(group.title, 90, 1)
            axes.text(0, top + 0.55, heading, transform=axes.get_yaxis_transform(), va="center", color=INK,
                      fontsize=9, weight="bold")  # fmt: skip
            top += _HEADING
        origin, end = group.extent
        shift = origin if from_start else 0.0
        for row, name in enumerate(names):
            ticks.append((top + row + 0.5, wrapped(name, 28, 1)))
            axes.plot([origin - shift, end - shift], [top + row + 1] * 2, color=FAINT, linewidth=0.6, zorder=0)
            _draw_row(axes, group, name, top + row, looks[name], shift, least, both)
        top += len(names) + _GAP
    axes.set_ylim(top - _GAP, 0)
    axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks], color=INK, fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    key = _draw_key(axes, groups, names, both)
    headline(axes, title or wrapped(lone, 90, 1), note, above=6 + 16 * key)
    return axes


def _chosen(groups: list[Group], recordings: Sequence[str] | None) -> list[Group]:
    if recordings is None:
        return groups
    names = pick(recordings, list(dict.fromkeys(group.recording for group in groups)), "recording")
    return [group for name in names for group in groups if group.recording == name]


def _counts_from_start(groups: list[Group]) -> bool:
    extents = [group.extent for group in groups]
    longest = max(stop - start for start, stop in extents)
    apart = max(start for start, _ in extents) - min(start for start, _ in extents)
    return far_from_zero(min(start for start, _ in extents), longest) or apart > 3 * max(longest, 1.0)


def _set_time(axes: Axes, groups: list[Group], from_start: bool) -> float:
    extents = [group.extent for group in groups]
    if from_start:
        extents = [(0.0, stop - start) for start, stop in extents]
    first, last = min(start for start, _ in extents), max(stop for _, stop in extents)
    last = last if last > first else first + 1.0  # a single instant still needs an axis
    axes.set_xlim(first, last)
    words = "time since the start of each recording" if from_start and len(groups) > 1 else "time"
    show_time(axes.xaxis, last - first, words + " since the start" * (from_start and len(groups) == 1))
    return last - first


def _draw_row(
    axes: Axes, group: Group, name: str, top: float, look: Look, shift: float, least: float, both: bool
) -> None:
    for side, band in ((group.labels, _LABELS if both else _ALONE), (group.predictions, _FOUND if both else _ALONE)):
        if side is None:
            continue
        lane = side.get(name)
        whole = np.array([group.extent])
        unknown = whole if lane is None else _unknown(group, lane)
        _draw_bars(axes, unknown - shift, top, band, least, zorder=1, **_UNKNOWN)
        if lane is not None:
            _draw_lane(axes, lane, top, band, look, shift, least)


def _unknown(group: Group, lane: Lane) -> Intervals:
    gaps = subtract_intervals(np.array([group.extent]), lane.known)
    return np.asarray(gaps[gaps[:, 1] - gaps[:, 0] > _ROUNDING_S])


def _draw_lane(axes: Axes, lane: Lane, top: float, band: _Band, look: Look, shift: float, least: float) -> None:
    bar = band
    if lane.scores is not None:
        _draw_scores(axes, lane.scores, top, band, look.color, shift)
        bar = _Band(band.top + band.height * (1 - _DECIDED), band.height * _DECIDED)
    filled: dict[str, Any] = {"facecolor": look.color, "edgecolor": "white", "hatch": look.hatch, "linewidth": 0}
    _draw_bars(axes, lane.on - shift, top, bar, least, zorder=3, **filled)
    if len(lane.at_s):
        axes.vlines(lane.at_s - shift, top + band.top, top + band.top + band.height, color=look.color, linewidth=1.3)


def _draw_bars(axes: Axes, spans: Intervals, top: float, band: _Band, least: float, **style: Any) -> None:
    if not len(spans):
        return
    wide = np.maximum(spans[:, 1] - spans[:, 0], least)
    bars = list(zip(spans[:, 0].tolist(), wide.tolist(), strict=True))
    axes.broken_barh(bars, (top + band.top, band.height), rasterized=len(bars) > _MANY_BARS, **style)


def _draw_scores(axes: Axes, scores: Scores, top: float, band: _Band, color: str, shift: float) -> None:
    """The scores as a tint from white (0) to the color of the behavior (1), averaged to what a picture can show."""
    block = -(-len(scores.values) // _MAX_COLUMNS)
    starts = np.arange(0, len(scores.values), block)
    there = np.isfinite(scores.values)
    count = np.add.reduceat(there.astype(np.float64), starts)
    total = np.add.reduceat(np.where(there, scores.values, 0).astype(np.float64), starts)
    means = np.ma.masked_invalid(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))
    edges = np.append(scores.edges[starts], scores.edges[-1]) - shift
    tint = LinearSegmentedColormap.from_list("score", ["#ffffff", _full_tint(color)])
    rows = [top + band.top, top + band.top + band.height]
    axes.pcolormesh(edges, rows, means[None], cmap=tint, vmin=0, vmax=1, rasterized=True, zorder=2, shading="flat")


def _full_tint(color: str) -> str:
    return mixed(color, "#ffffff", 0.3)


def _draw_key(axes: Axes, groups: list[Group], names: list[str], both: bool) -> bool:
    """A line over the axes that says what stands where in a row; only as far as it does."""
    entries = list(_key_entries(groups, names, both))
    if not entries:
        return False
    items: list[Artist] = []
    for words, draw in entries:
        icon = DrawingArea(20, 11)
        for part in draw:
            icon.add_artist(part)
        text = TextArea(words, textprops={"color": MUTED, "fontsize": 8.5})
        items.append(HPacker(children=[icon, text], pad=0, sep=4, align="center"))
    row = HPacker(children=items, pad=0, sep=14, align="center")
    box = AnchoredOffsetbox("lower left", child=row, pad=0, borderpad=0.35, frameon=False, bbox_to_anchor=(0, 1),
                            bbox_transform=axes.transAxes)  # fmt: skip
    axes.add_artist(box)
    return True


def _key_entries(groups: list[Group], names: list[str], both: bool) -> Iterator[tuple[str, list[Rectangle]]]:
    sides = [side for group in groups for side in group.sides]
    lanes = [lane for side in sides for lane in side.values()]
    scored = any(lane.scores is not None for lane in lanes)
    if both:
        yield "labels", [Rectangle((0, 6), 20, 5, color=INK, linewidth=0)]
    if both or scored:
        yield "predictions", [Rectangle((0, 0), 20, 3 if scored else 5, color=INK, linewidth=0)]
    if scored:
        shades = [mixed("#ffffff", _full_tint(INK), step / 9) for step in range(10)]
        yield (
            "score, 0 to 1",
            [Rectangle((2 * i, 0), 2, 11, color=shade, linewidth=0) for i, shade in enumerate(shades)],
        )
    unknown = (len(_unknown(group, side[name])) for group in groups for side in group.sides for name in side)
    if any(unknown) or any(name not in side for side in sides for name in names):
        yield "unknown", [Rectangle((0, 0), 20, 11, **_UNKNOWN)]
