"""Cosine distances between predictions and the teacher (Zhao et al. 2024, appendix C.2)."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vp_science.encoder.pooling import unit_length


def cosine(a: Float[Array, "*b d"], b: Float[Array, "*b d"]) -> Float[Array, "*b"]:
    """The cosine of the angle between vectors, float32; near 0 where one of them is zero.

    Teachers' tokens are taken as they are: the paper speaks of no normalisation, and the cosine ignores their lengths.
    """
    return jnp.sum(unit_length(a) * unit_length(b), axis=-1)


def mean_where(values: Float[Array, "b p"], chosen: Bool[Array, "b p"]) -> Float[Array, ""]:
    """The mean of the chosen values of a batch; 0 where none is chosen."""
    return jnp.sum(values * chosen) / jnp.maximum(jnp.sum(chosen), 1)
