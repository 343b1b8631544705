"""Names and shapes of the same weights in the ``transformers`` port (PyTorch layout, one module per layer)."""

from math import prod

import numpy as np

from vp_science.checkpoints.layout import STACK, Restore, Shape, Source, keep, parameter_shapes
from vp_science.encoder.config import EncoderConfig

# A tensor that every file of this layout holds: its name tells the layout and the prefix.
MARKER = "spatial_embeddings.patch_embeddings.projection.weight"

_WHOLE = {
    "patch_projection/linear/kernel": MARKER,
    "patch_projection/linear/bias": "spatial_embeddings.patch_embeddings.projection.bias",
    "spatial_pos_emb/emb_var": "spatial_embeddings.position_embeddings",
    "temporal_pos_emb/emb_var": "temporal_embeddings.position_embeddings",
    "spatial_ln/scale": "layernorm1.weight",
    "spatial_ln/bias": "layernorm1.bias",
    "temporal_ln/scale": "layernorm2.weight",
    "temporal_ln/bias": "layernorm2.bias",
}
_STACKS = {"spatial_encoder": "spatial_layers", "temporal_encoder": "temporal_layers"}
_PER_LAYER = {
    "self_attention/query/w": "attention.q_proj.weight",
    "self_attention/query/b": "attention.q_proj.bias",
    "self_attention/key/w": "attention.k_proj.weight",
    "self_attention/key/b": "attention.k_proj.bias",
    "self_attention/value/w": "attention.v_proj.weight",
    "self_attention/value/b": "attention.v_proj.bias",
    "self_attention/post/w": "attention.o_proj.weight",
    "self_attention/post/b": "attention.o_proj.bias",
    "layer_norm/scale": "layernorm_before.weight",
    "layer_norm/bias": "layernorm_before.bias",
    "ff_layer/layer_norm/scale": "layernorm_after.weight",
    "ff_layer/layer_norm/bias": "layernorm_after.bias",
    "ff_layer/ffn_layer1/linear/kernel": "mlp.fc1.weight",
    "ff_layer/ffn_layer1/linear/bias": "mlp.fc1.bias",
    "ff_layer/ffn_layer2/linear/kernel": "mlp.fc2.weight",
    "ff_layer/ffn_layer2/linear/bias": "mlp.fc2.bias",
}


def plan_transformers(config: EncoderConfig, prefix: str = "") -> list[Source]:
    """What a ``transformers`` file holds for the encoder; ``prefix`` is where the encoder sits in a larger model."""
    sources = []
    for name, shape in parameter_shapes(config).items():
        local = name.removeprefix("params/")
        if STACK not in name:
            stored, restore = _rearrange(local, shape, config)
            sources.append(Source(prefix + _WHOLE[local], stored, name, None, restore))
            continue
        stack, _, leaf = local.partition("/transformers_stack" + STACK)
        stored, restore = _rearrange(leaf, shape[1:], config)
        for layer in range(shape[0]):
            spelled = f"{prefix}{_STACKS[stack]}.{layer}.{_PER_LAYER[leaf]}"
            sources.append(Source(spelled, stored, name, layer, restore))
    return sources


def _rearrange(leaf: str, shape: Shape, config: EncoderConfig) -> tuple[Shape, Restore]:
    """Shape in the file, and the way back. Layer-norm scales are zero-centred in both layouts: copied."""
    if leaf == "patch_projection/linear/kernel":
        return (shape[1], 3, 1, config.patch_size, config.patch_size), _restore_patch_kernel
    if leaf.endswith("emb_var"):
        return (1, *shape), keep
    if leaf.endswith("linear/kernel"):
        return shape[::-1], _restore_transposed
    if leaf.endswith("post/w"):
        return (shape[0], prod(shape[1:])), keep
    if leaf.endswith("/w"):
        return (prod(shape[1:]), shape[0]), _restore_transposed
    if leaf.endswith(("query/b", "key/b", "value/b")):
        return (prod(shape),), keep
    return shape, keep


def _restore_transposed(tensor: np.ndarray, shape: Shape) -> np.ndarray:
    return tensor.T.reshape(shape)


def _restore_patch_kernel(tensor: np.ndarray, shape: Shape) -> np.ndarray:
    # [d, channel, 1, row, column] of a 3-D convolution -> [(row, column, channel), d]
    return tensor.transpose(0, 2, 3, 4, 1).reshape(shape[::-1]).T
