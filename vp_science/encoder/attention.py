"""Self-attention with capped logits, along one axis of a tensor."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.config import LayerConfig
from vp_science.encoder.layers import matmul

# Longer sequences attend head by head in blocks of queries: their logits would be quadratic in the length.
LONG_SEQUENCE = 1024
# Logits of one block: 16 MB, which stay in the cache of a CPU.
BLOCK_LOGITS = 1 << 22

_LECUN = nnx.initializers.lecun_normal(in_axis=0, out_axis=(1, 2))


class HeadProjection(nnx.Module):
    """Weights between the model width and the heads: ``w [d, k, e]`` (also for the output projection, as official)."""

    def __init__(self, shape: tuple[int, int, int], bias_shape: tuple[int, ...], *, rngs: nnx.Rngs):
        self.w = nnx.Param(_LECUN(rngs.params(), shape))
        self.b = nnx.Param(jnp.zeros(bias_shape))


class SelfAttention(nnx.Module):
    """Multi-head self-attention along axis ``s`` of ``[b, s, m, d]``; entries along ``b`` and ``m`` never mix.

    Spatial attention runs with ``b`` = frames, ``s`` = patches, ``m`` = 1; temporal attention with ``b`` = clips,
    ``s`` = frames, ``m`` = patches. So neither needs its input transposed: only the heads are. Joint attention and text
    have ``m`` = 1.
    """

    def __init__(self, config: LayerConfig, *, rngs: nnx.Rngs):
        self.config = config
        heads = (config.num_heads, config.head_dim)
        self.query = HeadProjection((config.model_dim, *heads), heads, rngs=rngs)
        self.key = HeadProjection((config.model_dim, *heads), heads, rngs=rngs)
        self.value = HeadProjection((config.model_dim, *heads), heads, rngs=rngs)
        self.post = HeadProjection((config.model_dim, *heads), (config.model_dim,), rngs=rngs)

    def __call__(
        self, x: Float[Array, "b s m d"], valid: Bool[Array, "b s"] | None, compute_dtype: jnp.dtype
    ) -> Float[Array, "b s m d"]:
        """The update of every row; keys where ``valid`` is False are ignored."""
        b, s, m, d = x.shape
        k, e = self.config.num_heads, self.config.head_dim
        query, key, value = self._split_heads(x, compute_dtype)
        mask = self._mask(valid, x.shape)
        heads = attend(query, key, value, mask, self.config.logit_cap, compute_dtype)
        rows = heads.reshape(b, m, k, s, e).transpose(0, 3, 1, 2, 4).reshape(b * s * m, d)
        return self.merge_rows(rows, compute_dtype).reshape(b, s, m, d)

    def weights(
        self, x: Float[Array, "b s m d"], valid: Bool[Array, "b s"] | None, compute_dtype: jnp.dtype
    ) -> Float[Array, "b m k s s"]:
        """How much every query (next to last axis) takes from every key (last): what :meth:`__call__` reads with.

        All of them exist at once, so this is for looking, not for long sequences.
        """
        b, s, m, _ = x.shape
        query, key, _ = self._split_heads(x, compute_dtype)
        weights, total = _weigh(query, key, self._mask(valid, x.shape), self.config.logit_cap, compute_dtype)
        return normalized(weights, total).reshape(b, m, self.config.num_heads, s, s)

    def _split_heads(self, x: Float[Array, "b s m d"], compute_dtype: jnp.dtype) -> Float[Array, "3 groups s e"]:
        """Scaled queries, keys and values; a group is a head of one entry of ``b`` and ``m``."""
        b, s, m, d = x.shape
        k, e = self.config.num_heads, self.config.head_dim
        qkv = self.project_rows(x.reshape(b * s * m, d), compute_dtype)
        return qkv.reshape(b, s, m, 3, k, e).transpose(3, 0, 2, 4, 1, 5).reshape(3, b * m * k, s, e)

    def _mask(self, valid: Bool[Array, "b s"] | None, shape: tuple[int, ...]) -> Bool[Array, "groups _ s"] | None:
        b, s, m, _ = shape
        seen = visible(valid, s, self.config.causal)
        if seen is None:
            return None
        return jnp.repeat(jnp.broadcast_to(seen, (b, *seen.shape[1:])), m * self.config.num_heads, axis=0)

    def project_rows(self, rows: Float[Array, "rows d"], compute_dtype: jnp.dtype) -> Float[Array, "rows 3 k e"]:
        """Scaled queries, keys and values of every row."""
        d, k, e = self.query.w.shape
        # Scaling the query weights is cheaper than scaling the queries, and exact where e is a power of four.
        scale = e**-0.5
        kernel = jnp.concatenate(
            [(self.query.w[...] * scale).reshape(d, d), self.key.w[...].reshape(d, d), self.value.w[...].reshape(d, d)],
            axis=1,
        )
        bias = jnp.concatenate(
            [(self.query.b[...] * scale).reshape(d), self.key.b[...].reshape(d), self.value.b[...].reshape(d)]
        )
        return (matmul(rows, kernel, compute_dtype) + bias).reshape(-1, 3, k, e)

    def merge_rows(self, rows: Float[Array, "rows d"], compute_dtype: jnp.dtype) -> Float[Array, "rows d"]:
        """The update of every row from what its heads read, head after head."""
        d = rows.shape[-1]
        return matmul(rows, self.post.w[...].reshape(d, d).T, compute_dtype) + self.post.b[...]


def visible(valid: Bool[Array, "b s"] | None, length: int, causal: bool) -> Bool[Array, "_ _ s"] | None:
    """Which keys a query sees; None means all.

    Causal queries that are themselves padding see nothing, as in the official code. Otherwise padding only hides keys.
    """
    if not causal:
        return None if valid is None else valid[:, None]
    before = jnp.tril(jnp.ones((1, length, length), bool))
    return before if valid is None else before & valid[:, None] & valid[:, :, None]


def attend(
    query: Float[Array, "g q e"],
    key: Float[Array, "g s e"],
    value: Float[Array, "g s e"],
    seen: Bool[Array, "g _ s"] | None,
    logit_cap: float,
    compute_dtype: jnp.dtype,
) -> Float[Array, "g q e"]:
    """Softmax attention with logits squashed to (-cap, cap), for already scaled queries.

    Rows that see no key attend to all keys equally: that is what the official masking comes to, and it keeps the output
    of such rows finite. Softmax and its normalisation are float32. Long sequences are attended head by head, in blocks
    of queries, so that the memory of the logits does not grow with their length; a row is computed as without blocks.
    Gradients compute the logits of a block again, for the same reason.
    """
    if key.shape[1] <= LONG_SEQUENCE:
        return _attend_rows(query, key, value, seen, logit_cap, compute_dtype)

    def head(arrays: tuple[Array, Array, Array, Array | None]) -> Array:
        query, key, value, seen = arrays
        rows, joined = _split_rows(query, BLOCK_LOGITS // len(key))
        own = None if seen is None or seen.shape[0] == 1 else _split_rows(seen, BLOCK_LOGITS // len(key))[0]

        @jax.checkpoint
        def block(pair: tuple[Array, Array | None]) -> Array:
            mask = seen if pair[1] is None else pair[1]
            batch = None if mask is None else mask[None]
            return _attend_rows(pair[0][None], key[None], value[None], batch, logit_cap, compute_dtype)[0]

        done: Array = jax.lax.map(block, (rows, own))
        return done.reshape(joined, -1)[: len(query)]

    result: Array = jax.lax.map(head, (query, key, value, seen))
    return result


def _split_rows(x: Array, size: int) -> tuple[Array, int]:
    """Blocks of at most ``size`` rows, the last one padded, and how many rows they have together."""
    size = max(1, min(len(x), size))
    blocks = -(-len(x) // size)
    padded = jnp.pad(x, ((0, blocks * size - len(x)), (0, 0)))
    return padded.reshape(blocks, size, -1), blocks * size


def _attend_rows(
    query: Float[Array, "g q e"],
    key: Float[Array, "g s e"],
    value: Float[Array, "g s e"],
    seen: Bool[Array, "g _ s"] | None,
    logit_cap: float,
    compute_dtype: jnp.dtype,
) -> Float[Array, "g q e"]:
    weights, total = _weigh(query, key, seen, logit_cap, compute_dtype)
    # Dividing the result instead of the weights touches e columns instead of s.
    return normalized(_batched(weights, value, ((2,), (1,)), compute_dtype), total)


@jax.custom_jvp
def normalized(summed: Float[Array, "*rows columns"], total: Float[Array, "*rows 1"]) -> Float[Array, "*rows columns"]:
    """``summed / total`` with a gradient that stays finite.

    The usual one holds the square of ``total``, which leaves the range of float32 where all logits of a row are near
    the cap: 36 x exp(-50) squared is zero, exp(50) squared is infinite.
    """
    return summed / total


@normalized.defjvp
def _normalized_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    quotient = normalized(*primals)
    return quotient, (tangents[0] - quotient * tangents[1]) / primals[1]


def _weigh(
    query: Float[Array, "g q e"],
    key: Float[Array, "g s e"],
    seen: Bool[Array, "g _ s"] | None,
    logit_cap: float,
    compute_dtype: jnp.dtype,
) -> tuple[Float[Array, "g q s"], Float[Array, "g q 1"]]:
    """Weights of all keys before they are divided by their sum, and the sum."""
    logits = _batched(query, key, ((2,), (2,)), compute_dtype)
    if logit_cap:
        logits = logit_cap * jnp.tanh(logits / logit_cap)
    if not 0 < logit_cap <= 60:
        # Capped logits cannot overflow exp, so only uncapped ones need their maximum taken out.
        logits = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    weights = jnp.exp(logits)
    if seen is not None:
        blind = ~jnp.any(seen, axis=-1, keepdims=True)
        weights = jnp.where(blind, 1.0, weights * seen)
    return weights, jnp.sum(weights, axis=-1, keepdims=True)


def _batched(
    a: Float[Array, "g _ _"],
    b: Float[Array, "g _ _"],
    contract: tuple[tuple[int], tuple[int]],
    compute_dtype: jnp.dtype,
) -> Float[Array, "g _ _"]:
    return jax.lax.dot_general(
        a.astype(compute_dtype),
        b.astype(compute_dtype),
        (contract, ((0,), (0,))),
        precision=jax.lax.Precision.HIGHEST if compute_dtype == jnp.float32 else None,
        preferred_element_type=jnp.float32,
    )
