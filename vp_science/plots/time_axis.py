"""Axes of time in the unit that fits: seconds, minutes, hours or days. The numbers behind stay seconds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

_UNITS = ((180.0, 1.0, "s"), (3 * 3600.0, 60.0, "min"), (5 * 86400.0, 3600.0, "h"), (float("inf"), 86400.0, "days"))
_STEPS = (1, 2, 2.5, 5, 10)
_FAR = 20
"""A clock that starts this many times later than what is shown lasts (epoch seconds) is shown from its start."""


@dataclass(frozen=True)
class TimeUnit:
    """A unit of time: how many seconds it has, and its short name."""

    seconds: float
    name: str


class _Ticks(MaxNLocator):
    """Ticks at round numbers of a unit."""

    def __init__(self, unit: TimeUnit, **options: Any) -> None:
        super().__init__(steps=list(_STEPS), **options)
        self._unit_s = unit.seconds

    def tick_values(self, vmin: float, vmax: float) -> Any:
        return np.asarray(super().tick_values(vmin / self._unit_s, vmax / self._unit_s)) * self._unit_s


def unit_for(span_s: int | float) -> TimeUnit:
    """Seconds up to 3 minutes, minutes up to 3 hours, hours up to 5 days, then days."""
    return next(TimeUnit(seconds, name) for most, seconds, name in _UNITS if span_s <= most)


def far_from_zero(first_s: int | float, span_s: int | float) -> bool:
    """Whether times on this clock are unreadable as they are, so that they are better counted from their start."""
    return abs(first_s) > _FAR * max(span_s, 1.0)


def show_time(axis: Axis, span_s: int | float, words: str = "time", num_ticks: int = 8) -> TimeUnit:
    """Make an axis whose numbers are seconds show them in a fitting unit.

    Args:
        axis: ``axes.xaxis``, ``axes.yaxis`` or that of a color bar.
        span_s: how much time is shown.
        words: label; the unit is put behind it.
        num_ticks: at most so many.
    """
    unit = unit_for(span_s)
    axis.set_major_locator(_Ticks(unit, nbins=num_ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / unit.seconds:.10g}"))
    axis.set_label_text(f"{words} ({unit.name})")
    return unit
