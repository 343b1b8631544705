"""Where pictures stand beside a cloud of points: on free ground, near what they show, none on another."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

_STEP = 1.08
_MOST_STEPS = 30
_SPARE = 1.6  # free places per picture: with some choice, lines are short
_CLEAR = 0.06  # of a cell: kept between pictures, and between pictures and points


@dataclass(frozen=True, eq=False)
class Places:
    """Where pictures go.

    Attributes:
        low: lower left corner of the view, in units of the points.
        high: upper right corner.
        boxes: left, bottom, width and height of every picture.
    """

    low: Float64[np.ndarray, " 2"]
    high: Float64[np.ndarray, " 2"]
    boxes: Float64[np.ndarray, "picture 4"]


def fit_view(
    points: Float[np.ndarray, "point 2"], shape: tuple[float, float], margin: float = 0.04
) -> tuple[Float64[np.ndarray, " 2"], Float64[np.ndarray, " 2"]]:
    """Corners of a view of this shape (width, height) that shows all points, in equal units on both axes."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    size = np.asarray(shape, np.float64)
    scale = max(float(((high - low) / size).max()), 1e-9) * (1 + 2 * margin)
    middle = (low + high) / 2
    return middle - scale * size / 2, middle + scale * size / 2


def place_thumbnails(
    points: Float[np.ndarray, "point 2"],
    anchors: Int64[np.ndarray, " picture"],
    shape: tuple[float, float],
    picture: tuple[float, float],
) -> Places:
    """Choose a place for every picture.

    The view is cut into cells of the size of a picture; cells without points are free. The view grows until there are
    enough of them. Pictures go to free cells so that the lines to their points are as short as possible in all, and
    therefore do not cross.

    Args:
        points: all points.
        anchors: the point that each picture shows.
        shape: width and height of the view, in inches.
        picture: width and height of a picture, in inches.
    """
    low, high = fit_view(points, shape)
    middle, half = (low + high) / 2, (high - low) / 2
    count = np.maximum(np.floor(np.asarray(shape) / np.asarray(picture)), 1).astype(int)
    for step in range(_MOST_STEPS):
        low, high = middle - half * _STEP**step, middle + half * _STEP**step
        free = _free_cells(points, low, high, count)
        if free.sum() >= _SPARE * len(anchors):
            break
    cell = (high - low) / count
    corners = low + np.argwhere(free) * cell
    chosen = _assign(points[anchors].astype(np.float64), corners + cell / 2)
    gap = _CLEAR * cell
    boxes = np.concatenate([corners[chosen] + gap, np.broadcast_to(cell - 2 * gap, (len(chosen), 2))], axis=1)
    return Places(low, high, boxes)


def _free_cells(
    points: Float[np.ndarray, "point 2"],
    low: Float64[np.ndarray, " 2"],
    high: Float64[np.ndarray, " 2"],
    count: Int64[np.ndarray, " 2"],
) -> Bool[np.ndarray, "column row"]:
    place = np.clip(((points - low) / (high - low) * count).astype(np.int64), 0, count - 1)
    taken = np.zeros(tuple(count.tolist()), dtype=bool)
    taken[place[:, 0], place[:, 1]] = True
    return ~taken


def _assign(
    anchors: Float64[np.ndarray, "picture 2"], centres: Float64[np.ndarray, "cell 2"]
) -> Int64[np.ndarray, " picture"]:
    from scipy.optimize import linear_sum_assignment

    length = np.linalg.norm(anchors[:, None] - centres[None], axis=2)
    rows, cells = linear_sum_assignment(length)
    return np.asarray(cells[np.argsort(rows)], np.int64)
