"""Names of groups, written where most of their points lie: a map that needs no colors to be read."""

import numpy as np
from jaxtyping import Bool, Float, Float64
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox, BboxBase

from vp_science.plots.map_colors import Groups
from vp_science.plots.style import INK, wrapped

_MOST_NAMES = 40
_SAMPLE = 1500
_FARTHER = 0.03  # what a step away from the heart costs, in shares of the group that are covered
_SHIFTS = [(0.0, 0.0), *((dx, dy) for far in (1.1, 2.2, 3.3) for dy in (far, -far) for dx in (0.0, 0.5, -0.5))]


def write_names(
    axes: Axes,
    places: Float[np.ndarray, "point 2"],
    colors: Groups,
    shown: Bool[np.ndarray, " point"],
    boxes: Float[np.ndarray, "picture 4"],
) -> None:
    """Write the names of the largest groups (at most 40) into the map, largest first.

    A name stands at the heart of its group, or moves a little where it would cover much of it, or another name or a
    picture. It is left out (the legend has it) where that does not help.
    """
    counts = np.bincount(colors.index[shown], minlength=len(colors.names))
    order = np.argsort(-counts, kind="stable")[: min(_MOST_NAMES, int((counts > 0).sum()))]
    to_pixels = axes.transData
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).reshape(-1, 2, 2)
    taken = [Bbox(to_pixels.transform(corner)) for corner in corners]
    view = axes.get_window_extent()
    for group in order.tolist():
        mine = places[shown & (colors.index == group)]
        x, y = _heart(mine).tolist()
        text = axes.text(
            x, y, wrapped(colors.names[group], 20), ha="center", va="center", fontsize=8.5, color=INK, weight="bold",
            zorder=6, bbox={"boxstyle": "round,pad=0.18", "facecolor": "white", "alpha": 0.78, "linewidth": 0},
        )  # fmt: skip
        size = text.get_window_extent().padded(2)
        dots = to_pixels.transform(mine)
        tried = [size.translated(across * size.width, up * size.height) for across, up in _SHIFTS]
        free = [
            (_cost(box, dots) + _FARTHER * step, step)
            for step, box in enumerate(tried)
            if _within(box, view) and not any(box.overlaps(other) for other in taken)
        ]
        if not free:
            text.remove()
            continue
        best = tried[min(free)[1]]
        x, y = to_pixels.inverted().transform(((best.x0 + best.x1) / 2, (best.y0 + best.y1) / 2)).tolist()
        text.set_position((x, y))
        taken.append(best)


def _cost(box: Bbox, dots: Float[np.ndarray, "member 2"]) -> float:
    """Share of the points of a group that its name would cover."""
    x, y = dots.T
    return float(((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)).mean())


def _within(box: Bbox, view: BboxBase) -> bool:
    return bool(view.x0 <= box.x0 and box.x1 <= view.x1 and view.y0 <= box.y0 and box.y1 <= view.y1)


def _heart(members: Float[np.ndarray, "member 2"]) -> Float64[np.ndarray, " 2"]:
    """The place of the member that has the most others around it: unlike a mean, it lies in the cloud."""
    step = -(-len(members) // _SAMPLE)
    some = members[::step].astype(np.float64)
    reach = max(float(np.ptp(some, axis=0).max()) / 8, 1e-9)
    near = np.zeros(len(some))
    for first in range(0, len(some), 256):
        apart = np.linalg.norm(some[first : first + 256, None] - some[None], axis=2)
        near[first : first + 256] = np.exp(-((apart / reach) ** 2)).sum(axis=1)
    return np.asarray(some[int(near.argmax())])
