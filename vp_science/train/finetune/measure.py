"""What tokens of a frozen encoder have in common, measured before the training."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Float32, UInt8

from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.encoder.readouts import FeatureScale, FrameReadout
from vp_science.train.stage import Batch

# Sixteen windows have ten thousands of tokens; the mean of a channel is then known to a hundredth of its spread.
NUM_CLIPS = 16
# Channels that hardly vary are not blown up to the size of the others.
_LEAST = 1e-3


def measure_features(model: FineTunedModel, batches: Iterator[Batch]) -> None:
    """Set the feature scale of a model's readout, in place, from the first clips of a stream.

    Args:
        model: whose encoder is measured.
        batches: with ``video``, and ``valid`` where frames are held.
    """
    count, total, square, shift = 0.0, 0.0, 0.0, None
    clips = 0
    while clips < NUM_CLIPS:
        batch = next(batches)
        video, valid = batch["video"], batch.get("valid")
        clips += len(video)
        if valid is None:
            valid = np.ones(video.shape[:2], bool)
        layers = _tokens(model, jnp.asarray(video), jnp.asarray(valid))
        rows = np.asarray(layers, np.float64)[:, np.asarray(valid)]
        rows = rows.reshape(len(rows), -1, rows.shape[-1])
        # Moments around a value near the mean lose no digits.
        shift = rows.mean(axis=1, keepdims=True) if shift is None else shift
        count += rows.shape[1]
        total = total + (rows - shift).sum(axis=1)
        square = square + ((rows - shift) ** 2).sum(axis=1)
    assert shift is not None
    mean = total / count
    spread = np.sqrt(np.maximum(square / count - mean**2, 0.0))
    floor = _LEAST * np.maximum(spread.max(axis=1, keepdims=True), 1e-12)
    set_features(model, (mean + shift[:, 0]).astype(np.float32), (1 / np.maximum(spread, floor)).astype(np.float32))


def set_features(
    model: FineTunedModel, centre: Float32[np.ndarray, "k d"], inverse: Float32[np.ndarray, "k d"]
) -> None:
    """Put mean and inverse spread of every channel into a readout, of every encoder layer that it reads."""
    readout: Any = model.readout
    one = isinstance(readout, FrameReadout)
    features: FeatureScale = readout.input.features if one else readout.x_layers.input.features
    features.centre = nnx.Param(jnp.asarray(centre[0] if one else centre))
    features.inverse = nnx.Param(jnp.asarray(inverse[0] if one else inverse))


@jax.jit
def _tokens(model: FineTunedModel, video: UInt8[Array, "b t h w 3"], valid: Any) -> Float[Array, "k b t n d"]:
    b, t = video.shape[:2]
    spatial = model.spatial(video.reshape(b * t, *video.shape[2:]).astype(jnp.float32) / 255.0)
    layers: Array = model.layers(spatial.reshape(b, t, *spatial.shape[1:]), valid)
    return layers
