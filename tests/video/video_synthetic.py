"""Synthetic recordings whose frames carry their own number as a bar code."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 10
BAR = 16


def bars(number: int, width: int = BITS * BAR, height: int = 48) -> np.ndarray:
    """A grey frame with `number` in binary, black 40 and white 215, and a marker row at the bottom third."""
    frame = np.full((height, width), 110, np.uint8)
    for bit in range(BITS):
        frame[: height * 2 // 3, bit * BAR : (bit + 1) * BAR] = 215 if number >> bit & 1 else 40
    return frame


def number_of(pixels: np.ndarray) -> int:
    """Read the bar code of a full-size frame."""
    grey = pixels.mean(axis=2)
    return sum(1 << bit for bit in range(BITS) if grey[4:24, bit * BAR + 4 : bit * BAR + 12].mean() > 128)


def write_video(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    num_frames: int = 60,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 30),
    gop: int = 12,
    b_frames: int = 2,
    width: int = BITS * BAR,
    height: int = 48,
    options: dict[str, str] | None = None,
) -> np.ndarray:
    """Write one frame per presentation time; returns the times in ticks."""
    ticks = np.arange(num_frames) if pts is None else np.asarray(pts)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=int(1 / time_base) if time_base.numerator == 1 else 30)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        context = stream.codec_context
        context.time_base = time_base
        context.gop_size = gop
        context.thread_count = 1
        if codec in ("libx264", "libx265"):
            context.max_b_frames = b_frames
            context.options = {"preset": "ultrafast", "bf": str(b_frames), **(options or {})}
            if codec == "libx265":
                context.options["x265-params"] = f"log-level=none:pools=1:keyint={gop}:bframes={b_frames}"
        for number, tick in enumerate(ticks.tolist()):
            frame = av.VideoFrame.from_ndarray(bars(number, width, height), format="gray").reformat(format=pix_fmt)
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return ticks
