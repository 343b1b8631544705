"""Playing by the clock: which frame is due, on the presentation times of the recording. No Qt in here."""

from dataclasses import dataclass

import numpy as np

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Playback:
    """One run of the clock, from the moment at which playing began (or the speed changed).

    Attributes:
        times_s: presentation times of the recording.
        from_s: presentation time at which it began.
        begun_s: what the clock said then.
        speed: seconds of the recording in a second.
    """

    times_s: np.ndarray
    from_s: float
    begun_s: float
    speed: float

    def time_s(self, clock_s: float) -> float:
        """The presentation time that is due."""
        return self.from_s + (clock_s - self.begun_s) * self.speed

    def frame(self, clock_s: float) -> int:
        """The frame that is due: the last one whose time has come."""
        return frame_at(self.times_s, self.time_s(clock_s))

    def ended(self, clock_s: float) -> bool:
        """Whether the last frame was due for as long as a frame lasts."""
        last = float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 0.0
        return self.time_s(clock_s) >= float(self.times_s[-1]) + last

    def wait_s(self, frame: int) -> float:
        """How long a frame stays on screen at this speed."""
        if frame + 1 >= len(self.times_s):
            return 0.0
        return float(self.times_s[frame + 1] - self.times_s[frame]) / self.speed

    def stride(self, seconds: float) -> int:
        """How many frames pass in so many seconds of the clock, on average; at least 1."""
        span = float(self.times_s[-1] - self.times_s[0])
        rate = (len(self.times_s) - 1) / span if span > 0 else 0.0
        return max(1, int(rate * self.speed * seconds))


def frame_at(times_s: np.ndarray, time_s: float) -> int:
    """The frame on screen at a time: the last one whose presentation time is not later (0 before the first)."""
    if len(times_s) == 0:
        return 0
    return int(np.clip(np.searchsorted(times_s, time_s + 1e-9, "right") - 1, 0, len(times_s) - 1))
