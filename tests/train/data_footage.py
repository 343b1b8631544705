"""Small recordings whose pixels say which frame they are: grey level 4 n + 20, brighter to the right."""

from fractions import Fraction
from pathlib import Path

import av
import h5py
import numpy as np
from PIL import Image

from vp_science.train.data.request import BatchRequest
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings, LoaderSettings

STILL = AugmentSettings(flip=False, area=(1.0, 1.0))
STEP = 3


def grey_of(frame: int) -> int:
    return 20 + STEP * frame


def frame_of(pixels: np.ndarray) -> np.ndarray:
    """Numbers of frames from their mean grey level."""
    return np.rint((pixels.astype(float).mean(axis=(-3, -2, -1)) - 20) / STEP).astype(int)


def picture(frame: int, width: int = 32, height: int = 24) -> np.ndarray:
    return np.full((height, width), grey_of(frame), np.uint8)


def write_video(path: Path, num_frames: int = 60, fps: int = 25, ticks=None, gop: int = 12, size=(32, 24)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        context = stream.codec_context
        context.time_base, context.gop_size, context.thread_count = Fraction(1, 1000), gop, 1
        context.options = {"preset": "ultrafast", "qp": "1", "bf": "0"}
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="gray").reformat(format="yuv420p")
            frame.pts = round(number * 1000 / fps) if ticks is None else int(ticks[number])
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_hdf5(path: Path, num_frames: int = 40, fps: float = 20.0, first: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["frames"] = np.stack([picture(first + number) for number in range(num_frames)])
        file["timestamps"] = np.arange(num_frames) / fps
        file["timestamps"].attrs["units"] = "s"
    return path


def write_picture(path: Path, level: int, size: tuple[int, int] = (32, 24)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(path)
    return path


def request_of(
    *data: DataSettings,
    clips: ClipSettings | None = None,
    augment: AugmentSettings = STILL,
    workers: int = 0,
    batch_size: int = 4,
    **more: object,
) -> BatchRequest:
    return BatchRequest(
        data=data, clips=clips or ClipSettings(num_frames=4, size=12), augment=augment,
        loader=LoaderSettings(workers=workers, prefetch=1), batch_size=batch_size, **more,
    )  # fmt: skip


class LetterTokenizer:
    """A letter is a piece; what is too long is cut."""

    def __init__(self, length: int = 24) -> None:
        self.length = length

    def __call__(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        ids = np.zeros((len(texts), self.length), np.int32)
        valid = np.zeros((len(texts), self.length), bool)
        for row, whole in enumerate(texts):
            text = whole[: self.length]
            ids[row, : len(text)] = [ord(letter) for letter in text]
            valid[row, : len(text)] = True
        return ids, valid


def text_of(ids: np.ndarray) -> str:
    return "".join(chr(number) for number in ids if number)
