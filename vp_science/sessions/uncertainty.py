"""How unsure a probe is from frame to frame, and between what."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import frame_edges


@dataclass(frozen=True, eq=False)
class Doubt:
    """Doubt about every frame of a recording, summed up so that any segment is looked up at once.

    Attributes:
        names: behaviors; where they exclude each other, "" for none of them comes last.
        edges: borders of the frames in seconds.
        total: ``(edge, )`` doubt up to here, 0 to 1 per frame.
        each: ``(edge, name)`` doubt up to here that is about one behavior.
    """

    names: tuple[str, ...]
    edges: Float64[np.ndarray, " edge"]
    total: Float64[np.ndarray, " edge"]
    each: Float64[np.ndarray, "edge name"]

    def of(self, start_s: int | float, stop_s: int | float) -> float:
        """Mean doubt of a segment, 0 (sure) to 1."""
        first, stop = self._frames(start_s, stop_s)
        return float((self.total[stop] - self.total[first]) / (stop - first))

    def words(self, start_s: int | float, stop_s: int | float) -> str:
        """What it is unsure about there."""
        first, stop = self._frames(start_s, stop_s)
        share = self.each[stop] - self.each[first]
        order = np.argsort(-share, kind="stable")
        best = self.names[int(order[0])]
        other = self.names[int(order[1])] if len(order) > 1 else None
        if other is None or 2 * share[order[1]] < share[order[0]] or "" in (best, other):
            return f"unsure whether this is {best or other}"
        return f"unsure between {best} and {other}"

    def _frames(self, start_s: int | float, stop_s: int | float) -> tuple[int, int]:
        last = len(self.edges) - 1
        first = int(np.clip(np.searchsorted(self.edges, start_s, side="right") - 1, 0, last - 1))
        return first, int(np.clip(np.searchsorted(self.edges, stop_s, side="left"), first + 1, last))


def find_doubt(
    behaviors: Behaviors, time_s: Float64[np.ndarray, " frame"], scores: Float32[np.ndarray, "frame behavior"]
) -> Doubt:
    """Doubt from scores.

    Where behaviors may overlap, each is a question of its own: its doubt is the entropy of yes and no, and that of a
    frame is its greatest. Where they exclude each other (with what is left as none of them) it is how close the second
    best comes to the best. Frames without scores are in no doubt: other reasons speak for them.

    Args:
        behaviors: of the columns.
        time_s: of the frames.
        scores: 0 to 1, NaN unknown.
    """
    p = np.clip(np.nan_to_num(scores.astype(np.float64)), 0.0, 1.0)
    known = np.isfinite(scores).all(axis=1)
    names = behaviors.names
    if behaviors.exclusive:
        names = (*names, "")
        p = np.column_stack([p, np.clip(1 - p.sum(axis=1), 0, 1)])
        ordered = np.sort(p, axis=1)
        doubt = np.where(known, 1 - (ordered[:, -1] - ordered[:, -2]), 0.0)
        about = p * doubt[:, None]
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            about = -np.nan_to_num(p * np.log2(p)) - np.nan_to_num((1 - p) * np.log2(1 - p))
        about[~known] = 0
        doubt = about.max(axis=1)
    edges = frame_edges(np.asarray(time_s, np.float64))
    zero = np.zeros((1, about.shape[1]))
    return Doubt(
        names, edges, np.concatenate([[0.0], np.cumsum(doubt)]), np.concatenate([zero, np.cumsum(about, axis=0)])
    )
