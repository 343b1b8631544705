"""Presentation times that do not come from a video container: given by the user, or found in a file."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from vp_science.errors import RecordingError

Number = int | float
TimeValues = Sequence[Number] | np.ndarray

TIMES_ADVICE = "pass --source-fps FPS (source_fps=) or --timestamps (timestamps=)"


def regular_times(num_frames: int, fps: Number, name: object) -> Float64[np.ndarray, " frames"]:
    """Times of a recording at a constant rate, from 0.

    Raises:
        RecordingError: when the rate is not a positive number.
    """
    if not (np.isfinite(fps) and fps > 0):
        raise RecordingError(f"{name}: expected a frame rate above 0, found {fps}: correct --source-fps")
    return np.arange(num_frames, dtype=np.float64) / fps


def checked_times(values: Any, num_frames: int, name: object, origin: str) -> Float64[np.ndarray, " frames"]:
    """Timestamps in seconds as float64, one per frame, finite and strictly increasing.

    Raises:
        RecordingError: naming the first frame that breaks a rule.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or array.ndim != 1 or len(array) != num_frames:
        raise RecordingError(
            f"{name}: expected {num_frames} frame times in {origin}, one number per frame, found shape "
            f"{array.shape} of "
            f"{array.dtype}: {TIMES_ADVICE}"
        )
    times = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        raise RecordingError(
            f"{name}: expected finite frame times in {origin}, found {times[bad[0]]} at frame {bad[0]}: {TIMES_ADVICE}"
        )
    late = np.flatnonzero(np.diff(times) <= 0) + 1
    if len(late):
        i = int(late[0])
        raise RecordingError(
            f"{name}: expected strictly increasing frame times in {origin}, found {times[i]} s at frame {i} after "
            f"{times[i - 1]} s ({len(late)} such frames): correct the times, or {TIMES_ADVICE}"
        )
    return times


def given_times(
    num_frames: int, name: object, source_fps: Number | None, timestamps: TimeValues | None
) -> tuple[Float64[np.ndarray, " frames"], str] | None:
    """Times that the user gave, with their origin; None when none were given.

    Raises:
        RecordingError: when both were given, or they are not valid.
    """
    if source_fps is not None and timestamps is not None:
        raise RecordingError(f"{name}: expected source_fps or timestamps, found both: pass one of them")
    if source_fps is not None:
        return regular_times(num_frames, source_fps, name), f"source_fps={source_fps:g}"
    if timestamps is not None:
        return checked_times(timestamps, num_frames, name, "timestamps"), "timestamps given by the user"
    return None


def needed_times(
    num_frames: int, name: object, source_fps: Number | None, timestamps: TimeValues | None
) -> tuple[Float64[np.ndarray, " frames"], str]:
    """As ``given_times``, for recordings that hold none themselves.

    Raises:
        RecordingError: when none were given, or they are not valid.
    """
    given = given_times(num_frames, name, source_fps, timestamps)
    if given is None:
        raise RecordingError(f"{name}: expected frame times, but the recording holds no frame times: {TIMES_ADVICE}")
    return given


def checked_wanted(frame_index: Int64[np.ndarray, " wanted"], num_frames: int, name: str | os.PathLike[str]) -> None:
    """Refuse frame indices that are out of range or out of order.

    Raises:
        RecordingError: naming the index.
    """
    if len(frame_index) == 0:
        return
    outside = frame_index[(frame_index < 0) | (frame_index >= num_frames)]
    if len(outside):
        raise RecordingError(f"{name}: expected frames 0 to {num_frames - 1}, found frame {outside[0]} asked for")
    if np.any(np.diff(frame_index) <= 0):
        raise RecordingError(f"{name}: expected strictly increasing frame indices to decode, found them out of order")
