"""The optimisation that the JAX heads share: AdamW, warm-up and cosine decay, the best epoch is kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from vp_science.probes.dataset import Segment
from vp_science.probes.heads.base import HeadSettings
from vp_science.probes.objective import Objective

Params = dict[str, Any]
Batch = tuple[Any, ...]
"""Inputs of the network, then targets and known."""
Network = Callable[..., Float[Array, "..."]]

GRADIENT_SETTINGS = ("width", "dropout", "learning_rate", "weight_decay", "epochs", "batch_size", "patience")
"""The fields of ``HeadSettings`` that concern heads trained here."""

_WARM_UP = 0.05
_CLIP = 1.0
_GAIN = 0.01


@dataclass(frozen=True)
class Batches:
    """Where batches come from.

    Attributes:
        steps: per epoch.
        train: the batches of one epoch, all of one shape; called with a random generator.
        validation: all validation batches, in order; empty without validation data.
    """

    steps: int
    train: Callable[[np.random.Generator], Iterator[Batch]]
    validation: Callable[[], Iterator[Batch]]


def train(
    params: Params, network: Network, batches: Batches, objective: Objective, settings: HeadSettings, seed: int
) -> tuple[Params, dict[str, float]]:
    """Minimise the objective and return the parameters of the best epoch.

    Best is the lowest loss on the validation data; without any, the last epoch counts.

    Args:
        params: a tree of arrays to start from.
        network: ``network(params, *inputs, key=..., dropout=...)`` gives logits.
        batches: training and validation data.
        objective: loss.
        settings: rates, epochs, patience.
        seed: of the order of the batches, dropout and eql.

    Returns:
        Parameters, and figures of the run.
    """
    total = max(1, settings.epochs * batches.steps)
    schedule = optax.warmup_cosine_decay_schedule(0.0, settings.learning_rate, max(1, int(_WARM_UP * total)), total + 1)
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    params = jax.tree.map(jnp.asarray, params)
    state = _optimizer().init(params)
    best, best_loss, best_epoch, progress_epoch = params, np.inf, 0, 0
    count, epoch, train_loss = 0, 0, np.nan
    for epoch in range(1, settings.epochs + 1):
        values = []
        for batch in batches.train(rng):
            key, use = jax.random.split(key)
            rate = jnp.float32(schedule(count))
            params, state, value = _step(
                params, state, batch, objective, use, rate, network, settings.dropout, settings.weight_decay
            )
            values.append(value)
            count += 1
        train_loss = float(np.mean([float(value) for value in values]))
        current = _validation_loss(params, batches, objective, network)
        if current is None:
            best = params
            continue
        if current < best_loss:
            # A gain of less than a hundredth is kept, but does not keep the training going.
            progress_epoch = epoch if current < (1 - _GAIN) * best_loss else progress_epoch
            best, best_loss, best_epoch = params, current, epoch
        if epoch - progress_epoch >= settings.patience:
            break
    log = {"epochs": float(epoch), "train_loss": train_loss}
    if best_epoch:
        log |= {"best_epoch": float(best_epoch), "validation_loss": float(best_loss)}
    return jax.tree.map(np.asarray, best), log


def _optimizer() -> optax.GradientTransformation:
    """AdamW without its rate and decay, which the step applies. All parameters are one vector: that compiles faster."""
    return optax.flatten(optax.chain(optax.clip_by_global_norm(_CLIP), optax.scale_by_adam()))


# Compiled once per kind of head and shape of batch: the folds of an evaluation share these programs.
@partial(jax.jit, static_argnames=("network", "dropout", "weight_decay"))
def _step(
    params: Params,
    state: Any,
    batch: Batch,
    objective: Objective,
    key: PRNGKeyArray,
    rate: Float[Array, ""],
    network: Network,
    dropout: float,
    weight_decay: float,
) -> tuple[Params, Any, Float[Array, ""]]:
    *inputs, targets, known = batch

    def loss(params: Params) -> Float[Array, ""]:
        return objective.loss(network(params, *inputs, key=key, dropout=dropout), targets, known, key)

    value, gradient = jax.value_and_grad(loss)(params)
    updates, state = _optimizer().update(gradient, state, params)

    def move(p: Array, u: Array) -> Array:
        return p - rate * (u + weight_decay * p if p.ndim > 1 else u)  # biases do not decay

    return jax.tree.map(move, params, updates), state, value


@partial(jax.jit, static_argnames=("network",))
def _check(
    params: Params, batch: Batch, objective: Objective, network: Network
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    *inputs, targets, known = batch
    logits = network(params, *inputs, key=None, dropout=0.0)
    return objective.loss(logits, targets, known), known.any(-1).sum()


def _validation_loss(params: Params, batches: Batches, objective: Objective, network: Network) -> float | None:
    """Mean over the validation labels; None when there are none."""
    parts = [_check(params, batch, objective, network) for batch in batches.validation()]
    count = sum(int(n) for _, n in parts)
    return sum(float(value) * int(n) for value, n in parts) / count if count else None


def feature_scale(segments: Sequence[Segment]) -> Params:
    """Mean and inverse standard deviation of every feature over the training tokens, as parameters that never change.

    Frozen embeddings share a large common part; without taking it out, short trainings learn nothing else.
    """
    count = sum(s.cells.shape[0] * s.cells.shape[1] for s in segments)
    mean = sum(s.cells.sum(axis=(0, 1), dtype=np.float64) for s in segments) / count
    square = sum(((s.cells - mean.astype(np.float32)) ** 2).sum(axis=(0, 1), dtype=np.float64) for s in segments)
    scale = np.sqrt(square / count)
    scale = np.maximum(scale, 1e-3 * max(float(scale.max()), 1e-12))
    return {"centre": mean.astype(np.float32), "inverse": (1 / scale).astype(np.float32)}


def standardize(scale: Params, x: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
    """Apply ``feature_scale``."""
    fixed = jax.lax.stop_gradient(scale)
    return jnp.asarray((x.astype(jnp.float32) - fixed["centre"]) * fixed["inverse"])


def dense(rng: np.random.Generator, inputs: int, outputs: int) -> Params:
    """A linear layer: truncated-normal-like weights of variance 1/inputs, zero bias."""
    weight = np.clip(rng.standard_normal((inputs, outputs)), -2, 2) / np.sqrt(inputs)
    return {"weight": weight.astype(np.float32), "bias": np.zeros(outputs, np.float32)}


def apply_dense(layer: Params, x: Float[Array, "*n i"]) -> Float[Array, "*n o"]:
    """Apply a linear layer to the last axis."""
    return jnp.asarray(x @ layer["weight"] + layer["bias"])


def normalize(x: Float[Array, "*n d"]) -> Float[Array, "*n d"]:
    """Layer normalisation without learned scale."""
    centred = x - x.mean(axis=-1, keepdims=True)
    return jnp.asarray(centred * jax.lax.rsqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6))


def drop(
    x: Float[Array, "..."], key: PRNGKeyArray | None, rate: float, *, whole_axis: int | None = None
) -> Float[Array, "..."]:
    """Dropout; nothing without a key. Along ``whole_axis`` values are kept or dropped together."""
    if key is None or rate == 0:
        return x
    shape = list(x.shape)
    if whole_axis is not None:
        shape[whole_axis] = 1
    return jnp.where(jax.random.bernoulli(key, 1 - rate, shape), x / (1 - rate), 0.0)


def flatten(params: Params, prefix: str = "") -> dict[str, np.ndarray]:
    """A tree of arrays as flat names with dots."""
    flat: dict[str, np.ndarray] = {}
    for name, value in params.items():
        key = f"{prefix}{name}"
        flat |= flatten(value, f"{key}.") if isinstance(value, dict) else {key: np.asarray(value)}
    return flat


def unflatten(flat: dict[str, np.ndarray]) -> Params:
    """What ``flatten`` was given."""
    tree: Params = {}
    for name, value in flat.items():
        *parents, last = name.split(".")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return tree
