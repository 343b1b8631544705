"""Threads never destroy what belongs to Qt: PySide6 crashes when they do."""

import gc
import threading
from weakref import ref

import pytest
from clips_for_panel import HeldSource
from napari.components import ViewerModel
from napari_vp_science.background import Background
from napari_vp_science.video.decoder import Decoder
from napari_vp_science.video.feed import LayerFeed
from napari_vp_science.video.layer_data import LayerData
from napari_vp_science.video.open_one import OpenOne
from napari_vp_science.voice import Voice
from qtpy.QtCore import QObject, Qt

WAIT_MS = 20_000


class Ear:
    """Hears, and remembers what and in which thread."""

    def __init__(self):
        self.heard, self.threads = [], set()

    def hear(self, *what):
        self.heard.append(what)
        self.threads.add(threading.current_thread())


def in_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_what_a_thread_says_is_heard_in_the_window_and_in_order(qtbot):
    ear = Ear()
    voice = Voice(ear.hear)
    in_thread(lambda: [voice.say(number, "words") for number in range(50)])
    assert ear.heard == []  # not before the window has time
    qtbot.waitUntil(lambda: len(ear.heard) == 50, timeout=WAIT_MS)
    assert ear.heard == [(number, "words") for number in range(50)]
    assert ear.threads == {threading.main_thread()}


def test_the_thread_may_be_the_last_that_holds_its_voice(qtbot):
    ear, died_in = Ear(), []
    voices = [Voice(ear.hear)]
    voices[0].destroyed.connect(
        lambda *_: died_in.append(threading.current_thread()), Qt.ConnectionType.DirectConnection
    )

    def speak_and_drop():
        voice = voices.pop()
        voice.say("the last word")
        voice.end()
        del voice
        gc.collect()

    in_thread(speak_and_drop)
    assert died_in == []
    qtbot.waitUntil(lambda: bool(died_in), timeout=WAIT_MS)
    assert died_in == [threading.main_thread()]
    assert ear.heard == [("the last word",)]


def test_nobody_is_kept_alive_to_hear(qtbot):
    ear = Ear()
    voice, gone = Voice(ear.hear), ref(ear)
    voice.say("while it was there")
    del ear
    assert gone() is None
    with qtbot.waitSignal(voice.destroyed, timeout=WAIT_MS):
        voice.end()


def test_a_function_is_let_go_of_in_the_window(qtbot):
    """It may hold widgets, and nobody else may."""
    background, released, results = Background(), [], []
    begun, go_on = threading.Event(), threading.Event()

    class Held:
        def __del__(self):
            released.append(threading.current_thread())

    def start(held):
        def work():
            begun.set()
            go_on.wait(20)
            return held is not None

        background.run(work, results.append, results.append)

    start(Held())
    assert begun.wait(20)
    background.close()  # the page is gone while the function runs
    go_on.set()
    qtbot.waitUntil(lambda: bool(released), timeout=WAIT_MS)
    assert released == [threading.main_thread()]
    assert results == []


def drop_a_recording(path, qtbot):
    """A recording that is shown, and forgotten: only the collector can take it."""
    decoder = Decoder(path, lambda watch: HeldSource())
    qtbot.waitUntil(lambda: decoder.source is not None, timeout=WAIT_MS)
    known, data, feed = OpenOne(decoder), LayerData(decoder), LayerFeed(ViewerModel())
    feed.begin(data)
    decoder.close()
    known.adopted = data
    known.itself = known


def test_the_collector_finds_nothing_of_qt_in_a_recording(qtbot, tmp_path):
    """It runs in whichever thread has made enough objects, so also in that of another recording."""
    dropped = []

    def collect():
        gc.set_debug(gc.DEBUG_SAVEALL)  # what is dropped is listed, not destroyed
        try:
            gc.collect()
        finally:
            gc.set_debug(0)
        dropped.extend(gc.garbage)
        gc.garbage.clear()

    gc.collect()
    gc.disable()
    try:
        drop_a_recording(tmp_path / "a.mp4", qtbot)
        in_thread(collect)
    finally:
        gc.enable()
    assert {Decoder, OpenOne, LayerFeed} <= {type(one) for one in dropped}
    assert not [one for one in dropped if isinstance(one, QObject)]


@pytest.mark.parametrize("kind", [Decoder, LayerFeed, OpenOne])
def test_what_is_dropped_anywhere_is_none_of_qt(kind):
    assert not issubclass(kind, QObject)
