"""Names and shapes of a model's parameters, and how the official files spell them.

The official names are the path in the module tree: ``params/spatial_encoder/transformers_stack/x_layers/...``. Layers
are stacked: every array of a stack has a leading layer axis ("scan" layout, the released files). The same code with
scanning switched off writes one group per layer, ``x_layers_0``, ``x_layers_1``, ... ("unrolled").
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import jax
import numpy as np
from flax import nnx

from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.family import TrackModel, VideoModel, build_model
from vp_science.encoder.video import ComputeDtype

Shape = tuple[int, ...]
# From the tensor in the file to the official shape of one layer (or of the whole tensor when it is not stacked).
Restore = Callable[[np.ndarray, Shape], np.ndarray]

STACK = "/x_layers/"


@dataclass(frozen=True)
class Source:
    """A tensor that a file must hold.

    Attributes:
        name: in the file.
        shape: in the file.
        target: official name of the parameter that it fills, or a layer of it.
        layer: index on the leading axis of the target; None fills all of it.
        restore: gives the values their official arrangement.
    """

    name: str
    shape: Shape
    target: str
    layer: int | None
    restore: Restore


def keep(tensor: np.ndarray, shape: Shape) -> np.ndarray:
    """Same values in the same order, in the shape of the official array."""
    return tensor.reshape(shape)


def make_abstract_encoder(config: EncoderConfig, compute_dtype: ComputeDtype = "float32") -> VideoModel:
    """A model whose parameters have shapes and no values."""
    return nnx.eval_shape(lambda: build_model(config, compute_dtype=compute_dtype, rngs=nnx.Rngs(0)))


@lru_cache(maxsize=32)
def parameter_shapes(config: EncoderConfig) -> Mapping[str, Shape]:
    """Official name -> shape of every parameter, in the order of the official files; nothing is allocated."""
    flat = nnx.to_flat_state(nnx.state(make_abstract_encoder(config), nnx.Param))
    return MappingProxyType({to_name(path): tuple(leaf.shape) for path, leaf in sorted(flat)})


def to_name(path: tuple[object, ...]) -> str:
    """Official name of a path in the module tree."""
    return "/".join(("params", *map(str, path)))


def flatten_parameters(encoder: TrackModel) -> dict[str, np.ndarray]:
    """Official name -> float32 values, in the order of the official files."""
    flat = nnx.to_flat_state(nnx.state(encoder, nnx.Param))
    return {to_name(path): np.asarray(leaf[...], np.float32) for path, leaf in sorted(flat)}


def fill_parameters(encoder: TrackModel, tensors: Mapping[str, np.ndarray]) -> None:
    """Put values into a model, abstract or not; names and shapes must have been checked.

    The arrays are the encoder's from then on: on the CPU jax may use their memory as it is.
    """
    state = nnx.state(encoder, nnx.Param)
    flat = nnx.to_flat_state(state)
    for path, leaf in flat:
        leaf.set_value(jax.device_put(np.asarray(tensors[to_name(path)], np.float32)))
    nnx.update(encoder, nnx.from_flat_state(flat))


def plan_official(config: EncoderConfig, prefix: str = "params/") -> list[Source]:
    """What a file of the released kind holds; ``prefix`` is ``params/vision_encoder/`` in video-text files."""
    return [
        Source(prefix + name.removeprefix("params/"), shape, name, None, keep)
        for name, shape in parameter_shapes(config).items()
    ]


def plan_unrolled(config: EncoderConfig, prefix: str = "params/") -> list[Source]:
    """What a file of the official code without scanning holds: one group of arrays per layer."""
    sources = []
    for name, shape in parameter_shapes(config).items():
        spelled = prefix + name.removeprefix("params/")
        if STACK not in name:
            sources.append(Source(spelled, shape, name, None, keep))
            continue
        for layer in range(shape[0]):
            per_layer = spelled.replace(STACK, f"/x_layers_{layer}/")
            sources.append(Source(per_layer, shape[1:], name, layer, keep))
    return sources
