"""Small videos whose brightness tells the frame number."""

from pathlib import Path

import av
import numpy as np

STEP = 5


def write_video(path: Path, num_frames: int, fps: int = 20, *, width: int = 64, height: int = 48) -> Path:
    """A video with a key frame every 10 frames; frame ``i`` is a grey of ``20 + 5 i``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"qp": "0", "g": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(num_frames):
            pixels = np.full((height, width, 3), 20 + STEP * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def brightness(grey: int) -> int:
    """The frame number that a grey tells."""
    return round((grey - 20) / STEP)
