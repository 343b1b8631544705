"""Fills ``state.predictions``: reads what a probe said, and decides anew while people move thresholds.

Everything slow happens in one thread: the shown recording first, the others when nothing else is asked. The newest
question wins.
"""

import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from qtpy.QtCore import QObject, QTimer, Signal

import vp_science as vp
from napari_vp_science.state import PanelState, Prediction
from napari_vp_science.voice import Voice

_MOST_BYTES = 512 << 20
"""Scores of so much are kept in memory; of further recordings only those of the shown one."""
_TELL_MS = 250


@dataclass(frozen=True)
class Question:
    """What the thread is asked.

    Attributes:
        folder: of the session.
        probe_id: whose predictions.
        thresholds: by behavior.
        rules: from scores to states.
        recordings: ids, the most urgent first.
        number: of the question; higher is newer.
    """

    folder: Path
    probe_id: str
    thresholds: dict[str, float]
    rules: "vp.PostProcess"
    recordings: tuple[str, ...]
    number: int = 0


@dataclass(frozen=True, eq=False)
class _Answer:
    """Predictions of one recording (one per animal), or what is wrong with them."""

    question: Question
    recording: str
    predictions: Sequence[Prediction]
    problem: str = ""


class PredictionKeeper(QObject):
    """Keeps ``state.predictions`` up to date.

    Attributes:
        problem: something cannot be read; a message for people.
    """

    problem = Signal(str)
    answered = Signal(str)
    """A recording has predictions by the newest question; its id."""

    def __init__(self, state: PanelState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._question: Question | None = None
        self._all: dict[str, Sequence[Prediction]] = {}
        self._thread = _Thinker(self._hear)
        self._tell = QTimer(self)
        self._tell.setSingleShot(True)
        self._tell.setInterval(_TELL_MS)
        self._tell.timeout.connect(state.predictions_changed.emit)
        state.recording_changed.connect(self._look)
        state.subject_changed.connect(self._choose_subject)

    @property
    def num_recordings(self) -> int:
        """How many recordings have predictions in memory."""
        return len(self._state.predictions)

    def use(self, folder: Path, probe_id: str, thresholds: dict[str, float], rules: "vp.PostProcess") -> None:
        """Show the predictions of a probe under thresholds and rules."""
        before = self._question
        if before is None or (before.folder, before.probe_id) != (folder, probe_id):
            self.clear()
        number = 0 if before is None else before.number + 1
        self._question = Question(folder, probe_id, dict(thresholds), rules, self._order(), number)
        self._thread.ask(self._question)

    def clear(self) -> None:
        """No probe: nothing is predicted."""
        self._question = None
        self._all.clear()
        self._thread.ask(None)
        if self._state.predictions:
            self._state.predictions.clear()
            self._state.predictions_changed.emit()

    def reload(self, recording: str) -> None:
        """The file of a recording is new."""
        self._thread.forget(recording)
        self._look()

    def close_view(self) -> None:
        """Stop the thread."""
        self._tell.stop()
        for signal, listener in (
            (self._state.recording_changed, self._look),
            (self._state.subject_changed, self._choose_subject),
        ):
            with suppress(ValueError):
                signal.disconnect(listener)
        self._thread.close()

    def _order(self) -> tuple[str, ...]:
        session, current = self._state.session, self._state.current
        names = [] if session is None else [one.id for one in session.recordings]
        return tuple(sorted(names, key=lambda name: name != current))

    def _look(self, *_: object) -> None:
        """Another recording is shown, or files are new: the same question in another order."""
        if self._question is not None:
            number = self._question.number + 1
            self._question = replace(self._question, recordings=self._order(), number=number)
            self._thread.ask(self._question)

    def _hear(self, answer: _Answer) -> None:
        now = self._question
        if now is None or (now.folder, now.probe_id) != (answer.question.folder, answer.question.probe_id):
            return  # the answer to a question about something else
        if answer.problem:
            self.problem.emit(answer.problem)
        self._all[answer.recording] = answer.predictions
        self._publish(answer.recording)
        if answer.recording == self._state.current:
            self._tell.stop()
            self._state.predictions_changed.emit()
        elif not self._tell.isActive():
            self._tell.start()
        if answer.question.number == now.number:
            self.answered.emit(answer.recording)

    def _publish(self, recording: str) -> None:
        those, subject = self._all[recording], self._state.subject
        if not those:
            self._state.predictions.pop(recording, None)
            return
        mine = [one for one in those if one.subject == subject]
        self._state.predictions[recording] = (mine or list(those))[0]

    def _choose_subject(self, _: str) -> None:
        for recording in self._all:
            self._publish(recording)
        if any(len(those) > 1 for those in self._all.values()):
            self._state.predictions_changed.emit()


class _Thinker:
    """The thread: reads files, keeps scores, decides."""

    def __init__(self, heard: Callable[[_Answer], None]) -> None:
        self._heard = weakref.WeakMethod(heard)
        self._wake = threading.Condition()
        self._question: Question | None = None
        self._forgotten: set[str] = set()
        self._closed = False
        self._thread: threading.Thread | None = None
        # Only the thread touches these.
        self._about: tuple[Path, str] | None = None
        self._deciders: dict[str, list[vp.sessions.ScoreDecider]] = {}
        self._answered: dict[str, object] = {}

    def ask(self, question: Question | None) -> None:
        with self._wake:
            if self._thread is None and question is not None and not self._closed:
                heard = self._heard()
                assert heard is not None  # it is who asks
                self._thread = threading.Thread(
                    target=self._work, args=(Voice(heard),), name="predictions", daemon=True
                )
                self._thread.start()
            self._question = question
            self._wake.notify()

    def forget(self, recording: str) -> None:
        with self._wake:
            self._forgotten.add(recording)

    def close(self) -> None:
        with self._wake:
            self._closed, thread = True, self._thread
            self._wake.notify()
        if thread is not None:
            thread.join(10)

    def _work(self, voice: Voice) -> None:
        try:
            self._answer_all(voice)
        finally:
            voice.end()

    def _answer_all(self, voice: Voice) -> None:
        while True:
            with self._wake:
                while not self._closed and not self._next():
                    self._wake.wait()
                if self._closed:
                    return
                question, recording = self._question, self._next()
            if question is not None:
                answer = self._answer(question, recording)
                if answer is not None and not self._closed:
                    voice.say(answer)

    def _next(self) -> str:
        """The most urgent recording without an answer to the present question; "" when all have one."""
        question = self._question
        if question is None:
            self._about = None
            self._deciders.clear()
            return ""
        if self._about != (question.folder, question.probe_id):
            self._about = (question.folder, question.probe_id)
            self._deciders.clear()
            self._answered.clear()
        for recording in self._forgotten:
            self._deciders.pop(recording, None)
            self._answered.pop(recording, None)
        self._forgotten.clear()
        asked = (question.thresholds, question.rules)
        for place, recording in enumerate(question.recordings):
            if self._answered.get(recording) != asked and (place == 0 or self._has_room(recording)):
                return recording
        return ""

    def _has_room(self, recording: str) -> bool:
        if recording in self._deciders:
            return True
        sizes = (one.saved.scores.nbytes for those in self._deciders.values() for one in those)
        return sum(sizes) < _MOST_BYTES

    def _answer(self, question: Question, recording: str) -> _Answer | None:
        try:
            if recording not in self._deciders:
                path = vp.sessions.prediction_path(question.folder, recording)
                saved = vp.sessions.read_predictions(path, question.probe_id)
                self._deciders[recording] = [vp.sessions.ScoreDecider(one) for one in saved]
            those = [_predict(recording, one, question) for one in self._deciders[recording]]
            answer = _Answer(question, recording, those)
        except (vp.VPScienceError, OSError) as error:
            answer = _Answer(question, recording, (), str(error))
        self._answered[recording] = (question.thresholds, question.rules)
        return answer


def _predict(recording: str, decider: "vp.sessions.ScoreDecider", question: Question) -> Prediction:
    decided, saved = decider.decide(question.thresholds, question.rules), decider.saved
    return Prediction(
        recording=recording,
        probe_id=saved.probe_id,
        behaviors=saved.behaviors.names,
        time_s=saved.time_s,
        scores=saved.scores,
        states=decided.states,
        bouts=decided.bouts,
        subject=saved.subject,
        thresholds=dict(question.thresholds),
    )
