"""Pre-norm transformer layers, stacked along a leading axis as in the official "scan" checkpoints."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.attention import SelfAttention
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.layers import FeedForward, LayerNorm


class Layer(nnx.Module):
    """``y = x + attention(norm(x))``, ``z = y + feed_forward(norm(y))``."""

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        self.layer_norm = LayerNorm(config.model_dim)
        self.self_attention = SelfAttention(config, rngs=rngs)
        self.ff_layer = FeedForward(config, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b s m d"],
        valid: Bool[Array, "b s"] | None,
        logit_cap: float,
        compute_dtype: jnp.dtype,
    ) -> Float[Array, "b s m d"]:
        """One layer along ``s``; rows where ``valid`` is False get no feed-forward update (as official)."""
        x = x + self.self_attention(self.layer_norm(x), valid, logit_cap, compute_dtype)
        update = self.ff_layer(x.reshape(-1, x.shape[-1]), compute_dtype).reshape(x.shape)
        return x + (update if valid is None else update * valid[:, :, None, None])


class LayerStack(nnx.Module):
    """Layers whose parameters carry a leading layer axis; run by a scan, so that one layer is compiled once."""

    def __init__(self, config: EncoderConfig, num_layers: int, *, rngs: nnx.Rngs):
        make = nnx.split_rngs(splits=num_layers)(nnx.vmap(lambda rngs: Layer(config, rngs=rngs)))
        self.x_layers = make(rngs)

    def __call__(
        self,
        x: Float[Array, "b s m d"],
        valid: Bool[Array, "b s"] | None,
        logit_cap: float,
        compute_dtype: jnp.dtype,
    ) -> Float[Array, "b s m d"]:
        """All layers in order; there is no norm at the end."""

        def step(x: Array, layer: Layer) -> tuple[Array, None]:
            return layer(x, valid, logit_cap, compute_dtype), None

        return jax.lax.scan(step, x, self.x_layers)[0]


class Transformer(nnx.Module):
    """Holds a :class:`LayerStack` under the name the official checkpoints give it."""

    def __init__(self, config: EncoderConfig, num_layers: int, *, rngs: nnx.Rngs):
        self.transformers_stack = LayerStack(config, num_layers, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b s m d"],
        valid: Bool[Array, "b s"] | None,
        logit_cap: float,
        compute_dtype: jnp.dtype,
    ) -> Float[Array, "b s m d"]:
        """All layers in order."""
        return self.transformers_stack(x, valid, logit_cap, compute_dtype)
