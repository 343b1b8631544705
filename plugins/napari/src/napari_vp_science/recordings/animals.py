"""Animals of the recording on screen: who is in its pose file, and rectangles that follow them through the video."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QTimer

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.state import PanelState

if TYPE_CHECKING:
    from napari.layers import Shapes

LAYER = "Pictures around animals"
_COLORS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#0072b2", "#d55e00")
"""Of Okabe and Ito; names are written beside."""
_STEP_MS = 30


class CropOverlay:
    """A layer with a rectangle around every animal, which moves with the video.

    Args:
        state: the viewer, and the frame that is shown.
        background: computes where pictures would be cut.
    """

    def __init__(self, state: PanelState, background: Background) -> None:
        self._state, self._background = state, background
        self._outlines: Mapping[str, np.ndarray] = {}
        self._layer: Shapes | None = None
        self._link: Any = None
        self._asked = 0
        self._step = QTimer(background)
        self._step.setSingleShot(True)
        self._step.setInterval(_STEP_MS)
        self._step.timeout.connect(self._draw)
        state.viewer.layers.events.removed.connect(self._removed)

    @property
    def layer(self) -> "Shapes | None":
        """The layer, None while there is none."""
        return self._layer

    def show(self, poses: Path, video: str, follow: dict[str, Any], subjects: list[str] | None) -> None:
        """Show where pictures around the animals of the present recording would be cut."""
        self._asked += 1
        asked, times, size = self._asked, self._state.time_s, frame_size(self._state)
        if size is None or not len(times):
            return

        def work() -> Mapping[str, np.ndarray]:
            return vp.sessions.crop_outlines(poses, times, size, vp.FollowSettings(**follow), subjects, video)

        def done(outlines: Mapping[str, np.ndarray]) -> None:
            if asked == self._asked:
                self._outlines = outlines
                self._follow_link()
                self._draw()

        self._background.run(work, done, self._state.message.emit)

    def hide(self) -> None:
        """Take the layer away."""
        self._asked += 1
        self._outlines = {}
        self._step.stop()
        layer, self._layer = self._layer, None
        if layer is not None and layer in self._state.viewer.layers:
            self._state.viewer.layers.remove(layer)

    def close(self) -> None:
        """Take the layer away and stop listening."""
        self.hide()
        self._state.viewer.layers.events.removed.disconnect(self._removed)
        if self._link is not None:
            self._link.moved.disconnect(self._moved)
            self._link = None

    def _follow_link(self) -> None:
        if self._link is not self._state.link:
            if self._link is not None:
                self._link.moved.disconnect(self._moved)
            self._link = self._state.link
            if self._link is not None:
                self._link.moved.connect(self._moved)

    def _moved(self, *_: Any) -> None:
        if self._outlines and not self._step.isActive():
            self._step.start()

    def _draw(self) -> None:
        """Rectangles of the present frame; nobody is drawn where it was not seen."""
        if not self._outlines:
            return
        frame = 0 if self._state.link is None else self._state.link.frame
        there = {
            name: corners[frame]
            for name, corners in self._outlines.items()
            if frame < len(corners) and np.isfinite(corners[frame]).all()
        }
        names = list(self._outlines)
        colors = [_COLORS[names.index(name) % len(_COLORS)] for name in there]
        if self._layer is None:
            active = self._state.viewer.layers.selection.active
            self._layer = self._state.viewer.add_shapes(
                None, ndim=2, name=LAYER, face_color="#00000000",
                text={"string": "{name}", "anchor": "upper_left", "size": 9, "color": "white"},
                features={"name": np.array([], object)},
            )  # fmt: skip
            self._layer.editable = False
            self._state.viewer.layers.selection.active = active
        self._layer.data = []
        if there:
            self._layer.feature_defaults = {"name": next(iter(there))}
            width = max(1.0, max(frame_size(self._state) or (300, 300)) / 300)
            self._layer.add(
                list(there.values()), shape_type="polygon", edge_color=colors, face_color="#00000000", edge_width=width
            )
            self._layer.features = {"name": list(there)}

    def _removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._layer = None
            self._outlines = {}


def frame_size(state: PanelState) -> tuple[int, int] | None:
    """Width and height of the frames of the recording on screen; None when none is shown."""
    for layer in state.viewer.layers:
        if "vp_science" in layer.metadata and getattr(layer, "rgb", False):
            return int(layer.data.shape[-2]), int(layer.data.shape[-3])
    return None
