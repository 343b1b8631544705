"""Recordings that are arrays in memory."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from vp_science.errors import RecordingError
from vp_science.recordings import Fingerprint, fingerprint_files
from vp_science.video.resize import RESIZE
from vp_science.video.shapes import frame_axes
from vp_science.video.stack import Picture, StackRecording
from vp_science.video.times import Number, TimeValues, needed_times

_MIB = 1 << 20


class ArrayRecording(StackRecording):
    """Frames of an array: [t h w], [t h w c] or [t c h w], 8-bit, 16-bit, integer or float.

    Args:
        array: the frames; it is not copied.
        value_range: low and high of the values; see ``choose_range``.
        source_fps: frames per second; or else
        timestamps: one time per frame in seconds.
        recording_id: the id; "array" by default.
        path: the ``.npy`` file that the array is mapped from, if any.

    Raises:
        RecordingError: when the array does not have the shape or type of frames, or the times are missing or not valid.
    """

    def __init__(
        self,
        array: np.ndarray,
        *,
        value_range: tuple[Number, Number] | None = None,
        source_fps: Number | None = None,
        timestamps: TimeValues | None = None,
        recording_id: str | None = None,
        path: Path | None = None,
    ) -> None:
        self.path = path
        self._name = str(path) if path else "array"
        self.id = recording_id or (path.stem if path else "array")
        axes = frame_axes(array.shape, array.dtype)
        if axes is None:
            raise RecordingError(
                f"{self._name}: expected frames [t h w], [t h w 1|3|4] or [t 1|3 h w] of numbers, found shape "
                f"{array.shape} of {array.dtype}: transpose or convert the array"
            )
        self._array: np.ndarray | None = array
        self._axes = axes
        self.height, self.width = axes.height, axes.width
        self.time_s, times = needed_times(len(array), self._name, source_fps, timestamps)
        self._choose_range(array.dtype, value_range, len(array))
        self.source = {
            "backend": "array",
            "dtype": str(array.dtype),
            "axes": axes.name,
            "value_range": self._range.to_json() if self._range else None,
            "times": times,
            "resize": RESIZE,
        }

    def _pictures(self, frame_index: Int64[np.ndarray, " wanted"]) -> Iterator[tuple[int, Picture | None]]:
        if self._array is None:
            raise RecordingError(f"{self._name}: expected an open recording, found it closed: open it again")
        for index in frame_index.tolist():
            yield index, self._axes.channels_last(np.asarray(self._array[index]))

    def fingerprint(self) -> Fingerprint:
        """Of the ``.npy`` file; in memory: size and hash of the first and last MiB of the values."""
        if self.path is not None:
            return fingerprint_files([self.path], self.num_frames)
        assert self._array is not None
        flat = np.ascontiguousarray(self._array).view(np.uint8).reshape(-1)
        digest = hashlib.sha256(flat[:_MIB].tobytes() + flat[-_MIB:].tobytes())
        return Fingerprint(flat.size, digest.hexdigest(), self.num_frames)

    def close(self) -> None:
        """Let go of the array."""
        self._array = None
