"""The text encoder: a causal transformer whose last position, a learned class token, stands for the sentence."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vp_science.encoder.config import VideoTextConfig
from vp_science.encoder.layers import LayerNorm
from vp_science.encoder.transformer import LayerStack


class TokenTable(nnx.Module):
    """One learned vector per piece of text (``emb_var [vocabulary, d]``)."""

    def __init__(self, size: int, dim: int, *, rngs: nnx.Rngs):
        self.emb_var = nnx.Param(jax.random.normal(rngs.params(), (size, dim)) * dim**-0.5)


class TextEncoder(nnx.Module):
    """Text ids to hidden states (official name ``TextEncoder``; Zhao et al. 2024, appendix C.1)."""

    def __init__(self, config: VideoTextConfig, *, rngs: nnx.Rngs):
        d = config.model_dim
        self.token_emb = TokenTable(config.vocabulary_size, d, rngs=rngs)
        self.cls_emb = nnx.Param(jax.random.normal(rngs.params(), (1, 1, d)) * d**-0.5)
        self.unimodal_transformer = LayerStack(config.text_layer, config.num_unimodal_layers, rngs=rngs)
        self.unimodal_ln = LayerNorm(d)

    def __call__(
        self, ids: Int[Array, "b l"], valid: Bool[Array, "b l"], compute_dtype: jnp.dtype
    ) -> Float[Array, "b l+1 d"]:
        """Hidden states of every position; the last one is the class token, which sees all that is not padding.

        Ids outside the vocabulary give NaN: another piece's vector would be wrong without a word.
        """
        b, length = ids.shape
        scale = math.sqrt(self.cls_emb.shape[-1])
        pieces = jnp.take(self.token_emb.emb_var[...], ids, axis=0, mode="fill", fill_value=jnp.nan) * scale
        pieces = pieces + sinusoids(length, pieces.shape[-1])
        # The class token comes last and has no position.
        last = jnp.broadcast_to(self.cls_emb[...] * scale, (b, 1, pieces.shape[-1]))
        x = jnp.concatenate([pieces, last], axis=1)
        seen = jnp.concatenate([valid, jnp.ones((b, 1), bool)], axis=1)
        x = self.unimodal_transformer(x[:, :, None], seen, compute_dtype)
        return self.unimodal_ln(x[:, :, 0])


def sinusoids(length: int, dim: int) -> Float[np.ndarray, "length dim"]:
    """Position vectors of the official code: sines, then cosines, of wavelengths from 2 pi to 10,000 * 2 pi.

    The step between wavelengths divides by ``dim / 2 - 1``, so that the last one is exactly 10,000 * 2 pi. Another port
    divides by ``dim / 2`` and computes other vectors.
    """
    count = dim // 2
    step = np.float32(math.log(10_000.0) / max(count - 1, 1))
    frequency = np.exp(np.arange(count, dtype=np.float32) * -step)
    angle = np.arange(length, dtype=np.float32)[:, None] * frequency
    return np.pad(np.concatenate([np.sin(angle), np.cos(angle)], axis=1), ((0, 0), (0, dim % 2)))
