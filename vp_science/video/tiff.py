"""Multi-page TIFF files."""

import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import Int64

from vp_science.errors import MissingExtraError, RecordingError
from vp_science.recordings import Fingerprint, fingerprint_files
from vp_science.video.container import MAX_PIXELS, media_errors
from vp_science.video.resize import RESIZE
from vp_science.video.stack import Picture, StackRecording
from vp_science.video.times import Number, TimeValues, needed_times

_BUILT_IN = {1, 8, 32946}  # none, deflate: tifffile decodes these itself
_BROKEN = (
    tifffile.TiffFileError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    OSError,
    struct.error,
)
"""What tifffile raises on damaged files."""


@contextmanager
def _tiff_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except _BROKEN as error:
        raise RecordingError(
            f"{path}: expected a TIFF stack, found a damaged one ({error}): export it again"
        ) from error


def _compression_name(page: Any) -> str:
    return str(getattr(page.compression, "name", page.compression))


class TiffRecording(StackRecording):
    """The pages of one TIFF file: 8 or 16 bit or float, grey or RGB, all of one size.

    Args:
        path: the file.
        value_range: low and high of the values; see ``choose_range``.
        source_fps: frames per second; or else
        timestamps: one time per page in seconds.
        recording_id: the id; by default the file name without its ending.

    Raises:
        RecordingError: when it is not a stack of pictures of one size, or the times are missing or not valid.
        MissingExtraError: when its compression needs imagecodecs.
    """

    path: Path

    def __init__(
        self,
        path: Path,
        *,
        value_range: tuple[Number, Number] | None = None,
        source_fps: Number | None = None,
        timestamps: TimeValues | None = None,
        recording_id: str | None = None,
    ) -> None:
        self.path = path
        self._name = str(path)
        self.id = recording_id or path.stem
        self._file: Any = None
        self._reading = threading.Lock()
        num_frames, shape, dtype, compression = self._inspect()
        self.height, self.width = shape[:2]
        try:
            self.time_s, times = needed_times(num_frames, path, source_fps, timestamps)
            self._choose_range(dtype, value_range, num_frames)
        finally:
            self.close()
        self.source = {
            "backend": "tiff",
            "dtype": str(dtype),
            "compression": compression,
            "value_range": self._range.to_json() if self._range else None,
            "times": times,
            "resize": RESIZE,
        }

    def _open(self) -> Any:
        if self._file is None:
            with media_errors(self.path), _tiff_errors(self.path):
                self._file = tifffile.TiffFile(self.path, mode="r")
        return self._file

    def _inspect(self) -> tuple[int, tuple[int, ...], np.dtype[Any], str]:
        with _tiff_errors(self.path):
            return self._inspect_pages(self._open().pages)

    def _inspect_pages(self, pages: Any) -> tuple[int, tuple[int, ...], np.dtype[Any], str]:
        if len(pages) == 0:
            raise RecordingError(f"{self.path}: expected pages, found an empty TIFF file")
        first = pages[0]
        shape, dtype = tuple(first.shape), np.dtype(first.dtype or np.void)
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)) or dtype.kind not in "uif":
            raise RecordingError(
                f"{self.path}: expected grey or RGB pages, found shape {shape} of {dtype}: export it as a plain stack"
            )
        if shape[0] * shape[1] > MAX_PIXELS:
            raise RecordingError(f"{self.path}: expected at most {MAX_PIXELS} pixels, found {shape[1]} x {shape[0]}")
        self._check_codec(first)
        for number, page in enumerate(pages):
            page_shape = tuple(page.shape)
            if page_shape != shape or page.dtype != first.dtype:
                raise RecordingError(
                    f"{self.path}: expected pages of one size, {shape} {dtype} like page 0, found {page_shape} "
                    f"{page.dtype} "
                    f"at page {number}: export it as a plain stack"
                )
        return len(pages), shape, dtype, _compression_name(first)

    def _check_codec(self, page: Any) -> None:
        if int(page.compression) in _BUILT_IN and int(page.predictor) == 1:
            return
        try:
            import imagecodecs  # noqa: F401
        except ImportError as error:
            raise MissingExtraError(
                f"{self.path}: expected a TIFF file without compression, found {_compression_name(page)}: run pip "
                f"install "
                f'"vp-science[tiff]"'
            ) from error

    def _pictures(self, frame_index: Int64[np.ndarray, " wanted"]) -> Iterator[tuple[int, Picture | None]]:
        pages = self._open().pages
        for index in frame_index.tolist():
            try:
                with self._reading:  # pages share one place in the file
                    picture = np.asarray(pages[index].asarray())
            except _BROKEN:
                picture = None
            yield index, picture

    def fingerprint(self) -> Fingerprint:
        """Size, partial hash and number of pages."""
        with media_errors(self.path):
            return fingerprint_files([self.path], self.num_frames)

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
        self._file = None
