"""Logistic regression on window features (scikit-learn): the diagnostic probe, and often enough."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from jaxtyping import Float32

from vp_science.probes.heads.base import Arrays, Head, HeadSettings, TrainingData, take
from vp_science.probes.heads.windows import frame_scores, moments, stretches, training_windows, window_features
from vp_science.probes.objective import Objective
from vp_science.store.tables import EmbeddingTable

_MAX_ITERATIONS = 300
_ABSENT = -30.0


@dataclass
class LogisticHead(Head):
    """One linear map on standardised features.

    Attributes:
        mean: ``(feature,)`` of the training windows.
        scale: ``(feature,)`` standard deviation of the training windows.
        weights: ``(feature, class)``.
        bias: ``(class,)``.
        features: what windows become.
    """

    settings_used: ClassVar[tuple[str, ...]] = ("features", "regularization")
    refits: ClassVar[bool] = True

    mean: Float32[np.ndarray, " feature"]
    scale: Float32[np.ndarray, " feature"]
    weights: Float32[np.ndarray, "feature class"]
    bias: Float32[np.ndarray, " class"]
    features: str
    log: dict[str, float] = field(default_factory=dict)

    @classmethod
    def context(cls, num_frames: int, settings: HeadSettings) -> int:
        """A window around every labelled frame."""
        return num_frames

    @classmethod
    def fit(cls, data: TrainingData, objective: Objective, settings: HeadSettings) -> "LogisticHead":
        """Fit softmax regression, or one logistic regression per behavior."""
        x, states = training_windows(data.train, settings.features)
        mean, scale = moments(x)
        x = (x - mean) / scale
        targets, known = objective.encode(states)
        fit = _fit_softmax if objective.exclusive else _fit_sigmoids
        weights, bias = fit(x, targets, known, objective, settings)
        return cls(mean, scale, weights, bias, settings.features, {"training_windows": float(len(x))})

    def scores(self, track: EmbeddingTable, objective: Objective) -> Float32[np.ndarray, "grid behavior"]:
        """Probabilities of every window, averaged over the windows that contain a frame."""
        parts = []
        for cells, windows, _ in stretches(track):
            x = (window_features(cells, windows, self.features) - self.mean) / self.scale
            parts.append(objective.probabilities(x @ self.weights + self.bias))
        return frame_scores(track, np.concatenate(parts))

    def to_arrays(self) -> Arrays:
        """Mean, scale, weights and bias."""
        return {"mean": self.mean, "scale": self.scale, "weights": self.weights, "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings) -> "LogisticHead":
        """Restore what ``to_arrays`` gave."""
        mean, scale = take(arrays, "mean", 1), take(arrays, "scale", 1)
        return cls(mean, scale, take(arrays, "weights", 2), take(arrays, "bias", 1), settings.features)


def _regression(settings: HeadSettings) -> object:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=settings.regularization, max_iter=_MAX_ITERATIONS, tol=1e-3)


def _fit_softmax(
    x: Float32[np.ndarray, "window feature"],
    targets: Float32[np.ndarray, "window class"],
    known: np.ndarray,
    objective: Objective,
    settings: HeadSettings,
) -> tuple[Float32[np.ndarray, "feature class"], Float32[np.ndarray, " class"]]:
    rows = known[:, 0]
    label = targets[rows].argmax(axis=1)
    weights = np.zeros((x.shape[1], objective.num_classes), np.float32)
    bias = np.full(objective.num_classes, _ABSENT, np.float32)
    if len(present := np.unique(label)) < 2:  # the other classes are too short for any window
        bias[present] = 0
        return weights, bias
    model: object = _regression(settings)
    model.fit(x[rows], label, sample_weight=objective.weights[label])  # type: ignore[attr-defined]
    classes, coef, intercept = model.classes_, model.coef_, model.intercept_  # type: ignore[attr-defined]
    if len(classes) == 2:  # scikit-learn gives the difference of the two
        coef, intercept = np.stack([-coef[0] / 2, coef[0] / 2]), np.array([-intercept[0] / 2, intercept[0] / 2])
    weights[:, classes], bias[classes] = coef.T, intercept
    return weights, bias


def _fit_sigmoids(
    x: Float32[np.ndarray, "window feature"],
    targets: Float32[np.ndarray, "window class"],
    known: np.ndarray,
    objective: Objective,
    settings: HeadSettings,
) -> tuple[Float32[np.ndarray, "feature class"], Float32[np.ndarray, " class"]]:
    weights = np.zeros((x.shape[1], objective.num_classes), np.float32)
    bias = np.zeros(objective.num_classes, np.float32)
    for column in range(objective.num_classes):
        rows = known[:, column]
        label = targets[rows, column]
        if not len(label) or label.min() == label.max():
            bias[column] = -_ABSENT if len(label) and label[0] else _ABSENT
            continue
        model: object = _regression(settings)
        weight = np.where(label == 1, objective.weights[column], 1.0)
        model.fit(x[rows], label, sample_weight=weight)  # type: ignore[attr-defined]
        weights[:, column], bias[column] = model.coef_[0], model.intercept_[0]  # type: ignore[attr-defined]
    return weights, bias
