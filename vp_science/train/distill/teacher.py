"""The frozen teacher: it sees whole clips and says what the student should predict."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vp_science.checkpoints.layout import make_abstract_encoder
from vp_science.encoder.classifier import VideoClassifier
from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.family import VideoModel
from vp_science.encoder.precision import Precision
from vp_science.encoder.video_text import VideoTextModel
from vp_science.train.functional import Params, Skeleton, split_model

# Parts of a model that have no say in what it makes of a clip.
_SILENT = ("text_encoder", "projection")


class Targets(NamedTuple):
    """What the teacher says of clips.

    Attributes:
        tokens: frame after frame.
        clip: one vector for the whole clip.
    """

    tokens: Float[Array, "b p d"]
    clip: Float[Array, "b d"]


@dataclass(frozen=True, eq=False)
class Teacher:
    """A teacher without its weights.

    Attributes:
        config: sizes.
        skeleton: of the model, without parts that have no say.
    """

    config: EncoderConfig
    skeleton: Skeleton

    def teach(self, params: Params, video: Float[Array, "b t h w 3"], valid: Bool[Array, "b t"]) -> Targets:
        """What the student should predict; no gradient passes.

        Args:
            params: of the teacher.
            video: RGB in [0, 1], whole clips.
            valid: False marks frames that are not there; they influence nothing.
        """
        model = self.skeleton.bind(jax.lax.stop_gradient(params))
        b, t = valid.shape
        frames = video.reshape(b * t, *video.shape[2:])
        spatial = model.spatial(frames, valid.reshape(b * t))
        tokens = model.temporal(spatial.reshape(b, t, *spatial.shape[1:]), valid)
        clip = _clip_vector(model, tokens, valid)
        return jax.lax.stop_gradient(Targets(tokens.reshape(b, -1, tokens.shape[-1]), clip))


def make_teacher(config: EncoderConfig, precision: Precision) -> Teacher:
    """A teacher of these sizes; nothing is allocated."""
    return Teacher(config, split_model(_without_silent(make_abstract_encoder(config, precision)))[0])


def teacher_params(model: VideoModel) -> Params:
    """What a teacher needs of a model."""
    return {name: part for name, part in split_model(model)[1].items() if name not in _SILENT}


def _without_silent(model: Any) -> Any:
    for name in _SILENT:
        if hasattr(model, name):
            delattr(model, name)
    return model


def _clip_vector(model: Any, tokens: Float[Array, "b t n d"], valid: Bool[Array, "b t"]) -> Float[Array, "b d"]:
    """What ``window_vectors`` gives, without frames that are not there."""
    if isinstance(model, VideoTextModel | VideoClassifier):
        pooled: Array = model.pool_clips(tokens, valid)
        return pooled
    share = valid / jnp.maximum(jnp.sum(valid, axis=1, keepdims=True), 1)
    return jnp.einsum("bt,btnd->bd", share, tokens, precision=jax.lax.Precision.HIGHEST) / tokens.shape[2]
