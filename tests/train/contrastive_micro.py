"""A video-text model that compiles quickly, and clips with captions that can be told apart."""

import numpy as np

from vp_science.encoder.config import VideoTextConfig
from vp_science.train.contrastive import ContrastiveSettings, make_stage
from vp_science.train.data.settings import ClipSettings
from vp_science.train.settings import LoopSettings

# Programs that run once or twice need no optimising; that takes most of the time of compiling.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}

MICRO = VideoTextConfig(
    patch_size=6,
    pos_emb_shape=(4, 3, 3),
    model_dim=16,
    num_spatial_layers=2,
    num_temporal_layers=2,
    num_heads=2,
    mlp_dim=32,
    num_auxiliary_layers=1,
    num_unimodal_layers=2,
    vocabulary_size=32,
)


def micro_stage(batch_size=8, accumulation=1, **settings):
    loop = LoopSettings(batch_size=batch_size, accumulation=accumulation, precision="float32")
    settings = {"model": MICRO, "clips": ClipSettings(4, 18), "loop": loop} | settings
    return make_stage(ContrastiveSettings(**settings))


def micro_batch(clips, seed=0):
    """Noise on clips of different colours, and captions of three to five pieces."""
    rng = np.random.default_rng(seed)
    color = rng.integers(40, 216, (clips, 1, 1, 1, 3))
    video = np.clip(color + rng.integers(-40, 40, (clips, 4, 18, 18, 3)), 0, 255).astype(np.uint8)
    text_valid = np.arange(5) < rng.integers(3, 6, clips)[:, None]
    text = np.where(text_valid, rng.integers(1, 32, (clips, 5)), 0).astype(np.int32)
    return {"video": video, "text": text, "text_valid": text_valid, "valid": np.ones((clips, 4), bool)}
