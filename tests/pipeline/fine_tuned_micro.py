"""Fine-tuned models small enough for tests: random numbers in place of a training, in every way to train."""

from dataclasses import fields
from typing import Any

import jax.numpy as jnp
import numpy as np
from pipeline_tools import SMALL

from vp_science.embedding.settings import EmbedSettings
from vp_science.encoder.config import EncoderConfig, FineTunedConfig
from vp_science.encoder.fine_tuned import FineTunedParts, encoder_shapes, matrix_shape, readout_shapes
from vp_science.encoder.video import VideoEncoder
from vp_science.probes.fine_tuned import fine_tuned_probe
from vp_science.probes.objective import Objective
from vp_science.probes.probe import Probe
from vp_science.recordings import Recording
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.video.preprocess import Preprocess

BEHAVIORS = Behaviors.of(["walk", "groom"], exclusive=True)
SETTINGS = EmbedSettings(fps=5.0, num_frames=4, stride=2, dtype="float32", preprocess=Preprocess(36, 36))
LEARNED = [{"recording": "m0", "subject": "", "labelled_s": 2.0, "bouts": {"walk": 3, "groom": 2}}]
SIZES: dict[str, dict[str, Any]] = {
    "frames": {"num_queries": 4},
    "attention": {},
    "mlap": {"readout_layers": 1},
}


def make_config(kind: str = "frames", num_classes: int = 3, encoder: EncoderConfig = SMALL) -> FineTunedConfig:
    sizes = {field.name: getattr(encoder, field.name) for field in fields(EncoderConfig)}
    return FineTunedConfig(
        **sizes, readout=kind, num_classes=num_classes, readout_width=8, readout_heads=2, **SIZES[kind]
    )


def make_parts(
    base: VideoEncoder, trained: str = "lora", kind: str = "frames", num_classes: int = 3, seed: int = 0
) -> FineTunedParts:
    """``trained``: ``readout``, ``lora``, ``top`` (the last layer of every stack) or ``full``."""
    rng = np.random.default_rng(seed)
    config, whole = make_config(kind, num_classes, base.config), encoder_shapes(base.config)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    readout = {name: draw(*shape) for name, shape in readout_shapes(config).items()}
    tensors, lora = {}, {}
    for name, shape in whole.items():
        if trained == "full":
            tensors[name] = draw(*shape)
        elif trained == "top" and "/x_layers/" in name:
            tensors[name] = draw(1, *shape[1:])
        elif trained == "lora" and name.endswith("self_attention/query/w"):
            inputs, outputs = matrix_shape(name, shape)
            lora[name] = (draw(shape[0], inputs, 2), draw(shape[0], 2, outputs))
    return FineTunedParts(config, base.info, readout, tensors, lora)


def make_probe(base: VideoEncoder, trained: str = "lora", kind: str = "frames", **more: Any) -> Probe:
    """A probe of ``walk`` and ``groom``, one at a time, with a background."""
    parts = make_parts(base, trained, kind, seed=more.pop("seed", 0))
    ones = np.ones(3, np.float32)
    objective = Objective(True, 2, True, ones / 3, ones)
    facts = {"recordings": LEARNED, "validation": "m1", "log": {"loss": 0.5}, "settings": {"steps": 10}}
    levels = more.pop("thresholds", np.array([0.4, 0.3], np.float32))
    return fine_tuned_probe(parts, BEHAVIORS, objective, levels, SETTINGS, facts, **more)


def logits_by_hand(recording: Recording, model: Any, settings: EmbedSettings = SETTINGS) -> np.ndarray:
    """Logits of every grid frame: every window through the whole model, each frame from the window it is central in."""
    grid = SampleGrid.from_timestamps(recording.time_s, settings.fps)
    windows = plan_windows(len(grid), settings.num_frames, settings.stride)
    frames = recording.decode(np.unique(grid.frame_index), settings.preprocess)
    pixels = {frame.frame_index: frame.pixels.astype(np.float32) / 255 for frame in frames}
    clips = np.stack([pixels[int(index)] for index in grid.frame_index])
    rows = np.zeros((len(grid), model.config.num_classes), np.float32)
    for window, (start, stop) in enumerate(zip(windows.start, windows.stop, strict=True)):
        logits = np.asarray(model(jnp.asarray(clips[start:stop][None])))[0]
        own = np.flatnonzero(windows.owner == window)
        rows[own] = logits[own - start]
    return rows
