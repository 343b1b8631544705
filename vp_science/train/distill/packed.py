"""What the student makes of the visible tokens of a clip, computing nothing else.

Visible tokens lie side by side, the same number in every clip: projections, norms and feed-forward layers, which are
most of the work, see them only. Attention is along rows of different lengths (every frame keeps other patches), so
queries, keys and values are spread over the grid of frames and patches for the two small products of attention, with
hidden keys ignored, and what the heads read is taken back. Values and gradients equal those of the dense grid to
rounding.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vp_science.encoder.attention import attend
from vp_science.encoder.transformer import Layer, LayerStack
from vp_science.encoder.video import VideoEncoder
from vp_science.train.distill.packing import Places, spread, take, transpose_places
from vp_science.train.distill.student import cut_patches, position_tables


def encode_packed(
    encoder: VideoEncoder, video: Float[Array, "b t h w 3"], places: Places, valid: Bool[Array, "b t"]
) -> Float[Array, "b m d"]:
    """Tokens of the visible patches of clips.

    Args:
        encoder: the student.
        video: RGB in [0, 1].
        places: of the visible tokens among those of the clip, frame after frame.
        valid: False marks frames that are not there; no other frame sees their tokens.
    """
    dtype = jnp.dtype(encoder.compute_dtype)
    b, m = places.where.shape
    t = video.shape[1]
    patches, (rows, columns) = cut_patches(encoder, video)
    n = rows * columns
    spatial_positions, temporal_positions = position_tables(encoder, t, rows, columns)
    seen = take(patches, places)
    x = encoder.patch_projection(seen.reshape(b * m, -1), dtype).reshape(b, m, -1)
    keys = ((places.slot < m).reshape(b, t, n) & valid[:, :, None]).reshape(b * t, n)
    x = x + spatial_positions[places.where % n]
    x = run_packed(encoder.spatial_encoder.transformers_stack, x, places, keys, dtype)
    x = encoder.spatial_ln(x) + temporal_positions[places.where // n]
    keys = keys.reshape(b, t, n).swapaxes(1, 2).reshape(b * n, t)
    x = run_packed(encoder.temporal_encoder.transformers_stack, x, transpose_places(places, t), keys, dtype)
    return encoder.temporal_ln(x)


def run_packed(
    stack: LayerStack, x: Float[Array, "b m d"], places: Places, keys: Bool[Array, "groups s"], compute_dtype: jnp.dtype
) -> Float[Array, "b m d"]:
    """All layers of a stack, with attention along groups of s consecutive places.

    Args:
        stack: of the encoder.
        x: visible tokens.
        places: of the tokens.
        keys: which places may be seen.
        compute_dtype: of operands of matrix products.
    """

    def run(layer: Layer, x: Array) -> Array:
        attention = layer.self_attention
        qkv = attention.project_rows(layer.norm_input(x).reshape(-1, x.shape[-1]), compute_dtype)
        read = read_heads(qkv.reshape(*x.shape[:2], *qkv.shape[1:]))
        update = attention.merge_rows(read.reshape(-1, x.shape[-1]), compute_dtype).reshape(x.shape)
        x = x + layer.norm_output(update)
        return x + layer.ff_layer(x.reshape(-1, x.shape[-1]), None, compute_dtype).reshape(x.shape)

    def read_heads(qkv: Array) -> Array:
        return _attend_on_grid(qkv, places, keys, stack.x_layers.self_attention.config.logit_cap, compute_dtype)

    if stack.remat != "layers":
        # Logits are of the whole grid: kept, they would take more memory than all that is computed for visible tokens.
        read_heads = jax.checkpoint(read_heads, prevent_cse=False)
    scan: Callable[[Callable[[Layer, Array], Array], Array], Array] = stack.scan_layers
    return scan(run, x)


def _attend_on_grid(
    qkv: Float[Array, "b m 3 k e"],
    places: Places,
    keys: Bool[Array, "groups s"],
    logit_cap: float,
    compute_dtype: jnp.dtype,
) -> Float[Array, "b m ke"]:
    """What the heads of visible tokens read, from keys of the same group."""
    b, _, _, k, e = qkv.shape
    groups, s = keys.shape
    grid = spread(qkv, places).reshape(groups, s, 3, k, e)
    query, key, value = grid.transpose(2, 0, 3, 1, 4).reshape(3, groups * k, s, e)
    heads = attend(query, key, value, jnp.repeat(keys[:, None], k, axis=0), logit_cap, compute_dtype)
    read = heads.reshape(groups, k, s, e).transpose(0, 2, 1, 3).reshape(b, -1, k * e)
    return take(read, places)
