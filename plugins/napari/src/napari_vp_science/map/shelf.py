"""The maps of a session on disk: found, opened and compared with the tracks, in threads."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qtpy.QtCore import QObject, Signal

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.state import PanelState


@dataclass(frozen=True, eq=False)
class Shelved:
    """A map that was opened.

    Attributes:
        points: beside the recordings of the session.
        written: when the file was written, in seconds since the epoch.
    """

    points: "vp.sessions.MapPoints"
    written: float


class MapShelf(QObject):
    """Which map there is of all recordings or of one; what comes late, after another choice, is dropped.

    Attributes:
        recording: whose map it is; None for all recordings.
        status: how the map and the tracks fit together; None while that is not known.
    """

    found = Signal(object)
    """A ``Shelved``, or None: there is no map."""
    compared = Signal()
    """``status`` is new."""
    failed = Signal(str)

    def __init__(self, state: PanelState, background: Background) -> None:
        super().__init__(background)
        self._state, self._background = state, background
        self._turn = 0
        self._shelved: Shelved | None = None
        self.recording: str | None = None
        self.status: vp.sessions.MapStatus | None = None

    @property
    def path(self) -> Path:
        """Where the map lies or will lie."""
        assert self._state.session is not None
        return vp.sessions.map_path(self._state.session.folder, self.recording)

    @property
    def preview(self) -> Path:
        """Where its principal components lie while it is made."""
        assert self._state.session is not None
        return vp.sessions.preview_path(self._state.session.folder, self.recording)

    def choose(self, recording: str | None) -> None:
        """The map of one recording, or of all."""
        self.recording = recording
        self.look()

    def look(self) -> None:
        """Open the map that there is; of one that was stopped, its principal components."""
        self._turn += 1
        self.status, self._shelved = None, None
        if self._state.session is None:
            self.found.emit(None)
            return
        self._open([self.path, self.preview])

    def load(self, path: Path) -> None:
        """Open this map."""
        self._turn += 1
        self.status = None
        self._open([path])

    def _open(self, paths: list[Path]) -> None:
        session, turn = self._state.session, self._turn
        assert session is not None
        recordings = [one.id for one in session.recordings]

        def read() -> Shelved | None:
            for path in paths:
                if path.is_file():
                    return Shelved(vp.sessions.load_map(path, recordings), path.stat().st_mtime)
            return None

        def done(shelved: Shelved | None) -> None:
            if turn == self._turn:
                self._shelved = shelved
                self.found.emit(shelved)
                self.compare()

        self._background.run(read, done, lambda text: self._failed(turn, text))

    def _failed(self, turn: int, text: str) -> None:
        if turn == self._turn:
            self._shelved = None
            self.found.emit(None)
            self.failed.emit(text)

    def compare(self) -> None:
        """Compare the map with the tracks that there are now."""
        session, shelved, turn, recording = self._state.session, self._shelved, self._turn, self.recording
        if session is None or shelved is None:
            return

        def read() -> "vp.sessions.MapStatus":
            tracks = vp.sessions.session_tracks(session, recording)
            return vp.sessions.compare_map(shelved.points.made, tracks, shelved.written)

        def done(status: "vp.sessions.MapStatus") -> None:
            if turn == self._turn:
                self.status = status
                self.compared.emit()

        self._background.run(read, done, self.failed.emit)

    def rename(self, points: "vp.sessions.MapPoints", names: Mapping[int, str]) -> None:
        """Name clusters, in the file, too."""
        turn = self._turn

        def write() -> Shelved:
            made = vp.maps.rename_clusters(points.made, names)
            vp.maps.save_map(made, points.path, overwrite=True)
            return Shelved(replace(points, made=made), points.path.stat().st_mtime)

        def done(shelved: Shelved) -> None:
            if turn == self._turn:
                self._shelved = shelved
                self.found.emit(shelved)

        self._background.run(write, done, self.failed.emit)
