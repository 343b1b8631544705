"""Looks into a video file without reading all of it: pictures of a few moments, for people.

``vp_science.video`` reads every packet of a file once, so that it can promise which frame is which; for an hour of
video that takes seconds. A small picture in a list needs no such promise: here a seek to the key frame before the
moment, and the frames from there on, are enough. Only containers that hold honest presentation times are read in this
way (MP4, QuickTime, Matroska, WebM); for all others there is the careful way.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from jaxtyping import Float64, UInt8

from vp_science.errors import RecordingError
from vp_science.video.container import Media, media_errors
from vp_science.video.orientation import Orientation
from vp_science.video.preprocess import Preprocess
from vp_science.video.resize import FrameScaler

_HONEST = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
_HEAD_PACKETS = 64
_READ_ON_S = 2.0
"""A moment this close after the last one is reached by decoding on."""
_FIRST_STEP_S = 2.0
_MOST_STEPS = 16
_MATRIX = SideDataType.DISPLAYMATRIX
_HALF_US = 5e-7


class VideoPeek:
    """A video file that is open for looking into it; used from one thread at a time.

    Attributes:
        path: the file.
    """

    def __init__(self, media: Media) -> None:
        """Use ``peek``."""
        self.path = media.path
        self._media = media
        self._tick_s, self._zero = self._find_zero()
        first = next(self._decoded_from(None), None)
        if first is None:
            raise RecordingError(f"{self.path}: expected frames that decode, found none: the file is damaged")
        side_data: Any = first.side_data
        matrix = side_data.get(_MATRIX)
        self._orientation = Orientation.from_display_matrix(bytes(matrix)) if matrix is not None else Orientation()
        self.width, self.height = self._orientation.size(first.width, first.height)
        self._frames: Iterator[av.VideoFrame] = iter(())
        self._now: av.VideoFrame | None = None
        self._next: av.VideoFrame | None = None

    def close(self) -> None:
        """Close the file."""
        self._frames, self._now, self._next = iter(()), None, None
        self._media.close()

    def pictures(self, times_s: Float64[np.ndarray, " n"], plan: Preprocess) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        """The frames on screen at increasing times; before the first frame the first, after the last one the last.

        Args:
            times_s: in seconds from the first frame.
            plan: region and size.

        Raises:
            RecordingError: when the file vanished, or nothing decodes there.
        """
        scaler = FrameScaler(self.width, self.height, plan.geometry(self.width, self.height), self._orientation)
        shown: av.VideoFrame | None = None
        pixels = np.zeros((0, 0, 3), np.uint8)
        for time_s in times_s.tolist():
            with media_errors(self.path):
                frame = self._frame_at(max(0.0, float(time_s)))
            if frame is not shown:
                shown, pixels = frame, scaler(frame)
            yield pixels

    def _find_zero(self) -> tuple[float, int]:
        """Seconds per tick, and the presentation time of the first frame, which is the clock's zero."""
        stream = self._media.stream
        packets = islice(self._media.container.demux(stream), _HEAD_PACKETS)
        times = [packet.pts for packet in packets if packet.size and packet.pts is not None and not packet.is_discard]
        if not times or not stream.time_base:
            raise RecordingError(f"{self.path}: expected presentation times, found none")
        return float(stream.time_base), min(times)

    def _time_s(self, frame: av.VideoFrame) -> float:
        assert frame.pts is not None
        return (frame.pts - self._zero) * self._tick_s

    def _frame_at(self, time_s: float) -> av.VideoFrame:
        limit = time_s + _HALF_US
        now = self._now
        if now is None or not self._time_s(now) <= limit < self._time_s(now) + _READ_ON_S:
            now = self._go_before(limit)
        while True:
            following = self._next or next(self._frames, None)
            if following is None or self._time_s(following) > limit:
                self._now, self._next = now, following
                return now
            now, self._next = following, None

    def _go_before(self, limit: float) -> av.VideoFrame:
        """A frame that is no later; where a seek lands too late, earlier ones are tried, at last the start."""
        step, self._next = 0.0, None
        for _ in range(_MOST_STEPS):
            start = limit - step
            self._frames = self._decoded_from(start if start > 0 else None)
            first = next(self._frames, None)
            if first is not None and (self._time_s(first) <= limit or start <= 0):
                return first
            if start <= 0:
                break
            step = max(_FIRST_STEP_S, 4 * step)
        raise RecordingError(f"{self.path}: expected frames that decode near {limit:.3f} s, found none: it is damaged")

    def _decoded_from(self, time_s: float | None) -> Iterator[av.VideoFrame]:
        """Sound frames from the key frame before a time on, or from the start."""
        stream, container = self._media.stream, self._media.container
        ticks = self._zero + int(time_s / self._tick_s) if time_s is not None else min(self._zero, 0)
        stream.codec_context.flush_buffers()
        container.seek(ticks, stream=stream, backward=True, any_frame=False)
        for packet in container.demux(stream):
            try:
                frames = stream.codec_context.decode(packet if packet.size else None)
            except (av.FFmpegError, ValueError):
                continue  # damage: the frames around it are shown
            for frame in frames:
                if frame.pts is not None and not frame.is_corrupt and frame.pts >= self._zero:
                    yield frame


def peek(path: Path) -> VideoPeek | None:
    """Open a video for looking into it; None when that needs the careful way (``vp_science.open_recording``)."""
    try:
        with media_errors(path):
            media = Media(path)
            try:
                if media.container.format.name in _HONEST:
                    return VideoPeek(media)
            except BaseException:
                media.close()
                raise
            media.close()
    except RecordingError:
        pass  # the careful way may read it, and says what is wrong with it otherwise
    return None
