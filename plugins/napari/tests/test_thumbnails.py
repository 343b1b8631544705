"""The picture service: what it shows, in which order, what it keeps, and what happens when a recording is gone."""

import threading

import numpy as np
import pytest
from footage_for_panel import brightness, write_video
from napari_vp_science import thumbnails
from napari_vp_science.state import PanelState
from napari_vp_science.thumbnails import ThumbnailService, neutral

import vp_science as vp

WAIT = 20_000


@pytest.fixture
def state(tmp_path):
    session = vp.sessions.open_session(tmp_path / "vp_science_session", places=tmp_path / "places.json")
    for name in ("a", "b"):
        session.add(write_video(tmp_path / f"{name}.mp4", 40))
    state = PanelState(viewer=None, session=session)
    yield state
    session.close()


@pytest.fixture
def service(qtbot, state):
    service = ThumbnailService(state)
    yield service
    service.close_view()


def frame_of(image):
    return brightness(image.pixelColor(image.width() // 2, image.height() // 2).red())


def test_the_frame_on_screen_is_given_with_the_time_that_was_asked_for(qtbot, service):
    with qtbot.waitSignal(service.ready, timeout=WAIT) as told:
        service.request("a", 1.23, 24)
    recording, time_s, image = told.args
    assert (recording, time_s, image.height()) == ("a", 1.23, 24)
    assert frame_of(image) == 24  # 20 frames per second
    assert service.cached("a", 1.23, 24) is not None
    assert service.cached("a", 1.23, 48) is None


def test_the_newest_wish_comes_first(qtbot, service):
    come = []
    service.ready.connect(lambda recording, time_s, image: come.append(time_s))
    service.request("a", 0.0, 24)
    qtbot.waitUntil(lambda: len(come) == 1, timeout=WAIT)
    started, held = threading.Event(), threading.Event()
    pixels = service._decoder._pixels

    def first_waits(*given):
        started.set()
        assert held.wait(10)
        return pixels(*given)

    service._decoder._pixels = first_waits
    service.request("a", 0.1, 24)
    assert started.wait(10)
    for time_s in (0.2, 0.3, 0.4, 0.2):
        service.request("a", time_s, 24)
    held.set()
    qtbot.waitUntil(lambda: len(come) == 5, timeout=WAIT)
    assert come == [0.0, 0.1, 0.2, 0.4, 0.3]


def test_old_wishes_are_dropped_and_memory_is_bounded(qtbot, service, monkeypatch):
    monkeypatch.setattr(thumbnails, "_MOST_WAITING", 3)
    monkeypatch.setattr(thumbnails, "_MOST_BYTES", 2 * 24 * 32 * 4)
    come = []
    service.ready.connect(lambda recording, time_s, image: come.append(time_s))
    service.request("a", 0.0, 24)
    qtbot.waitUntil(lambda: come == [0.0], timeout=WAIT)
    with service._decoder._change:  # the thread waits, so that all wishes wait, too
        for number in range(1, 10):
            service._decoder._wishes[("a", 100 * number, 24)] = number / 10
        service.request("b", 1.0, 24)
        assert len(service._decoder._wishes) == 3
    qtbot.waitUntil(lambda: len(come) == 4, timeout=WAIT)
    assert come == [0.0, 1.0, 0.9, 0.8]
    assert service.cached("a", 0.0, 24) is None
    assert service.cached("a", 0.8, 24) is not None
    assert service._bytes <= 2 * 24 * 32 * 4


def test_what_cannot_be_read_says_why_once_and_others_go_on(qtbot, service, state, tmp_path):
    (tmp_path / "b.mp4").unlink()
    with qtbot.waitSignal(service.failed, timeout=WAIT) as told:
        assert service.picture("b", 0.5, 24) is None
    recording, time_s, why = told.args
    assert (recording, time_s) == ("b", 0.5)
    assert "b.mp4: expected a recording, found No such file" in why
    assert service.reason("b", 0.5, 24) == why
    assert service.picture("b", 0.5, 24).size() == neutral(24).size()
    with qtbot.waitSignal(service.failed, timeout=WAIT, check_params_cb=lambda name, *_: name == "c"):
        service.request("c", 0.0)
    with qtbot.waitSignal(service.ready, timeout=WAIT):
        service.request("a", 0.5, 24)
    write_video(tmp_path / "b.mp4", 40)
    state.session_changed.emit()
    with qtbot.waitSignal(service.ready, timeout=WAIT):
        assert service.picture("b", 0.5, 24) is None


def test_without_a_session_it_says_so(qtbot):
    service = ThumbnailService(PanelState(viewer=None))
    with qtbot.waitSignal(service.failed, timeout=WAIT) as told:
        service.request("a", 0.0)
    assert told.args == ["a", 0.0, "no session is open"]
    service.close_view()


def test_a_known_picture_comes_again_without_decoding(qtbot, service, state, tmp_path):
    with qtbot.waitSignal(service.ready, timeout=WAIT):
        service.request("a", 0.5, 24)
    (tmp_path / "a.mp4").write_bytes(b"")
    with qtbot.waitSignal(service.ready, timeout=WAIT) as told:
        service.request("a", 0.5, 24)
    assert frame_of(told.args[2]) == 10


def test_pictures_are_on_disk_for_the_next_time(qtbot, service, state, monkeypatch):
    with qtbot.waitSignal(service.ready, timeout=WAIT):
        service.request("a", 0.5, 24)
    service.close_view()
    again = ThumbnailService(state)
    opened = []
    monkeypatch.setattr(vp.sessions.SessionPictures, "pictures", lambda self, *given: opened.append(given))
    with qtbot.waitSignal(again.ready, timeout=WAIT) as told:
        again.request("a", 0.5, 24)
    again.close_view()
    assert frame_of(told.args[2]) == 10
    assert not opened


def test_closing_while_busy_ends_the_thread_and_tells_nothing_more(qtbot, service, state):
    come = []
    service.ready.connect(lambda *told: come.append(told))
    for number in range(40):
        service.request("a", number / 20, 24)
    thread = service._decoder._thread
    service.close_view()
    assert not thread.is_alive()
    qtbot.wait(20)
    assert not come
    service.close_view()  # again: nothing happens


def test_another_session_shows_nothing_of_the_old_one(qtbot, service, state, tmp_path):
    with qtbot.waitSignal(service.ready, timeout=WAIT):
        service.request("a", 0.5, 24)
    old = state.session
    state.session = vp.sessions.open_session(tmp_path / "other", places=tmp_path / "places.json")
    state.session_changed.emit()
    assert service.cached("a", 0.5, 24) is None
    with qtbot.waitSignal(service.failed, timeout=WAIT) as told:
        service.request("a", 0.5, 24)
    assert "expected a recording of the session" in told.args[2]
    old.close()


def test_the_neutral_picture_is_not_a_picture():
    image = neutral(48)
    assert (image.width(), image.height()) == (64, 48)
    values = {image.pixelColor(x, y).red() for x in range(64) for y in range(48)}
    assert len(values) > 1
    assert np.ptp(sorted(values)) > 40
