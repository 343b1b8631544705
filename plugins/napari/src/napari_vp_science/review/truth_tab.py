"""The third part of the review page: random segments, scored without seeing predictions, say how right a probe is."""

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QMessageBox, QSpinBox, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science import style
from napari_vp_science.background import Background
from napari_vp_science.review.choose_recordings import choose_recordings
from napari_vp_science.review.keys import Keys
from napari_vp_science.review.player import MomentPlayer
from napari_vp_science.review.segment_list import SCORED_KEY, SegmentList
from napari_vp_science.review.settings import save_setting
from napari_vp_science.review.truth_report import TruthReport
from napari_vp_science.state import PanelState

_ALL, _THIS, _CHOSEN = "All embedded recordings", "This recording", "Chosen recordings \N{HORIZONTAL ELLIPSIS}"


class TruthTab(QWidget):
    """Draws random segments, hides predictions while they are scored, and reports accuracy."""

    def __init__(self, state: PanelState, player: MomentPlayer, background: Background) -> None:
        super().__init__()
        self.state, self._background = state, background
        self.truth: vp.sessions.GroundTruth | None = None
        self._chosen: list[str] = []
        self._shown_session: object = None
        self._build(player)
        self._keys = Keys(self, [(SCORED_KEY, self.segments.mark_scored)])
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(200)
        self._soon.timeout.connect(self._update)
        self._heard: list[tuple[Any, Callable[..., None]]] = [
            (state.session_changed, self._session_changed),
            (state.labels_changed, self._later),
            (state.predictions_changed, self._later),
            (state.subject_changed, self._later),
        ]
        for signal, listener in self._heard:
            signal.connect(listener)
        self._session_changed()

    # ---- what it looks like

    def _build(self, player: MomentPlayer) -> None:
        area, layout = style.page()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        layout.addWidget(
            style.hint(
                "How right is the probe on time it has never seen? Random segments are scored without seeing "
                "predictions. They are never trained on, so the answer stays honest."
            )
        )
        self._build_drawing(layout)
        self.note = style.hint()
        layout.addWidget(self.note)
        self.scoring = style.button(
            "Start scoring", "Hide predictions and show the first segment that is not scored", main=True
        )
        self.scoring.setCheckable(True)
        self.scoring.toggled.connect(self._score)
        layout.addWidget(self.scoring)
        self.segments = SegmentList(self.state, player)
        self.segments.finished.connect(self._finished)
        layout.addWidget(self.segments)
        self.report = TruthReport()
        self.report.more_asked.connect(self.draw_more)
        layout.addWidget(self.report)
        self.give_up = style.button("Give up this set", "Begin a new set; that this one was given up stays on record")
        self.give_up.clicked.connect(self._ask_give_up)
        layout.addWidget(self.give_up)
        layout.addStretch(1)

    def _build_drawing(self, layout: QVBoxLayout) -> None:
        self.drawing = QWidget()
        inner = QVBoxLayout(self.drawing)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(style.GAP)
        form = style.form()
        self.which, self.number, self.seconds, self.seed = QComboBox(), QSpinBox(), QSpinBox(), QSpinBox()
        self.which.addItems([_ALL, _THIS, _CHOSEN])
        self.which.activated.connect(self._which)
        self.number.setRange(1, 500)
        self.number.setValue(20)
        self.seconds.setRange(2, 600)
        self.seconds.setValue(10)
        self.seconds.setSuffix(" s")
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("The same seed, recordings and labels give the same segments")
        form.addRow("Draw from", self.which)
        form.addRow("Segments", self.number)
        form.addRow("Length", self.seconds)
        form.addRow("Seed", self.seed)
        inner.addLayout(form)
        row = QHBoxLayout()
        self.draw_button = style.button("Draw segments", "Draw random segments from time that nobody scored", main=True)
        self.draw_button.clicked.connect(self.draw)
        row.addWidget(self.draw_button, 1)
        inner.addLayout(row)
        layout.addWidget(self.drawing)

    def _which(self, _: int) -> None:
        session = self.state.session
        if self.which.currentText() != _CHOSEN or session is None:
            return
        names = choose_recordings([one.id for one in session.recordings], self._chosen, self)
        if names:
            self._chosen = names
        elif not self._chosen:
            self.which.setCurrentIndex(0)

    # ---- drawing

    def draw(self) -> None:
        """Draw a first set."""
        given_up = 0 if self.truth is None else self.truth.given_up
        self._draw(
            vp.sessions.GroundTruth(self.seed.value(), float(self.seconds.value()), given_up=given_up),
            self.number.value(),
        )

    def draw_more(self, number: int) -> None:
        """Add segments to the set."""
        if self.truth is not None:
            self._draw(self.truth, number)

    def _draw(self, truth: "vp.sessions.GroundTruth", number: int) -> None:
        session = self.state.session
        if session is None:
            self.note.setText("Open a recording to begin.")
            return
        chosen = self._names()
        shown = None
        if len(self.state.time_s):
            edges = vp.sessions.frame_edges(self.state.time_s)
            shown = (self.state.current, float(edges[0]), float(edges[-1]))
        self.draw_button.setEnabled(False)

        def lasts() -> dict[str, tuple[float, float]]:
            tracks = vp.sessions.session_tracks(session)
            spans = vp.sessions.recording_spans(tracks)
            if shown is not None:
                spans.setdefault(shown[0], shown[1:])
            return {name: span for name, span in spans.items() if chosen is None or name in chosen}

        def done(spans: dict[str, tuple[float, float]]) -> None:
            self.draw_button.setEnabled(True)
            if self.state.session is not session:
                return
            try:
                drawn = truth.extended(vp.sessions.free_time(session.labels, spans, truth), number)
            except vp.VPScienceError as error:
                self.note.setText(str(error))
                return
            save_setting(self.state, vp.sessions.GROUND_TRUTH, drawn.to_json())
            self._show(drawn)
            self.state.predictions_changed.emit()  # review leaves this time alone from now on

        def failed(text: str) -> None:
            self.draw_button.setEnabled(True)
            self.note.setText(text)

        self._background.run(lasts, done, failed)

    def _names(self) -> set[str] | None:
        """Recordings to draw from; None for all."""
        which = self.which.currentText()
        if which == _THIS:
            return {self.state.current}
        return set(self._chosen) if which == _CHOSEN else None

    def _ask_give_up(self) -> None:
        count = 0 if self.truth is None else len(self.truth.segments)
        answer = QMessageBox.question(
            self,
            "Give up this set?",
            f"The {count} segments can then be reviewed and trained on like other labels, and say nothing about "
            "accuracy any more. That a set was given up stays on record.",
        )
        if answer == QMessageBox.StandardButton.Yes:
            self.start_anew()

    def start_anew(self) -> None:
        """Give the set up; its labels stay."""
        if self.truth is None:
            return
        self.scoring.setChecked(False)
        empty = self.truth.give_up(secrets.randbelow(2**31), self.truth.segment_s)
        save_setting(self.state, vp.sessions.GROUND_TRUTH, empty.to_json())
        self._show(empty)
        self.state.predictions_changed.emit()

    # ---- scoring

    def _score(self, on: bool) -> None:
        self.scoring.setText("Stop scoring, show predictions" if on else "Start scoring")
        if self.state.hide_predictions != on:
            self.state.hide_predictions = on
            self.state.predictions_changed.emit()
        if on:
            self.segments.begin()
        self._update()

    def _finished(self) -> None:
        self.scoring.setChecked(False)
        self._update()

    # ---- showing

    def _session_changed(self) -> None:
        session = self.state.session
        if session is self._shown_session:
            return
        self._shown_session = session
        self.scoring.setChecked(False)
        self._chosen = []
        truth = None
        self.note.setText("")
        try:
            truth = None if session is None else vp.sessions.read_ground_truth(session)
        except vp.VPScienceError as error:
            self.note.setText(str(error))
        self._show(truth)

    def _show(self, truth: "vp.sessions.GroundTruth | None") -> None:
        self.truth = truth
        segments = () if truth is None else truth.segments
        self.seed.setValue(secrets.randbelow(2**31) if truth is None else truth.seed)
        self.segments.set_segments(segments, ["to be scored"] * len(segments))
        for widget in (self.scoring, self.segments, self.give_up):
            widget.setVisible(bool(segments))
        self.drawing.setVisible(not segments)
        if segments:
            self.note.setText("")
        self._update()

    def _later(self, *_: object) -> None:
        self._soon.start()

    def _update(self) -> None:
        """What is scored, and what that says."""
        self.segments.update_rows()
        if self.truth is None or not self.truth.segments:
            self.report.hide()
            return
        total = len(self.truth.segments)
        done = total - len(self.segments.open_places)
        given_up = f" {self.truth.given_up} earlier ones were given up." if self.truth.given_up else ""
        hidden = " Predictions are hidden." if self.state.hide_predictions else ""
        self.note.setText(f"{done} of {total} segments are scored.{given_up}{hidden}")
        self.scoring.setEnabled(done < total or self.scoring.isChecked())
        book = self.state.labels
        if self.state.hide_predictions or not done or book is None or not self.isVisible():
            self.report.hide()
            return
        copy, predictions, subject = book.copy(), dict(self.state.predictions), self.state.subject
        segments, complete = self.truth.segments, done == total

        def show(found: "vp.sessions.Accuracy") -> None:
            if self.truth is not None and segments == self.truth.segments and not self.state.hide_predictions:
                self.report.show_accuracy(found, complete)

        self._background.run(
            lambda: vp.sessions.measure_accuracy(copy, predictions, segments, subject), show, self.note.setText
        )

    def showEvent(self, event: QShowEvent) -> None:
        """On screen: up to date, and the key works."""
        super().showEvent(event)
        self._keys.set_active(True)
        self._update()

    def hideEvent(self, event: QHideEvent) -> None:
        """Off screen: the key rests."""
        super().hideEvent(event)
        self._keys.set_active(False)

    def close_view(self) -> None:
        """Predictions are hidden no more; listen no more."""
        self._soon.stop()
        self.state.hide_predictions = False
        self._keys.close()
        for signal, listener in self._heard:
            with suppress(ValueError):
                signal.disconnect(listener)
