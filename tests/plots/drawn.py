"""What was drawn into axes, as numbers and texts."""

import numpy as np
from matplotlib.collections import PolyCollection


def texts(axes):
    """Every text of a figure that is not empty."""
    figure = axes.get_figure(root=True)
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]


def bars(axes, row, color=None, hatch=None):
    """Spans of the bars that lie in a row of an ethogram: (left, right, top, height)."""
    found = []
    for collection in axes.collections:
        if not isinstance(collection, PolyCollection) or (hatch is not None and collection.get_hatch() != hatch):
            continue
        if color is not None and not np.allclose(collection.get_facecolor()[0][:3], color):
            continue
        for path in collection.get_paths():
            (left, top), (right, bottom) = path.vertices.min(axis=0), path.vertices.max(axis=0)
            if row <= top and bottom <= row + 1:
                found.append((float(left), float(right), round(float(top - row), 3), round(float(bottom - top), 3)))
    return sorted(found)


def overlap(first, second):
    """Whether two boxes (left, bottom, width, height) share any area."""
    (a, b, c, d), (e, f, g, h) = first, second
    return a < e + g and e < a + c and b < f + h and f < b + d
