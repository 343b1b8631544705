"""Damaged files of every kind: either frames under their own index and time, or one of our errors."""

import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from video_synthetic import write_video

from vp_science.errors import RecordingError
from vp_science.recordings import RecordingWarning
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

VIDEOS: dict[str, dict[str, Any]] = {
    "a.mp4": {}, "a.mkv": {}, "a.ts": {}, "b_frames.avi": {}, "a.avi": {"codec": "mpeg4"}, "a.wmv": {"codec": "wmv2"},
    "a.mpg": {"codec": "mpeg2video"}, "a.webm": {"codec": "libvpx"},
    "a.gif": {"codec": "gif", "pix_fmt": "rgb8", "time_base": Fraction(1, 25)},
}  # fmt: skip


def make(path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (12, 20, 24), dtype=np.uint8)
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("frames", data=frames, chunks=(1, 20, 24), compression="gzip")
            file.attrs["fps"] = 3
    elif path.suffix == ".tif":
        tifffile.imwrite(path, frames, photometric="minisblack", compression="zlib")
    else:
        write_video(path, num_frames=40, **VIDEOS[path.name])


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    kind = rng.integers(3)
    if kind == 0:
        for at in rng.integers(0, len(out), rng.integers(1, 20)):
            out[at] = rng.integers(256)
    elif kind == 1:
        del out[rng.integers(1, len(out)) :]
    else:
        at = int(rng.integers(len(out)))
        size = min(len(out) - at, int(rng.integers(1, 400)))
        out[at : at + size] = bytes(size)
    return bytes(out)


@pytest.mark.parametrize("name", [*VIDEOS, "a.h5", "a.tif"])
def test_damage_is_marked_or_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    make(path)
    data = path.read_bytes()
    rng = np.random.default_rng(len(data))
    options = {"source_fps": 5} if path.suffix == ".tif" else {}
    for _ in range(12):
        path.write_bytes(mutate(data, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecordingWarning)
            try:
                with open_recording(path, **options) as recording:
                    wanted = np.arange(recording.num_frames)
                    frames = list(recording.decode(wanted, Preprocess(16, 16)))
                    assert [frame.frame_index for frame in frames] == wanted.tolist()
                    assert np.all(np.diff(recording.time_s) > 0)
            except RecordingError as error:
                assert name in str(error)  # noqa: PT017 - either outcome is right
