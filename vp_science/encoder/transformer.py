"""Pre-norm transformer layers, stacked along a leading axis as in the official "scan" checkpoints."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.attention import SelfAttention
from vp_science.encoder.config import LayerConfig
from vp_science.encoder.layers import FeedForward, HybridNorms
from vp_science.encoder.spreading import gather_weights, is_spread

# Rows of a block on a CPU: with base, its widest activation (4 D floats a row) then takes 12 MB.
BLOCK_ROWS = 1024

Remat = Literal["none", "layers"]


class Layer(HybridNorms):
    """``y = x + attention(norm(x))``, ``z = y + feed_forward(y)``."""

    def __init__(self, config: LayerConfig, *, rngs: nnx.Rngs):
        super().__init__(config)
        self.self_attention = SelfAttention(config, rngs=rngs)
        self.ff_layer = FeedForward(config, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b s m d"], valid: Bool[Array, "b s"] | None, compute_dtype: jnp.dtype
    ) -> Float[Array, "b s m d"]:
        """One layer along ``s``; rows where ``valid`` is False get no feed-forward update (as official)."""
        x = x + self.norm_output(self.self_attention(self.norm_input(x), valid, compute_dtype))
        rows = None if valid is None else jnp.repeat(valid.reshape(-1), x.shape[2])
        return x + self.ff_layer(x.reshape(-1, x.shape[-1]), rows, compute_dtype).reshape(x.shape)


class LayerStack(nnx.Module):
    """Layers whose parameters carry a leading layer axis; run by a scan, so that one layer is compiled once.

    Attributes:
        remat: for gradients: ``layers`` keeps only what enters each layer and computes the rest once more in the
            backward pass; ``none`` keeps everything, so blocks would save nothing and only cost time. None, where no
            gradients are asked for.
    """

    def __init__(self, config: LayerConfig, num_layers: int, *, rngs: nnx.Rngs):
        self.remat: Remat | None = None
        make = nnx.split_rngs(splits=num_layers)(nnx.vmap(lambda rngs: Layer(config, rngs=rngs)))
        self.x_layers = make(rngs)

    def __call__(
        self, x: Float[Array, "b s m d"], valid: Bool[Array, "b s"] | None, compute_dtype: jnp.dtype
    ) -> Float[Array, "b s m d"]:
        """All layers in order; there is no norm at the end."""

        def whole(x: Array) -> Array:
            return self.scan_layers(lambda layer, x: layer(x, valid, compute_dtype), x)

        def blocked(x: Array) -> Array:
            blocks, masks = split_blocks(x, valid)

            def run(layer: Layer, blocks: Array) -> Array:
                # A mask of None is an empty tree: lax.map passes it through.
                done: Array = jax.lax.map(lambda pair: layer(pair[0], pair[1], compute_dtype), (blocks, masks))
                return done

            return join_blocks(self.scan_layers(run, blocks), x.shape)

        if self.remat == "none" or is_spread(x):
            return whole(x)  # across devices, blocks would be cut
        # The choice falls when the program is compiled for a device.
        result: Array = jax.lax.platform_dependent(x, cpu=blocked, default=whole)
        return result

    def scan_layers(self, run: Callable[[Layer, Array], Array], x: Array) -> Array:
        """``run(layer, x)`` with one layer after the other; ``x`` keeps its shape."""

        def step(x: Array, layer: Layer) -> tuple[Array, None]:
            return run(gather_weights(layer), x), None

        # Inside of a scan nothing can be merged with the first computation, so no barrier has to prevent it.
        body = jax.checkpoint(step, prevent_cse=False) if self.remat == "layers" else step
        result: Array = jax.lax.scan(body, x, self.x_layers)[0]
        return result


def split_blocks(
    x: Float[Array, "b s m d"], valid: Bool[Array, "b s"] | None
) -> tuple[Float[Array, "blocks _ s _ d"], Bool[Array, "blocks _ s"] | None]:
    """Cut along the axis that attention does not mix into blocks that fit the cache of a CPU.

    A layer then keeps its hidden rows and attention weights in the cache instead of writing them to memory and reading
    them back. Blocks have one size, which divides the axis.
    """
    b, s, m, d = x.shape
    if m == 1:
        size = _block_size(b, s)
        return x.reshape(b // size, size, s, 1, d), None if valid is None else valid.reshape(b // size, size, s)
    size = _block_size(m, b * s)
    blocks = x.reshape(b, s, m // size, size, d).transpose(2, 0, 1, 3, 4)
    return blocks, None if valid is None else jnp.broadcast_to(valid, (m // size, b, s))


def join_blocks(blocks: Float[Array, "blocks _ s _ d"], shape: tuple[int, ...]) -> Float[Array, "b s m d"]:
    """Undo :func:`split_blocks`."""
    if shape[2] == 1:
        return blocks.reshape(shape)
    return blocks.transpose(1, 2, 0, 3, 4).reshape(shape)


def _block_size(length: int, rows_each: int) -> int:
    fitting = [size for size in range(1, length + 1) if length % size == 0 and size * rows_each <= BLOCK_ROWS]
    size = max(fitting, default=1)
    # Products of very few rows waste more than the cache gives.
    return size if size * rows_each >= BLOCK_ROWS // 8 else length


class Transformer(nnx.Module):
    """Holds a :class:`LayerStack` under the name the official checkpoints give it."""

    def __init__(self, config: LayerConfig, num_layers: int, *, rngs: nnx.Rngs):
        self.transformers_stack = LayerStack(config, num_layers, rngs=rngs)

    def __call__(
        self, x: Float[Array, "b s m d"], valid: Bool[Array, "b s"] | None, compute_dtype: jnp.dtype
    ) -> Float[Array, "b s m d"]:
        """All layers in order."""
        return self.transformers_stack(x, valid, compute_dtype)
