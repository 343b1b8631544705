"""What the layers of an encoder attend to, for looking inside: weights that a call uses and does not give out."""

from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vp_science.encoder.family import TrackModel
from vp_science.encoder.parts import count_layers, cut_layers
from vp_science.encoder.transformer import Layer, Transformer
from vp_science.encoder.video import VideoEncoder
from vp_science.encoder.video_text import VideoTextModel
from vp_science.errors import SettingsError


def spatial_attention(
    encoder: TrackModel, frames: Float[Array, "f h w 3"], layer: int = -1
) -> Float[Array, "f heads n n"]:
    """How much every patch of a frame takes from every patch of that frame, in one layer of the spatial encoder.

    ``weights[f, k, i, j]`` is the share of patch ``j`` in what head ``k`` reads for patch ``i``; the shares of all
    ``j`` add up to 1. Patches count row by row. Weights say where a layer reads, not what decides the result: values,
    residuals and the layers behind count as much.

    They take ``heads * n * n * 4`` bytes per frame: 3 MB for videoprism-base at 288 x 288.

    Args:
        encoder: from ``load_encoder``; of a video-text model, a classifier or a fine-tuned model its video encoder.
        frames: RGB in [0, 1], height and width multiples of the patch size.
        layer: which one; negative numbers count from the last.

    Raises:
        SettingsError: when there is no such layer.
        ValueError: when height or width is not a multiple of the patch size.
    """
    video = _video_encoder(encoder)
    number = _layer_number(layer, count_layers(video.spatial_encoder), "spatial")
    return cast(Array, _spatial(video, frames, number))


def temporal_attention(
    encoder: TrackModel,
    spatial: Float[Array, "b t n d"],
    layer: int = -1,
    valid: Bool[Array, "b t"] | None = None,
) -> Float[Array, "b n heads t t"]:
    """How much every frame of a clip takes from every frame, in one layer of the temporal encoder.

    The temporal encoder sees one place of the picture through time. ``weights[b, p, k, i, j]`` is the share of frame
    ``j`` in what head ``k`` reads for frame ``i`` at patch ``p``; the shares of all ``j`` add up to 1. What weights do
    not say: see ``spatial_attention``.

    Args:
        encoder: as for ``spatial_attention``.
        spatial: what ``encoder.spatial`` gave for the frames of each clip, in order.
        layer: which one; negative numbers count from the last.
        valid: False marks padded frames; they get no weight.

    Raises:
        SettingsError: when there is no such layer.
    """
    video = _video_encoder(encoder)
    number = _layer_number(layer, count_layers(video.temporal_encoder), "temporal")
    return cast(Array, _temporal(video, spatial, number, valid))


@partial(jax.jit, static_argnums=2)
def _spatial(encoder: VideoEncoder, frames: Float[Array, "f h w 3"], layer: int) -> Float[Array, "f heads n n"]:
    x = encoder.place_patches(frames)[:, :, None]
    return _weights(encoder.spatial_encoder, layer, x, None, jnp.dtype(encoder.compute_dtype))[:, 0]


@partial(jax.jit, static_argnums=2)
def _temporal(
    encoder: VideoEncoder, spatial: Float[Array, "b t n d"], layer: int, valid: Bool[Array, "b t"] | None
) -> Float[Array, "b n heads t t"]:
    x = encoder.place_frames(spatial)
    return _weights(encoder.temporal_encoder, layer, x, valid, jnp.dtype(encoder.compute_dtype))


def _weights(
    transformer: Transformer,
    layer: int,
    x: Float[Array, "b s m d"],
    valid: Bool[Array, "b s"] | None,
    compute_dtype: jnp.dtype,
) -> Float[Array, "b m heads s s"]:
    parts = cut_layers(transformer, count_layers(transformer) - layer)
    x = parts.below(x, valid, compute_dtype)
    first: Layer = jax.tree.map(lambda leaf: leaf[0], parts.above.transformers_stack.x_layers)
    return first.self_attention.weights(first.norm_input(x), valid, compute_dtype)


def _video_encoder(model: TrackModel) -> VideoEncoder:
    if isinstance(model, VideoTextModel):
        return model.vision_encoder
    return model if isinstance(model, VideoEncoder) else model.encoder


def _layer_number(layer: int, count: int, which: str) -> int:
    if not -count <= layer < count:
        raise SettingsError(
            f"layer: expected {-count} to {count - 1}, because the {which} encoder has {count} layers, found {layer}"
        )
    return layer % count
