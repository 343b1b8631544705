"""The VideoPrism video encoder: patches, a spatial transformer per frame, a temporal transformer per patch position."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Num

from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.layers import LayerNorm, Projection
from vp_science.encoder.positions import PositionTable, resize_positions
from vp_science.encoder.transformer import Transformer

ComputeDtype = Literal["float32", "bfloat16"]


class VideoEncoder(nnx.Module):
    """Factorised video encoder (Zhao et al., ICML 2024, section 3.2; official name ``FactorizedEncoder``).

    The module tree carries the names and shapes of the official checkpoints. Nothing in it is stochastic, and a call
    is compiled once per input shape.

    Attributes:
        config: sizes.
        compute_dtype: type that operands of matrix products are rounded to. Sums, layer norms, softmax and the
            residual stream are float32 either way, and so are the outputs.
        info: where the weights come from; an encoder that was built and not loaded says untrained.
    """

    def __init__(self, config: EncoderConfig, *, compute_dtype: ComputeDtype = "float32", rngs: nnx.Rngs):
        self.config = config
        self.compute_dtype = compute_dtype
        self.info = ModelInfo("custom", "random (untrained)", untrained=True, precision=compute_dtype)
        _, rows, columns = config.pos_emb_shape
        self.patch_projection = Projection(3 * config.patch_size**2, config.model_dim, rngs=rngs)
        self.spatial_pos_emb = PositionTable(rows * columns, config.model_dim, rngs=rngs)
        self.spatial_encoder = Transformer(config.layer, config.num_spatial_layers, rngs=rngs)
        self.spatial_ln = LayerNorm(config.model_dim)
        self.temporal_pos_emb = PositionTable(config.num_frames, config.model_dim, rngs=rngs)
        self.temporal_encoder = Transformer(config.layer, config.num_temporal_layers, rngs=rngs)
        self.temporal_ln = LayerNorm(config.model_dim)

    @jax.jit
    def __call__(
        self, video: Float[Array, "b t h w 3"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b tn d"]:
        """Tokens of clips, frame-major and row-major within a frame.

        Args:
            video: RGB in [0, 1]; height and width are multiples of the patch size, square or not. Sizes and frame
                counts other than those of the position tables interpolate the tables.
            valid: False marks padded frames; no other frame sees them.

        Raises:
            ValueError: when height or width is not a multiple of the patch size.
        """
        b, t, h, w, c = video.shape
        frames = video.reshape(b * t, h, w, c)
        spatial = self.spatial(frames, None if valid is None else valid.reshape(b * t))
        tokens = self.temporal(spatial.reshape(b, t, *spatial.shape[1:]), valid)
        return jnp.reshape(tokens, (b, -1, tokens.shape[-1]))

    @jax.jit
    def spatial(self, frames: Float[Array, "f h w 3"], valid: Bool[Array, " f"] | None = None) -> Float[Array, "f n d"]:
        """Spatial tokens of single frames: they depend on nothing but their own frame.

        Args:
            frames: RGB in [0, 1].
            valid: False marks padding.

        Raises:
            ValueError: when height or width is not a multiple of the patch size.
        """
        x = self.place_patches(frames)
        mask = None if valid is None else jnp.repeat(valid[:, None], x.shape[1], axis=1)
        x = self.spatial_encoder(x[:, :, None], mask, self._dtype)
        return self.spatial_ln(x[:, :, 0])

    @jax.jit
    def temporal(
        self, spatial: Float[Array, "b t n d"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b t n d"]:
        """Tokens of clips from the spatial tokens of their frames.

        Args:
            spatial: what ``spatial`` gave for the frames of each clip, in order.
            valid: False marks padded frames.
        """
        x = self.temporal_encoder(self.place_frames(spatial), valid, self._dtype)
        return self.temporal_ln(x)

    def place_patches(self, frames: Float[Array, "f h w 3"]) -> Float[Array, "f n d"]:
        """What enters the first spatial layer: projected patches with their positions.

        Raises:
            ValueError: when height or width is not a multiple of the patch size.
        """
        patches = split_patches(frames, self.config.patch_size)
        f, rows, columns, pixels = patches.shape
        x = self.patch_projection(patches.reshape(f * rows * columns, pixels), self._dtype)
        positions = resize_positions(self.spatial_pos_emb.emb_var[...], self.config.pos_emb_shape[1:], (rows, columns))
        return x.reshape(f, rows * columns, -1) + positions

    def place_frames(self, spatial: Float[Array, "b t n d"]) -> Float[Array, "b t n d"]:
        """What enters the first temporal layer: spatial tokens with the positions of their frames."""
        t = spatial.shape[1]
        positions = resize_positions(self.temporal_pos_emb.emb_var[...], (self.config.num_frames,), (t,))
        return spatial + positions[:, None]

    @jax.jit
    def window_vectors(self, tokens: Float[Array, "b t n d"]) -> Float[Array, "b d"]:
        """One vector per clip, from what ``temporal`` gave: the mean of all tokens."""
        return tokens.mean(axis=(1, 2))

    @property
    def _dtype(self) -> jnp.dtype:
        return jnp.dtype(self.compute_dtype)


def split_patches(frames: Num[Array, "f h w c"], patch_size: int) -> Num[Array, "f rows columns pixels"]:
    """Cut frames into square patches; inside a patch the order is row, column, channel.

    Raises:
        ValueError: when height or width is not a multiple of the patch size.
    """
    f, h, w, c = frames.shape
    if h % patch_size or w % patch_size:
        raise ValueError(
            f"expected frames whose height and width are multiples of {patch_size} pixels, found {h} x {w}: "
            f"resize them, for example to {round(h / patch_size) * patch_size or patch_size} x "
            f"{round(w / patch_size) * patch_size or patch_size}"
        )
    rows, columns = h // patch_size, w // patch_size
    grid = frames.reshape(f, rows, patch_size, columns, patch_size, c)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(f, rows, columns, patch_size * patch_size * c)
