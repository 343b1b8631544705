"""The keys, listed: what ``?`` shows."""

from collections.abc import Sequence

from qtpy.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_vp_science.labels.keys import COMMANDS, GROUPS, KeyMap, shown
from napari_vp_science.review.keys import REVIEW_COMMANDS
from napari_vp_science.style import GAP, MARGIN, button, heading, hint

_BEHAVIORS = (
    "Tap: the behavior starts at this frame; tap again: it stopped here. Hold while the video plays: what passes is "
    "labelled. With Shift: what passes is erased. With a range marked: the range is labelled or erased. On the Map and "
    "Montage pages: the chosen moments are labelled."
)


class HelpWindow(QDialog):
    """All keys in columns; closes with Escape.

    Args:
        keys: of the commands.
        behaviors: names and keys of the catalogue.
        change: called when somebody wants other keys.
    """

    def __init__(self, keys: KeyMap, behaviors: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2 * MARGIN, MARGIN, 2 * MARGIN, 2 * MARGIN)
        columns = QHBoxLayout()
        columns.setSpacing(3 * MARGIN)
        left, middle = QVBoxLayout(), QVBoxLayout()
        for place, group in enumerate(GROUPS):
            column = left if place == 0 else middle
            self._add(column, group, [(c.title, keys.keys(c.name)) for c in COMMANDS if c.group == group])
        right = QVBoxLayout()
        with_keys = [(name, (key,)) for name, key in behaviors if key]
        self._add(right, "Behaviors", with_keys or [("No behavior has a key yet", ())])
        explained = hint(_BEHAVIORS)
        explained.setFixedWidth(260)
        right.addWidget(explained)
        self._add(right, "While reviewing", [(c.title, (c.key,)) for c in REVIEW_COMMANDS])
        for column in (left, middle, right):
            column.setSpacing(GAP // 2)
            column.addStretch(1)
            columns.addLayout(column)
        outer.addLayout(columns)
        row = QHBoxLayout()
        row.addWidget(hint("They work while “Label with keys” is on and nobody writes in a field."), 1)
        self.change = button("Change keys...", "Choose other keys")
        close = button("Close", "Close this list (Escape)")
        close.clicked.connect(self.close)
        row.addWidget(self.change)
        row.addWidget(close)
        outer.addSpacing(GAP)
        outer.addLayout(row)

    @staticmethod
    def _add(column: QVBoxLayout, title: str, rows: Sequence[tuple[str, Sequence[str]]]) -> None:
        title_label = heading(title)
        title_label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        column.addWidget(title_label)
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * MARGIN)
        grid.setVerticalSpacing(GAP // 2)
        for place, (words, keys) in enumerate(rows):
            label = QLabel("  or  ".join(shown(key) for key in keys) or "")
            font = label.font()
            font.setBold(True)
            label.setFont(font)
            grid.addWidget(label, place, 0)
            grid.addWidget(QLabel(words), place, 1)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        column.addSpacing(GAP)
