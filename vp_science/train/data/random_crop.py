"""Random crops, cut out of the source frame: no pixel is resized twice, none is resized to be thrown away."""

import math
from dataclasses import dataclass

import numpy as np

from vp_science.train.data.settings import AugmentSettings, ClipSettings
from vp_science.video.preprocess import Geometry, Preprocess

Box = tuple[float, float, float, float]
"""Left, top, width, height in shares of the square clip."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_TRIES = 10
_LARGE = 32
"""Pictures of at least so many pixels are cut at even ones: most videos keep colour for pairs of pixels only, and a cut
between two of a pair needs the whole picture in RGB first."""


@dataclass(frozen=True)
class BoxedPreprocess(Preprocess):
    """A part of what the plain preprocessing shows, at the full size of the output.

    Attributes:
        box: which part.
    """

    box: Box = WHOLE

    def geometry(self, source_width: int, source_height: int) -> Geometry:
        """Resolve it for frames of one size: the content in the box, cut at (pairs of) source pixels.

        Raises:
            SettingsError: as :meth:`Preprocess.geometry`.
        """
        plain = super().geometry(source_width, source_height)
        if self.box == WHOLE:
            return plain
        across = _along(0, plain, self.box, self.width)
        down = _along(1, plain, self.box, self.height)
        if across is None or down is None:  # only black beside the picture
            return plain
        (x, width, left, wide), (y, height, top, high) = across, down
        return Geometry((x, y, width, height), (wide, high), (left, top), plain.output)


def _along(axis: int, plain: Geometry, box: Box, size: int) -> tuple[int, int, int, int] | None:
    """First source pixel, source pixels, first output pixel, output pixels; None where the box shows nothing."""
    begin, extent = box[axis] * size, box[axis + 2] * size
    offset, scaled = plain.offset[axis], plain.scaled[axis]
    low, high = max(begin, offset), min(begin + extent, offset + scaled)
    if high <= low:
        return None
    first, pixels = plain.source[axis], plain.source[axis + 2]
    per_pixel = pixels / scaled
    grain = 2 if pixels >= _LARGE else 1
    source_low = min(pixels - grain, grain * round((low - offset) * per_pixel / grain))
    source_high = max(source_low + grain, min(pixels, grain * round((high - offset) * per_pixel / grain)))
    shown_low = min(size - 1, round((low - begin) / extent * size))
    shown_high = max(shown_low + 1, min(size, round((high - begin) / extent * size)))
    return first + source_low, source_high - source_low, shown_low, shown_high - shown_low


def draw_box(settings: AugmentSettings, rng: np.random.Generator) -> Box:
    """A random part of the square: its share of the area is uniform, the logarithm of its aspect ratio is uniform.

    As in Inception's training (Szegedy et al. 2015): after ten draws that do not fit, the whole is shown.
    """
    if settings.area == (1.0, 1.0):
        return WHOLE
    for _ in range(_TRIES):
        area = rng.uniform(*settings.area)
        ratio = math.exp(rng.uniform(math.log(settings.aspect[0]), math.log(settings.aspect[1])))
        width, height = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if width <= 1 and height <= 1:
            return rng.uniform(0, 1 - width), rng.uniform(0, 1 - height), width, height
    return WHOLE


def preprocess_of(clips: ClipSettings, box: Box) -> Preprocess:
    """The preprocessing of the package, of a part of the picture."""
    return BoxedPreprocess(clips.size, clips.size, clips.fit, None, box)
