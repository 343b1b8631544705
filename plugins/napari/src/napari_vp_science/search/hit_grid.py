"""The hits as a grid of pictures: look, answer, go there, by mouse or by keys."""

from qtpy.QtCore import QEvent, QModelIndex, Qt, QTimer, Signal
from qtpy.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QListView

from napari_vp_science.search.hit_model import HitModel
from napari_vp_science.search.hit_tile import HitTile, tile_parts
from napari_vp_science.style import Colors
from napari_vp_science.thumbnails import ThumbnailService

_WIDE = 108
_SPARE = 4
_ANSWERS = {
    Qt.Key.Key_Y: True,
    Qt.Key.Key_N: False,
    Qt.Key.Key_Backspace: None,
}
_OWN_KEYS = frozenset({*_ANSWERS, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Left, Qt.Key.Key_Right,
                       Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End, Qt.Key.Key_PageUp,
                       Qt.Key.Key_PageDown})  # fmt: skip


class HitGrid(QListView):
    """Tiles of hits; three beside each other in the panel.

    A click goes to the hit; the signs in the corners of a tile, or Y and N, answer, and Backspace takes the answer
    back; arrows choose; Enter goes there. While the grid has the focus these keys are its own.

    Attributes:
        empty_text: what is said where there are no hits.
        answered: row of the hit, True, False or None.
        wanted: row of the hit to go to.
    """

    answered = Signal(int, object)
    wanted = Signal(int)

    def __init__(self, model: HitModel, thumbnails: ThumbnailService, colors: Colors) -> None:
        super().__init__()
        self.setModel(model)
        self.empty_text = ""
        self._thumbnails = thumbnails
        self.tile = HitTile(model, thumbnails, colors, self)
        self.setItemDelegate(self.tile)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(True)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setMovement(QListView.Movement.Static)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Hits")
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(30)  # pictures come in bursts
        self._soon.timeout.connect(self.viewport().update)
        thumbnails.ready.connect(self._picture_came)
        thumbnails.failed.connect(self._picture_came)

    def close_view(self) -> None:
        """Stop listening."""
        self._soon.stop()
        self._thumbnails.ready.disconnect(self._picture_came)
        self._thumbnails.failed.disconnect(self._picture_came)

    def choose(self, row: int) -> None:
        """Choose a hit and make it visible."""
        index = self.model().index(row, 0)
        if index.isValid():
            self.setCurrentIndex(index)
            self.scrollTo(index)

    def _picture_came(self, *_: object) -> None:
        if self.isVisible() and not self._soon.isActive():
            self._soon.start()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Where there are no hits, what would be here."""
        super().paintEvent(event)
        if self.model().rowCount() == 0 and self.empty_text:
            painter = QPainter(self.viewport())
            painter.setPen(self.tile.colors.faint)
            room = self.viewport().rect().adjusted(16, 16, -16, -16)
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.empty_text)

    # ---- keys

    def event(self, event: QEvent) -> bool:
        """Keys of the grid are not those of the video while the grid has the focus."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and self._is_own(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Answer, or go there."""
        row, key = self.currentIndex().row(), event.key()
        if row >= 0 and self._is_own(event) and key in _ANSWERS:
            self.answered.emit(row, _ANSWERS[Qt.Key(key)])
        elif row >= 0 and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.wanted.emit(row)
        elif self._is_own(event):
            super().keyPressEvent(event)
        else:
            event.ignore()

    @staticmethod
    def _is_own(event: QKeyEvent) -> bool:
        plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == Qt.KeyboardModifier.NoModifier
        return plain and event.key() in _OWN_KEYS

    # ---- mouse

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A sign answers; elsewhere a click goes there."""
        super().mouseReleaseEvent(event)
        place = event.position().toPoint()
        index = self.indexAt(place)
        if event.button() != Qt.MouseButton.LeftButton or not index.isValid():
            return
        parts = tile_parts(self.visualRect(index), QFontMetrics(self.font()).height())
        for sign, means in ((parts.yes, True), (parts.no, False)):
            if sign.contains(place):
                already = self.tile.answer_of(index.row()) is means
                self.answered.emit(index.row(), None if already else means)
                return
        self.wanted.emit(index.row())

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        """The chosen tile shows its signs."""
        super().currentChanged(current, previous)
        self.viewport().update()

    # ---- size

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As many tiles beside each other as fit, filling the width."""
        room = event.size().width() - _SPARE
        self.tile.width = max(1, room // max(1, room // _WIDE))
        super().resizeEvent(event)
        self.scheduleDelayedItemsLayout()
