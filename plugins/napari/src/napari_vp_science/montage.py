"""The chosen moments as a looping montage: see many at once, take out what does not belong, label the rest."""

from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.behavior_menu import behavior_button
from napari_vp_science.clip_grid import ClipGrid
from napari_vp_science.clips import ClipLoader
from napari_vp_science.state import Moment, PanelState
from napari_vp_science.style import GAP, MARGIN, button, hint, theme_colors

_HEIGHTS = (96, 144, 216)
"""Clips are decoded in one of these: large enough for where they are drawn."""
_SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
_VARIED, _AS_CHOSEN = "varied", "chosen"
_EMPTY = (
    "Chosen moments play here, over and over: draw around points on the Map, or choose hits on the Find page.\n\n"
    "A click goes to the moment; the cross takes it out."
)


class MontageView(QWidget):
    """Plays ``state.moments``. Clips that are taken out leave the chosen moments at once, and stay visible.

    Attributes:
        answered: a moment, and whether it belongs; for the Find page.
    """

    title = "Montage"
    answered = Signal(object, bool)

    def __init__(self, state: PanelState, loader: ClipLoader | None = None) -> None:
        super().__init__()
        self._state = state
        self._loader = ClipLoader(self) if loader is None else loader
        self._moments: list[Moment] = []
        self._order: list[Moment] = []
        self._answers: dict[Moment, bool] = {}
        self._seen: set[Moment] = set()
        self._first = 0
        self._telling = False
        self.grid = ClipGrid(self._loader.clip, theme_colors(state.viewer))
        self.grid.empty_text = _EMPTY
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._load)
        self._build()
        self._connect()
        self._moments_changed()

    # ---- building

    def _build(self) -> None:
        self.text = hint()
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.order = _combo(
            {_VARIED: "Varied", _AS_CHOSEN: "As chosen"}, "Varied: recordings take turns, spread over time."
        )
        self.size = _combo({3: "3 x 3", 4: "4 x 4", 2: "2 x 2"}, "How many at once.")
        self.speed = _combo({speed: f"{speed:g} x" for speed in _SPEEDS}, "How fast clips play.")
        self.speed.setCurrentIndex(_SPEEDS.index(1.0))
        self.pause = button("Pause", "Stop the clips where they are, or let them go on (P).")
        self.before = button("\N{BLACK LEFT-POINTING TRIANGLE}", "The clips before (Page up).")
        self.next = button("Next nine", "Other clips (Page down).", main=True)
        state = self._state
        self.label_seen = behavior_button(
            state, "Label seen as", "Label the moments that you have seen here and left in, as one step of undo.",
            lambda name: self._label(name, seen_only=True),
        )  # fmt: skip
        self.label_all = behavior_button(
            state, "Label all as", "Label all chosen moments, also those that you have not seen, as one step of undo.",
            lambda name: self._label(name, seen_only=False),
        )  # fmt: skip
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        layout.addWidget(self.text)
        layout.addWidget(self.grid, 1)
        layout.addLayout(_row(self.before, self.next, None, self.pause, self.speed))
        layout.addLayout(_row(QLabel("Order"), self.order, None, self.size))
        layout.addLayout(_row(self.label_seen, self.label_all, None))

    def _connect(self) -> None:
        state = self._state
        self._heard = (
            (state.moments_changed, self._moments_changed),
            (state.session_changed, self._session_changed),
            (state.viewer.events.theme, self._theme_changed),
        )
        for signal, listener in self._heard:
            signal.connect(listener)
        self._loader.loaded.connect(self._loaded)
        self.grid.wanted.connect(self._go)
        self.grid.answered.connect(self.answer)
        self.grid.turned.connect(self.turn)
        self.grid.paused.connect(self.toggle)
        self.pause.clicked.connect(self.toggle)
        self.next.clicked.connect(lambda: self.turn(1))
        self.before.clicked.connect(lambda: self.turn(-1))
        self.speed.currentIndexChanged.connect(lambda: self.grid.set_speed(self.speed.currentData()))
        self.order.currentIndexChanged.connect(self._arrange)
        self.size.currentIndexChanged.connect(self._resized)

    def close_view(self) -> None:
        """Stop playing and decoding."""
        for signal, listener in self._heard:
            signal.disconnect(listener)
        self._soon.stop()
        self.grid.close_view()
        self._loader.close_view()

    # ---- the moments

    @property
    def shown(self) -> list[Moment]:
        """The moments that play now."""
        return self._order[self._first : self._first + self.grid.across**2]

    def turn(self, pages: int) -> None:
        """The next clips, or those before; after the last come the first."""
        size = self.grid.across**2
        count = -(-len(self._order) // size)
        if count:
            self._first = (self._first // size + pages) % count * size
            self._show()

    def toggle(self) -> None:
        """Pause, or go on."""
        self.grid.play(not self.grid.playing)
        self.pause.setText("Pause" if self.grid.playing else "Play")

    def answer(self, moment: Moment, belongs: bool) -> None:
        """Leave a moment in, or take it out of the chosen moments."""
        self._answers[moment] = belongs
        kept = [one for one in self._moments if self._answers.get(one, True)]
        self._telling = True
        try:
            self._state.choose_moments(kept)
        finally:
            self._telling = False
        self.grid.set_answers(self._answers)
        self._say()
        self.answered.emit(moment, belongs)

    def _moments_changed(self, *_: object) -> None:
        if self._telling:
            return
        self._moments = list(dict.fromkeys(self._state.moments))
        self._answers, self._seen = {}, set()
        self._arrange()

    def _session_changed(self, *_: object) -> None:
        if self._state.session is None or not self._state.moments:
            self._loader.forget()
            self._moments_changed()

    def _arrange(self, *_: object) -> None:
        varied = self.order.currentData() == _VARIED
        places = vp.sessions.varied_order(self._moments) if varied else range(len(self._moments))
        self._order = [self._moments[place] for place in places]
        self._first = 0
        self._show()

    def _resized(self, *_: object) -> None:
        self.grid.across = self.size.currentData()
        self._first -= self._first % self.grid.across**2
        self._show()

    def _show(self) -> None:
        self.grid.show_moments(self.shown)
        self.grid.set_answers(self._answers)
        if self.isVisible():
            self._seen.update(self.shown)
            self._soon.start(0)
        self._say()

    def _load(self) -> None:
        """Those that play, and then those that come next."""
        session, size = self._state.session, self.grid.across**2
        if session is not None and self._order and self.isVisible():
            following = self._order[self._first + size : self._first + 2 * size]
            needed = self.grid.picture_height
            height = next((one for one in _HEIGHTS if one >= needed), _HEIGHTS[-1])
            self._loader.want(session, [*self.shown, *following], height)

    def label_kept(self, behavior: str) -> bool:
        """Label all moments that were not taken out, as one step of undo.

        Returns:
            Whether there was something to label.
        """
        kept = bool(self._kept()) and self._state.labels is not None
        self._label(behavior, seen_only=False)
        return kept

    def _label(self, behavior: str, *, seen_only: bool) -> None:
        state, kept = self._state, self._kept()
        chosen = [moment for moment in kept if moment in self._seen] if seen_only else kept
        if state.labels is None or not chosen:
            return
        edges = {state.current: vp.sessions.frame_edges(state.time_s)} if len(state.time_s) else {}
        source = f"manual:{state.annotator}"
        try:
            vp.sessions.label_moments(state.labels, chosen, behavior, subject=state.subject, source=source, edges=edges)
        except vp.VPScienceError as error:
            state.message.emit(str(error))
            return
        state.message.emit(f"Labelled {vp.sessions.moments_text(chosen)} as {behavior}; undo takes all of it back")

    def _kept(self) -> list[Moment]:
        return [moment for moment in self._moments if self._answers.get(moment, True)]

    def _go(self, moment: Moment) -> None:
        self._state.show(moment[0], moment[1])

    # ---- showing

    def _say(self) -> None:
        kept, size = self._kept(), self.grid.across**2
        out = len(self._moments) - len(kept)
        seen = sum(moment in self._seen for moment in kept)
        if not self._moments:
            self.text.setText("Nothing is chosen.")
        else:
            taken = f"; {out} taken out" if out else ""
            self.text.setText(f"{vp.sessions.moments_text(kept)}; {seen:,} of them seen{taken}.")
        more = len(self._order) > size
        self.next.setText(f"Next {_NUMBERS[self.grid.across]}")
        self.next.setEnabled(more)
        self.before.setEnabled(more)
        self.label_seen.setText(f"Label {seen:,} seen as" if seen else "Label seen as")
        self.label_all.setText(f"Label all {len(kept):,} as" if kept else "Label all as")
        self.label_seen.setEnabled(seen > 0)
        self.label_all.setEnabled(bool(kept))

    def _loaded(self, moment: Moment) -> None:
        if not self.grid.playing and moment in self.shown:
            self.grid.update()

    def showEvent(self, event: QShowEvent) -> None:
        """Decode what is chosen."""
        super().showEvent(event)
        self._show()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: nothing is decoded, and the memory is given back."""
        super().hideEvent(event)
        self._soon.stop()
        self._loader.forget()

    def _theme_changed(self, *_: object) -> None:
        self.grid.colors = theme_colors(self._state.viewer)
        self.grid.update()


_NUMBERS = {2: "four", 3: "nine", 4: "sixteen"}


def _combo(entries: dict[Any, str], tip: str) -> QComboBox:
    made = QComboBox()
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.setToolTip(tip)
    for value, text in entries.items():
        made.addItem(text, value)
    return made


def _row(*widgets: QWidget | None) -> QHBoxLayout:
    made = QHBoxLayout()
    made.setSpacing(GAP)
    for one in widgets:
        if one is None:
            made.addStretch(1)
        else:
            made.addWidget(one)
    return made
