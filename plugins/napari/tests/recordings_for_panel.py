"""Small recordings, sessions and a model for the pages of recordings and of embedding."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
from napari.components import ViewerModel
from napari_vp_science.state import PanelState

import vp_science as vp

WORKER = (
    sys.executable,
    "-c",
    f"import sys; sys.path.insert(0, {str(Path(__file__).parents[3] / 'tests' / 'sessions')!r})\n"
    "import session_embedding; session_embedding.shrink_models(setattr)\n"
    "from vp_science.sessions.worker import main; main()",
)
"""The worker process with a built-in model that is small."""


def write_long_video(path: Path, frames: int) -> Path:
    """A video of any length: a bar that wanders through grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            pixels = np.full((48, 64, 3), 100, np.uint8)
            pixels[:, number % 60 : number % 60 + 4] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def make_state(folder: Path, *names: str, frames: int = 40) -> PanelState:
    """A state with a session of small videos, and a viewer without a window."""
    state = PanelState(ViewerModel())
    session = vp.sessions.open_session(folder / "vp_science_session")
    for name in names:
        session.add(write_long_video(folder / f"{name}.mp4", frames))
    state.use_session(session)
    shown: list[tuple[str, float | None]] = []
    state.shower = lambda name, time_s: shown.append((name, time_s))
    state.shown_for_tests = shown  # type: ignore[attr-defined]
    return state


def show(state: PanelState, name: str, frames: int = 40, size: tuple[int, int] = (64, 48)) -> Any:
    """As if the stage showed a recording: an image layer of its size, times, a link."""
    width, height = size
    for layer in [layer for layer in state.viewer.layers if "vp_science" in layer.metadata]:
        state.viewer.layers.remove(layer)
    pixels = np.zeros((frames, height, width, 3), np.uint8)
    layer = state.viewer.add_image(pixels, rgb=True, name=name, metadata={"vp_science": {"path": name}})
    state.current, state.time_s = name, np.arange(frames) / 20
    state.recording_changed.emit(name)
    return layer


def event(**facts: Any) -> SimpleNamespace:
    """Something that happened to a layer."""
    return SimpleNamespace(**facts)
