"""What recordings of separate pictures have in common: arrays, HDF5 datasets, TIFF stacks, image folders."""

import abc
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Int64, Num, UInt8

from vp_science.errors import RecordingError
from vp_science.recordings import DecodedFrame, Recording
from vp_science.video.preprocess import Preprocess
from vp_science.video.resize import FrameScaler
from vp_science.video.times import Number, checked_wanted
from vp_science.video.value_range import ValueRange, choose_range

Picture = Num[np.ndarray, "h w *channels"]


class StackRecording(Recording):
    """A recording whose frames can be fetched one by one.

    A subclass sets ``time_s``, ``height``, ``width``, ``source``, ``_name`` and ``_range``, and fetches pictures: grey
    [h w] or [h w 1], RGB [h w 3] or RGBA [h w 4] (alpha is dropped).
    """

    _name: str
    _range: ValueRange | None = None

    @abc.abstractmethod
    def _pictures(self, frame_index: Int64[np.ndarray, " wanted"]) -> Iterator[tuple[int, Picture | None]]:
        """The wanted pictures as stored, in order; None for one that cannot be decoded."""

    def _picture(self, frame_index: int) -> Picture:
        """One picture as stored."""
        picture = next(iter(self._pictures(np.array([frame_index], np.int64))))[1]
        if picture is None:
            raise RecordingError(
                f"{self._name}: expected frame {frame_index} to decode, found it damaged: read another frame, or use "
                f"decode(), which shows the last good frame instead"
            )
        return picture

    def _choose_range(self, dtype: np.dtype[Any], given: tuple[Number, Number] | None, num_frames: int) -> None:
        self._range = choose_range(dtype, given, self._picture, num_frames, self._name)

    def _eight_bit(self, picture: Picture) -> UInt8[np.ndarray, "h w *shown"]:
        mapped = self._range.apply(picture) if self._range is not None else picture
        return mapped[..., :3] if mapped.ndim == 3 and mapped.shape[2] == 4 else mapped

    def read(self, frame_index: int) -> UInt8[np.ndarray, "h w 3"]:
        """One frame at full size, exactly the one asked for.

        Raises:
            RecordingError: when there is no such frame, or it does not decode.
        """
        checked_wanted(np.array([frame_index], np.int64), self.num_frames, self._name)
        return FrameScaler(self.width, self.height).array(self._eight_bit(self._picture(frame_index)))

    def stored(self, frame_index: int) -> tuple[UInt8[np.ndarray, "h w *shown"], int]:
        """One picture in 8 bits, grey or RGB as it is stored, and whose it is.

        Where the picture does not decode it is that of the last good frame before (at the very start, of the first good
        one after it).

        Raises:
            RecordingError: when there is no such frame, or nothing decodes.
        """
        checked_wanted(np.array([frame_index], np.int64), self.num_frames, self._name)
        shown, picture = next(iter(self._pictures(np.array([frame_index], np.int64))))
        if picture is None:
            shown = self._good_near(frame_index)
            picture = self._picture(shown)
        return self._eight_bit(picture), shown

    def decode(
        self, frame_index: Int64[np.ndarray, " wanted"], preprocess: Preprocess | None = None
    ) -> Iterator[DecodedFrame]:
        """The wanted frames in order, each fetched once, already cut and resized.

        A picture that does not decode is replaced by the last good one before it (at the very start, by the first good
        one after it) and marked.

        Raises:
            RecordingError: when nothing decodes, or the file vanished.
        """
        checked_wanted(frame_index, self.num_frames, self._name)
        geometry = preprocess.geometry(self.width, self.height) if preprocess else None
        scaler = FrameScaler(self.width, self.height, geometry)
        shown: DecodedFrame | None = None
        for index, picture in self._pictures(frame_index):
            if picture is not None:
                shown = DecodedFrame(index, index, scaler.array(self._eight_bit(picture)))
                yield shown
                continue
            near = self._good_near(index)
            if shown is None or shown.shown_index != near:
                shown = DecodedFrame(near, near, scaler.array(self._eight_bit(self._picture(near))))
            yield DecodedFrame(index, near, shown.pixels, damaged=True)

    def _good_near(self, frame_index: int) -> int:
        before = range(frame_index - 1, -1, -1)
        candidate: int
        for candidate in (*before, *range(frame_index + 1, self.num_frames)):
            found = next(iter(self._pictures(np.array([candidate], np.int64))))[1]
            if found is not None:
                return candidate
        raise RecordingError(f"{self._name}: expected pictures that decode, found none: the recording is damaged")
