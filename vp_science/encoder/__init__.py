"""The models themselves: from pixels to tokens, vectors and texts; jax and flax only, no files.

``vp_science.load_encoder`` gives one with its weights.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.encoder.attention_maps import spatial_attention as spatial_attention
    from vp_science.encoder.attention_maps import temporal_attention as temporal_attention
    from vp_science.encoder.video import VideoEncoder as VideoEncoder

_HOME = {
    "VideoEncoder": "vp_science.encoder.video",
    "spatial_attention": "vp_science.encoder.attention_maps",
    "temporal_attention": "vp_science.encoder.attention_maps",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
