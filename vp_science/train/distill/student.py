"""What the student makes of the visible tokens of a clip: on the whole grid, where hidden ones are ignored.

This is the plain way: the encoder's own layers with a mask. A hidden token is no key of any attention, neither over the
patches of its frame nor over the frames of its patch position, so nothing visible depends on it. It costs as much as
all tokens; :mod:`vp_science.train.distill.packed` computes the same for less.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from vp_science.encoder.positions import resize_positions
from vp_science.encoder.video import VideoEncoder, split_patches


def encode_dense(
    encoder: VideoEncoder, video: Float[Array, "b t h w 3"], visible: Bool[Array, "b t n"]
) -> Float[Array, "b t n d"]:
    """Tokens of clips of which only some patches are seen.

    Args:
        encoder: the student.
        video: RGB in [0, 1].
        visible: False hides a token: what is masked, and frames that are not there.

    Returns:
        Tokens of all places; those of hidden ones mean nothing and must not be used.
    """
    dtype = jnp.dtype(encoder.compute_dtype)
    b, t, n = visible.shape
    patches, (rows, columns) = cut_patches(encoder, video)
    spatial_positions, temporal_positions = position_tables(encoder, t, rows, columns)
    x = encoder.patch_projection(patches.reshape(b * t * n, -1), dtype).reshape(b * t, n, -1)
    x = encoder.spatial_encoder((x + spatial_positions)[:, :, None], visible.reshape(b * t, n), dtype)
    x = encoder.spatial_ln(x).reshape(b, t, n, -1) + temporal_positions[:, None]
    columns_first = x.swapaxes(1, 2).reshape(b * n, t, 1, -1)
    x = encoder.temporal_encoder(columns_first, visible.swapaxes(1, 2).reshape(b * n, t), dtype)
    return encoder.temporal_ln(x.reshape(b, n, t, -1).swapaxes(1, 2))


def cut_patches(
    encoder: VideoEncoder, video: Float[Array, "b t h w 3"]
) -> tuple[Float[Array, "b p pixels"], tuple[int, int]]:
    """The pixels of every patch of every frame, and how many rows and columns of patches a frame has."""
    b, t, h, w, _ = video.shape
    patches = split_patches(video.reshape(b * t, h, w, 3), encoder.config.patch_size)
    _, rows, columns, pixels = patches.shape
    return patches.reshape(b, t * rows * columns, pixels), (rows, columns)


def position_tables(
    encoder: VideoEncoder, frames: int, rows: int, columns: int
) -> tuple[Float[Array, "n d"], Float[Array, "t d"]]:
    """Positions of patches and of frames, interpolated where the clip has another size than the tables."""
    spatial = resize_positions(encoder.spatial_pos_emb.emb_var[...], encoder.config.pos_emb_shape[1:], (rows, columns))
    temporal = resize_positions(encoder.temporal_pos_emb.emb_var[...], (encoder.config.num_frames,), (frames,))
    return spatial, temporal


def to_unit_range(video: UInt8[Array, "b t h w 3"] | UInt8[np.ndarray, "b t h w 3"]) -> Float[Array, "b t h w 3"]:
    """Pixels as RGB in [0, 1]."""
    return jnp.asarray(video, jnp.float32) / 255
