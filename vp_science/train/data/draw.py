"""Which clip a row is: a function of the seed and the row, so that streams have no end and no memory."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from vp_science.train.data.footage import Footage, Spans
from vp_science.train.data.random_crop import Box, draw_box
from vp_science.train.data.settings import AugmentSettings, ClipSettings
from vp_science.train.data.windows import Stretch, Window, draw_window

_PURPOSES = {"clip": 0, "pixels": 1, "mixup": 2}


def row_generator(seed: int, source: int, row: int, purpose: str, attempt: int = 0) -> np.random.Generator:
    """Random numbers of one row of one data set, for one purpose."""
    return np.random.default_rng([seed, source, row, _PURPOSES[purpose], attempt])


@dataclass(frozen=True, eq=False)
class Choice:
    """A place to cut a clip from.

    Attributes:
        place: number of the place.
        item: its recording.
        stretch: its frames.
        anchor: a frame that is to be seen; None: any.
    """

    place: int
    item: int
    stretch: Stretch
    anchor: int | None


def choose_place(footage: Footage, rng: np.random.Generator) -> Choice:
    """A random place: by its time, or where something is labelled."""
    if footage.known is None:
        return _choice(footage, footage.places.draw(rng), None)
    rare = rng.uniform() < footage.data.rare and footage.happening
    spans = _behavior(footage, rng) if rare else footage.known
    drawn = spans.draw(rng)
    anchor = int(rng.integers(spans.first[drawn], spans.stop[drawn]))
    return _choice(footage, int(spans.place[drawn]), anchor)


def draw_clip(
    choice: Choice,
    time_s: Float64[np.ndarray, " frames"],
    clips: ClipSettings,
    augment: AugmentSettings,
    num_frames: int,
    rng: np.random.Generator,
) -> tuple[Window, Box]:
    """Frames and crop of a clip."""
    window = draw_window(time_s, choice.stretch, clips, num_frames, augment.speed, choice.anchor, rng)
    return window, draw_box(augment, rng)


def _behavior(footage: Footage, rng: np.random.Generator) -> Spans:
    share = np.asarray(footage.gains) / np.sum(footage.gains)
    return footage.happening[int(rng.choice(len(share), p=share))][1]


def _choice(footage: Footage, place: int, anchor: int | None) -> Choice:
    stretch = Stretch(int(footage.places.first[place]), int(footage.places.stop[place]))
    return Choice(place, int(footage.place_item[place]), stretch, anchor)
