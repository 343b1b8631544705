"""Self-attention with capped logits, along one axis of a tensor."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.layers import matmul

_LECUN = nnx.initializers.lecun_normal(in_axis=0, out_axis=(1, 2))


class HeadProjection(nnx.Module):
    """Weights between the model width and the heads: ``w [d, k, e]`` (also for the output projection, as official)."""

    def __init__(self, config: EncoderConfig, bias_shape: tuple[int, ...], *, rngs: nnx.Rngs):
        self.w = nnx.Param(_LECUN(rngs.params(), (config.model_dim, config.num_heads, config.head_dim)))
        self.b = nnx.Param(jnp.zeros(bias_shape))


class SelfAttention(nnx.Module):
    """Multi-head self-attention along axis ``s`` of ``[b, s, m, d]``; entries along ``b`` and ``m`` never mix.

    Spatial attention runs with ``b`` = frames, ``s`` = patches, ``m`` = 1; temporal attention with ``b`` = clips,
    ``s`` = frames, ``m`` = patches. So neither needs its input transposed: only the heads are.
    """

    def __init__(self, config: EncoderConfig, *, rngs: nnx.Rngs):
        heads = (config.num_heads, config.head_dim)
        self.query = HeadProjection(config, heads, rngs=rngs)
        self.key = HeadProjection(config, heads, rngs=rngs)
        self.value = HeadProjection(config, heads, rngs=rngs)
        self.post = HeadProjection(config, (config.model_dim,), rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "b s m d"],
        valid: Bool[Array, "b s"] | None,
        logit_cap: float,
        compute_dtype: jnp.dtype,
    ) -> Float[Array, "b s m d"]:
        """The update of every row; keys where ``valid`` is False are ignored."""
        b, s, m, d = x.shape
        _, k, e = self.query.w.shape
        # Scaling the query weights is cheaper than scaling the queries, and exact where e is a power of four.
        scale = e**-0.5
        kernel = jnp.concatenate(
            [(self.query.w[...] * scale).reshape(d, d), self.key.w[...].reshape(d, d), self.value.w[...].reshape(d, d)],
            axis=1,
        )
        bias = jnp.concatenate(
            [(self.query.b[...] * scale).reshape(d), self.key.b[...].reshape(d), self.value.b[...].reshape(d)]
        )
        qkv = matmul(x.reshape(b * s * m, d), kernel, compute_dtype) + bias
        query, key, value = qkv.reshape(b, s, m, 3, k, e).transpose(3, 0, 2, 4, 1, 5).reshape(3, b * m * k, s, e)
        mask = None if valid is None else jnp.repeat(valid, m * k, axis=0)
        heads = attend(query, key, value, mask, logit_cap, compute_dtype)
        rows = heads.reshape(b, m, k, s, e).transpose(0, 3, 1, 2, 4).reshape(b * s * m, d)
        out = matmul(rows, self.post.w[...].reshape(d, d).T, compute_dtype) + self.post.b[...]
        return out.reshape(b, s, m, d)


def attend(
    query: Float[Array, "g q e"],
    key: Float[Array, "g s e"],
    value: Float[Array, "g s e"],
    valid: Bool[Array, "g s"] | None,
    logit_cap: float,
    compute_dtype: jnp.dtype,
) -> Float[Array, "g q e"]:
    """Softmax attention with logits squashed to (-cap, cap), for already scaled queries.

    Rows without a single valid key attend to all keys equally: that is what the official masking comes to, and it
    keeps the output of such rows finite. Softmax and its normalisation are float32.
    """
    logits = _batched(query, key, ((2,), (2,)), compute_dtype)
    if logit_cap:
        logits = logit_cap * jnp.tanh(logits / logit_cap)
    if not 0 < logit_cap <= 60:
        # Capped logits cannot overflow exp, so only uncapped ones need their maximum taken out.
        logits = logits - jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
    weights = jnp.exp(logits)
    if valid is not None:
        empty = ~jnp.any(valid, axis=-1, keepdims=True)
        weights = jnp.where(empty[..., None], 1.0, weights * valid[:, None, :])
    total = jnp.sum(weights, axis=-1, keepdims=True)
    # Dividing the result instead of the weights touches e columns instead of s.
    return _batched(weights, value, ((2,), (1,)), compute_dtype) / total


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
