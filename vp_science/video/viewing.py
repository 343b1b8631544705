"""Recordings for looking at: any frame, exactly, in any order, with what can be shown until it is there."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from vp_science.errors import RecordingError
from vp_science.recordings import DecodedFrame
from vp_science.video.frame_cache import FrameCache, KeptPicture
from vp_science.video.index import Watch
from vp_science.video.kept_index import IndexFolder
from vp_science.video.open import open_recording
from vp_science.video.viewing_ways import Passed, Way, way_of

Interrupt = Callable[[], bool]
"""Asked between two decoded pictures: whether nobody wants the frame any more."""

CACHE_BYTES = 512 << 20
_NEWEST = 0.06
"""Weight of the newest picture in the mean time per picture."""
_ENOUGH = 4
"""A walk from a key frame over fewer pictures says little about how long a long one takes."""
_SAME_S = 1e-4
"""Times of a copy may differ by the rounding of its container."""
_MANY = 96
"""So many pictures must have been decoded before anything is said about the recording as a whole."""
_BLOCK = 16
"""The recording as a whole is judged by the quickest so many pictures in a row: other programs may be busy, too."""


class ViewingSource:
    """One recording, opened for looking at. Every method may be called from any thread; decoding is done in turn.

    Pixels are RGB at full size, converted quickly rather than to the last bit: which frame is shown is exact, colours
    are within one or two units of ``recording.read``.

    Attributes:
        path: the file or folder.
        time_s: presentation times of all frames, in seconds.
        height: of a frame, in pixels.
        width: of a frame, in pixels.
        cache: pictures decoded lately.
        shows_copy: the pictures are those of a copy made for viewing.
        reached: the frame decoded last, -1 before the first one.
    """

    def __init__(self, way: Way, path: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self.path = path
        self.time_s: Float64[np.ndarray, " frames"] = way.recording.time_s
        self.height, self.width = way.recording.height, way.recording.width
        self.cache = FrameCache(cache_bytes)
        self._way = way
        self._standing_alone = bool((way.work == 1).all())
        self._work = threading.RLock()
        self._convert = threading.Lock()
        self._per_picture_s: float | None = None
        self._best_s: float | None = None
        self._block = (0.0, 0)
        self._num_passed = 0
        self.shows_copy = False
        self.reached = -1
        self._closed = False

    @property
    def num_frames(self) -> int:
        """Frames of the recording."""
        return len(self.time_s)

    def fetch(self, frame_index: int, interrupt: Interrupt | None = None) -> bool:
        """Decode a frame, and those on the way to it, into the cache.

        Returns:
            whether it is there: not, when ``interrupt`` said that nobody wants it any more. What was decoded until
            then is kept, and a later call goes on from there.

        Raises:
            RecordingError: when there is no such frame, nothing decodes, or the file vanished or changed.
        """
        return self._kept(frame_index, interrupt) is not None

    def exact(self, frame_index: int, interrupt: Interrupt | None = None) -> DecodedFrame | None:
        """One frame; None when interrupted.

        A frame that is damaged shows the last good one before it (``shown_index``) and says so (``damaged``).

        Raises:
            RecordingError: as ``fetch``.
        """
        kept = self._kept(frame_index, interrupt)
        return None if kept is None else self._shown(frame_index, kept)

    def preview(self, frame_index: int, interrupt: Interrupt | None = None) -> DecodedFrame | None:
        """What can be shown soonest for a frame: one near it in the cache, or the key frame before it.

        None when interrupted, or where decoding the frame itself is no more work.

        Raises:
            RecordingError: when the file vanished or changed.
        """
        key = self._way.key_frame(frame_index)
        if key == frame_index:
            return None
        near = self.cache.nearest(frame_index)
        if near is not None and abs(near - frame_index) <= frame_index - key:
            kept = self.cache.get(near)
            if kept is not None:
                return self._shown(frame_index, kept)
        with self._work:
            self._check_open()
            last = self._walk(self._way.passing_key(frame_index), key, interrupt)
            if last is None:
                return None
            return self._shown(frame_index, last[1])

    def cached(self, frame_index: int) -> bool:
        """Whether a frame needs no decoding."""
        return frame_index in self.cache

    def expected_s(self, frame_index: int) -> float | None:
        """How long ``exact`` will take, in seconds; None before anything was decoded that tells."""
        if self.cached(frame_index):
            return 0.0
        return None if self._per_picture_s is None else self._per_picture_s * self._way.work_left(frame_index)

    def jump_s(self) -> float | None:
        """How long a far jump takes: 95 of 100 take no longer. None before enough was decoded to know.

        It is the time per decoded picture, as measured, times the pictures between a frame and its key frame.
        """
        if self._best_s is None or self._num_passed < _MANY:
            return None
        return float(self._best_s * np.percentile(self._way.work, 95))

    def key_distance(self) -> int:
        """Frames from one key frame to the next, where they lie farthest apart."""
        return int(self._way.work.max())

    def stands_for(self, original: "ViewingSource") -> bool:
        """Whether this is a copy of another recording, frame by frame; if so, it takes over its path and its times."""
        if self.num_frames != original.num_frames or (self.height, self.width) != (original.height, original.width):
            return False
        own, theirs = self.time_s - self.time_s[0], original.time_s - original.time_s[0]
        if np.abs(own - theirs).max() > _SAME_S:
            return False
        self.path, self.time_s, self.shows_copy = original.path, original.time_s, True
        return True

    def close(self) -> None:
        """Let go of the file and of all pictures."""
        with self._work:
            self._closed = True
            self._way.recording.close()
            self.cache.clear()

    def _kept(self, frame_index: int, interrupt: Interrupt | None) -> KeptPicture | None:
        if not 0 <= frame_index < self.num_frames:
            raise IndexError(f"{self.path}: expected frames 0 to {self.num_frames - 1}, found {frame_index} asked for")
        kept = self.cache.get(frame_index)
        if kept is not None:
            return kept
        with self._work:
            kept = self.cache.get(frame_index)
            if kept is not None:
                return kept
            self._check_open()
            anew = not self._standing_alone and self._way.work_left(frame_index) == self._way.work[frame_index]
            begun, before = time.perf_counter(), self._num_passed
            last = self._walk(self._way.passing(frame_index), frame_index, interrupt)
            count = self._num_passed - before
            if count >= (_ENOUGH if anew else 1):
                self._measured(time.perf_counter() - begun, count)
            return None if last is None else last[1]

    def _walk(self, pictures: Generator[Passed, None, None], target: int, interrupt: Interrupt | None) -> Passed | None:
        """Walk up to the target, keep everything that is passed; the last of it, or None when interrupted before."""
        last: Passed | None = None
        with closing(pictures):
            for last in pictures:
                self.cache.put(*last)
                self._num_passed += 1
                self.reached = last[0]
                if last[0] != target and interrupt is not None and interrupt():
                    return None
        return last

    def _measured(self, seconds: float, count: int) -> None:
        """So many pictures took so long to decode."""
        self._per_picture_s = _blend(self._per_picture_s, seconds / count, count)
        together, number = self._block[0] + seconds, self._block[1] + count
        if number >= _BLOCK:
            self._best_s = min(together / number, self._best_s or np.inf)
            together, number = 0.0, 0
        self._block = (together, number)

    def _check_open(self) -> None:
        if self._closed:
            raise RecordingError(f"{self.path}: expected an open recording, found it closed: open it again")

    def _shown(self, frame_index: int, kept: KeptPicture) -> DecodedFrame:
        with self._convert:
            return DecodedFrame(frame_index, kept.shown_index, self._way.pixels(kept), kept.damaged)


def open_source(
    path: Path, index_folder: Path, watch: Watch | None = None, cache_bytes: int = CACHE_BYTES
) -> ViewingSource:
    """Open a recording for looking at.

    Args:
        path: a video, an HDF5 or NWB file, a TIFF stack, a folder of pictures, ...: what ``open_recording`` takes.
        index_folder: where indexes of videos are kept, so that a file is read through only once.
        watch: is told how much of a video is read, 0 to 1; what it raises ends the work.
        cache_bytes: how much memory decoded pictures may take.

    Raises:
        RecordingError: when it cannot be read.
    """
    recording = open_recording(path, indexer=IndexFolder(index_folder, watch))
    try:
        return ViewingSource(way_of(recording, path), path, cache_bytes)
    except BaseException:
        recording.close()
        raise


def _blend(known: float | None, measured: float, count: int) -> float:
    """The mean with a measurement over some pictures; later ones weigh more."""
    weight = 1 - (1 - _NEWEST) ** count
    return measured if known is None else (1 - weight) * known + weight * measured
