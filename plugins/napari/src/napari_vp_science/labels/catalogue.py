"""The catalogue editor: which behaviors there are, with color, key and kind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QColorDialog,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

import vp_science as vp
from napari_vp_science.labels.draft import PRESETS, CatalogueDraft
from napari_vp_science.labels.keys import KeyMap
from napari_vp_science.style import GAP, button, hint

_COLOR, _NAME, _KEY, _KIND, _BOUTS = range(5)
_KINDS = {"lasts": "state", "event": "point"}
_SWATCH = 18


def swatch(color: str, size: int = _SWATCH) -> QIcon:
    """A square of a color."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(color))
    painter.setPen(QColor(color).darker(140))
    painter.drawRoundedRect(1, 1, size - 3, size - 3, 3, 3)
    painter.end()
    return QIcon(pixmap)


class CatalogueDialog(QDialog):
    """Edits a draft of the catalogue; ``draft`` holds the answer when it is accepted.

    Args:
        behaviors: the present catalogue.
        num_bouts: bouts by name of behavior, of all recordings.
        keys: of commands.
        choose_file: asks for a file of labels to take behaviors from; None opens a file dialog.
    """

    def __init__(
        self,
        behaviors: vp.Behaviors,
        num_bouts: Mapping[str, int],
        keys: KeyMap,
        parent: QWidget | None = None,
        choose_file: Callable[[], Path | None] | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Behaviors")
        self.draft = CatalogueDraft(behaviors, num_bouts, keys)
        self._choose_file = choose_file or self._ask_for_file
        self.table = QTableWidget(0, 5)
        self._prepare_table()
        self.exclusive = QCheckBox("Only one behavior of a subject at a time")
        self.exclusive.setToolTip("Where a behavior starts, the one before stops. Otherwise behaviors may overlap.")
        self.exclusive.setChecked(behaviors.exclusive)
        self.exclusive.toggled.connect(self._exclusive_changed)
        self.said = hint()
        layout = QVBoxLayout(self)
        layout.setSpacing(GAP)
        layout.addLayout(self._tools())
        layout.addWidget(self.table, 1)
        layout.addWidget(self.exclusive)
        layout.addWidget(self.said)
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self.ok = box.button(QDialogButtonBox.StandardButton.Ok)
        self.ok.setAutoDefault(False)
        layout.addWidget(box)
        self.resize(560, 480)
        self.refresh(0)

    def add(self) -> None:
        """A new behavior, whose name is being written."""
        place = self.draft.add()
        self.refresh(place)
        self.table.editItem(self.table.item(place, _NAME))

    def remove(self) -> None:
        """Take the chosen behavior out."""
        place = self.table.currentRow()
        if place >= 0:
            self.draft.remove(place)
            self.refresh(place)

    def move(self, by: int) -> None:
        """Move the chosen behavior up or down."""
        if (place := self.table.currentRow()) >= 0:
            self.refresh(self.draft.move(place, by))

    def take_preset(self, title: str) -> None:
        """Add behaviors of a preset."""
        self.draft.take_preset(title)
        self.exclusive.setChecked(self.draft.exclusive)
        self.refresh(len(self.draft.rows) - 1)

    def take_file(self) -> None:
        """Add behaviors that a file of labels names."""
        path = self._choose_file()
        if path is None:
            return
        try:
            self.draft.take(vp.read_annotations(path, fps=1.0).behaviors)  # its times do not matter
        except vp.VPScienceError as error:
            self._say([str(error)])
            return
        self.exclusive.setChecked(self.draft.exclusive)
        self.refresh(len(self.draft.rows) - 1)

    # ---- the table

    def refresh(self, place: int) -> None:
        """Show the rows of the draft, and choose one."""
        self.table.blockSignals(True)
        self.table.setRowCount(len(self.draft.rows))
        for row in range(len(self.draft.rows)):
            self._show_row(row)
        self.table.blockSignals(False)
        if self.draft.rows:
            self.table.setCurrentCell(min(max(place, 0), len(self.draft.rows) - 1), _NAME)
        self._check()

    def _show_row(self, row: int) -> None:
        entry = self.draft.rows[row].entry
        color = QToolButton()
        color.setAutoRaise(True)
        color.setIconSize(QSize(_SWATCH, _SWATCH))
        color.setToolTip("Choose another color")
        color.clicked.connect(lambda: self._choose_color(row))
        self.table.setCellWidget(row, _COLOR, color)
        self.table.setItem(row, _NAME, QTableWidgetItem(entry.name))
        key = QLineEdit(entry.key.upper())
        key.setMaxLength(1)
        key.setAlignment(Qt.AlignmentFlag.AlignCenter)
        key.setToolTip("The key that labels it")
        key.setAccessibleName(f"Key of {entry.name}")
        key.textEdited.connect(lambda text: self._change(row, key=text.strip().lower()))
        self.table.setCellWidget(row, _KEY, key)
        kind = QComboBox()
        kind.addItems(list(_KINDS))
        kind.setCurrentIndex(list(_KINDS.values()).index(entry.kind))
        kind.setToolTip("Lasts: it has a start and a stop. Event: it happens at an instant.")
        kind.currentTextChanged.connect(lambda text: self._change(row, kind=_KINDS[text]))
        self.table.setCellWidget(row, _KIND, kind)
        bouts = QTableWidgetItem(f"{self.draft.num_bouts(row):,}")
        bouts.setFlags(Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled)
        bouts.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.table.setItem(row, _BOUTS, bouts)

    def _prepare_table(self) -> None:
        table = self.table
        table.setHorizontalHeaderLabels(["", "Name", "Key", "Kind", "Bouts"])
        table.verticalHeader().hide()
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.horizontalHeader().setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column, width in ((_COLOR, 34), (_KEY, 48), (_KIND, 86), (_BOUTS, 64)):
            table.setColumnWidth(column, width)
        table.verticalHeader().setDefaultSectionSize(30)
        table.itemChanged.connect(self._name_changed)

    def _tools(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for text, tip, action in (
            ("Add", "A new behavior", self.add),
            ("Remove", "Take the chosen behavior out", self.remove),
            ("Up", "Move it up", lambda: self.move(-1)),
            ("Down", "Move it down", lambda: self.move(1)),
        ):
            made = button(text, tip)
            made.clicked.connect(lambda _checked=False, act=action: act())
            row.addWidget(made)
        row.addStretch()
        more = button("Take from...", "Behaviors to begin with, or those of a file of labels")
        menu = QMenu(more)
        for title, (names, _) in PRESETS.items():
            action = menu.addAction(title)
            action.setToolTip(", ".join(names))
            action.triggered.connect(lambda _checked=False, title=title: self.take_preset(title))
        menu.setToolTipsVisible(True)
        menu.addSeparator()
        menu.addAction("A file of labels...").triggered.connect(lambda _checked=False: self.take_file())
        more.setMenu(menu)
        row.addWidget(more)
        return row

    def _name_changed(self, item: Any) -> None:
        if item.column() == _NAME:
            self._change(item.row(), name=item.text().strip())

    def _choose_color(self, row: int) -> None:
        entry = self.draft.rows[row].entry
        chosen = QColorDialog.getColor(QColor(entry.color or "#0072b2"), self, f"Color of {entry.name}")
        if chosen.isValid():
            self._change(row, color=chosen.name())

    def _change(self, row: int, **fields: str) -> None:
        try:
            self.draft.change(row, **fields)
        except vp.VPScienceError as error:
            self._check()
            self._say([str(error)])
            self.ok.setEnabled(False)
            return
        self._check()

    def _exclusive_changed(self, on: bool) -> None:
        self.draft.exclusive = on
        self._check()

    def _check(self) -> None:
        problems = self.draft.problems
        self.ok.setEnabled(not problems)
        self._say([*problems, *self.draft.warnings])
        try:
            looks = vp.plots.behavior_looks(self.draft.behaviors())
        except vp.VPScienceError:
            return
        for row, one in enumerate(self.draft.rows):
            self.table.cellWidget(row, _COLOR).setIcon(swatch(looks[one.entry.name].color))

    def _say(self, words: list[str]) -> None:
        self.said.setText("\n".join(text if text.endswith(".") else f"{text}." for text in words))
        self.said.setVisible(bool(words))

    def _ask_for_file(self) -> Path | None:
        name, _ = QFileDialog.getOpenFileName(self, "Take behaviors from a file of labels")
        return Path(name) if name else None
