"""Frames to seconds and back, for formats that count frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath

import numpy as np
from jaxtyping import Float64, Int64

from vp_science.errors import AnnotationError
from vp_science.timeline.ethogram import frame_edges
from vp_science.timeline.names import match_names

_NEAR = 0.5 + 1e-6


def recording_name(text: str) -> str:
    """The id that a media path stands for: its last part without the ending, whichever system wrote the path."""
    name = PureWindowsPath(text.strip()).name if "\\" in text else PurePosixPath(text.strip()).name
    stem = PurePosixPath(name).stem
    return stem or name


@dataclass(frozen=True, eq=False)
class FrameClock:
    """When the frames of recordings are shown.

    Attributes:
        fps: constant rate for recordings whose times are not known; frame 0 at 0 s. None: there is no such rate.
        time_s: presentation times by recording id; a recording that is named in another way (a path, a file name) is
            the only one whose plain name is the same (see ``timeline.names``).
    """

    fps: int | float | None = None
    time_s: Mapping[str, Float64[np.ndarray, " frame"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fps is not None and not (np.isfinite(self.fps) and self.fps > 0):
            raise AnnotationError(f"expected a positive number of frames per second, found {self.fps}")

    def with_default(self, fps: int | float | None) -> "FrameClock":
        """The same, with this rate where none was given (a rate that the annotation file itself states)."""
        return self if self.fps is not None or fps is None else FrameClock(float(fps), self.time_s)

    def knows(self, recording: str) -> bool:
        """Whether frames of this recording can be converted."""
        return self.fps is not None or self.times(recording) is not None

    def num_frames(self, recording: str) -> int | None:
        """Frames of the recording; None when only a rate is known."""
        times = self.times(recording)
        return None if times is None else len(times)

    def seconds(self, recording: str, frame: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Presentation times of frames counted from 0; one past the last frame is the end of the recording.

        Raises:
            AnnotationError: when the times are not known, or there is no such frame.
        """
        frames = np.asarray(frame, dtype=np.int64)
        times = self.times(recording)
        if times is None:
            return frames / self._rate(recording)
        edges = frame_edges(times)
        if len(bad := np.flatnonzero((frames < 0) | (frames >= len(edges)))):
            raise AnnotationError(
                f"expected frames 0 to {len(times)} (the end) of {recording!r}, found {frames[bad[0]]}: "
                "the annotations belong to another recording, or count from another frame"
            )
        return np.asarray(edges[frames])

    def frames(self, recording: str, time_s: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """Frames (counted from 0) whose start is nearest to these times; the end of the recording is one past the last.

        Raises:
            AnnotationError: when the times of the frames are not known.
        """
        times = self.times(recording)
        if times is None:
            return np.floor(np.asarray(time_s) * self._rate(recording) + _NEAR).astype(np.int64)
        edges = frame_edges(times)
        middle = (edges[:-1] + edges[1:]) / 2
        return np.searchsorted(middle, np.asarray(time_s) + 1e-9, side="right").astype(np.int64)

    def times(self, recording: str) -> Float64[np.ndarray, " frame"] | None:
        """Presentation times of a recording; None when they are not known."""
        if recording not in self.time_s:
            [recording] = match_names(list(self.time_s), [recording])
        return self.time_s.get(recording)

    def _rate(self, recording: str) -> float:
        if self.fps is None:
            raise AnnotationError(
                f"expected to know when the frames of {recording!r} are shown, found no times and no rate: this format "
                "counts frames, so give the recording (--recordings DIR) or its rate (--fps)"
            )
        return float(self.fps)
