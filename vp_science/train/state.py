"""What changes in a training, and the function that changes it: one update, compiled once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray

from vp_science.encoder.spreading import gather_weights
from vp_science.train.functional import Params
from vp_science.train.mesh import abstract_array, batch_sharding, lay_out, on_all, tree_shardings
from vp_science.train.optimizer import make_optimizer, make_schedule, mean_decay
from vp_science.train.settings import RunSettings
from vp_science.train.stage import Batch, Stage

State = dict[str, Any]
"""``params``, ``opt`` (of optax), ``mean`` (of parameters, where one is kept), ``step`` int32 (updates that were made),
``finite`` bool (nothing was lost so far)."""

Figures = dict[str, Array]
"""The metrics of a stage, ``loss``, ``grad_norm``, ``learning_rate``; ``finite`` bool and ``stop`` int32."""

Update = Callable[[State, Params, Batch, Array], tuple[State, Figures]]

# Keys of steps never meet those that stages derive from the same seed for first weights.
_STEPS = 0x5EED


@dataclass(frozen=True)
class Training:
    """The functions of one training on one mesh.

    Attributes:
        mesh: where it runs.
        start: parameters to the first state; compiled.
        update: one step; compiled, the old state is given up for the new one. Its last argument has a number per
            device, the highest of which is among the metrics as ``stop``: so all hosts hear in the same step that one
            of them was asked to stop, without a message of its own.
        abstract: shapes, types and shardings of the state.
        shardings: of the state.
        frozen_shardings: of what is never changed.
    """

    mesh: Mesh
    start: Callable[[Params], State]
    update: Update
    abstract: State
    shardings: State
    frozen_shardings: Params


def make_training(stage: Stage, settings: RunSettings, mesh: Mesh, params: Params, frozen: Params) -> Training:
    """Put stage, optimiser and mesh together.

    Args:
        stage: what is optimised.
        settings: of the run.
        mesh: the devices.
        params: what is trained, or its shapes.
        frozen: what is not, or its shapes.
    """
    shapes = jax.eval_shape(lambda: params)
    optimizer = make_optimizer(
        settings.optimizer, settings.loop.steps, shapes, stage.depths(params), stage.rate_factors(params)
    )
    schedule = make_schedule(settings.optimizer, settings.loop.steps)

    def start(params: Params) -> State:
        state = {"params": params, "opt": optimizer.init(params), "step": jnp.int32(0), "finite": jnp.bool_(True)}
        if settings.optimizer.ema_decay is not None:
            state["mean"] = jax.tree.map(jnp.copy, params)
        return state

    abstract = jax.eval_shape(start, shapes)
    shardings = tree_shardings(mesh, abstract)
    gradient = make_gradient(stage, settings, mesh)

    def update(state: State, frozen: Params, batch: Batch, stop: Array) -> tuple[State, Figures]:
        key = step_key(settings.seed, state["step"])
        (loss, metrics), grads = gradient(state["params"], frozen, batch, key)
        norm = norm_of(grads)
        updates, opt = optimizer.update(grads, state["opt"], state["params"])
        new: State = {
            "params": optax.apply_updates(state["params"], updates),
            "opt": opt,
            "step": state["step"] + 1,
            "finite": state["finite"] & jnp.isfinite(loss) & jnp.isfinite(norm),
        }
        if "mean" in state:
            assert settings.optimizer.ema_decay is not None
            decay = mean_decay(settings.optimizer.ema_decay, state["step"])
            new["mean"] = jax.tree.map(lambda m, p: p + decay * (m - p), state["mean"], new["params"])
        metrics = metrics | {"loss": loss, "grad_norm": norm, "learning_rate": schedule(state["step"])}
        if settings.loop.nan_guard:
            new = _keep_if(new["finite"], new, state)
        return new, metrics | {"finite": new["finite"], "stop": jnp.max(stop)}

    frozen_shardings = tree_shardings(mesh, frozen)
    return Training(
        mesh=mesh,
        start=jax.jit(start, out_shardings=shardings),
        update=jax.jit(
            update,
            in_shardings=(shardings, frozen_shardings, batch_sharding(mesh), batch_sharding(mesh)),
            out_shardings=(shardings, on_all(mesh)),
            donate_argnums=0,
        ),
        abstract=_with_shardings(abstract, shardings),
        shardings=shardings,
        frozen_shardings=frozen_shardings,
    )


def norm_of(grads: Params) -> Float[Array, ""]:
    """The norm of all numbers of a tree together."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(grads)))


def step_key(seed: int, step: int | Array) -> PRNGKeyArray:
    """The key of an update; the same numbers on any device and however a batch lies on devices."""
    root = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), _STEPS)
    return jax.random.fold_in(root, step)


def make_gradient(stage: Stage, settings: RunSettings, mesh: Mesh | None = None) -> Callable[..., Any]:
    """Loss, figures and gradient of a whole batch, in as many pieces as the settings say.

    The pieces are interleaved (piece i has the clips i, i + pieces, ...), so that every device keeps the clips that it
    has. Losses, figures and gradients of the pieces are averaged: equal to those of the whole batch where the loss is
    a mean over clips.

    Args:
        stage: a stage with ``own_accumulation`` gets the whole batch.
        settings: of the run.
        mesh: says how gradients and pieces lie; None leaves that to the compiler.
    """
    pieces = 1 if stage.own_accumulation else settings.loop.accumulation

    def laid_out(grads: Params) -> Params:
        placed: Params = grads if mesh is None else lay_out(grads, tree_shardings(mesh, grads))
        return placed

    def whole(params: Params, frozen: Params, batch: Batch, key: PRNGKeyArray) -> Any:
        result, grads = stage.value_and_grad(_gather_single(params), _gather_single(frozen), batch, key)
        return result, laid_out(grads)

    def cut(array: Array) -> Array:
        parts = jnp.swapaxes(array.reshape(array.shape[0] // pieces, pieces, *array.shape[1:]), 0, 1)
        placed: Array = parts if mesh is None else lay_out(parts, batch_sharding(mesh, pieces=True))
        return placed

    def accumulated(params: Params, frozen: Params, batch: Batch, key: PRNGKeyArray) -> Any:
        keys = jax.random.split(key, pieces)
        shapes = jax.eval_shape(whole, params, frozen, jax.tree.map(lambda x: cut(x)[0], batch), key)
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

        def add(total: Any, piece: tuple[Batch, PRNGKeyArray]) -> tuple[Any, None]:
            result, grads = whole(params, frozen, *piece)
            summed = jax.tree.map(jnp.add, total, (result, grads))
            return (summed[0], laid_out(summed[1])), None

        total = jax.lax.scan(add, zeros, (jax.tree.map(cut, batch), keys))[0]
        return jax.tree.map(lambda leaf: leaf / pieces, total)

    return whole if pieces == 1 else accumulated


def _gather_single(params: Params) -> Params:
    """Whole on every device: what is of no stack of layers. Stacks take theirs layer by layer."""
    return {
        name: value
        if name == "x_layers"
        else _gather_single(value)
        if isinstance(value, dict)
        else gather_weights(value)
        for name, value in params.items()
    }


def _keep_if(fits: Array, new: State, old: State) -> State:
    """The new state, or, once something is not finite, the old one: the values before are what can be looked at."""
    kept: State = jax.tree.map(lambda a, b: jnp.where(fits, a, b), new, old)
    return kept | {"finite": fits}


def _with_shardings(abstract: Any, shardings: Any) -> Any:
    return jax.tree.map(lambda leaf, sharding: abstract_array(leaf.shape, leaf.dtype, sharding), abstract, shardings)
