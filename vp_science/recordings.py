"""Recordings: one continuous stream of frames with timestamps and an id."""

import abc
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from vp_science.typing import JSON
from vp_science.video.preprocess import Preprocess

_MIB = 1 << 20

AnyRecording = TypeVar("AnyRecording", bound="Recording")


class RecordingWarning(UserWarning):
    """A recording can be read, but slowly, or not all of it."""


@dataclass(frozen=True)
class Fingerprint:
    """Tells whether a file is still the same recording, without reading all of it.

    Attributes:
        num_bytes: size of the file (for a folder: of all its frames together).
        sha256: of the first MiB followed by the last MiB (DESIGN section 5).
        num_frames: frames in the index.
    """

    num_bytes: int
    sha256: str
    num_frames: int

    def to_json(self) -> dict[str, JSON]:
        """The fingerprint as it is recorded."""
        return asdict(self)


def fingerprint_files(paths: Sequence[Path], num_frames: int) -> Fingerprint:
    """Fingerprint a recording that lies in one file, or in one file per frame."""
    digest = hashlib.sha256()
    num_bytes = sum(path.stat().st_size for path in paths)
    for path, from_end in ((paths[0], False), (paths[-1], True)):
        with path.open("rb") as file:
            if from_end:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _MIB))
            digest.update(file.read(_MIB))
    return Fingerprint(num_bytes, digest.hexdigest(), num_frames)


@dataclass(frozen=True)
class DecodedFrame:
    """One frame from a sequential read.

    Attributes:
        frame_index: the source frame that was asked for.
        shown_index: the source frame whose pixels these are. It differs from ``frame_index`` only where the source is
            damaged: then it is the last good frame before it (or, at the very start, the first good one after it); and
            -1 where a followed animal is not there: then the pixels are black.
        pixels: RGB.
        damaged: the asked frame did not decode, or the decoder flagged it as corrupt.
    """

    frame_index: int
    shown_index: int
    pixels: UInt8[np.ndarray, "h w 3"]
    damaged: bool = False


class Recording(abc.ABC):
    """One continuous stream of frames with timestamps and an id.

    Attributes:
        id: names the recording in tables and stores.
        path: the file or folder, or None for an array in memory.
        time_s: presentation time of every source frame in seconds, strictly increasing. A video starts at 0; HDF5 and
            NWB recordings keep the clock of their own timestamps.
        height: rows of a displayed frame (after rotation metadata), in pixels.
        width: columns of a displayed frame, in pixels.
        source: facts of the reader that determine the pixels (backend, dataset, value range); they enter the
            provenance of every track.
    """

    id: str
    path: Path | None
    time_s: Float64[np.ndarray, " frames"]
    height: int
    width: int
    source: dict[str, JSON]

    @property
    def num_frames(self) -> int:
        """Number of source frames in the index."""
        return len(self.time_s)

    @property
    def duration_s(self) -> float:
        """From the first to the last presentation time, in seconds."""
        return float(self.time_s[-1] - self.time_s[0])

    @property
    def mean_fps(self) -> float:
        """Frames per second on average: for display, never for computing times."""
        return (self.num_frames - 1) / self.duration_s if self.num_frames > 1 else 0.0

    @abc.abstractmethod
    def read(self, frame_index: int) -> UInt8[np.ndarray, "h w 3"]:
        """One frame at full size, exactly the one asked for.

        Raises:
            RecordingError: when there is no such frame, or it does not decode.
        """

    @abc.abstractmethod
    def decode(
        self, frame_index: Int64[np.ndarray, " wanted"], preprocess: Preprocess | None = None
    ) -> Iterator[DecodedFrame]:
        """The wanted frames in order, each decoded once, already cut and resized.

        Args:
            frame_index: strictly increasing indices of source frames.
            preprocess: region, fit and size; None gives whole frames at full size.

        Raises:
            RecordingError: when nothing decodes, or the file vanished.
        """

    @abc.abstractmethod
    def fingerprint(self) -> Fingerprint:
        """Size, partial hash and frame count."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release files and decoders."""

    def __enter__(self: AnyRecording) -> AnyRecording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
