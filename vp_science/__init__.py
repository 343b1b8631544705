"""VideoPrism for scientists: recordings of animals in, embeddings and ethograms out. ``import vp_science as vp``.

Names are loaded when they are first used: importing the package loads neither jax nor av.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vp_science.annotating.run import annotate as annotate
    from vp_science.annotations.formats import read_annotations as read_annotations
    from vp_science.annotations.formats import write_annotations as write_annotations
    from vp_science.checkpoints.load import load_encoder as load_encoder
    from vp_science.checkpoints.save import save_weights as save_weights
    from vp_science.embedding import BatchError as BatchError
    from vp_science.embedding import embed as embed
    from vp_science.encoder.config import EncoderConfig as EncoderConfig
    from vp_science.encoder.video import VideoEncoder as VideoEncoder
    from vp_science.errors import VPScienceError as VPScienceError
    from vp_science.probes.bundle import load_probe as load_probe
    from vp_science.probes.bundle import save_probe as save_probe
    from vp_science.probes.evaluate import evaluate_probe as evaluate_probe
    from vp_science.probes.probe import Probe as Probe
    from vp_science.probes.samples import window_samples as window_samples
    from vp_science.recordings import Recording as Recording
    from vp_science.samples import sample_recording as sample_recording
    from vp_science.store.ethogram_reader import read_ethogram as read_ethogram
    from vp_science.store.reader import Embeddings as Embeddings
    from vp_science.store.reader import open_embeddings as open_embeddings
    from vp_science.text import text_scores as text_scores
    from vp_science.timeline.annotations import Annotations as Annotations
    from vp_science.timeline.behaviors import Behaviors as Behaviors
    from vp_science.timeline.ethogram import Ethogram as Ethogram
    from vp_science.timeline.postprocess import PostProcess as PostProcess
    from vp_science.video.crop_path import FollowSettings as FollowSettings
    from vp_science.video.open import open_recording as open_recording
    from vp_science.video.preprocess import Preprocess as Preprocess

_HOME = {
    "Annotations": "vp_science.timeline.annotations",
    "BatchError": "vp_science.embedding",
    "Behaviors": "vp_science.timeline.behaviors",
    "Embeddings": "vp_science.store.reader",
    "EncoderConfig": "vp_science.encoder.config",
    "Ethogram": "vp_science.timeline.ethogram",
    "FollowSettings": "vp_science.video.crop_path",
    "PostProcess": "vp_science.timeline.postprocess",
    "Preprocess": "vp_science.video.preprocess",
    "Probe": "vp_science.probes.probe",
    "Recording": "vp_science.recordings",
    "VPScienceError": "vp_science.errors",
    "VideoEncoder": "vp_science.encoder.video",
    "annotate": "vp_science.annotating.run",
    "embed": "vp_science.embedding",
    "evaluate_probe": "vp_science.probes.evaluate",
    "load_encoder": "vp_science.checkpoints.load",
    "load_probe": "vp_science.probes.bundle",
    "open_embeddings": "vp_science.store.reader",
    "open_recording": "vp_science.video.open",
    "read_annotations": "vp_science.annotations.formats",
    "read_ethogram": "vp_science.store.ethogram_reader",
    "sample_recording": "vp_science.samples",
    "save_probe": "vp_science.probes.bundle",
    "save_weights": "vp_science.checkpoints.save",
    "text_scores": "vp_science.text",
    "window_samples": "vp_science.probes.samples",
    "write_annotations": "vp_science.annotations.formats",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("vp-science")
    if name not in _HOME:
        raise AttributeError(f"module 'vp_science' has no attribute {name!r}: expected one of {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
