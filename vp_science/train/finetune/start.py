"""From settings to a stage and its batches: the encoder is loaded, labels are read, what is held out is chosen."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flax import nnx

from vp_science.encoder.config import EncoderConfig, FineTunedConfig
from vp_science.encoder.family import VideoModel
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.encoder.video import VideoEncoder
from vp_science.encoder.video_text import VideoTextModel
from vp_science.errors import SettingsError
from vp_science.probes.objective import Objective
from vp_science.timeline.behaviors import Behaviors
from vp_science.train.data.labels import find_behaviors
from vp_science.train.data.open import open_batches
from vp_science.train.data.request import BatchRequest
from vp_science.train.data.settings import SYNTHETIC, AugmentSettings, DataSettings, LoaderSettings
from vp_science.train.data.sources import open_item_of
from vp_science.train.finetune.finetune_stage import FinetuneStage, Task
from vp_science.train.finetune.holdout import Split, split_recordings, without_held_out
from vp_science.train.finetune.labelled import Labelled, read_labelled
from vp_science.train.finetune.measure import measure_features
from vp_science.train.finetune.parts import take_apart
from vp_science.train.finetune.settings import FinetuneSettings
from vp_science.train.functional import draw_params, split_model
from vp_science.train.memory import set_remat
from vp_science.train.stage import BatchStream
from vp_science.train.starting_model import find_starting_model

# Enough windows of drawn footage to know how often its behaviors happen.
_DRAWN_CLIPS = 128


def make_stage(settings: FinetuneSettings) -> FinetuneStage:
    """The stage that settings describe; reads weights and labels, and a few windows to measure features.

    Raises:
        SettingsError: when settings contradict each other, the model or the data.
        CheckpointError: when weights are not there and cannot be fetched.
        ProbeError: when there is nothing to learn.
        VPScienceError: when recordings or annotations cannot be read.
    """
    start = find_starting_model(settings.init)
    task = make_task(settings, start.config.patch_size)
    base = start.load(settings.loop.precision)
    encoder = video_encoder(base)
    config = readout_config(settings, encoder.config, task.objective.num_classes)
    model = new_model(config, encoder, settings.seed)
    model.info = base.info
    with_stream = _plain_stream(settings, task, config.patch_size)
    try:
        measure_features(model, with_stream)
    finally:
        with_stream.close()
    if settings.train != "readout":  # else the encoder has no gradient, and works as it does when it embeds
        set_remat(model.encoder, settings.loop.remat)
    return FinetuneStage(settings, config, base.info, task, take_apart(model, settings))


def new_model(config: FineTunedConfig, encoder: VideoEncoder, seed: int) -> FineTunedModel:
    """A model with this encoder and a readout of random weights."""

    def build() -> FineTunedModel:
        return FineTunedModel(config, compute_dtype=encoder.compute_dtype, rngs=nnx.Rngs(seed))

    skeleton = split_model(nnx.eval_shape(build))[0]
    readout = draw_params(build, without=("encoder",))
    model: FineTunedModel = skeleton.bind({**readout, "encoder": split_model(encoder)[1]})
    model.encoder = encoder
    return model


def make_stream(settings: FinetuneSettings, stage: FinetuneStage, **more: Any) -> BatchStream:
    """Labelled clips of everything that is not held out.

    Args:
        settings: of the run.
        stage: of the run.
        more: further fields of the ``BatchRequest``, such as ``host``.

    Raises:
        SettingsError: when recordings are not there or not usable.
    """
    return open_batches(_request(settings, stage.task, stage.config.patch_size, **more))


def make_task(settings: FinetuneSettings, patch_size: int) -> Task:
    """Behaviors, labels and what is held out; reads no weights.

    Raises:
        VPScienceError: when recordings or annotations cannot be read or do not belong together.
    """
    behaviors = find_behaviors(settings.data)
    if settings.labels.exclusive is not None:
        behaviors = behaviors.replaced(exclusive=settings.labels.exclusive)
    labelled = read_labelled(settings.data, behaviors, settings.clips.fps)
    split = split_recordings(labelled, settings.validation)
    states = [one.states for one in split.train]
    drawn = [one for one in settings.data if one.path == SYNTHETIC]
    if drawn:
        states.append(_drawn_states(settings, behaviors, drawn[0], patch_size))
    labels = settings.labels
    objective = Objective.of(
        behaviors, states, loss=labels.loss, weighting=labels.weighting, smoothing=labels.smoothing
    )
    return Task(behaviors, objective, split, _follow_facts(labelled, settings.data))


def readout_config(settings: FinetuneSettings, encoder: EncoderConfig, num_classes: int) -> FineTunedConfig:
    """Sizes of the fine-tuned model.

    Raises:
        SettingsError: when clips do not fit the encoder.
    """
    size, patch, readout = settings.clips.size, encoder.patch_size, settings.readout
    if size % patch:
        near = max(patch, size // patch * patch)
        raise SettingsError(
            f"clips.size: expected a multiple of the patch size {patch} (for example {near}), found {size}"
        )
    sizes = {name: getattr(encoder, name) for name in EncoderConfig.__dataclass_fields__}
    return FineTunedConfig(
        **sizes,
        readout=readout.kind,
        num_classes=num_classes,
        readout_width=readout.width,
        readout_heads=readout.heads,
        readout_layers=min(readout.layers, encoder.num_temporal_layers) if readout.kind == "mlap" else 1,
        num_queries=settings.clips.num_frames if readout.kind == "frames" else 1,
    )


def video_encoder(model: VideoModel) -> VideoEncoder:
    """The video encoder in any model."""
    if isinstance(model, VideoTextModel):
        return model.vision_encoder
    return model if isinstance(model, VideoEncoder) else model.encoder


def _request(settings: FinetuneSettings, task: Task, patch_size: int, **more: Any) -> BatchRequest:
    data = without_held_out(settings.data, task.split.held)
    return BatchRequest.of(settings, patch_size, data=data, behaviors=task.behaviors, **more)


def _plain_stream(settings: FinetuneSettings, task: Task, patch_size: int) -> BatchStream:
    """A few clips as they are, one by one, read in this process."""
    request = _request(settings, task, patch_size)
    still = AugmentSettings(flip=False, area=(1.0, 1.0), aspect=(1.0, 1.0001))
    return open_batches(replace(request, augment=still, loader=LoaderSettings(workers=0), batch_size=1))


def _drawn_states(settings: FinetuneSettings, behaviors: Behaviors, data: DataSettings, patch_size: int) -> Any:
    """Labels of synthetic clips."""
    import numpy as np

    task = Task(behaviors, Objective(behaviors.exclusive, len(behaviors), True, None, None), Split([], [], ""), None)
    request = _request(replace(settings, data=(data,)), task, patch_size)
    stream = open_batches(replace(request, loader=LoaderSettings(workers=0), batch_size=_DRAWN_CLIPS // 8))
    try:
        states = [next(stream)["states"] for _ in range(8)]
    finally:
        stream.close()
    return np.concatenate(states).reshape(-1, len(behaviors))


def _follow_facts(labelled: Sequence[Labelled], data: Sequence[DataSettings]) -> dict[str, Any] | None:
    """How pictures were cut around animals; None for whole frames.

    Raises:
        SettingsError: when data sets do it differently: one model is used in one way.
    """
    found: dict[int, Any] = {}
    for one in labelled:
        if one.source not in found:
            with open_item_of(one.item, data[one.source]) as recording:
                follow: Any = recording.source.get("follow")
            found[one.source] = None if follow is None else {key: follow[key] for key in ("settings", "turned")}
    facts = list(found.values())
    if any(other != facts[0] for other in facts[1:]):
        raise SettingsError(
            "data: expected all data sets with whole frames, or all with pictures cut around animals in the same way "
            "(poses, follow), found different ones: fine-tune a model for each"
        )
    return facts[0] if facts else None
