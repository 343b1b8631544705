"""The optimisation that the JAX heads share: AdamW, warm-up and cosine decay, the best epoch is kept."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from vp_science.probes.heads.base import HeadSettings
from vp_science.probes.objective import Objective

Params = dict[str, Any]
Batch = tuple[np.ndarray, ...]
"""Inputs of the network, then targets and known."""
Network = Callable[..., Float[Array, "..."]]

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
    warm = max(1, int(_WARM_UP * total))
    schedule = optax.warmup_cosine_decay_schedule(0.0, settings.learning_rate, warm, total + 1)
    optimizer = optax.chain(
        optax.clip_by_global_norm(_CLIP),
        optax.adamw(schedule, weight_decay=settings.weight_decay, mask=partial(jax.tree.map, lambda p: p.ndim > 1)),
    )

    def loss(params: Params, batch: Batch, key: PRNGKeyArray) -> Float[Array, ""]:
        *inputs, targets, known = batch
        logits = network(params, *inputs, key=key, dropout=settings.dropout)
        return objective.loss(logits, jnp.asarray(targets), jnp.asarray(known), key)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Params, state: Any, batch: Batch, key: PRNGKeyArray) -> tuple[Params, Any, Float[Array, ""]]:
        value, gradient = jax.value_and_grad(loss)(params, batch, key)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    @jax.jit
    def check(params: Params, batch: Batch) -> tuple[Float[Array, ""], Float[Array, ""]]:
        *inputs, targets, known = batch
        logits = network(params, *inputs, key=None, dropout=0.0)
        return objective.loss(logits, jnp.asarray(targets), jnp.asarray(known)), jnp.asarray(known).any(-1).sum()

    return _run(params, optimizer.init(params), step, check, batches, settings, seed)


def _run(
    params: Params,
    state: Any,
    step: Callable[..., Any],
    check: Callable[..., Any],
    batches: Batches,
    settings: HeadSettings,
    seed: int,
) -> tuple[Params, dict[str, float]]:
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    best, best_loss, best_epoch, train_loss = None, np.inf, 0, np.nan
    epoch, progress_epoch = 0, 0
    for epoch in range(1, settings.epochs + 1):
        values = []
        for batch in batches.train(rng):
            key, use = jax.random.split(key)
            params, state, value = step(params, state, batch, use)
            values.append(value)
        train_loss = float(np.mean([float(value) for value in values]))
        parts = [check(params, batch) for batch in batches.validation()]
        count = sum(int(n) for _, n in parts)
        if not count:
            continue
        current = sum(float(value) * int(n) for value, n in parts) / count
        if current < best_loss:
            # A gain of less than a hundredth is kept, but does not keep the training going.
            progress_epoch = epoch if current < (1 - _GAIN) * best_loss else progress_epoch
            # Copied, because the next step gives the buffers away.
            best, best_loss, best_epoch = jax.tree.map(np.asarray, jax.tree.map(jnp.copy, params)), current, epoch
        if epoch - progress_epoch >= settings.patience:
            break
    log = {"epochs": float(epoch), "train_loss": train_loss}
    if best is not None:
        log |= {"best_epoch": float(best_epoch), "validation_loss": float(best_loss)}
    return jax.tree.map(np.asarray, params if best is None else best), log


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
