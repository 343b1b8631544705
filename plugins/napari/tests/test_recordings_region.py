"""Regions of interest: rectangles and whole pixels, the layer that people draw in, what the session keeps."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from napari_vp_science.background import Background
from napari_vp_science.recordings.region import (
    LAYER,
    LEAST_SIDE,
    rectangle_of_region,
    region_of_rectangle,
    region_words,
)
from napari_vp_science.recordings.region_box import RegionBox
from recordings_for_panel import make_state, show

import vp_science as vp

SIZE = (64, 48)
_numbers = st.floats(-200, 200, allow_nan=False)


@given(st.integers(0, 48), st.integers(0, 32), st.integers(16, 64), st.integers(16, 48))
def test_regions_survive_the_way_there_and_back(x, y, width, height):
    region = (x, y, min(width, 64 - x), min(height, 48 - y))
    assert region_of_rectangle(rectangle_of_region(region), SIZE) == region


@given(_numbers, _numbers, _numbers, _numbers)
def test_any_rectangle_gives_a_region_that_embed_takes(top, left, bottom, right):
    region = region_of_rectangle(np.array([[top, left], [top, right], [bottom, right], [bottom, left]]), SIZE)
    if region is None:
        assert (
            min(top, bottom) >= 47.5 or min(left, right) >= 63.5 or max(top, bottom) <= -0.5 or max(left, right) <= -0.5
        )
        return
    assert min(region[2:]) >= LEAST_SIDE
    vp.Preprocess(crop=region).geometry(*SIZE)


def test_clipped_turned_and_tiny_rectangles():
    whole = np.array([[-10, -10], [-10, 90], [90, 90], [90, -10]])
    assert region_of_rectangle(whole, SIZE) == (0, 0, 64, 48)
    turned = np.array([[20.5, 9.5], [9.5, 30.5], [20.5, 51.5], [31.5, 30.5]])
    assert region_of_rectangle(turned, SIZE) == (10, 10, 42, 22)
    tiny = rectangle_of_region((62, 46, 1, 1))
    assert region_of_rectangle(tiny, SIZE) == (48, 32, 16, 16)
    with_time = np.column_stack([np.full(4, 7.0), rectangle_of_region((4, 6, 20, 18))])
    assert region_of_rectangle(with_time, SIZE) == (4, 6, 20, 18)
    assert region_of_rectangle(tiny, (10, 12)) is None
    assert region_of_rectangle(rectangle_of_region((2, 2, 3, 3)), (10, 12)) == (0, 0, 10, 12)
    assert region_words((4, 6, 20, 18)) == "20 x 18 pixels, 4 from the left, 6 from the top"


@pytest.fixture
def box(qtbot, tmp_path):
    state = make_state(tmp_path, "a", "b")
    made = RegionBox(state, Background())
    qtbot.addWidget(made)
    show(state, "a")
    made.recording_changed()
    made.state = state
    yield made
    made.close_view()
    state.close_session()


def rectangles(box):
    return box.state.viewer.layers[LAYER].data


def test_a_drawn_rectangle_becomes_the_region(qtbot, box):
    box.draw()
    layer = box.state.viewer.layers[LAYER]
    assert layer.mode == "add_rectangle"
    layer.add_rectangles([rectangle_of_region((4, 6, 20, 18)) + 0.2])
    qtbot.waitUntil(lambda: box.region_of("a") == (4, 6, 20, 18))
    assert "20 x 18 pixels" in box.text.text()
    assert layer.mode == "select"
    assert np.allclose(rectangles(box)[0], rectangle_of_region((4, 6, 20, 18))), "it snaps to whole pixels"
    layer.add_rectangles([rectangle_of_region((0, 0, 30, 30))])
    qtbot.waitUntil(lambda: box.region_of("a") == (0, 0, 30, 30))
    assert len(rectangles(box)) == 1, "the last one counts"
    assert box.state.session.settings["regions"] == {"a": [0, 0, 30, 30]}


def test_nothing_counts_while_the_mouse_is_down(qtbot, box):
    from types import SimpleNamespace

    box.draw()
    layer = box.state.viewer.layers[LAYER]
    mouse = SimpleNamespace(type="mouse_press")
    drag = box._layer._dragged(layer, mouse)
    next(drag)
    layer.add_rectangles([rectangle_of_region((4, 6, 20, 18))])
    mouse.type = "mouse_move"
    next(drag)
    box._layer._settle()
    assert box.region_of("a") is None
    mouse.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(drag)
    qtbot.waitUntil(lambda: box.region_of("a") == (4, 6, 20, 18))


def test_a_rectangle_outside_of_the_frame_is_none(qtbot, box):
    box.draw()
    box.state.viewer.layers[LAYER].add_rectangles([rectangle_of_region((100, 100, 20, 18))])
    qtbot.waitUntil(lambda: len(rectangles(box)) == 0)
    assert box.region_of("a") is None


def test_removing_by_button_and_by_hand(qtbot, box):
    box.set_region((4, 6, 20, 18))
    box.draw()
    assert len(rectangles(box)) == 1
    box.set_region(None)
    assert LAYER not in box.state.viewer.layers
    assert box.region_of("a") is None
    box.set_region((4, 6, 20, 18))
    box.draw()
    box.state.viewer.layers.remove(LAYER)
    assert box.region_of("a") is None
    box.draw()
    assert LAYER in box.state.viewer.layers


def test_every_recording_has_its_own_region(box):
    box.set_region((4, 6, 20, 18))
    box.draw()
    show(box.state, "b")
    box.recording_changed()
    assert LAYER not in box.state.viewer.layers, "b has none"
    assert "All of the frame" in box.text.text()
    show(box.state, "a")
    box.recording_changed()
    assert "20 x 18" in box.text.text()


def test_one_region_for_all_of_the_same_size(qtbot, box, tmp_path):
    from footage_for_panel import write_video

    box.state.session.add(write_video(tmp_path / "large.mp4", 5, width=96, height=64))
    box.set_region((4, 6, 20, 18))
    with qtbot.waitSignal(box.changed):
        box.use_for_all()
    assert box.region_of("b") == (4, 6, 20, 18)
    assert box.region_of("large") is None


def test_damaged_settings_are_no_region(box):
    for rubbish in ({"a": "x"}, {"a": [1, 2]}, {"a": [1.5, 2, 3, 4]}, ["a"]):
        box.state.session.settings["regions"] = rubbish
        assert box.region_of("a") is None


def test_without_a_recording_drawing_says_so(qtbot, tmp_path):
    state = make_state(tmp_path / "other", "a")
    made = RegionBox(state, Background())
    qtbot.addWidget(made)
    told = []
    state.message.connect(told.append)
    made.draw()
    assert told == ["Show a recording first: a region is drawn on its frame."]
    made.close_view()
    state.close_session()
