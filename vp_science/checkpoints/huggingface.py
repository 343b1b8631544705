"""Names and shapes of the same weights in the ``transformers`` port (PyTorch layout, one module per layer)."""

from math import prod

import numpy as np

from vp_science.checkpoints.layout import STACK, Restore, Shape, Source, keep, parameter_shapes
from vp_science.encoder.config import EncoderConfig, VideoTextConfig
from vp_science.errors import CheckpointError

# A tensor that every file of this layout holds: its name tells the layout and the prefix.
MARKER = "spatial_embeddings.patch_embeddings.projection.weight"

# Where the video encoder sits in a video-text file, and positions that such a file repeats. They are not parameters,
# and those that transformers 5.23 wrote follow another formula than the official code: they are never read.
VISION_PREFIX = "video_model.vision_model."
TEXT_BUFFERS = ("text_model.embeddings.position_embedding", "text_model.embeddings.position_ids")

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
_HEAD = "contrastive_vision_pooler/pooling_attention"
_VIDEO_TEXT_WHOLE = {
    f"{_HEAD}_query": "video_model.head.pooling_attention_query",
    f"{_HEAD}/query/w": "video_model.head.q_proj.weight",
    f"{_HEAD}/query/b": "video_model.head.q_proj.bias",
    f"{_HEAD}/key/w": "video_model.head.k_proj.weight",
    f"{_HEAD}/key/b": "video_model.head.k_proj.bias",
    f"{_HEAD}/value/w": "video_model.head.v_proj.weight",
    f"{_HEAD}/value/b": "video_model.head.v_proj.bias",
    f"{_HEAD}/post/w": "video_model.head.o_proj.weight",
    f"{_HEAD}/post/b": "video_model.head.o_proj.bias",
    f"{_HEAD}/per_dim_scale/per_dim_scale": "video_model.head.per_dim_scale",
    f"{_HEAD}_layer_norm/scale": "video_model.head_layernorm.weight",
    f"{_HEAD}_layer_norm/bias": "video_model.head_layernorm.bias",
    "text_encoder/token_emb/emb_var": "text_model.embeddings.token_embedding.weight",
    "text_encoder/cls_emb": "text_model.embeddings.cls_emb",
    "text_encoder/unimodal_ln/scale": "text_model.layernorm.weight",
    "text_encoder/unimodal_ln/bias": "text_model.layernorm.bias",
}
_STACKS = {"spatial_encoder": "spatial_layers", "temporal_encoder": "temporal_layers"}
_VIDEO_TEXT_STACKS = {
    "auxiliary_encoder": "video_model.auxiliary_layers",
    "text_encoder/unimodal_transformer": "text_model.layers",
}
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
    """What a ``transformers`` file holds for a model; ``prefix`` is where it sits in a larger one.

    Raises:
        CheckpointError: for text encoders that this layout does not know.
    """
    if isinstance(config, VideoTextConfig):
        if config.norm_policy != "pre":
            raise CheckpointError(
                f"expected a text encoder with norm_policy pre in the transformers layout, found {config.norm_policy}: "
                "give a file in the official layout"
            )
        whole = {f"vision_encoder/{name}": VISION_PREFIX + spelled for name, spelled in _WHOLE.items()}
        stacks = {f"vision_encoder/{name}": VISION_PREFIX + spelled for name, spelled in _STACKS.items()}
        return _plan(config, whole | _VIDEO_TEXT_WHOLE, stacks | _VIDEO_TEXT_STACKS, prefix)
    return _plan(config, _WHOLE, _STACKS, prefix)


def _plan(config: EncoderConfig, whole: dict[str, str], stacks: dict[str, str], prefix: str) -> list[Source]:
    sources = []
    for name, shape in parameter_shapes(config).items():
        local = name.removeprefix("params/")
        if STACK not in name:
            stored, restore = _rearrange(local, shape, config)
            sources.append(Source(prefix + whole[local], stored, name, None, restore))
            continue
        stack, _, leaf = local.partition(STACK)
        stored, restore = _rearrange(leaf, shape[1:], config)
        for layer in range(shape[0]):
            spelled = f"{prefix}{stacks[stack.removesuffix('/transformers_stack')]}.{layer}.{_PER_LAYER[leaf]}"
            sources.append(Source(spelled, stored, name, layer, restore))
    return sources


def _rearrange(leaf: str, shape: Shape, config: EncoderConfig) -> tuple[Shape, Restore]:
    """Shape in the file, and the way back. Layer-norm scales are zero-centred in both layouts: copied."""
    if leaf.endswith("patch_projection/linear/kernel"):
        return (shape[1], 3, 1, config.patch_size, config.patch_size), _restore_patch_kernel
    if leaf.endswith(("pos_emb/emb_var", "pooling_attention_query")):
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
