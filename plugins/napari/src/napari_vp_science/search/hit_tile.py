"""How one hit looks: its picture, where it is, its score, the answer, and the label that it has already."""

from dataclasses import dataclass

from qtpy.QtCore import QModelIndex, QPoint, QRect, QSize, Qt
from qtpy.QtGui import QColor, QFontMetrics, QImage, QPainter, QPen
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from napari_vp_science.map.card import time_text
from napari_vp_science.search.hit_model import HitModel, Shown
from napari_vp_science.style import Colors, mixed
from napari_vp_science.thumbnails import ThumbnailService

HEIGHT = 96
"""Of the pictures that are asked for."""

YES, NO = QColor("#009E73"), QColor("#D55E00")
"""Told apart by color-blind readers; the signs beside them say the same."""

_EDGE = 4
_SIGN = 20


@dataclass(frozen=True)
class TileParts:
    """Where the parts of a tile lie."""

    picture: QRect
    first_line: QRect
    second_line: QRect
    yes: QRect
    no: QRect


def tile_parts(tile: QRect, line: int) -> TileParts:
    """The parts of a tile.

    Args:
        tile: all of it.
        line: height of a line of text.
    """
    inner = tile.adjusted(_EDGE, _EDGE, -_EDGE, -_EDGE)
    picture = QRect(inner.left(), inner.top(), inner.width(), inner.height() - 2 * line - 2)
    first = QRect(inner.left(), picture.bottom() + 2, inner.width(), line)
    sign = QSize(_SIGN, _SIGN)
    down = picture.bottom() - _SIGN - 2
    return TileParts(
        picture,
        first,
        first.translated(0, line),
        QRect(QPoint(picture.left() + 3, down), sign),
        QRect(QPoint(picture.right() - _SIGN - 2, down), sign),
    )


def tile_size(width: int, line: int) -> QSize:
    """Size of tiles of this width: pictures are four by three."""
    return QSize(width, (width - 2 * _EDGE) * 3 // 4 + 2 * line + 2 + 2 * _EDGE)


class HitTile(QStyledItemDelegate):
    """Draws tiles; asks for the pictures of those that are drawn, and of no others."""

    def __init__(self, model: HitModel, thumbnails: ThumbnailService, colors: Colors, parent: QWidget) -> None:
        super().__init__(parent)
        self._model, self._thumbnails = model, thumbnails
        self.colors = colors
        self.width = 118

    def answer_of(self, row: int) -> bool | None:
        """What was said about a hit."""
        return self._model.shown(row).answer

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """All tiles are of one size."""
        return tile_size(self.width, QFontMetrics(option.font).height())

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw one."""
        shown = self._model.shown(index.row())
        line = QFontMetrics(option.font).height()
        parts = tile_parts(option.rect, line)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        near = chosen or bool(option.state & QStyle.StateFlag.State_MouseOver)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        if chosen:
            painter.setPen(QPen(self.colors.accent, 2))
            painter.setBrush(mixed(self.colors.foreground, self.colors.accent, 0.25))
            painter.drawRoundedRect(option.rect.adjusted(1, 1, -1, -1), 4, 4)
        self._picture(painter, parts, shown)
        self._signs(painter, parts, shown.answer, near)
        self._words(painter, parts, shown)
        painter.restore()

    def _picture(self, painter: QPainter, parts: TileParts, shown: Shown) -> None:
        image = self._thumbnails.picture(shown.hit.track, shown.hit.peak_s, HEIGHT)
        if image is None:
            place = parts.picture
            painter.fillRect(place, self.colors.background)
        else:
            place = _inside(parts.picture, image)
            painter.setOpacity(0.35 if shown.answer is False else 1.0)
            painter.drawImage(place, image)
            painter.setOpacity(1.0)
        if shown.label:
            self._label(painter, place, shown)
        if shown.answer is not None:
            painter.setPen(QPen(YES if shown.answer else NO, 3))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(place.adjusted(1, 1, -2, -2))

    def _label(self, painter: QPainter, picture: QRect, shown: Shown) -> None:
        color = shown.color or self.colors.line
        metrics = painter.fontMetrics()
        text = metrics.elidedText(shown.label, Qt.TextElideMode.ElideRight, picture.width() - 10)
        tag = QRect(picture.left(), picture.top(), metrics.horizontalAdvance(text) + 10, metrics.height() + 2)
        painter.fillRect(tag, color)
        painter.setPen(QColor("black") if color.lightnessF() > 0.45 else QColor("white"))
        painter.drawText(tag, Qt.AlignmentFlag.AlignCenter, text)

    def _signs(self, painter: QPainter, parts: TileParts, answer: bool | None, near: bool) -> None:
        for place, color, means in ((parts.yes, YES, True), (parts.no, NO, False)):
            if answer is not means and not near:
                continue
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color if answer is means else QColor(0, 0, 0, 150))
            painter.drawEllipse(place)
            painter.setPen(QPen(QColor("white"), 2))
            (draw_tick if means else draw_cross)(painter, place)

    def _words(self, painter: QPainter, parts: TileParts, shown: Shown) -> None:
        hit, metrics = shown.hit, painter.fontMetrics()
        name = f"{hit.recording} {hit.subject}".strip()
        score = f"{hit.score:.2f}"
        painter.setPen(self.colors.text)
        elided = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, parts.first_line.width())
        painter.drawText(parts.first_line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, elided)
        painter.drawText(parts.second_line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, score)
        painter.setPen(self.colors.faint)
        time = time_text(hit.peak_s)
        painter.drawText(parts.second_line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, time)


def draw_tick(painter: QPainter, place: QRect) -> None:
    """A tick, in the pen that is set."""
    x, y, side = place.left(), place.top(), place.width()
    painter.drawLine(x + side * 28 // 100, y + side * 52 // 100, x + side * 44 // 100, y + side * 68 // 100)
    painter.drawLine(x + side * 44 // 100, y + side * 68 // 100, x + side * 73 // 100, y + side * 34 // 100)


def draw_cross(painter: QPainter, place: QRect) -> None:
    """A cross, in the pen that is set."""
    inner = place.adjusted(*(place.width() * 32 // 100 * sign for sign in (1, 1, -1, -1)))
    painter.drawLine(inner.topLeft(), inner.bottomRight())
    painter.drawLine(inner.topRight(), inner.bottomLeft())


def _inside(room: QRect, image: QImage) -> QRect:
    """As large as the room allows, in natural proportions."""
    size = image.size().scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
    return QRect(
        room.left() + (room.width() - size.width()) // 2,
        room.top() + (room.height() - size.height()) // 2,
        size.width(),
        size.height(),
    )
