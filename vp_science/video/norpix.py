"""Norpix sequence files (``.seq``), as StreamPix and Piotr's Matlab toolbox write them: CRIM13, MARS, many labs.

A header of 1024 bytes, then one picture after the other, each with the time at which it was taken. Pictures are stored
as they came from the camera (grey or blue-green-red, 8 bits) or as JPEG or PNG files of changing length; there is no
index, so opening a file of compressed pictures walks once from picture to picture (reading four bytes of each).

Sources: the layout as the readers of Piotr's toolbox (seqIo) and pims describe it.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float64, Int64
from PIL import Image, UnidentifiedImageError

from vp_science.errors import RecordingError
from vp_science.recordings import Fingerprint, fingerprint_files
from vp_science.video.container import MAX_PIXELS
from vp_science.video.images import image_pixels
from vp_science.video.resize import RESIZE
from vp_science.video.stack import Picture, StackRecording
from vp_science.video.times import Number, TimeValues, given_times, regular_times

MAGIC = struct.pack("<I", 0xFEED) + "Norpix seq".encode("utf-16-le")
"""How every such file begins."""

_HEADER_BYTES = 1024
_STAMP_BYTES = 8
_RAW = {100: 1, 200: 3}  # channels
_COMPRESSED = {1: "PNG", 2: "PNG", 102: "JPEG", 201: "JPEG"}
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError, UnidentifiedImageError)


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    format: int
    image_bytes: int
    num_frames: int
    step: int
    fps: float


class NorpixRecording(StackRecording):
    """The pictures of one sequence file.

    Times are those that are stored with the pictures, from 0 at the first one; where they do not increase (programs
    that rewrite such files leave them empty) the rate of the header counts.

    Args:
        path: the file.
        source_fps: frames per second instead of the stored times; or else
        timestamps: one time per frame in seconds.
        recording_id: the id; by default the file name without its ending.

    Raises:
        RecordingError: when it is not such a file, is cut short, or its pictures are of another kind.
    """

    path: Path

    def __init__(
        self,
        path: Path,
        *,
        source_fps: Number | None = None,
        timestamps: TimeValues | None = None,
        recording_id: str | None = None,
    ) -> None:
        self.path = path
        self._name = str(path)
        self.id = recording_id or path.stem
        self._file: BinaryIO | None = _open(path)
        try:
            self._header = _read_header(self._file, path)
            self._start, self._length = _index(self._file, self._header, path)
            self.time_s, times = self._times(source_fps, timestamps)
        except BaseException:
            self._file.close()
            raise
        self.width, self.height = self._header.width, self._header.height
        self.source = {
            "backend": "norpix",
            "format": self._header.format,
            "times": times,
            "resize": RESIZE,
        }

    def _times(
        self, source_fps: Number | None, timestamps: TimeValues | None
    ) -> tuple[Float64[np.ndarray, " frames"], str]:
        count = len(self._start)
        if (given := given_times(count, self._name, source_fps, timestamps)) is not None:
            return given
        assert self._file is not None
        stamps = np.empty(count)
        for frame, end in enumerate((self._start + self._length).tolist()):
            self._file.seek(end)
            stored = self._file.read(_STAMP_BYTES).ljust(_STAMP_BYTES, b"\0")
            seconds, milli, micro = struct.unpack("<iHH", stored)
            stamps[frame] = seconds + milli / 1e3 + micro / 1e6
        if count > 1 and (np.diff(stamps) > 0).all():
            return stamps - stamps[0], "stored with the pictures"
        return regular_times(
            count, self._header.fps, self._name
        ), f"{self._header.fps:g} frames per second in the header"

    def _pictures(self, frame_index: Int64[np.ndarray, " wanted"]) -> Iterator[tuple[int, Picture | None]]:
        if self._file is None:
            raise RecordingError(f"{self._name}: expected an open recording, found it closed: open it again")
        for index in frame_index.tolist():
            self._file.seek(int(self._start[index]))
            yield index, self._decode(self._file.read(int(self._length[index])))

    def _decode(self, data: bytes) -> Picture | None:
        header = self._header
        if channels := _RAW.get(header.format):
            if len(data) < header.width * header.height * channels:
                return None
            pixels = np.frombuffer(data, np.uint8, header.width * header.height * channels)
            shaped = pixels.reshape(header.height, header.width, channels)
            return shaped[:, :, 0] if channels == 1 else shaped[:, :, ::-1]
        try:
            with Image.open(io.BytesIO(data), formats=(_COMPRESSED[header.format],)) as image:
                if image.size != (header.width, header.height):
                    return None
                return image_pixels(image)
        except _BROKEN:
            return None

    def fingerprint(self) -> Fingerprint:
        """Size, partial hash and frame count."""
        return fingerprint_files([self.path], self.num_frames)

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def is_norpix(path: Path) -> bool:
    """Whether a file begins like a sequence file."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise RecordingError(f"{path}: expected a recording, found no such file: check the path") from error
    except OSError as error:
        raise RecordingError(f"{path}: expected a readable file, found {error.strerror}: allow reading it") from error


def _read_header(file: BinaryIO, path: Path) -> _Header:
    head = file.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES or not head.startswith(MAGIC):
        raise RecordingError(f"{path}: expected a Norpix sequence, found another kind of file, or only its beginning")
    width, height, bits, _, image_bytes, kind, count, _, step = struct.unpack_from("<9I", head, 548)
    (fps,) = struct.unpack_from("<d", head, 584)
    if not (width > 0 and height > 0 and width * height <= MAX_PIXELS):
        raise RecordingError(f"{path}: expected pictures of at most {MAX_PIXELS} pixels, found {width} x {height}")
    if kind not in _RAW and kind not in _COMPRESSED:
        raise RecordingError(
            f"{path}: expected grey, colour, JPEG or PNG pictures, found the Norpix format {kind} (Bayer patterns and "
            "the like are not read): export it as a video"
        )
    if kind in _RAW and (bits != 8 * _RAW[kind] or image_bytes < width * height * _RAW[kind] or step < image_bytes):
        raise RecordingError(
            f"{path}: expected {8 * _RAW[kind]} bits per pixel in pictures of {width * height * _RAW[kind]} bytes, "
            f"found {bits} bits in {image_bytes} bytes, {step} from one to the next: export it as a video"
        )
    if not (np.isfinite(fps) and fps > 0):
        fps = 0.0
    return _Header(width, height, kind, image_bytes, count, step, float(fps))


def _index(
    file: BinaryIO, header: _Header, path: Path
) -> tuple[Int64[np.ndarray, " frames"], Int64[np.ndarray, " frames"]]:
    """Where every picture starts, and its length in bytes."""
    size = file.seek(0, io.SEEK_END)
    starts, lengths = _raw_index(header, size) if header.format in _RAW else _walk(file, header, size)
    if not len(starts) or len(starts) < header.num_frames:
        raise RecordingError(
            f"{path}: expected {header.num_frames or 'some'} pictures as the header says, found {len(starts)}: the "
            "file is cut short; copy it again"
        )
    return starts, lengths


def _raw_index(header: _Header, size: int) -> tuple[Int64[np.ndarray, " frames"], Int64[np.ndarray, " frames"]]:
    there = max(0, (size - _HEADER_BYTES - header.image_bytes) // header.step + 1)
    count = min(header.num_frames, there) if header.num_frames else there
    return _HEADER_BYTES + np.arange(count, dtype=np.int64) * header.step, np.full(count, header.image_bytes, np.int64)


def _walk(
    file: BinaryIO, header: _Header, size: int
) -> tuple[Int64[np.ndarray, " frames"], Int64[np.ndarray, " frames"]]:
    """From picture to picture: a length that counts its own four bytes, the picture, the time, sometimes padding."""
    starts: list[int] = []
    lengths: list[int] = []
    place, gap = _HEADER_BYTES, _STAMP_BYTES
    while place + 4 < size and (not header.num_frames or len(starts) < header.num_frames):
        file.seek(place)
        (length,) = struct.unpack("<I", file.read(4))
        if len(starts) == 1 and length == 0:
            # Newer versions leave eight bytes more between pictures.
            gap, place = 2 * _STAMP_BYTES, place + _STAMP_BYTES
            continue
        if length <= 4 or place + length > size:
            break
        starts.append(place + 4)
        lengths.append(length - 4)
        place += length + gap
    return np.array(starts, np.int64), np.array(lengths, np.int64)
