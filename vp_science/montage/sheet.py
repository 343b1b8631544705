"""Contact sheets: every moment a strip of frames with its name and time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from vp_science.errors import SettingsError
from vp_science.montage.drawing import Moment, checked, fitted, font, shown_span, write_picture
from vp_science.pictures import PictureBook
from vp_science.typing import StrPath

_INK, _MUTED, _PAPER = (31, 36, 48), (107, 114, 128), (255, 255, 255)
_MARGIN, _GAP, _CAPTION, _TITLE, _NOTE = 18, 16, 20, 30, 20
_MAX_PIXELS = 60_000_000
_KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def contact_sheet(
    book: PictureBook,
    moments: Sequence[Moment],
    path: StrPath,
    *,
    captions: Sequence[str] | None = None,
    title: str = "",
    note: str = "",
    num_frames: int = 6,
    height: int = 96,
    columns: int | None = None,
    least_s: int | float = 0.4,
) -> Path:
    """Write a picture with a strip of frames per moment.

    Args:
        book: has the frames.
        moments: recording, start and stop of each.
        path: a ``.png`` or ``.jpg`` file; one that is there is replaced.
        captions: above the strips; None says recording and time.
        title: headline.
        note: a line below it.
        num_frames: per strip, evenly spread over the moment.
        height: of the strips in pixels.
        columns: of strips; None takes one for up to six moments, two for more.
        least_s: shorter moments are shown with what is before and after them, up to this length in seconds.

    Returns:
        The file.

    Raises:
        SettingsError: when the path has another ending, there are no moments, or the sheet would be too large.
        FigureError: when the file cannot be written.
        RecordingError, ProbeError, PoseError: when frames cannot be read (see ``PictureBook``).
    """
    where = Path(path)
    if where.suffix.lower() not in _KINDS:
        raise SettingsError(
            f"expected a contact sheet to end in .png or .jpg, found {where.name!r}: choose one of them"
        )
    words = checked(moments, captions)
    across = columns or (1 if len(moments) <= 6 else 2)
    widths = [_strip_width(book, moment, num_frames, height) for moment in moments]
    _check_size(max(widths) * across, len(moments) / across * (height + _CAPTION))
    strips: dict[int, UInt8[np.ndarray, "h w 3"]] = {}
    for index in sorted(range(len(moments)), key=lambda index: moments[index][:2]):  # every recording in one go
        strips[index] = _strip(book, moments[index], num_frames, height, float(least_s))
    picture = _composed([strips[index] for index in range(len(moments))], words, title, note, across)
    return write_picture(where, lambda file: picture.save(file, _KINDS[where.suffix.lower()], quality=88))


def _strip_width(book: PictureBook, moment: Moment, num_frames: int, height: int) -> int:
    return num_frames * (book.width(moment[0], height) + 2)


def _check_size(wide: int | float, high: int | float) -> None:
    if wide * high > _MAX_PIXELS:
        raise SettingsError(
            f"expected a contact sheet of at most {_MAX_PIXELS // 1_000_000} million pixels, found {wide:.0f} x "
            f"{high:.0f}: take fewer moments or frames, or a smaller height"
        )


def _strip(
    book: PictureBook, moment: Moment, num_frames: int, height: int, least_s: float
) -> UInt8[np.ndarray, "h w 3"]:
    recording, start_s, stop_s = moment
    if stop_s - start_s < least_s:
        start_s, stop_s = shown_span(book, moment, least_s)
    return book.strip(recording, start_s, stop_s, num_frames=num_frames, height=height)


def _composed(
    strips: Sequence[UInt8[np.ndarray, "h w 3"]], captions: Sequence[str], title: str, note: str, columns: int
) -> Image.Image:
    columns = min(columns, len(strips))
    cell = max(strip.shape[1] for strip in strips)
    row = strips[0].shape[0] + _CAPTION + _GAP
    rows = -(-len(strips) // columns)
    head = _MARGIN + (_TITLE if title else 0) + (_NOTE if note else 0) + (8 if title or note else 0)
    width = 2 * _MARGIN + columns * cell + (columns - 1) * 2 * _GAP
    sheet = Image.new("RGB", (width, head + rows * row - _GAP + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    inner = width - 2 * _MARGIN
    draw.text((_MARGIN, _MARGIN), fitted(title, inner, 20), fill=_INK, font=font(20))
    draw.text((_MARGIN, _MARGIN + (_TITLE if title else 0)), fitted(note, inner, 13), fill=_MUTED, font=font(13))
    for index, (strip, caption) in enumerate(zip(strips, captions, strict=True)):
        down, across = divmod(index, columns)
        left, top = _MARGIN + across * (cell + 2 * _GAP), head + down * row
        draw.text((left, top), fitted(caption, cell, 13), fill=_INK, font=font(13))
        sheet.paste(Image.fromarray(np.ascontiguousarray(strip)), (left, top + _CAPTION))
    return sheet
