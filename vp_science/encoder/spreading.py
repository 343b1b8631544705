"""Weights that lie on many devices in parts: every device takes the whole of a layer when it uses it.

Without this the compiler decides, and may move activations instead, which are larger. On one device nothing happens.
"""

from typing import TypeVar

import jax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

Tree = TypeVar("Tree")


def is_spread(array: Shaped[Array, "..."]) -> bool:
    """Whether a compiled function runs on many devices, by one of the arrays in it."""
    mesh = jax.typeof(array).sharding.mesh
    return not mesh.empty and mesh.size > 1


def gather_weights(weights: Tree) -> Tree:
    """The same weights, whole on every device (all-gather forward, a sum over devices of their gradient backward)."""

    def gather(array: Array) -> Array:
        if not is_spread(array):
            return array
        everywhere = NamedSharding(jax.typeof(array).sharding.mesh, PartitionSpec())
        gathered: Array = jax.lax.with_sharding_constraint(array, everywhere)
        return gathered

    gathered: Tree = jax.tree.map(gather, weights)
    return gathered
