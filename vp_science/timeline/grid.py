"""The sample grid: the times at which the encoder looks, and the windows that cover them.

A recording has presentation times; the encoder wants regular ones. The sample grid joins the two, and the windows cut
the grid into clips. Every grid frame takes its embedding from the window in which it stands most centrally, so that
overlapping windows buy context and not storage (DESIGN section 4).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from vp_science.errors import RecordingError, SettingsError

MAX_GRID = 2**31
"""No grid has more frames than this: two years at 30 frames per second."""

TOLERANCE_S = 1e-3
"""A frame counts as on screen up to this much before its presentation time; see ``SampleGrid.from_timestamps``."""

_TOLERANCE_OF_INTERVAL = 1 / 3
"""... but never more than this share of the frame interval before it, or of the grid interval."""


@dataclass(frozen=True, eq=False)
class SampleGrid:
    """Regular times, each mapped to the source frame on screen then.

    Attributes:
        time_s: time of every grid frame in seconds, strictly increasing, on the clock of the recording.
        frame_index: source frame on screen at that time; never decreasing. It repeats where the grid is finer than the
            recording (or the recording has a gap), and skips where it is coarser.
        sample_fps: grid frames per second; None when the grid is every source frame at its own time.
    """

    time_s: Float64[np.ndarray, " grid"]
    frame_index: Int64[np.ndarray, " grid"]
    sample_fps: float | None

    def __len__(self) -> int:
        return len(self.time_s)

    @classmethod
    def from_timestamps(
        cls, time_s: Float64[np.ndarray, " frames"], sample_fps: int | float | None = None
    ) -> "SampleGrid":
        """Lay a grid over a recording.

        Grid time ``g`` is ``time_s[0] + g / sample_fps`` up to the last presentation time (inclusive); it shows the
        last frame whose presentation time is not later. Containers round presentation times (Matroska to a whole
        millisecond), so a frame that belongs exactly at a grid time may be stamped up to one tick after it. Therefore
        "not later" has a tolerance: one millisecond, the coarsest common tick, but at most a third of the interval to
        the frame before and of the grid interval. With it, video of constant rate sampled at its own rate takes every
        frame exactly once (up to 300 fps in Matroska, any rate in containers with finer ticks).

        Timestamps that truly jitter by more than that (cameras without a clock) and are sampled near their own rate
        give repeated and skipped frames, as they should; take every frame (``sample_fps=None``) instead.

        Args:
            time_s: presentation time of every source frame in seconds, strictly increasing.
            sample_fps: grid frames per second; None takes every source frame at its own time.

        Raises:
            RecordingError: when the times are empty, not finite or not strictly increasing.
            SettingsError: when ``sample_fps`` is not a positive number, or asks for more than 2**31 grid frames.
        """
        times = _checked_times(time_s)
        if sample_fps is None:
            return cls(times.copy(), np.arange(len(times), dtype=np.int64), None)
        fps = _checked_fps(sample_fps)
        tolerance_s = _tolerance_s(times, 1 / fps)
        last = float(times[-1] + tolerance_s[-1] - times[0]) * fps
        if last >= MAX_GRID:
            raise SettingsError(
                f"expected at most 2**31 grid frames, found about {last:.3g} ({last / fps:.6g} s at {fps:g} frames per "
                "second): choose a lower sample_fps"
            )
        grid_s = times[0] + np.arange(math.floor(last) + 1, dtype=np.float64) / fps
        frame_index = np.searchsorted(times - tolerance_s, grid_s, side="right").astype(np.int64) - 1
        return cls(grid_s, frame_index, fps)


def _checked_times(time_s: Float64[np.ndarray, " frames"]) -> Float64[np.ndarray, " frames"]:
    times = np.asarray(time_s, dtype=np.float64)
    if times.ndim != 1 or len(times) == 0:
        raise RecordingError(
            f"expected one presentation time per frame, found an array of shape {times.shape}: "
            "check that the recording has frames"
        )
    if len(times) > MAX_GRID:
        raise RecordingError(f"expected at most 2**31 frames, found {len(times)}: split the recording")
    bad = np.flatnonzero(~np.isfinite(times))
    if len(bad):
        raise RecordingError(
            f"expected finite presentation times, found {times[bad[0]]} at frame {bad[0]} ({len(bad)} in all): "
            "repair the timestamps of the recording"
        )
    bad = np.flatnonzero(np.diff(times) <= 0)
    if len(bad):
        raise RecordingError(
            f"expected strictly increasing presentation times, found {times[bad[0] + 1]:.9g} s at frame {bad[0] + 1} "
            f"after {times[bad[0]]:.9g} s ({len(bad)} such places): repair the timestamps of the recording"
        )
    return times


def _checked_fps(sample_fps: int | float) -> float:
    if isinstance(sample_fps, bool) or not (math.isfinite(sample_fps) and sample_fps > 0):
        raise SettingsError(
            f"expected sample_fps to be a positive number of frames per second, found {sample_fps}: "
            "give a positive number, or None for every source frame"
        )
    if not math.isfinite(1 / float(sample_fps)):
        raise SettingsError(f"expected a usable sample_fps, found {sample_fps}: give a larger number")
    return float(sample_fps)


def _tolerance_s(times: Float64[np.ndarray, " frames"], grid_interval_s: float) -> Float64[np.ndarray, " frames"]:
    """How long before its presentation time each frame already counts as on screen.

    At most a third of the interval before it, so the shifted times increase as strictly as the given ones. (The last
    frame has the same tolerance after it: a grid time just past the last presentation time is still in the recording.)
    """
    interval_s = np.diff(times, prepend=times[0])
    most_s = min(TOLERANCE_S, _TOLERANCE_OF_INTERVAL * grid_interval_s)
    return np.minimum(_TOLERANCE_OF_INTERVAL * interval_s, most_s)


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows over a sample grid.

    Attributes:
        start: first grid index of every window, strictly increasing.
        stop: one past the last grid index of every window.
        owner: for every grid frame, the window in which it stands most centrally (the earlier one of two); never
            decreasing, and every window owns at least one frame.
        num_frames: grid frames per window, as asked for (a recording shorter than this is one shorter window).
        stride: grid frames between the starts of consecutive windows, as asked for.
    """

    start: Int64[np.ndarray, " window"]
    stop: Int64[np.ndarray, " window"]
    owner: Int64[np.ndarray, " grid"]
    num_frames: int
    stride: int

    def __len__(self) -> int:
        return len(self.start)

    @property
    def num_grid(self) -> int:
        """Number of grid frames that are covered."""
        return len(self.owner)

    def owned(self, window: int, stop: int | None = None) -> slice:
        """Grid frames that take their embedding from a window, or from the windows ``window:stop``.

        Args:
            window: index of the (first) window.
            stop: one past the last window; None means this one window.

        Returns:
            A slice of the grid: owners never decrease, so what a run of windows owns is contiguous.

        Raises:
            IndexError: when there is no such window.
        """
        end = window + 1 if stop is None else stop
        if not 0 <= window < end <= len(self):
            raise IndexError(f"expected windows within 0:{len(self)}, found {window}:{end}")
        first, last = np.searchsorted(self.owner, [window, end])
        return slice(int(first), int(last))


def plan_windows(num_grid: int, num_frames: int, stride: int) -> Windows:
    """Cover a grid with windows.

    Consecutive windows start ``stride`` apart; the last one is shifted back so that it ends with the grid. A grid of at
    most ``num_frames`` frames is one (shorter) window.

    Args:
        num_grid: grid frames to cover.
        num_frames: grid frames per window.
        stride: grid frames between the starts of consecutive windows.

    Raises:
        SettingsError: when the numbers are not positive, the grid is absurdly long, or ``stride`` exceeds
            ``num_frames`` (frames between the windows would have no embedding).
    """
    if not 1 <= num_grid <= MAX_GRID:
        raise SettingsError(f"expected 1 to 2**31 grid frames, found {num_grid}: check the recording and sample_fps")
    if num_frames < 1:
        raise SettingsError(f"expected num_frames of at least 1, found {num_frames}: give a window length in frames")
    if not 1 <= stride <= num_frames:
        raise SettingsError(
            f"expected a stride from 1 to num_frames = {num_frames}, found {stride}: give a stride in that range "
            f"({num_frames} means windows without overlap)"
        )
    last_start = max(0, num_grid - num_frames)
    num_windows = -(-last_start // stride) + 1
    start = np.minimum(np.arange(num_windows, dtype=np.int64) * stride, last_start)
    stop = np.minimum(start + num_frames, num_grid)
    # Windows have one length, so frame g is nearer to the centre of window w + 1 than to that of w exactly when
    # 2 g > start[w] + start[w + 1] + num_frames - 1; its owner is the number of such w.
    twice_midpoint = start[:-1] + start[1:] + num_frames - 1
    owner = np.searchsorted(twice_midpoint, 2 * np.arange(num_grid, dtype=np.int64), side="left").astype(np.int64)
    return Windows(start, stop, owner, num_frames, stride)
