"""Times and frames in words, and back. No Qt in here."""

import re

import numpy as np

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d{1,2}(?:\.\d+)?|\d+(?:\.\d+)?)")


def time_text(time_s: float) -> str:
    """``h:mm:ss.mmm``."""
    sign = "-" if time_s < 0 else ""
    milli = round(abs(time_s) * 1000)
    hours, rest = divmod(milli, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, milli = divmod(rest, 1000)
    return f"{sign}{hours}:{minutes:02d}:{seconds:02d}.{milli:03d}"


def parse_place(text: str) -> tuple[str, float]:
    """What somebody typed to go somewhere: ``("frame", 1234)`` or ``("time", 90.0)``.

    ``#1234`` is a frame; ``90``, ``1:30`` and ``1:02:03.5`` are times.

    Raises:
        ValueError: with what was expected, for everything else.
    """
    typed = text.strip()
    if typed.startswith("#") and typed[1:].strip().isdecimal():
        return "frame", float(typed[1:])
    found = _CLOCK.fullmatch(typed)
    if found is None or (":" in typed and float(found[3]) >= 60) or (found[1] and int(found[2]) >= 60):
        raise ValueError(f"expected a time (90, 1:30 or 1:02:03.5) or a frame (#1234), found {typed!r}")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return "time", hours * 3600 + minutes * 60 + seconds


def rate_text(times_s: np.ndarray) -> str:
    """``25 fps``, ``25 fps, with gaps``, or ``variable rate, 18-30 fps`` from the 5th to the 95th of 100 frames."""
    if len(times_s) < 2:
        return ""
    steps = np.diff(times_s)
    mean = (len(times_s) - 1) / float(times_s[-1] - times_s[0])
    low, high = 1 / np.percentile(steps, 95), 1 / np.percentile(steps, 5)
    # containers round times to a millisecond at worst: that alone is no variable rate
    if np.abs(steps - 1 / mean).max() <= 1.1e-3:
        return f"{_number(mean)} fps"
    if high - low <= 0.02 * high or 1 / low - 1 / high <= 1.1e-3:
        usual = 1 / float(steps[steps < 1.5 * np.median(steps)].mean())
        return f"{_number(usual)} fps, with gaps" if steps.max() >= 1.5 / usual else f"{_number(mean)} fps"
    return f"variable rate, {_number(low)}-{_number(high)} fps"


def _number(fps: float) -> str:
    return f"{fps:.0f}" if abs(fps - round(fps)) < 0.02 or fps >= 100 else f"{fps:.2f}".rstrip("0").rstrip(".")
