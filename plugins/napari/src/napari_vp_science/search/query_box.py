"""What to look for, and where: the upper part of the page."""

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

import vp_science as vp
from napari_vp_science.map.card import time_text
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, button, hint

SCREEN, BOUT, MOMENTS, TEXT = "screen", "bout", "moments", "text"
_NAMES = {
    SCREEN: "This moment",
    BOUT: "Chosen bout",
    MOMENTS: "Chosen moments",
    TEXT: "Words",
}
_ALL, _THIS = "all", "this"
_NO_TEXT = (
    "Words need recordings that were embedded with a video-text model: choose videoprism-lvt-base on the Embed page."
)
_TEXT_ADVICE = "Words find first examples, not labels: look at what comes, and say yes or no."


class QueryBox(QWidget):
    """Asks what to look for.

    Attributes:
        asked: begin a search.
        cancelled: stop it.
    """

    asked = Signal()
    cancelled = Signal()

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self._texts_possible: bool | None = None
        self.source = _combo(_NAMES, "What the hits shall look like.")
        self.text = QLineEdit()
        self.text.setPlaceholderText("for example: a mouse grooming its face")
        self.text.setToolTip("In English, as a caption of a video would say it. Press Enter to search.")
        self.scope = _combo({_ALL: "All recordings", _THIS: "This recording"}, "Where to look.")
        self.alike = QCheckBox("Ignore arena and light of each recording")
        self.alike.setToolTip(
            "Leaves out what all moments of a recording have in common, so that the same behavior is found in "
            "recordings that look different. Not for words."
        )
        self.says = hint()
        self.find = button("Find", "Search for moments that look like this.", main=True)
        self.again = button("Search again", "Search with your answers: more like the yes, less like the no.")
        self.cancel = button("Cancel", "Stop the search.")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(8)
        self.stage = QLabel()
        self.stage.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._build()
        self.source.currentIndexChanged.connect(self.refresh)
        self.find.clicked.connect(self.asked.emit)
        self.cancel.clicked.connect(self.cancelled.emit)
        self.text.returnPressed.connect(self._entered)
        self.text.textChanged.connect(self.refresh)
        self.alike.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.again.hide()
        self.idle()
        self.refresh()

    def _build(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addLayout(_row(QLabel("Like"), self.source, QLabel("in"), self.scope))
        layout.addWidget(self.text)
        layout.addWidget(self.says)
        layout.addWidget(self.alike)
        layout.addLayout(_row(self.find, self.again, self.cancel, self.stage))
        layout.addWidget(self.bar)

    # ---- what is asked

    def search(self) -> "vp.sessions.SearchRound":
        """A new search as it is asked for now; ``problem`` must be empty."""
        state, kind = self._state, self.source.currentData()
        only_in = [state.current] if self.scope.currentData() == _THIS else None
        common = "recording" if self.alike.isChecked() else "all"
        if kind == TEXT:
            return vp.sessions.SearchRound(texts=[self.text.text().strip()], only_in=only_in)
        return vp.sessions.SearchRound(like=self._examples(kind), only_in=only_in, common=common)

    def _examples(self, kind: str) -> list[Any]:
        state = self._state
        if kind == SCREEN:
            now = state.link.time_s
            return [vp.sessions.search_example(state.current, now, now, state.subject)]
        if kind == BOUT:
            bout = state.labels.bout(state.bout)
            return [vp.sessions.search_example(bout.recording, bout.start_s, bout.stop_s, bout.subject)]
        return vp.sessions.search_examples(state.moments, state.subject)

    def problem(self) -> str:
        """Why nothing can be searched now; "" when it can."""
        state, kind = self._state, self.source.currentData()
        if state.session is None or not state.session.recordings:
            return "Open a recording first."
        if kind == SCREEN and (state.link is None or not state.current):
            return "Show a recording first: the window on screen is what is looked for."
        if kind == BOUT and self._bout() is None:
            return "Choose a bout in the timeline first."
        if kind == MOMENTS and not state.moments:
            return "Choose moments first: on the Map, or among hits."
        if kind == TEXT and self._texts_possible is False:
            return _NO_TEXT
        if kind == TEXT and not self.text.text().strip():
            return "Say in words what to look for."
        if self.scope.currentData() == _THIS and not state.current:
            return "Show a recording first, or search all of them."
        return ""

    def _bout(self) -> "vp.sessions.Bout | None":
        labels, number = self._state.labels, self._state.bout
        return labels.bout(number) if labels is not None and number is not None and number in labels else None

    def _description(self) -> str:
        state, kind = self._state, self.source.currentData()
        if kind == SCREEN:
            return f"The window around the present frame of {state.current}."
        if kind == BOUT:
            bout = self._bout()
            assert bout is not None
            return f"{bout.behavior}, {time_text(bout.start_s)} to {time_text(bout.stop_s)} of {bout.recording}."
        if kind == MOMENTS:
            return f"What {vp.sessions.moments_text(state.moments)} have in common."
        return _TEXT_ADVICE

    # ---- showing

    def set_texts_possible(self, possible: bool | None) -> None:
        """Whether words can be compared with the tracks; None while nobody knows."""
        self._texts_possible = possible
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Say what would be looked for."""
        problem = self.problem()
        is_text = self.source.currentData() == TEXT
        self.text.setVisible(is_text)
        self.alike.setVisible(not is_text)
        self.text.setEnabled(self._texts_possible is not False)
        self.says.setText(problem or self._description())
        self.find.setEnabled(not problem)

    def busy(self, stage: str, done: float = 0, total: float = 0) -> None:
        """A search is under way."""
        self.cancel.show()
        self.bar.show()
        self.bar.setRange(0, 1000 if total else 0)
        if total:
            self.bar.setValue(round(1000 * done / total))
        self.stage.setText(stage)

    def idle(self) -> None:
        """Nothing is under way."""
        self.cancel.hide()
        self.bar.hide()
        self.stage.setText("")

    def _entered(self) -> None:
        if not self.problem():
            self.asked.emit()


def _row(*widgets: QWidget) -> QHBoxLayout:
    made = QHBoxLayout()
    made.setSpacing(GAP)
    for one in widgets:
        grows = one.sizePolicy().horizontalPolicy() in (QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        made.addWidget(one, int(grows))
    return made


def _combo(entries: dict[str, str], tip: str) -> QComboBox:
    made = QComboBox()
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.setToolTip(tip)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    for value, text in entries.items():
        made.addItem(text, value)
    return made
