"""Folders and patterns of still pictures, one per frame."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Num
from PIL import Image, ImageOps, UnidentifiedImageError

from vp_science.errors import RecordingError
from vp_science.recordings import Fingerprint, fingerprint_files
from vp_science.video.container import MAX_PIXELS
from vp_science.video.resize import RESIZE
from vp_science.video.stack import Picture, StackRecording
from vp_science.video.times import Number, TimeValues, needed_times

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".webm", ".mts", ".m2ts", ".gif", ".wmv", ".asf", ".mpg", ".mpeg", ".m4v", ".h264"}
)
_SIXTEEN_BIT = {"I;16", "I;16B", "I;16L", "I", "F"}
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_EXIF_ORIENTATION = 0x0112


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts ``frame2`` before ``frame10``."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part)) if part.isdecimal() else (1, part.lower()) for part in parts if part)


def find_images(path: Path) -> list[Path]:
    """The pictures in a folder, or those that match a pattern, in natural order.

    Raises:
        RecordingError: when there are none, or the folder holds videos instead.
    """
    if path.is_dir():
        try:
            entries = [Path(entry.path) for entry in os.scandir(path) if not entry.name.startswith(".")]
        except PermissionError as error:
            raise RecordingError(f"{path}: expected a readable folder, found no permission to read it") from error
        what = "a folder of pictures"
    else:
        entries = [Path(name) for name in glob.glob(str(path))]
        what = "pictures that match the pattern"
    found = [entry for entry in entries if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    if not found:
        videos = sorted(entry.name for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES)
        if videos:
            raise RecordingError(
                f"{path}: expected one recording, found a folder of {len(videos)} videos ({videos[0]}, ...): pass the "
                f"files themselves"
            )
        kinds = " ".join(sorted(IMAGE_SUFFIXES))
        raise RecordingError(
            f"{path}: expected {what} ({kinds}), found none among {len(entries)} entries: check the path"
        )
    return sorted(found, key=lambda entry: (natural_key(entry.name), str(entry)))


class ImageRecording(StackRecording):
    """Still pictures of one size, one per frame.

    Args:
        path: the folder or pattern they were found by.
        files: the pictures in order.
        value_range: low and high for pictures of more than 8 bits; see ``choose_range``.
        source_fps: frames per second; or else
        timestamps: one time per frame in seconds.
        recording_id: the id; by default the folder's name.

    Raises:
        RecordingError: when a picture is not readable or has another size, or the times are missing or not valid.
    """

    path: Path

    def __init__(
        self,
        path: Path,
        files: Sequence[Path],
        *,
        value_range: tuple[Number, Number] | None = None,
        source_fps: Number | None = None,
        timestamps: TimeValues | None = None,
        recording_id: str | None = None,
    ) -> None:
        self.path = path
        self._name = str(path)
        self.id = recording_id or (path.name if path.is_dir() else path.parent.name)
        self._files = list(files)
        self.time_s, times = needed_times(len(files), path, source_fps, timestamps)
        self.width, self.height = self._common_size()
        first = self._picture(0)
        self._dtype = first.dtype
        self._choose_range(first.dtype, value_range, len(files))
        self.source = {
            "backend": "images",
            "suffixes": [*sorted({file.suffix.lower() for file in self._files})],
            "dtype": str(first.dtype),
            "value_range": self._range.to_json() if self._range else None,
            "times": times,
            "resize": RESIZE,
        }

    def _common_size(self) -> tuple[int, int]:
        first = image_size(self._files[0])
        for file in self._files[1:]:
            size = image_size(file)
            if size != first:
                raise RecordingError(
                    f"{self.path}: expected pictures of one size, {first[0]} x {first[1]} like "
                    f"{self._files[0].name}, found "
                    f"{size[0]} x {size[1]} in {file.name}: move it out of the folder"
                )
        return first

    def _pictures(self, frame_index: Int64[np.ndarray, " wanted"]) -> Iterator[tuple[int, Picture | None]]:
        for index in frame_index.tolist():
            file = self._files[index]
            if not file.is_file():
                raise RecordingError(
                    f"{file}: expected frame {index} of {self.path}, found no such file: it was removed"
                )
            try:
                picture = load_image(file)
            except _BROKEN:
                picture = None
            if picture is not None and picture.shape[:2] != (self.height, self.width):
                raise RecordingError(f"{file}: expected a picture of {self.width} x {self.height}, found it changed")
            yield index, picture

    def fingerprint(self) -> Fingerprint:
        """Total size, hash of the first picture's first and the last picture's last MiB, number of pictures."""
        return fingerprint_files(self._files, self.num_frames)

    def close(self) -> None:
        """Nothing stays open."""


def image_size(file: Path) -> tuple[int, int]:
    """Width and height as displayed, from the header.

    Raises:
        RecordingError: when it is not a picture, or absurdly large.
    """
    try:
        with Image.open(file) as image:
            width, height = image.size
            turned = image.format == "JPEG" and image.getexif().get(_EXIF_ORIENTATION, 1) >= 5
    except (UnidentifiedImageError, *_BROKEN) as error:
        raise RecordingError(
            f"{file}: expected a picture, found something else ({error}): remove or replace it"
        ) from error
    if width * height > MAX_PIXELS:
        raise RecordingError(f"{file}: expected at most {MAX_PIXELS} pixels, found {width} x {height}")
    return (height, width) if turned else (width, height)


def load_image(file: Path) -> Num[np.ndarray, "h w *channels"]:
    """The pixels as displayed: grey [h w] (8 or 16 bit) or RGB [h w 3]."""
    with Image.open(file) as image:
        return image_pixels(image)


def image_pixels(image: Image.Image) -> Num[np.ndarray, "h w *channels"]:
    """Pixels of a PIL picture, turned as its EXIF asks; palettes become RGB, alpha is dropped."""
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"expected at most {MAX_PIXELS} pixels, found {image.width} x {image.height}")
    shown = ImageOps.exif_transpose(image)
    if shown.mode in _SIXTEEN_BIT:
        pixels = np.asarray(shown)
        return (
            pixels.astype(np.uint16) if shown.mode != "F" and pixels.min() >= 0 and pixels.max() < 1 << 16 else pixels
        )
    return np.asarray(shown.convert("L" if shown.mode in ("1", "L", "LA") else "RGB"))
