"""Shows recordings in the viewer: one Image layer, a decoder for each of the recordings shown lately."""

import importlib
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

import vp_science as vp
from napari_vp_science.state import PanelState
from napari_vp_science.video.decoder import Decoder
from napari_vp_science.video.desk import Opener
from napari_vp_science.video.feed import LayerFeed
from napari_vp_science.video.layer_data import LAYER_OPTIONS, LayerData
from napari_vp_science.video.link import TimeLink
from napari_vp_science.video.open_one import OpenOne
from napari_vp_science.video.playback import frame_at

MOST_OPEN = 4
"""Recordings that stay open; those shown longest ago are closed."""
SLOW_S = 0.3
_BACKGROUND_BYTES = 48 << 20
_CACHE_BYTES = 512 << 20


class Stage(QObject):
    """What is shown in the viewer.

    While a recording is being opened ``state.current`` is empty, so that nothing lands on the wrong one; a recording
    that is open already is shown at once, where it was left.

    Attributes:
        opened: a recording is shown; its id.
        failed: a recording cannot be opened, or one of its frames cannot be read: its id and why.
        slow: jumps in this recording take so many seconds: its id and the seconds.
        progress: how much of a recording is read while it is opened for the first time: its id and 0 to 1.
        link: the current frame.
    """

    opened = Signal(str)
    failed = Signal(str, str)
    slow = Signal(str, float)
    progress = Signal(str, float)

    def __init__(self, state: PanelState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = state
        self.link = TimeLink(state.viewer, self)
        self._open: OrderedDict[Path, OpenOne] = OrderedDict()
        self._leaving: list[Decoder] = []
        self._wanted: tuple[str, Path] | None = None
        self._layer: Any = None
        self._feed: LayerFeed | None = None
        state.viewer.layers.events.removed.connect(self._layer_removed)
        state.session_changed.connect(self._session_changed)
        threading.Thread(target=_load_ahead, name="vp-science-load-ahead", daemon=True).start()

    @property
    def layer(self) -> Any:
        """The Image layer; None before a recording was shown."""
        return self._layer

    @property
    def decoder(self) -> Decoder | None:
        """Of the recording that is shown or being opened; None for none."""
        known = None if self._wanted is None else self._open.get(self._wanted[1])
        return None if known is None else known.decoder

    # ---- showing

    def show(self, recording_id: str, path: Path) -> None:
        """Show a recording where it was left (the first time: at its start)."""
        self._show(recording_id, Path(path), None)

    def show_moment(self, recording_id: str, path: Path, time_s: float) -> None:
        """Show a recording at a time."""
        self._show(recording_id, Path(path), float(time_s))

    def can_adopt(self, layer: Any) -> bool:
        """Whether a layer was made by the reader of this plugin (and not by the stage itself)."""
        data = getattr(layer, "data", None)
        return isinstance(data, LayerData) and data.feed is not None and layer != self._layer

    def adopt(self, layer: Any) -> Path | None:
        """Take over a layer that the reader of this plugin made; the path of its recording, None for other layers.

        ``show`` with this path then uses the recording as it was opened by the reader.
        """
        data = getattr(layer, "data", None)
        if not isinstance(data, LayerData):
            return None
        path = data.decoder.path
        if layer is self._layer or data.feed is None:
            return path
        data.feed.take(layer)
        data.feed.alone = False
        if path in self._open:
            self._open[path].adopted = layer
        else:
            self._remember(path, data.decoder).adopted = layer
        if self._layer is None:
            self._layer, self._feed = layer, data.feed
        return path

    def reopen(self, path: Path) -> None:
        """Open a recording again: its file changed, or there is a copy for viewing now."""
        known = self._open.get(path.resolve())
        if known is None:
            return
        shown = self._wanted if self._is_shown(known) else None
        frame = self.link.frame if self.state.current and shown else known.frame
        if shown:
            self._leave()
            self._wanted = None
        self._let_go(self._open.pop(path.resolve()))
        if shown:
            self._show(*shown, None, frame)

    def clear(self) -> None:
        """Show nothing."""
        if self._layer is not None and self._layer in self.state.viewer.layers:
            self.state.viewer.layers.remove(self._layer)

    def close_view(self) -> None:
        """End the decoders; only that of the layer on screen stays as long as the layer does."""
        self.state.viewer.layers.events.removed.disconnect(self._layer_removed)
        self.state.session_changed.disconnect(self._session_changed)
        shown, self._wanted = self.decoder, None
        self.link.close_view()
        if self._feed is not None:
            self._feed.alone = True
        for known in self._open.values():
            if known.decoder is not shown:
                self._let_go(known)
            known.told.disconnect(self._told)
        self._open.clear()
        for decoder in self._leaving:
            decoder.close()
        self._leaving.clear()

    # ---- inside

    def _show(self, recording_id: str, path: Path, time_s: float | None, frame: int | None = None) -> None:
        path = path.resolve()
        if self._wanted == (recording_id, path) and self.state.current == recording_id:
            if time_s is not None:
                self.link.go_s(time_s)
            return
        self._leave()
        self._wanted = (recording_id, path)
        known = self._open.get(path)
        if known is not None and known.decoder.source is None and known.decoder.desk.error:
            self._let_go(self._open.pop(path))  # it could not be opened then; perhaps now
            known = None
        if known is not None and known.adopted is not None and vp.sessions.find_viewing_copy(path, self._cache()):
            self._let_go(self._open.pop(path))  # the reader knew nothing of the session's copy
            known = None
        if known is None:
            known = self._remember(path, Decoder(path, self._opener(path)))
        self._drop_adopted()
        self._open.move_to_end(path)
        known.wanted_s = time_s
        known.frame = known.frame if frame is None else frame
        if known.decoder.source is not None:
            self._present(recording_id, known)
            return
        self._draw(recording_id, known)
        self.state.recording_changed.emit("")
        self.progress.emit(recording_id, 0.0)

    def _opener(self, path: Path) -> Opener:
        folder = self._cache()
        return lambda watch: vp.sessions.open_viewing(path, folder, watch, _CACHE_BYTES)

    def _cache(self) -> Path | None:
        session = self.state.session
        return None if session is None else session.subfolder("cache")

    def _drop_adopted(self) -> None:
        """Layers that the reader made, beside the one that shows everything: their recordings are in the list now."""
        for known in self._open.values():
            layer, known.adopted = known.adopted, None
            if layer is None or layer is self._layer or layer not in self.state.viewer.layers:
                continue
            layer.data.feed.release()
            self.state.viewer.layers.remove(layer)

    def _remember(self, path: Path, decoder: Decoder) -> OpenOne:
        known = self._open[path] = OpenOne(decoder)
        known.told.connect(self._told)
        for old in list(self._open)[:-MOST_OPEN]:
            self._let_go(self._open.pop(old))
        return known

    def _let_go(self, known: OpenOne) -> None:
        known.decoder.stop()
        self._leaving = [decoder for decoder in self._leaving if not decoder.desk.join(0)]
        self._leaving.append(known.decoder)

    def _is_shown(self, known: OpenOne) -> bool:
        return self._wanted is not None and self._open.get(self._wanted[1]) is known

    def _leave(self) -> None:
        """The recording on screen is not the current one any more."""
        known = None if self._wanted is None else self._open.get(self._wanted[1])
        if known is not None and self.state.current:
            known.frame = self.link.frame
        if known is not None and known.decoder.source is not None:
            known.decoder.source.cache.most_bytes = _BACKGROUND_BYTES
        self.link.follow(None, None, np.zeros(0), 0)
        self.state.current, self.state.time_s = "", np.zeros(0)

    def _present(self, recording_id: str, known: OpenOne) -> None:
        source = known.decoder.source
        assert source is not None
        source.cache.most_bytes = _CACHE_BYTES
        before = None if self._layer is None else self._layer.data.shape[1:3]
        frame = known.frame if known.wanted_s is None else frame_at(source.time_s, known.wanted_s)
        known.wanted_s = None
        known.decoder.desk.ask(frame)
        self._draw(recording_id, known)
        self.link.follow(self._layer, known.decoder, source.time_s, frame)
        if before != (source.height, source.width):
            self.state.viewer.reset_view()
        self.state.current, self.state.time_s, self.state.link = recording_id, source.time_s, self.link
        self.state.recording_changed.emit(recording_id)
        self.opened.emit(recording_id)
        self._measured(known)

    def _draw(self, recording_id: str, known: OpenOne) -> None:
        """Let the layer show it; there is one from the first recording on."""
        decoder = known.decoder
        metadata = {"vp_science": {"path": str(decoder.path)}}
        if self._layer is None:
            data = LayerData(decoder)
            self._layer = self.state.viewer.add_image(data, name=recording_id, metadata=metadata, **LAYER_OPTIONS)
            self._feed = LayerFeed(self.state.viewer)
            self._feed.begin(data, self._layer)
            return
        assert self._feed is not None
        self._feed.show(decoder)
        self._layer.name, self._layer.metadata = recording_id, metadata

    def _told(self, known: OpenOne, word: str, fact: Any) -> None:
        """A decoder told something; only what concerns the recording on screen is passed on."""
        if self._wanted is None or not self._is_shown(known):
            return
        recording_id = self._wanted[0]
        if word == "opened" and not self.state.current:
            self._present(recording_id, known)
        elif word == "failed":
            self.failed.emit(recording_id, fact)
        elif word == "progress" and not self.state.current:
            self.progress.emit(recording_id, fact)
        elif word == "measured":
            self._measured(known)

    def _measured(self, known: OpenOne) -> None:
        source = known.decoder.source
        seconds = None if source is None else source.jump_s()
        if seconds is not None and seconds > SLOW_S and not known.told_slow and self._is_shown(known):
            known.told_slow = True
            assert self._wanted is not None
            self.slow.emit(self._wanted[0], seconds)

    def _layer_removed(self, event: Any) -> None:
        if event.value is not self._layer:
            return
        shown = self._wanted
        self._leave()
        self._layer, self._feed, self._wanted = None, None, None
        if shown is not None:
            known = self._open.pop(shown[1], None)  # its decoder ends with the layer
            if known is not None:
                self._let_go(known)
            self.state.recording_changed.emit("")

    def _session_changed(self) -> None:
        """What is shown belongs to the session; without it there is nothing to show."""
        session = self.state.session
        if self._wanted is not None and (session is None or self._wanted[0] not in session):
            self.clear()


def _load_ahead() -> None:
    """What napari loads when the first image layer is made: two seconds that nobody needs to wait for."""
    with suppress(ImportError):
        importlib.import_module("xarray")
