"""VideoPrism for scientists: recordings of animals in, embeddings out. ``import vp_science as vp``.

Names are loaded when they are first used: importing the package loads neither jax nor av.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vp_science.annotations.formats import read_annotations as read_annotations
    from vp_science.annotations.formats import write_annotations as write_annotations
    from vp_science.batch import EmbedResult as EmbedResult
    from vp_science.checkpoints.load import load_encoder as load_encoder
    from vp_science.checkpoints.save import save_weights as save_weights
    from vp_science.embedding import BatchError as BatchError
    from vp_science.embedding import embed as embed
    from vp_science.encoder.config import EncoderConfig as EncoderConfig
    from vp_science.encoder.video import VideoEncoder as VideoEncoder
    from vp_science.errors import VPScienceError as VPScienceError
    from vp_science.recordings import Recording as Recording
    from vp_science.samples import sample_recording as sample_recording
    from vp_science.store.reader import Embeddings as Embeddings
    from vp_science.store.reader import open_embeddings as open_embeddings
    from vp_science.timeline.annotations import Annotations as Annotations
    from vp_science.timeline.behaviors import Behaviors as Behaviors
    from vp_science.timeline.ethogram import Ethogram as Ethogram
    from vp_science.timeline.grid import SampleGrid as SampleGrid
    from vp_science.video.open import open_recording as open_recording
    from vp_science.video.preprocess import Preprocess as Preprocess

_HOME = {
    "Annotations": "vp_science.timeline.annotations",
    "Behaviors": "vp_science.timeline.behaviors",
    "Ethogram": "vp_science.timeline.ethogram",
    "read_annotations": "vp_science.annotations.formats",
    "write_annotations": "vp_science.annotations.formats",
    "BatchError": "vp_science.embedding",
    "EmbedResult": "vp_science.batch",
    "Embeddings": "vp_science.store.reader",
    "EncoderConfig": "vp_science.encoder.config",
    "Preprocess": "vp_science.video.preprocess",
    "Recording": "vp_science.recordings",
    "SampleGrid": "vp_science.timeline.grid",
    "VPScienceError": "vp_science.errors",
    "VideoEncoder": "vp_science.encoder.video",
    "embed": "vp_science.embedding",
    "load_encoder": "vp_science.checkpoints.load",
    "open_embeddings": "vp_science.store.reader",
    "open_recording": "vp_science.video.open",
    "sample_recording": "vp_science.samples",
    "save_weights": "vp_science.checkpoints.save",
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
