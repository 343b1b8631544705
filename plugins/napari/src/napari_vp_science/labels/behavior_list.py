"""The behaviors of the Label page: color, key, and what the shown recording has of each."""

from typing import Any

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem, QWidget

import vp_science as vp
from napari_vp_science.labels.catalogue import swatch
from napari_vp_science.labels.keys import shown

_NAME, _KEY, _BOUTS, _TIME = range(4)
_ROW = 26
_MOST_ROWS = 12


def totals(table: "vp.sessions.BoutTable", subject: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Bouts and seconds of every behavior of the catalogue.

    Args:
        table: of one recording.
        subject: whose; None for all.
    """
    chosen = np.ones(len(table), bool)
    if subject is not None:
        chosen = table.subject == (table.subjects.index(subject) if subject in table.subjects else -1)
    behavior, lasts = table.behavior[chosen], (table.stop_s - table.start_s)[chosen]
    count = np.bincount(behavior, minlength=len(table.names))
    return count, np.bincount(behavior, weights=lasts, minlength=len(table.names))


def time_text(seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"


class BehaviorList(QTableWidget):
    """A row per behavior; a click asks for its next bout.

    Attributes:
        wanted: somebody clicked a behavior; its name.
    """

    wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 4, parent)
        self.setHorizontalHeaderLabels(["Behavior", "Key", "Bouts", "Time"])
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setIconSize(QSize(16, 16))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW)
        header = self.horizontalHeader()
        header.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header.setSectionsClickable(False)
        header.setFixedHeight(_ROW)
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in ((_KEY, 42), (_BOUTS, 64), (_TIME, 84)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            self.setColumnWidth(column, width)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.cellClicked.connect(lambda row, _column: self.wanted.emit(self._names[row]))
        self._names: tuple[str, ...] = ()
        self._live: frozenset[str] = frozenset()

    def show_behaviors(self, behaviors: vp.Behaviors) -> None:
        """Another catalogue."""
        looks = vp.plots.behavior_looks(behaviors)
        self._names = behaviors.names
        self.setRowCount(len(behaviors))
        for row, entry in enumerate(behaviors):
            item = _item(entry.name)
            item.setIcon(swatch(looks[entry.name].color, 16))
            event = "" if entry.kind == "state" else " (event)"
            about = f"\n{entry.description}" if entry.description else ""
            item.setToolTip(f"{entry.name}{event}: click to go to the next bout{about}")
            self.setItem(row, _NAME, item)
            self.setItem(row, _KEY, _item(shown(entry.key.upper()) if entry.key else "-", center=True))
            self.setItem(row, _BOUTS, _item("", right=True))
            self.setItem(row, _TIME, _item("", right=True))
        rows = min(max(len(behaviors), 1), _MOST_ROWS)
        self.setFixedHeight((rows + 1) * _ROW + 2 * self.frameWidth() + 4)
        self._live = frozenset()

    def show_totals(self, count: np.ndarray, seconds: np.ndarray) -> None:
        """Numbers of the shown recording."""
        for row in range(min(self.rowCount(), len(count))):
            is_event = seconds[row] == 0
            self.item(row, _BOUTS).setText(f"{count[row]:,}")
            self.item(row, _TIME).setText("" if is_event else time_text(float(seconds[row])))

    def show_live(self, names: frozenset[str]) -> None:
        """Behaviors that are being labelled now stand out."""
        if names == self._live:
            return
        for row, name in enumerate(self._names):
            if (name in names) != (name in self._live):
                font = self.item(row, _NAME).font()
                font.setBold(name in names)
                self.item(row, _NAME).setFont(font)
        self._live = names


def _item(text: str, *, center: bool = False, right: bool = False) -> Any:
    item = QTableWidgetItem(text)
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    item.setTextAlignment((Qt.AlignmentFlag.AlignHCenter if center else side) | Qt.AlignmentFlag.AlignVCenter)
    return item
