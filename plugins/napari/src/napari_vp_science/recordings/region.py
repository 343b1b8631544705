"""The region of interest: a rectangle in the viewer and the same in whole pixels."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from napari.layers import Shapes

Region = tuple[int, int, int, int]
"""x, y, width and height in pixels of the displayed frame."""

LEAST_SIDE = 16
LAYER = "Region of interest"
_COLOR = "#ffb000"


def region_of_rectangle(corners: np.ndarray, frame_size: tuple[int, int]) -> Region | None:
    """The pixels of a rectangle, clipped to the frame.

    Args:
        corners: ``(corner, 2)`` row and column; the middle of a pixel has whole numbers. A turned rectangle gives the
            upright one around it.
        frame_size: width and height of the frames.

    Returns:
        None when it does not meet the frame; one that is smaller than 16 pixels on a side grows to that.
    """
    width, height = frame_size
    top, left = np.asarray(corners, float)[:, -2:].min(axis=0) + 0.5
    bottom, right = np.asarray(corners, float)[:, -2:].max(axis=0) + 0.5
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        return None
    x, across = _span(left, right, width)
    y, down = _span(top, bottom, height)
    return x, y, across, down


def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    start, stop = max(0, round(float(low))), min(limit, round(float(high)))
    least = min(LEAST_SIDE, limit)
    if stop - start < least:
        middle = (start + stop) / 2
        start = min(max(0, round(middle - least / 2)), limit - least)
        stop = start + least
    return start, stop - start


def rectangle_of_region(region: Region) -> np.ndarray:
    """The four corners of a region as row and column, around whole pixels."""
    x, y, width, height = region
    top, left, bottom, right = y - 0.5, x - 0.5, y + height - 0.5, x + width - 0.5
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]])


def region_words(region: Region) -> str:
    """A region in words."""
    x, y, width, height = region
    return f"{width} x {height} pixels, {x} from the left, {y} from the top"


class RegionLayer:
    """A layer with one rectangle that people draw, move and resize; it tells what it comes to.

    Args:
        viewer: napari's viewer.
        changed: called with the region, or None when the rectangle was deleted or lies outside the frame.
        parent: in whose life the layer is looked after.
    """

    def __init__(self, viewer: Any, changed: Callable[[Region | None], None], parent: QObject) -> None:
        self._viewer, self._changed = viewer, changed
        self._layer: Shapes | None = None
        self._frame_size = (0, 0)
        self._quiet = self._dragging = False
        self._settle_soon = QTimer(parent)
        self._settle_soon.setSingleShot(True)
        self._settle_soon.setInterval(0)
        self._settle_soon.timeout.connect(self._settle)
        viewer.layers.events.removed.connect(self._removed)

    @property
    def layer(self) -> "Shapes | None":
        """The layer, None while there is none."""
        return self._layer

    def draw(self, frame_size: tuple[int, int], region: Region | None) -> None:
        """Show a region, or let people draw one."""
        self._frame_size = frame_size
        corners = [] if region is None else [rectangle_of_region(region)]
        if self._layer is not None:
            self._set(corners)
        else:
            self._layer = self._viewer.add_shapes(
                corners or None, ndim=2, shape_type="rectangle", name=LAYER, edge_color=_COLOR, face_color="#00000000",
                edge_width=max(1.0, max(frame_size) / 300),
            )  # fmt: skip
            self._layer.events.data.connect(self._edited)
            self._layer.mouse_drag_callbacks.append(self._dragged)
        self._layer.mode = "add_rectangle" if region is None else "select"
        self._viewer.layers.selection.active = self._layer

    def remove(self) -> None:
        """Take the layer away; the region stays what it is."""
        self._settle_soon.stop()
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.events.data.disconnect(self._edited)
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def close(self) -> None:
        """Take the layer away and stop listening."""
        self.remove()
        self._viewer.layers.events.removed.disconnect(self._removed)

    def _set(self, corners: list[np.ndarray]) -> None:
        if self._layer is None:
            return
        self._quiet = True
        try:
            self._layer.data = []
            if corners:
                self._layer.add_rectangles(corners)
        finally:
            self._quiet = False

    def _dragged(self, layer: Any, event: Any) -> Iterator[None]:
        """The mouse is down: the rectangle counts when it is up again."""
        self._dragging = True
        yield
        while event.type == "mouse_move":
            yield
        self._dragging = False
        self._settle_soon.start()

    def _edited(self, event: Any) -> None:
        if not self._quiet:
            self._settle_soon.start()

    def _settle(self) -> None:
        """A rectangle was drawn, moved, resized or deleted; the last one counts."""
        if self._layer is None or self._dragging:
            return
        shapes = list(self._layer.data)
        region = region_of_rectangle(shapes[-1], self._frame_size) if shapes else None
        if shapes:
            self._set([] if region is None else [rectangle_of_region(region)])
            self._layer.mode = "add_rectangle" if region is None else "select"
        self._changed(region)

    def _removed(self, event: Any) -> None:
        """Somebody deleted the layer by hand: the region goes with it."""
        if event.value is self._layer:
            self._settle_soon.stop()
            self._layer = None
            self._changed(None)
