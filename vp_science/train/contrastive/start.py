"""Where the weights of a contrastive training start: at random, at a model, or at parts of two."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from vp_science.checkpoints.layout import flatten_parameters
from vp_science.checkpoints.load import initialise, load_encoder
from vp_science.checkpoints.registry import PRESETS, find_model
from vp_science.encoder.config import EncoderConfig, VideoTextConfig
from vp_science.encoder.family import VideoModel
from vp_science.encoder.video import VideoEncoder
from vp_science.encoder.video_text import VideoTextModel
from vp_science.errors import CheckpointError, SettingsError
from vp_science.train.contrastive.settings import ContrastiveSettings
from vp_science.train.origin import Origin, find_origin

VIDEO = "params/vision_encoder/"


@dataclass(frozen=True)
class Start:
    """All that determines the first weights.

    Attributes:
        config: sizes of the model.
        seed: of the parts that start at random.
        whole: where everything that it has comes from; None starts at random.
        video: where the video encoder comes from instead.
    """

    config: VideoTextConfig
    seed: int
    whole: Origin | None
    video: Origin | None

    def read(self) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """The weights under their official names, and which parts of the model are random.

        Raises:
            CheckpointError: when the weights do not fit, or are others than when the training was set up.
        """
        tensors = initialise(self.config, self.seed)
        random = {name.split("/")[1] for name in tensors}
        for found in (self._read_whole(), self._read_video()):
            tensors |= found
            random -= {name.split("/")[1] for name in found}
        return tensors, tuple(sorted(random))

    def _read_whole(self) -> dict[str, np.ndarray]:
        origin = self.whole
        if origin is None:
            return {}
        if origin.config is not None:
            model = _load(origin, origin.config)
            return flatten_parameters(model) if isinstance(model, VideoTextModel) else _video_part(model)
        try:
            return flatten_parameters(_load(origin, self.config))
        except CheckpointError as error:
            alone = self._alone(origin)
            if alone is None:
                raise error
            return _video_part(alone)

    def _alone(self, origin: Origin) -> VideoModel | None:
        """The model of a file that has no text encoder; None when it is something else."""
        try:
            model = _load(origin, self.config.encoder)
        except CheckpointError:
            return None
        # A video-text model whose other parts do not fit is an error, not a video encoder.
        return None if "video-text" in model.info.source else model

    def _read_video(self) -> dict[str, np.ndarray]:
        if self.video is None:
            return {}
        return _video_part(_load(self.video, self.video.config or self.config.encoder))


def find_start(settings: ContrastiveSettings) -> Start:
    """Sizes and origins; reads no weights but hashes files.

    Raises:
        SettingsError: when names are unknown, or the sizes that were asked for are not those of the origins.
        CheckpointError: when weights are not there and cannot be fetched.
    """
    whole = find_origin(settings.init) if settings.init else None
    video = find_origin(settings.video_init) if settings.video_init else None
    config = _choose_sizes(settings, whole, video)
    for key, origin in (("init", whole), ("video_init", video)):
        if origin is not None and origin.config is not None:
            _compare(key, origin.name, origin.config, config)
    return Start(config, settings.seed, whole, video)


def _choose_sizes(settings: ContrastiveSettings, whole: Origin | None, video: Origin | None) -> VideoTextConfig:
    if isinstance(settings.model, VideoTextConfig):
        return settings.model
    if settings.model is not None:
        return with_text(find_model(settings.model).config)
    known = [origin.config for origin in (whole, video) if origin is not None and origin.config is not None]
    return with_text(known[0] if known else find_model("videoprism-lvt-base").config)


def with_text(config: EncoderConfig) -> VideoTextConfig:
    """The video-text model around a video encoder: the named one, or one with the usual text side."""
    if isinstance(config, VideoTextConfig):
        return config
    encoder: EncoderConfig = getattr(config, "encoder", config)
    for spec in PRESETS.values():
        if isinstance(spec.config, VideoTextConfig) and spec.config.encoder == encoder:
            return spec.config
    return VideoTextConfig(**{field.name: getattr(encoder, field.name) for field in fields(EncoderConfig)})


def _compare(key: str, name: str, found: EncoderConfig, wanted: VideoTextConfig) -> None:
    whole = key == "init" and isinstance(found, VideoTextConfig)
    mine = wanted if whole else wanted.encoder
    theirs = found if whole else with_text(found).encoder
    differing = [
        f"{field.name} {getattr(theirs, field.name)} (model: {getattr(mine, field.name)})"
        for field in fields(mine)
        if getattr(theirs, field.name) != getattr(mine, field.name)
    ]
    if differing:
        raise SettingsError(
            f"{key}: expected weights of the sizes of the model, found {name} with {', '.join(differing)}: leave out "
            "model, or start from another one"
        )


def _load(origin: Origin, config: EncoderConfig) -> VideoModel:
    model = load_encoder(origin.given, precision="float32") if origin.config else load_encoder(config, origin.given)
    origin.check(model)
    return model


def _video_part(model: VideoModel) -> dict[str, np.ndarray]:
    """The video encoder of any model, under the names that it has in a video-text model."""
    encoder: VideoEncoder
    if isinstance(model, VideoTextModel):
        encoder = model.vision_encoder
    else:
        encoder = model if isinstance(model, VideoEncoder) else model.encoder
    return {VIDEO + name.removeprefix("params/"): values for name, values in flatten_parameters(encoder).items()}


def describe_origins(start: Start) -> Mapping[str, str]:
    """Names and hashes of what a training started from; no paths."""
    origins = {"init": start.whole, "video_init": start.video}
    return {key: f"{origin.name} ({origin.checkpoint})" for key, origin in origins.items() if origin is not None}
