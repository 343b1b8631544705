"""What fine-tuning made, as arrays and facts of a bundle, and the identity of the model that they make."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from vp_science.checkpoints.model_folder import checked_config
from vp_science.embedding.identity import identity_of
from vp_science.encoder.config import FineTunedConfig
from vp_science.encoder.fine_tuned import FineTunedParts, check_parts, encoder_shapes
from vp_science.encoder.info import ModelInfo
from vp_science.errors import ProbeError
from vp_science.probes.heads.base import Arrays

_READOUT, _TENSOR, _LORA_A, _LORA_B = "readout", "encoder", "lora_a", "lora_b"


def parts_to_arrays(parts: FineTunedParts) -> Arrays:
    """All tensors, float32; names begin with what they are: ``readout/``, ``encoder/``, ``lora_a/``, ``lora_b/``."""
    arrays = {f"{_READOUT}/{name}": array for name, array in parts.readout.items()}
    arrays |= {f"{_TENSOR}/{name}": array for name, array in parts.tensors.items()}
    for name, (a, b) in parts.lora.items():
        arrays |= {f"{_LORA_A}/{name}": a, f"{_LORA_B}/{name}": b}
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def parts_facts(parts: FineTunedParts) -> dict[str, Any]:
    """What the arrays do not say, as JSON: the encoder that training started from, and the sizes."""
    return {"base": parts.base.name, "base_checkpoint": base_identity(parts), "config": parts.config.to_json()}


def parts_from_arrays(arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> FineTunedParts:
    """Restore what ``parts_to_arrays`` and ``parts_facts`` gave; nothing of it is believed.

    Raises:
        ProbeError: when tensors are not numbers, not finite, or facts are missing.
        CheckpointError: when tensors are missing, unexpected or misshapen.
        SettingsError: when the sizes are impossible.
    """
    config, base, checkpoint = checked_config(facts["config"]), facts["base"], facts["base_checkpoint"]
    if not isinstance(config, FineTunedConfig) or not isinstance(base, str) or not isinstance(checkpoint, str):
        raise ProbeError(f"expected sizes, name and checkpoint of a fine-tuned model, found {dict(facts)}")
    groups: dict[str, dict[str, np.ndarray]] = {_READOUT: {}, _TENSOR: {}, _LORA_A: {}, _LORA_B: {}}
    for key, array in arrays.items():
        kind, _, name = key.partition("/")
        if kind not in groups or array.dtype != np.float32:
            raise ProbeError(f"expected float32 tensors of a fine-tuned model, found {key} of {array.dtype}")
        if not all(np.isfinite(row).all() for row in array.reshape(array.shape[0] if array.ndim else 1, -1)):
            raise ProbeError(f"expected finite numbers, found NaN or infinity in {key}")
        groups[kind][name] = array
    a, b = groups[_LORA_A], groups[_LORA_B]
    if odd := sorted(set(a) ^ set(b)):
        raise ProbeError(f"expected both factors of every low-rank update, found one of {odd[0]}")
    untrained = "untrained" in checkpoint
    info = ModelInfo(base, checkpoint, untrained, "float32")
    lora = {name: (a[name], b[name]) for name in a}
    parts = FineTunedParts(config, info, groups[_READOUT], groups[_TENSOR], lora)
    check_parts(parts)
    return parts


def base_identity(parts: FineTunedParts) -> str:
    """Identity of the weights that training started from, as tracks record it (``embedding.checkpoint_identity``)."""
    return identity_of(parts.base)


def needs_base(parts: FineTunedParts) -> bool:
    """Whether weights of the base are in the model: not when every parameter of the encoder was trained."""
    shapes = encoder_shapes(parts.config)
    return any(name not in parts.tensors or parts.tensors[name].shape != shape for name, shape in shapes.items())


def fine_tuned_info(parts: FineTunedParts) -> ModelInfo:
    """What the model of these parts is; its checkpoint is a hash of the base's identity, the sizes and all tensors."""
    digest = hashlib.sha256(json.dumps(parts_facts(parts), sort_keys=True).encode())
    for name, array in sorted(parts_to_arrays(parts).items()):
        digest.update(f"\n{name} {list(array.shape)}\n".encode())
        digest.update(np.ascontiguousarray(array, "<f4").data)
    untrained = parts.base.untrained and needs_base(parts)
    return ModelInfo(
        name=f"{parts.base.name}, fine-tuned",
        checkpoint=f"sha256:{digest.hexdigest()} (fine-tuned{', untrained encoder' if untrained else ''})",
        untrained=untrained,
        precision=parts.base.precision,
        source=f"fine-tuned from {parts.base.name} ({base_identity(parts)})",
    )
