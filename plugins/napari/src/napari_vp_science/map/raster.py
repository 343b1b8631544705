"""Points as pixels: which point every pixel shows, made with array operations whose cost hardly grows with the points.

Points are drawn as discs in the order that is given, later ones over earlier ones. First every point is written to its
own pixel; then the picture of ranks is widened to discs: a pixel shows the point of the highest rank within the radius.
That is what drawing disc after disc would give, in a few passes over the picture.
"""

from dataclasses import dataclass

import numpy as np

_CORE = 0.75
_RIM = 0.2
_CELL, _FILLED, _SMALLEST, _LARGEST = 10.0, 1.5, 1.6, 4.5
_BLEND = np.uint32(0x00FEFEFE)
OPAQUE = np.uint32(0xFF000000)


@dataclass(frozen=True)
class View:
    """What part of the map is seen: both axes at one scale, y upwards.

    Attributes:
        x: in the middle.
        y: in the middle.
        scale: pixels per unit of the map.
        width: in pixels.
        height: in pixels.
    """

    x: float
    y: float
    scale: float
    width: int
    height: int

    @classmethod
    def fitting(cls, points: np.ndarray, width: int, height: int, margin: float = 0.05) -> "View":
        """All points, with a margin."""
        if not len(points):
            return cls(0.0, 0.0, 1.0, width, height)
        low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
        # Pixels are float32: points that all lie in one place are not looked at through a microscope.
        least = 1e-3 * max(float(np.abs([low, high]).max()), 1e-3)
        span = np.maximum((high - low) * (1 + 2 * margin), least)
        middle = (low + high) / 2
        return cls(float(middle[0]), float(middle[1]), float(min(width / span[0], height / span[1])), width, height)

    def resized(self, width: int, height: int) -> "View":
        """The same middle, and the same part of the map along the shorter side."""
        factor = min(width, height) / max(min(self.width, self.height), 1)
        return View(self.x, self.y, self.scale * factor, width, height)

    def zoomed(self, factor: float, at_x: float, at_y: float) -> "View":
        """Nearer by a factor; the place under these pixels stays there."""
        x, y = self.to_map(at_x, at_y)
        return View(x + (self.x - x) / factor, y + (self.y - y) / factor, self.scale * factor, self.width, self.height)

    def moved(self, right: float, down: float) -> "View":
        """The points moved by so many pixels."""
        return View(self.x - right / self.scale, self.y + down / self.scale, self.scale, self.width, self.height)

    def to_map(self, at_x: float, at_y: float) -> tuple[float, float]:
        """The place under a pixel."""
        return self.x + (at_x - self.width / 2) / self.scale, self.y - (at_y - self.height / 2) / self.scale

    def to_pixels(self, points: np.ndarray, ratio: float = 1.0) -> np.ndarray:
        """Where points are seen, ``(point, 2)`` float32; ``ratio`` device pixels per pixel."""
        scale = self.scale * ratio
        shift = (self.width / 2 * ratio - self.x * scale, self.height / 2 * ratio + self.y * scale)
        return points * np.array([scale, -scale], np.float32) + np.array(shift, np.float32)


def disc_rows(radius: float) -> tuple[list[int], list[int]]:
    """Half widths of the rows of a disc, from its middle row on: of its full pixels, and with those of its soft rim."""
    reach = int(np.ceil(radius + 0.5))
    away = np.hypot(*np.mgrid[: reach + 1, : reach + 1])
    share = np.clip(radius + 0.5 - away, 0, 1)
    counts = ((share >= _CORE).sum(axis=1), (share >= _RIM).sum(axis=1))
    core, rim = ([int(count) - 1 for count in column if count] for column in counts)
    return core or [0], rim or [0]


def rank_picture(pixels: np.ndarray, width: int, height: int, margin: int) -> np.ndarray:
    """For every pixel the rank of the last point that lies in it, from 1; 0 where there is none.

    Args:
        pixels: ``(point, 2)`` in device pixels, in the order of drawing.
        width: of the picture.
        height: of the picture.
        margin: points so far outside are still there, because their discs may reach into the picture.

    Returns:
        ``(height + 2 margin, width + 2 margin)`` int32.
    """
    whole = np.floor(pixels).astype(np.int32) + margin
    wide, high = width + 2 * margin, height + 2 * margin
    x, y = whole[:, 0], whole[:, 1]
    inside = np.flatnonzero((x >= 0) & (x < wide) & (y >= 0) & (y < high))
    ranks = np.zeros(wide * high, np.int32)
    ranks[y[inside] * wide + x[inside]] = inside + 1  # of points in one pixel the last one stays
    return ranks.reshape(high, wide)


def widened(ranks: np.ndarray, rows: list[int], margin: int) -> np.ndarray:
    """The highest rank within a disc around every pixel, without the margin.

    Args:
        ranks: of ``rank_picture``.
        rows: half widths of the rows of the disc, from its middle row on.
        margin: of ``ranks``; at least the radius.
    """
    high, wide = ranks.shape
    height, width = high - 2 * margin, wide - 2 * margin
    found: np.ndarray | None = None
    across, reached = ranks[:, margin : margin + width].copy(), 0
    for away in range(len(rows) - 1, -1, -1):  # rows grow towards the middle
        while reached < rows[away]:
            reached += 1
            for shift in (-reached, reached):
                np.maximum(across, ranks[:, margin + shift : margin + shift + width], out=across)
        for shift in {-away, away}:
            part = across[margin + shift : margin + shift + height]
            found = part.copy() if found is None else np.maximum(found, part, out=found)
    assert found is not None
    return found


def colored(core: np.ndarray, rim: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """The picture: discs with soft rims.

    Args:
        core: ranks of full pixels.
        rim: ranks with the rim.
        colors: ``0xffrrggbb`` by rank; of rank 0 the background.

    Returns:
        ``(height, width)`` uint32, as ``QImage.Format_RGB32`` has it.
    """
    picture = colors[core]
    soft = np.flatnonzero(rim > core)
    below, above = picture.ravel()[soft], colors[rim.ravel()[soft]]
    # Half of each: the mean of two colors, channel by channel, without taking them apart.
    np.put(picture, soft, OPAQUE | ((below & above) + (((below ^ above) & _BLEND) >> np.uint32(1))))
    return picture


def packed(rgb: np.ndarray) -> np.ndarray:
    """``0xffrrggbb`` of ``(n, 3)`` uint8."""
    red, green, blue = (rgb[..., channel].astype(np.uint32) for channel in range(3))
    return OPAQUE | (red << np.uint32(16)) | (green << np.uint32(8)) | blue


def point_radius(pixels: np.ndarray, width: int, height: int, ratio: float = 1.0) -> float:
    """A radius at which the discs together are half as large again as the places that have points, in device pixels.

    Args:
        pixels: ``(point, 2)`` of all points.
        width: of the picture, in device pixels.
        height: of the picture.
        ratio: device pixels per pixel.
    """
    side = _CELL * ratio
    seen = pixels[((pixels >= 0) & (pixels < (width, height))).all(axis=1)]
    if not len(seen):
        return _LARGEST * ratio
    across = int(width / side) + 1
    cells = (seen[:, 1] / side).astype(np.int64) * across + (seen[:, 0] / side).astype(np.int64)
    occupied = np.count_nonzero(np.bincount(cells)) * side * side
    return float(np.clip(np.sqrt(_FILLED * occupied / (np.pi * len(seen))), _SMALLEST * ratio, _LARGEST * ratio))


def nearest_point(pixels: np.ndarray, at_x: float, at_y: float, reach: float) -> int | None:
    """The position of the point nearest to a pixel, None if it is further away than ``reach``."""
    if not len(pixels):
        return None
    away = np.square(pixels[:, 0] - np.float32(at_x)) + np.square(pixels[:, 1] - np.float32(at_y))
    best = int(away.argmin())
    return best if away[best] <= reach * reach else None
