"""What a training keeps in memory: recomputed activations, and how many bytes lie on a device."""

import math
from typing import Any

import jax
from flax import nnx

from vp_science.encoder.transformer import LayerStack, Remat
from vp_science.errors import SettingsError


def set_remat(model: nnx.Module, policy: Remat) -> None:
    """Say whether the layers of a model recompute their activations in the backward pass.

    Gradients are the same to rounding. Call it before ``split_model``: the choice is part of the skeleton.

    Args:
        model: changed in place; all its layer stacks take the policy.
        policy: ``layers`` keeps one activation per layer and about a third more work; ``none`` keeps all of them.

    Raises:
        SettingsError: when there is nothing in the model that could follow it.
    """
    stacks = [module for _, module in nnx.iter_modules(model) if isinstance(module, LayerStack)]
    if not stacks and policy != "none":
        raise SettingsError(f"remat: expected a model with layer stacks, found none in {type(model).__name__}")
    for stack in stacks:
        stack.remat = policy


def count_parameters(tree: Any) -> int:
    """Numbers in a tree of arrays or of their shapes."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def bytes_per_device(tree: Any, shardings: Any) -> int:
    """Bytes that a tree takes on each device.

    Args:
        tree: arrays or their shapes and types.
        shardings: a tree of the same structure: how each of them is laid out.
    """

    def size(leaf: Any, sharding: jax.sharding.Sharding) -> int:
        return int(math.prod(sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize)

    total: int = sum(jax.tree.leaves(jax.tree.map(size, tree, shardings)))
    return total
