"""Readouts of fine-tuned models: learned queries that read all tokens of a window, and the logits of their vectors."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from vp_science.encoder.attention import HeadProjection
from vp_science.encoder.config import FineTunedConfig, LayerConfig
from vp_science.encoder.layers import FeedForward, LayerNorm, Projection, matmul
from vp_science.encoder.pooling import PerDimScale
from vp_science.encoder.positions import resize_positions

# Attention weights that exist at once: 64 queries of a head over 16,384 tokens (64 frames) are a quarter of it.
BLOCK_WEIGHTS = 1 << 22

_XAVIER = nnx.initializers.xavier_uniform()
_SMALL = nnx.initializers.normal(0.02)


class FeatureScale(nnx.Module):
    """Takes out what all tokens have in common and brings the channels to one size; measured once, never trained.

    Embeddings of a frozen encoder share a large common part; without taking it out, short trainings learn little else.
    """

    def __init__(self, dim: int):
        self.centre = nnx.Param(jnp.zeros((dim,)))
        self.inverse = nnx.Param(jnp.ones((dim,)))

    def __call__(self, tokens: Float[Array, "b s d"]) -> Float[Array, "b s d"]:
        """Centred and scaled, channel by channel; no gradient reaches the scale."""
        centre, inverse = jax.lax.stop_gradient((self.centre[...], self.inverse[...]))
        return (tokens - centre) * inverse


class CrossAttention(nnx.Module):
    """Multi-head attention of queries to tokens, with the parts of the official pooler (``PoolingAttention``)."""

    def __init__(self, config: LayerConfig, *, rngs: nnx.Rngs):
        width, heads = config.model_dim, (config.num_heads, config.head_dim)
        self.query = HeadProjection((width, *heads), heads, rngs=rngs)
        self.key = HeadProjection((width, *heads), heads, rngs=rngs)
        self.value = HeadProjection((width, *heads), heads, rngs=rngs)
        self.post = HeadProjection((width, *heads), (width,), rngs=rngs)
        self.per_dim_scale = PerDimScale(config.head_dim)

    def __call__(
        self,
        query: Float[Array, "b q w"],
        tokens: Float[Array, "b s w"],
        seen: Bool[Array, "b s"] | None,
        compute_dtype: jnp.dtype,
    ) -> Float[Array, "b q w"]:
        """What every query reads. A query that sees no token reads the mean of them all."""
        _, k, e = self.query.w.shape

        def heads(rows: Array, part: HeadProjection) -> Array:
            b, s, w = rows.shape
            flat = matmul(rows.reshape(b * s, w), part.w[...].reshape(w, k * e), compute_dtype)
            return flat.reshape(b, s, k, e) + part.b[...]

        asked = heads(query, self.query)
        b, q = asked.shape[:2]
        asked = self.per_dim_scale(asked.reshape(-1, e)).reshape(asked.shape)
        read = read_tokens(asked, heads(tokens, self.key), heads(tokens, self.value), seen, compute_dtype)
        w = query.shape[-1]
        out = matmul(read.reshape(b * q, k * e), self.post.w[...].reshape(w, k * e).T, compute_dtype)
        return out.reshape(b, q, w) + self.post.b[...]


def read_tokens(
    query: Float[Array, "b q k e"],
    key: Float[Array, "b s k e"],
    value: Float[Array, "b s k e"],
    seen: Bool[Array, "b s"] | None,
    compute_dtype: jnp.dtype,
) -> Float[Array, "b q k e"]:
    """Softmax attention, for already scaled queries.

    Where all weights together would be large, some heads are attended at a time (of all clips, which may lie on many
    devices), and their weights are computed again in the backward pass instead of being kept.
    """
    b, q, k, _ = query.shape
    at_once = max(1, BLOCK_WEIGHTS // (b * q * key.shape[1]))

    def read(query: Array, key: Array, value: Array, seen: Array | None) -> Array:
        logits = matmul(query, key.T, compute_dtype)
        if seen is not None:
            logits = jnp.where(seen, logits, -1e30)
        return matmul(jax.nn.softmax(logits, axis=-1), value, compute_dtype)

    def head(arrays: tuple[Array, Array, Array]) -> Array:
        result: Array = jax.vmap(read)(*arrays, seen)
        return result

    by_head = (jnp.moveaxis(query, 2, 0), jnp.moveaxis(key, 2, 0), jnp.moveaxis(value, 2, 0))
    out = jax.vmap(head)(by_head) if at_once >= k else jax.lax.map(jax.checkpoint(head), by_head, batch_size=at_once)
    return jnp.moveaxis(out, 0, 2)


def drop(x: Float[Array, "..."], key: PRNGKeyArray | None, rate: float) -> Float[Array, "..."]:
    """Dropout; nothing without a key."""
    if key is None or rate == 0:
        return x
    return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0.0)


class TokenInput(nnx.Module):
    """Tokens as a readout reads them: centred and scaled, at the width of the readout, normalised."""

    def __init__(self, config: FineTunedConfig, *, rngs: nnx.Rngs):
        self.features = FeatureScale(config.model_dim)
        if config.readout_width != config.model_dim:
            self.project = Projection(config.model_dim, config.readout_width, rngs=rngs)
        self.token_norm = LayerNorm(config.readout_width)

    def __call__(self, tokens: Float[Array, "b s d"], compute_dtype: jnp.dtype) -> Float[Array, "b s w"]:
        """One row per token; at the width of the encoder nothing is projected, as in the published readout."""
        b, s, d = tokens.shape
        x = self.features(tokens)
        if hasattr(self, "project"):
            x = self.project(x.reshape(b * s, d), compute_dtype).reshape(b, s, -1)
        return self.token_norm(x)


class ReadLayer(nnx.Module):
    """One cross-attention transformer layer: the query reads tokens, then passes a feed-forward part; both residual."""

    def __init__(self, config: FineTunedConfig, *, rngs: nnx.Rngs):
        self.input = TokenInput(config, rngs=rngs)
        self.query_norm = LayerNorm(config.readout_width)
        self.attention = CrossAttention(config.readout_layer, rngs=rngs)
        self.ff_layer = FeedForward(config.readout_layer, rngs=rngs)

    def __call__(
        self,
        query: Float[Array, "b q w"],
        tokens: Float[Array, "b s d"],
        seen: Bool[Array, "b s"] | None,
        compute_dtype: jnp.dtype,
    ) -> Float[Array, "b q w"]:
        """The query after reading."""
        x = self.input(tokens, compute_dtype)
        query = query + self.attention(self.query_norm(query), x, seen, compute_dtype)
        rows = query.reshape(-1, query.shape[-1])
        return query + self.ff_layer(rows, None, compute_dtype).reshape(query.shape)


class WindowReadout(nnx.Module):
    """One vector per window: a learned query reads the tokens of one or several encoder layers, shallow ones first."""

    def __init__(self, config: FineTunedConfig, *, rngs: nnx.Rngs):
        self.query = nnx.Param(_XAVIER(rngs.params(), (1, config.readout_width)))
        make = nnx.split_rngs(splits=config.readout_layers)(nnx.vmap(lambda rngs: ReadLayer(config, rngs=rngs)))
        self.x_layers = make(rngs)
        self.norm = LayerNorm(config.readout_width)
        self.output = _output(config, rngs)

    def __call__(
        self,
        layers: Float[Array, "k b t n d"],
        valid: Bool[Array, "b t"] | None,
        compute_dtype: jnp.dtype,
        *,
        key: PRNGKeyArray | None = None,
        dropout: float = 0.0,
    ) -> Float[Array, "b t c"]:
        """Logits, the same for all frames of a window."""
        k, b, t, n, d = layers.shape
        seen = None if valid is None else jnp.repeat(valid, n, axis=1)

        def step(query: Array, pair: tuple[ReadLayer, Array]) -> tuple[Array, None]:
            layer, tokens = pair
            return layer(query, tokens, seen, compute_dtype), None

        query = jnp.broadcast_to(self.query[...], (b, 1, self.query.shape[-1]))
        vector = jax.lax.scan(step, query, (self.x_layers, layers.reshape(k, b, t * n, d)))[0]
        vector = drop(self.norm(vector[:, 0]), key, dropout)
        logits = self.output(vector, compute_dtype)
        return jnp.broadcast_to(logits[:, None], (b, t, logits.shape[-1]))


class FrameReadout(nnx.Module):
    """One vector per frame: every frame has a query, and each reads all tokens of the window; nothing is residual.

    Tokens carry a learned vector of their frame besides what the encoder tells of time, so that a query finds its
    frame.
    """

    def __init__(self, config: FineTunedConfig, *, rngs: nnx.Rngs):
        shape = (config.num_queries, config.readout_width)
        self.query = nnx.Param(_XAVIER(rngs.params(), shape))
        self.time = nnx.Param(_SMALL(rngs.params(), shape))
        self.input = TokenInput(config, rngs=rngs)
        self.query_norm = LayerNorm(config.readout_width)
        self.attention = CrossAttention(config.readout_layer, rngs=rngs)
        self.norm = LayerNorm(config.readout_width)
        self.output = _output(config, rngs)

    def __call__(
        self,
        layers: Float[Array, "one b t n d"],
        valid: Bool[Array, "b t"] | None,
        compute_dtype: jnp.dtype,
        *,
        key: PRNGKeyArray | None = None,
        dropout: float = 0.0,
    ) -> Float[Array, "b t c"]:
        """Logits of every frame."""
        _, b, t, n, d = layers.shape
        seen = None if valid is None else jnp.repeat(valid, n, axis=1)
        count, width = self.query.shape
        query, time = (resize_positions(table[...], (count,), (t,)) for table in (self.query, self.time))
        x = self.input(layers[-1].reshape(b, t * n, d), compute_dtype) + jnp.repeat(time, n, axis=0)
        asked = jnp.broadcast_to(self.query_norm(query), (b, t, width))
        vectors = self.norm(self.attention(asked, x, seen, compute_dtype))
        logits = self.output(drop(vectors, key, dropout).reshape(b * t, width), compute_dtype)
        return logits.reshape(b, t, -1)


Readout = WindowReadout | FrameReadout


def make_readout(config: FineTunedConfig, *, rngs: nnx.Rngs) -> Readout:
    """The readout that a configuration describes, with random weights."""
    return FrameReadout(config, rngs=rngs) if config.readout == "frames" else WindowReadout(config, rngs=rngs)


def _output(config: FineTunedConfig, rngs: nnx.Rngs) -> Projection:
    """A last layer whose first logits are small: the loss starts at that of a guess."""
    output = Projection(config.readout_width, config.num_classes, rngs=rngs)
    kernel = output.linear.kernel
    kernel[...] = kernel[...] * (0.1 / math.sqrt(2))
    return output
