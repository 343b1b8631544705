"""The time axis: from seconds to pixels and back, zoom and pan within limits, and where ticks stand."""

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

Amount = TypeVar("Amount", float, np.ndarray)
"""One time or pixel, or many."""

_STEPS_S = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0, 43200.0, 86400.0),
)
_MOST_TICKS = 2000


@dataclass(frozen=True)
class TimeAxis:
    """Which part of a recording is visible, and where on the screen.

    Attributes:
        first_s: begin of the recording.
        last_s: its end.
        start_s: begin of the visible part.
        stop_s: its end.
        left: pixel of ``start_s``.
        width: pixels from there to ``stop_s``.
        shortest_s: the visible part is never shorter: the length of a frame.
    """

    first_s: float
    last_s: float
    start_s: float
    stop_s: float
    left: float
    width: float
    shortest_s: float

    @classmethod
    def whole(cls, first_s: float, last_s: float, left: float, width: float, shortest_s: float) -> "TimeAxis":
        """All of a recording."""
        return cls(first_s, last_s, first_s, last_s, left, width, min(shortest_s, last_s - first_s))

    @property
    def length_s(self) -> float:
        """How much time is visible."""
        return self.stop_s - self.start_s

    @property
    def px_per_s(self) -> float:
        """Pixels per second."""
        return self.width / self.length_s

    @property
    def is_whole(self) -> bool:
        """Whether all of the recording is visible."""
        return self.start_s <= self.first_s and self.stop_s >= self.last_s

    def x(self, time_s: Amount) -> Amount:
        """Where a time stands."""
        return self.left + (time_s - self.start_s) * self.px_per_s

    def time(self, x: Amount) -> Amount:
        """The time at a pixel."""
        return self.start_s + (x - self.left) / self.px_per_s

    def zoomed(self, factor: float, at_s: float) -> "TimeAxis":
        """Show ``factor`` times as much detail; ``at_s`` stays where it is, unless an end of the recording comes in."""
        length = min(max(self.length_s / factor, self.shortest_s), self.last_s - self.first_s)
        return self._placed(at_s - (at_s - self.start_s) * length / self.length_s, length)

    def panned(self, seconds: float) -> "TimeAxis":
        """Show what comes later, or earlier."""
        return self._placed(self.start_s + seconds, self.length_s)

    def showing(self, start_s: float, stop_s: float, margin: float = 0.0) -> "TimeAxis":
        """Show a stretch, with a share of its length more on both sides."""
        length = min(max((stop_s - start_s) * (1 + 2 * margin), self.shortest_s), self.last_s - self.first_s)
        return self._placed((start_s + stop_s - length) / 2, length)

    def fitted(self) -> "TimeAxis":
        """Show everything."""
        return replace(self, start_s=self.first_s, stop_s=self.last_s)

    def resized(self, left: float, width: float) -> "TimeAxis":
        """The same time on other pixels."""
        return replace(self, left=left, width=width)

    def _placed(self, start_s: float, length_s: float) -> "TimeAxis":
        start = max(self.first_s, min(start_s, self.last_s - length_s))
        return replace(self, start_s=start, stop_s=min(start + length_s, self.last_s))


def tick_step(axis: TimeAxis, room_px: float) -> float:
    """The finest step of ticks that leaves so many pixels between them, in seconds."""
    for step in _STEPS_S:
        if step * axis.px_per_s >= room_px:
            return step
    return _STEPS_S[-1] * math.ceil(room_px / (_STEPS_S[-1] * axis.px_per_s))


def finer_step(axis: TimeAxis, step_s: float, room_px: float = 7.0) -> float:
    """A step that divides another one, for ticks without words; the same step when there is no room."""
    for step in _STEPS_S:
        whole = round(step_s / step)
        if step * axis.px_per_s >= room_px and step < step_s and math.isclose(whole * step, step_s):
            return step
    return step_s


def ticks(axis: TimeAxis, step_s: float) -> list[float]:
    """Visible multiples of a step."""
    first, last = math.ceil(axis.start_s / step_s - 1e-9), math.floor(axis.stop_s / step_s + 1e-9)
    return [number * step_s for number in range(first, min(last, first + _MOST_TICKS) + 1)]


def clock(time_s: float, step_s: float = 1.0) -> str:
    """A time as ``h:mm:ss``, with as many decimals as the step needs (at most three)."""
    decimals = 0 if step_s >= 1 else min(3, math.ceil(-math.log10(step_s) - 1e-9))
    units = round(abs(time_s) * 10**decimals)
    seconds, fraction = divmod(units, 10**decimals)
    text = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    sign = "-" if time_s < 0 and units else ""
    return sign + (f"{text}.{fraction:0{decimals}d}" if decimals else text)
