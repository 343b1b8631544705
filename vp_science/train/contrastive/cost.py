"""What a step of the contrastive stage costs, counted in matrix products."""

from typing import Literal

from vp_science.encoder.config import VideoTextConfig


def count_step_flops(
    config: VideoTextConfig,
    num_frames: int,
    num_kept: int,
    text_length: int,
    batch_size: int,
    freeze: Literal["none", "video", "text"],
) -> float:
    """Floating-point operations (2 per multiply-add) per clip and its text, forward and backward.

    The backward pass of what is trained counts twice its forward pass, that of what is frozen nothing. What is computed
    a second time to save memory (remat, gradient caching) does not count.

    Args:
        config: sizes.
        num_frames: of a clip.
        num_kept: patches of a frame that are encoded.
        text_length: pieces of a text, padding included.
        batch_size: texts that a clip is compared with.
        freeze: which side is not trained.
    """
    # A frame of one row of patches: the cost depends on their number only.
    size = (num_frames, num_kept * config.patch_size, config.patch_size)
    encoder = config.encoder.count_flops(*size)
    joint = config.count_flops(*size) - encoder
    text = count_text_flops(config, text_length)
    scores = 2 * 2.0 * batch_size * config.model_dim
    trained = {"none": encoder + joint + text, "video": joint + text, "text": encoder + joint}[freeze]
    return encoder + joint + text + scores + 2 * (trained + scores)


def count_text_flops(config: VideoTextConfig, text_length: int) -> float:
    """Floating-point operations of the text encoder for one text."""
    d, tokens = config.model_dim, text_length + 1
    dense = 4 * d**2 + 2 * d * config.text_layer.mlp_dim
    return 2.0 * config.num_unimodal_layers * tokens * (dense + 2 * tokens * d)
