"""What a head is trained for: targets, class weights, losses and probabilities, exclusive or not.

Exclusive catalogues are one softmax over the behaviors and, where observed time without any of them exists, the
background. Other catalogues are one sigmoid per behavior. Unknown labels have no weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float32, Int8, PRNGKeyArray

from vp_science.errors import ProbeError
from vp_science.timeline.behaviors import Behaviors

LOSSES = ("cross-entropy", "focal", "eql")
WEIGHTINGS = ("sqrt", "none")

_MAX_WEIGHT = 20.0
_FOCUS = 2.0
_EQUALIZE = 0.9


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["frequency", "weights"],
    meta_fields=["exclusive", "num_behaviors", "background", "loss_name", "smoothing"],
)
@dataclass(frozen=True, eq=False)
class Objective:
    """Targets, loss and probabilities of one training.

    It can be an argument of a compiled function: programs for equal kinds of objectives are shared.

    Attributes:
        exclusive: softmax, or one sigmoid per behavior.
        num_behaviors: columns of the scores.
        background: exclusive: whether there is a class for "none of them".
        frequency: ``(class,)`` share of the known labels that are positive.
        weights: ``(class,)`` weight of a positive label: square root of the inverse frequency, at most 20 times the
            smallest, scaled so that the mean over the labels is 1; all 1 without weighting.
        loss_name: cross-entropy, focal (Lin et al. 2017, gamma 2) or eql (Tan et al. 2020: a rare class is not pushed
            down by the examples of other classes, in 9 of 10 draws).
        smoothing: share of a label that is spread over the other classes.
    """

    exclusive: bool
    num_behaviors: int
    background: bool
    frequency: Any
    weights: Any
    loss_name: str = "cross-entropy"
    smoothing: float = 0.0

    @classmethod
    def of(
        cls,
        behaviors: Behaviors,
        states: Sequence[Int8[np.ndarray, "_ behavior"]],
        *,
        loss: str = "cross-entropy",
        weighting: str = "sqrt",
        smoothing: float = 0.0,
    ) -> "Objective":
        """Derive frequencies and weights from the labels.

        Raises:
            ProbeError: when a setting is unknown, nothing is labelled, or all labels are the same.
        """
        if loss not in LOSSES or weighting not in WEIGHTINGS:
            raise ProbeError(
                f"expected a loss of {', '.join(LOSSES)} and a weighting of {', '.join(WEIGHTINGS)}, "
                f"found {loss!r} and {weighting!r}: choose one of them"
            )
        if not 0 <= smoothing < 0.5:
            raise ProbeError(f"expected label smoothing from 0 to below 0.5, found {smoothing}: give a smaller share")
        plain = cls(behaviors.exclusive, len(behaviors), True, *_ones(len(behaviors) + behaviors.exclusive))
        encoded = [plain.encode(part) for part in states]
        targets = np.concatenate([t for t, _ in encoded]) if encoded else np.zeros((0, 1), np.float32)
        known = np.concatenate([k for _, k in encoded]) if encoded else np.zeros((0, 1), bool)
        if not known.any():
            raise ProbeError("expected labelled time, found none: check the recording names and observed intervals")
        background = bool(behaviors.exclusive and targets[:, -1][known[:, -1]].any())
        if behaviors.exclusive and not background:
            targets, known = targets[:, :-1], known[:, :-1]
        positive, total = (targets * known).sum(axis=0), np.maximum(known.sum(axis=0), 1)
        mixed = (positive > 0).sum() > 1 if behaviors.exclusive else ((positive > 0) & (positive < total)).any()
        if not mixed:
            raise ProbeError(
                "expected examples with and without the behaviors, found labels that are all the same: label more, or "
                "mark the observed intervals in which a behavior does not happen"
            )
        frequency = (positive / total).astype(np.float32)
        weights = _sqrt_weights(frequency, behaviors.exclusive) if weighting == "sqrt" else np.ones_like(frequency)
        return cls(behaviors.exclusive, len(behaviors), background, frequency, weights, loss, float(smoothing))

    @property
    def num_classes(self) -> int:
        """Outputs of a head."""
        return len(self.weights)

    @property
    def rare(self) -> Any:
        """``(class,)`` whether a class has less than half of an even share of the labels: those that eql protects."""
        share = 1 / self.num_classes if self.exclusive else 0.5
        return self.frequency < share / 2

    def encode(
        self, states: Int8[np.ndarray, "n behavior"]
    ) -> tuple[Float32[np.ndarray, "n class"], Bool[np.ndarray, "n class"]]:
        """Targets and where they are known, per class."""
        if not self.exclusive:
            return (states == 1).astype(np.float32), states >= 0
        index = exclusive_index(states)
        targets = np.zeros((len(states), self.num_behaviors + 1), np.float32)
        rows = np.flatnonzero(index >= 0)
        targets[rows, index[rows]] = 1
        known = np.repeat((index >= 0)[:, None], targets.shape[1], axis=1)
        if self.background:
            return targets, known
        lost = targets[:, -1] > 0
        known[lost] = False
        return targets[:, :-1], known[:, :-1]

    def loss(
        self,
        logits: Float[Array, "*n class"],
        targets: Float[Array, "*n class"],
        known: Bool[Array, "*n class"] | Float[Array, "*n class"],
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, ""]:
        """Weighted mean over the known labels; without a key nothing is drawn (and eql is cross-entropy).

        ``known`` may be shares from 0 to 1, where labels are mixed with unknown ones.
        """
        allowed = jnp.ones_like(logits)
        if self.loss_name == "eql" and key is not None:
            draw = jax.random.bernoulli(key, _EQUALIZE, logits.shape)
            allowed = 1 - draw * jnp.asarray(self.rare) * (1 - targets)
        return (
            self._softmax(logits, targets, known, allowed)
            if self.exclusive
            else self._sigmoid(logits, targets, known, allowed)
        )

    def _softmax(
        self,
        logits: Float[Array, "*n class"],
        targets: Float[Array, "*n class"],
        known: Bool[Array, "*n class"] | Float[Array, "*n class"],
        allowed: Float[Array, "*n class"],
    ) -> Float[Array, ""]:
        log_p = logits - jax.nn.logsumexp(logits, axis=-1, b=allowed, keepdims=True)
        smooth = targets * (1 - self.smoothing) + self.smoothing / self.num_classes
        focus = (1 - jnp.exp(jnp.minimum(log_p, 0))) ** _FOCUS if self.loss_name == "focal" else 1.0
        each = -(smooth * jnp.asarray(self.weights) * focus * log_p).sum(axis=-1)
        valid = known[..., 0]
        return jnp.asarray((each * valid).sum() / jnp.maximum(valid.sum(), 1))

    def _sigmoid(
        self,
        logits: Float[Array, "*n class"],
        targets: Float[Array, "*n class"],
        known: Bool[Array, "*n class"] | Float[Array, "*n class"],
        allowed: Float[Array, "*n class"],
    ) -> Float[Array, ""]:
        smooth = targets * (1 - 2 * self.smoothing) + self.smoothing
        yes, no = jax.nn.log_sigmoid(logits), jax.nn.log_sigmoid(-logits)
        focus_yes, focus_no = (
            (jnp.exp(no) ** _FOCUS, jnp.exp(yes) ** _FOCUS) if self.loss_name == "focal" else (1.0, 1.0)
        )
        each = -(jnp.asarray(self.weights) * smooth * focus_yes * yes + (1 - smooth) * focus_no * no)
        return (each * allowed * known).sum() / jnp.maximum(known.sum(), 1)

    def probabilities(self, logits: Float[np.ndarray, "n class"]) -> Float32[np.ndarray, "n behavior"]:
        """Scores of the behaviors (the background is not one)."""
        if not self.exclusive:
            return (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: np.ndarray = shifted / shifted.sum(axis=1, keepdims=True)
        return shares[:, : self.num_behaviors].astype(np.float32)


def exclusive_index(states: Int8[np.ndarray, "n behavior"]) -> np.ndarray:
    """Behavior per row, the number of behaviors for none, -1 unknown; raises where two happen at once."""
    happens = states == 1
    if (happens.sum(axis=1) > 1).any():
        raise ProbeError(
            "expected one behavior at a time in an exclusive catalogue, found labels of two at once: correct the bouts "
            '("vp-science labels check" lists them), or train with --multi-label'
        )
    index = np.where(happens.any(axis=1), happens.argmax(axis=1), states.shape[1])
    return np.where(happens.any(axis=1) | (states >= 0).all(axis=1), index, -1)


def _ones(count: int) -> tuple[Float32[np.ndarray, " class"], Float32[np.ndarray, " class"]]:
    return np.ones(count, np.float32), np.ones(count, np.float32)


def _sqrt_weights(frequency: Float32[np.ndarray, " class"], exclusive: bool) -> Float32[np.ndarray, " class"]:
    seen = frequency > 0
    weights = np.ones_like(frequency)
    if exclusive:
        weights[seen] = np.sqrt(1 / frequency[seen])
        weights = np.minimum(weights, _MAX_WEIGHT * weights[seen].min())
        return np.asarray(weights / (weights * frequency).sum(), np.float32)
    some = seen & (frequency < 1)
    weights[some] = np.sqrt((1 - frequency[some]) / frequency[some])
    return np.asarray(np.minimum(weights, _MAX_WEIGHT), np.float32)
