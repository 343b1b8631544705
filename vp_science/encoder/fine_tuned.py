"""Fine-tuned models: a video encoder, and a readout that gives logits for every frame of a window."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from vp_science.encoder.config import EncoderConfig, FineTunedConfig
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.parts import split_off_last
from vp_science.encoder.readouts import make_readout
from vp_science.encoder.video import ComputeDtype, VideoEncoder
from vp_science.errors import CheckpointError


class FineTunedModel(nnx.Module):
    """Logits of behaviors, frame by frame, from pixels.

    Attributes:
        config: sizes.
        compute_dtype: type that operands of matrix products are rounded to; see ``VideoEncoder``.
        info: where the weights come from.
        encoder: a plain encoder; adapters are merged into its weights.
        readout: reads the tokens of a window.
    """

    def __init__(self, config: FineTunedConfig, *, compute_dtype: ComputeDtype = "float32", rngs: nnx.Rngs):
        self.config = config
        self.compute_dtype = compute_dtype
        self.info = ModelInfo("custom", "random (untrained)", untrained=True, precision=compute_dtype)
        self.encoder = VideoEncoder(config.encoder, compute_dtype=compute_dtype, rngs=rngs)
        self.readout = make_readout(config, rngs=rngs)

    def __call__(
        self, video: Float[Array, "b t h w 3"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b t c"]:
        """Logits of every frame of clips; arguments as for ``VideoEncoder``."""
        b, t, h, w, c = video.shape
        frames = None if valid is None else valid.reshape(b * t)
        spatial = self.spatial(video.reshape(b * t, h, w, c), frames)
        logits: Array = self.frame_logits(spatial.reshape(b, t, *spatial.shape[1:]), valid)
        return logits

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
        """One vector per clip, from what :meth:`temporal` gave: the mean of all tokens."""
        vectors: Array = self.encoder.window_vectors(tokens)
        return vectors

    @jax.jit
    def frame_logits(
        self, spatial: Float[Array, "b t n d"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "b t c"]:
        """Logits of every frame of clips from the spatial tokens of their frames.

        Args:
            spatial: what :meth:`spatial` gave for the frames of each clip, in order.
            valid: False marks padded frames; nothing reads them.
        """
        return self.read(self.layers(spatial, valid), valid)

    def layers(
        self, spatial: Float[Array, "b t n d"], valid: Bool[Array, "b t"] | None = None
    ) -> Float[Array, "k b t n d"]:
        """What the readout reads: outputs of the last temporal layers, shallow ones first; the last one normalised."""
        count = self.config.readout_layers
        if count == 1:
            return self.temporal(spatial, valid)[None]
        encoder, dtype = self.encoder, jnp.dtype(self.compute_dtype)
        x, outputs = encoder.place_frames(spatial), []
        for part in split_off_last(encoder.temporal_encoder, count - 1):
            x = part(x, valid, dtype)
            outputs.append(x)
        return jnp.stack([*outputs[-count:-1], encoder.temporal_ln(x)])

    def read(
        self,
        layers: Float[Array, "k b t n d"],
        valid: Bool[Array, "b t"] | None = None,
        *,
        key: PRNGKeyArray | None = None,
        dropout: float = 0.0,
    ) -> Float[Array, "b t c"]:
        """Logits of every frame from what :meth:`layers` gave.

        Args:
            layers: tokens.
            valid: False marks padded frames.
            key: for dropout while training; without one nothing is dropped.
            dropout: share of the channels of the vectors that is switched off.
        """
        return self.readout(layers, valid, jnp.dtype(self.compute_dtype), key=key, dropout=dropout)


@dataclass(frozen=True, eq=False)
class FineTunedParts:
    """What fine-tuning made, apart from the encoder that it started from.

    Names are paths in the module tree of ``VideoEncoder`` or of the readout, with ``/`` (the official names without
    ``params/``). An array of a stack (``.../x_layers/...``) may have fewer layers than the encoder: it is then about
    the last ones.

    Attributes:
        config: sizes of the fine-tuned model.
        base: the encoder it stands on.
        readout: all parameters of the readout.
        tensors: encoder parameters that were trained themselves: their new values.
        lora: encoder parameters that got a low-rank update: the factors ``(a, b)``, with every scale in them, of the
            layers' matrices: ``[layer, inputs, rank]`` and ``[layer, rank, outputs]``. How a parameter is a matrix:
            :func:`matrix_shape`.
    """

    config: FineTunedConfig
    base: ModelInfo
    readout: Mapping[str, np.ndarray]
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)
    lora: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@lru_cache(maxsize=32)
def encoder_shapes(config: EncoderConfig) -> Mapping[str, tuple[int, ...]]:
    """Shapes of the parameters of a video encoder, by the names of :class:`FineTunedParts`; nothing is allocated."""
    return _shapes(nnx.eval_shape(lambda: VideoEncoder(_plain(config), rngs=nnx.Rngs(0))))


@lru_cache(maxsize=32)
def readout_shapes(config: FineTunedConfig) -> Mapping[str, tuple[int, ...]]:
    """Shapes of the parameters of a readout, by the names of :class:`FineTunedParts`; nothing is allocated."""
    return _shapes(nnx.eval_shape(lambda: make_readout(config, rngs=nnx.Rngs(0))))


def matrix_shape(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs and outputs of the matrix that one layer of a stacked parameter is, as low-rank updates see it.

    Projections to heads (``[layer, d, k, e]``) and dense kernels (``[layer, i, o]``) map their first axis to the
    others. The output projection of attention (``post/w``) is stored like a projection to heads and is used transposed:
    here it is ``d x (k e)``, too.

    Raises:
        CheckpointError: for a parameter that is no matrix of a stacked layer.
    """
    if "/x_layers/" not in name or not name.endswith(("/w", "/kernel")) or len(shape) < 3:
        raise CheckpointError(f"expected a matrix of stacked layers for a low-rank update, found {name} {shape}")
    return shape[1], int(np.prod(shape[2:]))


def assemble(parts: FineTunedParts, encoder: VideoEncoder) -> FineTunedModel:
    """The fine-tuned model, its adapters merged into plain weights.

    Args:
        parts: what was trained.
        encoder: what ``parts.base`` describes; not changed.

    Raises:
        CheckpointError: when names or shapes do not fit the encoder.
    """
    config = parts.config
    if encoder.config != config.encoder:
        raise CheckpointError(f"expected an encoder with the sizes {config.encoder}, found {encoder.config}")
    check_parts(parts)
    model = nnx.eval_shape(lambda: FineTunedModel(config, compute_dtype=encoder.compute_dtype, rngs=nnx.Rngs(0)))
    weights = dict(merge_into(_values(encoder), parts))
    _fill(model.encoder, weights)
    _fill(model.readout, {name: jnp.asarray(value, jnp.float32) for name, value in parts.readout.items()})
    model.info = encoder.info
    return model


def check_parts(parts: FineTunedParts) -> None:
    """Compare names and shapes with the configuration, before anything is made of them.

    Raises:
        CheckpointError: naming the first parameter that does not fit.
    """
    expected = readout_shapes(parts.config)
    if set(parts.readout) != set(expected):
        odd = sorted(set(parts.readout) ^ set(expected))
        raise CheckpointError(f"readout: expected the parameters {sorted(expected)}, found a difference in {odd}")
    for name, shape in expected.items():
        _check_shape(f"readout {name}", parts.readout[name].shape, shape, stacked=False)
    whole = encoder_shapes(parts.config)
    for name in [*parts.tensors, *parts.lora]:
        if name not in whole:
            raise CheckpointError(f"expected parameters of the encoder, found {name!r}")
    for name, value in parts.tensors.items():
        _check_shape(name, value.shape, whole[name], stacked="/x_layers/" in name)
    for name, (a, b) in parts.lora.items():
        inputs, outputs = matrix_shape(name, whole[name])
        layers, rank = whole[name][0], a.shape[-1] if a.ndim else 0
        _check_shape(f"{name} (a)", a.shape, (layers, inputs, rank), stacked=True)
        _check_shape(f"{name} (b)", b.shape, (a.shape[0], rank, outputs), stacked=False)


def merge_into(weights: Mapping[str, Array], parts: FineTunedParts) -> dict[str, Array]:
    """Encoder parameters with what was trained put in."""
    merged = dict(weights)
    for name, value in parts.tensors.items():
        new, old = jnp.asarray(value, jnp.float32), merged[name]
        kept = old.shape[0] - new.shape[0] if "/x_layers/" in name else 0
        merged[name] = jnp.concatenate([old[:kept], new]) if kept else new
    for name, (a, b) in parts.lora.items():
        merged[name] = add_low_rank(merged[name], jnp.asarray(a), jnp.asarray(b))
    return merged


def add_low_rank(
    weights: Float[Array, "l ..."], a: Float[Array, "m i r"], b: Float[Array, "m r o"]
) -> Float[Array, "l ..."]:
    """Add ``a @ b`` to the last ``m`` layers of a stacked parameter."""
    update = jnp.einsum("mir,mro->mio", a, b, precision=jax.lax.Precision.HIGHEST)
    first = weights.shape[0] - a.shape[0]
    changed = weights[first:] + update.reshape(a.shape[0], *weights.shape[1:])
    return jnp.concatenate([weights[:first], changed]) if first else changed


def _check_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...], *, stacked: bool) -> None:
    fits = found == expected
    if stacked and len(found) == len(expected):
        fits = found[1:] == expected[1:] and 1 <= found[0] <= expected[0]
    if not fits:
        raise CheckpointError(f"{name}: expected the shape {expected}, found {found}")


def _plain(config: EncoderConfig) -> EncoderConfig:
    return config.encoder if isinstance(config, FineTunedConfig) else config


def _name(path: tuple[object, ...]) -> str:
    return "/".join(map(str, path))


def _shapes(module: nnx.Module) -> Mapping[str, tuple[int, ...]]:
    flat = nnx.to_flat_state(nnx.state(module, nnx.Param))
    return MappingProxyType({_name(path): tuple(leaf.shape) for path, leaf in sorted(flat)})


def _values(module: nnx.Module) -> dict[str, Array]:
    flat = nnx.to_flat_state(nnx.state(module, nnx.Param))
    return {_name(path): leaf[...] for path, leaf in flat}


def _fill(module: nnx.Module, values: Mapping[str, Array]) -> None:
    flat = nnx.to_flat_state(nnx.state(module, nnx.Param))
    for path, leaf in flat:
        leaf.set_value(values[_name(path)])
    nnx.update(module, nnx.from_flat_state(flat))
