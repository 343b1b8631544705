"""Windows as plain vectors, for the heads that need no order in time."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from vp_science.errors import ProbeError
from vp_science.probes.dataset import Segment
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.aggregate import windows_to_frames

FEATURES = ("mean", "mean+std")
_FRAMES_AT_ONCE = 8192


def window_features(
    cells: Float[np.ndarray, "frame kk dim"], windows: Int64[np.ndarray, "window two"], features: str
) -> Float32[np.ndarray, "window feature"]:
    """Mean, or mean and standard deviation, over the frames and cells of every window.

    Raises:
        ProbeError: when ``features`` is unknown.
    """
    if features not in FEATURES:
        raise ProbeError(
            f"expected features to be one of {', '.join(FEATURES)}, found {features!r}: choose one of them"
        )
    # Running sums make the cost independent of overlap; the mean of the stretch is taken out first, for precision.
    values = cells.astype(np.float32)
    centre = values.mean(axis=(0, 1))
    values -= centre
    first, stop = windows[:, 0], windows[:, 1]
    count = ((stop - first) * cells.shape[1])[:, None]
    mean = _window_sums(values.sum(axis=1, dtype=np.float64), first, stop) / count
    if features == "mean":
        return np.asarray(mean + centre, np.float32)
    square = _window_sums(np.einsum("fkd,fkd->fd", values, values, dtype=np.float64), first, stop) / count
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return np.concatenate([mean + centre, deviation], axis=1).astype(np.float32)


def _window_sums(
    rows: Float64[np.ndarray, "frame dim"], first: Int64[np.ndarray, " window"], stop: Int64[np.ndarray, " window"]
) -> Float64[np.ndarray, "window dim"]:
    total = np.zeros((len(rows) + 1, rows.shape[1]))
    np.cumsum(rows, axis=0, out=total[1:])
    return np.asarray(total[stop] - total[first])


def training_windows(
    segments: Sequence[Segment], features: str
) -> tuple[Float32[np.ndarray, "window feature"], np.ndarray]:
    """Features and states of all labelled windows."""
    parts = [(window_features(s.cells, s.windows, features), s.window_states) for s in segments if len(s.windows)]
    if not parts:
        raise ProbeError(
            "expected labelled windows, found none: label stretches of at least one window, or use a stride"
        )
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def moments(
    x: Float32[np.ndarray, "window feature"],
) -> tuple[Float32[np.ndarray, " feature"], Float32[np.ndarray, " feature"]]:
    """Mean and standard deviation of every feature; one that hardly varies is not blown up by its own noise."""
    scale = x.std(axis=0)
    return x.mean(axis=0), np.maximum(scale, np.float32(1e-3) * max(scale.max(), np.float32(1e-12)))


def stretches(track: EmbeddingTable, size: int = _FRAMES_AT_ONCE) -> Iterator[tuple[np.ndarray, np.ndarray, slice]]:
    """Walk a track in memory-sized stretches: cells, windows within them, and which windows these are."""
    start, stop = np.asarray(track.window_start), np.asarray(track.window_stop)
    first = 0
    while first < len(start):
        last = max(first + 1, int(np.searchsorted(stop, start[first] + size, side="right")))
        origin = int(start[first])
        cells = np.asarray(track.track[origin : int(stop[last - 1])])
        yield cells, np.stack([start[first:last], stop[first:last]], axis=1) - origin, slice(first, last)
        first = last


def frame_scores(
    track: EmbeddingTable, scores: Float32[np.ndarray, "window behavior"]
) -> Float32[np.ndarray, "grid behavior"]:
    """Every grid frame takes the mean over the windows that contain it."""
    frames = windows_to_frames(scores, np.asarray(track.window_start), np.asarray(track.window_stop), len(track))
    return np.asarray(frames, np.float32)
