"""The one resize of the package: swscale, for decoded video frames and for arrays alike.

The reference is what VideoPrism's own demo does: the whole 8-bit RGB frame through PIL's LANCZOS to 288 x 288, then
/255. Deviation from it in units of 1/255, over 8 frames of each recording (``benchmarks/preprocess.py`` prints the
table; the time is one thread's, conversion to RGB included)::

    filter      fly 1024x1024     bird 1280x720     mouse 832x747     chimp 320x180
                mean p99 max      mean p99 max      mean p99 max      mean p99 max
    lanczos     0.14   1   4      0.19   1  18      0.08   1  13      0.42   4  42    2-7 ms
    bicubic     0.22   1  12      0.51   3  17      0.25   3  17      2.16  10  44    2-4 ms
    area        0.40   3  21      1.29   9  26      0.55   6  44      5.69  28  65    1-3 ms
    lanczos, default rounding
                1.02   3   4      1.57   4  31      0.08   1  13      1.66   5  41    1-4 ms

So: Lanczos, whose window grows with the reduction (it antialiases), straight from the decoder's own pixel format, with
exact rounding and full-resolution chroma. What remains is chroma that is interpolated once instead of twice.
Converting to RGB first comes closer still (mean 0.08 - 0.26) but costs five times as much.

Untagged video is read with the BT.601 matrix and limited range, as FFmpeg does; tagged video follows its tags.
"""

import os
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from jaxtyping import UInt8

from vp_science.video.orientation import Orientation, Region
from vp_science.video.preprocess import Geometry

_EXACT = (
    Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
)
_ANY_TIME_BASE = Fraction(1, 1000)
_THREADS = min(4, os.cpu_count() or 1)  # the pixels are the same for any number
INTERPOLATION = Interpolation.LANCZOS | _EXACT
# For looking at frames at full size: 1.0 ms instead of 36 for 1920 x 1080, within 0.1 - 1.5 units of the exact pixels.
QUICK = Interpolation.BILINEAR | Interpolation.FULL_CHR_H_INT
# What determines the pixels beside the source, as it is recorded. The FFmpeg version is not: it is recorded with the
# software of a track, so that an upgrade does not turn every finished track into one with "other settings".
RESIZE = "lanczos+full_chroma+accurate_rnd+bitexact"


class FrameScaler:
    """Cuts, resizes and turns the frames of one recording.

    Args:
        width: columns of the displayed frames.
        height: rows of the displayed frames.
        geometry: what to do with them; None gives whole frames at full size.
        orientation: from coded to displayed frames.
        interpolation: flags of swscale; ``QUICK`` is for looking only, never for an encoder.
    """

    def __init__(
        self,
        width: int,
        height: int,
        geometry: Geometry | None = None,
        orientation: Orientation | None = None,
        interpolation: Interpolation = INTERPOLATION,
    ) -> None:
        self._interpolation = interpolation
        self._orientation = orientation or Orientation()
        self._coded_size = self._orientation.size(width, height)
        self._geometry = geometry or Geometry((0, 0, width, height), (width, height), (0, 0), (width, height))
        self._region = self._orientation.coded_region(self._geometry.source, *self._coded_size)
        self._scaled = self._orientation.size(*self._geometry.scaled)
        self._scaler = VideoReformatter()
        self._converter = VideoReformatter()
        self._crop: _Crop | None = None

    def __call__(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "h w 3"]:
        """A decoded frame to RGB pixels of the geometry's output size."""
        if (frame.width, frame.height) != self._coded_size:  # a stream that changes size: back to the first one
            frame = _reformat(self._converter, frame, self._coded_size)
        frame = _with_known_range(frame)
        if self._region != (0, 0, *self._coded_size):
            frame = self._cut(frame)
        scaled = _reformat(self._scaler, frame, self._scaled, "rgb24", self._interpolation).to_ndarray()
        return self._paste(self._orientation.apply(scaled))

    def array(self, pixels: UInt8[np.ndarray, "h w *channels"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        """The same for an array: grey [h w] or [h w 1], or RGB [h w 3]."""
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
        x, y, width, height = self._region
        cut = np.ascontiguousarray(pixels[y : y + height, x : x + width])
        if self._scaled != (width, height):
            name = "gray" if cut.ndim == 2 else "rgb24"
            frame = av.VideoFrame.from_ndarray(cut, format=name)
            cut = _reformat(self._scaler, frame, self._scaled, name, self._interpolation).to_ndarray()
        rgb = np.repeat(cut[:, :, None], 3, axis=2) if cut.ndim == 2 else cut
        return self._paste(self._orientation.apply(rgb))

    def _cut(self, frame: av.VideoFrame) -> av.VideoFrame:
        if not _aligned(self._region, frame):  # chroma samples straddle the edge: cut in RGB instead
            frame = _reformat(self._converter, frame, self._coded_size)
        if self._crop is None or not self._crop.fits(frame):
            self._crop = _Crop(self._region, frame)
        return self._crop(frame)

    def _paste(self, pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        width, height = self._geometry.output
        if pixels.shape[:2] == (height, width):
            return pixels
        canvas = np.zeros((height, width, 3), np.uint8)
        x, y = self._geometry.offset
        canvas[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
        return canvas


class _Crop:
    """FFmpeg's crop filter: moves pointers, copies nothing."""

    def __init__(self, region: Region, frame: av.VideoFrame) -> None:
        x, y, width, height = region
        self._key = (frame.format.name, frame.width, frame.height)
        graph = av.filter.Graph()
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_ANY_TIME_BASE)
        crop = graph.add("crop", f"{width}:{height}:{x}:{y}:exact=1")
        graph.link_nodes(source, crop, graph.add("buffersink")).configure()
        self._graph = graph

    def fits(self, frame: av.VideoFrame) -> bool:
        return (frame.format.name, frame.width, frame.height) == self._key

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._graph.vpush(frame)
        cut = self._graph.vpull()
        cut.colorspace, cut.color_range = frame.colorspace, frame.color_range
        return cut


def _aligned(region: Region, frame: av.VideoFrame) -> bool:
    x_step = max(1, frame.width // max(1, frame.format.chroma_width(frame.width)))
    y_step = max(1, frame.height // max(1, frame.format.chroma_height(frame.height)))
    x, y, width, height = region
    right, bottom = x + width, y + height
    whole_x = right % x_step == 0 or right == frame.width
    whole_y = bottom % y_step == 0 or bottom == frame.height
    return x % x_step == 0 and y % y_step == 0 and whole_x and whole_y


def _with_known_range(frame: av.VideoFrame) -> av.VideoFrame:
    if frame.format.name.startswith("yuvj"):
        frame.color_range = ColorRange.JPEG
    return frame


def _reformat(
    scaler: VideoReformatter,
    frame: av.VideoFrame,
    size: tuple[int, int],
    name: str = "rgb24",
    interpolation: Interpolation = INTERPOLATION,
) -> av.VideoFrame:
    return scaler.reformat(frame, *size, name, interpolation=interpolation, threads=_THREADS)
