"""Small videos, a small model under a known name, and reporters that listen, stop or fail, for the embedding jobs."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vp_science.checkpoints import registry
from vp_science.encoder.config import EncoderConfig
from vp_science.sessions import embedding_job
from vp_science.sessions.worker import CancelledError, Reporter

SMALL = EncoderConfig(
    patch_size=18,
    pos_emb_shape=(4, 2, 2),
    model_dim=32,
    num_spatial_layers=1,
    num_temporal_layers=1,
    num_heads=2,
    mlp_dim=64,
)
SETTINGS = {"num_frames": 4, "stride": 2}


def shrink_models(set_attribute) -> None:
    """Make the built-in model small; ``set_attribute`` is ``monkeypatch.setattr`` or ``setattr``.

    Progress is told at every step: small work is over before a tenth of a second is.
    """
    from dataclasses import replace

    specs = tuple(
        replace(spec, config=SMALL, bundled=None, seed=0) if spec.name == "videoprism-tiny" else spec
        for spec in registry._SPECS
    )
    set_attribute(registry, "_SPECS", specs)
    set_attribute(embedding_job, "_TELL_EVERY_S", 0.0)
    embedding_job._load.cache_clear()


def write_video(path: Path, num_frames: int = 60, seed: int = 0, size: tuple[int, int] = (48, 36)) -> Path:
    """A lossless-enough MPEG-4 file of noise on a drifting ramp."""
    rng = np.random.default_rng(seed)
    width, height = size
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for index in range(num_frames):
            pixels = rng.integers(0, 120, (height, width, 3)) + (2 * index % 100)
            frame = av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_request(out: Path, *paths: Path, **changes) -> dict:
    recordings = changes.pop("recordings", None) or [{"id": path.stem, "path": str(path)} for path in paths]
    return {"out": str(out), "model": "videoprism-tiny", "recordings": recordings, **SETTINGS, **changes}


class Listener(Reporter):
    """Keeps what it is told; ``on`` may stop the job or look at the disk."""

    def __init__(self, on=lambda event: None):
        self.events: list[dict] = []
        self.on = on
        super().__init__(self._hear)

    def _hear(self, event):
        json.dumps(event, allow_nan=False)  # it must go through the pipe
        self.events.append(event)
        if self.on(event) == "cancel":
            self.control("cancel")

    def last(self, name):
        return next(event[name] for event in reversed(self.events) if name in event)


def start_worker(tmp_path: Path) -> subprocess.Popen:
    """A real worker process, whose built-in model is small."""
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import session_embedding; session_embedding.shrink_models(setattr)\n"
        "from vp_science.sessions.worker import main; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )


__all__ = ["CancelledError", "Listener", "make_request", "shrink_models", "start_worker", "write_video"]
