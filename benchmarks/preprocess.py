"""How far the decoder's resize is from the official demo's (PIL LANCZOS on the whole RGB frame), and how fast it is.

python benchmarks/preprocess.py [VIDEO ...]     # the bundled clip by default
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from vp_science.samples import sample_recording
from vp_science.video import resize
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

EXACT = resize.INTERPOLATION & ~Interpolation.LANCZOS
FILTERS = {
    "lanczos": Interpolation.LANCZOS | EXACT,
    "bicubic": Interpolation.BICUBIC | EXACT,
    "area": Interpolation.AREA | EXACT,
    "lanczos, default rounding": Interpolation.LANCZOS,
}


def some_frames(path: Path, count: int = 8, step: int = 20) -> Iterator[av.VideoFrame]:
    """Every 20th frame, straight from the decoder."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            if number >= count * step:
                return
            if number % step == 0:
                yield frame


def compare(path: Path) -> None:
    """Print one recording's rows."""
    frames = list(some_frames(path))
    rgb = [resize.FrameScaler(frame.width, frame.height)(frame) for frame in frames]
    reference = np.stack([np.asarray(Image.fromarray(a).resize((288, 288), Image.Resampling.LANCZOS)) for a in rgb])
    print(f"{path.name}  {frames[0].width} x {frames[0].height} {frames[0].format.name}")
    for name, flags in FILTERS.items():
        scaler = VideoReformatter()
        start = time.perf_counter()
        out = [scaler.reformat(f, 288, 288, "rgb24", interpolation=flags, threads=1).to_ndarray() for f in frames]
        took = (time.perf_counter() - start) / len(frames)
        off = np.abs(np.stack(out).astype(int) - reference)
        print(
            f"  {name:26} mean {off.mean():.3f}  p99 {np.percentile(off, 99):.0f}  max {off.max():3d}"
            f"  {took * 1e3:.1f} ms"
        )


def speed(path: Path) -> None:
    """Print how many frames a second come out of ``decode`` at the encoder's size."""
    for step in (1, 5, 25):
        with open_recording(path) as recording:
            wanted = np.arange(0, recording.num_frames, step)
            start = time.perf_counter()
            count = sum(1 for _ in recording.decode(wanted, Preprocess()))
            took = time.perf_counter() - start
        print(
            f"{path.name}: every {step}. frame: {count / took:.0f} frames/s, "
            f"{recording.duration_s / took:.0f} x real time"
        )


if __name__ == "__main__":
    videos = [Path(argument) for argument in sys.argv[1:]] or [sample_recording()]
    for video in videos:
        compare(video)
    speed(videos[0])
