"""VideoPrism for scientists: recordings of animals in, embeddings and ethograms out. ``import vp_science as vp``.

Names are loaded when they are first used: importing the package loads neither jax nor av.
"""

from typing import TYPE_CHECKING, Any

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science import maps as maps
    from vp_science import plots as plots
    from vp_science import search as search
    from vp_science import sessions as sessions
    from vp_science import train as train
    from vp_science.annotating.run import annotate as annotate
    from vp_science.annotations.formats import read_annotations as read_annotations
    from vp_science.annotations.formats import write_annotations as write_annotations
    from vp_science.checkpoints.load import load_encoder as load_encoder
    from vp_science.embedding.outcome import BatchError as BatchError
    from vp_science.embedding.run import embed as embed
    from vp_science.encoder.config import EncoderConfig as EncoderConfig
    from vp_science.errors import VPScienceError as VPScienceError
    from vp_science.probes.bundle import load_probe as load_probe
    from vp_science.probes.bundle import save_probe as save_probe
    from vp_science.probes.evaluate import evaluate_probe as evaluate_probe
    from vp_science.probes.probe import Probe as Probe
    from vp_science.probes.samples import window_samples as window_samples
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
    "BatchError": "vp_science.embedding.outcome",
    "Behaviors": "vp_science.timeline.behaviors",
    "Embeddings": "vp_science.store.reader",
    "EncoderConfig": "vp_science.encoder.config",
    "Ethogram": "vp_science.timeline.ethogram",
    "FollowSettings": "vp_science.video.crop_path",
    "PostProcess": "vp_science.timeline.postprocess",
    "Preprocess": "vp_science.video.preprocess",
    "Probe": "vp_science.probes.probe",
    "VPScienceError": "vp_science.errors",
    "annotate": "vp_science.annotating.run",
    "embed": "vp_science.embedding.run",
    "evaluate_probe": "vp_science.probes.evaluate",
    "load_encoder": "vp_science.checkpoints.load",
    "load_probe": "vp_science.probes.bundle",
    "maps": "vp_science.maps",
    "open_embeddings": "vp_science.store.reader",
    "open_recording": "vp_science.video.open",
    "plots": "vp_science.plots",
    "read_annotations": "vp_science.annotations.formats",
    "read_ethogram": "vp_science.store.ethogram_reader",
    "sample_recording": "vp_science.samples",
    "save_probe": "vp_science.probes.bundle",
    "search": "vp_science.search",
    "sessions": "vp_science.sessions",
    "text_scores": "vp_science.text",
    "train": "vp_science.train",
    "window_samples": "vp_science.probes.samples",
    "write_annotations": "vp_science.annotations.formats",
}

__all__ = sorted(_HOME)

_load, _ = lazy_names(__name__, _HOME)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("vp-science")
    return _load(name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
