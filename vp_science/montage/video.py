"""Montage videos: a grid in which every tile plays one moment, over and over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from vp_science.errors import SettingsError
from vp_science.montage.drawing import Moment, checked, fitted, font, shown_span, write_picture
from vp_science.pictures import PictureBook
from vp_science.typing import StrPath

_GROUND, _INK, _MARK = (20, 23, 28), (232, 234, 238), (230, 159, 0)
_GAP, _CAPTION, _TITLE, _LINE = 6, 18, 30, 3
_WIDEST_TILE = 2.0
_MAX_BYTES = 1 << 30
_LEAST_S, _MOST_S = 1.0, 4.0
_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"crf": "21", "preset": "fast"}),
    ("libopenh264", {"b": "4000000"}),
    ("mpeg4", {"q:v": "3"}),
)


@dataclass(frozen=True)
class MontageVideo:
    """A montage that was written.

    Attributes:
        path: the file.
        encoder: FFmpeg's name of the video encoder: ``libx264`` where it is there, else ``libopenh264`` (both H.264),
            else ``mpeg4`` (MPEG-4 part 2, which browsers do not play).
        num_tiles: moments that play.
        loop_s: length of one turn of the loop, in seconds of the video.
        loops: turns.
    """

    path: Path
    encoder: str
    num_tiles: int
    loop_s: float
    loops: int


def write_montage(
    book: PictureBook,
    moments: Sequence[Moment],
    path: StrPath,
    *,
    captions: Sequence[str] | None = None,
    title: str = "",
    length_s: int | float | None = None,
    fps: int | float = 25.0,
    speed: int | float = 1.0,
    height: int = 160,
    columns: int | None = None,
    loops: int | None = None,
) -> MontageVideo:
    """Write a looping video of many moments side by side.

    Every tile shows a span of equal length around the middle of its moment (moved into the recording at its ends; the
    last frame stays where the recording is shorter). A line above a tile is orange while its moment lasts.

    Args:
        book: has the frames.
        moments: recording, start and stop of each.
        path: an ``.mp4`` file; one that is there is replaced.
        captions: below the tiles; None says recording and time.
        title: headline.
        length_s: of a span, in seconds of the recordings; None takes the median length of the moments, but at least 1
            and at most 4 s.
        fps: frames per second of the video.
        speed: 0.1 plays ten times slower than it happened.
        height: of the tiles, in pixels.
        columns: of the grid; None makes it about as wide as a screen.
        loops: how often everything is repeated; None fills about 12 s.

    Returns:
        What was written, and with which encoder.

    Raises:
        SettingsError: when the path has another ending, a setting makes no sense, or a turn needs too much memory.
        FigureError: when the file cannot be written.
        RecordingError, ProbeError, PoseError: when frames cannot be read (see ``PictureBook``).
    """
    where = Path(path)
    if where.suffix.lower() != ".mp4":
        raise SettingsError(f"expected a montage to end in .mp4, found {where.name!r}: write an .mp4 file")
    words = checked(moments, captions)
    span_s = _length(moments, length_s)
    if not (0 < fps <= 240 and 0 < speed <= 100 and 16 <= height <= 2160 and (loops is None or 1 <= loops <= 1000)):
        raise SettingsError(
            "expected fps up to 240, speed up to 100, height from 16 to 2160 and loops from 1 to 1000, found "
            f"fps={fps}, speed={speed}, height={height}, loops={loops}"
        )
    count = max(1, round(span_s / speed * fps))
    turns = loops or max(1, round(12 * fps / count))
    grid = _Grid.of(book, moments, height, columns, title)
    grid.check_memory(count)
    clips = [np.empty(0, np.uint8)] * len(moments)
    for index in sorted(range(len(moments)), key=lambda index: moments[index][:2]):  # every recording in one go
        clips[index] = _clip(book, moments[index], grid, span_s, count)
    ground = grid.ground(words, title if speed == 1 else f"{title}   {_speed(speed)}".strip())
    encoder, options = _encoder()
    frames = (grid.frame(ground, clips, step) for _ in range(turns) for step in range(count))
    write_picture(where, lambda file: _encode(file, frames, grid, encoder, options, fps))
    return MontageVideo(where, encoder, len(moments), count / fps, turns)


def _length(moments: Sequence[Moment], length_s: int | float | None) -> float:
    if length_s is None:
        return float(np.clip(np.median([stop_s - start_s for _, start_s, stop_s in moments]), _LEAST_S, _MOST_S))
    if not 0 < length_s <= 600:
        raise SettingsError(f"expected a length of up to 600 seconds, found length_s={length_s}")
    return float(length_s)


def _speed(speed: int | float) -> str:
    return f"played {speed:g}x as fast" if speed > 1 else f"played {1 / speed:g}x slower"


@dataclass(frozen=True)
class _Grid:
    """Where tiles lie; every tile is ``tile`` wide and has room for its line above and its caption below."""

    columns: int
    rows: int
    tile: int
    height: int
    head: int

    @classmethod
    def of(cls, book: PictureBook, moments: Sequence[Moment], height: int, columns: int | None, title: str) -> "_Grid":
        widest = max(book.width(recording, height) for recording in {moment[0] for moment in moments})
        tile = max(16, min(widest, round(_WIDEST_TILE * height)))
        if columns is None:
            columns = round(np.sqrt(len(moments) * 16 / 9 * (height + _CAPTION) / tile))
        columns = int(np.clip(columns, 1, len(moments)))
        return cls(columns, -(-len(moments) // columns), tile, height, _TITLE if title else _GAP)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the video, even as H.264 wants them."""
        wide = self.columns * (self.tile + _GAP) + _GAP
        high = self.head + self.rows * (_LINE + self.height + _CAPTION) + _GAP
        return wide + wide % 2, high + high % 2

    def check_memory(self, count: int) -> None:
        """Refuse a turn of the loop that does not fit into memory."""
        needed = self.columns * self.rows * self.tile * self.height * 3 * count
        if needed > _MAX_BYTES or max(self.size) > 8192:
            wide, high = self.size
            raise SettingsError(
                f"expected a montage of at most 8192 pixels and {_MAX_BYTES >> 30} GiB per turn, found {wide} x {high} "
                f"pixels and {needed / (1 << 30):.1f} GiB: take fewer or shorter moments, or smaller tiles (height)"
            )

    def corner(self, index: int) -> tuple[int, int]:
        """Left and top of a tile's picture."""
        down, across = divmod(index, self.columns)
        return _GAP + across * (self.tile + _GAP), self.head + _LINE + down * (_LINE + self.height + _CAPTION)

    def ground(self, captions: Sequence[str], title: str) -> UInt8[np.ndarray, "h w 3"]:
        """What stays: title and captions."""
        page = Image.new("RGB", self.size, _GROUND)
        draw = ImageDraw.Draw(page)
        draw.text((_GAP, 5), fitted(title, self.size[0] - 2 * _GAP, 16), fill=_INK, font=font(16))
        for index, caption in enumerate(captions):
            left, top = self.corner(index)
            draw.text((left, top + self.height + 2), fitted(caption, self.tile, 11), fill=_INK, font=font(11))
        return np.asarray(page).copy()

    def frame(
        self, ground: UInt8[np.ndarray, "h w 3"], clips: Sequence[np.ndarray], step: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """One frame of the video."""
        for index, clip in enumerate(clips):
            left, top = self.corner(index)
            ground[top - _LINE : top + self.height, left : left + self.tile] = clip[step]
        return ground


def _clip(book: PictureBook, moment: Moment, grid: _Grid, span_s: float, count: int) -> UInt8[np.ndarray, "step h w 3"]:
    """The pictures of a tile with the line above them."""
    recording, start_s, stop_s = moment
    begin, end = shown_span(book, moment, span_s)
    natural = book.width(recording, grid.height)
    high = grid.height if natural <= grid.tile else max(1, grid.height * grid.tile // natural)
    clip = np.empty((count, _LINE + grid.height, grid.tile, 3), np.uint8)
    clip[:] = _GROUND
    rate = count / span_s
    times = begin + np.arange(count) / rate
    clip[(times >= start_s - 0.5 / rate) & (times < max(stop_s, start_s + 1 / rate) - 0.5 / rate), : _LINE - 1] = _MARK
    last = None
    for step, picture in enumerate(islice(book.frames(recording, begin, end, fps=rate, height=high), count)):
        last = _letterbox(clip[step, _LINE:], picture[:, : grid.tile])
    assert last is not None
    shown = min(count, max(1, round((end - begin) * rate)))
    clip[shown:, _LINE:] = last
    return clip


def _letterbox(tile: UInt8[np.ndarray, "h w 3"], picture: UInt8[np.ndarray, "h2 w2 3"]) -> UInt8[np.ndarray, "h w 3"]:
    high, wide = picture.shape[:2]
    top, left = (tile.shape[0] - high) // 2, (tile.shape[1] - wide) // 2
    tile[top : top + high, left : left + wide] = picture
    return tile


def _encoder() -> tuple[str, dict[str, str]]:
    """The first encoder that this build of FFmpeg has."""
    import av

    for name, options in _ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except (ValueError, av.FFmpegError):
            continue
        return name, options
    raise SettingsError(
        f"expected one of the video encoders {', '.join(name for name, _ in _ENCODERS)} in this build of FFmpeg, found "
        "none: install PyAV from its wheels (pip install av)"
    )


def _encode(
    file: BinaryIO, frames: Iterator[np.ndarray], grid: _Grid, encoder: str, options: dict[str, str], fps: int | float
) -> None:
    import av

    with av.open(file, "w", format="mp4") as container:
        rate = Fraction(fps).limit_denominator(1000)
        stream: Any = container.add_stream(encoder, rate=rate, options=options)
        stream.width, stream.height = grid.size
        stream.pix_fmt = "yuv420p"
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
