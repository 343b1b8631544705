"""How pictures for looking at come out of a recording: what must be decoded for a frame, and what is kept of it."""

import abc
from collections.abc import Generator, Iterator
from pathlib import Path

import av
import numpy as np
from jaxtyping import Int64, UInt8

from vp_science.errors import RecordingError
from vp_science.recordings import Recording
from vp_science.video.frame_cache import KeptPicture
from vp_science.video.pyav import VideoRecording
from vp_science.video.resize import QUICK, FrameScaler
from vp_science.video.stack import StackRecording
from vp_science.video.walk import Walked

Passed = tuple[int, KeptPicture]
"""A frame and its picture."""


class Way(abc.ABC):
    """From a frame number to its picture. Decoding belongs to one thread at a time."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._scaler = FrameScaler(recording.width, recording.height, interpolation=QUICK)

    @property
    @abc.abstractmethod
    def work(self) -> Int64[np.ndarray, " frames"]:
        """How many pictures must be decoded for each frame when decoding starts anew."""

    def work_left(self, frame_index: int) -> int:
        """How many must be decoded for a frame from where decoding stands."""
        return int(self.work[frame_index])

    def key_frame(self, frame_index: int) -> int:
        """The frame at which decoding begins."""
        return frame_index

    @abc.abstractmethod
    def passing(self, frame_index: int) -> Generator[Passed, None, None]:
        """All pictures on the way to a frame, which comes last."""

    def passing_key(self, frame_index: int) -> Generator[Passed, None, None]:
        """All pictures on the way to the key frame."""
        return self.passing(frame_index)

    def pixels(self, kept: KeptPicture) -> UInt8[np.ndarray, "h w 3"]:
        """RGB of a kept picture. From one thread at a time; it need not be the one that decodes."""
        assert isinstance(kept.picture, np.ndarray)
        return self._scaler.array(kept.picture)


class VideoWay(Way):
    """Videos: key frames, and frames that need others before them. Kept are the decoder's own planes."""

    recording: VideoRecording

    def __init__(self, recording: VideoRecording) -> None:
        super().__init__(recording)
        self._scaler = FrameScaler(recording.width, recording.height, None, recording.orientation, QUICK)
        self._work = recording.packets_to_decode
        self._sound: Walked | None = None

    @property
    def work(self) -> Int64[np.ndarray, " frames"]:
        """Packets from the key frame on."""
        return self._work

    def work_left(self, frame_index: int) -> int:
        """Fewer where decoding goes on."""
        anew = int(self._work[frame_index])
        return min(anew, frame_index - self.recording.reached) if self.recording.goes_on(frame_index) else anew

    def key_frame(self, frame_index: int) -> int:
        """As the index says."""
        return self.recording.key_frame(frame_index)

    def passing(self, frame_index: int) -> Generator[Passed, None, None]:
        """Goes on where it can."""
        return self._kept(self.recording.passing(frame_index))

    def passing_key(self, frame_index: int) -> Generator[Passed, None, None]:
        """One packet, as a rule."""
        return self._kept(walked for walked in self.recording.passing_key(frame_index) if walked.frame is not None)

    def _kept(self, frames: Iterator[Walked]) -> Generator[Passed, None, None]:
        for walked in frames:
            if walked.frame is not None and not walked.damaged:
                self._sound = walked
            shown = walked if walked.frame is not None else self._sound_before(walked.frame_index)
            assert shown.frame is not None
            num_bytes = sum(plane.buffer_size for plane in shown.frame.planes)
            yield walked.frame_index, KeptPicture(shown.frame_index, shown.frame, walked.damaged, num_bytes)

    def _sound_before(self, frame_index: int) -> Walked:
        """The last good frame before one that did not decode: the one passed last, unless a jump lies between."""
        known = self._sound
        if known is None or not self.recording.key_frame(frame_index) <= known.frame_index < frame_index:
            known = self._sound = self.recording.sound_near(frame_index)
        return known

    def pixels(self, kept: KeptPicture) -> UInt8[np.ndarray, "h w 3"]:
        """Turned as the file says."""
        assert isinstance(kept.picture, av.VideoFrame)
        return self._scaler(kept.picture)


class StackWay(Way):
    """Pictures that stand for themselves: HDF5, TIFF, image folders, sequence files, arrays. Grey stays one plane."""

    recording: StackRecording

    @property
    def work(self) -> Int64[np.ndarray, " frames"]:
        """One each."""
        return np.ones(self.recording.num_frames, np.int64)

    def passing(self, frame_index: int) -> Generator[Passed, None, None]:
        """The one picture."""
        picture, shown = self.recording.stored(frame_index)
        yield frame_index, KeptPicture(shown, picture, shown != frame_index, picture.nbytes)


def way_of(recording: Recording, path: Path) -> Way:
    """The way that fits a recording.

    Raises:
        RecordingError: when it is of a kind that is not shown (a followed animal, for example).
    """
    if isinstance(recording, VideoRecording):
        return VideoWay(recording)
    if isinstance(recording, StackRecording):
        return StackWay(recording)
    raise RecordingError(f"{path}: expected a recording that lies in files, found {type(recording).__name__}")
