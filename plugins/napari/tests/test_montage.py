"""The montage: which clips play, how far they are decoded, what is taken out, and what gets a label."""

import pytest
from footage_for_panel import brightness
from napari_vp_science import clips as clips_module
from napari_vp_science.clips import ClipLoader
from napari_vp_science.montage import MontageView
from panel_for_search import make_state
from qtpy.QtCore import Qt

import vp_science as vp

WAIT = 20_000


@pytest.fixture
def state(tmp_path):
    made = make_state(tmp_path, num_frames=46)
    yield made
    if made.session is not None:
        made.close_session()


@pytest.fixture
def montage(qtbot, state):
    view = MontageView(state)
    qtbot.addWidget(view)
    view.resize(400, 620)
    view.show()
    yield view
    view.close_view()


def moments(count, recording="a"):
    return [(recording, number / 20, number / 20 + 0.1) for number in range(count)]


def loaded(qtbot, montage, chosen):
    def all_done():
        found = [montage._loader.clip(moment) for moment in chosen]
        return all(clip is not None and clip.done for clip in found)

    qtbot.waitUntil(all_done, timeout=WAIT)
    return [montage._loader.clip(moment) for moment in chosen]


def grey(image):
    return brightness(image.pixelColor(image.width() // 2, image.height() // 2).red())


def test_a_clip_holds_the_frames_of_its_span(qtbot, montage, state):
    moment = ("a", 0.5, 1.75)
    state.choose_moments([moment])
    (clip,) = loaded(qtbot, montage, [moment])
    # 15 frames at 12 per second, of a video of 20 per second
    assert [grey(frame) for frame in clip.frames] == [int((0.5 + n / 12) * 20 + 1e-6) for n in range(15)]
    assert not clip.shortened


def test_short_moments_are_shown_with_what_is_around_them(qtbot, montage, state):
    moment = ("a", 1.0, 1.0)
    state.choose_moments([moment])
    (clip,) = loaded(qtbot, montage, [moment])
    assert clip.span == (0.5, 1.5)
    assert len(clip.frames) == 12


def test_what_lies_beyond_the_ends_shows_the_first_and_last_frame(qtbot, montage, state):
    chosen = [("a", 0.0, 0.1), ("a", 2.2, 2.3)]
    state.choose_moments(chosen)
    first, last = loaded(qtbot, montage, chosen)
    assert [grey(first.frames[0]), grey(last.frames[-1])] == [0, 45]


def test_pages_of_nine_go_round(qtbot, montage, state):
    chosen = moments(12) + moments(8, "b")
    state.choose_moments(chosen)
    pages = [montage.shown]
    for _ in range(2):
        qtbot.mouseClick(montage.next, Qt.MouseButton.LeftButton)
        pages.append(montage.shown)
    assert [len(page) for page in pages] == [9, 9, 2]
    assert sorted(moment for page in pages for moment in page) == sorted(chosen)
    assert {name for name, *_ in pages[0]} == {"a", "b"}
    montage.turn(1)
    assert montage.shown == pages[0]
    montage.turn(-1)
    assert montage.shown == pages[2]
    montage.size.setCurrentIndex(1)
    assert (len(montage.shown), montage.next.text()) == (4, "Next sixteen")
    montage.order.setCurrentIndex(1)
    assert montage.shown == chosen[:16]


def test_what_is_taken_out_leaves_the_chosen_moments_and_stays_visible(qtbot, montage, state):
    chosen = moments(4)
    state.choose_moments(chosen)
    answers = []
    montage.answered.connect(lambda moment, belongs: answers.append((moment, belongs)))
    gone = montage.shown[1]
    montage.answer(gone, False)
    assert gone not in state.moments
    assert len(state.moments) == 3
    assert gone in montage.shown
    assert "3 moments in 1 recording" in montage.text.text()
    assert "1 taken out" in montage.text.text()
    montage.answer(gone, True)
    assert state.moments == chosen
    assert answers == [(gone, False), (gone, True)]


def test_only_what_was_seen_and_left_in_gets_the_label(qtbot, montage, state):
    state.choose_moments([("a", 0.0, 0.1), ("a", 0.5, 0.6), *[("b", n / 4, n / 4 + 0.1) for n in range(8)]])
    montage.answer(montage.shown[0], False)
    seen = [moment for moment in montage.shown[1:] if moment in state.moments]
    assert montage.label_seen.text() == "Label 8 seen as"
    assert montage.label_all.text() == "Label all 9 as"
    montage._label("groom", seen_only=True)
    bouts = state.labels.bouts()
    assert sorted((one.recording, one.start_s) for one in bouts) == sorted((one[0], one[1]) for one in seen)
    assert {one.source for one in bouts} == {"manual:ann"}
    state.labels.undo()
    assert not state.labels.bouts()
    montage._label("groom", seen_only=False)
    assert len(state.labels.bouts()) == 9


def test_the_menu_gives_the_label(qtbot, montage, state):
    state.choose_moments(moments(1))
    menu = montage.label_all.menu()
    menu.aboutToShow.emit()
    assert [action.text() for action in menu.actions()] == ["groom", "walk"]
    menu.actions()[1].trigger()
    assert [one.behavior for one in state.labels.bouts()] == ["walk"]
    state.labels.set_behaviors(vp.Behaviors(()))
    menu.aboutToShow.emit()
    assert [action.isEnabled() for action in menu.actions()] == [False]


def test_keys_and_clicks(qtbot, montage, state):
    state.choose_moments(moments(12))
    first = montage.shown
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Return):
        qtbot.keyClick(montage.grid, key)
    assert state.gone == [(first[4][0], first[4][1])]
    qtbot.keyClick(montage.grid, Qt.Key.Key_N)
    assert first[4] not in state.moments
    qtbot.keyClick(montage.grid, Qt.Key.Key_PageDown)
    assert montage.shown != first
    qtbot.keyClick(montage.grid, Qt.Key.Key_PageUp)
    qtbot.mouseClick(montage.grid, Qt.MouseButton.LeftButton, pos=montage.grid.tile(7).center())
    assert state.gone[-1] == (first[7][0], first[7][1])
    loaded(qtbot, montage, first)
    line = montage.grid.fontMetrics().height()
    picture = montage.grid._place(2, line)
    place = picture.bottomRight()
    place.setX(place.x() - 12)
    place.setY(place.y() - 12)
    qtbot.mouseClick(montage.grid, Qt.MouseButton.LeftButton, pos=place)
    assert first[2] not in state.moments


def test_clips_move_by_the_clock_and_pause(qtbot, montage, state, monkeypatch):
    state.choose_moments([("a", 0.0, 2.0)])
    loaded(qtbot, montage, montage.shown)
    now = [100.0]
    monkeypatch.setattr("napari_vp_science.clip_grid.time.monotonic", lambda: now[0])
    montage.grid.play(True)
    start = montage.grid.clock_s
    now[0] += 0.5
    assert montage.grid.clock_s == pytest.approx(start + 0.5)
    montage.speed.setCurrentIndex(montage.speed.findData(2.0))
    now[0] += 0.5
    assert montage.grid.clock_s == pytest.approx(start + 1.5)
    montage.toggle()
    now[0] += 7
    assert montage.grid.clock_s == pytest.approx(start + 1.5)
    assert montage.pause.text() == "Play"
    assert not montage.grid._timer.isActive()
    shown = (
        montage.grid.grab().toImage().pixelColor(montage.grid._place(0, montage.grid.fontMetrics().height()).center())
    )
    frame = int(montage.grid.clock_s * 12) % 24
    assert brightness(shown.red()) == int(frame / 12 * 20 + 1e-6)


def test_hidden_it_neither_plays_nor_decodes_nor_keeps(qtbot, montage, state):
    state.choose_moments(moments(3))
    loaded(qtbot, montage, montage.shown)
    montage.hide()
    assert montage._loader.clip(montage.shown[0]) is None
    assert not montage.grid._timer.isActive()
    state.choose_moments(moments(5))
    assert montage._loader._thread is None
    assert montage.label_seen.isEnabled() is False
    montage.show()
    loaded(qtbot, montage, montage.shown)


def test_what_cannot_be_read_says_so_and_the_others_play(qtbot, montage, state, tmp_path):
    (tmp_path / "b.mp4").unlink()
    state.choose_moments([("b", 0.0, 1.0), ("a", 0.0, 1.0), ("gone", 0.0, 1.0)])
    clips = {clip.moment[0]: clip for clip in loaded(qtbot, montage, montage.shown)}
    assert "expected a recording, found No such file" in clips["b"].why
    assert "expected a recording of the session" in clips["gone"].why
    assert (len(clips["a"].frames), clips["a"].why) == (12, "")


def test_memory_is_bounded_and_what_is_wanted_stays(qtbot, state, monkeypatch):
    loader = ClipLoader()
    chosen = moments(6)
    loader.want(state.session, chosen[:3], 24)
    qtbot.waitUntil(lambda: all(loader.clip(one).done for one in chosen[:3]), timeout=WAIT)
    monkeypatch.setattr(clips_module, "_MOST_BYTES", 1)
    loader.want(state.session, chosen[2:], 24)
    assert [loader.clip(one) is not None for one in chosen] == [False, False, True, True, True, True]
    qtbot.waitUntil(lambda: all(loader.clip(one).done for one in chosen[2:]), timeout=WAIT)
    loader.close_view()


def test_closing_while_decoding_ends_the_thread(qtbot, state):
    loader = ClipLoader()
    told = []
    loader.loaded.connect(told.append)
    loader.want(state.session, moments(40), 48)
    thread = loader._thread._thread
    loader.close_view()
    assert not thread.is_alive()
    qtbot.wait(20)
    assert not told


def test_other_moments_begin_anew(qtbot, montage, state):
    state.choose_moments(moments(3))
    montage.answer(montage.shown[0], False)
    state.choose_moments(moments(2, "b"))
    assert "2 moments in 1 recording" in montage.text.text()
    assert "taken out" not in montage.text.text()
    state.close_session()
    state.session_changed.emit()
    assert montage.shown == []
    assert montage.text.text() == "Nothing is chosen."
