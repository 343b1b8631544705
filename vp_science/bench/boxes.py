"""Behavior of animals in boxes: embeddings of a box from those of the frame, and the average precision of AVA."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Int8

from vp_science.store.tables import EmbeddingTable

_MATCH = 0.5
_LEAST_SCORE = 0.002
_FRAMES_AT_ONCE = 1024


def cell_weights(boxes: Float32[np.ndarray, "frame four"], k: int) -> Float32[np.ndarray, "frame cell"]:
    """Share of a box that lies in each of k x k cells of the frame; rows sum to 1.

    Args:
        boxes: x, y, width, height as shares of the frame; what lies outside the frame is cut off. NaN gives zeros.
        k: cells per side.
    """
    edges = np.linspace(0, 1, k + 1)

    def shares(start: np.ndarray, length: np.ndarray) -> np.ndarray:
        first, stop = np.clip(start, 0, 1)[:, None], np.clip(start + length, 0, 1)[:, None]
        overlap = np.minimum(stop, edges[1:]) - np.maximum(first, edges[:-1])
        return np.asarray(np.maximum(overlap, 0))

    present = ~np.isnan(boxes).any(axis=1)
    known = np.where(present[:, None], boxes, 0.0).astype(np.float64)
    area = shares(known[:, 1], known[:, 3])[:, :, None] * shares(known[:, 0], known[:, 2])[:, None, :]
    flat = area.reshape(len(boxes), k * k)
    total = flat.sum(axis=1, keepdims=True)
    # A box without area in the frame (or thinner than numbers can tell) takes the cell in which its corner lies.
    lost = present & (total[:, 0] <= 0)
    column, row = (np.clip((known[lost, axis] * k).astype(int), 0, k - 1) for axis in (0, 1))
    flat[np.flatnonzero(lost), row * k + column] = 1.0
    total = flat.sum(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(total, 1e-300), np.float32)


def box_tables(
    track: EmbeddingTable, boxes: Mapping[str, Float32[np.ndarray, "grid four"]]
) -> dict[str, EmbeddingTable]:
    """The tracks of single animals: at every grid frame the mean of the frame's embeddings under the box.

    Args:
        track: of whole frames, squashed to a square, with k x k vectors per frame.
        boxes: by animal, at the grid frames, as shares of the frame; NaN where the animal has none.

    Returns:
        Tables in memory with one vector per grid frame; rows without a box are not ``present``.
    """
    weights = {subject: cell_weights(each, track.spatial_pool) for subject, each in boxes.items()}
    pooled = {subject: np.zeros((len(track), 1, track.dim), track.track.dtype) for subject in boxes}
    for first in range(0, len(track), _FRAMES_AT_ONCE):
        part = slice(first, first + _FRAMES_AT_ONCE)
        cells = np.asarray(track.track[part], np.float32)
        for subject, weight in weights.items():
            pooled[subject][part, 0] = np.einsum("fc,fcd->fd", weight[part], cells)
    return {subject: _box_table(track, each, pooled[subject], subject) for subject, each in boxes.items()}


def _box_table(
    track: EmbeddingTable, boxes: Float32[np.ndarray, "grid four"], pooled: np.ndarray, subject: str
) -> EmbeddingTable:
    present = ~np.isnan(boxes).any(axis=1)
    follow = {"subject": subject, "of_recording": track.recording_id, "boxes": "mean of the cells under the box"}
    return EmbeddingTable(
        recording_id=f"{track.recording_id}@{subject}",
        num_frames=track.num_frames,
        provenance=replace(track.provenance, source=track.provenance.source | {"follow": follow}, spatial_pool=1),
        first_grid=track.first_grid,
        track=pooled,
        window=np.zeros((len(track.window_start), 0), np.float32),
        time_s=track.time_s,
        frame_index=track.frame_index,
        shown_index=np.where(present, track.shown_index, -1),
        damaged_frames=track.damaged_frames,
        window_start=track.window_start,
        window_stop=track.window_stop,
    )


@dataclass(frozen=True, eq=False)
class BoxScores:
    """Truth and prediction for one animal in one recording.

    Attributes:
        recording: id of the recording.
        boxes: ``(frame, 4)`` x, y, width, height; NaN where the animal has none.
        states: ``(frame, behavior)`` 1, 0, -1 does not count.
        scores: ``(frame, behavior)`` probabilities.
    """

    recording: str
    boxes: Float32[np.ndarray, "frame four"]
    states: Int8[np.ndarray, "frame behavior"]
    scores: Float32[np.ndarray, "frame behavior"]


def box_average_precision(animals: Sequence[BoxScores], num_behaviors: int) -> Float[np.ndarray, " behavior"]:
    """Average precision of every behavior over boxes, as AVA counts it.

    In every frame that shows any behavior, a prediction (box and behavior with a score of at least 0.002) is right
    when the true box of that behavior that it overlaps most, overlaps by at least one half (intersection over union)
    and was not taken by a prediction with a higher score. Precision is made non-increasing before it is summed over
    recall (Pascal VOC). Boxes are given, so this differs from plain average precision only where boxes overlap.

    Returns:
        One number per behavior; NaN for those without a true example.
    """
    frames = box_frames(animals)
    result = np.full(num_behaviors, np.nan)
    for behavior in range(num_behaviors):
        parts = [_match(boxes, states[:, behavior] == 1, scores[:, behavior]) for boxes, states, scores in frames]
        truths = sum(int((states[:, behavior] == 1).sum()) for _, states, _ in frames)
        if truths:
            right = np.concatenate([hit for hit, _ in parts])
            score = np.concatenate([value for _, value in parts])
            result[behavior] = _envelope_area(right[np.argsort(-score, kind="stable")], truths)
    return result


def box_frames(animals: Sequence[BoxScores]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Boxes, states and scores, a row per box, of every frame in which something happens: the others do not count."""
    by_recording: dict[str, list[BoxScores]] = {}
    for animal in animals:
        by_recording.setdefault(animal.recording, []).append(animal)
    frames = []
    for group in by_recording.values():
        boxes, states, scores = (
            np.stack([getattr(a, name) for a in group], 1) for name in ("boxes", "states", "scores")
        )
        counted = (states >= 0).all(axis=2) & ~np.isnan(boxes).any(axis=2)
        for frame in np.flatnonzero(((states == 1) & counted[:, :, None]).any(axis=(1, 2))):
            who = counted[frame]
            frames.append((boxes[frame, who], states[frame, who], scores[frame, who]))
    return frames


def _match(
    boxes: Float[np.ndarray, "box four"], truth: Bool[np.ndarray, " box"], score: Float[np.ndarray, " box"]
) -> tuple[Bool[np.ndarray, " prediction"], Float[np.ndarray, " prediction"]]:
    """Which predictions of one frame and behavior are right."""
    kept = np.flatnonzero(score >= _LEAST_SCORE)
    order = kept[np.argsort(-score[kept], kind="stable")]
    right = np.zeros(len(order), dtype=bool)
    if truth.any():
        overlap = intersection_over_union(boxes[order], boxes[truth])
        taken = np.zeros(int(truth.sum()), dtype=bool)
        for position, best in enumerate(overlap.argmax(axis=1)):
            if overlap[position, best] >= _MATCH and not taken[best]:
                right[position] = taken[best] = True
    return right, score[order]


def intersection_over_union(a: Float[np.ndarray, "n four"], b: Float[np.ndarray, "m four"]) -> Float[np.ndarray, "n m"]:
    """Overlap of every box of ``a`` with every box of ``b`` (x, y, width, height)."""
    start = np.maximum(a[:, None, :2], b[None, :, :2])
    stop = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    common = np.maximum(stop - start, 0).prod(axis=2)
    union = a[:, 2:].prod(axis=1)[:, None] + b[:, 2:].prod(axis=1)[None] - common
    return np.asarray(np.where(union > 0, common / np.maximum(union, 1e-300), 0.0))


def _envelope_area(right: Bool[np.ndarray, " prediction"], truths: int) -> float:
    hits = np.cumsum(right)
    recall = np.concatenate([[0.0], hits / truths, [1.0]])
    precision = np.concatenate([[0.0], hits / np.arange(1, len(right) + 1), [0.0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * precision[1:]))
