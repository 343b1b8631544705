"""Gradients of attention where capped logits come near their cap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vp_science.encoder.attention import attend

CAP = 50.0


def plain(query, key, value):
    """Attention as it is written in the paper, with the softmax of JAX."""
    logits = CAP * jnp.tanh(jnp.einsum("gqe,gse->gqs", query, key, precision="highest") / CAP)
    return jnp.einsum("gqs,gse->gqe", jax.nn.softmax(logits, axis=-1), value, precision="highest")


@pytest.mark.parametrize("level", [-150.0, -45.0, 0.0, 45.0, 70.0, 150.0])
def test_all_logits_of_a_row_near_the_cap(level):
    """The square of their sum is zero or infinite in float32; the gradient is neither."""
    rng = np.random.default_rng(0)
    shape = (2, 6, 8)
    query, key, value, wanted = (rng.standard_normal(shape).astype(np.float32) for _ in range(4))
    key[..., 0], query[..., 0] = 1.0, level

    def loss(attention):
        return lambda *arrays: jnp.mean(jnp.square(attention(*arrays) - wanted))

    def ours(*arrays):
        return attend(*arrays, None, CAP, jnp.dtype(jnp.float32))

    found = jax.jit(jax.grad(loss(ours), argnums=(0, 1, 2)))(query, key, value)
    expected = jax.jit(jax.grad(loss(plain), argnums=(0, 1, 2)))(query, key, value)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-6)
