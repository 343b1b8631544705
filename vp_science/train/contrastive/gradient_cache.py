"""Gradient caching: the loss of a batch that does not fit into memory, and its exact gradient (Gao et al. 2021).

A contrastive loss is of the whole batch, so averaging the losses of pieces would be another loss with fewer pairs.
But it depends on clips and texts only through their vectors, which are small. So: first the vectors of all pieces,
keeping nothing else; then the loss, and its gradient by every vector; then every piece once more, whose part of the
gradient is that of its vectors times what the second step said. Memory is that of one piece, the price is the forward
pass a second time.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from vp_science.errors import SettingsError
from vp_science.train.contrastive.spreading import Mesh, rows_over_devices
from vp_science.train.functional import Params

Rows = Any
"""A tree of arrays with the same leading axis."""
Outcome = Any
"""A scalar, and a tree of what is to be known besides."""


def cached_value_and_grad(
    embed: Callable[[Params, Rows], Rows],
    loss: Callable[[Params, Rows], tuple[Any, Any]],
    params: Params,
    rows: Rows,
    num_pieces: int,
    mesh: Mesh | None = None,
) -> tuple[tuple[Any, Any], Params]:
    """What ``jax.value_and_grad(lambda params: loss(params, embed(params, rows)), has_aux=True)(params)`` gives.

    Args:
        embed: vectors of rows, each from its own row alone; nothing in it may be random, as it runs twice.
        loss: the loss of all vectors, and figures.
        params: by which the gradient is taken; ``loss`` may read some of them itself.
        rows: of the whole batch.
        num_pieces: divides the number of rows. Every piece has rows of every device.
        mesh: devices over which the rows lie.

    Raises:
        SettingsError: when a piece cannot have as many rows of every device.
    """
    pieces = jax.tree.map(lambda array: _cut(array, num_pieces, mesh), rows)

    def look(carry: None, piece: Rows) -> tuple[None, Rows]:
        return carry, embed(params, piece)

    _, vectors = jax.lax.scan(look, None, pieces)

    def joined(params: Params, vectors: Rows) -> tuple[Any, Any]:
        return loss(params, jax.tree.map(lambda array: _join(array, mesh), vectors))

    outcome, (total, pulls) = jax.value_and_grad(joined, argnums=(0, 1), has_aux=True)(params, vectors)

    def pull_back(total: Params, piece_and_pull: tuple[Rows, Rows]) -> tuple[Params, None]:
        piece, pull = piece_and_pull
        _, back = jax.vjp(lambda params: embed(params, piece), params)
        return jax.tree.map(jnp.add, total, back(pull)[0]), None

    total, _ = jax.lax.scan(pull_back, total, (pieces, pulls))
    return outcome, total


def _cut(array: jax.Array, num_pieces: int, mesh: Mesh | None) -> jax.Array:
    """Every ``num_pieces``-th row: rows lie on devices in blocks, and so no row has to move to another device."""
    each = array.shape[0] // num_pieces
    if mesh is not None and each % mesh.size:
        raise SettingsError(
            f"loop.accumulation: expected pieces that {mesh.size} devices can share, found {num_pieces} pieces of "
            f"{each} clips each: take fewer pieces, or a larger loop.batch_size"
        )
    return rows_over_devices(array.reshape(each, num_pieces, *array.shape[1:]).swapaxes(0, 1), 1, mesh)


def _join(pieces: jax.Array, mesh: Mesh | None) -> jax.Array:
    """Undo :func:`_cut`."""
    num_pieces, each = pieces.shape[:2]
    return rows_over_devices(pieces.swapaxes(0, 1).reshape(each * num_pieces, *pieces.shape[2:]), 0, mesh)
