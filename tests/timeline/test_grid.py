from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import RecordingError, SettingsError
from vp_science.timeline import grid as grid_module
from vp_science.timeline.grid import SampleGrid, plan_windows

RATES = [
    Fraction(30000, 1001),
    Fraction(1000000, 33333),
    Fraction(1, 5),
    Fraction(2997, 100),
    Fraction(24000, 1001),
    *(Fraction(rate) for rate in (1, 10, 15, 24, 25, 30, 50, 60, 90, 100, 120, 200, 240, 300)),
]


def stamped(rate: Fraction, num_frames: int, ticks_per_s: int, first: int = 0) -> np.ndarray:
    """Presentation times of constant-rate video as a container rounds them, starting at 0 as a reader does."""
    ticks = np.array([round(Fraction(index) / rate * ticks_per_s) for index in range(first, first + num_frames)])
    return (ticks - ticks[0]) / ticks_per_s


@settings(max_examples=200, deadline=None)
@given(
    rate=st.sampled_from(RATES),
    num_frames=st.integers(1, 400),
    ticks_per_s=st.sampled_from([1000, 90000, 12800, 1000000]),
    first=st.integers(0, 10**6),
    divisor=st.integers(1, 7),
)
def test_constant_rate_is_sampled_exactly(rate, num_frames, ticks_per_s, first, divisor):
    times = stamped(rate, num_frames, ticks_per_s, first)
    grid = SampleGrid.from_timestamps(times, float(rate / divisor))
    assert grid.frame_index.tolist() == list(range(0, num_frames, divisor))
    np.testing.assert_allclose(grid.time_s, np.arange(len(grid)) / float(rate / divisor), rtol=0, atol=1e-9)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ticks_per_s", [1000, 90000, 12800, 1000000])
def test_an_hour_does_not_drift(rate, ticks_per_s):
    num_frames = min(100_000, int(rate * 3600) + 1)
    index = np.arange(num_frames)
    times = np.round(index / float(rate) * ticks_per_s) / ticks_per_s
    grid = SampleGrid.from_timestamps(times, float(rate))
    np.testing.assert_array_equal(grid.frame_index, index)


@pytest.mark.parametrize("rate", [29.97, 0.2, 30.0, 1e6 / 33333])
def test_float_times_on_a_wall_clock(rate):
    times = 1.7e9 + np.arange(5000) / rate
    assert SampleGrid.from_timestamps(times, rate).frame_index.tolist() == list(range(5000))


@settings(max_examples=200, deadline=None)
@given(
    gaps=st.lists(st.floats(0.005, 3.0), min_size=0, max_size=60),
    first=st.floats(-100, 100),
    fps=st.floats(0.1, 120),
)
def test_variable_rate_matches_the_definition(gaps, first, fps):
    times = np.cumsum([first, *gaps])
    grid = SampleGrid.from_timestamps(times, fps)
    tolerance = grid_module.TOLERANCE_S + 1e-9
    assert grid.time_s[0] == times[0]
    assert grid.frame_index[0] == 0
    assert grid.time_s[-1] <= times[-1] + tolerance
    assert grid.time_s[-1] + 1 / fps > times[-1]
    assert (np.diff(grid.frame_index) >= 0).all()
    assert (np.diff(grid.time_s) > 0).all()
    for time_s, index in zip(grid.time_s, grid.frame_index, strict=True):
        assert times[index] <= time_s + tolerance
        assert index + 1 == len(times) or times[index + 1] > time_s


def test_a_frame_after_a_long_gap_is_not_shown_early():
    grid = SampleGrid.from_timestamps(np.array([0.0, 0.1, 10.0]), 10.0)
    assert len(grid) == 101
    assert grid.frame_index[:2].tolist() == [0, 1]
    assert set(grid.frame_index[1:100]) == {1}
    assert grid.frame_index[100] == 2


def test_every_frame_keeps_its_own_time():
    times = np.array([0.0, 0.04, 0.09, 5.0])
    grid = SampleGrid.from_timestamps(times)
    assert grid.sample_fps is None
    assert grid.frame_index.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(grid.time_s, times)
    assert not np.shares_memory(grid.time_s, times)


def test_a_finer_grid_repeats_frames():
    grid = SampleGrid.from_timestamps(np.arange(3) / 10, 20.0)
    assert grid.frame_index.tolist() == [0, 0, 1, 1, 2]


def test_one_frame():
    assert SampleGrid.from_timestamps(np.array([7.0]), 25.0).time_s.tolist() == [7.0]


def test_last_presentation_time_is_included():
    assert SampleGrid.from_timestamps(np.array([0.0, 0.5, 1.0]), 1.0).frame_index.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([], r"expected one presentation time per frame, found an array of shape \(0,\): check that"),
        ([0.0, np.nan], r"expected finite presentation times, found nan at frame 1 \(1 in all\): repair"),
        ([0.0, 2.0, 2.0], r"strictly increasing presentation times, found 2 s at frame 2 after 2 s \(1 such places\)"),
    ],
)
def test_bad_times(times, message):
    with pytest.raises(RecordingError, match=message):
        SampleGrid.from_timestamps(np.array(times, dtype=np.float64), 1.0)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_rate(fps):
    with pytest.raises(SettingsError, match=r"expected sample_fps to be a positive number.*found .*: give a positive"):
        SampleGrid.from_timestamps(np.arange(3.0), fps)


def test_tiny_rate():
    with pytest.raises(SettingsError, match="expected a usable sample_fps"):
        SampleGrid.from_timestamps(np.arange(3.0), 5e-324)


def test_absurd_grid_is_refused_before_allocation():
    with pytest.raises(SettingsError, match=r"at most 2\*\*31 grid frames, found about 1e\+13 .*choose a lower"):
        SampleGrid.from_timestamps(np.array([0.0, 1e7]), 1e6)


def test_too_many_frames(monkeypatch):
    monkeypatch.setattr(grid_module, "MAX_GRID", 2)
    with pytest.raises(RecordingError, match=r"found 3: split the recording"):
        SampleGrid.from_timestamps(np.arange(3.0))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_windows_against_brute_force(data):
    num_grid = data.draw(st.integers(1, 200))
    num_frames = data.draw(st.integers(1, 40))
    stride = data.draw(st.integers(1, num_frames))
    windows = plan_windows(num_grid, num_frames, stride)

    start, stop = windows.start, windows.stop
    assert start[0] == 0
    assert stop[-1] == num_grid
    assert (np.diff(start) > 0).all()
    assert (np.diff(start)[:-1] == stride).all()
    assert (stop - start == min(num_frames, num_grid)).all()
    grid = np.arange(num_grid)
    inside = (grid >= start[:, None]) & (grid < stop[:, None])
    assert inside.any(axis=0).all()

    # Twice the distance to the centre, so that ties are exact; argmin takes the earlier window.
    distance = np.abs(2 * grid - (start + stop - 1)[:, None])
    np.testing.assert_array_equal(windows.owner, distance.argmin(axis=0))
    assert inside[windows.owner, grid].all()
    assert (np.diff(windows.owner) >= 0).all()
    assert set(windows.owner) == set(range(len(windows)))
    assert windows.num_grid == num_grid

    for window in range(len(windows)):
        np.testing.assert_array_equal(grid[windows.owned(window)], np.flatnonzero(windows.owner == window))
    first = data.draw(st.integers(0, len(windows) - 1))
    last = data.draw(st.integers(first + 1, len(windows)))
    mine = (windows.owner >= first) & (windows.owner < last)
    np.testing.assert_array_equal(grid[windows.owned(first, last)], np.flatnonzero(mine))


def test_windows_example():
    windows = plan_windows(10, 4, 2)
    assert windows.start.tolist() == [0, 2, 4, 6]
    assert plan_windows(11, 4, 2).start.tolist() == [0, 2, 4, 6, 7]
    assert windows.owner.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3]


def test_a_long_recording_needs_no_table():
    windows = plan_windows(2_000_000, 16, 1)
    assert len(windows) == 2_000_000 - 15
    assert windows.owner[-1] == len(windows) - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4, 2), r"expected 1 to 2\*\*31 grid frames, found 0: check"),
        ((2**31 + 1, 4, 2), r"expected 1 to 2\*\*31 grid frames"),
        ((9, 0, 1), "expected num_frames of at least 1, found 0: give"),
        ((9, 4, 0), "expected a stride from 1 to num_frames = 4, found 0: give a stride in that range"),
        ((9, 4, 5), "expected a stride from 1 to num_frames = 4, found 5"),
    ],
)
def test_bad_windows(arguments, message):
    with pytest.raises(SettingsError, match=message):
        plan_windows(*arguments)


@pytest.mark.parametrize("bad", [(-1, None), (9, None), (2, 2), (0, 99)])
def test_owned_out_of_range(bad):
    with pytest.raises(IndexError, match="expected windows within 0:4"):
        plan_windows(10, 4, 2).owned(*bad)


def test_whole_numbers_are_rates_too():
    assert SampleGrid.from_timestamps(np.arange(5) / 10, 5).frame_index.tolist() == [0, 2, 4]
