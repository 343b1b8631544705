"""On a CPU, layers run in blocks that fit the cache; nothing of that may show in the numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vp_science.encoder import transformer
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.transformer import LayerStack, join_blocks, split_blocks

CONFIG = EncoderConfig(6, (4, 4, 4), 16, 2, 2, 2, 32)


@pytest.mark.parametrize(
    ("shape", "padded"), [((6, 9, 1), True), ((7, 9, 1), False), ((1, 4, 12), False), ((2, 3, 7), True)], ids=str
)
def test_a_stack_in_blocks_equals_its_layers_one_by_one(shape, padded, monkeypatch):
    monkeypatch.setattr(transformer, "BLOCK_ROWS", 20)
    stack = LayerStack(CONFIG.layer, 2, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(1), (*shape, 16))
    valid = jnp.arange(shape[0] * shape[1]).reshape(shape[:2]) % 3 > 0 if padded else None
    expected = x
    run = jax.jit(lambda layer, x: layer(x, valid, jnp.dtype("float32")))
    for index in range(2):
        expected = run(jax.tree.map(lambda leaf, index=index: leaf[index], stack.x_layers), expected)
    found = jax.jit(lambda stack, x: stack(x, valid, jnp.dtype("float32")))(stack, x)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("shape", [(6, 9, 1, 2), (1, 4, 12, 3), (2, 3, 7, 2), (5, 300, 1, 2)], ids=str)
def test_splitting_and_joining_blocks_changes_nothing(shape, monkeypatch):
    monkeypatch.setattr(transformer, "BLOCK_ROWS", 32)
    x = jnp.arange(np.prod(shape), dtype=jnp.float32).reshape(shape)
    blocks, masks = split_blocks(x, jnp.ones(shape[:2], bool))
    assert masks is not None
    assert masks.shape[0] == blocks.shape[0]
    np.testing.assert_array_equal(join_blocks(blocks, shape), x)


def test_native_sizes_are_cut_into_blocks_of_the_intended_size():
    spatial, _ = split_blocks(jnp.zeros((16, 256, 1, 1)), None)
    temporal, _ = split_blocks(jnp.zeros((1, 16, 256, 1)), None)
    assert spatial.shape == (4, 4, 256, 1, 1)
    assert temporal.shape == (4, 1, 16, 64, 1)
