"""Attention pooling: one learned query that reads many tokens (official name ``AttenTokenPoolingLayer``)."""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.attention import HeadProjection
from vp_science.encoder.config import LayerConfig
from vp_science.encoder.layers import LayerNorm

_einsum = partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
_LECUN = nnx.initializers.lecun_normal()
# 1 / softplus(0): with a scale of zero the queries are divided by the root of the head width, as elsewhere.
_INVERSE_SOFTPLUS_0 = 1.442695041


class PerDimScale(nnx.Module):
    """A learned factor for every dimension of a head's query (``per_dim_scale [e]``)."""

    def __init__(self, head_dim: int):
        self.per_dim_scale = nnx.Param(jnp.zeros((head_dim,)))

    def __call__(self, query: Float[Array, "k e"]) -> Float[Array, "k e"]:
        """Scaled queries."""
        scale = self.per_dim_scale[...]
        return query * (_INVERSE_SOFTPLUS_0 / math.sqrt(len(scale))) * jax.nn.softplus(scale)


class PoolingAttention(nnx.Module):
    """Cross-attention of one query; heads may be wider than the model's."""

    def __init__(self, config: LayerConfig, hidden_dim: int, *, rngs: nnx.Rngs):
        heads = (config.num_heads, hidden_dim // config.num_heads)
        self.query = HeadProjection((config.model_dim, *heads), heads, rngs=rngs)
        self.key = HeadProjection((config.model_dim, *heads), heads, rngs=rngs)
        self.value = HeadProjection((config.model_dim, *heads), heads, rngs=rngs)
        self.post = HeadProjection((config.model_dim, *heads), (config.model_dim,), rngs=rngs)
        self.per_dim_scale = PerDimScale(heads[1])

    def __call__(
        self, query: Float[Array, " d"], tokens: Float[Array, "b s d"], seen: Bool[Array, "b s"] | None
    ) -> Float[Array, "b d"]:
        """What the query reads; zero tokens in sight give what zeros would.

        With a single query neither keys nor values need computing: ``q (x W + b)`` is ``x (W q)`` plus a constant that
        the softmax ignores, and the weighted mean of ``x W + b`` is ``(weighted mean of x) W + b``. That saves two
        products of all tokens with matrices four times as wide as the model.
        """
        asked = self.per_dim_scale(_einsum("d,dke->ke", query, self.query.w[...]) + self.query.b[...])
        directions = _einsum("ke,dke->dk", asked, self.key.w[...])
        logits = _einsum("bsd,dk->bks", tokens, directions)
        if seen is not None:
            logits = jnp.where(seen[:, None], logits, -jnp.inf)
        # The where keeps rows without any token in sight finite.
        largest = jnp.max(logits, axis=-1, keepdims=True)
        weights = jnp.exp(logits - jax.lax.stop_gradient(jnp.where(jnp.isfinite(largest), largest, 0.0)))
        total = jnp.sum(weights, axis=-1, keepdims=True)
        weights = weights / jnp.where(total > 0, total, 1.0)
        read = _einsum("bks,bsd->bkd", weights, tokens)
        values = _einsum("bkd,dke->bke", read, self.value.w[...]) + self.value.b[...]
        return _einsum("bke,dke->bd", values, self.post.w[...]) + self.post.b[...]


class AttentionPooler(nnx.Module):
    """One vector from many tokens: cross-attention of a learned query, then a norm."""

    def __init__(self, config: LayerConfig, hidden_dim: int, *, rngs: nnx.Rngs):
        self.pooling_attention_query = nnx.Param(_LECUN(rngs.params(), (1, config.model_dim)))
        self.pooling_attention = PoolingAttention(config, hidden_dim, rngs=rngs)
        self.pooling_attention_layer_norm = LayerNorm(config.model_dim)

    def __call__(self, tokens: Float[Array, "b s d"], seen: Bool[Array, "b s"] | None = None) -> Float[Array, "b d"]:
        """Pooled vectors. Where no token is in sight there is nothing to say: zeros."""
        pooled = self.pooling_attention(self.pooling_attention_query[...][0], tokens, seen)
        pooled = self.pooling_attention_layer_norm(pooled)
        return pooled if seen is None else pooled * jnp.any(seen, axis=1)[:, None]


def unit_length(x: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """``x / sqrt(sum(x**2) + 1e-12)``, in float32 (official)."""
    return x / jnp.sqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-12)
