"""The optimiser: what the settings say, as optax transformations that know parameters by name."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from vp_science.errors import SettingsError
from vp_science.train.functional import Params, flat_names, nested_names
from vp_science.train.settings import OptimizerSettings

# Weights of matrices have one of these names in every module of the package, and in the official checkpoints.
_MATRICES = ("kernel", "w")
# Accumulators of smaller matrices are kept whole: heads are 64 wide (128 in optax, made for language models).
_FACTORED_FROM = 32
_DECAY_EXPONENT = 0.8

Schedule = Callable[[Any], Float[Array, ""]]


def make_schedule(settings: OptimizerSettings, steps: int) -> Schedule:
    """The learning rate of an update, by how many came before it.

    Update ``warmup_steps`` has the whole rate, the last one the final rate.

    Raises:
        SettingsError: when the warm-up is longer than the run.
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    if warmup > steps:
        raise SettingsError(
            f"optimizer.warmup_steps: expected at most loop.steps={steps}, found {warmup}: a tenth of the steps will do"
        )
    rest = max(steps - warmup, 1)
    if settings.schedule == "cosine":
        after = optax.cosine_decay_schedule(peak, rest, alpha=settings.final_rate / peak)
    elif settings.schedule == "linear":
        after = optax.linear_schedule(peak, settings.final_rate, rest)
    else:
        after = optax.constant_schedule(peak)
    joined = optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), after], [warmup]) if warmup else after

    def rate(done: Any) -> Float[Array, ""]:
        # Rounding may leave a little less than nothing at the end.
        return jnp.maximum(jnp.asarray(joined(done + 1), jnp.float32), 0.0)

    return rate


def make_optimizer(
    settings: OptimizerSettings, steps: int, params: Params, depths: Params, factors: Params
) -> optax.GradientTransformation:
    """The whole chain from gradient to update.

    Clipping, moments, decoupled weight decay, factors per parameter, rate: decay is multiplied with the rate, as the
    update is.

    Args:
        settings: of the optimiser.
        steps: of the run.
        params: what is trained, or its shapes.
        depths: how deep each parameter lies (``Stage.depths``).
        factors: of the rate (``Stage.rate_factors``).
    """
    first, second = settings.betas
    parts = [optax.clip_by_global_norm(settings.clip_norm)] if settings.clip_norm is not None else []
    if settings.name == "adamw":
        parts.append(optax.scale_by_adam(first, second))
    else:
        parts.append(
            optax.scale_by_factored_rms(
                min_dim_size_to_factor=_FACTORED_FROM,
                decay_rate=_DECAY_EXPONENT,
                decay_rate_fn=lambda count, exponent: jnp.minimum(second, 1.0 - (count + 1.0) ** -exponent),
            )
        )
        parts.append(optax.clip_by_block_rms(1.0))
        parts.append(optax.ema(first, debias=False))
    if settings.weight_decay:
        parts.append(optax.add_decayed_weights(settings.weight_decay, mask=decay_mask(params)))
    scales = rate_scales(settings.layer_decay, params, depths, factors)
    if any(np.any(scale != 1) for scale in jax.tree.leaves(scales)):
        parts.append(_scale_by(scales))
    parts.append(optax.scale_by_learning_rate(make_schedule(settings, steps)))
    return optax.chain(*parts)


def decay_mask(params: Params) -> Params:
    """True for the weights of matrices, by name.

    Shapes would not tell: stacked biases ``[layers, d]``, position tables and tables of tokens have two axes, too.
    """
    return nested_names({name: name.split("/")[-1] in _MATRICES for name in flat_names(params)})


def rate_scales(layer_decay: float, params: Params, depths: Params, factors: Params) -> Params:
    """Factor of the rate for every parameter, of a shape that broadcasts to its own.

    Args:
        layer_decay: per unit of depth.
        params: arrays or their shapes.
        depths: numbers, or one number for every layer of a stack.
        factors: numbers, or one for every layer of a stack.
    """

    def scale(leaf: Any, depth: Any, factor: Any) -> np.ndarray:
        both = np.asarray(np.float32(layer_decay) ** np.asarray(depth, np.float32) * np.asarray(factor, np.float32))
        return both.reshape(both.shape + (1,) * (len(leaf.shape) - both.ndim)) if both.ndim else both

    scales: Params = jax.tree.map(scale, params, depths, factors)
    return scales


def mean_decay(decay: float, step: Any) -> Float[Array, ""]:
    """Decay of the running mean of the parameters at a step, counted from 0."""
    return jnp.minimum(decay, (1.0 + step) / (10.0 + step)).astype(jnp.float32)


def _scale_by(scales: Params) -> optax.GradientTransformation:
    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return jax.tree.map(lambda update, scale: update * scale, updates, scales), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
