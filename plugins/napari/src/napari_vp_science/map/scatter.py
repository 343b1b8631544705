"""Points to look at: zoom, pan, pick, lasso, and a marker that moves without drawing the points again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPalette, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_vp_science.map.lasso import enclosed
from napari_vp_science.map.raster import (
    View,
    colored,
    disc_rows,
    nearest_point,
    packed,
    point_radius,
    rank_picture,
    widened,
)

_CLICK_PX = 4
_REACH_PX = 9
_HOVER_MS = 180
_REFINE_MS = 120
_ABOVE_PX = 5
_MARK_PX = 12
_MOST_PIXELS = 1_300_000
_DIMMED = 0.74
_ZOOM = 1.2
_NEAREST, _FARTHEST = 2000.0, 0.5


@dataclass(frozen=True, eq=False)
class PointColors:
    """A color per point, by class.

    Attributes:
        index: of every point, the class; -1 stays grey and behind the others.
        table: ``(class, 3)`` uint8.
        hidden: classes that are not drawn and cannot be chosen; -1 for the grey points.
    """

    index: np.ndarray
    table: np.ndarray
    hidden: frozenset[int] = frozenset()

    @property
    def shown(self) -> np.ndarray:
        """Which points are drawn."""
        if not self.hidden:
            return np.ones(len(self.index), dtype=bool)
        return ~np.isin(self.index, list(self.hidden))


@dataclass(frozen=True)
class Note:
    """A name on the map.

    Attributes:
        x: of the point that it stands above, in the map.
        y: of that point.
        text: the name.
    """

    x: float
    y: float
    text: str


class ScatterView(QWidget):
    """Draws points; whoever owns it says where they lie, what color they have and which are chosen.

    Wheel: zoom. Left drag: lasso (Shift adds, Alt takes away). Right or middle drag, or Ctrl with the left button: pan.
    Click: the nearest point. Double click: everything. Right click: a menu of the owner's.
    """

    picked = Signal(int)
    """A point was clicked."""
    lassoed = Signal(object, str)
    """``(point,)`` bool, and ``"set"``, ``"add"`` or ``"remove"``."""
    hovered = Signal(int)
    """The mouse rests on a point; -1: no longer."""
    asked = Signal(int, object)
    """A right click: the point below it (-1: none) and the ``QPoint`` on the screen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(160, 160)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Map of moments")
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.empty_text = ""
        self._points = np.zeros((0, 2), np.float32)
        self._colors = PointColors(np.zeros(0, np.int16), np.zeros((0, 3), np.uint8))
        self._chosen: np.ndarray | None = None
        self._notes: tuple[Note, ...] = ()
        self._shuffle = np.zeros(0, np.int64)
        self._order: np.ndarray | None = None
        self._view = View.fitting(self._points, self.width(), self.height())
        self._whole = self._view.scale
        self._pixmap: QPixmap | None = None
        self._coarse = False
        self._marker: np.ndarray | None = None
        self._trail: np.ndarray = np.zeros((0, 2), np.float32)
        self._background, self._grey, self._text = QColor("#262930"), QColor("#6a6e76"), QColor("#f0f1f2")
        self._cursor = QColor("#ff5c5c")
        self._pressed: QPointF | None = None
        self._panned: QPointF | None = None
        self._path: list[QPointF] = []
        self._mode = "set"
        self._mouse = QPointF()
        self._over = -1
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_HOVER_MS)
        self._rest.timeout.connect(self._rested)
        self._refine = QTimer(self)
        self._refine.setSingleShot(True)
        self._refine.setInterval(_REFINE_MS)
        self._refine.timeout.connect(self._redraw)

    # ---- what is shown

    @property
    def view(self) -> View:
        """What part of the map is seen."""
        return self._view

    def set_points(self, points: np.ndarray) -> None:
        """Other points; all of them are seen, grey, and none is chosen."""
        self._points = np.ascontiguousarray(points, np.float32)
        self._shuffle = np.random.default_rng(0).permutation(len(points))
        self._colors = PointColors(np.full(len(points), -1, np.int16), np.zeros((0, 3), np.uint8))
        self._chosen, self._notes, self._marker, self._order = None, (), None, None
        self._stop_hover()
        self.fit()

    def set_colors(self, colors: PointColors) -> None:
        """Other colors."""
        self._colors, self._order = colors, None
        self._redraw()

    def set_chosen(self, chosen: np.ndarray | None) -> None:
        """Points that stand out; the others step back. None: no choice."""
        self._chosen, self._order = chosen, None
        self._redraw()

    def set_notes(self, notes: Sequence[Note]) -> None:
        """Names on the map."""
        self._notes = tuple(notes)
        self._redraw()

    def set_theme(self, background: QColor, text: QColor, grey: QColor, cursor: QColor) -> None:
        """Colors of the window."""
        self._background, self._text, self._grey, self._cursor = background, text, grey, cursor
        self._redraw()

    def set_marker(self, point: int | None, trail: Collection[int] | np.ndarray = ()) -> None:
        """The moment that is on screen, and the way there; the points are not drawn again."""
        before = self._marked_area()
        self._marker = None if point is None else self._points[point]
        self._trail = self._points[np.asarray(trail, np.int64)] if len(trail) else np.zeros((0, 2), np.float32)
        self.update(before.united(self._marked_area()))

    def _marked_area(self) -> QRect:
        """Where the marker and its trail are painted."""
        if self._marker is None:
            return QRect()
        places = self._view.to_pixels(np.concatenate([self._marker[None], self._trail]))
        (left, top), (right, bottom) = (_within(edge) for edge in (places.min(axis=0), places.max(axis=0)))
        return QRect(left, top, right - left, bottom - top).adjusted(-_MARK_PX, -_MARK_PX, _MARK_PX, _MARK_PX)

    def fit(self) -> None:
        """See all points."""
        self._view = View.fitting(self._points, self.width(), self.height())
        self._whole = self._view.scale
        self._redraw()

    def point_at(self, position: QPointF, reach: float = _REACH_PX) -> int:
        """The nearest drawn point; -1 for none within reach."""
        order = self._drawn()
        found = nearest_point(self._view.to_pixels(self._points[order]), position.x(), position.y(), reach)
        return -1 if found is None else int(order[found])

    def sizeHint(self) -> QSize:
        """Square."""
        return QSize(360, 360)

    # ---- drawing

    def _redraw(self) -> None:
        self._pixmap, self._coarse = None, False
        self.update()

    def _moved(self, view: View) -> None:
        """Another part: drawn coarsely where there are many pixels, finely a moment later."""
        scale = float(np.clip(view.scale, self._whole * _FARTHEST, self._whole * _NEAREST))
        self._view = view if scale == view.scale else self._view
        self._pixmap, self._coarse = None, True
        self._refine.start()
        self.update()

    def _drawn(self) -> np.ndarray:
        """Points from the back to the front: grey ones behind, chosen ones before all; else shuffled."""
        if self._order is None:
            layer = (self._colors.index >= 0).astype(np.uint8)
            if self._chosen is not None:
                layer += np.uint8(2) * self._chosen
            order = self._shuffle[self._colors.shown[self._shuffle]]
            self._order = order[np.argsort(layer[order], kind="stable")]
        return self._order

    def _rank_colors(self, order: np.ndarray) -> np.ndarray:
        background = _rgb(self._background)
        table = np.concatenate([self._colors.table, _rgb(self._grey)[None]]).astype(np.uint8)  # -1 is the last one
        colors = np.empty((len(order) + 1, 3), np.uint8)
        colors[0] = background
        colors[1:] = table[self._colors.index[order]]
        if self._chosen is not None:
            dim = (table * (1 - _DIMMED) + background * _DIMMED).astype(np.uint8)
            back = np.flatnonzero(~self._chosen[order])
            colors[1 + back] = dim[self._colors.index[order[back]]]
        return packed(colors)

    def _rendered(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        if self._coarse:
            ratio = min(ratio, float(np.sqrt(_MOST_PIXELS / max(self.width() * self.height(), 1))))
        width, height = max(round(self.width() * ratio), 1), max(round(self.height() * ratio), 1)
        order = self._drawn()
        pixels = self._view.to_pixels(self._points[order], ratio)
        core, rim = disc_rows(point_radius(pixels, width, height, ratio))
        margin = max(len(rim), max(rim) + 1)
        ranks = rank_picture(pixels, width, height, margin)
        picture = colored(widened(ranks, core, margin), widened(ranks, rim, margin), self._rank_colors(order))
        image = QImage(picture.data, width, height, 4 * width, QImage.Format.Format_RGB32)
        pixmap = QPixmap.fromImage(image.copy())  # a pixmap may go on using the memory of its image, and the array goes
        pixmap.setDevicePixelRatio(ratio)
        self._paint_notes(pixmap)
        return pixmap

    def _paint_notes(self, pixmap: QPixmap) -> None:
        if not self._notes:
            return
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = QFont(self.font())
        font.setBold(True)
        metrics = QFontMetricsF(font)
        halo = QPen(self._background, 3.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        taken: list[QRectF] = []
        places = self._view.to_pixels(np.array([(note.x, note.y) for note in self._notes], np.float32))
        for note, (x, y) in zip(self._notes, places.tolist(), strict=True):
            size = metrics.boundingRect(note.text)
            box = QRectF(x - size.width() / 2, y - size.height() - _ABOVE_PX, size.width(), size.height())
            if any(box.intersects(other) for other in taken) or not self.rect().contains(int(x), int(y)):
                continue  # the first one stays readable
            taken.append(box)
            path = QPainterPath()
            path.addText(box.left(), box.bottom() - metrics.descent(), font, note.text)
            painter.strokePath(path, halo)
            painter.fillPath(path, self._text)
        painter.end()

    def paintEvent(self, event: Any) -> None:
        """The points as they are, the marker, the lasso."""
        painter = QPainter(self)
        if not len(self._points):
            painter.fillRect(self.rect(), self._background)
            painter.setPen(self.palette().color(QPalette.ColorRole.Text))
            box = self.rect().adjusted(24, 24, -24, -24)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.empty_text)
            painter.end()
            return
        if self._pixmap is None:
            self._pixmap = self._rendered()
        painter.drawPixmap(QRectF(self.rect()), self._pixmap, QRectF(self._pixmap.rect()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_marker(painter)
        if len(self._path) > 1:
            painter.setPen(QPen(self._text, 1.5, Qt.PenStyle.DashLine))
            faint = QColor(self._text)
            faint.setAlpha(28)
            painter.setBrush(faint)
            painter.drawPolygon(QPolygonF(self._path))
        painter.end()

    def _paint_marker(self, painter: QPainter) -> None:
        if self._marker is None:
            return
        way = self._view.to_pixels(self._trail)
        for index in range(1, len(way)):
            color = QColor(self._cursor)
            color.setAlphaF(0.15 + 0.7 * index / len(way))
            painter.setPen(QPen(color, 2.0, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            painter.drawLine(QPointF(*map(float, way[index - 1])), QPointF(*map(float, way[index])))
        at = QPointF(*map(float, self._view.to_pixels(self._marker[None])[0]))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self._background, 5.0))
        painter.drawEllipse(at, 7.0, 7.0)
        painter.setPen(QPen(self._cursor, 2.5))
        painter.drawEllipse(at, 7.0, 7.0)

    def resizeEvent(self, event: Any) -> None:
        """The same part of the map in the new size."""
        self._view = self._view.resized(self.width(), self.height())
        self._whole = View.fitting(self._points, self.width(), self.height()).scale
        self._redraw()

    # ---- the mouse

    def mousePressEvent(self, event: Any) -> None:
        """A lasso, a pan or a click begins."""
        self._stop_hover()
        self._pressed = event.position()
        held = event.modifiers()
        if event.button() == Qt.MouseButton.LeftButton and not held & Qt.KeyboardModifier.ControlModifier:
            self._path = [event.position()]
            adds, takes = held & Qt.KeyboardModifier.ShiftModifier, held & Qt.KeyboardModifier.AltModifier
            self._mode = "add" if adds else "remove" if takes else "set"
        else:
            self._panned = event.position()

    def mouseMoveEvent(self, event: Any) -> None:
        """The lasso grows, the map moves, or the mouse looks around."""
        self._mouse = event.position()
        if self._panned is not None:
            way = event.position() - self._panned
            self._panned = event.position()
            self._moved(self._view.moved(way.x(), way.y()))
        elif self._path:
            if (event.position() - self._path[-1]).manhattanLength() >= 2:
                self._path.append(event.position())
                self.update()
        else:
            self._rest.start()
            if self._over >= 0 and self.point_at(self._mouse) != self._over:
                self._stop_hover()
                self._rest.start()

    def mouseReleaseEvent(self, event: Any) -> None:
        """The end of it."""
        if self._pressed is None:
            return
        still = (event.position() - self._pressed).manhattanLength() < _CLICK_PX
        path, self._path, self._panned, self._pressed = self._path, [], None, None
        self.update()
        if event.button() == Qt.MouseButton.RightButton:
            if still and len(self._points):
                self.asked.emit(self.point_at(event.position()), event.globalPosition().toPoint())
        elif path and still and len(path) <= _CLICK_PX:
            point = self.point_at(event.position())
            if point >= 0:
                self.picked.emit(point)
        elif len(path) > 2:
            self._enclose(path)

    def _enclose(self, path: list[QPointF]) -> None:
        corners = np.array([self._view.to_map(corner.x(), corner.y()) for corner in path])
        inside = enclosed(self._points, corners) & self._colors.shown
        self.lassoed.emit(inside, self._mode)

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """Everything."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.fit()

    def wheelEvent(self, event: Any) -> None:
        """Nearer or further, around the mouse."""
        self._stop_hover()
        turns = (event.angleDelta().y() or event.pixelDelta().y() * 2) / 120
        at = event.position()
        self._moved(self._view.zoomed(_ZOOM**turns, at.x(), at.y()))
        event.accept()

    def leaveEvent(self, event: Any) -> None:
        """The mouse is elsewhere."""
        self._stop_hover()

    def _rested(self) -> None:
        point = self.point_at(self._mouse)
        if point != self._over:
            self._over = point
            self.hovered.emit(point)

    def _stop_hover(self) -> None:
        self._rest.stop()
        if self._over >= 0:
            self._over = -1
            self.hovered.emit(-1)

    def close_view(self) -> None:
        """Stop the timers."""
        self._rest.stop()
        self._refine.stop()


def _rgb(color: QColor) -> np.ndarray:
    return np.array([color.red(), color.green(), color.blue()], np.float32)


def _within(place: np.ndarray) -> tuple[int, int]:
    """Pixels that Qt can count, also of points far outside."""
    x, y = np.clip(place, -30_000, 30_000).astype(int).tolist()
    return x, y
