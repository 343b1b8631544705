"""Times, sizes and tracks in words."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import vp_science as vp


def clock(seconds: float) -> str:
    """``0.4 s``, ``0:07``, ``12:30`` or ``1:02:03``."""
    if 0 < seconds < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def duration(seconds: float) -> str:
    """About how long something takes: ``8 s``, ``3 min``, ``2 h 10 min``, ``3 days``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{round(minutes / 60)} h"
    return f"{hours / 24:.1f} days"


def size(number: float) -> str:
    """``1.2 GB`` and the like."""
    for unit, large in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= large:
            return f"{number / large:.3g} {unit}"
    return f"{int(number)} bytes"


def breakable(text: str) -> str:
    """A text whose long names and paths may be broken into lines (by characters of no width)."""
    return re.sub(r"([/\\_@-]|\.(?=\D)|[^\s/\\_.@-]{16})(?=\S)", "\\1\u200b", text)


def shortened(name: str, most: int = 16) -> str:
    """A name with its middle left out where it is long."""
    return name if len(name) <= most else f"{name[: most // 2]}...{name[-(most - most // 2 - 3) :]}"


def counted(number: int, what: str) -> str:
    """``1 recording``, ``2 recordings``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def track_words(track: "vp.sessions.FoundTrack") -> str:
    """A track in a line."""
    made = track.provenance
    rate = made.grid.get("sample_fps")
    frames = "every frame" if rate is None else f"{rate:g} frames/s"
    who = f"Track of {track.subject}" + (f" with {track.target}" if track.target else "") if track.subject else "Track"
    return f"{who}: {made.model}, {frames}, windows of {made.num_frames} every {made.stride}"
