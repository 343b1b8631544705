"""Where to look next, and ground truth: segments are scored one after the other, and what they say is honest."""

import sys
from pathlib import Path

import numpy as np
import pytest
from napari_vp_science.review.choose_recordings import RecordingChoice
from napari_vp_science.review.page import ReviewPage
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel
from review_stage import NAMES, make_state, predict_all

import vp_science as vp
from vp_science.sessions.worker import Reporter, run_job

sys.path.append(str(Path(__file__).parents[3] / "tests" / "probes"))
from probe_study import make_track, write_track


@pytest.fixture
def state(tmp_path):
    made = make_state(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("fly_1", "fly_2"):
        track = make_track(name, rng.normal(size=(1000, 12)), 10.0)
        write_track(track, made.session.subfolder("tracks"))
    yield made
    made.close_session()


@pytest.fixture
def page(qtbot, state):
    made = ReviewPage(state)
    qtbot.addWidget(made)
    made.resize(380, 700)
    with qtbot.waitExposed(made):
        made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    yield made
    made.close_view()


def ask(qtbot, tab, number=4):
    """Press the button, do the job here, and give its result back."""
    asked = []
    tab.runner.start = lambda job, request: asked.append((job, request))
    tab.number.setValue(number)
    tab.suggest.click()
    qtbot.waitUntil(lambda: bool(asked))
    job, request = asked[0]
    tab.runner.progress.emit({"stage": "reading embeddings", "done": 1, "total": 2})
    assert tab.note.text() == "reading embeddings"
    assert tab.cancel.isVisible()
    tab.runner.result.emit(run_job(job, request, Reporter(lambda _: None)))
    return request


def test_suggested_segments_are_shown_scored_and_remembered(qtbot, page, state, tmp_path):
    page.tabs.setCurrentIndex(1)
    tab = page.look_next
    state.labels.observe("fly_1", 0, 50)
    request = ask(qtbot, tab)
    assert request["predictions"] == {}
    assert len(request["tracks"]) == 2
    segments = tab.segments
    assert len(segments.segments) == 4
    assert not any(one.recording == "fly_1" and one.start_s < 50 for one in segments.segments)
    assert segments.current == segments.segments[0]
    assert state.current == segments.current.recording
    assert state.link.playing
    first = segments.current
    qtbot.keyClick(page, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert segments.is_done(0)
    assert segments.current == segments.segments[1]
    assert segments.list.item(0).text().startswith("\N{CHECK MARK} ")
    assert any(o.start_s <= first.start_s and first.stop_s <= o.stop_s for o in state.labels.observed(first.recording))
    segments.previous.click()
    assert segments.place == 0
    segments.next.click()
    with qtbot.waitSignal(segments.finished):
        while segments.open_places:
            segments.mark_scored()
    assert "Train again" in tab.note.text()
    state.labels.undo()
    qtbot.waitUntil(lambda: len(segments.open_places) == 1)
    page.close_view()
    state.close_session()
    session = vp.sessions.open_session(tmp_path / "session")
    state.use_session(session)
    again = ReviewPage(state)
    qtbot.addWidget(again)
    assert len(again.look_next.segments.segments) == 4
    again.close_view()


def test_marked_segments_reach_to_the_borders_of_frames(page, state):
    tab = page.look_next
    state.show("fly_1")
    tab._show([["fly_1", 10.03, 20.07, "why"]])
    tab.segments.begin()
    tab.segments.mark_scored()
    (one,) = state.labels.observed("fly_1")
    assert (one.start_s, one.stop_s) == (10.0, pytest.approx(20.1))
    assert tab.segments.is_done(0)


def test_without_tracks_it_says_what_to_do_and_failures_are_told(qtbot, page, state):
    tab = page.look_next
    for path in (state.session.folder / "tracks").iterdir():
        path.unlink()
    tab.suggest.click()
    qtbot.waitUntil(lambda: "embed recordings on the Embed page first" in tab.note.text())
    assert tab.suggest.isEnabled()
    tab.runner.failed.emit("expected this, found that")
    assert tab.note.text() == "expected this, found that"
    tab.runner.cancelled.emit()
    assert tab.note.text() == "Cancelled."
    state.close_session()
    state.session_changed.emit()
    tab.suggest.click()
    assert tab.note.text() == "Open a recording to begin."


def test_damaged_settings_are_no_segments(qtbot, page, state):
    tab = page.look_next
    for rows in (7, [["a", 2.0, 1.0, "why"]], [["a", "x", 1.0, "why"]], [[]], [["a", float("nan"), 1.0, ""]]):
        tab._show(rows)
        assert tab.segments.segments == []


def draw(qtbot, truth, number=6):
    truth.number.setValue(number)
    truth.seed.setValue(5)
    truth.draw_button.click()
    qtbot.waitUntil(lambda: truth.truth is not None and len(truth.truth.segments) == number)


def test_ground_truth_is_drawn_scored_blind_and_reported(qtbot, page, state):
    predict_all(state)
    page.tabs.setCurrentIndex(2)
    truth = page.truth
    state.labels.observe("fly_1", 0, 40)
    draw(qtbot, truth)
    spans = vp.sessions.ground_truth_spans(state.session)
    assert len(spans) == 6
    assert not any(name == "fly_1" and start < 40 for name, start, _ in spans)
    assert not truth.drawing.isVisible()
    hidden = []
    state.predictions_changed.connect(lambda: hidden.append(state.hide_predictions))
    truth.scoring.click()
    assert hidden[-1] is True
    assert truth.segments.place == 0
    assert truth.note.text() == "0 of 6 segments are scored. Predictions are hidden."
    assert not truth.report.isVisible()
    for _ in range(6):
        segment = truth.segments.current
        prediction = state.predictions[segment.recording]
        for column, start, stop, _ in prediction.bouts:  # the prediction is right everywhere
            first, last = max(start, segment.start_s), min(stop, segment.stop_s)
            if first < last:
                state.labels.add(segment.recording, NAMES[int(column)], first, last)
        assert not truth.report.isVisible()
        truth.segments.mark_scored()
    assert hidden[-1] is False
    qtbot.waitUntil(truth.report.isVisible)
    assert truth.report.sentence.text().startswith("100 % of frames are right (95 % interval 6")
    assert "6 segments, 60 s" in truth.report.sentence.text()
    assert truth.report.more.isVisible()
    before = truth.truth.segments
    truth.report._number = 2
    truth.report.more.click()
    qtbot.waitUntil(lambda: len(truth.truth.segments) == 8)
    assert truth.truth.segments[:6] == before
    truth.start_anew()
    assert truth.truth.given_up == 8
    assert vp.sessions.ground_truth_spans(state.session) == []
    assert truth.drawing.isVisible()


def test_drawn_segments_are_left_out_of_the_review(qtbot, page, state):
    predict_all(state)
    qtbot.waitUntil(lambda: page.review.model.rowCount() == 6)
    page.tabs.setCurrentIndex(2)
    page.truth.which.setCurrentIndex(1)
    draw(qtbot, page.truth, 10)
    assert {one.recording for one in page.truth.truth.segments} == {"fly_1"}
    page.tabs.setCurrentIndex(0)
    qtbot.waitUntil(lambda: page.review.model.rowCount() == 2)


def test_more_than_there_is_room_for_is_refused(qtbot, page, state):
    state.labels.observe("fly_1", 0, 100)
    state.labels.observe("fly_2", 0, 90)
    page.truth.draw_button.click()
    qtbot.waitUntil(lambda: "found room for 1 " in page.truth.note.text())
    assert page.truth.truth is None


def test_missing_predictions_and_damaged_settings_are_said(qtbot, page, state):
    page.tabs.setCurrentIndex(2)
    truth = page.truth
    draw(qtbot, truth, 2)
    for name in ("fly_1", "fly_2"):
        state.labels.observe(name, 0, 100)
    qtbot.waitUntil(truth.report.isVisible)
    assert truth.report.sentence.text().startswith("There are no predictions")
    session = state.session
    session.settings["ground_truth"] = {"segments": 3}
    truth._shown_session = None
    state.session_changed.emit()
    assert "expected the ground truth of a session, found something else" in truth.note.text()


def test_the_table_names_every_behavior_with_intervals(qtbot, page):
    share = vp.sessions.Share(0.8, 0.7, 0.9, 12, 30.0)
    none = vp.sessions.Share(float("nan"), float("nan"), float("nan"), 0, 0.0)
    one = vp.sessions.BehaviorAccuracy("groom", share, share, share, none, none, 12.0)
    found = vp.sessions.Accuracy(share, (one,), 12, 120.0, ("fly_9",), ("p1",))
    page.truth.report.show_accuracy(found, complete=False)
    texts = [label.text() for label in page.truth.report.table.findChildren(QLabel)]
    assert texts.count("80 %\n70\N{EN DASH}90 %") == 3
    assert "groom" in texts
    assert "may still move. Not predicted: fly_9." in page.truth.report.sentence.text()
    assert page.truth.report.advice.text().startswith("About ")


def test_closing_shows_predictions_again(qtbot, page, state):
    page.tabs.setCurrentIndex(2)
    draw(qtbot, page.truth, 2)
    page.truth.scoring.click()
    assert state.hide_predictions
    page.close_view()
    assert not state.hide_predictions


def test_recordings_are_chosen_with_check_boxes(qtbot):
    dialog = RecordingChoice(["a", "b", "c"], ["b"])
    qtbot.addWidget(dialog)
    dialog.list.item(2).setCheckState(Qt.CheckState.Checked)
    assert dialog.chosen == ["b", "c"]
