"""The published metrics, from states and scores of all test frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int8

from vp_science.bench.boxes import BoxScores, box_average_precision, box_frames
from vp_science.bench.protocol import Metric
from vp_science.errors import BenchError
from vp_science.timeline.behaviors import Behaviors


@dataclass(frozen=True, eq=False)
class TestPart:
    """Truth and prediction of one track.

    Attributes:
        recording: id of the recording.
        states: ``(grid, behavior)`` 1, 0, -1 does not count.
        scores: ``(grid, behavior)`` probabilities; NaN where the animal was not there.
        boxes: ``(grid, 4)``, where boxes are given.
    """

    __test__ = False  # pytest would collect the class

    recording: str
    states: Int8[np.ndarray, "grid behavior"]
    scores: Float32[np.ndarray, "grid behavior"]
    boxes: Float32[np.ndarray, "grid four"] | None = None


@dataclass(frozen=True)
class Score:
    """A result in percent.

    Attributes:
        value: the metric.
        per_behavior: what it is the mean of; None where a behavior has no test example, which leaves it out.
        chance: the metric of scores that are the same at every frame.
    """

    value: float
    per_behavior: dict[str, float | None]
    chance: float


def score_parts(parts: Sequence[TestPart], behaviors: Behaviors, metric: Metric) -> Score:
    """The metric of a protocol.

    Raises:
        BenchError: when no behavior has a test example.
    """
    each, chance = _METRICS[metric](parts, behaviors)
    if np.isnan(each).all():
        raise BenchError(
            f"expected test frames that show {' or '.join(behaviors.names[:8])}, found none: give more test recordings"
        )
    per_behavior = {
        name: None if np.isnan(value) else 100 * float(value) for name, value in zip(behaviors.names, each, strict=True)
    }
    return Score(100 * float(np.nanmean(each)), per_behavior, 100 * float(np.nanmean(chance)))


def _pooled(parts: Sequence[TestPart]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([part.states for part in parts]), np.concatenate([part.scores for part in parts])


def _frame_average_precision(parts: Sequence[TestPart], behaviors: Behaviors) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.metrics import average_precision_score

    states, scores = _pooled(parts)
    each = np.full(len(behaviors), np.nan)
    share = np.full(len(behaviors), np.nan)
    for column in range(len(behaviors)):
        known = (states[:, column] >= 0) & ~np.isnan(scores[:, column])
        truth = states[known, column] == 1
        if truth.any():
            each[column] = average_precision_score(truth, scores[known, column])
            share[column] = truth.mean()
    return each, share


def _recall(parts: Sequence[TestPart], behaviors: Behaviors) -> tuple[np.ndarray, np.ndarray]:
    """Share of the frames of each class that get this class as the likeliest."""
    states, scores = _pooled(parts)
    known = (states >= 0).all(axis=1) & ~np.isnan(scores).any(axis=1) & (states == 1).any(axis=1)
    truth, answer = states[known].argmax(axis=1), scores[known].argmax(axis=1)
    each = np.full(len(behaviors), np.nan)
    for column in range(len(behaviors)):
        if (mine := truth == column).any():
            each[column] = (answer[mine] == column).mean()
    present = np.isfinite(each)
    # Whatever constant answer is given, one class is always right and the others never are.
    return each, np.where(present, 1 / max(1, int(present.sum())), np.nan)


def _box_average_precision(parts: Sequence[TestPart], behaviors: Behaviors) -> tuple[np.ndarray, np.ndarray]:
    animals = []
    for part in parts:
        assert part.boxes is not None
        animals.append(BoxScores(part.recording, part.boxes, part.states, np.nan_to_num(part.scores)))
    each = box_average_precision(animals, len(behaviors))
    counted = np.concatenate(
        [np.zeros((0, len(behaviors)), np.int8), *(states for _, states, _ in box_frames(animals))]
    )
    share = (counted == 1).mean(axis=0) if len(counted) else np.full(len(behaviors), np.nan)
    return each, np.where(np.isnan(each), np.nan, share)


_METRICS = {
    "frame mAP": _frame_average_precision,
    "macro accuracy": _recall,
    "box mAP": _box_average_precision,
}
