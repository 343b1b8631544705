"""Small recordings, sessions and a model for the pages of recordings and of embedding."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from footage_for_panel import write_video
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


def make_state(folder: Path, *names: str, frames: int = 40) -> PanelState:
    """A state with a session of small videos, and a viewer without a window."""
    state = PanelState(ViewerModel())
    session = vp.sessions.open_session(folder / "vp_science_session")
    for name in names:
        session.add(write_video(folder / f"{name}.mp4", frames))
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
