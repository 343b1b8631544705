"""Which points a lasso encloses."""

import numpy as np


def enclosed(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Whether points lie inside a polygon, which may cross itself: what it goes around counts (nonzero winding).

    Points are sorted by y once; an edge then concerns only the run of points beside it. So the work grows with the
    points times the number of times that the polygon passes by them, not with the number of its corners.

    Args:
        points: ``(point, 2)``.
        polygon: ``(corner, 2)``; the last corner is joined to the first.

    Returns:
        ``(point,)`` bool.
    """
    chosen = np.zeros(len(points), dtype=bool)
    corners = np.asarray(polygon, np.float64)
    if len(corners) < 3 or not len(points):
        return chosen
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    near = near[np.argsort(points[near, 1], kind="stable")]
    x, y = points[near, 0].astype(np.float64), points[near, 1].astype(np.float64)
    turns = np.zeros(len(near), np.int32)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        first, stop = np.searchsorted(y, (min(y0, y1), max(y0, y1)))  # lower end included, upper end not
        at = x0 + (y[first:stop] - y0) * ((x1 - x0) / (y1 - y0))
        turns[first:stop] += (1 if y1 > y0 else -1) * (x[first:stop] < at)
    chosen[near] = turns != 0
    return chosen
