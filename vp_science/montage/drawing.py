"""What sheets and videos of moments have in common: spans, captions, text."""

import importlib.util
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from PIL import ImageFont

from vp_science.errors import FigureError, RecordingError, SettingsError
from vp_science.files import write_atomically
from vp_science.pictures import PictureBook

Moment = tuple[str, int | float, int | float]
"""Id of a recording (as its track has it), start and stop in seconds."""

MAX_MOMENTS = 400
_BEYOND_S = 1.0


def checked(moments: Sequence[Moment], captions: Sequence[str] | None) -> list[str]:
    """The captions of moments: those that are given, or recording and time.

    Raises:
        SettingsError: when there are no moments, too many, or another number of captions.
    """
    if not 1 <= len(moments) <= MAX_MOMENTS:
        raise SettingsError(f"expected 1 to {MAX_MOMENTS} moments, found {len(moments)}: choose some")
    if captions is None:
        return [f"{recording}  {time_span(start_s, stop_s)}" for recording, start_s, stop_s in moments]
    if len(captions) != len(moments):
        raise SettingsError(f"expected a caption for each of {len(moments)} moments, found {len(captions)}")
    return list(captions)


def time_span(start_s: int | float, stop_s: int | float) -> str:
    """Two times as people write them: ``12.0-14.5 s``, ``1:02.0-1:04.5`` or ``1:00:02.0-1:00:04.5``."""
    if max(abs(start_s), abs(stop_s)) < 60:
        return f"{start_s:.1f}\u2013{stop_s:.1f} s"
    return f"{_clock(start_s)}\u2013{_clock(stop_s)}"


def _clock(time_s: int | float) -> str:
    sign, tenths = "-" if time_s < 0 else "", round(abs(time_s) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10:02d}.{rest % 10}"
    return f"{sign}{hours}:{minutes:02d}:{seconds}" if hours else f"{sign}{minutes}:{seconds}"


def shown_span(book: PictureBook, moment: Moment, length_s: float) -> tuple[float, float]:
    """A span of this length around the middle of a moment, moved into the recording; shorter where that is shorter.

    Raises:
        RecordingError: when the moment does not lie in the recording.
    """
    recording, start_s, stop_s = moment
    first_s, last_s = book.extent_s(recording)
    if not first_s - _BEYOND_S <= start_s <= stop_s <= last_s + _BEYOND_S:
        raise RecordingError(
            f"{recording}: expected a moment between {first_s:.3f} and {last_s:.3f} s, found {start_s} to {stop_s}: "
            "give times on the clock of the recording, start before stop"
        )
    begin = (start_s + stop_s - length_s) / 2
    begin = max(first_s, min(begin, last_s - length_s))
    return begin, min(begin + length_s, last_s)


@cache
def font(size: int) -> Any:
    """A font with Latin, Greek and Cyrillic letters: the one of matplotlib, which is only looked up, not imported."""
    package = importlib.util.find_spec("matplotlib")
    if package is not None and package.origin is not None:
        file = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if file.is_file():
            return ImageFont.truetype(str(file), size)
    return ImageFont.load_default(size)


def fitted(text: str, width: int, size: int) -> str:
    """A text of at most this many pixels, cut in its middle: ends of names tell more than their middle."""
    letters = font(size)
    line = " ".join(text.split())
    if letters.getlength(line) <= width:
        return line
    for kept in range(len(line) - 1, 1, -1):
        head = kept // 3
        cut = f"{line[:head]}\u2026{line[len(line) - (kept - head) :]}"
        if letters.getlength(cut) <= width:
            return cut
    return "\u2026"


def write_picture(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Write a file that is complete or not there, in a folder that is made if need be.

    Raises:
        FigureError: when that is refused.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)
    except OSError as error:
        raise FigureError(f"cannot write {path} ({error.strerror or error}): choose a folder with room") from error
    return path
