"""The Find page: what it asks the worker, and what becomes of hits and answers."""

import pytest
from napari_vp_science.search import hit_tile
from napari_vp_science.search.page import FindPage
from napari_vp_science.thumbnails import ThumbnailService
from panel_for_search import FakeRunner, found, make_state, row
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QFontMetrics, QKeyEvent

import vp_science as vp

WAIT = 20_000


@pytest.fixture
def state(tmp_path):
    made = make_state(tmp_path)
    yield made
    if made.session is not None:
        made.close_session()


@pytest.fixture
def runner():
    return FakeRunner()


@pytest.fixture
def find(qtbot, state, runner):
    thumbnails = ThumbnailService(state)
    page = FindPage(state, thumbnails, runner)
    qtbot.addWidget(page)
    page.resize(400, 640)
    page.show()
    runner.answer(about=True, num_recordings=2, models=["videoprism-base"], contrastive=False, left_out=[])
    yield page
    page.close_view()
    thumbnails.close_view()


def choose(page, kind):
    page.query.source.setCurrentIndex(page.query.source.findData(kind))


def searched(page, runner, *hits, **changes):
    page.find()
    runner.answer(**found(*hits, **changes))


def test_this_moment_is_an_example_and_hits_come_in_order(find, runner, state):
    state.subject = "m1"
    find.find()
    (request,) = runner.searches
    assert request["like"] == [{"recording": "a", "subject": "m1", "start_s": 1.0, "stop_s": 1.0}]
    assert request["only_in"] is None
    assert [one["id"] for one in request["recordings"]] == ["a", "b"]
    runner.answer(**found(row(1), row(2, "b"), untrained=True, left_out=["b.h5 is broken"]))
    assert [find.model.hit(number).rank for number in range(find.model.rowCount())] == [1, 2]
    assert find.tabs.tabText(0) == "Hits 2"
    assert "UNTRAINED" in find.facts.text()
    assert "b.h5 is broken" in find.facts.text()
    assert "2 recordings, 6 min, by similarity (videoprism-base)" in find.facts.text()


def test_a_bout_or_chosen_moments_in_this_recording_only(find, runner, state):
    number = state.labels.add("b", "groom", 0.2, 0.8, subject="m2")
    choose(find, "bout")
    assert "Choose a bout in the timeline first" in find.query.says.text()
    assert not find.query.find.isEnabled()
    state.choose_bout(number)
    assert find.query.says.text() == "groom, 0:00.2 to 0:00.8 of b."
    find.query.scope.setCurrentIndex(1)
    find.query.alike.setChecked(True)
    searched(find, runner)
    assert runner.searches[-1]["like"] == [{"recording": "b", "subject": "m2", "start_s": 0.2, "stop_s": 0.8}]
    assert (runner.searches[-1]["only_in"], runner.searches[-1]["common"]) == (["a"], "recording")
    choose(find, "moments")
    assert not find.query.find.isEnabled()
    state.choose_moments([("a", 0.0, 0.5), ("b", 1.0, 1.5)])
    assert "What 2 moments in 2 recordings, 1.0 s have in common" in find.query.says.text()
    searched(find, runner)
    assert [one["recording"] for one in runner.searches[-1]["like"]] == ["a", "b"]


def test_a_bout_that_is_deleted_is_no_example(find, state):
    number = state.labels.add("a", "groom", 0.2, 0.8)
    choose(find, "bout")
    state.choose_bout(number)
    state.labels.delete([number])
    assert not find.query.find.isEnabled()


def test_words_are_offered_only_where_they_can_be_compared(find, runner, state, qtbot):
    choose(find, "text")
    assert not find.query.text.isEnabled()
    assert "videoprism-lvt-base" in find.query.says.text()
    state.tracks_changed.emit("a")
    runner.answer(about=True, num_recordings=2, models=["videoprism-lvt-base"], contrastive=True, left_out=[])
    assert find.query.text.isEnabled()
    assert not find.query.find.isEnabled()
    qtbot.keyClicks(find.query.text, "a mouse grooming")
    assert "not labels" in find.query.says.text()
    qtbot.keyClick(find.query.text, Qt.Key.Key_Return)
    assert (runner.searches[-1]["texts"], runner.searches[-1]["like"]) == (["a mouse grooming"], [])


def test_answers_by_keys_and_a_better_search(find, runner, state, qtbot):
    searched(find, runner, *(row(number, start_s=number / 5) for number in range(1, 5)))
    find.grid.choose(0)
    for key in (Qt.Key.Key_Y, Qt.Key.Key_N, Qt.Key.Key_Right, Qt.Key.Key_Y):
        qtbot.keyClick(find.grid, key)
    assert [hit.rank for hit in find.search.yes.values()] == [1, 4]
    assert [hit.rank for hit in find.search.no.values()] == [2]
    assert [find.tabs.tabText(tab) for tab in range(4)] == ["Hits 4", "Ask", "Yes 2", "No 1"]
    qtbot.keyClick(find.grid, Qt.Key.Key_Backspace)
    assert [hit.rank for hit in find.search.yes.values()] == [1]
    assert find.query.again.text() == "Search again with 2 answers"
    assert find.query.again.isVisible()
    qtbot.mouseClick(find.query.again, Qt.MouseButton.LeftButton)
    request = runner.searches[-1]
    assert [one["start_s"] for one in request["like"]] == [1.0, 0.2]
    assert [one["start_s"] for one in request["unlike"]] == [0.4]
    runner.answer(**found(row(1, "b"), method="logistic", ask=[row(1, "b", 1.0)]))
    assert not find.query.again.isVisible()
    assert "by probability" in find.facts.text()
    find.tabs.setCurrentIndex(2)
    assert find.model.hit(0).start_s == 0.2
    assert not state.labels.bouts()


def test_enter_and_clicks_go_there_and_signs_answer(find, runner, state, qtbot):
    searched(find, runner, row(1, start_s=0.6), row(2, "b", 1.2))
    find.grid.choose(1)
    qtbot.keyClick(find.grid, Qt.Key.Key_Return)
    assert state.gone == [("b", 1.2)]
    tile = find.grid.visualRect(find.model.index(0))
    parts = hit_tile.tile_parts(tile, QFontMetrics(find.grid.font()).height())
    qtbot.mouseClick(find.grid.viewport(), Qt.MouseButton.LeftButton, pos=tile.center() + QPoint(0, -10))
    assert state.gone[-1] == ("a", 0.6)
    qtbot.mouseClick(find.grid.viewport(), Qt.MouseButton.LeftButton, pos=parts.no.center())
    assert find.search.answer_of(find.model.hit(0)) is False
    qtbot.mouseClick(find.grid.viewport(), Qt.MouseButton.LeftButton, pos=parts.no.center())
    assert find.search.answer_of(find.model.hit(0)) is None
    qtbot.mouseClick(find.grid.viewport(), Qt.MouseButton.LeftButton, pos=parts.yes.center())
    assert find.search.answer_of(find.model.hit(0)) is True
    assert len(state.gone) == 2


def test_own_keys_are_not_those_of_the_video_and_others_are(find, runner):
    searched(find, runner, row(1))
    for key, own in ((Qt.Key.Key_Y, True), (Qt.Key.Key_Right, True), (Qt.Key.Key_1, False), (Qt.Key.Key_G, False)):
        event = QKeyEvent(QEvent.Type.ShortcutOverride, key, Qt.KeyboardModifier.NoModifier)
        event.ignore()
        find.grid.event(event)
        assert event.isAccepted() is own
    event = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    event.ignore()
    find.grid.event(event)
    assert not event.isAccepted()


def test_yes_becomes_labels_in_one_step_and_marks_the_hits(find, runner, state):
    searched(find, runner, row(1, start_s=0.512), row(2, "b", 1.2), row(3, "b", 0.1))
    for number, right in ((0, True), (1, True), (2, False)):
        find.answer_moment(find.model.hit(number).moment, right)
    find.absent.setChecked(True)
    told = []
    state.message.connect(told.append)
    find.label_yes("walk")
    bouts = [(one.recording, one.start_s, one.stop_s, one.source) for one in state.labels.bouts()]
    assert bouts == [("a", 0.5, 0.9, "curated:ann"), ("b", 1.2, pytest.approx(1.6), "curated:ann")]
    assert told == ["Labelled 2 bouts as walk; undo takes all of them back"]
    assert vp.sessions.Observed(0.1, 0.5, "walk", "") in state.labels.observed("b")
    shown = find.model.shown(0)
    assert shown.label == "walk"
    assert shown.color.name() == vp.plots.behavior_looks(state.labels.behaviors)["walk"].color.lower()
    assert "labelled walk" in find.model.words(shown)
    state.labels.undo()
    assert not state.labels.bouts()
    assert find.model.shown(0).label == ""


def test_hits_and_then_yes_become_chosen_moments(find, runner, state):
    searched(find, runner, row(1), row(2, "b", 1.2))
    assert find.choose.text() == "Choose 2 hits"
    find.choose_hits()
    assert state.moments == [("a", 0.5, 0.9), ("b", 1.2, 1.6)]
    state.choose_moments([("b", 0.0, 0.3)])
    find.answer_moment(("b", 1.2, 1.6), True)
    find.answer_moment(("b", 9.0, 9.5), True)  # no hit of this search
    assert find.choose.text() == "Choose 1 yes"
    find.choose_hits()
    find.choose_hits()
    assert state.moments == [("b", 0.0, 0.3), ("b", 1.2, 1.6)]


def test_more_hits_are_asked_for(find, runner):
    searched(find, runner, row(1), more=True)
    assert find.more.isVisible()
    find.find_more()
    assert [one["limit"] for one in runner.searches] == [60, 120]
    runner.answer(**found(row(1), row(2)))
    assert not find.more.isVisible()


def test_a_new_search_replaces_one_under_way(find, runner, state):
    find.find()
    state.link.time_s = 1.5
    find.find()
    assert len(runner.searches) == 2
    assert runner.searches[-1]["like"][0]["start_s"] == 1.5
    assert find.query.cancel.isVisible()
    runner.answer(**found(row(1)))
    assert find.model.rowCount() == 1
    assert not find.query.cancel.isVisible()


def test_progress_cancel_and_failure_are_shown(find, runner):
    find.find()
    runner.progress.emit({"stage": "preparing the search", "done": 5, "total": 10})
    assert find.query.stage.text() == "preparing the search"
    assert find.query.bar.value() == 500
    find.cancel()
    assert not runner.running
    assert not find.query.bar.isVisible()
    find.find()
    runner.fail("expected recordings that are embedded, found none: embed them first (page Embed)")
    assert find.trouble.text().endswith("embed them first (page Embed)")
    find.find()
    assert not find.trouble.isVisible()


def test_another_session_forgets_the_search(find, runner, state, tmp_path):
    searched(find, runner, row(1))
    find.find()
    state.use_session(vp.sessions.open_session(tmp_path / "other", places=tmp_path / "p.json"))
    assert find.model.rowCount() == 0
    assert not runner.running
    assert "Open a recording first" in find.query.says.text()
    assert find.facts.text() == ""


def test_only_visible_hits_ask_for_pictures(find, runner, qtbot, monkeypatch):
    asked = set()
    real = find.grid.tile._thumbnails.picture
    monkeypatch.setattr(find.grid.tile._thumbnails, "picture", lambda *one: asked.add(one[1]) or real(*one))
    searched(find, runner, *(row(number, start_s=1 + number / 100) for number in range(1, 150)))
    qtbot.waitUntil(lambda: len(asked) > 3, timeout=WAIT)
    qtbot.waitUntil(lambda: find.grid.tile._thumbnails.cached("a", 1.12, hit_tile.HEIGHT) is not None, timeout=WAIT)
    assert len(asked) < 30
    picture = find.grid.grab().toImage()
    tile = find.grid.visualRect(find.model.index(1))
    parts = hit_tile.tile_parts(tile, QFontMetrics(find.grid.font()).height())
    # The best moment of the second hit is around 1.12 s: its picture is the grey of frame 22.
    place = find.grid.viewport().mapTo(find.grid, parts.picture.center())
    assert abs(picture.pixelColor(place).red() - 130) <= 4


def test_closing_lets_go_of_everything(qtbot, state, runner):
    thumbnails = ThumbnailService(state)
    page = FindPage(state, thumbnails, runner)
    qtbot.addWidget(page)
    page.close_view()
    thumbnails.close_view()
    assert runner.closed
    state.choose_moments([("a", 0.0, 1.0)])
    state.session_changed.emit()
    assert runner.asked == []


def test_the_page_fits_the_panel(find, runner):
    searched(find, runner, *(row(number) for number in range(1, 9)), more=True)
    find.resize(380, 600)
    assert find.minimumSizeHint().width() <= 380
    inside = find.findChild(type(find.grid)).parentWidget()
    assert inside.minimumSizeHint().width() <= 380
