"""The open questions as rows of a list; made when they are looked at, so that 50,000 cost nothing."""

from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QColor, QPixmap

import vp_science as vp
from napari_vp_science.review import words

_SWATCH = 12


class QueueModel(QAbstractListModel):
    """Rows of a review queue."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue: vp.sessions.ReviewQueue | None = None
        self._swatches: dict[str, QPixmap] = {}
        self._several = False

    def show(self, queue: "vp.sessions.ReviewQueue | None", several: bool) -> None:
        """Show the queue as it is now; ``several`` recordings are named."""
        self.beginResetModel()
        self._queue, self._several = queue, several
        looks = {} if queue is None else vp.plots.behavior_looks(queue.book.behaviors)
        self._swatches = {name: swatch(look.color) for name, look in looks.items()}
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """How many are open."""
        return 0 if self._queue is None or (parent is not None and parent.isValid()) else len(self._queue)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """One question in a line."""
        if self._queue is None or not 0 <= index.row() < len(self._queue):
            return None
        item = self._queue.item(index.row())
        if role == Qt.ItemDataRole.DecorationRole:
            return self._swatches.get(item.behavior)
        if role == Qt.ItemDataRole.DisplayRole:
            kind = {"extra": " (not labelled)", "missed": " (not predicted)"}.get(item.kind, "")
            where = f"  \N{MIDDLE DOT}  {item.recording}" if self._several else ""
            return f"{item.behavior}{kind}   {words.clock(item.start_s)}   {words.score(item.score)}{where}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{item.recording}\n{words.span(item.start_s, item.stop_s)}\nconfidence {words.score(item.score)}"
        return None


def swatch(color: str, size: int = _SWATCH) -> QPixmap:
    """A square of a color."""
    picture = QPixmap(size, size)
    picture.fill(QColor(color))
    return picture
