"""What a drag makes of a bout: pure functions from the bout and the pointer to a span on the borders of frames."""

from dataclasses import dataclass

import numpy as np

import vp_science as vp
from napari_vp_science.timeline.frames import Frames


@dataclass(frozen=True)
class Span:
    """Where a bout would be.

    Attributes:
        start_s: in seconds, a border of a frame.
        stop_s: in seconds; equal to ``start_s`` for a point event.
        frame: what the video shows meanwhile.
    """

    start_s: float
    stop_s: float
    frame: int


def created(frames: Frames, anchor_s: float, time_s: float, *, is_point: bool) -> Span:
    """A new bout: all frames from the one that was pressed to the one under the pointer."""
    here = frames.at(time_s)
    if is_point:
        return Span(frames.start(here), frames.start(here), here)
    first, last = sorted((frames.at(anchor_s), here))
    return Span(frames.start(first), frames.start(last + 1), here)


def resized(frames: Frames, bout: "vp.sessions.Bout", side: str, time_s: float) -> Span:
    """One end moves to the nearest border, the other one stays; at least one frame is left."""
    edge = frames.nearest_edge(time_s)
    if side == "start":
        latest = max(int(np.searchsorted(frames.edges_s, bout.stop_s)) - 1, 0)
        edge = min(edge, latest)
        return Span(frames.start(edge), bout.stop_s, min(edge, len(frames) - 1))
    earliest = min(int(np.searchsorted(frames.edges_s, bout.start_s, side="right")), len(frames))
    edge = max(edge, earliest)
    return Span(bout.start_s, frames.start(edge), max(edge - 1, 0))


def moved(frames: Frames, bout: "vp.sessions.Bout", by_s: float) -> Span:
    """All of it moves; both ends are on borders, and it stays in the recording."""
    if bout.is_point:
        frame = min(frames.nearest_edge(bout.start_s + by_s), len(frames) - 1)
        return Span(frames.start(frame), frames.start(frame), frame)
    length = min(bout.stop_s - bout.start_s, float(frames.edges_s[-1] - frames.edges_s[0]))
    latest = frames.nearest_edge(float(frames.edges_s[-1]) - length)
    first = min(frames.nearest_edge(bout.start_s + by_s), latest, len(frames) - 1)
    last = max(frames.nearest_edge(frames.start(first) + length), first + 1)
    return Span(frames.start(first), frames.start(last), first)


def giving_way(
    table: "vp.sessions.BoutTable", subject: str, start_s: float, stop_s: float, skip: int | None
) -> np.ndarray:
    """Rows of a table that a bout of an exclusive catalogue would cut or remove."""
    if subject not in table.subjects:
        return np.zeros(0, np.intp)
    hits = (table.start_s < stop_s) & (table.stop_s > start_s) & (table.stop_s > table.start_s)
    hits &= table.subject == table.subjects.index(subject)
    if skip is not None:
        hits &= table.id != skip
    return np.flatnonzero(hits)
