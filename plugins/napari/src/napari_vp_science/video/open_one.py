"""One recording that the stage holds open, and what it remembers of it."""

from typing import Any

from psygnal import Signal

from napari_vp_science.video.decoder import Decoder


class OpenOne:
    """A recording that is open, or being opened.

    Attributes:
        told: what its decoder tells: this object, a word (``opened``, ``failed``, ``progress``, ``measured``), a fact.
        decoder: its decoder.
        frame: the frame at which it was left.
        wanted_s: the time to show once it is open; None for the frame at which it was left.
        told_slow: that jumps take long was said already.
        adopted: the layer that the reader made for it.
    """

    told = Signal(object, str, object)

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.frame = 0
        self.wanted_s: float | None = None
        self.told_slow = False
        self.adopted: Any = None
        # Methods, not functions: those are held weakly, so that a decoder can be let go of.
        decoder.opened.connect(self._opened)
        decoder.failed.connect(self._failed)
        decoder.progress.connect(self._progress)
        decoder.measured.connect(self._measured)

    def _opened(self) -> None:
        self.told.emit(self, "opened", None)

    def _failed(self, words: str) -> None:
        self.told.emit(self, "failed", words)

    def _progress(self, share: float) -> None:
        self.told.emit(self, "progress", share)

    def _measured(self) -> None:
        self.told.emit(self, "measured", None)
