"""Tube dropping: every clip loses patches at random places, the same ones in all its frames, and they cost nothing.

Zhao et al. 2024, appendix C.1: half of the tokens (to save memory, as in FLIP; Li et al. 2023). Decided here: patches
are chosen anew for every clip of every batch, always the same number of them.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray

from vp_science.encoder.positions import resize_positions
from vp_science.encoder.video import VideoEncoder, split_patches


def count_kept(num_patches: int, dropped_share: float) -> int:
    """Patches of a frame that stay; at least one."""
    return max(1, round(num_patches * (1 - dropped_share)))


def draw_kept(key: PRNGKeyArray, num_clips: int, num_patches: int, num_kept: int) -> Int[Array, "b k"]:
    """Which patches stay, in rising order: every choice is equally likely, and that of each clip its own."""
    order = jax.random.uniform(key, (num_clips, num_patches))
    # The places of the largest: always exactly so many, and never one twice, whatever was drawn.
    return jnp.sort(jax.lax.top_k(order, num_kept)[1], axis=1)


def encode_kept(
    encoder: VideoEncoder,
    video: Num[Array, "b t h w 3"],
    kept: Int[Array, "b k"],
    valid: Bool[Array, "b t"] | None = None,
) -> Float[Array, "b t k d"]:
    """Tokens of the patches that stay, as if the others had been masked in every layer.

    Only these patches are projected and pass the layers. Sizes and frame counts other than those of the position
    tables interpolate the tables, as the encoder does: also for pictures, clips of one frame. (The paper crops the
    table to its first entry for them; then a picture would mean one thing in training and another one afterwards.)

    Args:
        encoder: the whole one.
        video: RGB, uint8 in [0, 255] or floating-point numbers in [0, 1].
        kept: indices of patches, row-major.
        valid: False marks padded frames; no other frame sees them.

    Raises:
        ValueError: when height or width is not a multiple of the patch size.
    """
    config, dtype = encoder.config, jnp.dtype(encoder.compute_dtype)
    b, t, h, w, c = video.shape
    grid = split_patches(video.reshape(b * t, h, w, c), config.patch_size)
    _, rows, columns, pixels = grid.shape
    patches = jax.vmap(lambda clip, own: clip[:, own])(grid.reshape(b, t, rows * columns, pixels), kept)
    k = kept.shape[1]
    x = encoder.patch_projection(unit_range(patches).reshape(b * t * k, pixels), dtype).reshape(b, t, k, -1)
    places = resize_positions(encoder.spatial_pos_emb.emb_var[...], config.pos_emb_shape[1:], (rows, columns))
    x = (x + places[kept][:, None]).reshape(b * t, k, 1, -1)
    x = encoder.spatial_ln(encoder.spatial_encoder(x, None, dtype)[:, :, 0])
    tokens: Array = encoder.temporal(x.reshape(b, t, k, -1), valid)
    return tokens


def unit_range(video: Num[Array, "..."]) -> Float[Array, "..."]:
    """Pixels in [0, 1], as embedding a recording makes them."""
    return video.astype(jnp.float32) / 255.0 if video.dtype == jnp.uint8 else video
