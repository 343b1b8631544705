"""Maps of embeddings: every moment a point, colored by what is asked, with pictures of typical moments."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from vp_science.errors import FigureError
from vp_science.maps import Map
from vp_science.plots.density import draw_density
from vp_science.plots.map_colors import Colors, Groups, Numbers, colors_of_map, colors_of_values
from vp_science.plots.names_on_map import write_names
from vp_science.plots.palette import Look
from vp_science.plots.style import INK, MUTED, UNTRAINED_NOTE, axes_for, headline, size_in_inches, wrapped
from vp_science.plots.thumbnails import fit_view, place_thumbnails
from vp_science.plots.time_axis import show_time
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram

MAX_THUMBNAILS = 60
MAX_POINTS_DRAWN = 150_000
"""More points than this are drawn as a density: how many lie in every pixel, and what most of them are."""

GREY = "#c9ccd1"
_WIDTH, _HEIGHT = 7.2, 6.2
_RASTER_FROM = 2000
_MOST_LISTED = 24
_METHOD_NAMES = {"umap": "UMAP", "tsne": "t-SNE", "pacmap": "PaCMAP", "pca": "PCA"}


def embedding_map(
    points: Map | Float[np.ndarray, "point 2"],
    color: str | Sequence[Any] | np.ndarray | None = None,
    *,
    labels: Annotations | None = None,
    scores: Ethogram | Sequence[Ethogram] | None = None,
    behavior: str | None = None,
    selected: Bool[np.ndarray, " _"] | None = None,
    thumbnails: Mapping[int, UInt8[np.ndarray, "_ _ 3"]] | None = None,
    names: bool = True,
    title: str = "",
    note: str | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw a map of moments.

    Points are drawn in random order, so that no group hides another; up to 2000 of them have shapes, too. The more
    there are, the smaller and paler; more than 150,000 are drawn as a density. In SVG and PDF files clouds of points
    are pictures, all else is not.

    Args:
        points: a map, or coordinates.
        color: for a map ``"behavior"``, ``"cluster"`` (default), ``"time"``, ``"recording"`` or ``"score"``; or one
            value per point: text and whole numbers are groups ("" and -1 are grey), other numbers a scale (NaN is
            grey). None leaves coordinates in one color.
        labels: for ``"behavior"``: a point has the behavior that takes most of it; where less than half of it was
            scored it is grey.
        scores: for ``"score"``: ethograms of the recordings; a point has the mean score of its time.
        behavior: for ``"score"``: of which behavior.
        selected: True where a point keeps its color; the others are grey.
        thumbnails: pictures by the position of the point that they show. They are put where no points are, none on
            another, with a line to their point.
        names: write the names of behaviors and clusters into the map.
        title: headline.
        note: small text below it; None says where the encoder is untrained.
        axes: to draw into; None makes a figure.

    Returns:
        The axes, in the units of the map.

    Raises:
        FigureError: when there are no points, values do not fit, something to color by was not given, or there are too
            many pictures.
    """
    places = np.asarray(points.coordinates if isinstance(points, Map) else points, np.float32)
    _check(places, selected, thumbnails)
    if isinstance(points, Map):
        by = "cluster" if color is None else color
        colors = (
            colors_of_map(points, by, labels=labels, scores=scores, behavior=behavior)
            if isinstance(by, str)
            else colors_of_values(by, len(places))
        )
        kind = _METHOD_NAMES.get(points.model.settings.method, points.model.settings.method)
    else:
        if isinstance(color, str):
            raise FigureError(f"expected one value per point to color coordinates by, found {color!r}: give an array")
        colors = colors_of_values(np.zeros(len(places)) if color is None else color, len(places))
        kind = "dimension"
    plain_color = color is None and not isinstance(points, Map)
    axes = axes_for(axes, _WIDTH, _HEIGHT)
    shape = size_in_inches(axes)
    pictures = dict(thumbnails or {})
    high = _picture_height(shape, len(pictures))
    wide = high * _aspect(list(pictures.values()))
    anchors = np.array(list(pictures), dtype=np.int64)
    if pictures:
        placed = place_thumbnails(places, anchors, shape, (wide, high))
        low, top, boxes = placed.low, placed.high, placed.boxes
    else:
        (low, top), boxes = fit_view(places, shape), np.zeros((0, 4))
    axes.set_xlim(low[0], top[0])
    axes.set_ylim(low[1], top[1])
    face, shown = _face_colors(colors, selected)
    if len(places) > MAX_POINTS_DRAWN:
        draw_density(axes, places, face, shown, colors.index if isinstance(colors, Groups) else None)
    else:
        _draw_points(axes, places, face, shown, colors)
    _draw_pictures(axes, places, pictures, boxes, face)
    _finish(axes, kind)
    if isinstance(colors, Groups):
        _add_legend(axes, colors, shown)
        if names and not (isinstance(color, str) and color == "recording"):
            write_names(axes, places, colors, shown, boxes)
    elif not plain_color:
        _add_color_bar(axes, colors, bool(shown.all()), selected is not None)
    told = UNTRAINED_NOTE if isinstance(points, Map) and points.untrained else ""
    headline(axes, title, told if note is None else note)
    return axes


def _check(places: np.ndarray, selected: np.ndarray | None, thumbnails: Mapping[int, np.ndarray] | None) -> None:
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise FigureError(f"expected coordinates of shape (points, 2), found {places.shape}: give at least one point")
    if not np.isfinite(places).all():
        raise FigureError("expected finite coordinates, found NaN or infinity: leave these points out")
    if selected is not None and selected.shape != (len(places),):
        raise FigureError(f"expected one True or False for each of the {len(places)} points, found {selected.shape}")
    if thumbnails and len(thumbnails) > MAX_THUMBNAILS:
        raise FigureError(f"expected at most {MAX_THUMBNAILS} pictures, found {len(thumbnails)}: leave some out")
    if thumbnails and not all(0 <= point < len(places) for point in thumbnails):
        raise FigureError(
            f"expected pictures of points from 0 to {len(places) - 1}, found another: check the positions"
        )


def _scale() -> Colormap:
    """Dark blue to yellow, without the palest end, which would vanish on white; as clear on grey paper."""
    from matplotlib import colormaps

    return LinearSegmentedColormap.from_list("time", colormaps["viridis"](np.linspace(0, 0.93, 64)))


def _limits(colors: Numbers) -> Normalize:
    known = colors.values[np.isfinite(colors.values)]
    low = colors.low if colors.low is not None else float(known.min(initial=np.inf))
    high = colors.high if colors.high is not None else float(known.max(initial=-np.inf))
    return Normalize(low, high) if low < high else Normalize(low if np.isfinite(low) else 0.0, None)


def _face_colors(
    colors: Colors, selected: np.ndarray | None
) -> tuple[Float[np.ndarray, "point 3"], Bool[np.ndarray, " point"]]:
    """The color of every point, and whether it is one that stands for something (the others are grey)."""
    if isinstance(colors, Groups):
        shown = colors.index >= 0
        table = np.array([to_rgb(look.color) for look in colors.looks] or [to_rgb(GREY)])
        face = table[np.maximum(colors.index, 0)]
    else:
        shown = np.isfinite(colors.values)
        face = _scale()(_limits(colors)(np.where(shown, colors.values, 0.0)))[:, :3]
    if selected is not None:
        shown = shown & selected
    return np.where(shown[:, None], face, np.array(to_rgb(GREY))), np.asarray(shown)


def _draw_points(
    axes: Axes,
    places: Float[np.ndarray, "point 2"],
    face: Float[np.ndarray, "point 3"],
    shown: Bool[np.ndarray, " point"],
    colors: Colors,
) -> None:
    """Grey points below, the others in random order above."""
    wide, high = size_in_inches(axes)
    size = float(np.clip(1100 * wide * high / len(places), 1.6, 22))
    opacity = float(np.interp(len(places), [500, 5000, 50_000], [0.9, 0.65, 0.45]))
    order = np.random.default_rng(0).permutation(len(places))
    shapes = np.full(len(places), "o")
    if isinstance(colors, Groups) and _has_shapes(len(places)) and colors.looks:
        shapes = np.array([look.marker for look in colors.looks])[np.maximum(colors.index, 0)]
    parts = [(~shown, "o", 0.6, 1.0)]
    parts += [(shown & (shapes == marker), str(marker), 1.0, 2.0) for marker in np.unique(shapes[shown])]
    for some, marker, strength, layer in parts:
        rows = order[some[order]]
        axes.scatter(
            places[rows, 0], places[rows, 1], c=face[rows], s=size, alpha=opacity * strength, linewidths=0,
            zorder=layer, marker=marker, rasterized=len(places) > _RASTER_FROM,
        )  # fmt: skip


def _has_shapes(count: int) -> bool:
    """Whether points are large enough for their shape to be seen."""
    return count <= _RASTER_FROM


def _picture_height(shape: tuple[float, float], count: int) -> float:
    """Inches; many pictures are smaller."""
    return float(np.clip(2.4 / max(count, 1) ** 0.5, 0.42, 0.8)) * min(1.0, min(shape) / 5)


def _aspect(pictures: list[np.ndarray]) -> float:
    """Width of a picture by its height, within limits."""
    ratios = [picture.shape[1] / picture.shape[0] for picture in pictures] or [1.0]
    return float(np.clip(np.median(ratios), 0.5, 2.0))


def _draw_pictures(
    axes: Axes,
    places: Float[np.ndarray, "point 2"],
    pictures: dict[int, np.ndarray],
    boxes: Float[np.ndarray, "picture 4"],
    face: Float[np.ndarray, "point 3"],
) -> None:
    limits = axes.get_xlim(), axes.get_ylim()
    for (point, pixels), box in zip(pictures.items(), boxes.tolist(), strict=True):
        left, bottom, wide, high = _fitted(pixels, box)
        x, y = places[point].tolist()
        edge = (min(max(x, left), left + wide), min(max(y, bottom), bottom + high))
        axes.plot([x, edge[0]], [y, edge[1]], color=INK, linewidth=0.7, alpha=0.75, zorder=3)
        axes.plot([x], [y], "o", color=face[point], markeredgecolor=INK, markersize=4.5, markeredgewidth=0.8, zorder=5)
        extent = (left, left + wide, bottom, bottom + high)
        axes.imshow(pixels, extent=extent, aspect="auto", zorder=4, interpolation="antialiased")
        axes.add_patch(
            Rectangle((left, bottom), wide, high, fill=False, edgecolor=face[point], linewidth=1.8, zorder=4.5)
        )
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.set_aspect("auto")


def _fitted(pixels: np.ndarray, box: list[float]) -> tuple[float, float, float, float]:
    """The largest part of a box that has the proportions of a picture."""
    left, bottom, wide, high = box
    ratio = pixels.shape[1] / pixels.shape[0]
    width, height = min(wide, high * ratio), min(high, wide / ratio)
    return left + (wide - width) / 2, bottom + (high - height) / 2, width, height


def _finish(axes: Axes, kind: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(f"{kind} 1", loc="left", color=MUTED)
    axes.set_ylabel(f"{kind} 2", loc="bottom", color=MUTED)


def _add_legend(axes: Axes, colors: Groups, shown: Bool[np.ndarray, " point"]) -> None:
    """Groups with their numbers of points, the largest first when they are too many to list."""
    counts = np.bincount(colors.index[shown], minlength=len(colors.names))
    present: Int64[np.ndarray, " group"] = np.flatnonzero(counts).astype(np.int64)
    listed = np.sort(present[np.argsort(-counts[present], kind="stable")][:_MOST_LISTED])
    entries = [
        (colors.looks[group], f"{wrapped(colors.names[group], 26, 1)}  ({counts[group]:,})")
        for group in listed.tolist()
    ]
    if not shown.all():
        out = [colors.grey] * bool((colors.index < 0).any()) + ["not selected"] * bool(
            (~shown & (colors.index >= 0)).any()
        )
        entries.append((Look(GREY), f"{' or '.join(filter(None, out))}  ({int((~shown).sum()):,})"))
    shapes = _has_shapes(len(shown))
    handles = [
        Line2D([], [], linestyle="", marker=one.marker if shapes else "o", markersize=6, color=one.color,
               markeredgewidth=0)
        for one, _ in entries
    ]  # fmt: skip
    more = f"and {len(present) - len(listed)} smaller ones" if len(present) > len(listed) else ""
    legend = axes.legend(
        handles, [words for _, words in entries], loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False,
        fontsize=8.5, labelcolor=INK, handletextpad=0.2, title=more, title_fontsize=8.5, alignment="left",
    )  # fmt: skip
    legend.get_title().set_color(MUTED)


def _add_color_bar(axes: Axes, colors: Numbers, complete: bool, some_selected: bool) -> None:
    figure = axes.get_figure()
    assert figure is not None
    limits = _limits(colors)
    bar = figure.colorbar(ScalarMappable(limits, _scale()), cax=axes.inset_axes((1.03, 0.62, 0.022, 0.36)))
    if colors.seconds:
        show_time(bar.ax.yaxis, float(limits.vmax or 0) - float(limits.vmin or 0), colors.label, 5)
    else:
        bar.set_label(colors.label)
    bar.ax.yaxis.label.set_color(INK)
    bar.ax.tick_params(colors=MUTED, labelsize=8.5, length=0)
    bar.outline.set_visible(False)
    if not complete:
        words = f"{colors.grey} or not selected" if some_selected else colors.grey
        axes.text(1.03, 0.56, "● ", transform=axes.transAxes, color=GREY, fontsize=9, va="top")
        axes.text(1.06, 0.56, words, transform=axes.transAxes, color=INK, fontsize=8.5, va="top")
