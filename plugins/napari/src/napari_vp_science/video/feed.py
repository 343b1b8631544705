"""Keeps an Image layer up to date with its decoder, and ends the decoder with the layer."""

from typing import Any

from napari_vp_science.video.decoder import Decoder
from napari_vp_science.video.layer_data import LayerData


class LayerFeed:
    """Draws a layer again when a better picture for its current frame is ready.

    Args:
        viewer: that the layer is in, or will be in.
        alone: nobody else looks after the layer: errors are told in napari's own way, and a recording that cannot be
            opened takes its layer with it.
    """

    def __init__(self, viewer: Any, alone: bool = False) -> None:
        self.alone = alone
        self.layer: Any = None
        self.decoder: Decoder | None = None
        self._viewer = viewer
        self._awaited: LayerData | None = None
        viewer.layers.events.removed.connect(self._removed)

    def begin(self, data: LayerData, layer: Any = None) -> None:
        """Look after data that a layer shows; without one, after the layer that napari will make of them."""
        self._listen(data.decoder)
        data.feed = self
        self.layer = layer
        if layer is None:
            self._awaited = data
            self._viewer.layers.events.inserted.connect(self._inserted)

    def show(self, decoder: Decoder) -> None:
        """Let the layer show a recording (one that is still being opened: a grey picture until it is open)."""
        self.release()
        self._listen(decoder)
        self._put(LayerData(decoder, self.layer.data.shape[1:3]))

    def release(self) -> None:
        """Let go of the recording; the layer keeps its data."""
        decoder, self.decoder = self.decoder, None
        if decoder is not None:
            decoder.opened.disconnect(self._opened)
            decoder.pictured.disconnect(self._pictured)
            decoder.failed.disconnect(self._failed)

    def _listen(self, decoder: Decoder) -> None:
        self.decoder = decoder
        decoder.opened.connect(self._opened)
        decoder.pictured.connect(self._pictured)
        decoder.failed.connect(self._failed)

    def _put(self, data: LayerData) -> None:
        data.feed = self
        self.layer.data = data

    def _inserted(self, event: Any) -> None:
        if self._awaited is not None and event.value.data is self._awaited:
            self.take(event.value)

    def take(self, layer: Any) -> None:
        """This is the layer that was waited for."""
        if self.layer is None:
            self.layer, self._awaited = layer, None
            self._viewer.layers.events.inserted.disconnect(self._inserted)
            self._opened()

    def _opened(self) -> None:
        if self.decoder is None or self.layer is None or self.decoder.source is None:
            return
        data = LayerData(self.decoder)
        if data.shape != self.layer.data.shape:
            other_size = data.shape[1:] != self.layer.data.shape[1:]
            self._put(data)
            if self.alone and other_size:
                self._viewer.reset_view()

    def _pictured(self, frame: int, exact: bool) -> None:
        if self.decoder is None or self.layer is None or frame != self.decoder.desk.wanted:
            return
        drawn = self.decoder.on_screen
        if not (drawn.frame == frame and drawn.exact):
            self.layer.refresh(thumbnail=False, extent=False, highlight=False)

    def _failed(self, words: str) -> None:
        if not self.alone:
            return
        from napari.utils.notifications import show_error

        show_error(words)
        never_opened = self.decoder is not None and self.decoder.source is None
        if never_opened and self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

    def _removed(self, event: Any) -> None:
        if self.layer is None or event.value is not self.layer:
            return
        self._viewer.layers.events.removed.disconnect(self._removed)
        decoder = self.decoder
        self.release()
        if decoder is not None:
            decoder.stop()
