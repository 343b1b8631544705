"""The encoder of a training as a plain one: adapters summed into their weights, cut stacks joined."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx

from vp_science.encoder.config import FineTunedConfig
from vp_science.encoder.video import ComputeDtype, VideoEncoder
from vp_science.train.finetune.lora import BASE, DOWN, UP, low_rank
from vp_science.train.finetune.parts import Trainee
from vp_science.train.functional import nested_names, split_model

_ENCODER, _BELOW, _ABOVE = "encoder/", "/below/", "/above/"


def merged_encoder(
    trainee: Trainee,
    config: FineTunedConfig,
    params: Mapping[str, np.ndarray],
    frozen: Mapping[str, np.ndarray],
    compute_dtype: ComputeDtype = "float32",
) -> VideoEncoder:
    """A video encoder that computes what the trained one computes.

    Args:
        trainee: as it was trained.
        config: sizes.
        params: flat.
        frozen: flat.
        compute_dtype: of the encoder.
    """
    weights = _without_adapters({**frozen, **params}, trainee.lora_scale)
    plain: dict[str, np.ndarray] = {}
    for name, value in weights.items():
        if name.startswith(_ENCODER) and _BELOW not in name:
            below = weights.get(name.replace(_ABOVE, _BELOW)) if _ABOVE in name else None
            whole = value if below is None else np.concatenate([below, value])
            plain[name.removeprefix(_ENCODER).replace(_ABOVE, "/")] = np.asarray(whole, np.float32)
    abstract = nnx.eval_shape(lambda: VideoEncoder(config.encoder, compute_dtype=compute_dtype, rngs=nnx.Rngs(0)))
    encoder: VideoEncoder = split_model(abstract)[0].bind(nested_names(plain))
    return encoder


def _without_adapters(flat: Mapping[str, np.ndarray], scale: float) -> dict[str, np.ndarray]:
    plain = {}
    for name, value in flat.items():
        weight, _, last = name.rpartition("/")
        if f"{weight}/{BASE}" not in flat:
            plain[name] = value
        elif last == BASE:
            a, b = (jnp.asarray(flat[f"{weight}/{factor}"]) for factor in (DOWN, UP))
            update = np.asarray(low_rank(a, b, scale))
            plain[weight] = value + update.reshape(value.shape)
    return plain
