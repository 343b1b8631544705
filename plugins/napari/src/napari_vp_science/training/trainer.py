"""Runs what makes a probe: train, predict the shown recording, test, predict the others; one thing after the other."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.jobs import JobRunner
from napari_vp_science.state import PanelState
from napari_vp_science.training.choices import Choices

_CALM_MS = 2000
"""Nothing is trained by itself before labels have been left alone for so long."""


class Trainer(QObject):
    """The jobs of the Train page, never two at once.

    Attributes:
        choices: what people chose; shared with the page.
        changes: how the labels differ from what the present probe learned from.
        failures: why recordings could not be predicted, by id.
    """

    progress = Signal(object)
    """What a job tells, see ``JobRunner``."""
    started = Signal()
    stopped = Signal()
    """Nothing is under way any more."""
    failed = Signal(str)
    trained = Signal(str)
    """A probe was made or opened; its id."""
    tested = Signal(object)
    """The result of a test: ``probe``, ``scores``, ``why``."""
    predicted = Signal(str)
    """A recording has new predictions; its id."""
    exported = Signal(str)
    changed = Signal()
    """Labels differ in another way from what the probe learned from."""

    def __init__(
        self, state: PanelState, choices: Choices, runner: JobRunner | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._state, self.choices = state, choices
        self._runner = JobRunner(self) if runner is None else runner
        self._background = Background(self)
        self._steps: deque[Callable[[], None]] = deque()
        self._flushing = False
        self.changes = vp.sessions.LabelChanges()
        self._since_start: vp.sessions.LabelChanges | None = None
        self.failures: dict[str, str] = {}
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_CALM_MS)
        self._calm.timeout.connect(self._train_by_itself)
        self._runner.progress.connect(self._hear)
        self._runner.result.connect(self._finish)
        self._runner.cancelled.connect(self._give_up)
        self._runner.failed.connect(self._fail)
        state.labels_changed.connect(self._labels_changed)

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._runner.running or self._flushing or bool(self._steps)

    @property
    def job(self) -> str | None:
        """Name of the job under way."""
        return self._runner.job

    # ---- what can be asked

    def train(self, *, automatic: bool = False) -> None:
        """Train on the labels so far, then predict the shown recording, test, and predict the others."""
        session = self._state.session
        if session is None or self.busy:
            return
        self._calm.stop()
        self._since_start = vp.sessions.LabelChanges()
        self._flushing = True
        self.started.emit()

        def flushed(done: bool) -> None:
            self._flushing = False
            if not done:
                self._fail(session.log.error or "the labels could not be written in time: try again")
            elif self._state.session is session:
                self._start("train", head=self.choices.head, chosen=self.choices.chosen, automatic=automatic)
            else:
                self._give_up()

        self._background.run(session.log.flush, flushed, self._fail)

    def predict(self, *, chosen: bool = False) -> None:
        """Predict all recordings; with thresholds and rules that people chose, which make a probe of their own."""
        if self._state.session is None or self.busy or not self.choices.probe:
            return
        self.started.emit()
        self._predict(self._ordered(), self.choices.chosen if chosen else None)

    def test(self) -> None:
        """Test the probe on what it did not learn from."""
        if self._state.session is None or self.busy or not self.choices.probe:
            return
        self.started.emit()
        self._start("evaluate", probe=self.choices.probe)

    def open_bundle(self, path: Path) -> None:
        """Use a probe from elsewhere: it is copied into the session and predicts all recordings."""
        if self._state.session is None or self.busy:
            return
        self.started.emit()
        self._start("predict", recordings=self._ordered(), bundle=str(path))

    def export(self, path: Path) -> None:
        """Copy the probe to a folder or a zip, for the command line and other computers."""
        if self._state.session is None or self.busy or not self.choices.probe:
            return
        self.started.emit()
        self._start("export_probe", probe=self.choices.probe, out=str(path))

    def cancel(self) -> None:
        """Stop what is under way; what is finished stays."""
        self._steps.clear()
        self._runner.cancel()

    def use_probe(self, probe_id: str) -> None:
        """Count the changes of labels since that probe was trained."""
        session = self._state.session
        changes = self.changes = vp.sessions.LabelChanges()
        if session is None or not probe_id:
            self.changed.emit()
            return
        folder, log = session.folder, session.log.path

        def compare() -> Any:
            before = vp.sessions.read_trained_labels(folder, probe_id)
            return None if before is None else (before, vp.sessions.read_labels(log))

        def compared(books: Any) -> None:
            if books is not None and changes is self.changes:
                changes.start_from(*books)
            self.changed.emit()

        self._background.run(compare, compared, self.failed.emit)

    def look_again(self) -> None:
        """Choices changed: perhaps it is time to train by itself."""
        if self.choices.automatic and self.changes.bouts >= self.choices.after:
            self._calm.start()
        else:
            self._calm.stop()

    def forget_session(self) -> None:
        """Another session: whatever is under way is about the old one."""
        self.cancel()
        self._calm.stop()
        self.failures.clear()
        self.changes, self._since_start = vp.sessions.LabelChanges(), None

    def close_view(self) -> None:
        """End the worker process."""
        with suppress(ValueError):
            self._state.labels_changed.disconnect(self._labels_changed)
        self._calm.stop()
        self._steps.clear()
        self._background.close()
        self._runner.close()

    # ---- how it goes on

    def _start(self, job: str, **more: Any) -> None:
        session = self._state.session
        if session is None:
            self._give_up()
            return
        try:
            excluded = vp.sessions.ground_truth_spans(session)  # or the estimate from them would be no estimate
        except vp.VPScienceError as error:
            self._fail(str(error))
            return
        recordings = [{"id": one.id, "path": _text(one.path)} for one in session.recordings]
        request = {
            "excluded": excluded,
            "look_at": self.choices.look_at,
            "session": str(session.folder),
            "labels": str(session.log.path),
            "recordings": recordings,
            "ids": [one.id for one in session.recordings],
            **more,
        }
        self._runner.start(job, request)

    def _ordered(self) -> list[dict[str, Any]]:
        """All recordings, the shown one first."""
        session, current = self._state.session, self._state.current
        recordings = [] if session is None else sorted(session.recordings, key=lambda one: one.id != current)
        return [{"id": one.id, "path": _text(one.path), "poses": _text(one.poses)} for one in recordings]

    def _predict(self, recordings: list[dict[str, Any]], chosen: dict[str, Any] | None = None) -> None:
        more = {} if chosen is None else {"chosen": chosen}
        self._start("predict", probe=self.choices.probe, recordings=recordings, **more)

    def _hear(self, event: dict[str, Any]) -> None:
        if name := event.get("predicted"):
            self._adopt(str(event["probe"]))
            self.failures.pop(name, None)
            self.predicted.emit(name)
        self.progress.emit(event)

    def _finish(self, result: dict[str, Any]) -> None:
        if "notes" in result:
            self._after_training(result)
        elif "scores" in result:
            self.tested.emit(result)
        elif "failed" in result:
            self._adopt(str(result["probe"]))
            self.failures.update(result["failed"])
        elif "path" in result:
            self.exported.emit(result["path"])
        self._go_on()

    def _after_training(self, result: dict[str, Any]) -> None:
        if self._since_start is not None:
            self.changes, self._since_start = self._since_start, None
        self.choices.probe = str(result["probe"])
        self.failures.clear()
        self.trained.emit(self.choices.probe)
        self.changed.emit()
        recordings = self._ordered()
        first, others = recordings[:1], recordings[1:]
        self._steps.append(lambda: self._predict(first))
        self._steps.append(lambda: self._start("evaluate", probe=self.choices.probe))
        if others:
            self._steps.append(lambda: self._predict(others))

    def _adopt(self, probe_id: str) -> None:
        """Predictions came from another probe than the present one: an opened bundle, or one with chosen thresholds."""
        if probe_id != self.choices.probe:
            self.choices.probe = probe_id
            self.trained.emit(probe_id)
            self.use_probe(probe_id)

    def _go_on(self) -> None:
        if self._runner.running:
            return
        if self._steps:
            self._steps.popleft()()
            return
        self._since_start = None
        self.stopped.emit()
        self.look_again()  # labels may have changed meanwhile

    def _give_up(self) -> None:
        self._steps.clear()
        self._since_start = None
        self.stopped.emit()

    def _fail(self, message: str) -> None:
        self._flushing = False
        self._steps.clear()
        self._since_start = None
        self.failed.emit(message)
        self.stopped.emit()

    def _labels_changed(self, edit: "vp.sessions.Edit") -> None:
        self.changes.note(edit)
        if self._since_start is not None:
            self._since_start.note(edit)
        self.changed.emit()
        self.look_again()

    def _train_by_itself(self) -> None:
        if self.busy:
            return  # looked at again when the present work ends
        session = self._state.session
        if session is not None and self.choices.automatic and self.changes.bouts >= self.choices.after:
            self.train(automatic=True)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
