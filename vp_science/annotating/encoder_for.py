"""What makes the tracks of a probe, its encoder or its own model: loaded when a recording needs it, and checked."""

import threading
from dataclasses import dataclass, field
from typing import Any, Literal

from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import find_trained, where_to_put
from vp_science.checkpoints.registry import is_model_name
from vp_science.embedding.identity import checkpoint_identity, checkpoint_seed
from vp_science.embedding.settings import EmbedSettings, check_settings
from vp_science.encoder.config import read_config
from vp_science.encoder.family import TrackModel
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.errors import CheckpointError, ProbeError, SettingsError, VPScienceError
from vp_science.probes.fine_tuned import build_model, load_base
from vp_science.probes.fine_tuned_parts import needs_base
from vp_science.probes.heads.fine_tuned import FineTunedHead
from vp_science.probes.probe import Probe
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
        preprocess, fine_tuned = settings["preprocess"], "readout" in settings["encoder_config"]
        return EmbedSettings(
            fps=settings["sample_fps"],
            num_frames=settings["num_frames"],
            stride=settings["stride"],
            spatial_pool=settings["spatial_pool"],
            dtype="float32" if fine_tuned else "float16",  # a few logits need little room
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
    """Gives the encoder that fits a probe; of a fine-tuned probe, its own model.

    Attributes:
        settings: ``Probe.track_settings_``.
        own: the head of a fine-tuned probe; None for probes on tracks of an encoder. Of a fine-tuned probe, the
            following are about the encoder that it stands on.
        given: an encoder (or the fine-tuned model) that the caller has already.
        model: its name, or the folder of a training; None takes that of the probe.
        weights: a weights file instead of the released ones.
        precision: operand type of matrix products.
        offline: never download.
    """

    settings: dict[str, Any]
    own: FineTunedHead | None = None
    given: TrackModel | None = None
    model: StrPath | None = None
    weights: StrPath | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    offline: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _loaded: TrackModel | None = None
    _failed: VPScienceError | None = None

    @classmethod
    def of(cls, probe: Probe, **options: Any) -> "EncoderFor":
        """For a fitted probe; options are the other attributes."""
        head = probe.head_
        return cls(probe.track_settings_, head if isinstance(head, FineTunedHead) else None, **options)

    def get(self) -> TrackModel:
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
                    self._loaded = self._checked(self._load() if self.own is None else self._own_model(self.own))
                except VPScienceError as error:
                    self._failed = error
                    raise
            return self._loaded

    def _own_model(self, head: FineTunedHead) -> FineTunedModel:
        base = self.given
        if isinstance(base, FineTunedModel):
            return base
        if base is None and needs_base(head.parts):
            base = load_base(
                head.parts, model=self.model, weights=self.weights, precision=self.precision, offline=self.offline
            )
        return build_model(head, base, self.precision)

    def _load(self) -> TrackModel:
        if self.given is not None:
            return self.given
        if self.model is not None:
            return load_encoder(self.model, self.weights, self.precision, offline=self.offline)
        seed, name = checkpoint_seed(self.settings.get("checkpoint")), str(self.settings.get("model"))
        # A name that comes with a probe is never taken for a path.
        model = name if is_model_name(name) else read_config(self.settings["encoder_config"])
        if self.weights is not None:
            return load_encoder(model, self.weights, self.precision, offline=self.offline)
        if seed is None and not isinstance(model, str):
            checkpoint = str(self.settings.get("checkpoint"))
            trained = find_trained(checkpoint)
            if trained is None:
                raise CheckpointError(f"this probe reads tracks of another model: {where_to_put(name, checkpoint)}")
            return load_encoder(trained, None, self.precision)
        return load_encoder(model, None, self.precision, seed=seed, offline=self.offline)

    def _checked(self, encoder: TrackModel) -> TrackModel:
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
