"""The array that napari's Image layer holds: a recording, frame by frame, that never makes the window wait."""

import sys
import threading
from typing import Any

import numpy as np

import vp_science as vp
from napari_vp_science.video.decoder import Decoder

LAYER_OPTIONS = {"rgb": True, "projection_mode": "none", "axis_labels": ("frame", "y", "x")}
"""How an Image layer shows a recording: one frame at a time, as it is."""

_NAPARI = "napari.layers."
_MOST_BYTES = 1 << 28
_BLANK = 40
"""Grey of a picture that is not there yet."""


class LayerData:
    """Frames [frame, y, x, 3] of a recording.

    napari's own drawing (in the window's thread) gets what is ready: the frame, or the nearest picture until it is
    decoded. Everybody else gets exactly the frames asked for and waits for them.

    Args:
        decoder: of the recording.
        provisional: height and width to show until the recording is open.
    """

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __init__(self, decoder: Decoder, provisional: tuple[int, int] = (480, 640)) -> None:
        self.decoder = decoder
        self.feed: Any = None  # what draws the layer again when more is ready; None: nobody would
        source = decoder.source
        size = provisional if source is None else (source.height, source.width)
        self.shape = (1 if source is None else source.num_frames, *size, 3)

    @property
    def size(self) -> int:
        """Numbers in the whole recording."""
        return int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        raise MemoryError(
            f"{self.decoder.path.name}: expected some of its frames to be asked for, found all {len(self)} "
            f"({self.size / 1e9:.1f} GB): take the frames that you need, such as data[0:10]"
        )

    def __getitem__(self, key: Any) -> np.ndarray:
        keys = key if isinstance(key, tuple) else (key,)
        if keys and keys[0] is Ellipsis:
            keys = (slice(None),) * (self.ndim - len(keys) + 1) + keys[1:]
        first, rest = keys[0], keys[1:]
        if np.ndim(first) == 0 and not isinstance(first, slice):
            frame = int(first) + (len(self) if first < 0 else 0)
            drawn_by = sys._getframe(1).f_globals.get("__name__", "")
            if self._is_drawing(drawn_by):
                return self._now(frame)[rest]
            if not 0 <= frame < len(self):
                raise IndexError(f"{self.decoder.path.name}: expected frames 0 to {len(self) - 1}, found {int(first)}")
            return self._exactly(frame)[rest]
        wanted = np.arange(len(self))[first]
        self._refuse_many(len(wanted))
        return np.stack([self._exactly(int(frame)) for frame in wanted])[(slice(None), *rest)]

    def _is_drawing(self, caller: str) -> bool:
        if not caller.startswith(_NAPARI):
            return False
        if self.decoder.source is None:
            return True
        return self.feed is not None and threading.current_thread() is threading.main_thread()

    def _now(self, frame: int) -> np.ndarray:
        picture = self.decoder.now(frame)
        shape = self.shape[1:]
        if picture is None or picture.pixels.shape != shape:
            return np.full(shape, _BLANK, np.uint8)
        return picture.pixels

    def _exactly(self, frame: int) -> np.ndarray:
        source = self.decoder.source
        if source is None:
            raise IndexError(f"{self.decoder.path.name}: expected an open recording, found it still being opened")
        picture = source.exact(frame)
        assert picture is not None
        return picture.pixels

    def _refuse_many(self, count: int) -> None:
        num_bytes = count * int(np.prod(self.shape[1:]))
        if num_bytes > _MOST_BYTES:
            raise vp.VPScienceError(
                f"{self.decoder.path.name}: expected at most {_MOST_BYTES >> 20} MiB of frames at a time, found "
                f"{count} frames ({num_bytes >> 20} MiB) asked for: show the recording in 2D with its frames along the "
                f"slider, or take fewer frames"
            )
