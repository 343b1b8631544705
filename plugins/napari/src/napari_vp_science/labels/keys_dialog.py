"""Choosing other keys."""

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from napari_vp_science.labels.keys import COMMANDS, GROUPS, KeyMap, tidy
from napari_vp_science.style import GAP, MARGIN, button, heading, hint, page

_COLUMNS = 2


class KeysDialog(QDialog):
    """A field per command; says which keys clash, and does not accept them.

    Args:
        keys: the present ones.
        behaviors: names and keys of the catalogue.
    """

    def __init__(self, keys: KeyMap, behaviors: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Change keys")
        self._behaviors = list(behaviors)
        self._fields: dict[str, list[QKeySequenceEdit]] = {}
        outer = QVBoxLayout(self)
        outer.addWidget(hint("Click a field and press the new key. They are kept for you on this computer."))
        area, layout = page()
        for group in GROUPS:
            layout.addWidget(heading(group))
            layout.addLayout(self._grid(group, keys))
        layout.addStretch()
        outer.addWidget(area, 1)
        self.problem = hint()
        outer.addWidget(self.problem)
        outer.addLayout(self._buttons())
        self.resize(620, 640)
        self._check()

    @property
    def keys(self) -> KeyMap:
        """What the fields say."""
        keys = KeyMap()
        for name, fields in self._fields.items():
            keys = keys.with_keys(name, [field.keySequence().toString() for field in fields])
        return keys

    def field(self, name: str, place: int = 0) -> QKeySequenceEdit:
        """The field of a command."""
        return self._fields[name][place]

    def reset(self) -> None:
        """The defaults, everywhere."""
        for command in COMMANDS:
            for place, field in enumerate(self._fields[command.name]):
                field.setKeySequence(QKeySequence(command.keys[place] if place < len(command.keys) else ""))
        self._check()

    def _grid(self, group: str, keys: KeyMap) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(MARGIN)
        grid.setVerticalSpacing(GAP // 2)
        for row, command in enumerate(c for c in COMMANDS if c.group == group):
            grid.addWidget(QLabel(command.title), row, 0)
            own = keys.keys(command.name)
            self._fields[command.name] = []
            for place in range(_COLUMNS):
                field = QKeySequenceEdit(QKeySequence(own[place] if place < len(own) else ""))
                field.setAccessibleName(f"{command.title}, key {place + 1}")
                field.setClearButtonEnabled(True)
                field.keySequenceChanged.connect(self._changed)
                self._fields[command.name].append(field)
                grid.addWidget(field, row, place + 1)
        grid.setColumnStretch(0, 1)
        return grid

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        again = button("Reset to defaults", "Take back all changes of keys")
        again.clicked.connect(self.reset)
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        box.accepted.connect(self.accept)
        box.rejected.connect(self.reject)
        self._ok = box.button(QDialogButtonBox.StandardButton.Ok)
        self._ok.setAutoDefault(False)
        row.addWidget(again)
        row.addStretch()
        row.addWidget(box)
        return row

    def _changed(self, sequence: QKeySequence) -> None:
        """One key, not several after another."""
        field = self.sender()
        if sequence.count() > 1 and isinstance(field, QKeySequenceEdit):
            last = sequence.toString().split(", ")[-1]
            field.blockSignals(True)
            field.setKeySequence(QKeySequence(tidy(last)))
            field.blockSignals(False)
        self._check()

    def _check(self) -> None:
        conflicts = self.keys.conflicts(self._behaviors)
        self.problem.setText("\n".join(f"{words}." for words in conflicts))
        self.problem.setVisible(bool(conflicts))
        self._ok.setEnabled(not conflicts)

    def keyPressEvent(self, event: object) -> None:
        """Return and Escape are keys like others in a field; elsewhere Escape closes."""
        if getattr(event, "key", lambda: None)() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
