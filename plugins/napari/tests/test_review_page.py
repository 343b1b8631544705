"""The review page: predictions are checked with single keys, and every decision reaches the labels."""

import numpy as np
import pytest
from napari_vp_science.review import words
from napari_vp_science.review.page import ReviewPage
from napari_vp_science.review.player import MomentPlayer
from qtpy.QtCore import Qt
from review_stage import BOUTS, FakeLink, make_state, predict_all, predicted

import vp_science as vp


@pytest.fixture
def state(tmp_path):
    made = make_state(tmp_path, keys=("g", ""))
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
    qtbot.waitUntil(made.isActiveWindow)  # shortcuts work in the active window only
    yield made
    made.close_view()


@pytest.fixture
def review(qtbot, page, state):
    predict_all(state)
    qtbot.waitUntil(lambda: page.review.model.rowCount() == 6)
    return page.review


def asked(review):
    item = review.queue.current
    return None if item is None else (item.recording, item.behavior, item.start_s)


def test_without_predictions_the_page_says_what_to_do(page):
    assert "train a probe" in page.review.empty.text()
    assert not page.review.body.isVisible()


def test_keys_work_only_while_the_switch_is_on(qtbot, page, review, state):
    with qtbot.waitSignal(page.keys_active) as heard:
        review.with_keys.setChecked(True)
    assert heard.args == [True]
    assert asked(review) == ("fly_1", "walk", 20)
    assert state.link.playing
    qtbot.keyClick(page, Qt.Key.Key_Return)
    (bout,) = state.labels.bouts()
    assert (bout.recording, bout.behavior, bout.start_s, bout.source) == ("fly_1", "walk", 20, "curated:ann")
    assert asked(review) == ("fly_2", "walk", 20)
    assert state.current == "fly_2"
    qtbot.keyClick(page, Qt.Key.Key_Backspace)
    assert len(state.labels.bouts()) == 1
    assert state.labels.observed("fly_2")[0].behavior == "walk"
    qtbot.keyClick(page, Qt.Key.Key_B)
    assert asked(review) == ("fly_2", "walk", 20)
    assert not state.labels.observed("fly_2")
    qtbot.keyClick(page, Qt.Key.Key_N)
    assert asked(review) == ("fly_1", "groom", 30)
    with qtbot.waitSignal(page.keys_active) as heard:
        page.tabs.setCurrentIndex(1)
    assert heard.args == [False]
    qtbot.keyClick(page, Qt.Key.Key_Return)
    page.tabs.setCurrentIndex(0)
    review.with_keys.setChecked(False)
    qtbot.keyClick(page, Qt.Key.Key_Return)
    assert len(state.labels.bouts()) == 1


def test_relabelling_waits_for_the_key_of_the_behavior(qtbot, page, review, state):
    review.with_keys.setChecked(True)
    qtbot.keyClick(page, Qt.Key.Key_R)
    assert review.card.question.text() == "Which behavior is it?"
    assert "G: groom" in review.card.where.text()
    qtbot.keyClick(page, Qt.Key.Key_Return)  # no decision while it waits
    assert not state.labels.bouts()
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    assert review.card.question.text() == "Is this walk?"
    qtbot.keyClick(page, Qt.Key.Key_R)
    qtbot.keyClick(page, Qt.Key.Key_G)
    (bout,) = state.labels.bouts()
    assert (bout.behavior, bout.start_s) == ("groom", 20)
    qtbot.keyClick(page, Qt.Key.Key_R)
    qtbot.keyClick(page, Qt.Key.Key_1)  # behaviors without a key get a number
    assert state.labels.bouts("fly_2")[0].behavior == "walk"


def test_borders_are_set_at_the_frame_on_screen_and_kept_by_accept(qtbot, page, review, state):
    review.with_keys.setChecked(True)
    state.link.stop()  # a video that plays goes back to the bout
    state.link.go(205)
    with qtbot.waitSignal(page.marked) as heard:
        qtbot.keyClick(page, Qt.Key.Key_I)
    assert heard.args == [(20.5, 22.0)]
    state.link.go(189)
    told = []
    state.message.connect(told.append)
    qtbot.keyClick(page, Qt.Key.Key_O)
    assert told == ["A bout ends after it starts: go to another frame, or set the other border first"]
    state.link.go(229)
    qtbot.keyClick(page, Qt.Key.Key_O)
    assert "borders changed" in review.card.sure.text()
    qtbot.keyClick(page, Qt.Key.Key_Return)
    (bout,) = state.labels.bouts()
    assert (bout.start_s, bout.stop_s) == (20.5, pytest.approx(23.0))


def test_undo_of_labels_brings_a_bout_back_into_the_list(qtbot, review, state):
    review.accept()
    qtbot.waitUntil(lambda: review.model.rowCount() == 5)
    assert review.progress_text.text().startswith("1 of 6 reviewed, about ")
    state.labels.undo()
    qtbot.waitUntil(lambda: review.model.rowCount() == 6)


def test_all_confident_ones_are_accepted_in_one_step(qtbot, review, state):
    review.above.setValue(0.9)
    assert review.bulk.text() == "Accept all 3"
    review.accept_all()
    qtbot.waitUntil(lambda: len(state.labels) == 3)
    qtbot.waitUntil(lambda: review.model.rowCount() == 3)
    assert state.labels.undo_name == "accept 3 bouts"
    assert not review.bulk.isEnabled()
    review.undo.click()
    assert len(state.labels) == 0


def test_labels_that_changed_meanwhile_are_not_overwritten(qtbot, review, state):
    told = []
    state.message.connect(told.append)
    review.accept_all()
    state.labels.observe("fly_1", 40, 45, behavior="walk")
    state.labels.add("fly_1", "walk", 41, 43)
    qtbot.waitUntil(lambda: bool(told))
    assert len(state.labels) in (1, 2)
    assert state.labels.bouts("fly_1")[0].start_s in (40, 41)


def test_choices_narrow_the_queue(qtbot, review, state):
    review.which.setCurrentIndex(1)
    review._choose()
    assert review.model.rowCount() == 4
    review.behavior.setCurrentText("groom")
    review._choose()
    assert asked(review) == ("fly_1", "groom", 30)
    assert review.model.rowCount() == 2
    state.show("fly_2")
    assert review.model.rowCount() == 1
    review.which.setCurrentIndex(0)
    review.behavior.setCurrentIndex(0)
    state.labels.observe("fly_1", 0, 100)
    review.order.setCurrentIndex(3)
    review._choose()
    assert review.card.question.text() == "Predicted walk, labelled as absent"
    assert "(not labelled)" in review.model.data(review.model.index(0))


def test_decisions_survive_the_session(qtbot, page, review, state, tmp_path):
    review.reject()
    review.accept()
    page.close_view()
    state.close_session()
    session = vp.sessions.open_session(tmp_path / "session")
    decisions = vp.sessions.read_decisions(session.settings["review"])
    session.close()
    assert [one.verdict for one in decisions] == ["rejected", "accepted"]


def test_another_session_has_its_own_queue(qtbot, page, review, state, tmp_path):
    review.reject()
    state.use_session(vp.sessions.open_session(tmp_path / "other"))
    qtbot.waitUntil(lambda: not review.body.isVisible())
    assert review.queue.book is state.labels
    assert not review.queue.decisions


def test_hidden_predictions_are_not_reviewed(qtbot, review, state):
    state.hide_predictions = True
    state.predictions_changed.emit()
    qtbot.waitUntil(lambda: not review.body.isVisible())
    assert "hidden while ground truth is scored" in review.empty.text()
    review.accept()
    assert not state.labels.bouts()


def test_a_moment_plays_from_before_its_start_to_after_its_stop(qtbot, state):
    player = MomentPlayer(state)
    with qtbot.waitSignal(player.shown) as heard:
        player.play("fly_2", 20.0, 22.0)
    assert heard.args == [20.0, 22.0]
    link = state.link
    assert state.current == "fly_2"
    assert link.playing
    assert link.time_s == pytest.approx(19.5)
    link.run_to(22.4)
    assert link.playing
    assert link.frame == 224
    link.run_to(22.5)
    assert link.playing
    assert link.time_s == pytest.approx(19.5)
    player.repeat = False
    link.run_to(22.6)
    assert not link.playing
    assert link.time_s == pytest.approx(20.0)
    link.run_to(50)  # scrubbing by hand is left alone
    assert link.frame == 500
    player.play("fly_2", 99.0, 100.0)
    link.run_to(99.9)
    assert not link.playing
    player.play("fly_1", 0.2, 1.0)
    assert link.time_s == 0
    player.stop()
    assert not link.playing
    player.close_view()
    player.play("fly_1", 5.0, 6.0)


def test_a_recording_that_opens_later_plays_when_it_is_there(state):
    player = MomentPlayer(state)
    state.shower = lambda recording, time_s: None
    player.play("fly_2", 20.0, 22.0)
    assert not state.link.playing
    state.current = "fly_2"
    state.recording_changed.emit("")  # it is being opened
    state.recording_changed.emit("fly_2")
    assert state.link.playing
    player.play("fly_1", 1.0, 2.0)
    state.link.stop()
    state.current = "fly_3"
    state.recording_changed.emit("fly_3")  # somebody went elsewhere
    state.current = "fly_1"
    state.recording_changed.emit("fly_1")
    assert not state.link.playing
    player.close_view()


def test_words():
    assert words.clock(3723.46) == "1:02:03.5"
    assert words.clock(59.96) == "0:01:00.0"
    assert words.span(20, 22) == "0:00:20.0 \N{EN DASH} 0:00:22.0 (2.0 s)"
    assert words.span(20, 20) == "0:00:20.0"
    assert [words.duration(s) for s in (0.2, 89, 840, 7200)] == ["1 s", "89 s", "14 min", "2.0 h"]
    assert [words.percent(s) for s in (1.0, 0.999, 0.5, np.nan)] == ["100 %", "99 %", "50 %", "\N{EN DASH}"]
    assert words.between(0.871, 0.942) == "87\N{EN DASH}95 %"
    assert words.score(np.nan) == "unknown"


def test_the_fake_is_like_the_real_link():
    from napari_vp_science.video.link import TimeLink

    for name in ("moved", "playing_changed", "frame", "time_s", "go", "go_s", "play", "stop", "playing", "num_frames"):
        assert hasattr(TimeLink, name)
        assert hasattr(FakeLink(np.arange(3.0)), name)
    assert predicted("a").bouts.shape == (len(BOUTS), 4)
