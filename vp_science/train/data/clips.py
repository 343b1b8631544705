"""Reads clips: from a row of a data set to pixels and labels. Works in worker processes, and in this one."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int8, UInt8

from vp_science.errors import RecordingError
from vp_science.recordings import Recording
from vp_science.train.data.colors import jitter_colors
from vp_science.train.data.draw import Choice, choose_place, draw_clip, row_generator
from vp_science.train.data.footage import Footage
from vp_science.train.data.random_crop import Box, preprocess_of
from vp_science.train.data.settings import AugmentSettings, ClipSettings
from vp_science.train.data.sources import open_item_of
from vp_science.train.data.trivial import apply_trivial
from vp_science.train.data.windows import Window

_OPEN = 8
"""Recordings that a process keeps open."""

MOST_ATTEMPTS = 32
"""Damaged clips in a row before a data set counts as nothing but damage."""

Element = dict[str, Any]


@dataclass(eq=False)
class _Open:
    """An open recording, and the states of all its frames once they were needed."""

    recording: Recording
    states: Int8[np.ndarray, "frames c"] | None = None


@dataclass(eq=False)
class ClipReader:
    """Clips of one data set.

    Attributes:
        footage: the data set.
        source: its number in the configuration.
        clips: windows.
        augment: variation.
        seed: of everything random.
    """

    footage: Footage
    source: int
    clips: ClipSettings
    augment: AugmentSettings
    seed: int
    _open: "OrderedDict[int, _Open]" = field(default_factory=OrderedDict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Open files stay in their process."""
        return self.__dict__ | {"_open": OrderedDict()}

    def read(self, row: int) -> Element:
        """One clip; where it is damaged, another one that is drawn for the same row.

        Returns:
            ``video``, ``valid``, ``source``, ``row``, ``skipped`` (how many were damaged), ``damage`` (what was said of
            them), and as the data set has it ``states`` and ``caption``.

        Raises:
            RecordingError: when one after the other is damaged.
        """
        damage: list[tuple[str, str]] = []
        for attempt in range(MOST_ATTEMPTS):
            rng = row_generator(self.seed, self.source, row, "clip", attempt)
            choice = choose_place(self.footage, rng)
            try:
                element = self._clip(choice, row, attempt, rng)
            except RecordingError as error:
                self._forget(choice.item)
                damage.append((self.footage.items[choice.item].recording_id, str(error)))
                continue
            return element | {"skipped": np.int32(attempt), "damage": damage}
        names = sorted({name for name, _ in damage})
        raise RecordingError(
            f"{self.footage.data.path}: expected clips that decode, found {MOST_ATTEMPTS} damaged ones in a row "
            f"(in {', '.join(names[:5])}): repair these recordings or leave them out (exclude); the last one: "
            f"{damage[-1][1]}"
        )

    def _clip(self, choice: Choice, row: int, attempt: int, rng: np.random.Generator) -> Element:
        opened = self._opened(choice.item)
        if choice.stretch.stop > opened.recording.num_frames:
            raise RecordingError(f"{opened.recording.path}: expected the recording that was checked, found it changed")
        num_frames = 1 if self.footage.picture else self.clips.num_frames
        window, box = draw_clip(choice, opened.recording.time_s, self.clips, self.augment, num_frames, rng)
        video, there = self._pixels(opened.recording, window, box)
        pixels_rng = row_generator(self.seed, self.source, row, "pixels", attempt)
        element: Element = {
            "video": self._varied(video, pixels_rng),
            "valid": window.valid & there,
            "source": np.int32(self.source),
            "row": np.int64(row),
        }
        if self.footage.labels:
            states = self._states(opened, choice.item, window)
            element["states"] = np.where(element["valid"][:, None], states, np.int8(-1)).astype(np.int8)
        if self.footage.texts is not None:
            texts = self.footage.texts[choice.place]
            element["caption"] = texts[int(rng.integers(len(texts)))]
        return element

    def _pixels(
        self, recording: Recording, window: Window, box: Box
    ) -> tuple[UInt8[np.ndarray, "t h w 3"], Bool[np.ndarray, " t"]]:
        """The frames of a window, and where there is anything to see (a followed animal may be away)."""
        wanted, place = np.unique(window.frame_index, return_inverse=True)
        frames = np.zeros((len(wanted), self.clips.size, self.clips.size, 3), np.uint8)
        there = np.zeros(len(wanted), bool)
        for number, frame in enumerate(recording.decode(wanted, preprocess_of(self.clips, box))):
            if frame.damaged:
                raise RecordingError(
                    f"{recording.path}: expected frame {frame.frame_index} to decode, found it damaged"
                )
            frames[number], there[number] = frame.pixels, frame.shown_index >= 0
        return frames[place], there[place]

    def _varied(self, video: UInt8[np.ndarray, "t h w 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "t h w 3"]:
        if self.augment.flip and rng.integers(2):
            video = video[:, :, ::-1]
        if self.augment.color > 0:
            video = jitter_colors(video, self.augment.color, rng)
        if self.augment.trivial:
            video = apply_trivial(video, rng)
        return np.ascontiguousarray(video)

    def _states(self, opened: _Open, item: int, window: Window) -> Int8[np.ndarray, "t c"]:
        label = self.footage.labels[item]
        assert label is not None
        if self.clips.fps is None and self.clips.cover == "window":
            if opened.states is None:
                opened.states = label.states(np.asarray(opened.recording.time_s))
            return np.asarray(opened.states[window.frame_index])
        return label.states_of_clip(window.time_s)

    def _opened(self, item: int) -> _Open:
        if item not in self._open:
            while len(self._open) >= _OPEN:
                self._forget(next(iter(self._open)))
            self._open[item] = _Open(open_item_of(self.footage.items[item], self.footage.data))
        self._open.move_to_end(item)
        return self._open[item]

    def _forget(self, item: int) -> None:
        opened = self._open.pop(item, None)
        if opened is not None:
            opened.recording.close()

    def close(self) -> None:
        """Close all recordings."""
        for item in list(self._open):
            self._forget(item)
