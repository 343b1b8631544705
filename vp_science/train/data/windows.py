"""Windows: which source frames a clip shows, and at which times.

A clip never leaves its stretch (the recording, a captioned part, a stretch in which an animal is seen). Where the
stretch is too short, its last frame is held until the clip is full, and those frames are not valid.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vp_science.timeline.grid import SampleGrid
from vp_science.train.data.settings import ClipSettings

Times = Float64[np.ndarray, " frames"]
_SLACK_S, _SLACK = 1e-6, 1e-9


@dataclass(frozen=True, eq=False)
class Window:
    """The frames of one clip.

    Attributes:
        frame_index: source frames, never decreasing; they repeat where the grid is finer than the recording.
        time_s: of the frames on the clip's grid, strictly increasing.
        valid: False where the last frame is held.
    """

    frame_index: Int64[np.ndarray, " t"]
    time_s: Float64[np.ndarray, " t"]
    valid: Bool[np.ndarray, " t"]


@dataclass(frozen=True)
class Stretch:
    """A part of a recording that clips are cut from, as source frames ``first`` to ``stop`` (exclusive)."""

    first: int
    stop: int

    @classmethod
    def between(cls, time_s: Times, start_s: float | None, stop_s: float | None) -> "Stretch":
        """The frames that begin in ``[start_s, stop_s)``; None is the end of the recording. At least one frame."""
        first = 0 if start_s is None else int(np.searchsorted(time_s, start_s - _SLACK_S))
        first = min(first, len(time_s) - 1)
        stop = len(time_s) if stop_s is None else int(np.searchsorted(time_s, stop_s - _SLACK_S))
        return cls(first, max(stop, first + 1))


def draw_window(
    time_s: Times,
    stretch: Stretch,
    clips: ClipSettings,
    num_frames: int,
    speed: tuple[float, float],
    anchor: int | None,
    rng: np.random.Generator,
) -> Window:
    """A random window.

    Args:
        time_s: presentation times of the recording.
        stretch: what the window lies in.
        clips: rate, and what a clip covers.
        num_frames: of the clip; 1 for pictures.
        speed: slowest and fastest. The logarithm is uniform: twice as fast is as likely as half as fast. What does not
            fit into the stretch at its speed is slowed down as far as the range allows.
        anchor: a source frame that the window shows, at a random place in it; None: anywhere in the stretch.
        rng: draws place and speed.
    """
    pace = float(np.exp(rng.uniform(np.log(speed[0]), np.log(speed[1])))) if speed[0] < speed[1] else speed[0]
    if clips.cover == "whole":
        return _spread(time_s, stretch, num_frames, float(rng.uniform()))
    pace = max(min(pace, _fitting_pace(time_s, stretch, clips.fps, num_frames)), min(speed[0], pace))
    last = _last_start(time_s, stretch, clips.fps, num_frames, pace)
    low, high = stretch.first, last
    if anchor is not None:
        high = min(high, anchor)
        low = max(low, min(_earliest_with(time_s, anchor, clips.fps, num_frames, pace), high))
    start = int(rng.integers(low, high + 1))
    if clips.fps is None:
        return _every_frame(time_s, stretch, start, num_frames, pace)
    return _on_grid(time_s, stretch, start, clips.fps / pace, num_frames)


def _fitting_pace(time_s: Times, stretch: Stretch, fps: float | None, num_frames: int) -> float:
    """The fastest at which a clip fits into a stretch."""
    if num_frames == 1:
        return float("inf")
    if fps is None:
        return (stretch.stop - 1 - stretch.first) / (num_frames - 1)
    return float(time_s[stretch.stop - 1] - time_s[stretch.first]) * fps / (num_frames - 1)


def _last_start(time_s: Times, stretch: Stretch, fps: float | None, num_frames: int, pace: float) -> int:
    """The last source frame at which a clip can begin and still be full; the first one where none can."""
    if fps is None:
        last = stretch.stop - 1 - _steps(num_frames - 1, pace)
    else:
        until = time_s[stretch.stop - 1] - (num_frames - 1) * pace / fps + _SLACK_S
        last = int(np.searchsorted(time_s, until, side="right")) - 1
    return max(stretch.first, last)


def _earliest_with(time_s: Times, anchor: int, fps: float | None, num_frames: int, pace: float) -> int:
    """The first source frame from which a clip still reaches the anchor."""
    if fps is None:
        return anchor - _steps(num_frames - 1, pace)
    reach = (num_frames - 1) * pace / fps
    return int(np.searchsorted(time_s, time_s[anchor] - reach - _SLACK_S))


def _steps(grid: int, pace: float) -> int:
    return int(np.floor(grid * pace + _SLACK))


def _every_frame(time_s: Times, stretch: Stretch, start: int, num_frames: int, pace: float) -> Window:
    """Source frames themselves; at another speed some repeat or are left out, and times lie between theirs."""
    place = start + np.arange(num_frames) * pace
    wanted = np.floor(place + _SLACK).astype(np.int64)
    step = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
    beyond = np.maximum(place - (len(time_s) - 1), 0) * step
    times = np.interp(place, np.arange(len(time_s)), time_s) + beyond
    return Window(np.minimum(wanted, stretch.stop - 1), times, wanted < stretch.stop)


def _on_grid(time_s: Times, stretch: Stretch, start: int, rate: float, num_frames: int) -> Window:
    """The grid of the package, laid from the first frame of the clip."""
    grid = SampleGrid.from_timestamps(time_s[start : stretch.stop], rate)
    count = min(len(grid), num_frames)
    held = np.minimum(np.arange(num_frames), count - 1)
    times = time_s[start] + np.arange(num_frames) / rate
    return Window(start + grid.frame_index[held], times, np.arange(num_frames) < count)


def _spread(time_s: Times, stretch: Stretch, num_frames: int, phase: float) -> Window:
    """Evenly over the stretch, each frame at the same random place in its share."""
    begin = float(time_s[stretch.first])
    ahead = time_s[stretch.first : stretch.stop + 1] if stretch.stop < len(time_s) else time_s[stretch.first :]
    extent = float(ahead[-1]) - begin
    if stretch.stop >= len(time_s):  # the last frame lasts, too
        extent += float(np.median(np.diff(time_s))) if len(time_s) > 1 else 1.0
    times = begin + (np.arange(num_frames) + phase) / num_frames * extent
    shown = np.searchsorted(time_s, times, side="right") - 1
    shown = np.clip(shown, stretch.first, stretch.stop - 1).astype(np.int64)
    return Window(shown, times, np.ones(num_frames, bool))
