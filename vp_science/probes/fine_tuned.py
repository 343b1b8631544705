"""Fine-tuned models as probes: made from what a training gives, and as the model that makes their tracks."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from vp_science.checkpoints.layout import fill_parameters, make_abstract_encoder
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import find_trained, where_to_put
from vp_science.checkpoints.registry import is_model_name
from vp_science.embedding.identity import checkpoint_identity, checkpoint_seed, identity_of
from vp_science.embedding.settings import EmbedSettings
from vp_science.encoder.classifier import VideoClassifier
from vp_science.encoder.family import VideoModel
from vp_science.encoder.fine_tuned import FineTunedModel, FineTunedParts, assemble, check_parts
from vp_science.encoder.precision import Precision, choose_precision
from vp_science.encoder.video import VideoEncoder
from vp_science.encoder.video_text import VideoTextModel
from vp_science.errors import CheckpointError, ProbeError
from vp_science.probes.fine_tuned_parts import base_identity, needs_base
from vp_science.probes.heads.fine_tuned import FineTunedHead
from vp_science.probes.objective import Objective
from vp_science.probes.probe import Probe
from vp_science.store.provenance import json_differences, plain_json
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.postprocess import PostProcess
from vp_science.typing import StrPath

PrecisionChoice = Literal["auto"] | Precision
HEAD = "fine-tuned"
_SOFTWARE = ("vp-science", "numpy", "jax", "flax", "optax")


def fine_tuned_probe(
    parts: FineTunedParts,
    behaviors: Behaviors,
    objective: Objective,
    thresholds: Float32[np.ndarray, " _"],
    track_settings: EmbedSettings,
    training: Mapping[str, Any],
    *,
    follow: Mapping[str, Any] | None = None,
    postprocess: PostProcess | None = None,
    name: str = HEAD,
    seed: int = 0,
) -> Probe:
    """A probe of a fine-tuned model; ``save_probe`` writes it, and it works wherever a probe does.

    Args:
        parts: what was trained, and what it stands on.
        behaviors: the catalogue, in the order of the states that it was trained on.
        objective: what it was trained for; gives the meaning of the logits.
        thresholds: above which a behavior counts as happening.
        track_settings: how recordings are cut into windows for it: rate, frames per window, stride, size and fit.
            ``spatial_pool`` must be 1; region and ``dtype`` do not matter.
        training: for the model card. Expected: ``recordings`` (a list of mappings with ``recording``, ``subject``,
            ``labelled_s`` and ``bouts``: number by behavior), ``validation`` (what chose the thresholds, in words),
            ``settings`` (of the run) and ``log`` (figures). What is missing is filled in as empty; others are kept.
        follow: for models of pictures cut around animals: ``settings`` and ``turned`` as the ``source`` of a followed
            recording says them.
        postprocess: rules from scores to states; None applies thresholds alone.
        name: first part of the id.
        seed: of the training.

    Raises:
        ProbeError: when the pieces do not belong together.
        CheckpointError: when tensors are missing, unexpected or misshapen.
    """
    check_parts(parts)
    levels = np.asarray(thresholds, np.float32)
    _check_pieces(behaviors, objective, levels, track_settings)
    probe = Probe(HEAD, exclusive=behaviors.exclusive, loss=objective.loss_name, name=name, random_state=seed)
    probe.set_params(label_smoothing=float(objective.smoothing))
    probe.behaviors_, probe.objective_ = behaviors, objective
    probe.thresholds_, probe.postprocess_ = levels, postprocess or PostProcess()
    probe.head_ = FineTunedHead(parts)
    probe.track_settings_ = plain_json(_track_settings(probe.head_, track_settings, follow), "track_settings")
    probe.head_.check(objective, probe.track_settings_)
    probe.training_ = plain_json(_training(parts, behaviors, training), "training")
    probe.evaluation_ = None
    return probe


def own_model(probe: Probe) -> FineTunedParts | None:
    """What the model of a fine-tuned probe is made of; None for probes on tracks of another model."""
    head = getattr(probe, "head_", None)
    return head.parts if isinstance(head, FineTunedHead) else None


def load_base(
    parts: FineTunedParts,
    *,
    model: StrPath | None = None,
    weights: StrPath | None = None,
    precision: PrecisionChoice = "auto",
    offline: bool = False,
) -> VideoModel:
    """The model that a fine-tuned one stands on: by its name, or from where the user says it is.

    Raises:
        CheckpointError: when it cannot be had.
        SettingsError: when the user names a model that there is not.
    """
    name, config = parts.base.name, parts.config.encoder
    if model is not None:
        return load_encoder(model, weights, precision, offline=offline)
    if weights is not None:
        return load_encoder(name if is_model_name(name) else config, weights, precision, offline=offline)
    seed = checkpoint_seed(base_identity(parts))
    if seed is not None:
        return load_encoder(name if is_model_name(name) else config, None, precision, seed=seed)
    if not is_model_name(name):  # a name in a bundle is never taken for a path
        trained = find_trained(base_identity(parts))
        if trained is None:
            raise CheckpointError(
                f"this fine-tuned model stands on another: {where_to_put(name, base_identity(parts))}"
            )
        return load_encoder(trained, None, precision)
    return load_encoder(name, None, precision, offline=offline)


def build_model(head: FineTunedHead, base: VideoModel | None, precision: PrecisionChoice = "auto") -> FineTunedModel:
    """The model of a fine-tuned probe.

    Args:
        head: of the probe.
        base: what it stands on, as ``load_base`` gives it; None where every parameter was trained.
        precision: operand type of matrix products, where there is no base to take it from.

    Raises:
        ProbeError: when the base is missing, or another one than that of the training.
    """
    parts = head.parts
    if not needs_base(parts):
        chosen, reason = choose_precision() if precision == "auto" else (precision, f"{precision}: asked for")
        encoder = make_abstract_encoder(parts.config.encoder, chosen)
        fill_parameters(encoder, {f"params/{name}": values for name, values in parts.tensors.items()})
        assert isinstance(encoder, VideoEncoder)
    elif base is None:
        raise ProbeError(f"expected the weights of {parts.base.name}, found none: give them (--model, --weights)")
    else:
        encoder, chosen, reason = _video_encoder(base), base.info.precision, base.info.precision_reason
        _check_base(parts, base, encoder)
    model = assemble(parts, encoder)
    model.info = replace(head.info, precision=chosen, precision_reason=reason)
    return model


def _video_encoder(base: VideoModel) -> VideoEncoder:
    """The video encoder inside a model."""
    if isinstance(base, VideoTextModel):
        return base.vision_encoder
    return base.encoder if isinstance(base, VideoClassifier | FineTunedModel) else base


def _check_base(parts: FineTunedParts, base: VideoModel, encoder: VideoEncoder) -> None:
    wanted = {"checkpoint": base_identity(parts), "encoder_config": parts.config.encoder.to_json()}
    found = {"checkpoint": checkpoint_identity(base), "encoder_config": encoder.config.to_json()}
    if differences := json_differences(wanted, found):
        shown = "; ".join(differences).replace(" here,", " in its training,").replace(" in the file", " now")
        raise ProbeError(
            f"this fine-tuned model stands on {parts.base.name}, found {base.info.name} that is another one: {shown}. "
            "Give the weights that it was trained from (--model, --weights)"
        )


def _check_pieces(
    behaviors: Behaviors,
    objective: Objective,
    thresholds: Float32[np.ndarray, " _"],
    settings: EmbedSettings,
) -> None:
    if objective.num_behaviors != len(behaviors) or objective.exclusive != behaviors.exclusive:
        raise ProbeError(
            f"expected an objective for {len(behaviors)} behaviors, found one for {objective.num_behaviors}"
        )
    if thresholds.shape != (len(behaviors),):
        raise ProbeError(f"expected {len(behaviors)} thresholds, found {thresholds.shape}")
    if not np.isfinite(thresholds).all():
        raise ProbeError(f"expected thresholds that are numbers, found {thresholds}")
    if settings.spatial_pool != 1:
        raise ProbeError(f"spatial_pool: expected 1 for a fine-tuned model, found {settings.spatial_pool}")


def _track_settings(head: FineTunedHead, settings: EmbedSettings, follow: Mapping[str, Any] | None) -> dict[str, Any]:
    """What ``probes.tracks.track_settings`` will say of the tracks of this model."""
    preprocess = {name: value for name, value in settings.preprocess.to_json().items() if name != "crop"}
    return {
        "model": head.info.name,
        "checkpoint": identity_of(head.info),
        "encoder_config": head.parts.config.to_json(),
        "preprocess": preprocess,
        "sample_fps": None if settings.fps is None else float(settings.fps),
        "num_frames": settings.num_frames,
        "stride": settings.stride,
        "spatial_pool": 1,
        "follow": None if follow is None else {"settings": follow["settings"], "turned": follow["turned"]},
    }


def _training(parts: FineTunedParts, behaviors: Behaviors, training: Mapping[str, Any]) -> dict[str, Any]:
    facts = {
        "recordings": [],
        "validation": "nothing: thresholds are those that were given",
        "log": {},
        "settings": {},
        "software": {package: version(package) for package in _SOFTWARE},
        "base": {"model": parts.base.name, "checkpoint": base_identity(parts)},
        **training,
    }
    learned = {name: sum(entry["bouts"].get(name, 0) for entry in facts["recordings"]) for name in behaviors.names}
    facts["behaviors_without_examples"] = [name for name, count in learned.items() if not count]
    facts["untrained_encoder"] = parts.base.untrained and needs_base(parts)
    return facts
