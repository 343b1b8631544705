"""An encoder that is ready to use, from a name, a file or a seed."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from vp_science.checkpoints.fetch import fetch_weights
from vp_science.checkpoints.layout import Shape, fill_parameters, make_abstract_encoder, parameter_shapes
from vp_science.checkpoints.model_folder import ModelFolder, find_model_folder, read_model_folder
from vp_science.checkpoints.registry import ModelSpec, find_model, is_model_name
from vp_science.checkpoints.weights import Weights, load_weights
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.family import VideoModel
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.precision import Precision, choose_precision
from vp_science.errors import CheckpointError, SettingsError
from vp_science.typing import StrPath

_DRAW = 1 << 20
_DRAWN = ("kernel", "/w", "emb_var", "cls_emb", "pooling_attention_query")


def load_encoder(
    model: StrPath | EncoderConfig,
    weights: StrPath | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    *,
    seed: int | None = None,
    offline: bool = False,
) -> VideoModel:
    """An encoder with its weights; ``encoder.info`` says where they come from.

    Args:
        model: a name (``vp-science models`` lists them), the folder of a training (``runs/adapted``, or
            ``model.json`` in it), or sizes of your own. Names come before folders.
        weights: a weights file, or the folder of a training; None takes the released weights of a named model,
            downloading them when needed, and random ones for models of which none exist.
        precision: operand type of matrix products; ``"auto"`` takes what is fast on this machine.
        seed: makes an untrained encoder with random weights instead.
        offline: never download.

    Returns:
        The encoder, on jax's default device: a ``VideoEncoder``, or, for video-text models and classifiers, the whole
        model, which can be called and used for embedding in the same way.

    Raises:
        SettingsError: unknown name or precision, or both ``weights`` and ``seed``.
        CheckpointError: no weights to be had, or the file does not fit the model.
    """
    if weights is not None and seed is not None:
        raise SettingsError(f"expected weights or a seed, found both ({weights}, {seed}): give one of them")
    chosen, reason = _check_precision(precision)
    if not isinstance(model, EncoderConfig) and (trained := _trained(model)) is not None:
        return _load_trained(trained, weights, seed, chosen, reason)
    spec = None if isinstance(model, EncoderConfig) else find_model(str(model))
    config = model if isinstance(model, EncoderConfig) else find_model(str(model)).config
    if weights is not None and (folder := find_model_folder(weights)) is not None:
        return _load_from_folder(read_model_folder(folder), config, spec.name if spec else "custom", chosen, reason)
    licence = ""
    if seed is None and weights is None:
        seed, weights = _default_weights(spec, offline)
        licence = spec.licence if spec else ""
    name = spec.name if spec else "custom"
    if seed is not None:
        info = ModelInfo(name, f"seed:{seed} (untrained)", True, chosen, reason, licence)
        return _build(config, initialise(config, seed), info)
    assert weights is not None
    loaded = load_weights(weights, config)
    return _build(config, loaded.tensors, _describe(loaded, name, chosen, reason, licence))


def initialise(config: EncoderConfig, seed: int) -> dict[str, np.ndarray]:
    """Random parameters under the official names.

    Weights are uniform with variance 1 / fan-in (LeCun), biases and layer-norm scales zero. Uniform and not normal
    because threefry bits scaled by one multiplication are the same bits on every machine, so that a seed names the
    weights as exactly as a file does.
    """
    shapes = parameter_shapes(config)
    drawn = {name: shape for name, shape in shapes.items() if name.endswith(_DRAWN)}
    stream = _draw_uniform(seed, sum(math.prod(shape) for shape in drawn.values()))
    tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    start = 0
    for name, shape in drawn.items():
        stop = start + math.prod(shape)
        tensors[name] = (stream[start:stop] * np.float32(math.sqrt(3.0 / _fan_in(name, shape)))).reshape(shape)
        start = stop
    return tensors


def _trained(model: StrPath) -> ModelFolder | None:
    """The model folder that is meant; None where a name is."""
    named = isinstance(model, str) and is_model_name(model)
    folder = None if named else find_model_folder(model)
    return None if folder is None else read_model_folder(folder)


def _load_trained(
    trained: ModelFolder, weights: StrPath | None, seed: int | None, precision: Precision, reason: str
) -> VideoModel:
    if weights is not None or seed is not None:
        other = f"weights {weights}" if weights is not None else f"seed {seed}"
        raise SettingsError(f"expected the folder of a trained model alone, found {trained.path} and {other}")
    return _load_from_folder(trained, trained.config, trained.name, precision, reason)


def _load_from_folder(
    trained: ModelFolder, config: EncoderConfig, name: str, precision: Precision, reason: str
) -> VideoModel:
    """The model of a folder, or the video encoder in it where ``config`` asks for that."""
    loaded = load_weights(trained.weights, config)
    if loaded.sha256 != trained.sha256:
        raise CheckpointError(
            f"{trained.weights}: expected sha256 {trained.sha256[:12]}... as model.json says, found "
            f"{loaded.sha256[:12]}...: they do not belong together; let the training write its result again"
        )
    name = trained.name if config == trained.config else name
    return _build(config, loaded.tensors, _describe(loaded, name, precision, reason, ""))


def _check_precision(precision: str) -> tuple[Precision, str]:
    if precision == "auto":
        return choose_precision()
    if precision == "float32":
        return "float32", "float32: asked for"
    if precision == "bfloat16":
        return "bfloat16", "bfloat16: asked for"
    raise SettingsError(f'precision: expected "auto", "float32" or "bfloat16", found {precision!r}')


def _default_weights(spec: ModelSpec | None, offline: bool) -> tuple[int | None, Path | None]:
    """What to take when the user said nothing: a seed or a file."""
    if spec is None:
        return 0, None
    if spec.released:
        return None, fetch_weights(spec, offline=offline)
    if spec.seed is not None:
        return spec.seed, None
    raise CheckpointError(
        f"{spec.name}: expected weights, found none: they were never released; pass a file of your own "
        "(weights=PATH, --weights PATH), or seed=0 for an untrained model"
    )


def _describe(loaded: Weights, name: str, precision: Precision, reason: str, licence: str) -> ModelInfo:
    return ModelInfo(
        name=name,
        checkpoint=f"sha256:{loaded.sha256} ({loaded.path.name})",
        untrained=False,
        precision=precision,
        precision_reason=reason,
        licence=licence,
        layout=loaded.layout,
        source=loaded.source,
    )


def _build(config: EncoderConfig, tensors: Mapping[str, np.ndarray], info: ModelInfo) -> VideoModel:
    encoder = make_abstract_encoder(config, info.precision)
    fill_parameters(encoder, tensors)
    encoder.info = info
    return encoder


def _fan_in(name: str, shape: Shape) -> int:
    """Inputs that are summed for one output; tables and learned tokens follow the official code.

    That is: the first axis for positions and the pooling query, the width for pieces of text and the class token.
    """
    per_layer = shape[1:] if "/x_layers/" in name else shape
    if name.endswith(("token_emb/emb_var", "cls_emb")):
        return shape[-1]
    if name.endswith("pooling_attention/post/w"):
        return math.prod(shape[1:])
    return per_layer[0]


def _draw_uniform(seed: int, size: int) -> np.ndarray:
    """Numbers in [-1, 1), in blocks: the memory that random bits take stays small.

    The generator is named and its one setting fixed, because both can be changed from outside.
    """
    with jax.threefry_partitionable(True):
        key = jax.random.key(seed, impl="threefry2x32")
        blocks = [np.asarray(_draw_block(key, index)) for index in range(-(-size // _DRAW))]
    return np.concatenate(blocks)[:size]


@jax.jit
def _draw_block(key: jax.Array, index: int | jax.Array) -> jax.Array:
    return jax.random.uniform(jax.random.fold_in(key, index), (_DRAW,), jnp.float32, minval=-1.0, maxval=1.0)
