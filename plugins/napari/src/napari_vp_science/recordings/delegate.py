"""Paints one row of the list of recordings: picture, name, length, and four marks with words."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_vp_science.recordings.rows import STATE, UNLIKE
from napari_vp_science.recordings.words import clock
from napari_vp_science.style import Colors, mixed

if TYPE_CHECKING:
    import vp_science as vp
    from napari_vp_science.thumbnails import ThumbnailService

_PAD = 6
_PICTURE = QSize(84, 56)
_DOT = 9

Mark = tuple[str, float]
"""Words, and how much of it is done: 0 to 1."""


def marks(one: "vp.sessions.RecordingState", unlike: bool = False) -> list[Mark]:
    """What has been done with a recording: embedded, labelled, predicted, reviewed."""
    share, review, scored = one.embedded_share, one.review, one.labels.scored_s
    if share is not None:
        embedded = (f"{100 * share:.0f} % embedded", share)
    elif one.embedded:
        embedded = ("embedded differently" if unlike else "embedded", 1.0)
    else:
        embedded = ("not embedded", 0.0)
    labelled = (f"{clock(scored)} scored", 1.0) if scored else ("not scored", 0.0)
    if not scored and one.labels.num_bouts:
        labelled = (f"{one.labels.num_bouts} bouts", 1.0)
    predicted = ("predicted", 1.0) if one.predicted else ("not predicted", 0.0)
    if review is None:
        return [embedded, labelled, predicted, ("not reviewed", 0.0)]
    return [embedded, labelled, predicted, ("reviewed" if review >= 1 else f"{100 * review:.0f} % reviewed", review)]


class RecordingDelegate(QStyledItemDelegate):
    """Rows of one height, painted from what is known; pictures are asked for when they become visible.

    Attributes:
        colors: of the theme.
        current: id of the recording that is shown.
    """

    def __init__(self, thumbnails: "ThumbnailService | None", colors: Colors, parent: Any = None) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self.colors = colors
        self.current = ""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """All rows are equally high."""
        return QSize(200, _PICTURE.height() + 2 * _PAD)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint a row."""
        one: vp.sessions.RecordingState = index.data(STATE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._background(painter, option, one)
        area = option.rect.adjusted(_PAD, _PAD, -_PAD, -_PAD)
        self._picture(painter, QRect(area.topLeft(), _PICTURE), one)
        text = area.adjusted(_PICTURE.width() + 2 * _PAD - 2, 0, 0, 0)
        self._title(painter, text, one, option.font)
        self._marks(painter, text, one, option.font, bool(index.data(UNLIKE)))
        painter.restore()

    def _background(self, painter: QPainter, option: QStyleOptionViewItem, one: "vp.sessions.RecordingState") -> None:
        colors = self.colors
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, mixed(colors.accent, colors.background, 0.65))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, mixed(colors.foreground, colors.background, 0.4))
        if one.id == self.current:
            painter.fillRect(QRect(option.rect.topLeft(), QSize(3, option.rect.height())), colors.accent)
        painter.setPen(QPen(mixed(colors.line, colors.background, 0.5), 1))
        painter.drawLine(option.rect.bottomLeft(), option.rect.bottomRight())

    def _picture(self, painter: QPainter, area: QRect, one: "vp.sessions.RecordingState") -> None:
        painter.fillRect(area, mixed(self.colors.foreground, self.colors.background, 0.3))
        image = None
        if self._thumbnails is not None and one.disk is not None and not one.missing:
            # A tenth into the recording: the first frames are often a hand or an empty cage.
            moment = 0.1 * (one.disk.look.duration_s or 0.0)
            image = self._thumbnails.picture(one.id, moment, 2 * _PICTURE.height())
        if image is None:
            return
        fitted = image.size().scaled(area.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(area.x() + (area.width() - fitted.width()) // 2, area.y(), fitted.width(), fitted.height())
        place.moveTop(area.y() + (area.height() - fitted.height()) // 2)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(place, image)

    def _title(self, painter: QPainter, area: QRect, one: "vp.sessions.RecordingState", font: QFont) -> None:
        colors = self.colors
        bold = QFont(font)
        bold.setBold(True)
        line = QRect(area.x(), area.y(), area.width(), QFontMetrics(bold).height())
        word, color = self._aside(one)
        painter.setFont(font)
        painter.setPen(color)
        aside = QFontMetrics(font).horizontalAdvance(word)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, word)
        painter.setFont(bold)
        painter.setPen(colors.text)
        name = QFontMetrics(bold).elidedText(one.id, Qt.TextElideMode.ElideMiddle, line.width() - aside - 2 * _PAD)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)

    def _aside(self, one: "vp.sessions.RecordingState") -> tuple[str, QColor]:
        """Length, or what is wrong."""
        if one.missing:
            return "file missing", self.colors.cursor
        if one.disk is None:
            return "...", self.colors.faint
        if one.disk.look.error:
            return "cannot be read", self.colors.cursor
        length = one.disk.look.duration_s
        return ("" if length is None else clock(length)), self.colors.faint

    def _marks(
        self, painter: QPainter, area: QRect, one: "vp.sessions.RecordingState", font: QFont, unlike: bool
    ) -> None:
        small = QFont(font)
        small.setPointSizeF(max(7.0, font.pointSizeF() - 1))
        metrics = QFontMetrics(small)
        painter.setFont(small)
        line = metrics.height() + 1
        top, half = area.bottom() - 2 * line + 1, area.width() // 2
        for place, (words, share) in enumerate(marks(one, unlike)):
            left = area.x() + half * (place % 2)
            row = QRect(left, top + line * (place // 2), half - 4, line)
            self._dot(painter, QPointF(left + _DOT / 2 + 1, row.center().y() + 1), share)
            painter.setPen(self.colors.text if share else self.colors.faint)
            inside = row.adjusted(_DOT + 6, 0, 0, 0)
            shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, inside.width())
            painter.drawText(inside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, shown)

    def _dot(self, painter: QPainter, centre: QPointF, share: float) -> None:
        """A ring for nothing, a disc for all, a slice for a part."""
        circle = QRectF(centre.x() - _DOT / 2, centre.y() - _DOT / 2, _DOT, _DOT)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.colors.text if share else self.colors.faint, 1.2))
        painter.drawEllipse(circle)
        if share:
            painter.setBrush(self.colors.text)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.drawPie(circle, 90 * 16, -round(360 * 16 * min(1.0, share)))
