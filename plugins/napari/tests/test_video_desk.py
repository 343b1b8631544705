"""What the decoder thread does with requests: latest first, previews before, errors told, nothing lost."""

import threading

import numpy as np
import pytest
from clips_for_panel import HeldSource
from napari_vp_science.video.desk import READY_BYTES, Desk

import vp_science as vp


class Heard:
    """What a desk tells, and waiting for it."""

    def __init__(self):
        self.events = []
        self._news = threading.Condition()

    def __call__(self, *event):
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait(self, *event):
        with self._news:
            assert self._news.wait_for(lambda: event in self.events, 20), f"{event} not in {self.events}"


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def desk_of(heard):
    desks = []

    def make(source):
        desks.append(Desk(lambda watch: source, heard))
        heard.wait("pictured", 0, True)
        return desks[-1]

    yield make
    for desk in desks:
        desk.stop()
        assert desk.join(20)


def test_the_first_frame_is_ready_once_the_recording_is_open(desk_of, heard):
    desk = desk_of(HeldSource())
    assert heard.events[0] == ("opened",)
    picture, exact = desk.take(0)
    assert (picture.shown_index, exact) == (0, True)


def test_a_preview_comes_before_the_frame(desk_of, heard):
    source = HeldSource()
    desk = desk_of(source)
    source.hold(150)
    desk.ask(150)
    heard.wait("pictured", 150, False)
    picture, exact = desk.take(150)
    assert (picture.shown_index, exact) == (100, False)
    source.let(150)
    heard.wait("pictured", 150, True)
    picture, exact = desk.take(150)
    assert (picture.shown_index, exact) == (150, True)


def test_the_latest_request_wins(desk_of, heard):
    source = HeldSource()
    desk = desk_of(source)
    source.hold(150)
    desk.ask(150)
    assert source.begun[150].wait(20)
    for frame in (151, 120, 180):
        desk.ask(frame)
    heard.wait("pictured", 180, True)
    assert ("pictured", 150, True) not in heard.events
    assert ("pictured", 120, True) not in heard.events
    assert source.given_up[0] == 150


def test_asking_again_for_the_frame_under_way_does_not_start_anew(desk_of, heard):
    source = HeldSource()
    desk = desk_of(source)
    source.hold(150)
    desk.ask(150)
    assert source.begun[150].wait(20)
    for _ in range(3):
        desk.ask(150)
        desk.take(150, 0.02)
    source.let(150)
    heard.wait("pictured", 150, True)
    assert source.given_up == []
    assert source.asked.count(150) == 1


def test_coming_back_to_the_frame_under_way_keeps_it(desk_of, heard):
    source = HeldSource()
    desk = desk_of(source)
    source.hold(150)
    desk.ask(150)
    assert source.begun[150].wait(20)
    with desk._news:  # both before the thread can look
        desk._pending = desk.wanted = 170
        desk.wanted, desk._pending = 150, None
    source.let(150)
    heard.wait("pictured", 150, True)


def test_a_frame_that_cannot_be_read_is_told_and_the_next_one_comes(desk_of, heard):
    source = HeldSource()
    source.broken = {150}
    desk = desk_of(source)
    desk.ask(150)
    heard.wait("failed", "frame 150 is broken")
    assert desk.error == "frame 150 is broken"
    assert desk.take(150)[1] is False
    desk.ask(60)
    heard.wait("pictured", 60, True)
    assert desk.error == ""


def test_a_frame_ahead_that_cannot_be_read_is_told_only_when_it_is_wanted(desk_of, heard):
    source = HeldSource()
    source.broken = {52}
    desk = desk_of(source)
    desk.ask(50)
    heard.wait("pictured", 50, True)
    desk.ask(120)
    heard.wait("pictured", 120, True)
    assert not [event for event in heard.events if event[0] == "failed"]


def test_what_cannot_be_opened_is_told(heard):
    def opener(watch):
        raise vp.VPScienceError("no such file")

    desk = Desk(opener, heard)
    desk.wait_open()
    assert desk.error == "no such file"
    heard.wait("failed", "no such file")
    assert desk.join(20)


def test_a_bug_is_told_by_its_name(heard):
    def opener(watch):
        raise ZeroDivisionError("oh")

    desk = Desk(opener, heard)
    heard.wait("failed", "ZeroDivisionError: oh")
    assert desk.join(20)


def test_opening_is_given_up_when_nobody_waits_for_it(heard):
    reading = threading.Event()

    def opener(watch):
        watch(0.1)
        reading.set()
        while True:
            watch(0.2)

    desk = Desk(opener, heard)
    assert reading.wait(20)
    assert heard.events[0] == ("progress", 0.1)
    desk.stop()
    assert desk.join(20)
    assert ("opened",) not in heard.events


def test_the_recording_is_closed_with_the_desk(heard):
    source = HeldSource()
    desk = Desk(lambda watch: source, heard)
    source.hold(150)
    heard.wait("pictured", 0, True)
    desk.ask(150)
    assert source.begun[150].wait(20)
    desk.stop()
    assert desk.join(20)
    assert source.closed
    assert desk.take(0) == (None, False)  # nothing is kept


def test_ready_pictures_are_bounded_by_their_bytes(desk_of, heard):
    side = int((READY_BYTES / 3 / 5) ** 0.5)  # five pictures fill it
    source = HeldSource(size=(side, side))
    desk = desk_of(source)
    for frame in range(30, 60):
        desk.ask(frame)
        heard.wait("pictured", frame, True)
        kept = list(desk._ready.values())
        assert sum(picture.pixels.nbytes for picture in kept) <= READY_BYTES
        assert desk.is_ready(frame)


def test_while_playing_a_slow_decoder_lets_pictures_through(desk_of, heard, monkeypatch):
    monkeypatch.setattr("napari_vp_science.video.desk._BEHIND_S", 0.0)
    source = HeldSource()
    source.passing = {80: [71, 72]}
    desk = desk_of(source)
    desk.playing = True
    source.hold(80)
    desk.ask(80)
    heard.wait("pictured", 80, False)
    assert desk.newest_ready(60, 80) in (71, 72)
    assert desk.take(80)[1] is False


def test_reading_ahead_follows_the_stride_of_playing(desk_of, heard):
    source = HeldSource()
    desk = desk_of(source)
    desk.playing, desk.stride = True, 7
    source.hold(114)
    desk.ask(100)
    assert source.begun[114].wait(20)
    assert source.asked[-2:] == [107, 114]
    source.let(114)


def test_its_speed_is_told_once(desk_of, heard):
    source = HeldSource()
    desk = desk_of(source)
    heard.wait("measured")
    for frame in (50, 90):
        desk.ask(frame)
        heard.wait("pictured", frame, True)
    assert heard.events.count(("measured",)) == 1


def test_nearest_of_what_is_ready(desk_of, heard):
    source = HeldSource()
    desk = desk_of(source)
    desk.ask(50)
    heard.wait("pictured", 50, True)
    source.hold(199)
    desk.ask(199)
    heard.wait("pictured", 199, False)
    assert desk.take(60)[0].shown_index in range(50, 61)
    assert desk.take(140)[0].shown_index == 100
    assert np.array_equal(desk.take(140)[0].pixels, source.preview(199, None).pixels)
    source.let(199)
