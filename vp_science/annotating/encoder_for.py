"""The encoder that a probe was trained with: loaded when the first recording needs it, and checked."""

import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from vp_science.checkpoints.load import load_encoder
from vp_science.embedding import EmbedSettings, check_settings, checkpoint_identity, checkpoint_seed
from vp_science.encoder.family import VideoModel
from vp_science.errors import ProbeError, SettingsError, VPScienceError
from vp_science.store.provenance import json_differences, plain_json
from vp_science.typing import StrPath
from vp_science.video.crop_path import FollowSettings
from vp_science.video.preprocess import Preprocess


def embed_settings(settings: dict[str, Any]) -> EmbedSettings:
    """How recordings must be embedded for a probe.

    Args:
        settings: ``Probe.track_settings_``.

    Raises:
        ProbeError: when they are not settings of this version.
    """
    try:
        preprocess = settings["preprocess"]
        return EmbedSettings(
            fps=settings["sample_fps"],
            num_frames=settings["num_frames"],
            stride=settings["stride"],
            spatial_pool=settings["spatial_pool"],
            preprocess=Preprocess(preprocess["height"], preprocess["width"], preprocess["fit"]),
        )
    except (KeyError, TypeError, SettingsError) as error:
        raise ProbeError(
            f"expected a probe that says how its recordings were embedded, found {settings!r} ({error}): train it again"
        ) from error


def follow_settings(settings: dict[str, Any]) -> FollowSettings | None:
    """How pictures around animals must be cut for a probe; None for one that looks at whole frames.

    Args:
        settings: ``Probe.track_settings_``.

    Raises:
        ProbeError: when they are not settings of this version.
    """
    follow = settings.get("follow")
    if not follow:
        return None
    try:
        given = dict(follow["settings"])
        axis = given.pop("axis")
        return FollowSettings(**given, axis=None if axis is None else (str(axis[0]), str(axis[1])))
    except (KeyError, TypeError, ValueError, IndexError, SettingsError) as error:
        raise ProbeError(
            f"expected a probe that says how pictures around animals were cut, found {follow!r} ({error}): train it "
            "again"
        ) from error


@dataclass(eq=False)
class EncoderFor:
    """Gives the encoder that fits a probe.

    Attributes:
        settings: ``Probe.track_settings_``.
        given: an encoder that the caller has already.
        model: its name; None takes that of the probe.
        weights: a weights file instead of the released ones.
        precision: operand type of matrix products.
        offline: never download.
    """

    settings: dict[str, Any]
    given: VideoModel | None = None
    model: str | None = None
    weights: StrPath | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    offline: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loaded: VideoModel | None = None
    _failed: VPScienceError | None = None

    def get(self) -> VideoModel:
        """The encoder; loaded once.

        Raises:
            ProbeError: when its weights are not those that the probe was trained with.
            CheckpointError: when the weights cannot be had.
            SettingsError: when the name is unknown.
        """
        with self._lock:
            if self._failed is not None:
                raise self._failed
            if self._loaded is None:
                try:
                    self._loaded = self._checked(self.given or self._load())
                except VPScienceError as error:
                    self._failed = error
                    raise
            return self._loaded

    def _load(self) -> VideoModel:
        seed = checkpoint_seed(self.settings.get("checkpoint"))
        if seed is not None and self.weights is None:
            return load_encoder(self._name, precision=self.precision, seed=seed, offline=self.offline)
        return load_encoder(self._name, self.weights, self.precision, offline=self.offline)

    @property
    def _name(self) -> str:
        return self.model or str(self.settings.get("model"))

    def _checked(self, encoder: VideoModel) -> VideoModel:
        facts = {
            "model": encoder.info.name,
            "checkpoint": checkpoint_identity(encoder),
            "encoder_config": encoder.config.to_json(),
        }
        found = plain_json(facts, "encoder")
        wanted = {name: self.settings.get(name) for name in found}
        if differences := json_differences(wanted, found):
            shown = "; ".join(differences).replace(" here,", " for the probe,").replace(" in the file", " here")
            raise ProbeError(
                f"this encoder is not the one that the probe was trained with: {shown}. Give the same weights "
                "(--model, --weights), or train a probe on tracks of these"
            )
        check_settings(embed_settings(self.settings), encoder)
        return encoder
