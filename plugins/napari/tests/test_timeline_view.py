"""The timeline as a hand uses it: drawing, dragging, choosing, moving in time, and what it tells."""

import numpy as np
import pytest
from napari_vp_science.timeline.menu import build_menu
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QLineEdit
from timeline_parts import RECORDING, make_prediction, make_state, make_view

import vp_science as vp

SHIFT, CONTROL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def state():
    return make_state()


@pytest.fixture
def view_and_hand(qtbot, state):
    return make_view(qtbot, state)


def spans(state, behavior=None):
    return [
        (round(bout.start_s, 6), round(bout.stop_s, 6))
        for bout in state.labels.bouts(RECORDING)
        if behavior in (None, bout.behavior)
    ]


def pixel(view, place):
    return view.grab().toImage().pixelColor(place).getRgb()[:3]


# ---- drawing bouts


def test_a_drag_draws_a_bout_of_whole_frames_that_undo_takes_back(state, view_and_hand):
    view, hand = view_and_hand
    hand.drag(hand.at(10.01, "walk"), hand.at(11, "walk"), hand.at(14.01, "walk"))
    (bout,) = state.labels.bouts(RECORDING)
    edges = vp.sessions.frame_edges(state.time_s)
    assert bout.start_s in edges
    assert bout.stop_s in edges
    assert bout.start_s == pytest.approx(10, abs=0.05)
    assert bout.stop_s == pytest.approx(14, abs=0.08)
    assert (bout.behavior, bout.source, bout.subject) == ("walk", "manual:anna", "")
    assert state.bout == bout.id
    assert view.chosen == {bout.id}
    assert [one.behavior for one in state.labels.observed(RECORDING)] == ["walk"]
    assert state.link.frame == pytest.approx(14 * 25, abs=2)  # the video follows
    state.labels.undo()
    assert not len(state.labels)
    assert state.bout is None
    assert state.labels.undo_name is None


def test_with_frames_of_different_length_borders_are_those_of_the_frames(qtbot):
    steps = np.tile([0.02, 0.5, 0.04, 1.3], 20)
    state = make_state(time_s=np.cumsum(steps))
    _view, hand = make_view(qtbot, state)
    hand.drag(hand.at(8.0, "groom"), hand.at(20.0, "groom"), hand.at(21.0, "groom"))
    (bout,) = state.labels.bouts(RECORDING)
    edges = vp.sessions.frame_edges(state.time_s)
    expected = (edges[edges <= 8.0].max(), edges[edges > 21.0].min())
    assert (bout.start_s, bout.stop_s) == pytest.approx(expected, abs=0.6)
    assert bout.start_s in edges
    assert bout.stop_s in edges


def test_a_drag_in_the_row_of_a_point_behavior_puts_one_event(state, view_and_hand):
    _view, hand = view_and_hand
    hand.drag(hand.at(5, "jump"), hand.at(6, "jump"), hand.at(7, "jump"))
    (bout,) = state.labels.bouts(RECORDING)
    assert bout.is_point
    assert bout.start_s in state.time_s
    assert bout.start_s == pytest.approx(7, abs=0.05)


def test_a_click_on_an_empty_row_only_seeks_and_lets_go_of_the_chosen(state, view_and_hand):
    view, hand = view_and_hand
    view.choose(state.labels.add(RECORDING, "walk", 1, 2))
    hand.click(hand.at(20, "groom"))
    assert len(state.labels) == 1
    assert state.bout is None
    assert state.link.frame == pytest.approx(500, abs=1)


def test_dragging_an_edge_resizes_and_the_video_shows_the_edge(state, view_and_hand):
    view, hand = view_and_hand
    number = state.labels.add(RECORDING, "walk", 10.0, 20.0)
    view.repaint()
    hand.drag(hand.at(20, "walk"), hand.at(22, "walk"), hand.at(25, "walk"))
    assert spans(state) == [(10.0, pytest.approx(25.0, abs=0.05))]
    assert state.labels.bout(number).stop_s in vp.sessions.frame_edges(state.time_s)
    assert state.link.frame == pytest.approx(25 * 25 - 1, abs=2)
    assert state.labels.observed(RECORDING)[0].stop_s == pytest.approx(25.0, abs=0.05)
    hand.drag(hand.at(10, "walk"), hand.at(12, "walk"), hand.at(39, "walk"))
    start, stop = spans(state)[0]
    assert stop - start == pytest.approx(0.04)  # a frame is left
    state.labels.undo()
    state.labels.undo()
    assert spans(state) == [(10.0, 20.0)]


def test_dragging_the_middle_moves_and_keeps_the_length(state, view_and_hand):
    view, hand = view_and_hand
    state.labels.add(RECORDING, "walk", 10.0, 12.0)
    view.repaint()
    hand.drag(hand.at(11, "walk"), hand.at(12, "walk"), hand.at(31, "walk"))
    ((start, stop),) = spans(state)
    assert start == pytest.approx(30.0, abs=0.05)
    assert stop - start == pytest.approx(2.0)
    state.labels.undo()
    assert spans(state) == [(10.0, 12.0)]


def test_a_bout_of_the_model_that_is_adjusted_is_curated(state, view_and_hand):
    view, hand = view_and_hand
    number = state.labels.add(RECORDING, "walk", 10.0, 12.0, source="model:p")
    view.repaint()
    hand.drag(hand.at(12, "walk"), hand.at(13, "walk"), hand.at(14, "walk"))
    assert state.labels.bout(number).source == "curated:anna"


@pytest.mark.parametrize("start", [(30, "groom"), (20, "walk"), (15, "walk"), (5, None)])
def test_escape_takes_a_drag_back_wherever_the_keyboard_is(qtbot, state, view_and_hand, start):
    view, hand = view_and_hand
    field = QLineEdit()
    qtbot.addWidget(field)
    state.labels.add(RECORDING, "walk", 10.0, 20.0)
    state.link.go(7)
    before, at = spans(state), hand.at(*start)
    hand.press(at)
    hand.move(at + QPoint(40, 0))
    hand.move(at + QPoint(60, 0))
    assert state.link.frame != 7
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    if start != (15, "walk"):  # there the press itself was a click on the bout
        assert state.link.frame == 7
    hand.move(at + QPoint(90, 0))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at + QPoint(90, 0))
    assert spans(state) == before
    assert state.labels.undo_name == "add walk"
    taken = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    assert not view._pointer.eventFilter(field, taken)  # afterwards Escape is anybody's again


def test_in_an_exclusive_catalogue_what_gives_way_is_shown_before_it_goes(qtbot):
    state = make_state(exclusive=True)
    view, hand = make_view(qtbot, state)
    state.labels.add(RECORDING, "groom", 10.0, 20.0)
    view.repaint()
    place = hand.at(13, "groom")
    before = pixel(view, place)
    hand.press(hand.at(12, "walk"))
    hand.move(hand.at(13, "walk"))
    hand.move(hand.at(15, "walk"))
    assert pixel(view, place) != before
    assert spans(state, "groom") == [(10.0, 20.0)]
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, hand.at(15, "walk"))
    (first, second), (walk,) = spans(state, "groom"), spans(state, "walk")
    assert first == (10.0, walk[0])
    assert second == (walk[1], 20.0)
    state.labels.undo()
    assert spans(state) == [(10.0, 20.0)]


def test_a_drag_beyond_the_border_brings_more_into_view(qtbot, state, view_and_hand):
    view, hand = view_and_hand
    view.zoom_to(10, 14, 0)
    hand.press(hand.at(13, "walk"))
    hand.move(hand.at(14, "walk") + QPoint(30, 0))
    qtbot.waitUntil(lambda: view.visible_range[0] > 12)
    qtbot.mouseRelease(
        view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, hand.at(view.visible_range[1], "walk")
    )
    ((start, stop),) = spans(state)
    assert start == pytest.approx(13, abs=0.05)
    assert stop > 15


def test_a_behavior_that_only_the_model_knows_is_not_drawn_but_explained(qtbot, state, view_and_hand):
    _view, hand = view_and_hand
    make_prediction(state, names=("sing",))
    told = []
    state.message.connect(told.append)
    hand.drag(hand.at(5, "sing"), hand.at(6, "sing"), hand.at(9, "sing"))
    assert told == ["Add sing to the behaviors on the Label page first"]
    assert not len(state.labels)


# ---- choosing


def test_a_click_on_a_bout_chooses_it_and_seeks(state, view_and_hand):
    view, hand = view_and_hand
    number = state.labels.add(RECORDING, "walk", 10.0, 20.0)
    view.repaint()
    hand.click(hand.at(15, "walk"))
    assert state.bout == number
    assert state.link.frame == pytest.approx(375, abs=1)
    assert spans(state) == [(10.0, 20.0)]


def test_several_bouts_are_chosen_with_control_or_a_box_and_deleted_in_one_step(state, view_and_hand):
    view, hand = view_and_hand
    for start in (2, 10, 20):
        state.labels.add(RECORDING, "walk", start, start + 3)
    groom = state.labels.add(RECORDING, "groom", 10, 13)
    view.repaint()
    hand.click(hand.at(3, "walk"))
    hand.click(hand.at(11, "walk"), CONTROL)
    assert len(view.chosen) == 2
    hand.click(hand.at(3, "walk"), SHIFT)
    assert len(view.chosen) == 1
    hand.drag(hand.at(9, "walk"), hand.at(15, "walk"), hand.at(30, "groom"), modifier=SHIFT)
    assert len(view.chosen) == 3
    assert groom in view.chosen
    view.delete_chosen()
    assert spans(state) == [(2.0, 5.0)]
    assert view.chosen == frozenset()
    state.labels.undo()
    assert len(state.labels) == 4


def test_next_and_previous_bout_of_all_or_one_behavior_or_the_subject(qtbot):
    state = make_state(subject="m1")
    view, _hand = make_view(qtbot, state)
    first, second, third = (
        state.labels.add(RECORDING, name, start, start + 1, subject="m1")
        for name, start in (("walk", 2), ("groom", 5), ("walk", 9))
    )
    other = state.labels.add(RECORDING, "walk", 7, 8, subject="m2")
    state.link.go(3 * 25)
    assert view.next_bout(1) == second
    assert state.link.frame == 125
    assert view.next_bout(1) == third
    assert view.next_bout(1) is None
    assert state.bout == third
    assert view.next_bout(-1, "walk") == first
    assert view.next_bout(-1) is None
    assert view.next_bout(1, "never seen") is None
    state.choose_subject("")
    state.choose_bout(second)
    assert view.next_bout(1) == other


def test_a_bout_chosen_elsewhere_is_shown_and_scrolled_to(qtbot):
    state = make_state([f"behavior {n}" for n in range(30)])
    view, _hand = make_view(qtbot, state)
    state.choose_bout(state.labels.add(RECORDING, "behavior 29", 1, 2))
    row = view.scene.layout.find("behavior 29", "")
    assert view.scene.y(row.top) + row.height <= view.height()
    view.scroll_rows(-10_000)
    assert view.scene.scroll == 0
    hand_over_names = QPoint(20, view.scene.places.rows_top + 30)
    _hand.wheel(hand_over_names, -2)
    assert view.scene.scroll == 80


def test_a_bout_that_disappears_is_not_chosen_any_more(state, view_and_hand):
    view, _hand = view_and_hand
    numbers = [state.labels.add(RECORDING, "walk", start, start + 1) for start in (1, 3)]
    view.choose_several(numbers)
    state.labels.undo()
    assert view.chosen == {numbers[0]}
    assert state.bout == numbers[0]


def test_a_bout_of_another_recording_is_not_deleted_by_mistake(state, view_and_hand):
    view, _hand = view_and_hand
    number = state.labels.add("another", "walk", 1, 2)
    state.choose_bout(number)
    assert view.chosen == frozenset()
    view.delete_chosen()
    assert number in state.labels


# ---- moving in time


def test_the_ruler_seeks_while_it_is_dragged(state, view_and_hand):
    _view, hand = view_and_hand
    seen = []
    state.link.moved.connect(seen.append)
    hand.drag(hand.at(4), hand.at(8), hand.at(12))
    assert seen == [pytest.approx(time_s * 25, abs=1) for time_s in (4, 8, 12)]


def test_the_wheel_zooms_under_the_pointer_and_pans_sideways(state, view_and_hand):
    view, hand = view_and_hand
    place = hand.at(30, "walk")
    under = view.scene.axis.time(place.x())
    hand.wheel(place, 3)
    first, last = view.visible_range
    assert last - first == pytest.approx(40 / 1.25**3)
    assert view.scene.axis.time(place.x()) == pytest.approx(under)
    hand.wheel(place, -1, SHIFT)
    assert view.visible_range[0] > first
    hand.wheel(place, 0, sideways=5)
    assert view.visible_range[0] < first
    hand.wheel(place, 1000)
    assert view.visible_range[1] - view.visible_range[0] == pytest.approx(0.04)
    hand.wheel(place, -1000)
    assert view.visible_range == (0.0, 40.0)


def test_middle_drag_and_overview_pan_and_a_double_click_zooms(qtbot, state, view_and_hand):
    view, hand = view_and_hand
    state.labels.add(RECORDING, "walk", 10.0, 12.0)
    view.zoom_to(10, 20, 0)
    hand.drag(hand.at(15, "walk"), hand.at(14, "walk"), hand.at(13, "walk"), button=Qt.MouseButton.MiddleButton)
    assert view.visible_range[0] == pytest.approx(12, abs=0.1)
    whole, overview = view.scene.axis.fitted(), view.scene.places.overview.center().y()
    hand.drag(QPoint(round(whole.x(17)), overview), QPoint(round(whole.x(30)), overview))
    assert view.visible_range[0] == pytest.approx(25, abs=0.2)
    view.fit()
    view.repaint()
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, hand.at(11, "walk"))
    assert view.visible_range == (pytest.approx(8.5), pytest.approx(13.5))
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, hand.at(11))
    assert view.visible_range == (0.0, 40.0)


def test_the_view_turns_the_page_when_the_cursor_leaves_it_and_stays_during_drags(state, view_and_hand):
    view, hand = view_and_hand
    view.zoom_to(0, 4, 0)
    state.link.go(99)
    assert view.visible_range == (0.0, 4.0)
    state.link.go(101)
    assert view.visible_range[0] == pytest.approx(4.04 - 0.08 * 4)
    state.link.go(50)
    assert view.visible_range[1] > 2.0 > view.visible_range[0]
    before = view.visible_range
    hand.press(hand.at(2.0))
    state.link.go(900)
    assert view.visible_range == before


def test_only_the_cursor_is_drawn_anew_while_it_plays(state, view_and_hand):
    view, _hand = view_and_hand
    state.labels.add(RECORDING, "walk", 1, 2)
    view.repaint()
    painted = view._canvas.num_full, view._canvas.num_rows
    column = [pixel(view, QPoint(round(view.scene.axis.x(frame / 25)), view.height() - 3)) for frame in (0, 500)]
    state.link.go(500)
    view.repaint()
    moved = [pixel(view, QPoint(round(view.scene.axis.x(frame / 25)), view.height() - 3)) for frame in (0, 500)]
    assert column[0] != moved[0]
    assert column[1] != moved[1]
    assert (view._canvas.num_full, view._canvas.num_rows) == painted


def test_an_edit_paints_its_row_only_and_edits_elsewhere_nothing(state, view_and_hand):
    view, _hand = view_and_hand
    full, rows = view._canvas.num_full, view._canvas.num_rows
    state.labels.add(RECORDING, "walk", 1, 2)
    view.repaint()
    assert (view._canvas.num_full, view._canvas.num_rows) == (full, rows + 1)
    state.labels.add("another", "walk", 1, 2)
    view.repaint()
    assert (view._canvas.num_full, view._canvas.num_rows) == (full, rows + 1)
    state.labels.set_behaviors(vp.Behaviors.of(["walk", "groom", "sleep"]))
    view.repaint()
    assert view._canvas.num_full == full + 1
    assert view.scene.layout.find("sleep", "") is not None


# ---- what is seen


def test_scored_and_not_scored_time_and_the_status_of_bouts_look_different(qtbot, state, view_and_hand):
    view, hand = view_and_hand
    state.labels.observe(RECORDING, 0, 20)
    for start, source in ((1, "manual:a"), (6, "model:p"), (11, "curated:b")):
        state.labels.add(RECORDING, "walk", start, start + 3, source=source)
    image = view.grab().toImage()

    def colors(time_s, behavior):
        place = hand.at(time_s, behavior)
        return {image.pixelColor(place.x() + dx, place.y() + dy).name() for dx in range(-9, 10) for dy in range(-6, 7)}

    assert len(colors(10, "groom")) == 1  # plain
    assert len(colors(30, "groom")) > 1  # hatched
    assert len(colors(3.2, "walk")) == 1
    assert len(colors(7.5, "walk")) > 1
    assert len(colors(11.4, "walk")) > len(colors(13, "walk"))  # the tick


def test_predictions_follow_their_style_and_can_be_hidden(state, view_and_hand):
    view, hand = view_and_hand
    assert not view.scene.layout.rows[0].scores_height
    make_prediction(state, spans=[(0, 10.0, 20.0)])
    high = view.grab().toImage()
    assert high.pixelColor(hand.at(15, "walk", lane="scores")) != high.pixelColor(hand.at(30, "walk", lane="scores"))
    menu = build_menu(view, view.hit(hand.at(15, "walk").x(), hand.at(15, "walk").y()))
    (action,) = [action for action in menu.actions() if action.text() == "Model score as opacity"]
    action.trigger()
    assert view.score_style == "opacity"
    assert view.grab().toImage() != high
    state.hide_predictions = True
    state.predictions_changed.emit()
    assert view.scene.scores is None


def test_other_thresholds_leave_the_levels_of_the_scores(state, view_and_hand):
    view, _hand = view_and_hand
    make_prediction(state)
    first = view.scene.scores
    state.predictions[RECORDING] = type(first.prediction)(**{**vars(first.prediction), "bouts": np.zeros((0, 4))})
    state.predictions_changed.emit()
    assert view.scene.scores is not first
    assert view.scene.scores.levels is first.levels


def test_selected_moments_of_this_recording_light_up(state, view_and_hand):
    view, hand = view_and_hand
    state.choose_moments([(RECORDING, 5.0, 6.0), ("another", 9.0, 10.0)])
    assert len(view.scene.moments) == 1
    middle = view.scene.places.moments.center().y()
    image = view.grab().toImage()
    accent = image.pixelColor(QPoint(hand.at(5.5).x(), middle))
    assert accent != image.pixelColor(QPoint(hand.at(9.5).x(), middle))
    state.choose_moments([])
    assert view.scene.places.moments.isEmpty()


def test_a_growing_bout_and_marks_are_shown_until_cleared(state, view_and_hand):
    view, hand = view_and_hand
    before = view.grab().toImage()
    view.set_live("walk", 5, 9)
    view.set_live("groom", 5, 9)
    assert view.grab().toImage().pixelColor(hand.at(7, "walk")) != before.pixelColor(hand.at(7, "walk"))
    view.clear_live("walk")
    assert view.grab().toImage().pixelColor(hand.at(7, "walk")) == before.pixelColor(hand.at(7, "walk"))
    assert view.grab().toImage().pixelColor(hand.at(7, "groom")) != before.pixelColor(hand.at(7, "groom"))
    view.clear_live()
    assert view.grab().toImage() == before
    view.set_live("walk", 5, 9, erase=True)
    assert view.grab().toImage().pixelColor(hand.at(7, "walk")) != before.pixelColor(hand.at(7, "walk"))
    view.clear_live()
    view.set_range(10, 20)
    assert view.marked_range == (10, 20)
    assert view.grab().toImage() != before
    view.set_range(10)
    assert view.marked_range is None
    view.set_range(None)
    assert view.grab().toImage() == before


def test_without_a_recording_or_behaviors_it_says_what_to_do(qtbot):
    state = make_state(())
    view, hand = make_view(qtbot, state)
    hand.drag(QPoint(300, 150), QPoint(500, 150))  # nothing there, nothing happens
    assert not len(state.labels)
    empty = view.grab().toImage()
    state.current, state.time_s = "", np.zeros(0)
    state.recording_changed.emit("")
    assert view.visible_range is None
    hand.click(QPoint(300, 150))
    hand.wheel(QPoint(300, 150), 1)
    assert view.next_bout(1) is None
    view.fit()
    assert view.grab().toImage() != empty


def test_every_recording_keeps_its_own_visible_time_and_another_link_is_heard(state, view_and_hand):
    view, _hand = view_and_hand
    view.zoom_to(10, 12, 0)
    old, state.link = state.link, type(state.link)()
    state.current, state.time_s = "fly_2", np.arange(50) / 10
    state.recording_changed.emit("fly_2")
    assert view.visible_range == (0.0, 5.0)
    old.go(30)
    assert view.frame == 0
    state.link.go(30)
    assert view.frame == 30
    state.current, state.time_s = RECORDING, np.arange(1000) / 25
    state.recording_changed.emit(RECORDING)
    assert view.visible_range == (10.0, 12.0)


def test_a_bout_chosen_while_its_recording_is_opened_stays_chosen(state, view_and_hand):
    view, _hand = view_and_hand
    number = state.labels.add("fly_2", "walk", 1, 2)
    state.current, state.time_s = "", np.zeros(0)
    state.recording_changed.emit("")
    state.choose_bout(number)
    state.current, state.time_s = "fly_2", np.arange(100) / 10
    state.recording_changed.emit("fly_2")
    assert state.bout == number
    assert view.chosen == {number}
    state.current = RECORDING
    state.recording_changed.emit(RECORDING)
    assert state.bout is None


def test_subjects_are_grouped_and_a_click_on_a_name_changes_who_is_labelled(state, view_and_hand):
    view, hand = view_and_hand
    state.labels.add(RECORDING, "walk", 1, 2, subject="mouse 1")
    assert [header.subject for header in view.scene.layout.headers] == ["", "mouse 1"]
    header = view.scene.layout.headers[1]
    hand.click(QPoint(20, view.scene.y(header.top) + 5))
    assert state.subject == "mouse 1"
    view.resize(1000, 400)
    hand.drag(hand.at(5, "groom", "mouse 1"), hand.at(6, "groom", "mouse 1"), hand.at(9, "groom", "mouse 1"))
    assert state.labels.bouts(RECORDING)[-1].subject == "mouse 1"


def test_tips_tell_what_is_there(state, view_and_hand):
    from napari_vp_science.timeline.tips import tip

    view, hand = view_and_hand
    make_prediction(state)
    number = state.labels.add(RECORDING, "walk", 1, 2.5, source="curated:bo", score=0.75, comment="limping")
    book = state.labels

    def told(place):
        hit = view.hit(place.x(), place.y())
        return tip(view.scene, hit, book.bout(hit.bout) if hit.bout is not None else None)

    assert told(hand.at(2, "walk")) == "walk\n0:00:01.000 to 0:00:02.500 (1.5 s)\ncurated by bo, score 0.75\nlimping"
    assert told(hand.at(30, "walk")) == "walk: not scored: nobody looked here\nmodel score 0.20"
    assert told(hand.at(1.5, "groom")).startswith("groom: not scored")
    state.labels.observe(RECORDING, 0, 5)
    assert told(hand.at(1.5, "groom")).startswith("groom: scored: does not happen here")
    assert told(hand.at(11, "walk", lane="scores")).endswith("model score 0.90: predicted")
    names = QPoint(30, hand.at(0, "walk").y())
    assert told(names) == "walk\nKey: W\n1 bout in this recording, 1.5 s"
    assert number in book


# ---- menu


def actions(menu):
    found = {action.text(): action for action in menu.actions() if not action.isSeparator()}
    for action in list(found.values()):
        if action.menu() is not None:
            found |= {f"{action.text()} {inner.text()}": inner for inner in action.menu().actions()}
    return found


def menu_at(view, place):
    return actions(build_menu(view, view.hit(place.x(), place.y())))


def test_the_menu_of_a_bout_relabels_curates_and_deletes(state, view_and_hand):
    view, hand = view_and_hand
    number = state.labels.add(RECORDING, "walk", 10, 20, source="model:p")
    found = menu_at(view, hand.at(15, "walk"))
    assert "Relabel walk to jump" not in found  # an instant is no bout
    found["Mark walk as curated"].trigger()
    assert state.labels.bout(number).source == "curated:anna"
    assert not menu_at(view, hand.at(15, "walk"))["Mark walk as curated"].isEnabled()
    found["Relabel walk to groom"].trigger()
    assert state.labels.bout(number).behavior == "groom"
    menu_at(view, hand.at(15, "groom"))["Delete groom"].trigger()
    assert not len(state.labels)
    for _ in range(3):
        state.labels.undo()
    assert state.labels.bout(number).source == "model:p"


def test_the_menu_marks_the_range_as_scored_or_not(state, view_and_hand):
    view, hand = view_and_hand
    menu_at(view, hand.at(5, "groom"))["Mark whole recording as scored"].trigger()
    assert state.labels.observed(RECORDING) == (vp.sessions.Observed(0.0, 40.0),)
    view.set_range(10, 20)
    menu_at(view, hand.at(5, "groom"))["Mark range I to O as not scored"].trigger()
    assert [(one.start_s, one.stop_s) for one in state.labels.observed(RECORDING)] == [(0.0, 10.0), (20.0, 40.0)]
    menu_at(view, hand.at(5, "groom"))["Mark range I to O as scored for groom"].trigger()
    assert vp.sessions.Observed(10.0, 20.0, "groom") in state.labels.observed(RECORDING)


def test_a_predicted_bout_becomes_a_curated_label(state, view_and_hand):
    view, hand = view_and_hand
    make_prediction(state, spans=[(1, 10.0, 20.0)])
    menu_at(view, hand.at(15, "groom", lane="scores"))["Keep predicted groom as a label"].trigger()
    (bout,) = state.labels.bouts(RECORDING)
    assert (bout.behavior, bout.start_s, bout.stop_s, bout.source) == ("groom", 10.0, 20.0, "curated:anna")
    assert bout.score == pytest.approx(0.9)


def test_a_refusal_of_the_labels_is_told(state, view_and_hand, monkeypatch):
    _view, hand = view_and_hand
    told = []
    state.message.connect(told.append)

    def refuse(*_args, **_fields):
        raise vp.VPScienceError("expected room, found none: make some")

    monkeypatch.setattr(state.labels, "paint", refuse)
    hand.drag(hand.at(5, "walk"), hand.at(6, "walk"), hand.at(9, "walk"))
    assert told == ["expected room, found none: make some"]


# ---- the end


def test_after_its_end_it_hears_nothing(qtbot, state, view_and_hand):
    view, hand = view_and_hand
    hand.press(hand.at(5, "walk"))
    view.close_view()
    scene = view.scene
    state.labels.add(RECORDING, "walk", 1, 2)
    state.link.go(300)
    state.viewer.theme = "light"
    assert view.scene is scene
    assert view.frame != 300
    assert len(state.labels_changed) == len(state.recording_changed) == 0
    QApplication.processEvents()


def test_it_follows_the_theme_and_the_pixels_of_the_screen(state, view_and_hand):
    view, _hand = view_and_hand
    dark = pixel(view, QPoint(2, view.height() - 2))
    state.viewer.theme = "light"
    light = pixel(view, QPoint(2, view.height() - 2))
    assert sum(light) > sum(dark) + 200
    canvas = view._canvas.pixmap(view.scene)
    assert canvas.width() == round(view.width() * view.devicePixelRatioF())
