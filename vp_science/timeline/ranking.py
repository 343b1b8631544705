"""How well scores rank frames: precision and recall at every threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64

from vp_science.errors import AnnotationError
from vp_science.timeline.comparison import compare_all
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.frame_metrics import average_precision

_DIGITS = 6
_POINTS = ("recall", "precision", "threshold")


@dataclass(frozen=True, eq=False)
class RankingCurve:
    """Precision and recall of one behavior.

    Attributes:
        behavior: its name.
        recall: share of the frames with the behavior whose score is at least the threshold; rises from point to point.
        precision: share of the frames with at least that score in which the behavior happens.
        threshold: the score.
        chance: share of frames in which the behavior happens: the precision of random scores.
        average_precision: area under the steps of the whole curve; NaN when the behavior never happens.
        num_frames: with a label and a score.
    """

    behavior: str
    recall: Float64[np.ndarray, " point"]
    precision: Float64[np.ndarray, " point"]
    threshold: Float64[np.ndarray, " point"]
    chance: float
    average_precision: float
    num_frames: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, with six digits."""
        points = {name: getattr(self, name).round(_DIGITS).tolist() for name in _POINTS}
        numbers = {"chance": self.chance, "average_precision": self.average_precision}
        known = {name: value if np.isfinite(value) else None for name, value in numbers.items()}
        return {"behavior": self.behavior, **known, "num_frames": self.num_frames, **points}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RankingCurve":
        """Read what ``to_json`` wrote.

        Raises:
            AnnotationError: when it is something else.
        """
        try:
            recall, precision, threshold = (np.asarray(value[name], np.float64) for name in _POINTS)
            if not recall.shape == precision.shape == threshold.shape or recall.ndim != 1:
                raise ValueError("other shapes")
            chance, area = _number(value["chance"]), _number(value["average_precision"])
            return cls(str(value["behavior"]), recall, precision, threshold, chance, area, int(value["num_frames"]))
        except (KeyError, TypeError, ValueError) as error:
            raise AnnotationError(f"expected a precision-recall curve, found something else ({error})") from error


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def ranking_curve(
    happens: Bool[np.ndarray, " frame"],
    scores: Float[np.ndarray, " frame"],
    behavior: str = "",
    max_points: int = 400,
) -> RankingCurve:
    """Precision and recall at every score, or at ``max_points`` of them that are evenly spread over recall.

    Frames with the same score are one step. Without positives the curve is empty.

    Args:
        happens: labels.
        scores: of the same frames, finite.
        behavior: name.
        max_points: at least 2.
    """
    count = len(happens)
    if not happens.any():
        nothing = np.zeros(0)
        return RankingCurve(behavior, nothing, nothing, nothing, 0.0 if count else np.nan, np.nan, count)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order]) != 0), count - 1)
    hits = np.cumsum(happens[order], dtype=np.float64)[ends]
    recall, precision = hits / hits[-1], hits / (ends + 1)
    kept = np.arange(len(ends))
    if len(ends) > max_points:
        at = np.searchsorted(recall, np.linspace(0, 1, max_points - 1)).clip(0, len(ends) - 1)
        kept = np.unique(np.append(at, 0))
    area = average_precision(happens, scores)
    threshold = scores[order][ends][kept].astype(np.float64)
    return RankingCurve(behavior, recall[kept], precision[kept], threshold, float(happens.mean()), area, count)


def ranking_curves(
    truths: Sequence[Ethogram], predictions: Sequence[Ethogram], max_points: int = 400
) -> list[RankingCurve]:
    """One curve per behavior, all recordings together; frames without a label or a score do not count.

    Args:
        truths: labels, one per recording (and subject).
        predictions: with scores, at the same frames and of the same behaviors.
        max_points: see ``ranking_curve``.

    Raises:
        AnnotationError: when they do not fit each other.
    """
    parts = compare_all(truths, predictions)
    curves = []
    for column, name in enumerate(parts[0].behaviors.names):
        there = [part.counted[:, column] & np.isfinite(part.scores[:, column]) for part in parts]
        happens = np.concatenate([part.happens[mask, column] for part, mask in zip(parts, there, strict=True)])
        scores = np.concatenate([part.scores[mask, column] for part, mask in zip(parts, there, strict=True)])
        curves.append(ranking_curve(happens, scores, name, max_points))
    return curves
