"""A fine-tuned model that compiles quickly, and clips whose labels can be seen in them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.encoder.info import ModelInfo
from vp_science.encoder.video import VideoEncoder
from vp_science.probes.objective import Objective
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings, LoaderSettings
from vp_science.train.finetune.finetune_stage import FinetuneStage, Task
from vp_science.train.finetune.holdout import Split
from vp_science.train.finetune.measure import measure_features
from vp_science.train.finetune.parts import take_apart
from vp_science.train.finetune.settings import FinetuneSettings, LabelSettings, ReadoutSettings
from vp_science.train.finetune.start import readout_config
from vp_science.train.settings import LoopSettings

MICRO = EncoderConfig(
    patch_size=6,
    pos_emb_shape=(4, 3, 3),
    model_dim=16,
    num_spatial_layers=2,
    num_temporal_layers=2,
    num_heads=2,
    mlp_dim=32,
)
BASE = ModelInfo("custom", "seed:0 (untrained)", True, "float32")
BEHAVIORS = Behaviors((Behavior("bright left"), Behavior("bright right")), exclusive=True)
FRAMES, SIZE = 4, 18


def micro_settings(**changes):
    settings = FinetuneSettings(
        init="videoprism-tiny",
        train="readout",
        data=(DataSettings("somewhere", annotations="labels.csv"),),
        clips=ClipSettings(FRAMES, SIZE),
        augment=AugmentSettings(flip=False, area=(1.0, 1.0)),
        loader=LoaderSettings(workers=0),
        readout=ReadoutSettings(kind="frames", width=8, heads=2, layers=2, dropout=0.0),
        labels=LabelSettings(smoothing=0.0),
        loop=LoopSettings(batch_size=8, precision="float32"),
    )
    return replace(settings, **changes)


def micro_batch(seed=0, clips=8, behaviors=2):
    """Noise; in some frames the left or the right third is bright, which is what the labels say."""
    rng = np.random.default_rng(seed)
    video = rng.integers(40, 120, (clips, FRAMES, SIZE, SIZE, 3)).astype(np.uint8)
    states = np.zeros((clips, FRAMES, behaviors), np.int8)
    first = rng.integers(0, FRAMES, clips)
    for clip in range(clips):
        side = clip % 3  # left, right, none
        frames = slice(first[clip], None)
        if side < 2:
            video[clip, frames, :, side * 12 : side * 12 + 6] += 120
            states[clip, frames, side] = 1
    return {"video": video, "valid": np.ones((clips, FRAMES), bool), "states": states}


def micro_objective(behaviors=BEHAVIORS, **more):
    states = micro_batch(1, 32)["states"].reshape(-1, 2)
    return Objective.of(behaviors, [states], **more)


def micro_encoder(config=MICRO):
    return VideoEncoder(config, rngs=nnx.Rngs(0))


def micro_stage(settings=None, encoder=None, behaviors=BEHAVIORS, split=None, **more):
    """A stage as ``make_stage`` puts it together, on an encoder and labels in memory."""
    settings = settings or micro_settings()
    encoder = encoder or micro_encoder()
    labels = settings.labels
    objective = micro_objective(behaviors, loss=labels.loss, weighting=labels.weighting, smoothing=labels.smoothing)
    config = readout_config(settings, encoder.config, objective.num_classes)
    model = FineTunedModel(config, rngs=nnx.Rngs(settings.seed))
    model.encoder, model.info = encoder, BASE
    measure_features(model, iter(micro_batch(seed) for seed in range(100)))
    task = Task(behaviors, objective, split or Split([], [], "nothing was held out"))
    return FinetuneStage(settings, config, BASE, task, take_apart(model, settings))


def on_device(batch):
    """The batch as a compiled step gets it."""
    return {name: jnp.asarray(value) for name, value in batch.items()}


def train_micro(stage, batch, steps=60, rate=1e-2):
    """Parameters after some steps of Adam, and the losses on the way."""
    params, frozen, batch = stage.init(), jax.tree.map(jnp.asarray, stage.frozen()), on_device(batch)
    optimizer = optax.adam(rate)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, key):
        (loss, metrics), gradient = stage.value_and_grad(params, frozen, batch, key)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, loss, metrics

    losses, metrics = [], {}
    for index in range(steps):
        params, state, loss, metrics = step(params, state, jax.random.key(index))
        losses.append(float(loss))
    return params, losses, {name: float(value) for name, value in metrics.items()}
