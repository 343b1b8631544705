"""A cache of decoded pictures, bounded by the bytes that they take."""

import threading
from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import dataclass

import av
import numpy as np


@dataclass(frozen=True)
class KeptPicture:
    """A decoded picture, as compact as the decoder gave it.

    Attributes:
        shown_index: the frame whose picture it is.
        picture: the decoder's own planes (a video), or 8-bit grey or RGB.
        damaged: the frame that was asked for did not decode, or is doubtful.
        num_bytes: what it takes in memory.
    """

    shown_index: int
    picture: av.VideoFrame | np.ndarray
    damaged: bool
    num_bytes: int


class FrameCache:
    """Pictures by frame; those not used for longest leave first. May be used from any thread.

    Args:
        most_bytes: how much all of them may take together. The newest picture always stays, however large it is.
    """

    def __init__(self, most_bytes: int) -> None:
        self._guard = threading.Lock()
        self._most_bytes = most_bytes
        self._kept: OrderedDict[int, KeptPicture] = OrderedDict()
        self._sorted: list[int] = []
        self.num_bytes = 0

    def __contains__(self, frame_index: int) -> bool:
        return frame_index in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def most_bytes(self) -> int:
        """The bound; a lower one takes effect at once."""
        return self._most_bytes

    @most_bytes.setter
    def most_bytes(self, value: int) -> None:
        with self._guard:
            self._most_bytes = value
            self._shrink()

    def get(self, frame_index: int) -> KeptPicture | None:
        """The picture of a frame, which counts as used now; None when it is not there."""
        with self._guard:
            found = self._kept.get(frame_index)
            if found is not None:
                self._kept.move_to_end(frame_index)
            return found

    def put(self, frame_index: int, kept: KeptPicture) -> None:
        """Keep a picture; one that is there already counts as used now."""
        with self._guard:
            if frame_index in self._kept:
                self._kept.move_to_end(frame_index)
                return
            self._kept[frame_index] = kept
            insort(self._sorted, frame_index)
            self.num_bytes += kept.num_bytes
            self._shrink()

    def nearest(self, frame_index: int) -> int | None:
        """The frame nearest to one that is there; None when there is none."""
        with self._guard:
            place = bisect_left(self._sorted, frame_index)
            near = self._sorted[max(0, place - 1) : place + 1]
            return min(near, key=lambda known: abs(known - frame_index), default=None)

    def clear(self) -> None:
        """Let go of everything."""
        with self._guard:
            self._kept.clear()
            self._sorted.clear()
            self.num_bytes = 0

    def _shrink(self) -> None:
        while self.num_bytes > self._most_bytes and len(self._kept) > 1:
            oldest, kept = self._kept.popitem(last=False)
            del self._sorted[bisect_left(self._sorted, oldest)]
            self.num_bytes -= kept.num_bytes
