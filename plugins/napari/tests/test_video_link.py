"""The current frame: owned by napari's slider, moved by hand and by the clock. No window is needed for it."""

import numpy as np
import pytest
from clips_for_panel import HeldSource
from napari.components import ViewerModel
from napari_vp_science.video.decoder import Decoder
from napari_vp_science.video.feed import LayerFeed
from napari_vp_science.video.layer_data import LAYER_OPTIONS, LayerData
from napari_vp_science.video.link import TimeLink


class Panel:
    """A viewer model with a recording in it, as the stage makes it."""

    def __init__(self, qtbot, path, source):
        self.viewer = ViewerModel()
        self.source = source
        self.decoder = Decoder(path, lambda watch: source)
        qtbot.waitUntil(lambda: self.decoder.source is not None)
        data = LayerData(self.decoder)
        self.layer = self.viewer.add_image(data, **LAYER_OPTIONS)
        self.feed = LayerFeed(self.viewer)
        self.feed.begin(data, self.layer)
        self.link = TimeLink(self.viewer)
        self.link.follow(self.layer, self.decoder, source.time_s, 0)


@pytest.fixture
def panel_of(qtbot, tmp_path):
    made = []

    def make(source):
        made.append(Panel(qtbot, tmp_path / "clip.mp4", source))
        return made[-1]

    yield make
    for panel in made:
        panel.link.close_view()
        panel.decoder.close()


@pytest.fixture
def panel(panel_of):
    return panel_of(HeldSource())


def test_before_there_is_a_recording():
    link = TimeLink(ViewerModel())
    assert (link.frame, link.time_s, link.num_frames, link.playing, link.exact) == (0, 0.0, 0, False, False)
    for act in (link.play, link.stop, link.toggle, lambda: link.go(5), lambda: link.go_s(1.0), lambda: link.step(1)):
        act()
    assert link.frame == 0
    link.close_view()


def test_going_by_frame_and_by_time(panel, qtbot):
    link = panel.link
    with qtbot.waitSignal(link.moved) as caught:
        link.go(60)
    assert caught.args == [60]
    assert (link.frame, link.time_s) == (60, 60 / 25)
    link.go_s(4.01)
    assert link.frame == 100
    link.step(-10)
    assert link.frame == 90
    link.step_s(1.0)
    assert link.frame == 115
    link.step_s(-0.001)  # less than a frame is a frame
    assert link.frame == 114
    for wild, there in ((10**9, 199), (-5, 0)):
        link.go(wild)
        assert link.frame == there


def test_napari_slider_moves_the_link(panel, qtbot):
    with qtbot.waitSignal(panel.link.moved):
        panel.viewer.dims.set_current_step(0, 77)
    assert panel.link.frame == 77


def test_the_frame_axis_is_found_beside_layers_of_more_dimensions(panel):
    panel.viewer.add_image(np.zeros((3, 200, 48, 128)))
    panel.link.go(42)
    assert panel.viewer.dims.current_step[1] == 42
    assert panel.viewer.dims.current_step[0] != 42
    assert panel.link.frame == 42


def test_layers_that_are_longer_or_finer_do_not_move_the_frame(panel):
    panel.viewer.add_image(np.zeros((1000, 48, 128)), scale=(0.5, 1, 1), translate=(-30, 0, 0))
    panel.link.go(42)
    assert panel.viewer.dims.point[0] == 42
    assert panel.link.frame == 42
    panel.viewer.dims.set_point(0, 450)  # beyond the recording
    assert panel.link.frame == 199


def test_the_current_frame_is_the_wanted_one_while_a_preview_shows(panel, qtbot):
    source, link = panel.source, panel.link
    source.hold(150)
    with qtbot.waitSignal(link.shown, check_params_cb=lambda frame, exact: (frame, exact) == (100, False)):
        link.go(150)
    assert (link.frame, link.exact, link.on_screen.shown_index) == (150, False, 100)
    with qtbot.waitSignal(link.shown, check_params_cb=lambda frame, exact: (frame, exact) == (150, True)):
        source.let(150)
    assert link.exact


def test_playing_ends_at_the_end_and_begins_anew(panel, qtbot):
    link = panel.link
    link.set_speed(8.0)
    link.go(190)
    moved = []
    link.moved.connect(moved.append)
    with qtbot.waitSignals([link.playing_changed, link.playing_changed]):
        link.play()
    assert not link.playing
    assert link.frame == 199
    assert moved == sorted(moved)
    link.play()
    assert link.frame < 190
    link.stop()


def test_every_frame_mode_shows_each_one(panel, qtbot):
    link = panel.link
    link.set_speed(8.0)
    link.set_every_frame(True)
    link.go(160)
    seen = []
    link.moved.connect(seen.append)
    link.play()
    qtbot.waitUntil(lambda: not link.playing, timeout=20_000)
    assert seen == list(range(161, 200))


def test_playing_does_not_wait_for_a_decoder_that_is_behind(panel, qtbot):
    source, link = panel.source, panel.link
    for frame in range(20, 200):
        source.hold(frame)
    link.play()
    qtbot.waitUntil(lambda: link.frame > 60, timeout=20_000)
    link.stop()
    assert not link.exact
    for frame in range(20, 200):
        source.let(frame)
    qtbot.waitUntil(lambda: link.exact)


def test_dragging_the_slider_while_playing_goes_on_from_there(panel, qtbot):
    link = panel.link
    link.set_speed(0.25)
    link.play()
    panel.viewer.dims.set_current_step(0, 150)
    qtbot.waitUntil(lambda: link.frame > 150)
    assert link.frame < 190
    link.stop()


def test_speeds(panel, qtbot):
    link = panel.link
    with qtbot.waitSignal(link.speed_changed) as caught:
        link.set_speed(4.0)
    assert caught.args == [4.0]
    with qtbot.assertNotEmitted(link.speed_changed):
        link.set_speed(4.0)
    with pytest.raises(ValueError, match=r"expected one of the speeds 0\.25, 0\.5, 1, 2, 4, 8, found 3"):
        link.set_speed(3)


def test_another_recording_takes_over(panel, panel_of, qtbot):
    other = panel_of(HeldSource(num_frames=50))
    panel.link.go(150)
    panel.link.play()
    panel.link.follow(other.layer, other.decoder, other.source.time_s, 20)
    assert not panel.link.playing
    assert panel.link.num_frames == 50


def test_what_others_read_from_the_layer_is_exact(panel, qtbot):
    source, data = panel.source, panel.layer.data
    panel.link.go(60)
    assert data[150].shape == (48, 128, 3)
    assert (data[150] == source.exact(150).pixels).all()
    assert (data[-1] == source.exact(199).pixels).all()
    assert data[5:8].shape == (3, 48, 128, 3)
    assert data[[1, 4], 10].shape == (2, 128, 3)
    assert data[..., 0].shape == (200, 48, 128)
    assert (len(data), data.ndim, data.dtype, data.size) == (200, 4, np.uint8, 200 * 48 * 128 * 3)
    for outside in (200, -201):
        with pytest.raises(IndexError, match=f"expected frames 0 to 199, found {outside}"):
            data[outside]


def test_nobody_takes_the_whole_recording_by_accident(panel_of):
    data = panel_of(HeldSource(num_frames=100_000)).layer.data
    with pytest.raises(MemoryError, match="take the frames that you need"):
        np.asarray(data)
    with pytest.raises(Exception, match="expected at most 256 MiB of frames at a time"):
        data[:, 10]


def test_a_decoder_that_nobody_uses_ends(qtbot, tmp_path):
    source = HeldSource()
    used = [Decoder(tmp_path / "clip.mp4", lambda watch: source)]
    qtbot.waitUntil(lambda: used[0].source is not None)
    desk = used[0].desk
    used.clear()
    assert desk.join(20)
    assert source.closed
