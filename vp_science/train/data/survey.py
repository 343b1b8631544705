"""Every recording of a data set opened once, before training starts: is it readable, how long is it, what is in it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from vp_science.batch import BatchItem
from vp_science.errors import RecordingError, VPScienceError
from vp_science.timeline.ethogram import frame_edges, spans
from vp_science.train.data.settings import DataSettings
from vp_science.train.data.sources import open_item_of
from vp_science.video.follow import FollowedRecording

_THREADS = 8
_SHOWN_ERRORS = 5

Watch = Callable[[int, int], None]
"""Hears how many recordings are done, and of how many."""


@dataclass(frozen=True, eq=False)
class Surveyed:
    """What is known of one recording.

    Attributes:
        time_s: presentation times of its frames.
        stop_s: when the last frame ends.
        stamp: changes when the recording does.
        width: of a frame, in pixels.
        height: of a frame, in pixels.
        shown: first frame and one past the last of every stretch in which there is something to see (an animal that is
            followed is not always there).
    """

    time_s: Float64[np.ndarray, " frames"]
    stop_s: float
    stamp: str
    width: int
    height: int
    shown: Int64[np.ndarray, "stretch 2"]

    @property
    def duration_s(self) -> float:
        """Seconds from the first frame to the end of the last one."""
        return self.stop_s - float(self.time_s[0])


def survey(items: Sequence[BatchItem], data: DataSettings, watch: Watch | None = None) -> list[Surveyed]:
    """Open every recording of a data set, several at a time.

    Args:
        items: of ``find_sources``.
        data: the data set.
        watch: is told how far it is.

    Raises:
        RecordingError: naming all recordings that cannot be opened.
    """
    found: list[Surveyed] = []
    errors: list[str] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(_look, item, data) for item in items]
        for done, future in enumerate(futures, 1):
            try:
                found.append(future.result())
            except VPScienceError as error:
                errors.append(str(error))
            if watch is not None:
                watch(done, len(futures))
    if errors:
        more = f"\n... and {len(errors) - _SHOWN_ERRORS} more" if len(errors) > _SHOWN_ERRORS else ""
        raise RecordingError(
            f"{data.path}: expected {len(items)} recordings that can be opened, found {len(errors)} that cannot: "
            f"repair them, or leave them out (exclude)\n" + "\n".join(errors[:_SHOWN_ERRORS]) + more
        )
    return found


def _look(item: BatchItem, data: DataSettings) -> Surveyed:
    with open_item_of(item, data) as recording:
        time_s = np.asarray(recording.time_s, np.float64)
        shown = np.array([[0, len(time_s)]], np.int64)
        if isinstance(recording, FollowedRecording):
            shown = spans(recording.crops.shown)
        print_of = recording.fingerprint()
        stamp = f"{print_of.num_bytes}-{print_of.num_frames}-{print_of.sha256[:12]}"
        stop_s = float(frame_edges(time_s)[-1])
        return Surveyed(time_s, stop_s, stamp, recording.width, recording.height, shown)
