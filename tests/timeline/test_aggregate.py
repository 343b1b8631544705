import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import ProbeError
from vp_science.timeline.aggregate import to_frames, windows_to_frames
from vp_science.timeline.grid import plan_windows


@settings(max_examples=60, deadline=None)
@given(
    num_grid=st.integers(1, 120),
    num_frames=st.integers(1, 20),
    stride=st.integers(1, 20),
    unknown=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_frames_take_the_mean_of_the_windows_that_contain_them(num_grid, num_frames, stride, unknown, seed):
    rng = np.random.default_rng(seed)
    windows = plan_windows(num_grid, num_frames, min(stride, num_frames))
    scores = rng.random((len(windows), 3)).astype(np.float32)
    scores[rng.random(scores.shape) < unknown] = np.nan
    found = windows_to_frames(scores, windows.start, windows.stop, num_grid)
    for frame in range(num_grid):
        covering = scores[(windows.start <= frame) & (windows.stop > frame)]
        for column in range(3):
            values = covering[:, column][np.isfinite(covering[:, column])]
            expected = values.mean(dtype=np.float64) if len(values) else np.nan
            np.testing.assert_allclose(found[frame, column], expected, rtol=1e-6)


def test_equal_windows_give_exactly_their_score():
    windows = plan_windows(5000, 16, 1)
    scores = np.full((len(windows), 1), 0.1, np.float32)
    assert (windows_to_frames(scores, windows.start, windows.stop, 5000) == np.float32(0.1)).all()


def test_frames_without_windows_are_unknown():
    found = windows_to_frames(np.ones((1, 1), np.float32), np.array([1]), np.array([3]), 5)
    np.testing.assert_array_equal(found[:, 0], [np.nan, 1, 1, np.nan, np.nan])


@pytest.mark.parametrize(("start", "stop"), [([-1], [2]), ([2], [2]), ([0], [6])])
def test_windows_beyond_the_grid_are_refused(start, stop):
    with pytest.raises(ProbeError, match="expected windows within the 5 grid frames, found window 0"):
        windows_to_frames(np.ones((1, 1), np.float32), np.array(start), np.array(stop), 5)


def test_infinite_scores_are_refused():
    with pytest.raises(ProbeError, match="infinite"):
        windows_to_frames(np.full((1, 1), np.inf, np.float32), np.array([0]), np.array([1]), 1)


@settings(max_examples=100, deadline=None)
@given(num_grid=st.integers(1, 30), num_frames=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
def test_known_scores_are_interpolated_as_numpy_does(num_grid, num_frames, seed):
    rng = np.random.default_rng(seed)
    grid_time_s = np.cumsum(rng.random(num_grid) + 1e-3)
    frame_time_s = rng.random(num_frames) * (grid_time_s[-1] + 2) - 1
    scores = rng.random((num_grid, 2)).astype(np.float32)
    found = to_frames(scores, grid_time_s, frame_time_s)
    for column in range(2):
        np.testing.assert_allclose(
            found[:, column], np.interp(frame_time_s, grid_time_s, scores[:, column]), rtol=0, atol=1e-6
        )


def test_grid_times_keep_their_scores_exactly():
    rng = np.random.default_rng(0)
    time_s = np.arange(1000) / 29.97
    scores = rng.random((1000, 2)).astype(np.float32)
    scores[::7] = np.nan
    np.testing.assert_array_equal(to_frames(scores, time_s, time_s), scores)


def test_unknown_spreads_only_between_unknown_grid_frames():
    nan = np.nan
    scores = np.array([[nan], [0.2], [nan], [nan], [0.8]], np.float32)
    times = np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 9.0])
    found = to_frames(scores, np.arange(5.0), times)[:, 0]
    expected = [nan, nan, 0.2, 0.2, 0.2, nan, nan, nan, 0.8, 0.8, 0.8]
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_grid_times_must_increase():
    with pytest.raises(ProbeError, match="strictly increasing grid times"):
        to_frames(np.ones((2, 1), np.float32), np.array([1.0, 1.0]), np.array([0.0]))
