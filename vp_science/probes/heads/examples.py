"""Few-shot heads: they compare with stored examples, and work from a handful of them.

``knn`` asks the nearest labelled windows, ``prototype`` the mean of the examples of each behavior (Snell et al. 2017).
Both compare by cosine after taking out the mean of the training windows, which is what all footage of a study shares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Float64
from scipy.optimize import minimize_scalar

from vp_science.probes.heads.base import Arrays, Head, HeadSettings, TrainingData, take
from vp_science.probes.heads.windows import frame_scores, moments, stretches, training_windows, window_features
from vp_science.probes.objective import Objective
from vp_science.store.tables import EmbeddingTable

_MAX_EXAMPLES = 20_000
_SHARPNESS = 0.1


def _unit(
    x: Float32[np.ndarray, "window feature"],
    mean: Float32[np.ndarray, " feature"],
    scale: Float32[np.ndarray, " feature"],
) -> Float32[np.ndarray, "window feature"]:
    centred = (x - mean) / scale
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12), np.float32)


@dataclass
class NeighborsHead(Head):
    """The labels of the nearest examples, weighted by similarity and by the rarity of their class.

    Attributes:
        mean: ``(feature,)`` of the training windows.
        scale: ``(feature,)`` of the training windows.
        examples: ``(example, feature)`` unit vectors; at most 20,000, drawn evenly over time when there are more.
        targets: ``(example, class)``.
        known: ``(example, class)`` 1 where the target counts.
        num_neighbors: how many are asked.
        features: what windows become.
    """

    settings_used: ClassVar[tuple[str, ...]] = ("features", "num_neighbors")
    refits: ClassVar[bool] = True

    mean: Float32[np.ndarray, " feature"]
    scale: Float32[np.ndarray, " feature"]
    examples: Float32[np.ndarray, "example feature"]
    targets: Float32[np.ndarray, "example class"]
    known: Bool[np.ndarray, "example class"]
    num_neighbors: int
    features: str
    log: dict[str, float] = field(default_factory=dict)

    @classmethod
    def context(cls, num_frames: int, settings: HeadSettings) -> int:
        """A window around every labelled frame."""
        return num_frames

    @classmethod
    def fit(cls, data: TrainingData, objective: Objective, settings: HeadSettings) -> "NeighborsHead":
        """Keep the examples."""
        x, states = training_windows(data.train, settings.features)
        targets, known = objective.encode(states)
        useful = np.flatnonzero(known.any(axis=1))
        kept = useful[np.linspace(0, len(useful) - 1, min(len(useful), _MAX_EXAMPLES)).astype(int)]
        mean, scale = moments(x)
        examples = _unit(x[kept], mean, scale).astype(np.float16).astype(np.float32)  # as they are saved
        log = {"training_windows": float(len(useful)), "examples": float(len(kept))}
        return cls(mean, scale, examples, targets[kept], known[kept], settings.num_neighbors, settings.features, log)

    def scores(self, track: EmbeddingTable, objective: Objective) -> Float32[np.ndarray, "grid behavior"]:
        """Weighted share of the neighbours that show a behavior."""
        from sklearn.neighbors import NearestNeighbors

        # Of unit vectors the nearest by Euclidean distance are the nearest by cosine.
        search = NearestNeighbors(n_neighbors=min(self.num_neighbors, len(self.examples)), algorithm="brute")
        search.fit(self.examples)
        positive = self.targets * self.known * objective.weights
        total = positive if objective.exclusive else positive + (1 - self.targets) * self.known
        parts = []
        for cells, windows, _ in stretches(track):
            x = _unit(window_features(cells, windows, self.features), self.mean, self.scale)
            distance, index = search.kneighbors(x)
            weight = np.exp(-(distance**2) / (2 * _SHARPNESS))[:, :, None] + 1e-12
            votes, all_votes = (weight * positive[index]).sum(axis=1), (weight * total[index]).sum(axis=1)
            if objective.exclusive:
                all_votes = all_votes.sum(axis=1, keepdims=True)
            share = votes / np.maximum(all_votes, 1e-12)
            parts.append(share[:, : objective.num_behaviors].astype(np.float32))
        return frame_scores(track, np.concatenate(parts))

    def to_arrays(self) -> Arrays:
        """The examples."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "examples": self.examples.astype(np.float16),
            "targets": self.targets.astype(np.uint8),
            "known": self.known.astype(np.uint8),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings) -> "NeighborsHead":
        """Restore what ``to_arrays`` gave."""
        return cls(
            take(arrays, "mean", 1),
            take(arrays, "scale", 1),
            take(arrays, "examples", 2).astype(np.float32),
            take(arrays, "targets", 2).astype(np.float32),
            take(arrays, "known", 2).astype(bool),
            settings.num_neighbors,
            settings.features,
        )


@dataclass
class PrototypeHead(Head):
    """One mean vector per class; multi-label behaviors also have one for their absence.

    Attributes:
        mean: ``(feature,)`` of the training windows.
        scale: ``(feature,)`` of the training windows.
        prototypes: ``(class, feature)`` unit vectors of the examples with the behavior.
        absent: ``(class, feature)`` of those without it (zeros when exclusive).
        sharpness: factor of the similarities, chosen so that the training labels are likeliest.
        missing: ``(class,)`` 1 where there was no example.
        features: what windows become.
    """

    settings_used: ClassVar[tuple[str, ...]] = ("features",)
    refits: ClassVar[bool] = True

    mean: Float32[np.ndarray, " feature"]
    scale: Float32[np.ndarray, " feature"]
    prototypes: Float32[np.ndarray, "class feature"]
    absent: Float32[np.ndarray, "class feature"]
    sharpness: float
    missing: Bool[np.ndarray, " class"]
    features: str
    log: dict[str, float] = field(default_factory=dict)

    @classmethod
    def context(cls, num_frames: int, settings: HeadSettings) -> int:
        """A window around every labelled frame."""
        return num_frames

    @classmethod
    def fit(cls, data: TrainingData, objective: Objective, settings: HeadSettings) -> "PrototypeHead":
        """Average the examples of every class."""
        x, states = training_windows(data.train, settings.features)
        targets, known = objective.encode(states)
        mean, scale = moments(x)
        unit = _unit(x, mean, scale)
        yes, no = targets * known, (1 - targets) * known
        head = cls(
            mean,
            scale,
            _mean_direction(unit, yes),
            np.zeros((objective.num_classes, x.shape[1]), np.float32)
            if objective.exclusive
            else _mean_direction(unit, no),
            1.0,
            yes.sum(axis=0) == 0,
            settings.features,
            {"training_windows": float(known.any(axis=1).sum())},
        )
        similarity = head._similarity(unit)
        head.sharpness = _best_sharpness(similarity, targets, known, objective)
        return head

    def _similarity(self, unit: Float32[np.ndarray, "window feature"]) -> Float32[np.ndarray, "window class"]:
        logits = unit @ (self.prototypes - self.absent).T
        logits[:, self.missing] = -1e3
        return np.asarray(logits)

    def scores(self, track: EmbeddingTable, objective: Objective) -> Float32[np.ndarray, "grid behavior"]:
        """Probabilities from the similarities to the prototypes."""
        parts = []
        for cells, windows, _ in stretches(track):
            unit = _unit(window_features(cells, windows, self.features), self.mean, self.scale)
            parts.append(objective.probabilities(self.sharpness * self._similarity(unit)))
        return frame_scores(track, np.concatenate(parts))

    def to_arrays(self) -> Arrays:
        """The prototypes."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "prototypes": self.prototypes,
            "absent": self.absent,
            "sharpness": np.array([self.sharpness], np.float32),
            "missing": self.missing.astype(np.uint8),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], settings: HeadSettings) -> "PrototypeHead":
        """Restore what ``to_arrays`` gave."""
        return cls(
            take(arrays, "mean", 1),
            take(arrays, "scale", 1),
            take(arrays, "prototypes", 2),
            take(arrays, "absent", 2),
            float(take(arrays, "sharpness", 1)[0]),
            take(arrays, "missing", 1).astype(bool),
            settings.features,
        )


def _mean_direction(
    unit: Float32[np.ndarray, "window feature"], weight: Float32[np.ndarray, "window class"]
) -> Float32[np.ndarray, "class feature"]:
    mean = weight.T @ unit / np.maximum(weight.sum(axis=0), 1)[:, None]
    return np.asarray(mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12), np.float32)


def _best_sharpness(
    similarity: Float32[np.ndarray, "window class"],
    targets: Float32[np.ndarray, "window class"],
    known: Bool[np.ndarray, "window class"],
    objective: Objective,
) -> float:
    @jax.jit
    def loss(log_sharpness: Float32[Array, ""]) -> Float32[Array, ""]:
        return objective.loss(jnp.exp(log_sharpness) * similarity, jnp.asarray(targets), jnp.asarray(known))

    def cost(log_sharpness: float) -> float:
        return float(loss(jnp.float32(log_sharpness)))

    # From almost flat to very sure; the cost has one valley.
    best: Float64[np.ndarray, ""] = np.asarray(minimize_scalar(cost, bounds=(-1.0, 5.0), method="bounded").x)
    return float(np.float32(np.exp(best)))
