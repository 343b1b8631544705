"""How far every parameter of a video-text model lies from the loss, for layer-wise decay of the learning rate."""

import numpy as np
from jaxtyping import Int32

from vp_science.encoder.config import VideoTextConfig


def find_depth(name: str, config: VideoTextConfig) -> Int32[np.ndarray, "..."]:
    """Depth of a parameter: 0 next to the loss, 1 for the last layer under it, and so on.

    Norms between two stacks belong to the layer under them, position tables of time to the layer above them.

    Args:
        name: in the model, without ``params/``.
        config: sizes.

    Returns:
        One number, or one per layer for stacked parameters.
    """
    part, *rest = name.split("/")
    auxiliary = config.num_auxiliary_layers
    spatial_top = auxiliary + config.num_temporal_layers
    bottom = spatial_top + config.num_spatial_layers
    if part == "vision_encoder":
        stacks = {"temporal_encoder": (config.num_temporal_layers, auxiliary), "spatial_encoder": (0, spatial_top)}
        stacks["spatial_encoder"] = (config.num_spatial_layers, spatial_top)
        if rest[0] in stacks:
            return _stack(*stacks[rest[0]])
        singles = {"temporal_ln": auxiliary + 1, "temporal_pos_emb": spatial_top, "spatial_ln": spatial_top + 1}
        return np.asarray(singles.get(rest[0], bottom + 1), np.int32)
    if part == "auxiliary_encoder":
        return _stack(auxiliary, 0)
    if part == "text_encoder":
        if rest[0] == "unimodal_transformer":
            return _stack(config.num_unimodal_layers, 0)
        return np.asarray(0 if rest[0] == "unimodal_ln" else config.num_unimodal_layers + 1, np.int32)
    return np.zeros((), np.int32)


def _stack(num_layers: int, above: int) -> Int32[np.ndarray, " layers"]:
    """Depths of stacked layers; the last one of them is next to what is above."""
    return np.asarray(above + num_layers - np.arange(num_layers), np.int32)
