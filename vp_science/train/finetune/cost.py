"""What a training step costs."""

from dataclasses import replace

from vp_science.encoder.config import EncoderConfig, FineTunedConfig
from vp_science.train.finetune.parts import TrainedLayers
from vp_science.train.finetune.settings import FinetuneSettings


def flops_per_clip(settings: FinetuneSettings, config: FineTunedConfig, layers: TrainedLayers) -> float:
    """Floating-point operations (2 per multiply-add) of the matrix products of one step, per clip.

    Forward: everything. Backward: what gets a gradient, twice its forward part; with adapters without the gradient of
    the weights that have none. What is computed again to save memory does not count.
    """
    frames, size = settings.clips.num_frames, settings.clips.size
    encoder, tokens = config.encoder, frames * (size // config.patch_size) ** 2
    readout = config.count_readout_flops(tokens, frames)
    forward = encoder.count_flops(frames, size, size) + readout
    trained = layers.temporal * _layer(encoder, frames, size, temporal=True)
    trained += layers.spatial * _layer(encoder, frames, size, temporal=False)
    if settings.train == "full":
        # Patches are weighed, but pixels get no gradient.
        trained += tokens * 3 * config.patch_size**2 * config.model_dim
    weights = 2.0 * tokens * (4 * config.model_dim**2 + 2 * config.model_dim * config.mlp_dim)
    spared = (layers.temporal + layers.spatial) * weights * (1 - _adapted_share(settings, config))
    return forward + 2 * readout + 2 * trained - (spared if settings.train == "lora" else 0.0)


def _layer(config: EncoderConfig, frames: int, size: int, *, temporal: bool) -> float:
    one, two = (replace(config, num_spatial_layers=count, num_temporal_layers=count) for count in (1, 2))
    return two.count_flops(frames, size, size, spatial=not temporal, temporal=temporal) - one.count_flops(
        frames, size, size, spatial=not temporal, temporal=temporal
    )


def _adapted_share(settings: FinetuneSettings, config: FineTunedConfig) -> float:
    """Of the weights of a layer, those with an adapter: their gradient is formed before it goes to the factors."""
    attention = sum(target != "mlp" for target in settings.lora.targets) * config.model_dim**2
    mlp = 2 * config.model_dim * config.mlp_dim
    adapted = attention + ("mlp" in settings.lora.targets) * mlp
    return adapted / (4 * config.model_dim**2 + mlp)
