"""The part of the embed page about the region of interest."""

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.recordings.animals import frame_size
from napari_vp_science.recordings.region import Region, RegionLayer, region_words
from napari_vp_science.recordings.words import counted
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, button, heading, hint

_SETTING = "regions"
_NONE = "All of the frame is used. Draw a rectangle to look only at a part, such as one cage."


class RegionBox(QWidget):
    """Draw, show and remove the region of the recording on screen; regions are kept in the session.

    Attributes:
        changed: a region was set or removed.
    """

    changed = Signal()

    def __init__(self, state: PanelState, background: Background) -> None:
        super().__init__()
        self._state, self._background = state, background
        self._layer = RegionLayer(state.viewer, self._drawn, self)
        self.text = hint()
        self.draw_button = button("Draw region", "Draw a rectangle on the frame; move and resize it as you like")
        self.remove_button = button("Remove", "Use all of the frame again")
        self.all_button = button(
            "Use for all of this size", "Set this region for all recordings with frames of this size"
        )
        buttons = QHBoxLayout()
        buttons.addWidget(self.draw_button)
        buttons.addWidget(self.remove_button)
        buttons.addWidget(self.all_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(heading("Region of interest"))
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.draw_button.clicked.connect(lambda: self.draw())
        self.remove_button.clicked.connect(lambda: self.set_region(None))
        self.all_button.clicked.connect(lambda: self.use_for_all())
        self.recording_changed()

    def region_of(self, recording_id: str) -> Region | None:
        """The region of a recording, None for all of the frame."""
        known = self._regions().get(recording_id)
        if isinstance(known, list) and len(known) == 4 and all(type(number) is int for number in known):
            return known[0], known[1], known[2], known[3]
        return None

    def recording_changed(self) -> None:
        """Another recording is on screen: its rectangle is shown while one is shown at all."""
        region = self.region_of(self._state.current)
        if self._layer.layer is not None:
            size = frame_size(self._state)
            if region is not None and size is not None:
                self._layer.draw(size, region)
            else:
                self._layer.remove()
        self._tell(region)

    def draw(self) -> None:
        """Let people draw, or change, the region of the recording on screen."""
        size = frame_size(self._state)
        if size is None or not self._state.current:
            self._state.message.emit("Show a recording first: a region is drawn on its frame.")
            return
        self._layer.draw(size, self.region_of(self._state.current))
        self._state.message.emit("Draw a rectangle on the frame with the mouse.")

    def set_region(self, region: Region | None) -> None:
        """Set or remove the region of the recording on screen."""
        if region is None:
            self._layer.remove()
        self._keep({self._state.current: region})

    def use_for_all(self) -> None:
        """Set the region of this recording for all whose frames have the same size."""
        session, size, region = self._state.session, frame_size(self._state), self.region_of(self._state.current)
        if session is None or size is None or region is None:
            return
        paths = {one.id: one.path for one in session.recordings if one.path is not None}
        cache = session.folder / "cache" / "looks.json"

        def alike() -> list[str]:
            looks = vp.sessions.LookCache(cache)
            found = {name: looks.look(path) for name, path in paths.items()}
            return [name for name, look in found.items() if (look.width, look.height) == size]

        def done(names: list[str]) -> None:
            if self._state.session is session:
                self._keep(dict.fromkeys(names, region))
                self._state.message.emit(f"The region is set for {counted(len(names), 'recording')}.")

        self._background.run(alike, done, self._state.message.emit)

    def close_view(self) -> None:
        """Take the rectangle away."""
        self._layer.close()

    def _drawn(self, region: Region | None) -> None:
        self._keep({self._state.current: region})

    def _regions(self) -> dict[str, Any]:
        session = self._state.session
        known = {} if session is None else session.settings.get(_SETTING, {})
        return known if isinstance(known, dict) else {}

    def _keep(self, regions: dict[str, Region | None]) -> None:
        session = self._state.session
        if session is None:
            return
        known = self._regions() | {name: None if one is None else list(one) for name, one in regions.items()}
        session.settings[_SETTING] = {name: one for name, one in known.items() if one is not None}
        try:
            session.save()
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))
        self._tell(self.region_of(self._state.current))
        self.changed.emit()

    def _tell(self, region: Region | None) -> None:
        self.text.setText(_NONE if region is None else region_words(region))
        self.draw_button.setText("Draw region" if region is None else "Change")
        self.remove_button.setVisible(region is not None)
        self.all_button.setVisible(region is not None)
