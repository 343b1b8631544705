"""The video classifier: video encoder, attention pooling, one linear layer."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from vp_science.encoder.config import ClassifierConfig
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.layers import Projection
from vp_science.encoder.pooling import AttentionPooler
from vp_science.encoder.video import ComputeDtype, VideoEncoder


class VideoClassifier(nnx.Module):
    """Logits of clips (official name ``FactorizedVideoClassifier``; the readout of Zhao et al. 2024, section 4).

    The module tree carries the names and shapes of the official checkpoints. Padded frames influence nothing that is
    pooled; ``official_padding=True`` lets them leak as the official code does (see ``VideoTextModel``).

    Attributes:
        config: sizes.
        compute_dtype: type that operands of matrix products are rounded to; see ``VideoEncoder``.
        info: where the weights come from.
    """

    def __init__(self, config: ClassifierConfig, *, compute_dtype: ComputeDtype = "float32", rngs: nnx.Rngs):
        self.config = config
        self.compute_dtype = compute_dtype
        self.info = ModelInfo("custom", "random (untrained)", untrained=True, precision=compute_dtype)
        self.encoder = VideoEncoder(config.encoder, compute_dtype=compute_dtype, rngs=rngs)
        self.atten_pooler = AttentionPooler(config.layer, config.model_dim, rngs=rngs)
        self.projection = Projection(config.model_dim, config.num_classes, rngs=rngs)

    def __call__(
        self, video: Float[Array, "b t h w 3"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b tn d"]:
        """Tokens of clips, as the video encoder gives them; see ``VideoEncoder``."""
        tokens: Array = self.encoder(video, valid)
        return tokens

    def spatial(self, frames: Float[Array, "f h w 3"], valid: Bool[Array, " f"] | None = None) -> Float[Array, "f n d"]:
        """Spatial tokens of single frames; see ``VideoEncoder.spatial``."""
        tokens: Array = self.encoder.spatial(frames, valid)
        return tokens

    def temporal(
        self, spatial: Float[Array, "b t n d"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b t n d"]:
        """Tokens of clips from the spatial tokens of their frames; see ``VideoEncoder.temporal``."""
        tokens: Array = self.encoder.temporal(spatial, valid)
        return tokens

    def window_vectors(self, tokens: Float[Array, "b t n d"]) -> Float[Array, "b d"]:
        """One vector per clip, what the logits are read from, from what :meth:`temporal` gave."""
        vectors: Array = self.pool_clips(tokens)
        return vectors

    @partial(jax.jit, static_argnames=("official_padding",))
    def pool_clips(
        self,
        tokens: Float[Array, "b t n d"],
        valid: Bool[Array, "b t"] | None = None,
        *,
        official_padding: bool = False,
    ) -> Float[Array, "b d"]:
        """Vectors of clips from their tokens; official name ``global_embeddings``.

        Args:
            tokens: what :meth:`temporal` gave.
            valid: False marks padded frames. A clip without any other gives zeros.
            official_padding: let padded frames leak, as the official code does.
        """
        b, t, n, d = tokens.shape
        seen = None if valid is None or official_padding else jnp.repeat(valid, n, axis=1)
        return self.atten_pooler(tokens.reshape(b, t * n, d), seen)

    @partial(jax.jit, static_argnames=("official_padding",))
    def classify(
        self,
        video: Float[Array, "b t h w 3"],
        valid: Bool[Array, "b t"] | None = None,
        *,
        official_padding: bool = False,
    ) -> Float[Array, "b classes"]:
        """Logits of clips.

        Args:
            video: RGB in [0, 1]; sizes as for ``VideoEncoder``.
            valid: False marks padded frames.
            official_padding: let padded frames leak, as the official code does.

        Raises:
            ValueError: when height or width is not a multiple of the patch size.
        """
        b, t = video.shape[:2]
        tokens = self.encoder(video, valid)
        pooled = self.pool_clips(tokens.reshape(b, t, -1, tokens.shape[-1]), valid, official_padding=official_padding)
        return self.projection(pooled, jnp.dtype(self.compute_dtype))
