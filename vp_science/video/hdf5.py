"""HDF5 recordings: frames as numbers, or one encoded picture per frame."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float64, Int64, Num
from PIL import Image, UnidentifiedImageError

from vp_science.errors import RecordingError
from vp_science.recordings import Fingerprint, RecordingWarning
from vp_science.typing import JSON
from vp_science.video.h5_access import check_storage, get_dataset, h5_errors, open_h5
from vp_science.video.hdf5_layouts import Layout
from vp_science.video.hdf5_times import TimeUnit, find_times
from vp_science.video.images import image_pixels
from vp_science.video.original import fingerprint_hdf5
from vp_science.video.resize import RESIZE
from vp_science.video.stack import Picture, StackRecording
from vp_science.video.times import TIMES_ADVICE, Number, TimeValues, checked_times

BLOCK_BYTES = 512 << 20
"""At most this much of a dataset is held at a time while reading in order."""

_SLOW_RATIO = 16
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, UnidentifiedImageError, Image.DecompressionBombError)


class Hdf5Recording(StackRecording):
    """Frames in one dataset of an HDF5 file.

    Args:
        path: the file.
        layout: where the frames lie.
        value_range: low and high of the values; see ``choose_range``.
        source_fps: frames per second instead of the file's own times.
        timestamps: times in seconds, or the name of a dataset that holds them.
        timestamps_unit: unit of that dataset.
        recording_id: the id; by default the file name without its endings.

    Raises:
        RecordingError: when the frames cannot be read, or the times are missing or not valid.
    """

    path: Path

    def __init__(
        self,
        path: Path,
        layout: Layout,
        *,
        value_range: tuple[Number, Number] | None = None,
        source_fps: Number | None = None,
        timestamps: TimeValues | str | None = None,
        timestamps_unit: TimeUnit | None = None,
        recording_id: str | None = None,
    ) -> None:
        self.path = path
        self._name = str(path)
        self.id = recording_id or path.name.split(".")[0] or path.name
        self._layout = layout
        self._file: h5py.File | None = None
        try:
            dataset = self._dataset()
            with h5_errors(path):
                check_storage(dataset, path)
                numbers = _frame_numbers(self._open(), path, layout)
                self.time_s, times = self._times(numbers, source_fps, timestamps, timestamps_unit)
                facts = self._set_pictures(dataset, value_range)
            self._warn_if_slow(dataset)
        finally:
            self.close()
        self.source = {"backend": "hdf5", "dataset": layout.name, **facts, "times": times, "resize": RESIZE}

    def _times(
        self,
        numbers: Int64[np.ndarray, " frames"] | None,
        source_fps: Number | None,
        timestamps: TimeValues | str | None,
        unit: TimeUnit | None,
    ) -> tuple[Float64[np.ndarray, " frames"], str]:
        count = self._layout.num_frames
        if numbers is not None and source_fps is not None and source_fps > 0 and timestamps is None:
            times = checked_times(numbers / source_fps, count, self.path, "frame_numbers")
            return times, f"frame_numbers / source_fps={source_fps:g}"
        return find_times(
            self._open(), self.path, self._layout, count,
            source_fps=source_fps, timestamps=timestamps, timestamps_unit=unit,
        )  # fmt: skip

    def _set_pictures(self, dataset: h5py.Dataset, value_range: tuple[Number, Number] | None) -> dict[str, JSON]:
        facts: dict[str, JSON]
        if self._layout.axes is not None:
            self.height, self.width = self._layout.axes.height, self._layout.axes.width
            dtype = np.dtype(dataset.dtype)
            facts = {"dtype": str(dtype), "axes": self._layout.axes.name}
        else:
            first = self._first_picture(dataset)
            self.height, self.width, dtype = first.shape[0], first.shape[1], first.dtype
            order = "bgr" if self._layout.bgr else "rgb"
            facts = {"dtype": str(dtype), "encoded": True, "channel_order": order}
        self._choose_range(dtype, value_range, self._layout.num_frames)
        return {**facts, "value_range": self._range.to_json() if self._range else None}

    def _first_picture(self, dataset: h5py.Dataset) -> Picture:
        for index in range(self._layout.num_frames):
            picture = _decoded(dataset[index], self._layout.bgr)
            if picture is not None:
                return picture
        raise RecordingError(
            f'{self.path}: expected encoded pictures in "{self._layout.name}", found none that decode: expected '
            f"JPEG or PNG"
        )

    def _open(self) -> h5py.File:
        if self._file is None:
            self._file = open_h5(self.path)
        return self._file

    def _dataset(self) -> h5py.Dataset:
        return get_dataset(self._open(), self._layout.name, self.path)

    def _warn_if_slow(self, dataset: h5py.Dataset) -> None:
        if self._layout.axes is None or not dataset.chunks:
            return
        frame_bytes = dataset.nbytes // max(1, len(dataset))
        touched = _frames_per_chunk(dataset) * frame_bytes
        if _frames_per_chunk(dataset) >= _SLOW_RATIO:
            warnings.warn(
                f'{self.path}: the chunks {dataset.chunks} of "{self._layout.name}" hold parts of '
                f"{dataset.chunks[0]} frames, "
                f"so reading one frame decompresses {touched / 1e6:.1f} MB, {touched // max(1, frame_bytes)} times "
                f"the frame: "
                f"reading in order is not affected; for random access repack with h5repack -l "
                f"{self._layout.name}:CHUNK={'x'.join(map(str, (1, *dataset.shape[1:])))}",
                RecordingWarning,
                3,
            )

    def _pictures(self, frame_index: Int64[np.ndarray, " wanted"]) -> Iterator[tuple[int, Picture | None]]:
        dataset = self._dataset()
        with h5_errors(self.path):
            check_storage(dataset, self.path)
        axes = self._layout.axes
        if axes is None:
            for index in frame_index.tolist():
                yield index, self._encoded(dataset, index)
            return
        for block in blocks(dataset, frame_index):
            frames = _read_block(dataset, block)
            for index, frame in zip(block.tolist(), frames, strict=True):
                yield index, None if frame is None else axes.channels_last(frame)

    def _encoded(self, dataset: h5py.Dataset, index: int) -> Picture | None:
        try:
            picture = _decoded(dataset[index], self._layout.bgr)
        except OSError:
            return None
        if picture is not None and picture.shape[:2] != (self.height, self.width):
            raise RecordingError(
                f'{self.path}: expected pictures of {self.width} x {self.height} in "{self._layout.name}", found '
                f"{picture.shape[1]} x {picture.shape[0]} at frame {index}"
            )
        return picture

    def fingerprint(self) -> Fingerprint:
        """Size, partial hash and frame count, of the file without annotations that were written into it."""
        with h5_errors(self.path):
            return fingerprint_hdf5(self.path, self.num_frames)

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
        self._file = None


def blocks(
    dataset: h5py.Dataset, frame_index: Int64[np.ndarray, " wanted"], limit: int | None = None
) -> Iterator[Int64[np.ndarray, " block"]]:
    """The wanted frames in groups that lie in the same chunks, so that every chunk is decompressed once.

    Groups whose frames would need more than ``limit`` bytes (512 MiB) are cut into smaller ones.
    """
    per_chunk = _frames_per_chunk(dataset)
    frame_bytes = max(1, dataset.nbytes // max(1, len(dataset)))
    most = max(1, (BLOCK_BYTES if limit is None else limit) // frame_bytes)
    edges = np.flatnonzero(np.diff(frame_index // per_chunk)) + 1
    for group in np.split(frame_index, edges):
        start = 0
        while start < len(group):
            stop = int(np.searchsorted(group, group[start] + most))
            yield group[start:stop]
            start = stop


def _read_block(dataset: h5py.Dataset, block: Int64[np.ndarray, " block"]) -> list[Num[np.ndarray, "..."] | None]:
    try:
        frames = dataset[int(block[0]) : int(block[-1]) + 1]
        return [frames[i] for i in block - block[0]]
    except OSError:
        return [_read_one(dataset, i) for i in block.tolist()]


def _read_one(dataset: h5py.Dataset, index: int) -> Num[np.ndarray, "..."] | None:
    try:
        frame: Num[np.ndarray, ...] = dataset[index]
    except OSError:  # a damaged chunk (checksum, truncated file)
        return None
    return frame


def _frames_per_chunk(dataset: h5py.Dataset) -> int:
    return int(dataset.chunks[0]) if dataset.chunks else 1


def _frame_numbers(file: h5py.File, path: Path, layout: Layout) -> Int64[np.ndarray, " frames"] | None:
    """SLEAP packages hold some frames of a video; this says which."""
    parent, _, leaf = layout.name.rpartition("/")
    if leaf != "video" or not parent or "frame_numbers" not in file[parent]:
        return None
    item = get_dataset(file, f"{parent}/frame_numbers", path)
    check_storage(item, path)
    if item.shape != (layout.num_frames,) or item.dtype.kind not in "iu":
        raise RecordingError(
            f'{path}: expected {layout.num_frames} frame numbers in "{parent}/frame_numbers", found shape '
            f"{item.shape} of "
            f"{item.dtype}: {TIMES_ADVICE}"
        )
    numbers: Int64[np.ndarray, " frames"] = item[:].astype(np.int64)
    return numbers


def _decoded(stored: Any, bgr: bool) -> Picture | None:
    data = np.asarray(stored).view(np.uint8).tobytes()
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "BMP", "TIFF")) as image:
            pixels = image_pixels(image)
    except _BROKEN:
        return None
    return pixels[..., ::-1] if bgr and pixels.ndim == 3 else pixels
