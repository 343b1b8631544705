"""The Train page with a worker that answers as the tests want, and once with the real one."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari_vp_science.state import PanelState
from napari_vp_science.training.choices import Choices
from napari_vp_science.training.page import TrainPage
from napari_vp_science.training.predictions import PredictionKeeper
from napari_vp_science.training.trainer import Trainer
from psygnal import Signal as PsygnalSignal
from qtpy.QtCore import QObject, QPoint, Qt, Signal

import vp_science as vp

TESTS = Path(__file__).resolve().parents[3] / "tests"
sys.path[:0] = [str(TESTS / name) for name in ("sessions", "probes", "pipeline")]

from fine_tuned_micro import make_probe  # noqa: E402
from pipeline_tools import make_encoder  # noqa: E402
from training_study import Listener, copy_session, make_session, request_of  # noqa: E402

# Here and not in two threads at once: modules are rewritten while they are imported (the beartype hook of the tests),
# and Python 3.11 trips over that when two threads do it.
from vp_science.sessions import predicting, scoring, training  # noqa: E402, F401
from vp_science.sessions.worker import run_job  # noqa: E402
from vp_science.store import ethogram_reader  # noqa: E402, F401


class Events:
    theme = PsygnalSignal(object)


class Runner(QObject):
    """Does jobs in this process when it is told to, so that a test decides what happens meanwhile."""

    progress = Signal(object)
    result = Signal(object)
    cancelled = Signal()
    failed = Signal(str)
    idle = Signal()

    def __init__(self):
        super().__init__()
        self.asked = []
        self.job = None
        self.closed = False

    @property
    def running(self):
        return self.job is not None

    def start(self, job, request):
        assert not self.running, "never two at once"
        self.job = job
        self.asked.append((job, request))

    def do(self):
        """Do the job that was asked for last."""
        job, request = self.asked[-1]
        listener = Listener()
        listener.report._send = lambda event: self.progress.emit(event)
        try:
            result = run_job(job, request, listener.report)
        except vp.VPScienceError as error:
            self.end(self.failed, str(error))
        else:
            self.end(self.result, result)

    def end(self, signal, *value):
        self.job = None
        signal.emit(*value)

    def cancel(self):
        if self.running:
            self.end(self.cancelled)

    def close(self):
        self.closed = True


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """Two sessions on disk: with labels, and with a probe that was tested and has predicted everything."""
    folder = tmp_path_factory.mktemp("sessions")
    make_session(folder / "labelled", 3, noise=1.0).close()
    session = copy_session(folder / "labelled", folder / "trained")
    request, report = request_of(session), Listener().report
    probe = run_job("train", request, report)["probe"]
    run_job("predict", {**request, "probe": probe}, report)
    run_job("evaluate", {**request, "probe": probe}, report)
    Choices(probe).remember(session.settings)
    session.close()
    return folder


def open_state(template, folder):
    made = PanelState(SimpleNamespace(theme="dark", events=Events()))
    made.use_session(copy_session(template, folder))
    made.current = "rec1"
    return made


@pytest.fixture
def state(templates, tmp_path, qtbot, request):
    made = open_state(templates / getattr(request, "param", "labelled"), tmp_path)
    yield made
    made.close_session()


trained = pytest.mark.parametrize("state", ["trained"], indirect=True)


@pytest.fixture
def runner(qtbot):
    return Runner()


@pytest.fixture
def page(state, runner, qtbot):
    made = TrainPage(state, runner)
    qtbot.addWidget(made)
    made.resize(380, 700)
    qtbot.waitUntil(lambda: made.train.isEnabled())
    yield made
    made.close_view()


def begin(page, runner, qtbot):
    count = len(runner.asked)
    page.train.click()
    qtbot.waitUntil(lambda: len(runner.asked) > count)
    return runner.asked[-1]


def has_all(page, qtbot):
    qtbot.waitUntil(lambda: page.scores is not None and len(page._state.predictions) == 3, timeout=20_000)


# ---- training


def test_training_predicts_the_shown_recording_then_tests_then_predicts_the_others(page, runner, state, qtbot):
    assert page.summary.text().startswith("3 recordings, 20 s scored. Bouts: walk")
    job, request = begin(page, runner, qtbot)
    assert job == "train"
    assert request["session"] == str(state.session.folder)
    assert not page.train.isEnabled()
    assert not page.cancel.isHidden()
    with qtbot.waitSignal(page.trainer.stopped, timeout=60_000):
        while runner.running:
            runner.do()
    jobs = [(job, [one["id"] for one in request["recordings"]]) for job, request in runner.asked]
    assert [job for job, _ in jobs] == ["train", "predict", "evaluate", "predict"]
    assert jobs[1][1] == ["rec1"]
    assert jobs[3][1] == ["rec0", "rec2"]
    qtbot.waitUntil(lambda: len(state.predictions) == 3 and page.scores is not None)
    assert page.train.isEnabled()
    assert page.how.text().startswith("Tested recording by recording")
    assert page.table.rowCount() == 3
    qtbot.waitUntil(lambda: page.predicted.text() == "Predicted: 3 of 3 recordings.")
    assert "today at" in page.card.text()
    assert page.warning.isHidden()
    one = state.predictions["rec1"]
    saved = vp.read_ethogram(vp.sessions.prediction_path(state.session.folder, "rec1"))
    np.testing.assert_array_equal(one.states, saved.states)
    np.testing.assert_array_equal(one.scores, saved.scores)
    assert one.thresholds == pytest.approx(page._card.thresholds)


def test_a_failure_is_said_and_nothing_goes_on(page, runner, qtbot):
    begin(page, runner, qtbot)
    runner.end(runner.failed, "expected this, found that: do so")
    assert page.stage.text() == "It did not work: expected this, found that: do so"
    assert not page.stage.isHidden()
    assert not runner.running
    assert page.train.isEnabled()
    begin(page, runner, qtbot)
    assert "did not work" not in page.stage.text()


def test_cancelling_drops_what_was_still_to_come(page, runner, qtbot):
    begin(page, runner, qtbot)
    runner.do()
    assert runner.asked[-1][0] == "predict"
    page.cancel.click()
    assert not runner.running
    assert not page.trainer.busy
    assert page.train.isEnabled()
    qtbot.waitUntil(lambda: page._card is not None)  # the probe itself is there
    qtbot.waitUntil(lambda: page.how.text() == "Not tested yet.")
    page.test.click()
    assert runner.asked[-1][0] == "evaluate"


def test_what_is_missing_is_said_before_anything_starts(page, state, qtbot):
    for one in state.session.recordings:
        (state.session.folder / "tracks" / f"{one.id}.embeddings.h5").unlink()
        state.tracks_changed.emit(one.id)
    qtbot.waitUntil(lambda: not page.train.isEnabled())
    assert page.summary.text() == "Labelled recordings are not embedded yet: embed rec0, rec1, rec2 first."


def test_labels_that_change_meanwhile_are_remembered(page, runner, state, qtbot):
    begin(page, runner, qtbot)
    first = state.labels.bouts("rec0")[0]
    state.labels.delete([first.id])
    runner.do()
    qtbot.waitUntil(lambda: page._card is not None)
    assert page.trainer.changes.bouts == 1
    assert page.changed.text() == "Labels changed since it was trained: 1 bout."
    state.labels.undo()
    assert page.trainer.changes.bouts == 0
    assert page.changed.isHidden()


@trained
def test_it_trains_again_by_itself_but_never_twice_at_once(page, runner, state, qtbot):
    has_all(page, qtbot)
    page.trainer._calm.setInterval(0)
    page.automatic.setChecked(True)
    page.after.setValue(2)
    bouts = state.labels.bouts("rec0")
    state.labels.delete([bouts[0].id])
    assert not page.trainer._calm.isActive()
    state.labels.delete([bouts[1].id])
    qtbot.waitUntil(lambda: runner.running)
    assert runner.asked[-1][0] == "train"
    assert runner.asked[-1][1]["automatic"] is True
    trainings = [job for job, _ in runner.asked].count("train")
    state.labels.delete([bouts[2].id])
    state.labels.delete([bouts[3].id])  # two more while it is at work
    while runner.job is not None:
        runner.do()
    qtbot.waitUntil(lambda: [job for job, _ in runner.asked].count("train") == trainings + 1, timeout=20_000)
    runner.do()
    assert page.trainer.changes.bouts == 0


@trained
def test_a_session_that_is_opened_again_has_all_of_it(page, runner, state, qtbot, tmp_path):
    has_all(page, qtbot)
    page.thresholds.rows["walk"].number.setValue(0.7)
    page.after.setValue(25)
    state.labels.delete([state.labels.bouts("rec0")[0].id])
    folder, probe = state.session.folder, page.choices.probe
    page._save_choices()
    state.close_session()
    state.session_changed.emit()
    assert page.card.text() == "No probe yet."
    assert state.predictions == {}
    state.use_session(vp.sessions.open_session(folder, tmp_path / "places.json"))
    qtbot.waitUntil(lambda: len(state.predictions) == 3)
    assert page.choices.probe == probe
    assert page.after.value() == 25
    assert page.thresholds.rows["walk"].number.value() == pytest.approx(0.7)
    assert state.predictions["rec0"].thresholds["walk"] == pytest.approx(0.7)
    qtbot.waitUntil(lambda: page.changed.text() == "Labels changed since it was trained: 1 bout.")


def test_a_probe_that_is_gone_is_said(page, runner, state, qtbot):
    with qtbot.waitSignal(page.trainer.changed):
        page.use_probe("probe-00000000")
    qtbot.waitUntil(lambda: page.choices.probe == "")
    assert page.card.text() == "No probe yet."


# ---- thresholds


@trained
def test_thresholds_take_effect_and_can_be_reset(page, runner, state, qtbot):
    has_all(page, qtbot)
    row, before = page.thresholds.rows["walk"], state.predictions["rec1"]
    with qtbot.waitSignal(page.keeper.answered):
        row.slider.setValue(95)
    qtbot.waitUntil(lambda: state.predictions["rec1"].thresholds["walk"] == pytest.approx(0.95))
    after = state.predictions["rec1"]
    assert (after.states[:, 0] == 1).sum() < (before.states[:, 0] == 1).sum()
    qtbot.waitUntil(lambda: state.predictions["rec0"].thresholds["walk"] == pytest.approx(0.95))
    assert page.choices.thresholds == {"walk": 0.95}
    assert page.thresholds.apply.isEnabled()
    row.reset.click()
    assert page.choices.thresholds == {}
    page.thresholds.rules["min_bout_s"].setValue(0.5)
    qtbot.waitUntil(lambda: _shortest(state.predictions["rec1"]) >= 0.499)
    page.thresholds.reset_all()
    qtbot.waitUntil(lambda: np.array_equal(state.predictions["rec1"].states, before.states))
    assert not page.thresholds.apply.isEnabled()


def _shortest(prediction):
    return float((prediction.bouts[:, 2] - prediction.bouts[:, 1]).min(initial=np.inf))


@trained
def test_applying_makes_a_probe_that_the_command_line_understands(page, runner, state, qtbot):
    has_all(page, qtbot)
    before = page.choices.probe
    page.thresholds.rows["groom"].number.setValue(0.9)
    page.thresholds.apply.click()
    assert runner.asked[-1][1]["chosen"] == {"thresholds": {"groom": 0.9}, "rules": {}}
    runner.do()
    after = page.choices.probe
    assert after != before
    qtbot.waitUntil(lambda: page._card is not None and page._card.id == after)
    qtbot.waitUntil(lambda: len(state.predictions) == 3)
    assert vp.load_probe(page._card.path).thresholds_[1] == pytest.approx(0.9)
    assert state.predictions["rec2"].probe_id == after
    assert page.scores is not None  # they hold for it, too
    assert not page.thresholds.apply.isEnabled()
    assert page.probes.count() == 2
    page.probes.activated.emit(page.probes.findData(before))  # and back
    runner.do()
    qtbot.waitUntil(lambda: {one.probe_id for one in state.predictions.values()} == {before})
    qtbot.waitUntil(lambda: len(state.predictions) == 3)


# ---- a probe comes and goes


@trained
def test_a_bundle_of_other_tracks_is_refused_with_the_message_of_the_library(page, runner, state, qtbot, tmp_path):
    has_all(page, qtbot)
    page.trainer.export(tmp_path / "probe.zip")
    with qtbot.waitSignal(page.trainer.exported) as told:
        runner.do()
    assert told.args == [str(tmp_path / "probe.zip")]
    probe = vp.load_probe(tmp_path / "probe.zip")
    probe.track_settings_ = {**probe.track_settings_, "model": "videoprism-large"}
    vp.save_probe(probe, tmp_path / "other.zip")
    page.trainer.open_bundle(tmp_path / "other.zip")
    runner.do()
    qtbot.waitUntil(lambda: "videoprism-large" in page.predicted.text())
    assert "Not predicted: rec" in page.predicted.text()
    page.trainer.open_bundle(tmp_path / "nothing.zip")
    runner.do()
    assert "expected a probe bundle" in page.stage.text()


def test_a_fine_tuned_bundle_looks_at_the_recordings_and_is_tested_on_labels_that_it_never_saw(
    page, runner, state, qtbot, tmp_path
):
    bundle = vp.save_probe(make_probe(make_encoder(), name="mouse"), tmp_path / "mouse.zip")
    said = []
    page.trainer.progress.connect(lambda event: said.append(event["stage"]))
    page.trainer.open_bundle(bundle)
    runner.do()
    qtbot.waitUntil(lambda: len(state.predictions) == 3, timeout=20_000)
    assert page.choices.probe.startswith("mouse-")
    assert any(stage.startswith("looking at rec1 (") for stage in said)
    assert "Opened from a file" in page.card.text()
    assert "custom, fine-tuned, one behavior at a time" in page.card.text()
    assert page.warning.isVisibleTo(page)  # this one stands on random numbers
    assert page.test.isVisibleTo(page)
    assert "labels of recordings that it never saw" in page.test.toolTip()
    assert "Not tested here yet" in page.how.text()
    page.trainer.test()
    runner.do()
    qtbot.waitUntil(lambda: page.scores is not None)
    assert "Tested as it is on the labels of rec0, rec1, rec2" in page.how.text()


@trained
def test_a_damaged_prediction_is_told(page, runner, state, qtbot):
    has_all(page, qtbot)
    path = vp.sessions.prediction_path(state.session.folder, "rec1")
    path.write_bytes(path.read_bytes()[:3000])
    told = []
    state.message.connect(told.append)
    page.keeper.reload("rec1")
    qtbot.waitUntil(lambda: bool(told))
    assert "is damaged" in told[0]
    assert "rec1" not in state.predictions
    assert "rec0" in state.predictions


# ---- scores


@trained
def test_a_cell_of_the_confusion_matrix_leads_to_its_moments(page, runner, state, qtbot):
    has_all(page, qtbot)
    shown = []
    state.shower = lambda recording, time_s: shown.append((recording, time_s))
    page.table.cellClicked.emit(0, 0)
    dialog = page.dialog
    qtbot.waitExposed(dialog)
    rect = dialog.confusion.cell_rect(0, 0).center()
    qtbot.mouseClick(dialog.confusion, Qt.MouseButton.LeftButton, pos=QPoint(int(rect.x()), int(rect.y())))
    moments = page.scores.moments.of(0, 0)
    assert state.moments == moments
    assert dialog.moments.count() == len(moments)
    assert dialog.said.text().startswith(dialog.confusion.words(0, 0))
    assert shown == [moments[0][:2]]
    dialog.moments.itemClicked.emit(dialog.moments.item(len(moments) - 1))
    assert shown[-1] == moments[-1][:2]
    for view in (dialog.confusion, dialog.curves, dialog.reliability):
        assert not view.grab().isNull()
    dialog.close()
    qtbot.waitUntil(lambda: page.dialog is None)


def test_keys_stay_with_the_video(page):
    from qtpy.QtWidgets import QAbstractButton, QComboBox, QSlider

    kinds = (QAbstractButton, QComboBox, QSlider)
    takers = [w for kind in kinds for w in page.findChildren(kind) if w.focusPolicy() == Qt.FocusPolicy.StrongFocus]
    assert takers == []


# ---- predictions in the background


@trained
def test_the_newest_question_wins_and_the_shown_recording_comes_first(page, runner, state, qtbot):
    has_all(page, qtbot)
    heard = []
    state.predictions_changed.connect(lambda: heard.append(state.predictions["rec1"].thresholds["walk"]))
    for value in range(50, 91):
        page.thresholds.rows["walk"].slider.setValue(value)
    qtbot.waitUntil(lambda: state.predictions["rec0"].thresholds["walk"] == pytest.approx(0.9))
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(0.9)


@trained
def test_a_keeper_that_is_closed_is_silent(page, runner, state, qtbot):
    has_all(page, qtbot)
    keeper = PredictionKeeper(state)
    keeper.use(state.session.folder, page.choices.probe, page.thresholds.thresholds, vp.PostProcess())
    keeper.close_view()
    assert not keeper._thread._thread.is_alive()
    state.recording_changed.emit("rec0")


# ---- choices


@pytest.mark.parametrize(
    "record",
    [
        None,
        7,
        {"probe": 3, "head": "forest", "look_at": [], "after": 0, "automatic": "yes"},
        {"thresholds": {"walk": 2.0, "groom": float("nan"), "rear": True}, "rules": {"min_bout_s": -1, "other": 0.1}},
    ],
)
def test_choices_that_make_no_sense_are_those_of_a_new_session(record):
    assert Choices.of({"training": record}) == Choices()


def test_choices_are_remembered():
    settings = {}
    made = Choices("probe-1", "temporal", "animals", True, 5, {"walk": 0.25}, {"min_bout_s": 0.5})
    made.remember(settings)
    assert Choices.of(settings) == made


# ---- the real worker


def test_with_the_real_worker(state, qtbot):
    trainer = Trainer(state, Choices())
    with qtbot.waitSignal(trainer.stopped, timeout=120_000):
        trainer.train()
    assert trainer.choices.probe
    for name in ("rec0", "rec1", "rec2"):
        assert vp.sessions.prediction_path(state.session.folder, name).exists()
    assert vp.sessions.read_scores(state.session.folder, trainer.choices.probe) is not None
    assert request_of(state.session)["ids"] == ["rec0", "rec1", "rec2"]
    trainer.close_view()
