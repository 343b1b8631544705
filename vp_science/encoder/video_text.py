"""The video-text model (LvT): clips and sentences as unit vectors of one space."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from vp_science.encoder.config import VideoTextConfig
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.pooling import AttentionPooler, unit_length
from vp_science.encoder.text import TextEncoder
from vp_science.encoder.transformer import Transformer
from vp_science.encoder.video import ComputeDtype, VideoEncoder


class VideoTextModel(nnx.Module):
    """Video encoder, auxiliary layers over all tokens of a clip, attention pooling; and a text encoder.

    Zhao et al. 2024, appendix F; official name ``FactorizedVideoCLIP``. The module tree carries the names and shapes of
    the official checkpoints. The score of a clip and a sentence is the product of their unit vectors; no checkpoint has
    a temperature.

    Padded frames influence nothing that is pooled. The official code masks them in the video encoder only, so that
    their content leaks into pooled vectors; ``official_padding=True`` does as it does.

    Attributes:
        config: sizes.
        compute_dtype: type that operands of matrix products are rounded to; see ``VideoEncoder``.
        info: where the weights come from.
    """

    def __init__(self, config: VideoTextConfig, *, compute_dtype: ComputeDtype = "float32", rngs: nnx.Rngs):
        self.config = config
        self.compute_dtype = compute_dtype
        self.info = ModelInfo("custom", "random (untrained)", untrained=True, precision=compute_dtype)
        self.vision_encoder = VideoEncoder(config.encoder, compute_dtype=compute_dtype, rngs=rngs)
        self.auxiliary_encoder = Transformer(config.layer, config.num_auxiliary_layers, rngs=rngs)
        self.contrastive_vision_pooler = AttentionPooler(config.layer, 4 * config.model_dim, rngs=rngs)
        self.text_encoder = TextEncoder(config, rngs=rngs)

    def __call__(
        self, video: Float[Array, "b t h w 3"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b tn d"]:
        """Tokens of clips, as the video encoder gives them; see ``VideoEncoder``."""
        tokens: Array = self.vision_encoder(video, valid)
        return tokens

    def spatial(self, frames: Float[Array, "f h w 3"], valid: Bool[Array, " f"] | None = None) -> Float[Array, "f n d"]:
        """Spatial tokens of single frames; see ``VideoEncoder.spatial``."""
        tokens: Array = self.vision_encoder.spatial(frames, valid)
        return tokens

    def temporal(
        self, spatial: Float[Array, "b t n d"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b t n d"]:
        """Tokens of clips from the spatial tokens of their frames; see ``VideoEncoder.temporal``."""
        tokens: Array = self.vision_encoder.temporal(spatial, valid)
        return tokens

    def window_vectors(self, tokens: Float[Array, "b t n d"]) -> Float[Array, "b d"]:
        """One unit vector per clip, comparable with those of sentences, from what :meth:`temporal` gave."""
        vectors: Array = self.pool_clips(tokens)
        return vectors

    @partial(jax.jit, static_argnames=("normalize", "official_padding"))
    def pool_clips(
        self,
        tokens: Float[Array, "b t n d"],
        valid: Bool[Array, "b t"] | None = None,
        *,
        normalize: bool = True,
        official_padding: bool = False,
    ) -> Float[Array, "b d"]:
        """Vectors of clips from their tokens.

        Args:
            tokens: what :meth:`temporal` gave.
            valid: False marks padded frames. A clip without any other gives zeros.
            normalize: to unit length.
            official_padding: let padded frames leak, as the official code does.
        """
        tokens, seen = self._join(tokens, valid, official_padding)
        pooled = self.contrastive_vision_pooler(tokens, seen)
        return unit_length(pooled) if normalize else pooled

    @partial(jax.jit, static_argnames=("normalize", "official_padding"))
    def pool_frames(
        self,
        tokens: Float[Array, "b t n d"],
        valid: Bool[Array, "b t"] | None = None,
        *,
        normalize: bool = True,
        official_padding: bool = False,
    ) -> Float[Array, "b t d"]:
        """One vector per frame, each with the whole clip as context; zeros for padded frames.

        The arguments are those of :meth:`pool_clips`.
        """
        b, t, n, d = tokens.shape
        joined, seen = self._join(tokens, valid, official_padding)
        pooled = self.contrastive_vision_pooler(
            joined.reshape(b * t, n, d), None if seen is None else seen.reshape(b * t, n)
        )
        frames = pooled.reshape(b, t, d)
        return unit_length(frames) if normalize else frames

    @partial(jax.jit, static_argnames=("normalize", "official_padding"))
    def embed_video(
        self,
        video: Float[Array, "b t h w 3"],
        valid: Bool[Array, "b t"] | None = None,
        *,
        normalize: bool = True,
        official_padding: bool = False,
    ) -> Float[Array, "b d"]:
        """Vectors of clips.

        Args:
            video: RGB in [0, 1]; sizes as for ``VideoEncoder``.
            valid: False marks padded frames. A clip without any other gives zeros.
            normalize: to unit length.
            official_padding: let padded frames leak, as the official code does.

        Raises:
            ValueError: when height or width is not a multiple of the patch size.
        """
        b, t = video.shape[:2]
        tokens = self.vision_encoder(video, valid)
        tokens = tokens.reshape(b, t, -1, tokens.shape[-1])
        vectors: Array = self.pool_clips(tokens, valid, normalize=normalize, official_padding=official_padding)
        return vectors

    @partial(jax.jit, static_argnames=("normalize",))
    def embed_text(
        self, ids: Int[Array, "b l"], valid: Bool[Array, "b l"], *, normalize: bool = True
    ) -> Float[Array, "b d"]:
        """Vectors of sentences.

        Args:
            ids: of the pieces, as the tokenizer gives them; those outside the vocabulary give NaN.
            valid: False marks padding.
            normalize: to unit length.
        """
        pooled = self.text_encoder(ids, valid, jnp.dtype(self.compute_dtype))[:, -1]
        return unit_length(pooled) if normalize else pooled

    def _join(
        self, tokens: Float[Array, "b t n d"], valid: Bool[Array, "b t"] | None, official_padding: bool
    ) -> tuple[Float[Array, "b tn d"], Bool[Array, "b tn"] | None]:
        """All tokens of a clip after the auxiliary layers, and which of them may be pooled."""
        b, t, n, d = tokens.shape
        seen = None if valid is None or official_padding else jnp.repeat(valid, n, axis=1)
        joined = self.auxiliary_encoder(tokens.reshape(b, t * n, 1, d), seen, jnp.dtype(self.compute_dtype))
        return joined.reshape(b, t * n, d), seen
