"""The visible tokens of a clip side by side, and back on their grid: each direction is the gradient of the other."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class Places(NamedTuple):
    """Which of p places hold one of m rows, in both directions.

    Attributes:
        where: the place of every row.
        slot: the row of every place; m where there is none.
    """

    where: Int[Array, "b m"]
    slot: Int[Array, "b p"]


def find_places(mask: Bool[Array, "b p"], count: int) -> Places:
    """Places where the mask is True, in order.

    Args:
        mask: True exactly ``count`` times in every row.
        count: m.
    """
    index = jnp.argsort(~mask, axis=1, stable=True)[:, :count]
    slot = jnp.where(mask, jnp.cumsum(mask, axis=1) - 1, count)
    return Places(index.astype(jnp.int32), slot.astype(jnp.int32))


def permuted_places(order: Int[Array, "b p"], count: int) -> Places:
    """Places of rows 0 to ``count`` - 1 when place i holds ``order[i]``; other entries of the permutation are holes."""
    inverse = jnp.argsort(order, axis=1)[:, :count]
    return Places(inverse.astype(jnp.int32), jnp.minimum(order, count).astype(jnp.int32))


def transpose_places(places: Places, rows: int) -> Places:
    """The same rows when the places, ``rows`` times columns, are counted down the columns instead."""
    b, p = places.slot.shape
    columns = p // rows
    index = (places.where % columns) * rows + places.where // columns
    return Places(index, places.slot.reshape(b, rows, columns).swapaxes(1, 2).reshape(b, p))


@jax.custom_vjp
def take(grid: Float[Array, "b p *d"], places: Places) -> Float[Array, "b m *d"]:
    """The rows at their places."""
    return _gather(grid, places.where)


@jax.custom_vjp
def spread(rows: Float[Array, "b m *d"], places: Places) -> Float[Array, "b p *d"]:
    """Every row at its place, zeros elsewhere."""
    here = places.slot < rows.shape[1]
    found = _gather(rows, jnp.minimum(places.slot, rows.shape[1] - 1))
    return jnp.where(here.reshape(*here.shape, *(1,) * (rows.ndim - 2)), found, 0)


# Gradients written as gathers: XLA would scatter, one row after the other on a CPU and with atomic sums on a GPU.
take.defvjp(
    lambda grid, places: (take(grid, places), places), lambda places, gradient: (spread(gradient, places), None)
)
spread.defvjp(
    lambda rows, places: (spread(rows, places), places), lambda places, gradient: (take(gradient, places), None)
)


@partial(jax.vmap, in_axes=(0, 0))
def _gather(rows: Array, index: Array) -> Array:
    return rows.at[index].get(mode="promise_in_bounds")
