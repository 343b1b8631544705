"""Clouds of very many points: how many lie in every pixel, and what most of them are."""

import numpy as np
from jaxtyping import Bool, Float, Int64
from matplotlib.axes import Axes

_PIXELS_PER_INCH = 110
_PALEST = 0.3
_FULL_AT = 0.97  # of the pixels with points: a few very full ones shall not pale the others


def draw_density(
    axes: Axes,
    places: Float[np.ndarray, "point 2"],
    face: Float[np.ndarray, "point 3"],
    shown: Bool[np.ndarray, " point"],
    groups: Int64[np.ndarray, " point"] | None = None,
) -> None:
    """Draw points as a picture over the view of the axes.

    A pixel has the color of the group that most of its points belong to (of numbers: their mean color), grey where all
    of them are. The more points, the stronger (by the logarithm of their number).

    Args:
        axes: with the limits of the view.
        places: coordinates.
        face: color of every point.
        shown: False where a point is grey.
        groups: of every point; None for numbers.
    """
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    box = axes.get_window_extent()
    figure = axes.get_figure(root=True)
    assert figure is not None
    columns, rows = (max(8, round(length / figure.dpi * _PIXELS_PER_INCH)) for length in (box.width, box.height))
    column = np.clip(((places[:, 0] - left) / (right - left) * columns).astype(np.int64), 0, columns - 1)
    row = np.clip(((places[:, 1] - bottom) / (top - bottom) * rows).astype(np.int64), 0, rows - 1)
    cell = row * columns + column
    picture = np.zeros((rows * columns, 4))
    for some in (~shown, shown):  # grey below
        if some.any():
            where, color = (
                _means(cell[some], face[some]) if groups is None else _majority(cell[some], groups[some], face[some])
            )
            picture[where, :3] = color
    count = np.bincount(cell, minlength=rows * columns)
    full = max(float(np.quantile(count[count > 0], _FULL_AT)), 1.0)
    strength = np.minimum(np.log1p(count) / np.log1p(full), 1.0)
    picture[:, 3] = np.where(count > 0, _PALEST + (1 - _PALEST) * strength, 0.0)
    axes.imshow(
        picture.reshape(rows, columns, 4), extent=(left, right, bottom, top), origin="lower", aspect="auto", zorder=2,
        interpolation="nearest",
    )  # fmt: skip
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def _means(
    cell: Int64[np.ndarray, " point"], face: Float[np.ndarray, "point 3"]
) -> tuple[Int64[np.ndarray, " pixel"], Float[np.ndarray, "pixel 3"]]:
    where, place, count = np.unique(cell, return_inverse=True, return_counts=True)
    sums = [np.bincount(place, face[:, channel], minlength=len(where)) for channel in range(3)]
    return where, np.stack(sums, axis=1) / count[:, None]


def _majority(
    cell: Int64[np.ndarray, " point"], group: Int64[np.ndarray, " point"], face: Float[np.ndarray, "point 3"]
) -> tuple[Int64[np.ndarray, " pixel"], Float[np.ndarray, "pixel 3"]]:
    pairs, first, count = np.unique(np.stack([cell, group]), axis=1, return_index=True, return_counts=True)
    order = np.lexsort((-count, pairs[0]))  # of every pixel the largest group comes first
    where, best = np.unique(pairs[0][order], return_index=True)
    return where, face[first[order[best]]]
