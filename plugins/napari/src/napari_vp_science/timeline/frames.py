"""Borders of frames: what is drawn with the mouse begins and ends on them, also where frames last differently long."""

from dataclasses import dataclass

import numpy as np

import vp_science as vp


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of one recording; frame ``i`` lasts from ``edges_s[i]`` to ``edges_s[i + 1]``.

    Attributes:
        edges_s: in seconds, strictly increasing, one more than there are frames.
    """

    edges_s: np.ndarray

    @classmethod
    def of(cls, time_s: np.ndarray) -> "Frames":
        """From the presentation times of the frames (at least one)."""
        return cls(vp.sessions.frame_edges(np.asarray(time_s, np.float64)))

    def __len__(self) -> int:
        return len(self.edges_s) - 1

    @property
    def typical_s(self) -> float:
        """How long most frames last."""
        return float(np.median(np.diff(self.edges_s)))

    def at(self, time_s: float) -> int:
        """The frame that is on the screen at a time; the first or last one outside of the recording."""
        return int(np.clip(np.searchsorted(self.edges_s, time_s, side="right") - 1, 0, len(self) - 1))

    def nearest_edge(self, time_s: float) -> int:
        """Number of the border that is closest to a time."""
        after = int(np.clip(np.searchsorted(self.edges_s, time_s), 1, len(self)))
        return after - 1 if time_s - self.edges_s[after - 1] <= self.edges_s[after] - time_s else after

    def start(self, frame: int) -> float:
        """When a frame begins; its number may also be that of the last border."""
        return float(self.edges_s[frame])
