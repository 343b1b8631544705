"""The chosen moments, said in words, with what can be done with them."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.state import Moment, PanelState
from napari_vp_science.style import GAP, button


class SelectionBar(QWidget):
    """How much is chosen; label it, turn the choice around, or forget it."""

    label_asked = Signal(str)
    """All of it shall be labelled with this behavior."""
    invert_asked = Signal()
    clear_asked = Signal()

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self.text = QLabel()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.label = button("Label as", "Give all chosen moments this label, as one step of undo.")
        self.menu = QMenu(self)
        self.menu.aboutToShow.connect(lambda: self.fill_menu(self.menu))
        self.label.setMenu(self.menu)
        self.invert = button("Invert", "Choose the others instead.")
        self.clear = button("Clear", "Choose nothing.")
        self.invert.clicked.connect(self.invert_asked.emit)
        self.clear.clicked.connect(self.clear_asked.emit)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for one in (self.label, self.invert, self.clear):
            row.addWidget(one)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(self.text)
        layout.addLayout(row)
        self.show_moments([])

    def show_moments(self, moments: list[Moment]) -> None:
        """Say how much is chosen."""
        text = vp.sessions.moments_text(moments)
        self.text.setText(f"Chosen: {text}" if moments else "Draw around points to choose them.")
        for one in (self.label, self.invert, self.clear):
            one.setEnabled(bool(moments))

    def fill_menu(self, menu: QMenu) -> None:
        """The behaviors of the catalogue, with their keys."""
        menu.clear()
        behaviors = () if self._state.labels is None else tuple(self._state.labels.behaviors)
        for entry in behaviors:
            text = entry.name.replace("&", "&&") + (f"\t{entry.key}" if entry.key else "")
            menu.addAction(text).triggered.connect(lambda _=False, name=entry.name: self.label_asked.emit(name))
        if not behaviors:
            menu.addAction("Add behaviors on the Label page first").setEnabled(False)
