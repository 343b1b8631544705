"""All models that turn clips into tokens, by their configuration; and what tracks are made with."""

from flax import nnx

from vp_science.encoder.classifier import VideoClassifier
from vp_science.encoder.config import ClassifierConfig, EncoderConfig, FineTunedConfig, VideoTextConfig
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.encoder.video import ComputeDtype, VideoEncoder
from vp_science.encoder.video_text import VideoTextModel

VideoModel = VideoEncoder | VideoTextModel | VideoClassifier
"""They share ``config``, ``info``, the call (tokens), ``spatial``, ``temporal`` and ``window_vectors``."""

TrackModel = VideoModel | FineTunedModel
"""What tracks can be made with: tokens of frames, pooled; or, of a fine-tuned model, its logits of every frame."""


def build_model(config: EncoderConfig, *, compute_dtype: ComputeDtype = "float32", rngs: nnx.Rngs) -> VideoModel:
    """The model that a configuration describes, with random weights."""
    if isinstance(config, VideoTextConfig):
        return VideoTextModel(config, compute_dtype=compute_dtype, rngs=rngs)
    if isinstance(config, ClassifierConfig):
        return VideoClassifier(config, compute_dtype=compute_dtype, rngs=rngs)
    return VideoEncoder(config, compute_dtype=compute_dtype, rngs=rngs)


def track_width(config: EncoderConfig) -> int:
    """Numbers per row of a track that the model of a configuration makes."""
    return config.num_classes if isinstance(config, FineTunedConfig) else config.model_dim
