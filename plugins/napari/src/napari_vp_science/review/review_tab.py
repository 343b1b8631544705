"""The first part of the review page: goes through predictions, one question after the other."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from qtpy.QtCore import QItemSelectionModel, QTimer, Signal
from qtpy.QtGui import QHideEvent, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListView,
    QMenu,
    QProgressBar,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

import vp_science as vp
from napari_vp_science import style
from napari_vp_science.background import Background
from napari_vp_science.review import words
from napari_vp_science.review.card import QuestionCard
from napari_vp_science.review.keys import REVIEW_COMMANDS, Keys, native
from napari_vp_science.review.player import MomentPlayer
from napari_vp_science.review.queue_model import QueueModel
from napari_vp_science.review.settings import save_setting
from napari_vp_science.state import PanelState

SETTING = "review"
_KEEP_MS = 2000
_PATIENCE_S = 0.02
"""Thousands of recordings are looked through in slices; the window goes on meanwhile."""
_ORDERS = {
    "confidence": "Least sure first",
    "behavior": "By behavior",
    "time": "In order of time",
    "disagreement": "Disagreements with labels",
}


class ReviewTab(QWidget):
    """Predicted bouts, one after the other: accept, reject, relabel, adjust.

    Attributes:
        marked: borders of the question on screen (start and stop in seconds), or None, for the ethogram to show.
        keys_active: the single keys are taken by the review, or free again.
    """

    marked = Signal(object)
    keys_active = Signal(bool)

    def __init__(self, state: PanelState, player: MomentPlayer, background: Background) -> None:
        super().__init__()
        self.state, self.player, self._background = state, player, background
        self.queue: vp.sessions.ReviewQueue | None = None
        self._span: tuple[float, float] | None = None
        self._since = time.monotonic()
        self._stale, self._touched = True, set[str]()
        self._undoable: object = None
        self._build()
        actions = [(one.key, getattr(self, one.name)) for one in REVIEW_COMMANDS]
        self._keys = Keys(self, actions)
        self._behavior_keys: Keys | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.update_view)
        self._keep = QTimer(self)
        self._keep.setSingleShot(True)
        self._keep.timeout.connect(self._save)
        self._heard: list[tuple[Any, Callable[..., None]]] = [
            (state.session_changed, self._session_changed),
            (state.predictions_changed, self._predictions_changed),
            (state.labels_changed, self._labels_changed),
            (state.recording_changed, self._recording_changed),
        ]
        for signal, listener in self._heard:
            signal.connect(listener)
        self._session_changed()

    # ---- what it looks like

    def _build(self) -> None:
        area, layout = style.page()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self.empty = style.hint()
        layout.addWidget(self.empty)
        self.body = QWidget()
        inner = QVBoxLayout(self.body)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(style.GAP)
        layout.addWidget(self.body)
        layout.addStretch(1)
        self._build_choices(inner)
        self.card = QuestionCard()
        inner.addWidget(self.card)
        self._build_buttons(inner)
        self.estimate = style.hint()
        inner.addWidget(self.estimate)
        self._build_bulk(inner)
        inner.addWidget(style.heading("Still to review"))
        self.model = QueueModel(self)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setUniformItemSizes(True)
        self.list.setMinimumHeight(130)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.clicked.connect(lambda index: self.show_place(index.row()))
        inner.addWidget(self.list, 1)

    def _build_choices(self, layout: QVBoxLayout) -> None:
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(6)
        self.progress_text = style.hint()
        layout.addWidget(self.progress_text)
        layout.addWidget(self.progress)
        form = style.form()
        self.which, self.order, self.behavior = QComboBox(), QComboBox(), QComboBox()
        self.which.addItems(["All predicted recordings", "This recording"])
        for order in vp.sessions.REVIEW_ORDERS:
            self.order.addItem(_ORDERS[order], order)
        form.addRow("Recordings", self.which)
        form.addRow("Order", self.order)
        form.addRow("Behavior", self.behavior)
        layout.addLayout(form)
        for box in (self.which, self.order, self.behavior):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.activated.connect(lambda _: self._choose())

    def _build_buttons(self, layout: QVBoxLayout) -> None:
        self.buttons: dict[str, Any] = {}
        texts = {
            "accept": ("Accept", "The prediction is right: it becomes a curated bout", True),
            "reject": ("Reject", "The prediction is wrong: this time is scored without the bout", False),
            "ask_behavior": ("Relabel", "It is another behavior", False),
            "skip": ("Later", "Ask this one again after all others", False),
            "start_here": ("Starts here", "The bout starts at the frame on screen", False),
            "stop_here": ("Stops here", "The bout stops after the frame on screen", False),
            "replay": ("Play again", "Play this bout again", False),
            "back": ("Back", "The one before; takes back what you decided about it", False),
        }
        grid = QGridLayout()
        grid.setSpacing(style.GAP)
        keys = {one.name: native(one.key) for one in REVIEW_COMMANDS}
        for place, (name, (text, tip, main)) in enumerate(texts.items()):
            button = style.button(f"{text}  ({keys[name]})", f"{tip} \N{EN DASH} key {keys[name]}", main=main)
            button.clicked.connect(getattr(self, name))
            self.buttons[name] = button
            grid.addWidget(button, place // 2, place % 2)
        self.menu = QMenu(self)
        layout.addLayout(grid)
        row = QHBoxLayout()
        self.with_keys = QCheckBox("Review with keys")
        self.with_keys.setToolTip("The keys beside the buttons work while this page is open; labelling keys rest")
        self.with_keys.toggled.connect(self._switch)
        self.repeat = QCheckBox("Repeat")
        self.repeat.setToolTip("Play the bout again and again; else the video waits at its start")
        self.repeat.setChecked(True)
        self.repeat.toggled.connect(self._set_repeat)
        row.addWidget(self.with_keys)
        row.addStretch(1)
        row.addWidget(self.repeat)
        layout.addLayout(row)

    def _build_bulk(self, layout: QVBoxLayout) -> None:
        row = QHBoxLayout()
        row.setSpacing(style.GAP)
        self.above = QDoubleSpinBox()
        self.above.setRange(0.5, 1.0)
        self.above.setSingleStep(0.01)
        self.above.setValue(0.95)
        self.above.setToolTip("Confidence from which bouts are accepted without being looked at")
        self.above.valueChanged.connect(lambda _: self._show_bulk())
        self.bulk = style.button(
            "Accept all", "Accept all chosen bouts from this confidence on, without looking at them"
        )
        self.bulk.clicked.connect(self.accept_all)
        self.undo = style.button("Undo", "Take back the last change of labels")
        self.undo.clicked.connect(self._undo)
        row.addWidget(QLabel("From confidence"))
        row.addWidget(self.above)
        row.addWidget(self.bulk, 1)
        row.addWidget(self.undo)
        layout.addLayout(row)

    # ---- what is heard

    def _session_changed(self) -> None:
        session = self.state.session
        if session is None:
            self.queue = None
        elif self.queue is None or self.queue.book is not session.labels:
            decisions = vp.sessions.read_decisions(session.settings.get(SETTING))
            self.queue = vp.sessions.ReviewQueue(session.labels, decisions)
            self.queue.patience_s = _PATIENCE_S
            self._fill_behaviors()
        self._predictions_changed()

    def _predictions_changed(self) -> None:
        self._stale = True
        self._soon.start()

    def _labels_changed(self, edit: "vp.sessions.Edit") -> None:
        self._touched |= edit.touched()
        if self.queue is not None and self.isVisible():
            self.queue.refresh(self._take_touched())
        if "" in edit.touched():
            self._fill_behaviors()
        self._soon.start()

    def _take_touched(self) -> set[str]:
        touched, self._touched = self._touched, set()
        return touched

    def _recording_changed(self, _: str) -> None:
        if self.which.currentIndex() == 1:
            self._choose()

    def _fill_behaviors(self) -> None:
        chosen = self.behavior.currentText()
        names = () if self.queue is None else self.queue.book.behaviors.names
        self.behavior.clear()
        self.behavior.addItems(["All behaviors", *names])
        self.behavior.setCurrentIndex(max(0, self.behavior.findText(chosen)))
        self.menu.clear()
        for name in names:
            self.menu.addAction(name, partial(self.relabel, name))

    def _choose(self) -> None:
        if self.queue is None:
            return
        behavior = self.behavior.currentText() if self.behavior.currentIndex() > 0 else None
        recording = self.state.current if self.which.currentIndex() == 1 else None
        self.queue.choose(self.order.currentData(), recording=recording, behavior=behavior)
        self._span = None
        self.update_view()

    # ---- deciding

    def accept(self) -> None:
        """The prediction is right (with the borders that were set)."""
        self._decide(lambda queue, **facts: queue.accept(self.state.annotator, span=self._span, **facts))

    def reject(self) -> None:
        """The prediction is wrong."""
        self._decide(lambda queue, **facts: queue.reject(**facts))

    def relabel(self, behavior: str) -> None:
        """It is another behavior."""
        self._decide(
            lambda queue, **facts: queue.accept(self.state.annotator, span=self._span, behavior=behavior, **facts)
        )

    def ask_behavior(self) -> None:
        """Wait for the key of a behavior, or a choice from the menu."""
        if self.queue is None or self.queue.current is None:
            return
        if not self.with_keys.isChecked():
            button = self.buttons["ask_behavior"]
            self.menu.popup(button.mapToGlobal(button.rect().bottomLeft()))
            return
        entries = self.queue.book.behaviors.entries
        taken = {entry.key.upper(): entry.name for entry in entries if entry.key}
        free = (str(number) for number in range(1, 10) if str(number) not in taken)
        pairs = [(entry.key.upper() or next(free, ""), entry.name) for entry in entries]
        self._keys.set_active(False)
        actions = [(key, partial(self._behavior_pressed, name)) for key, name in pairs if key]
        self._behavior_keys = Keys(self, [*actions, ("Esc", partial(self._behavior_pressed, None))])
        self._behavior_keys.set_active(True)
        self.card.ask([(native(key), name) for key, name in pairs if key])

    def _behavior_pressed(self, name: str | None) -> None:
        if self._behavior_keys is not None:
            self._behavior_keys.close()
            self._behavior_keys = None
        self._activate_keys()
        if name is not None:
            self.relabel(name)
        self._show_question()

    def start_here(self) -> None:
        """The bout starts at the current frame."""
        self._adjust(0)

    def stop_here(self) -> None:
        """The bout stops after the current frame."""
        self._adjust(1)

    def skip(self) -> None:
        """Ask again later."""
        if self.queue is not None and self.queue.current is not None:
            self.queue.skip()
            self._next()

    def back(self) -> None:
        """The question before; what was decided is taken back."""
        if self.queue is None:
            return
        if not self.queue.back():
            self.state.message.emit("Nothing to go back to: labels were edited since, use Undo")
        self._next()

    def replay(self) -> None:
        """Play the question again."""
        if self.queue is not None and (item := self.queue.current) is not None:
            start, stop = self._span or (item.start_s, item.stop_s)
            self.player.play(item.recording, start, max(stop, item.until_s) if stop <= start else stop)
            self.marked.emit((start, stop))

    def show_place(self, place: int) -> None:
        """Another question of the list."""
        if self.queue is not None:
            self.queue.go(place)
            self._next()

    def accept_all(self) -> None:
        """Accept everything chosen from a confidence on, as one step."""
        if self.queue is None or not (items := self.queue.confident(self.above.value())):
            return
        book, state = self.queue.book, self.state
        copy, annotator, subject = book.copy(), state.annotator, state.subject
        self.bulk.setEnabled(False)

        def done(edit: "vp.sessions.Edit | None") -> None:
            if edit is not None and state.labels is book:
                try:
                    book.adopt(copy)
                except vp.VPScienceError as error:
                    state.message.emit(str(error))
                    return
                state.message.emit(f"Accepted {len(items)} bouts; Undo takes all of them back")
            self.update_view()

        def failed(text: str) -> None:
            state.message.emit(text)
            self.update_view()

        self._background.run(lambda: vp.sessions.accept_all(copy, items, annotator, subject=subject), done, failed)

    def _undo(self) -> None:
        if self.state.labels is not None:
            self.state.labels.undo()

    def _decide(self, decide: Callable[..., None]) -> None:
        if self.queue is None or self.queue.current is None or self.state.hide_predictions:
            return
        try:
            decide(self.queue, seconds=time.monotonic() - self._since, subject=self.state.subject)
        except vp.VPScienceError as error:
            self.state.message.emit(str(error))
            return
        self._keep.start(_KEEP_MS)
        self._next()

    def _adjust(self, end: int) -> None:
        item = None if self.queue is None else self.queue.current
        link = self.state.link
        if item is None or link is None or self.state.current != item.recording or not len(self.state.time_s):
            return
        edges = vp.sessions.frame_edges(self.state.time_s)
        span = list(self._span or (item.start_s, item.stop_s))
        span[end] = float(edges[link.frame + end])
        if span[0] >= span[1]:
            self.state.message.emit("A bout ends after it starts: go to another frame, or set the other border first")
            return
        self._span = (span[0], span[1])
        self.player.move(*self._span)
        self.marked.emit(self._span)
        self._show_question()

    def _next(self) -> None:
        """Show the question that is current now, and play it."""
        self._span = None
        self._since = time.monotonic()
        self.update_view()
        if self.queue is not None and self.queue.current is not None:
            self.replay()
        else:
            self.player.stop()
            self.marked.emit(None)

    # ---- keys

    def _switch(self, on: bool) -> None:
        self._activate_keys()
        self.keys_active.emit(on and self.isVisible())
        if on:
            self._next()

    def _activate_keys(self) -> None:
        self._keys.set_active(self.with_keys.isChecked() and self.isVisible() and self._behavior_keys is None)

    def _set_repeat(self, on: bool) -> None:
        self.player.repeat = on

    def showEvent(self, event: QShowEvent) -> None:
        """On screen: up to date, and the keys work."""
        super().showEvent(event)
        self.update_view()
        self._activate_keys()
        self.keys_active.emit(self.with_keys.isChecked())

    def hideEvent(self, event: QHideEvent) -> None:
        """Off screen: the keys rest."""
        super().hideEvent(event)
        self._keys.set_active(False)
        if self._behavior_keys is not None:
            self._behavior_keys.close()
            self._behavior_keys = None
        self.keys_active.emit(False)

    # ---- showing

    def update_view(self) -> None:
        """Bring everything up to date, if anybody looks."""
        if not self.isVisible():
            return
        if self.queue is not None:
            if self._stale:
                self.queue.load(self.state.predictions.values(), _apart(self.state))
            if self._touched or (self.queue.pending and not self._stale):
                self.queue.refresh(self._take_touched())
            self._stale = False
            if self.queue.pending:
                self._soon.start()
        text = self._empty_text()
        self.empty.setVisible(bool(text))
        self.empty.setText(text)
        usable = self.queue is not None and bool(self.state.predictions) and not self.state.hide_predictions
        self.body.setVisible(usable)
        if usable:
            self._show_progress()
            self._show_question()
            self._show_bulk()
            self.model.show(self.queue, len(self.state.predictions) > 1)
            if len(self.queue):
                index = self.model.index(self.queue.place)
                self.list.selectionModel().select(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
                self.list.scrollTo(index)

    def _empty_text(self) -> str:
        if self.state.session is None:
            return "Open a recording to begin."
        if self.state.hide_predictions:
            return "Predictions are hidden while ground truth is scored: stop scoring in the Ground truth tab first."
        if not self.state.predictions:
            return (
                "There are no predictions yet: train a probe on the Train page, then come back to check what it found."
            )
        return ""

    def _show_progress(self) -> None:
        state = self.queue.progress()
        self.progress.setRange(0, max(1, state.total))
        self.progress.setValue(state.done)
        text = words.progress(state)
        if not state.total:
            disagree = self.queue.order == "disagreement"
            text = "Labels and predictions agree." if disagree else "Nothing was predicted here."
        if self.queue.pending:
            text = f"Looking through predictions: {self.queue.pending} recordings left"
        self.progress_text.setText(text)
        self.estimate.setText(words.rest(state.rest))
        self.estimate.setVisible(bool(state.rest.rest))

    def _show_question(self) -> None:
        item = None if self.queue is None else self.queue.current
        for button in self.buttons.values():
            button.setEnabled(item is not None)
        self.buttons["back"].setEnabled(self.queue is not None)
        if item is None:
            self.card.show_done(pending=self.queue is not None and self.queue.pending > 0)
            return
        look = vp.plots.behavior_looks(self.queue.book.behaviors).get(item.behavior)
        labelled = vp.sessions.labels_at(self.queue.book, item) if item.kind == "extra" else ()
        self.card.show_item(item, labelled, self._span, look.color if look is not None else "#888888")

    def _show_bulk(self) -> None:
        count = 0 if self.queue is None else self.queue.count_confident(self.above.value())
        self.bulk.setText(f"Accept all {count}" if count else "Accept all")
        self.bulk.setEnabled(count > 0)
        name = None if self.state.labels is None else self.state.labels.undo_name
        self.undo.setEnabled(name is not None)
        self.undo.setToolTip(f"Take back: {name}" if name else "Nothing to take back")

    # ---- the end

    def _save(self) -> None:
        session = self.state.session
        if session is not None and self.queue is not None and self.queue.book is session.labels:
            save_setting(self.state, SETTING, self.queue.to_json())

    def close_view(self) -> None:
        """Keep what was decided, and listen no more."""
        self._soon.stop()
        self._keep.stop()
        self._save()
        self._keys.close()
        if self._behavior_keys is not None:
            self._behavior_keys.close()
            self._behavior_keys = None
        for signal, listener in self._heard:
            with suppress(ValueError):
                signal.disconnect(listener)


def _apart(state: PanelState) -> dict[str, Any]:
    """Time of the ground truth: it is left alone, so that it stays independent."""
    try:
        truth = None if state.session is None else vp.sessions.read_ground_truth(state.session)
    except vp.VPScienceError as error:
        state.message.emit(str(error))
        truth = None
    return {} if truth is None else truth.spans()
