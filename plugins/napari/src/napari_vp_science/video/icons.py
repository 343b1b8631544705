"""Icons of the transport bar, drawn in the colours of the theme (fonts lack the signs)."""

from collections.abc import Callable

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF

_SIZE = 18
_SCALE = 3
"""Drawn larger, so that screens with many pixels show them sharp."""

Drawing = Callable[[QPainter], None]


def icon(name: str, color: QColor) -> QIcon:
    """One of ``play``, ``pause``, ``back`` and ``forward`` (a frame)."""
    pixmap = QPixmap(_SIZE * _SCALE, _SIZE * _SCALE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(_SCALE, _SCALE)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    _DRAWINGS[name](painter)
    painter.end()
    return QIcon(pixmap)


def _triangle(painter: QPainter, left: float, right: float, *, backwards: bool = False) -> None:
    tip, base = (left, right) if backwards else (right, left)
    painter.drawPolygon(QPolygonF([QPointF(base, 3.0), QPointF(tip, 9.0), QPointF(base, 15.0)]))


def _play(painter: QPainter) -> None:
    _triangle(painter, 4.5, 15.0)


def _pause(painter: QPainter) -> None:
    painter.drawRect(QRectF(4.0, 3.0, 3.5, 12.0))
    painter.drawRect(QRectF(10.5, 3.0, 3.5, 12.0))


def _back(painter: QPainter) -> None:
    painter.drawRect(QRectF(13.0, 3.0, 2.0, 12.0))
    _triangle(painter, 3.0, 11.5, backwards=True)


def _forward(painter: QPainter) -> None:
    painter.drawRect(QRectF(3.0, 3.0, 2.0, 12.0))
    _triangle(painter, 6.5, 15.0)


_DRAWINGS: dict[str, Drawing] = {"play": _play, "pause": _pause, "back": _back, "forward": _forward}
