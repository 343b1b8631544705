import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vp_science.timeline.grid import SampleGrid
from vp_science.train.data.settings import ClipSettings
from vp_science.train.data.windows import Stretch, draw_window

PLAIN = (1.0, 1.0)


def draw(time_s, num_frames=8, fps=None, speed=PLAIN, anchor=None, stretch=None, seed=0, cover="window"):
    clips = ClipSettings(num_frames=num_frames, fps=fps, cover=cover)
    stretch = stretch or Stretch(0, len(time_s))
    return draw_window(time_s, stretch, clips, num_frames, speed, anchor, np.random.default_rng(seed))


@st.composite
def recordings(draw):
    """Times of variable rate, and a stretch of them."""
    gaps = draw(st.lists(st.floats(0.004, 0.2), min_size=1, max_size=80))
    time_s = np.cumsum(np.array([0.5, *gaps]))
    first = draw(st.integers(0, len(time_s) - 1))
    return time_s, Stretch(first, draw(st.integers(first + 1, len(time_s))))


@given(
    recordings(), st.integers(1, 20), st.sampled_from([None, 5.0, 25.0, 60.0]), st.integers(0, 5), st.data(),
    st.sampled_from([PLAIN, (0.7, 1.3), (2.0, 2.0)]),
)  # fmt: skip
def test_a_window_never_leaves_its_stretch_and_holds_only_its_end(recording, num_frames, fps, seed, data, speed):
    time_s, stretch = recording
    anchor = data.draw(st.none() | st.integers(stretch.first, stretch.stop - 1))
    window = draw(time_s, num_frames, fps, speed, anchor, stretch, seed)
    assert len(window.frame_index) == len(window.time_s) == len(window.valid) == num_frames
    assert (window.frame_index >= stretch.first).all()
    assert (window.frame_index < stretch.stop).all()
    assert (np.diff(window.frame_index) >= 0).all()
    assert (np.diff(window.time_s) > 0).all()
    held = np.flatnonzero(~window.valid)
    assert window.valid[0]
    assert (np.diff(held) == 1).all()
    if len(held):
        assert held[-1] == num_frames - 1
        assert len(set(window.frame_index[held[0] :].tolist())) == 1
        assert window.frame_index[0] == stretch.first or anchor is not None
    if anchor is not None and fps is None and speed == PLAIN:
        assert anchor in window.frame_index


@given(recordings(), st.integers(2, 12), st.sampled_from([5.0, 25.0]), st.integers(0, 9))
def test_frames_are_those_on_screen_at_the_times_of_the_grid(recording, num_frames, fps, seed):
    time_s, stretch = recording
    window = draw(time_s, num_frames, fps, stretch=stretch, seed=seed)
    start = int(window.frame_index[0])
    grid = SampleGrid.from_timestamps(time_s[start : stretch.stop], fps)
    count = int(window.valid.sum())
    np.testing.assert_array_equal(window.frame_index[:count], start + grid.frame_index[:count])
    np.testing.assert_allclose(window.time_s, time_s[start] + np.arange(num_frames) / fps)


@pytest.mark.parametrize(
    ("speed", "expected"), [(1.0, [0, 1, 2, 3, 4]), (1.5, [0, 1, 3, 4, 6]), (0.5, [0, 0, 1, 1, 2])]
)
def test_speed_takes_other_source_frames(speed, expected):
    time_s = np.arange(40) / 25.0
    window = draw(time_s, 5, None, (speed, speed))
    np.testing.assert_array_equal(window.frame_index - window.frame_index[0], expected)
    on_grid = draw(time_s, 5, 25.0, (speed, speed))
    np.testing.assert_array_equal(on_grid.frame_index - on_grid.frame_index[0], expected)
    np.testing.assert_allclose(np.diff(on_grid.time_s), speed / 25)


def test_speed_is_random_in_its_range_and_slows_down_where_a_recording_is_short():
    time_s = np.arange(400) / 25.0
    paces = [float(np.diff(draw(time_s, 5, 25.0, (0.7, 1.3), seed=seed).time_s)[0]) * 25 for seed in range(300)]
    assert 0.7 <= min(paces) < 0.75
    assert 1.23 < max(paces) <= 1.3
    assert abs(float(np.mean(np.log(paces))) - np.log(0.7 * 1.3) / 2) < 0.05
    short = time_s[:9]  # 8 frames at a speed of 8 / 7 at most
    windows = [draw(short, 8, None, (0.7, 1.3), seed=seed) for seed in range(50)]
    assert all(window.valid.all() for window in windows)
    slow = draw(time_s, 5, None, (0.5, 0.5))
    np.testing.assert_allclose(np.diff(slow.time_s), 0.02)
    np.testing.assert_array_equal(draw(short, 8, None, (2.0, 2.0)).valid, [True] * 5 + [False] * 3)


def test_every_start_is_as_likely():
    starts = [int(draw(np.arange(12) / 10.0, 4, None, seed=seed).frame_index[0]) for seed in range(1800)]
    counts = np.bincount(starts, minlength=9)
    assert len(counts) == 9
    assert counts.min() > 140  # of 200


def test_an_anchor_stands_anywhere_in_the_window():
    time_s = np.arange(100) / 10.0
    for fps in (None, 10.0):
        places = [50 - int(draw(time_s, 6, fps, anchor=50, seed=seed).frame_index[0]) for seed in range(300)]
        assert sorted(set(places)) == [0, 1, 2, 3, 4, 5]


def test_whole_spreads_frames_over_the_stretch():
    time_s = np.arange(100) / 10.0
    window = draw(time_s, 5, None, stretch=Stretch(20, 70), cover="whole")
    np.testing.assert_allclose(np.diff(window.time_s), 1.0)
    assert 2.0 <= window.time_s[0] < 3.0
    assert window.frame_index[-1] < 70
    np.testing.assert_array_equal(window.frame_index, np.floor(window.time_s * 10 + 1e-9))
    phases = [draw(time_s, 5, stretch=Stretch(20, 70), cover="whole", seed=seed).time_s[0] for seed in range(50)]
    assert max(phases) > 2.8


def test_one_frame_recordings_and_pictures():
    window = draw(np.array([3.0]), 4, None)
    np.testing.assert_array_equal(window.frame_index, 0)
    np.testing.assert_array_equal(window.valid, [True, False, False, False])
    for cover in ("window", "whole"):
        np.testing.assert_array_equal(draw(np.array([0.0]), 1, None, cover=cover).valid, [True])


def test_stretches_by_time():
    time_s = np.arange(10) / 10.0
    assert Stretch.between(time_s, None, None) == Stretch(0, 10)
    assert Stretch.between(time_s, 0.2, 0.5) == Stretch(2, 5)
    assert Stretch.between(time_s, 0.25, 0.26) == Stretch(3, 4)
    assert Stretch.between(time_s, 5.0, 6.0) == Stretch(9, 10)
