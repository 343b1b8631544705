"""The bar under the video and what is said about a recording."""

import pytest
from clips_for_panel import HeldSource
from napari.components import ViewerModel
from napari_vp_science.state import PanelState
from napari_vp_science.video.decoder import Decoder
from napari_vp_science.video.notice import NoticeBar
from napari_vp_science.video.stage import Stage
from napari_vp_science.video.transport import TransportBar
from qtpy.QtCore import QObject, Qt, Signal

import vp_science as vp

WAIT_MS = 20_000


class FakeJobs(QObject):
    """Stands for the worker process."""

    progress = Signal(object)
    result = Signal(object)
    cancelled = Signal()
    failed = Signal(str)
    idle = Signal()

    def __init__(self, parent):
        super().__init__(parent)
        self.started, self.closed = [], False

    def start(self, job, request):
        self.started.append((job, request))

    def cancel(self):
        self.cancelled.emit()

    def close(self):
        self.closed = True


@pytest.fixture
def source():
    return HeldSource()


@pytest.fixture
def state(qtbot):
    return PanelState(ViewerModel())


@pytest.fixture
def stage(state, source, qtbot, monkeypatch):
    monkeypatch.setattr(vp.sessions, "open_viewing", lambda *_: source)
    made = Stage(state)
    yield made
    made.close_view()
    state.viewer.layers.clear()


@pytest.fixture
def bar(state, stage, qtbot):
    made = TransportBar(state)
    qtbot.addWidget(made)
    yield made
    made.close_view()


@pytest.fixture
def notice(state, stage, qtbot, monkeypatch):
    monkeypatch.setattr("napari_vp_science.video.notice.JobRunner", FakeJobs)
    made = NoticeBar(state, stage)
    qtbot.addWidget(made)
    yield made
    made.close_view()


def show(stage, qtbot, tmp_path, name="a"):
    stage.show(name, tmp_path / f"{name}.mp4")
    qtbot.waitUntil(lambda: stage.state.current == name and stage.link.exact, timeout=WAIT_MS)


def test_it_waits_for_a_recording_and_says_where_we_are(bar, stage, qtbot, tmp_path):
    assert not bar.play.isEnabled()
    show(stage, qtbot, tmp_path)
    assert bar.play.isEnabled()
    assert bar.rate.text() == "25 fps"
    stage.link.go(63)
    assert bar.place.text() == "0:00:02.520   frame  63 / 199"


def test_buttons_step_and_play(bar, stage, qtbot, tmp_path):
    show(stage, qtbot, tmp_path)
    qtbot.mouseClick(bar.forward, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(bar.forward, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(bar.back, Qt.MouseButton.LeftButton)
    assert stage.link.frame == 1
    qtbot.mouseClick(bar.play, Qt.MouseButton.LeftButton)
    assert stage.link.playing
    assert bar.play.toolTip() == "Stop"
    qtbot.mouseClick(bar.play, Qt.MouseButton.LeftButton)
    assert not stage.link.playing
    assert bar.play.toolTip() == "Play"


def test_no_button_takes_the_keys(bar):
    for widget in (bar.back, bar.play, bar.forward, bar.speed, bar.every_frame):
        assert widget.focusPolicy() == Qt.FocusPolicy.NoFocus


@pytest.mark.parametrize(("typed", "frame"), [("1:00", 199), ("2.5", 62), ("#120", 120), ("0:00:04", 100)])
def test_going_to_a_place(bar, stage, qtbot, tmp_path, typed, frame):
    show(stage, qtbot, tmp_path)
    qtbot.keyClicks(bar.jump, typed)
    qtbot.keyClick(bar.jump, Qt.Key.Key_Return)
    assert stage.link.frame == frame
    assert bar.jump.text() == ""


def test_a_place_that_is_none_is_told_and_stays_to_be_corrected(bar, stage, state, qtbot, tmp_path):
    said = []
    state.message.connect(said.append)
    show(stage, qtbot, tmp_path)
    qtbot.keyClicks(bar.jump, "soon")
    qtbot.keyClick(bar.jump, Qt.Key.Key_Return)
    assert "expected a time" in said[0]
    assert bar.jump.text() == "soon"
    assert stage.link.frame == 0


def test_speed_and_mode_go_both_ways(bar, stage, qtbot, tmp_path):
    bar.every_frame.setChecked(True)  # before there is a recording
    show(stage, qtbot, tmp_path)
    assert stage.link.every_frame
    bar.speed.setCurrentText("4x")
    assert stage.link.speed == 4
    stage.link.set_speed(0.5)  # by a key
    assert bar.speed.currentText() == "0.5x"


def test_a_preview_is_marked_until_the_frame_is_there(bar, stage, source, qtbot, tmp_path):
    show(stage, qtbot, tmp_path)
    assert bar.badge.text() == ""
    source.hold(150)
    stage.link.go(150)
    qtbot.waitUntil(lambda: bar.badge.text() == "preview - decoding frame 150", timeout=WAIT_MS)
    assert bar.place.text().endswith("frame 150 / 199")
    source.let(150)
    qtbot.waitUntil(lambda: bar.badge.text() == "", timeout=WAIT_MS)


def test_a_damaged_frame_is_marked(bar, stage, source, qtbot, tmp_path, monkeypatch):
    show(stage, qtbot, tmp_path)
    sound = source.exact

    def exact(frame, interrupt=lambda: False):
        good = sound(frame, interrupt)
        return vp.sessions.DecodedFrame(frame, 146, good.pixels, damaged=True) if good and frame == 150 else good

    monkeypatch.setattr(source, "exact", exact)
    stage.link.go(150)
    qtbot.waitUntil(lambda: bar.badge.text() == "frame 150 is damaged: frame 146 is shown", timeout=WAIT_MS)


def test_icons_follow_the_theme(bar, state):
    before = bar.play.icon().pixmap(18, 18).toImage()
    state.viewer.theme = "light"
    assert bar.play.icon().pixmap(18, 18).toImage() != before


def test_opening_shows_how_far_it_is(notice, stage, source, qtbot, tmp_path):
    source.seconds = 0.05
    stage.progress.emit("a", 0.25)
    assert notice.text.text().startswith("Opening a")
    assert notice.bar.value() == 25
    show(stage, qtbot, tmp_path)
    assert notice.isHidden()


def test_a_slow_recording_offers_a_copy(notice, stage, source, qtbot, tmp_path):
    show(stage, qtbot, tmp_path)
    qtbot.waitUntil(lambda: not notice.isHidden(), timeout=WAIT_MS)
    assert "take up to 1.0 s: its key frames lie 100 frames apart" in notice.text.text()
    assert not notice.copy.isHidden()
    qtbot.mouseClick(notice.later, Qt.MouseButton.LeftButton)
    assert notice.isHidden()
    show(stage, qtbot, tmp_path, "b")
    show(stage, qtbot, tmp_path, "a")
    assert notice.isHidden()  # it was put off


def test_making_a_copy(notice, stage, source, qtbot, tmp_path, monkeypatch):
    show(stage, qtbot, tmp_path)
    qtbot.waitUntil(lambda: not notice.copy.isHidden(), timeout=WAIT_MS)
    qtbot.mouseClick(notice.copy, Qt.MouseButton.LeftButton)
    assert notice._jobs.started == [("reencode", {"path": str(tmp_path / "a.mp4"), "cache_folder": ""})]
    notice._jobs.progress.emit({"stage": "copying", "done": 50, "total": 200})
    assert notice.bar.value() == 25
    stage.link.go(70)
    copy = HeldSource()
    copy.shows_copy = True
    monkeypatch.setattr(vp.sessions, "open_viewing", lambda *_: copy)
    notice._jobs.result.emit({"path": "copy.mp4"})
    qtbot.waitUntil(lambda: stage.decoder.source is copy and stage.link.exact, timeout=WAIT_MS)
    assert stage.link.frame == 70
    assert notice.isHidden()


def test_a_copy_can_be_cancelled_and_can_fail(notice, stage, qtbot, tmp_path):
    show(stage, qtbot, tmp_path)
    qtbot.waitUntil(lambda: not notice.copy.isHidden(), timeout=WAIT_MS)
    qtbot.mouseClick(notice.copy, Qt.MouseButton.LeftButton)
    notice._jobs.failed.emit("the disk is full")
    assert notice.text.text() == "the disk is full"
    notice._make_copy()
    qtbot.mouseClick(notice.cancel, Qt.MouseButton.LeftButton)
    assert notice.isHidden()


def test_errors_are_said_and_go_with_the_recording(notice, stage, source, qtbot, tmp_path):
    source.broken, source.seconds = {150}, 0.05
    show(stage, qtbot, tmp_path)
    stage.link.go(150)
    qtbot.waitUntil(lambda: notice.text.text() == "a: frame 150 is broken", timeout=WAIT_MS)
    stage.link.go(20)
    qtbot.waitUntil(notice.isHidden, timeout=WAIT_MS)
    stage.link.go(150)
    qtbot.waitUntil(lambda: not notice.isHidden(), timeout=WAIT_MS)
    stage.clear()
    assert notice.isHidden()


def test_a_decoder_outlives_nothing(source, qtbot, tmp_path):
    decoder = Decoder(tmp_path / "a.mp4", lambda watch: source)
    qtbot.waitUntil(lambda: decoder.source is not None, timeout=WAIT_MS)
    decoder.close()
    assert source.closed
    assert decoder.now(5) is None
