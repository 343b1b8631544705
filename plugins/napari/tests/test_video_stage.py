"""Recordings in a real window: opened, exchanged, left and found again; by the panel, by napari, or not at all."""

import os

import numpy as np
import pytest
from clips_for_panel import damage, number_in, write_clip
from napari.components import ViewerModel
from napari_vp_science.reader import napari_get_reader
from napari_vp_science.sample import sample_fly
from napari_vp_science.state import PanelState
from napari_vp_science.video import stage as stage_module
from napari_vp_science.video.layer_data import LayerData
from napari_vp_science.video.stage import Stage

import vp_science as vp

WAIT_MS = 20_000


@pytest.fixture
def clips(tmp_path):
    return [write_clip(tmp_path / f"{name}.mp4", num_frames=n) for name, n in (("a", 120), ("b", 60), ("c", 30))]


@pytest.fixture
def stage(qtbot):
    """A stage on a viewer without its window: layers are sliced as in one, nothing is painted."""
    made = Stage(PanelState(ViewerModel()))
    yield made
    made.close_view()
    made.state.viewer.layers.clear()


@pytest.fixture
def viewer(make_napari_viewer):
    """A viewer with its window."""
    return make_napari_viewer()


@pytest.fixture
def stage_in_window(viewer):
    made = Stage(PanelState(viewer))
    yield made
    made.close_view()


def drawn_number(layer):
    """The number that the picture says which napari drew last."""
    return number_in(layer._slice.image.raw)


def show(stage, qtbot, name, path, **how):
    with qtbot.waitSignal(stage.opened, timeout=WAIT_MS, check_params_cb=lambda shown: shown == name):
        if how:
            stage.show_moment(name, path, **how)
        else:
            stage.show(name, path)
    qtbot.waitUntil(lambda: stage.link.exact, timeout=WAIT_MS)


def test_every_jump_ends_with_the_right_picture(stage, clips, qtbot):
    show(stage, qtbot, "a", clips[0])
    state = stage.state
    assert (state.current, len(state.time_s), state.link) == ("a", 120, stage.link)
    assert stage.layer.metadata == {"vp_science": {"path": str(clips[0])}}
    assert state.viewer.dims.axis_labels == ("frame", "y", "x")
    for frame in (119, 3, 78, 79, 78, 41, 0):
        stage.link.go(frame)
        qtbot.waitUntil(lambda: stage.link.exact, timeout=WAIT_MS)
        assert stage.link.frame == frame
        assert drawn_number(stage.layer) == frame


def test_nothing_is_current_until_a_recording_is_open(stage, clips, qtbot):
    heard = []
    stage.state.recording_changed.connect(heard.append)
    show(stage, qtbot, "a", clips[0])
    stage.show("b", clips[1])
    assert (stage.state.current, len(stage.state.time_s), stage.link.num_frames) == ("", 0, 0)
    qtbot.waitUntil(lambda: stage.state.current == "b", timeout=WAIT_MS)
    assert heard == ["", "a", "", "b"]


def test_recordings_are_left_and_found_where_they_were(stage, clips, qtbot):
    show(stage, qtbot, "a", clips[0])
    stage.link.go(100)
    show(stage, qtbot, "b", clips[1], time_s=1.0)
    assert stage.link.frame == 25
    heard = []
    stage.state.recording_changed.connect(heard.append)
    stage.show("a", clips[0])  # still open: at once
    assert (stage.state.current, stage.link.frame, heard) == ("a", 100, ["a"])
    qtbot.waitUntil(lambda: stage.link.exact, timeout=WAIT_MS)
    assert drawn_number(stage.layer) == 100
    assert len(stage.state.viewer.layers) == 1
    stage.show_moment("a", clips[0], 2.0)
    assert stage.link.frame == 50


def test_only_a_few_recordings_stay_open(stage, clips, qtbot, monkeypatch):
    monkeypatch.setattr(stage_module, "MOST_OPEN", 2)
    show(stage, qtbot, "a", clips[0])
    first = stage.decoder
    show(stage, qtbot, "b", clips[1])
    show(stage, qtbot, "c", clips[2])
    assert first.desk.join(20)
    show(stage, qtbot, "a", clips[0])
    assert stage.decoder is not first


def test_going_from_one_to_the_next_while_they_open_ends_with_the_last(stage, clips, qtbot):
    for name, path in zip("abc", clips, strict=True):
        stage.show(name, path)
    qtbot.waitUntil(lambda: stage.state.current == "c" and stage.link.exact, timeout=WAIT_MS)
    assert stage.link.num_frames == 30
    assert stage.layer.name == "c"


@pytest.mark.parametrize("event", ["deleted", "cut"])
def test_a_file_that_vanishes_while_it_is_shown(stage, clips, qtbot, event):
    show(stage, qtbot, "a", clips[0])
    if event == "deleted":
        clips[0].unlink()
    else:
        os.truncate(clips[0], 500)
    with qtbot.waitSignal(stage.failed, timeout=WAIT_MS) as caught:
        stage.link.go(119)
    assert caught.args[0] == "a"
    assert "no such file" in caught.args[1] or "found it changed" in caught.args[1]
    assert stage.link.frame == 119
    assert not stage.link.exact
    if event == "deleted":
        write_clip(clips[0], num_frames=120)
        stage.reopen(clips[0])
        qtbot.waitUntil(lambda: stage.link.exact, timeout=WAIT_MS)
        assert (stage.link.frame, drawn_number(stage.layer)) == (119, 119)


def test_what_cannot_be_opened_is_told_and_may_come_right(stage, tmp_path, clips, qtbot):
    path = tmp_path / "later.mp4"
    path.write_bytes(b"not yet a video")
    with qtbot.waitSignal(stage.failed, timeout=WAIT_MS) as caught:
        stage.show("later", path)
    assert "expected a video" in caught.args[1]
    assert stage.state.current == ""
    path.unlink()
    write_clip(path, num_frames=20)
    show(stage, qtbot, "later", path)
    assert stage.link.num_frames == 20


def test_a_damaged_frame_is_said_to_be_damaged(stage, clips, qtbot):
    damage(clips[0], 50)
    expected = list(vp.open_recording(clips[0]).decode(np.arange(120)))
    assert expected[50].damaged
    show(stage, qtbot, "a", clips[0])
    for frame in (50, 49, 55, 110):
        stage.link.go(frame)
        qtbot.waitUntil(lambda: stage.link.exact, timeout=WAIT_MS)
        drawn = stage.link.on_screen
        assert (drawn.frame, drawn.shown_index, drawn.damaged) == (
            frame,
            expected[frame].shown_index,
            expected[frame].damaged,
        )


def test_a_slow_recording_is_told_once(stage, clips, qtbot, monkeypatch):
    monkeypatch.setattr(stage_module, "SLOW_S", 0.0)
    monkeypatch.setattr("vp_science.video.viewing._MANY", 16)
    told = []
    stage.slow.connect(lambda *facts: told.append(facts))
    show(stage, qtbot, "a", clips[0])
    for frame in (119, 50, 90):
        stage.link.go(frame)
        qtbot.waitUntil(lambda: stage.link.exact, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: bool(told), timeout=WAIT_MS)
    show(stage, qtbot, "b", clips[1])
    stage.show("a", clips[0])
    assert [name for name, _ in told].count("a") == 1
    assert told[0][1] > 0


def test_the_copy_for_viewing_is_shown_after_reopening(stage, clips, qtbot, tmp_path):
    stage.state.use_session(vp.sessions.open_session(tmp_path / "session"))
    stage.state.session.add(clips[0])
    show(stage, qtbot, "a", clips[0])
    stage.link.go(77)
    from vp_science.sessions.worker import Reporter, run_job

    cache = stage.state.session.subfolder("cache")
    run_job("reencode", {"path": str(clips[0]), "cache_folder": str(cache)}, Reporter(lambda event: None))
    stage.reopen(clips[0])
    qtbot.waitUntil(lambda: stage.link.exact, timeout=WAIT_MS)
    assert stage.decoder.source.shows_copy
    assert (stage.state.current, stage.link.frame, drawn_number(stage.layer)) == ("a", 77, 77)
    stage.state.close_session()


def test_removing_the_layer_ends_the_recording(stage, clips, qtbot):
    show(stage, qtbot, "a", clips[0])
    decoder = stage.decoder
    stage.state.viewer.layers.clear()
    assert decoder.desk.join(20)
    assert (stage.state.current, stage.link.num_frames, stage.layer) == ("", 0, None)
    show(stage, qtbot, "a", clips[0])
    assert stage.state.current == "a"


def test_a_recording_taken_out_of_the_session_is_not_shown_any_more(stage, clips, qtbot, tmp_path):
    state = stage.state
    state.use_session(vp.sessions.open_session(tmp_path / "session"))
    state.session.add(clips[0])
    show(stage, qtbot, "a", clips[0])
    state.session.remove("a")
    state.session_changed.emit()
    assert (state.current, len(state.viewer.layers)) == ("", 0)
    state.close_session()


# ---- napari alone


def test_a_dropped_file_scrubs_without_the_panel(viewer, clips, qtbot):
    (layer,) = viewer.open(clips[0], plugin="napari-vp-science")
    assert isinstance(layer.data, LayerData)
    qtbot.waitUntil(lambda: layer.data.shape == (120, 48, 128, 3), timeout=WAIT_MS)
    for frame in (110, 39, 40):
        viewer.dims.set_current_step(0, frame)
        qtbot.waitUntil(lambda wanted=frame: drawn_number(layer) == wanted, timeout=WAIT_MS)
    desk = layer.data.decoder.desk
    viewer.layers.remove(layer)
    assert desk.join(20)


def test_the_panel_takes_over_what_napari_opened(viewer, stage_in_window, clips, qtbot):
    stage = stage_in_window
    first, second = viewer.open(clips[:2], plugin="napari-vp-science", stack=False)
    assert stage.adopt(first) == clips[0]
    assert stage.adopt(second) == clips[1]
    assert stage.adopt(viewer.add_image(np.zeros((5, 5)))) is None
    opened = first.data.decoder
    show(stage, qtbot, "a", clips[0])
    assert stage.decoder is opened
    assert stage.layer is first
    assert second not in viewer.layers
    show(stage, qtbot, "b", clips[1])
    assert (stage.layer, stage.layer.name) == (first, "b")


def test_a_file_that_is_no_video_leaves_no_layer(viewer, tmp_path, qtbot, monkeypatch):
    said = []
    monkeypatch.setattr("napari.utils.notifications.show_error", said.append)
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"nothing in here")
    viewer.open(path, plugin="napari-vp-science")
    qtbot.waitUntil(lambda: len(viewer.layers) == 0, timeout=WAIT_MS)
    assert "expected a video" in said[0]


def test_without_a_window_the_reader_gives_exact_frames(clips, qtbot, monkeypatch):
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    ((data, options, kind),) = napari_get_reader(str(clips[0]))(str(clips[0]))
    assert (kind, options["name"], data.shape) == ("image", "a.mp4", (120, 48, 128, 3))
    assert options["metadata"] == {"vp_science": {"path": str(clips[0])}}
    assert number_in(data[77]) == 77
    data.decoder.close()


def test_without_a_window_what_cannot_be_read_is_an_error(tmp_path, monkeypatch, qtbot):
    monkeypatch.setattr("napari.current_viewer", lambda: None)
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"nothing in here")
    with pytest.raises(vp.VPScienceError, match="expected a video"):
        napari_get_reader(str(path))(str(path))


def test_the_sample(viewer, qtbot):
    (layer,) = viewer.open_sample("napari-vp-science", "courting-fly")
    qtbot.waitUntil(lambda: layer.data.shape[0] == 3000, timeout=WAIT_MS)
    assert sample_fly.__doc__


@pytest.mark.parametrize("name", ["notes.txt", "a.embeddings.h5", "fake.h5", "picture.png", "nothing.nwb"])
def test_what_is_no_recording_is_declined(tmp_path, name):
    path = tmp_path / name
    if name != "nothing.nwb":
        path.write_bytes(b"\x89HDF\r\n\x1a\n" if name == "a.embeddings.h5" else b"text")
    assert napari_get_reader(str(path)) is None


def test_what_looks_like_a_recording_is_taken(tmp_path):
    hdf5 = tmp_path / "a.h5"
    hdf5.write_bytes(b"\x89HDF\r\n\x1a\n...")
    assert napari_get_reader(str(hdf5)) is not None
    assert napari_get_reader(["x.MP4", "y.avi"]) is not None
    assert napari_get_reader("stack.tif") is not None  # when it is asked for
    assert napari_get_reader(["x.mp4", "notes.txt"]) is None
    assert napari_get_reader([]) is None
