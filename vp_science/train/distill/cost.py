"""What a step of masked distillation costs."""

from vp_science.encoder.config import EncoderConfig
from vp_science.train.distill.block_masks import TokenGrid, count_masked
from vp_science.train.distill.decoders import decoder_layers
from vp_science.train.distill.settings import DistillSettings


def count_step_flops(settings: DistillSettings, student: EncoderConfig, teacher: EncoderConfig) -> float:
    """Floating-point operations of matrix products (2 per multiply-add) of a step per clip.

    Gradients cost twice what the values do. Recomputed activations are not counted.
    """
    frames, size = settings.clips.num_frames, settings.clips.size
    side = size // student.patch_size
    grid = TokenGrid(frames, side, side)
    visible = grid.tokens - count_masked(grid, settings.masks.ratio)
    trained = count_student_flops(settings, student, grid, visible)
    if settings.token_loss:
        trained += _decoder_flops(settings, student, teacher, visible, grid.tokens)
    if settings.global_loss:
        trained += _decoder_flops(settings, student, teacher, visible, visible)
    return teacher.count_flops(frames, size, size) + 3 * trained


def count_student_flops(settings: DistillSettings, student: EncoderConfig, grid: TokenGrid, visible: int) -> float:
    """Operations of the student's values: attention is computed on the whole grid, the rest for visible tokens."""
    height, width = grid.rows * student.patch_size, grid.columns * student.patch_size
    whole = student.count_flops(grid.frames, height, width)
    if settings.student == "dense":
        return whole
    d, n, t = student.model_dim, grid.patches, grid.frames
    attention = 4.0 * d * (student.num_spatial_layers * t * n**2 + student.num_temporal_layers * n * t**2)
    return (whole - attention) * visible / grid.tokens + attention


def _decoder_flops(
    settings: DistillSettings, student: EncoderConfig, teacher: EncoderConfig, entering: int, tokens: int
) -> float:
    layer, count = decoder_layers(settings.decoders, student)
    width = layer.model_dim
    each = tokens * (4 * width**2 + 2 * width * layer.mlp_dim) + 2 * tokens**2 * width
    return 2.0 * (entering * student.model_dim * width + count * each + tokens * width * teacher.model_dim)
