"""Copies of recordings for looking at: the same frames at the same times, with key frames close together.

Never for measuring: encoding changes pixels a little. Embeddings are always made of the recording itself.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import Int64, UInt8

from vp_science.errors import RecordingError
from vp_science.files import write_atomically
from vp_science.recordings import Recording
from vp_science.video.container import open_media
from vp_science.video.pyav import VideoRecording
from vp_science.video.viewing_ways import way_of

KEY_FRAME_EVERY = 20
_ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "veryfast", "crf": "16", "tune": "fastdecode", "bf": "0"}),
    ("mjpeg", {"qmin": "2", "qmax": "3"}),
)
"""The first that this FFmpeg has is taken; MJPEG is in every one, takes any times, and every frame is a key frame."""
_TICKS = 90_000
_MOST_TICKS = 1_000_000
_LONGEST_TICK = 1 << 62

Watch = Callable[[int, int], None]
"""Hears how many of how many frames are done; what it raises ends the work and leaves nothing behind."""


def reencode(recording: Recording, target: Path, watch: Watch | None = None) -> None:
    """Write a copy for looking at: an MP4 with a key frame every 20 frames, same size, same presentation times.

    Frames that are damaged in the recording show the last good one, as they do everywhere.

    Args:
        recording: what to copy; it is only read.
        target: where to; must not be there. It appears complete or not at all.
        watch: hears about progress.

    Raises:
        RecordingError: when there is a file of that name, or the recording cannot be decoded or written.
    """
    if target.exists():
        raise RecordingError(f"{target}: expected a name for a new file, found a file: choose another name")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_atomically(target, lambda file: _encode(recording, file, watch))
    except (OSError, av.FFmpegError, ValueError) as error:
        detail = getattr(error, "strerror", None) or error
        raise RecordingError(
            f"{target}: expected to write a copy of {recording.id}, found {detail}: check the free space"
        ) from error


def _encode(recording: Recording, file: BinaryIO, watch: Watch | None) -> None:
    base = _time_base(recording)
    ticks = _ticks(recording, base)
    with av.open(file, "w", format="mp4") as container:
        stream = _add_stream(container, recording, base)
        total = recording.num_frames
        for number, pixels in enumerate(_pictures(recording)):
            container.mux(stream.encode(_picture(pixels, stream, int(ticks[number]), base)))
            if watch is not None:
                watch(number + 1, total)
        container.mux(stream.encode(None))


def _pictures(recording: Recording) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """All frames in order, as they are shown."""
    way = way_of(recording, recording.path or Path(recording.id))
    for number in range(recording.num_frames):
        for frame_index, kept in way.passing(number):
            if frame_index == number:
                yield way.pixels(kept)


def _time_base(recording: Recording) -> Fraction:
    """That of the file where there is one, so that times are the same to the last bit; else 1/90000 s."""
    if isinstance(recording, VideoRecording) and str(recording.source["times"]).startswith("presentation times"):
        media = open_media(recording.path)
        try:
            own = media.stream.time_base
        finally:
            media.close()
        if own is not None and own.numerator > 0 and own.denominator <= _MOST_TICKS:
            return own
    return Fraction(1, _TICKS)


def _ticks(recording: Recording, base: Fraction) -> Int64[np.ndarray, " frames"]:
    seconds = recording.time_s - recording.time_s[0]
    exact = seconds * base.denominator / base.numerator
    if exact[-1] > _LONGEST_TICK:
        raise RecordingError(f"{recording.id}: expected times of a recording, found {recording.time_s[-1]} s")
    ticks: Int64[np.ndarray, " frames"] = np.round(exact).astype(np.int64)
    if len(ticks) > 1 and (np.diff(ticks) <= 0).any():
        raise RecordingError(
            f"{recording.id}: expected frames at least {float(base):g} s apart, found some closer together: a copy "
            f"cannot hold their times"
        )
    return ticks


def _add_stream(container: Any, recording: Recording, base: Fraction) -> Any:
    name, options = next(entry for entry in _ENCODERS if entry[0] in av.codecs_available)
    stream = container.add_stream(name, rate=max(1, round(recording.mean_fps)), options=options)
    stream.width, stream.height = recording.width, recording.height
    even = recording.width % 2 == 0 and recording.height % 2 == 0
    kind = "yuv" if name == "libx264" else "yuvj"
    stream.pix_fmt = f"{kind}420p" if even else f"{kind}444p"
    context = stream.codec_context
    context.time_base = base
    context.gop_size = KEY_FRAME_EVERY
    context.max_b_frames = 0
    context.colorspace = int(Colorspace.ITU601)
    context.color_range = int(ColorRange.MPEG if kind == "yuv" else ColorRange.JPEG)
    return stream


def _picture(pixels: UInt8[np.ndarray, "h w 3"], stream: Any, tick: int, base: Fraction) -> av.VideoFrame:
    rgb = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame = rgb.reformat(
        format=stream.pix_fmt,
        dst_colorspace=Colorspace.ITU601,
        dst_color_range=ColorRange(stream.codec_context.color_range),
    )
    frame.pts, frame.time_base = tick, base
    return frame
