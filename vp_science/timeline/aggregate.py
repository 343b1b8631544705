"""Scores of windows become scores of grid frames, and those become scores of source frames."""

import numpy as np
from jaxtyping import Float, Float32, Float64, Int

from vp_science.errors import ProbeError


def windows_to_frames(
    scores: Float[np.ndarray, "window behavior"],
    start: Int[np.ndarray, " window"],
    stop: Int[np.ndarray, " window"],
    num_grid: int,
) -> Float32[np.ndarray, "grid behavior"]:
    """Every grid frame takes the mean over all windows that contain it.

    The cost does not depend on how much windows overlap. A window without a score (NaN) is left out of the mean; a
    frame that only such windows, or none, contain is NaN.

    Args:
        scores: of every window.
        start: first grid frame of every window.
        stop: one past the last grid frame of every window.
        num_grid: number of grid frames.

    Raises:
        ProbeError: when a window is empty or reaches beyond the grid, or a score is infinite.
    """
    if len(wrong := np.flatnonzero((start < 0) | (stop <= start) | (stop > num_grid))):
        window = int(wrong[0])
        raise ProbeError(
            f"expected windows within the {num_grid} grid frames, found window {window} at {start[window]} to "
            f"{stop[window]} ({len(wrong)} such): use the windows of the same track"
        )
    if np.isinf(scores).any():
        raise ProbeError("expected finite window scores (or NaN for unknown), found an infinite one: check the probe")
    known = np.isfinite(scores)
    values = np.where(known, scores, 0).astype(np.float64)
    total, count = (_spread(each, start, stop, num_grid) for each in (values, known.astype(np.float64)))
    count = np.rint(count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
    if len(scores):
        # Running sums round: a mean never leaves the range of what it is the mean of.
        lowest = np.where(known, scores, np.inf).min(axis=0)
        highest = np.where(known, scores, -np.inf).max(axis=0)
        mean = np.where(count > 0, np.clip(mean, lowest, highest), np.nan)
    return mean.astype(np.float32)


def _spread(
    values: Float64[np.ndarray, "window behavior"],
    start: Int[np.ndarray, " window"],
    stop: Int[np.ndarray, " window"],
    num_grid: int,
) -> Float64[np.ndarray, "grid behavior"]:
    """For every grid frame the sum over the windows that contain it."""
    change = np.zeros((num_grid + 1, values.shape[1]))
    np.add.at(change, start, values)
    np.subtract.at(change, stop, values)
    return np.asarray(np.cumsum(change, axis=0)[:-1])


def to_frames(
    scores: Float[np.ndarray, "grid behavior"],
    grid_time_s: Float64[np.ndarray, " grid"],
    frame_time_s: Float64[np.ndarray, " frame"],
) -> Float32[np.ndarray, "frame behavior"]:
    """Scores at other times: linear between grid frames, held before the first and after the last.

    Between a grid frame with a score and one without (NaN), the score is held; a frame is unknown only where every
    grid frame beside it is. A frame exactly at a grid time takes its score alone, also where that is unknown.

    Args:
        scores: at the grid frames.
        grid_time_s: times of the grid frames in seconds, strictly increasing.
        frame_time_s: times that are wanted in seconds, in any order.

    Raises:
        ProbeError: when there is no grid frame, or its times do not increase.
    """
    if len(grid_time_s) == 0 or not (np.diff(grid_time_s) > 0).all():
        raise ProbeError(f"expected strictly increasing grid times, found {len(grid_time_s)} times that are not")
    after = np.searchsorted(grid_time_s, frame_time_s, side="left").clip(0, len(grid_time_s) - 1)
    exact = frame_time_s >= grid_time_s[after]  # also beyond the last
    before = np.where(exact, after, np.maximum(after - 1, 0))
    span = np.where(before < after, grid_time_s[after] - grid_time_s[before], 1.0)
    share = np.where(before < after, (frame_time_s - grid_time_s[before]) / span, 0.0)[:, None]
    first, second = scores[before].astype(np.float64), scores[after].astype(np.float64)
    between = first * (1 - share) + second * share
    return np.where(np.isnan(first), second, np.where(np.isnan(second), first, between)).astype(np.float32)
