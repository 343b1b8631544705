"""Learned position tables, and what they become at other sizes."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

_LECUN = nnx.initializers.lecun_normal()


class PositionTable(nnx.Module):
    """One learned vector per position (``emb_var [positions, d]``, row-major where positions form a grid)."""

    def __init__(self, num_positions: int, dim: int, *, rngs: nnx.Rngs):
        self.emb_var = nnx.Param(_LECUN(rngs.params(), (num_positions, dim)))


def resize_positions(
    table: Float[Array, "positions d"], shape: tuple[int, ...], new_shape: tuple[int, ...]
) -> Float[Array, "new_positions d"]:
    """Interpolate a table laid out as a grid of ``shape`` to ``new_shape``.

    Linear interpolation per axis with half-pixel centres, antialiased when an axis shrinks: the method of the
    official code (``jax.image.resize``, "bilinear").
    """
    if shape == new_shape:
        return table
    dim = table.shape[-1]
    grid = table.reshape(*shape, dim).astype(jnp.float32)
    resized = jax.image.resize(grid, (*new_shape, dim), "linear", precision=jax.lax.Precision.HIGHEST)
    return jnp.reshape(resized, (-1, dim))
