"""The Train page: what there is to learn from, the probe, how good it is, and from its scores to bouts."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QProgressBar,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.jobs import JobRunner
from napari_vp_science.state import PanelState
from napari_vp_science.style import button, form, heading, hint, page, theme_colors
from napari_vp_science.training.choices import HEADS, LOOKS, Choices
from napari_vp_science.training.predictions import PredictionKeeper
from napari_vp_science.training.scores import ScoresDialog, ScoreTable
from napari_vp_science.training.thresholds import ThresholdsPanel
from napari_vp_science.training.trainer import Trainer

_LOOK_MS = 400
_SAVE_MS = 1500
_MOST_PROBES = 20
_TEST = "Train it again on parts of the labels, and compare it with the others."
_TEST_IMPORTED = "Compare what it says with labels of recordings that it never saw."
_NO_PROBE = "No probe yet."
_UNTRAINED = (
    "The encoder of these tracks is untrained: its weights are random numbers. Good for trying the panel out, not for "
    "science."
)


class TrainPage(QWidget):
    """Trains probes, shows how good they are, and fills ``state.predictions``."""

    title = "Train"

    def __init__(self, state: PanelState, runner: JobRunner | None = None) -> None:
        super().__init__()
        self._state = state
        self._session: Any = None
        self._card: vp.sessions.ProbeCard | None = None
        self.scores: vp.sessions.ProbeScores | None = None
        self.material: vp.sessions.TrainingMaterial | None = None
        self.dialog: ScoresDialog | None = None
        self.choices = Choices()
        self._failure = False
        self.background = Background(self)
        self.trainer = Trainer(state, self.choices, runner, self)
        self.keeper = PredictionKeeper(state, self)
        self._look = _timer(self, _LOOK_MS, self._look_at_material)
        self._save = _timer(self, _SAVE_MS, self._save_choices)
        self._build()
        self._connect()
        self._session_changed()

    # ---- building

    def _build(self) -> None:
        area, layout = page()
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.addWidget(area)
        self._build_training(layout)
        self._build_probe(layout)
        self._build_scores(layout)
        self._bouts_heading = heading("From scores to bouts")
        layout.addWidget(self._bouts_heading)
        self.thresholds = ThresholdsPanel(self.choices)
        layout.addWidget(self.thresholds)
        layout.addStretch(1)

    def _build_training(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading("What it learns from"))
        self.summary, self.missing = hint(), hint()
        layout.addWidget(self.summary)
        layout.addWidget(self.missing)
        self.head = _combo(HEADS, "What is trained on the embeddings.")
        self.look_at = _combo(LOOKS, "Which tracks are learned from.")
        rows = form()
        rows.addRow("Kind", self.head)
        rows.addRow("From", self.look_at)
        layout.addLayout(rows)
        self.automatic = QCheckBox("Train again by itself after")
        self.automatic.setToolTip("When so many bouts have changed and you pause for two seconds.")
        self.automatic.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.after = QSpinBox()
        self.after.setRange(1, 1000)
        self.after.setSuffix(" bouts")
        self.after.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        layout.addLayout(_row(self.automatic, self.after))
        self.train = button("Train", "Learn from all labels so far, then predict all recordings.", main=True)
        self.cancel = button("Cancel", "Stop; what is finished stays.")
        self.changed = hint()
        layout.addLayout(_row(self.train, self.cancel))
        layout.addWidget(self.changed)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.stage = hint()
        self.stage.hide()
        layout.addWidget(self.bar)
        layout.addWidget(self.stage)

    def _build_probe(self, layout: QVBoxLayout) -> None:
        layout.addWidget(heading("Probe"))
        self.probes = _combo({}, "The probes of this session, the newest first. Another one predicts anew.")
        self.card = hint(_NO_PROBE)
        self.warning = hint(_UNTRAINED)
        layout.addWidget(self.probes)
        layout.addWidget(self.card)
        layout.addWidget(self.warning)
        self.predict = button("Predict all", "Predict every embedded recording with this probe.")
        self.open = button("Open…", "Use a probe from a folder or zip that somebody exported.")
        self.export = button("Export…", "Copy the probe to a zip, for vp-science on the command line or a colleague.")
        layout.addLayout(_row(self.predict, self.open, self.export))
        self.predicted = hint()
        layout.addWidget(self.predicted)

    def _build_scores(self, layout: QVBoxLayout) -> None:
        self._scores_heading = heading("How good it is on what it never saw")
        self.how = hint()
        self.table = ScoreTable()
        self.details = button("Confusion and curves…", "What is taken for what, and how sure scores are.")
        self.test = button("Test it", _TEST)
        layout.addWidget(self._scores_heading)
        layout.addWidget(self.how)
        layout.addWidget(self.table)
        layout.addLayout(_row(self.details, self.test))

    def _connect(self) -> None:
        state, trainer = self._state, self.trainer
        self._heard = (
            (state.session_changed, self._session_changed),
            (state.labels_changed, self._labels_changed),
            (state.tracks_changed, self._tracks_changed),
            (state.predictions_changed, self._show_predicted),
        )
        for signal, listener in self._heard:
            signal.connect(listener)
        self.train.clicked.connect(lambda: trainer.train())
        self.cancel.clicked.connect(trainer.cancel)
        self.predict.clicked.connect(lambda: trainer.predict())
        self.test.clicked.connect(trainer.test)
        self.open.clicked.connect(self._ask_open)
        self.export.clicked.connect(self._ask_export)
        self.details.clicked.connect(self.show_scores)
        self.table.opened.connect(self.show_scores)
        self.head.activated.connect(self._choices_changed)
        self.look_at.activated.connect(self._choices_changed)
        self.automatic.toggled.connect(self._choices_changed)
        self.after.valueChanged.connect(self._choices_changed)
        self.probes.activated.connect(self._choose_probe)
        self.thresholds.changed.connect(self._thresholds_changed)
        self.thresholds.apply_asked.connect(lambda: trainer.predict(chosen=True))
        trainer.started.connect(self._begin)
        trainer.stopped.connect(self._stopped)
        trainer.progress.connect(self._show_progress)
        trainer.failed.connect(self._failed)
        trainer.trained.connect(self._probe_made)
        trainer.tested.connect(self._tested)
        trainer.predicted.connect(self.keeper.reload)
        trainer.exported.connect(lambda path: state.message.emit(f"The probe was written to {path}"))
        trainer.changed.connect(self._show_changes)
        self.keeper.problem.connect(state.message.emit)

    def close_view(self) -> None:
        """Stop the worker, the thread and the timers."""
        for signal, listener in self._heard:
            with suppress(ValueError):
                signal.disconnect(listener)
        if self._save.isActive():
            self._save_choices()
        self._look.stop()
        self.background.close()
        self.trainer.close_view()
        self.keeper.close_view()
        if self.dialog is not None:
            self.dialog.close()

    # ---- the session

    def _session_changed(self, *_: Any) -> None:
        session = self._state.session
        if session is self._session:
            self._look.start()  # recordings were added or removed
            if self._card is not None:
                self._think()
            return
        self._save.stop()
        self.trainer.forget_session()
        self._session = session
        self._take(Choices() if session is None else Choices.of(session.settings))
        self._card, self.scores = None, None
        self.keeper.clear()
        self._show_card()
        self._look_at_material()
        self._show_work()
        if session is not None and self.choices.probe:
            self.use_probe(self.choices.probe)

    def _take(self, remembered: Choices) -> None:
        for name, value in vars(remembered).items():
            setattr(self.choices, name, value)
        widgets = (self.head, self.look_at, self.automatic, self.after)
        for widget in widgets:
            widget.blockSignals(True)
        self.head.setCurrentIndex(self.head.findData(self.choices.head))
        self.look_at.setCurrentIndex(self.look_at.findData(self.choices.look_at))
        self.automatic.setChecked(self.choices.automatic)
        self.after.setValue(self.choices.after)
        for widget in widgets:
            widget.blockSignals(False)

    def _choices_changed(self, *_: Any) -> None:
        self.choices.head = self.head.currentData()
        self.choices.look_at = self.look_at.currentData()
        self.choices.automatic = self.automatic.isChecked()
        self.choices.after = self.after.value()
        self._save.start()
        self.trainer.look_again()

    def _save_choices(self) -> None:
        self._save.stop()
        session = self._state.session
        if session is None or session is not self._session:
            return
        self.choices.remember(session.settings)
        try:
            session.save()
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))

    # ---- what there is to learn from

    def _labels_changed(self, _: Any) -> None:
        self._look.start()

    def _tracks_changed(self, _: str) -> None:
        self._look.start()

    def _look_at_material(self) -> None:
        session = self._state.session
        if session is None:
            self._show_material(None)
            return
        folder, ids = session.folder, [one.id for one in session.recordings]
        labelled = {name: session.recording(name).path for name in session.labels.recordings if name in session}

        def tracked() -> set[str]:
            return vp.sessions.embedded_recordings(folder, labelled, ids)

        def found(names: set[str]) -> None:
            if self._state.session is session:
                self._show_material(vp.sessions.training_material(session.labels, names, self._excluded()))

        self.background.run(tracked, found, self._state.message.emit)

    def _excluded(self) -> list[tuple[str, float, float]]:
        try:
            return vp.sessions.ground_truth_spans(self._state.session)
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))
            return []

    def _show_material(self, material: "vp.sessions.TrainingMaterial | None") -> None:
        self.material = material
        if material is None:
            self.summary.setText("Open a recording to begin.")
            self.missing.hide()
        else:
            self.summary.setText(material.problem or _material_words(material))
            self.missing.setText(" ".join(material.hints) if not material.problem else "")
            self.missing.setVisible(bool(self.missing.text()))
        self._show_work()

    # ---- work

    def _show_work(self) -> None:
        busy, probe = self.trainer.busy, self._card is not None
        ready = self.material is not None and not self.material.problem
        self.train.setEnabled(ready and not busy)
        self.cancel.setVisible(busy)
        self.bar.setVisible(busy)
        for widget in (self.predict, self.export, self.test):
            widget.setEnabled(probe and not busy)
        self.open.setEnabled(self._session is not None and not busy)
        self.probes.setEnabled(not busy)
        self.thresholds.set_busy(busy)

    def _begin(self) -> None:
        self.bar.setRange(0, 0)
        self._say("Starting…")
        self._show_work()

    def _show_progress(self, event: dict[str, Any]) -> None:
        total = round(100 * event["total"])
        self.bar.setRange(0, total)
        self.bar.setValue(round(100 * event["done"]))
        self._say(f"{event['stage'][:1].upper()}{event['stage'][1:]}…")

    def _stopped(self) -> None:
        if not self._failure:
            self._say("")
        self._show_work()
        self._show_predicted()

    def _failed(self, message: str) -> None:
        self._say(f"It did not work: {message}", failure=True)

    def _say(self, text: str, *, failure: bool = False) -> None:
        self._failure = failure
        self.stage.setText(text)
        self.stage.setVisible(bool(text))

    def _show_changes(self) -> None:
        bouts, scored = self.trainer.changes.bouts, self.trainer.changes.scored
        if self._card is None or not (bouts or scored):
            self.changed.setText("")
        elif bouts:
            self.changed.setText(f"Labels changed since it was trained: {bouts:,} bout{'' if bouts == 1 else 's'}.")
        else:
            self.changed.setText("Other time is scored since it was trained.")
        self.changed.setVisible(bool(self.changed.text()))

    # ---- the probe

    def use_probe(self, probe_id: str) -> None:
        """Show the predictions of a probe of the session."""
        session = self._state.session
        if session is None or not probe_id:
            return
        self.choices.probe = probe_id
        self._save.start()
        self.trainer.use_probe(probe_id)
        self._load_card(probe_id)

    def _choose_probe(self, place: int) -> None:
        """Another probe of the session: it predicts what it has not predicted, or what made room meanwhile."""
        if self.probes.itemData(place) != self.choices.probe:
            self.use_probe(self.probes.itemData(place))
            self.trainer.predict()

    def _probe_made(self, probe_id: str) -> None:
        self._save.start()
        self._load_card(probe_id)

    def _load_card(self, probe_id: str) -> None:
        session = self._state.session
        if session is None:
            return
        folder = session.folder

        def load() -> Any:
            card = vp.sessions.read_probe(folder, probe_id)
            return card, vp.sessions.read_scores(folder, probe_id), vp.sessions.list_probes(folder)

        def loaded(found: Any) -> None:
            if self._state.session is session and self.choices.probe == probe_id:
                self._card, self.scores, probes = found
                self._show_card(probes)
                self._think()

        self.background.run(load, loaded, self._lost)

    def _lost(self, message: str) -> None:
        self._card, self.scores = None, None
        self.choices.probe = ""
        self.keeper.clear()
        self._show_card()
        self._state.message.emit(message)

    def _think(self) -> None:
        """Decide anew: another probe, other thresholds, other rules, or other recordings."""
        session, card = self._state.session, self._card
        if session is not None and card is not None:
            self.keeper.use(session.folder, card.id, self.thresholds.thresholds, self.thresholds.postprocess)

    def _thresholds_changed(self) -> None:
        self._save.start()
        self._think()

    def _show_card(self, probes: list[str] | None = None) -> None:
        card = self._card
        self.probes.clear()
        for name in (probes or [])[:_MOST_PROBES]:
            self.probes.addItem(name, name)
        if card is not None and self.probes.findData(card.id) < 0:
            self.probes.addItem(card.id, card.id)
        if card is not None:
            self.probes.setCurrentIndex(self.probes.findData(card.id))
        self.probes.setVisible(card is not None)
        self.card.setText(_NO_PROBE if card is None else _card_words(card))
        self.warning.setVisible(card is not None and card.untrained)
        self._bouts_heading.setVisible(card is not None)
        self.thresholds.show_card(card)
        self._show_scores()
        self._show_changes()
        self._show_predicted()
        self._show_work()

    def _show_predicted(self, *_: Any) -> None:
        session, failures = self._state.session, self.trainer.failures
        if session is None or self._card is None:
            self.predicted.setText("")
            return
        here = sum(one.id in self._state.predictions for one in session.recordings)
        words = f"Predicted: {here} of {len(session.recordings)} recordings."
        if failures:
            name, why = next(iter(failures.items()))
            more = f" ({len(failures) - 1} more)" if len(failures) > 1 else ""
            words += f" Not predicted: {why if why.startswith(name) else f'{name}: {why}'}{more}"
            self.predicted.setToolTip("\n\n".join(failures.values()))
        self.predicted.setText(words)

    def _ask_open(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a probe", "", "Probes (probe.json *.zip)", options=QFileDialog.Option.DontResolveSymlinks
        )
        if name:
            path = Path(name)
            self.trainer.open_bundle(path.parent if path.name == "probe.json" else path)

    def _ask_export(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export the probe", f"{self.choices.probe}.zip", "Zip (*.zip);;Folder (*)"
        )
        if name:
            self.trainer.export(Path(name))

    # ---- scores

    def _tested(self, result: dict[str, Any]) -> None:
        if result["scores"]:
            self._load_card(self.choices.probe)
        elif result["why"]:
            self.how.setText(f"{result['why']}.")
            self.how.show()

    def _show_scores(self) -> None:
        scores, card = self.scores, self._card
        for widget in (self._scores_heading, self.how):
            widget.setVisible(card is not None)
        for widget in (self.table, self.details):
            widget.setVisible(scores is not None)
        self.test.setVisible(card is not None and scores is None)
        imported = card is not None and card.training.imported
        self.test.setToolTip(_TEST_IMPORTED if imported else _TEST)
        if scores is not None:
            self.how.setText(scores.how)
            self.how.setToolTip("\n\n".join(scores.notes))
            self.table.show_scores(scores, theme_colors(self._state.viewer).faint)
        elif imported:
            self.how.setText("Not tested here yet: it comes from elsewhere, and its own labels are not here.")
        elif card is not None:
            self.how.setText("Not tested yet.")

    def show_scores(self) -> None:
        """Open the window with confusion, curves and reliability."""
        if self.scores is None:
            return
        if self.dialog is not None:
            self.dialog.close()
        self.dialog = ScoresDialog(self._state, self.scores, self.thresholds.thresholds, self)
        self.dialog.destroyed.connect(self._dialog_gone)
        self.dialog.show()

    def _dialog_gone(self, *_: Any) -> None:
        self.dialog = None


def _material_words(material: "vp.sessions.TrainingMaterial") -> str:
    many = len(material.usable)
    bouts = ", ".join(f"{name} {count:,}" for name, count in material.bouts.items() if count)
    recordings = f"{many} recording{'' if many == 1 else 's'}"
    return f"{recordings}, {vp.sessions.duration_text(material.scored_s)} scored. Bouts: {bouts}."


def _card_words(card: "vp.sessions.ProbeCard") -> str:
    training = card.training
    many = len(training.recordings)
    learned = (
        f"{training.bouts:,} bouts in {vp.sessions.duration_text(training.scored_s)} scored of {many} "
        f"recording{'' if many == 1 else 's'}"
    )
    when = "opened from a file" if training.imported else f"trained {_when(training.trained)}"
    kind = "one behavior at a time" if card.behaviors.exclusive else "behaviors may overlap"
    lines = [f"{when[:1].upper()}{when[1:]}, on {learned}.", f"{_head_words(card)}, {kind}."]
    lines.append(f"Thresholds were chosen on: {card.validation}.")
    lines += [f"{note[:1].upper()}{note[1:]}." for note in training.notes]
    return "\n".join(lines)


def _head_words(card: "vp.sessions.ProbeCard") -> str:
    """Fine-tuned models are named after what they were made from."""
    return card.model if card.head == "fine-tuned" else f"{card.head.capitalize()} on {card.model}"


def _when(text: str) -> str:
    """A time of the record as people read clocks."""
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        return "at an unknown time"
    local = (then if then.tzinfo else then.replace(tzinfo=UTC)).astimezone()
    today = datetime.now(UTC).astimezone().date()
    return f"today at {local:%H:%M}" if local.date() == today else f"on {local:%Y-%m-%d at %H:%M}"


def _timer(parent: QWidget, interval_ms: int, function: Any) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(interval_ms)
    timer.timeout.connect(function)
    return timer


def _combo(entries: dict[str, str], tip: str) -> QComboBox:
    combo = QComboBox()
    for key, words in entries.items():
        combo.addItem(words, key)
    combo.setToolTip(tip)
    combo.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(12)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def _row(*widgets: QWidget) -> QHBoxLayout:
    layout = QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget)
    layout.addStretch(1)
    return layout
