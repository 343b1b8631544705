"""What the animals stand on: floors, ground and water, made of noise, once per clip."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vp_science.samples.synthetic.anatomy import Habitat, Number, View
from vp_science.samples.synthetic.lots import Lots
from vp_science.samples.synthetic.species import SPECIES

MARGIN = 0.125
"""How far a background goes on beyond each side of a frame, in frames: room for a camera that moves."""

RGB = tuple[Number, Number, Number]


@dataclass(frozen=True)
class Background:
    """One kind of ground.

    Attributes:
        name: as in captions, after "on" or "in" or whatever ``place`` says.
        place: the words of captions.
        view, habitats: which animals it fits.
        first, second: colors that the noise mixes.
        third: color of trunks, bushes, stones or bars.
        sky: color above the horizon.
        horizon: height of it, 0 (top) to 1; 0 has none.
        noise: strength of blotches, patches, grain, upright streaks, level streaks.
        disc, frame, trunks, blobs, bars, caustic: strength of a round dish on black, of a box in the dark, of tree
            trunks, of bushes or stones, of a grid, of light through waves.
    """

    name: str
    place: str
    view: View
    habitats: tuple[Habitat, ...]
    first: RGB
    second: RGB
    third: RGB = (0.2, 0.2, 0.2)
    sky: RGB = (0.6, 0.65, 0.7)
    horizon: Number = 0.0
    noise: tuple[Number, Number, Number, Number, Number] = (0.2, 0.1, 0.05, 0.0, 0.0)
    disc: Number = 0.0
    frame: Number = 0.0
    trunks: Number = 0.0
    blobs: Number = 0.0
    bars: Number = 0.0
    caustic: Number = 0.0


_ANY_FLOOR: tuple[Habitat, ...] = ("floor", "dish")

BACKGROUNDS: tuple[Background, ...] = (
    Background(
        "pale arena", "in a pale arena", "above", _ANY_FLOOR, (0.78, 0.78, 0.77), (0.68, 0.68, 0.67),
        noise=(0.35, 0.1, 0.02, 0, 0), frame=1,
    ),
    Background(
        "dark arena", "in a dark arena", "above", _ANY_FLOOR, (0.10, 0.10, 0.105), (0.17, 0.17, 0.17),
        (0.3, 0.3, 0.3), noise=(0.35, 0.2, 0.08, 0, 0), bars=0.25,
    ),
    Background(
        "bedding", "on bedding", "above", ("floor",), (0.74, 0.68, 0.56), (0.52, 0.45, 0.34),
        noise=(0.2, 0.45, 0.16, 0.1, 0.1), frame=0.7,
    ),
    Background(
        "glass box", "in a glass box", "above", ("floor",), (0.52, 0.53, 0.53), (0.46, 0.47, 0.47),
        (0.85, 0.87, 0.86), noise=(0.4, 0.08, 0.02, 0, 0), frame=0.5,
    ),
    Background(
        "petri dish", "in a petri dish", "above", ("dish",), (0.80, 0.79, 0.74), (0.70, 0.69, 0.64),
        noise=(0.3, 0.1, 0.03, 0, 0), disc=1,
    ),
    Background(
        "agar", "on agar", "above", ("dish",), (0.55, 0.55, 0.54), (0.44, 0.44, 0.43),
        noise=(0.5, 0.25, 0.05, 0, 0),
    ),
    Background(
        "sand", "on sand", "above", _ANY_FLOOR, (0.76, 0.62, 0.44), (0.64, 0.48, 0.32), (0.42, 0.34, 0.26),
        noise=(0.4, 0.3, 0.10, 0, 0.15), blobs=0.3,
    ),
    Background(
        "gravel", "on gravel", "above", ("floor",), (0.55, 0.53, 0.50), (0.30, 0.29, 0.28), (0.58, 0.56, 0.53),
        noise=(0.2, 0.8, 0.13, 0, 0), blobs=0.6,
    ),
    Background(
        "leaf litter", "on leaf litter", "above", ("floor",), (0.42, 0.29, 0.16), (0.20, 0.15, 0.09),
        (0.30, 0.36, 0.14), noise=(0.3, 1.0, 0.14, 0.2, 0.2), blobs=0.6,
    ),
    Background(
        "grid floor", "on a grid floor", "above", _ANY_FLOOR, (0.38, 0.39, 0.40), (0.30, 0.31, 0.32),
        (0.66, 0.67, 0.68), noise=(0.3, 0.15, 0.05, 0, 0), bars=0.9,
    ),
    Background(
        "shallow water", "in shallow water", "above", ("water above",), (0.46, 0.58, 0.58), (0.34, 0.46, 0.46),
        (0.35, 0.30, 0.22), noise=(0.4, 0.2, 0.03, 0, 0), caustic=0.7, blobs=0.3,
    ),
    Background(
        "tank", "in a tank", "above", ("water above",), (0.74, 0.75, 0.75), (0.66, 0.67, 0.67),
        noise=(0.4, 0.06, 0.015, 0, 0), frame=0.6,
    ),
    Background(
        "cage", "in a cage", "side", ("floor",), (0.66, 0.58, 0.45), (0.46, 0.39, 0.29), (0.25, 0.25, 0.26),
        (0.50, 0.51, 0.52), 0.60, (0.2, 0.4, 0.2, 0, 0.1), bars=0.35,
    ),
    Background(
        "cylinder", "in a glass cylinder", "side", ("floor",), (0.42, 0.36, 0.32), (0.34, 0.29, 0.26),
        (0.75, 0.76, 0.78), (0.36, 0.36, 0.36), 0.56, (0.3, 0.15, 0.04, 0.1, 0.1), trunks=0.25,
    ),
    Background(
        "savanna", "on dry red ground", "side", ("land",), (0.72, 0.47, 0.33), (0.60, 0.38, 0.27),
        (0.34, 0.36, 0.24), (0.66, 0.56, 0.46), 0.12, (0.4, 0.4, 0.12, 0, 0.25), blobs=0.9,
    ),
    Background(
        "grassland", "in tall grass", "side", ("land", "perch"), (0.47, 0.50, 0.25), (0.30, 0.36, 0.16),
        (0.18, 0.26, 0.10), (0.70, 0.78, 0.86), 0.34, (0.4, 0.3, 0.12, 0.8, 0), blobs=0.4,
    ),
    Background(
        "forest", "in a forest", "side", ("land", "perch"), (0.30, 0.27, 0.17), (0.18, 0.16, 0.10),
        (0.14, 0.11, 0.08), (0.30, 0.40, 0.22), 0.55, (0.4, 0.9, 0.22, 0.3, 0), trunks=1, blobs=0.5,
    ),
    Background(
        "rocks", "among rocks", "side", ("land", "perch"), (0.52, 0.50, 0.47), (0.34, 0.33, 0.32),
        (0.50, 0.48, 0.45), (0.55, 0.50, 0.42), 0.15, (0.5, 0.7, 0.15, 0.1, 0.3), blobs=1,
    ),
    Background(
        "snow", "in the snow", "side", ("land",), (0.86, 0.88, 0.90), (0.74, 0.77, 0.82), (0.22, 0.26, 0.22),
        (0.66, 0.70, 0.76), 0.40, (0.4, 0.2, 0.03, 0, 0.2), trunks=0.5,
    ),
    Background(
        "lawn", "on a lawn", "side", ("land",), (0.36, 0.52, 0.22), (0.26, 0.42, 0.15),
        noise=(0.3, 0.5, 0.1, 0.5, 0),
    ),
    Background(
        "aviary", "on a perch in an aviary", "side", ("perch",), (0.66, 0.57, 0.42), (0.56, 0.48, 0.36),
        (0.42, 0.33, 0.22), (0.56, 0.58, 0.62), 0.80, (0.3, 0.2, 0.08, 0.1, 0), bars=0.3,
    ),
    Background(
        "sky", "on a branch against the sky", "side", ("perch",), (0.62, 0.74, 0.88), (0.76, 0.83, 0.90),
        (0.30, 0.24, 0.16), noise=(0.6, 0.15, 0.02, 0, 0.3),
    ),
    Background(
        "aquarium", "in an aquarium", "side", ("water side",), (0.62, 0.57, 0.46), (0.44, 0.41, 0.33),
        (0.16, 0.36, 0.16), (0.16, 0.34, 0.42), 0.84, (0.3, 0.8, 0.2, 0.3, 0), trunks=0.5, caustic=0.2,
    ),
    Background(
        "open water", "in open water", "side", ("water side",), (0.10, 0.30, 0.48), (0.16, 0.42, 0.58),
        noise=(0.6, 0.15, 0.02, 0, 0.3), caustic=0.45,
    ),
    Background(
        "reef", "at a reef", "side", ("water side",), (0.42, 0.38, 0.30), (0.26, 0.30, 0.30), (0.60, 0.40, 0.36),
        (0.12, 0.34, 0.48), 0.55, (0.4, 0.8, 0.15, 0.2, 0), blobs=1, caustic=0.35,
    ),
)  # fmt: skip
"""All backgrounds that can be drawn."""

BACKGROUND_NAMES = tuple(ground.name for ground in BACKGROUNDS)
_NUMBERS = (
    "first",
    "second",
    "third",
    "sky",
    "horizon",
    "noise",
    "disc",
    "frame",
    "trunks",
    "blobs",
    "bars",
    "caustic",
)


def background_table() -> dict[str, np.ndarray]:
    """All backgrounds as float32 arrays with the background on axis 0."""
    return {name: np.asarray([getattr(ground, name) for ground in BACKGROUNDS], np.float32) for name in _NUMBERS}


def fits_table() -> np.ndarray:
    """Which background fits which species, bool ``[species background]``."""
    return np.asarray(
        [[kind.view == ground.view and kind.habitat in ground.habitats for ground in BACKGROUNDS] for kind in SPECIES]
    )


def canvas_side(size: int) -> int:
    """Pixels along a side of a background for frames of ``size`` pixels; a little more than the margins need."""
    return int(np.ceil(size * (1 + 2 * MARGIN))) + 2


def smooth_noise(lots: Lots, rows: int, columns: int, side: int) -> Float[Array, "side side"]:
    """Noise of mean 0 and variance about 1 whose blotches are ``1 / rows`` high and ``1 / columns`` wide."""
    grid = lots.grid(rows, columns)
    noise: Array = 1.5 * (_spread(rows, side) @ grid @ _spread(columns, side).T)
    return noise


def _spread(count: int, side: int) -> np.ndarray:
    """Weights of ``count`` values at ``side`` places between them (cosine steps), float32 ``[side count]``."""
    place = np.linspace(0, count - 1, side)
    left = np.minimum(place.astype(int), count - 2)
    share = 0.5 - 0.5 * np.cos(np.pi * (place - left))
    weights = np.zeros((side, count), np.float32)
    weights[np.arange(side), left] = 1 - share
    weights[np.arange(side), left + 1] = share
    return weights


def draw_background(
    lots: Lots,
    ground: dict[str, Array],
    ground_y: Float[Array, ""],
    perch: Float[Array, ""],
    grain: Float[Array, "side side"],
) -> Float[Array, "3 side side"]:
    """One background.

    Args:
        lots: numbers of its noise.
        ground: its row of ``background_table``.
        ground_y: height of the feet, in frames.
        perch: 1 draws a perch there.
        grain: fine noise, of the size of the canvas (``canvas_side``).
    """
    side = grain.shape[0]
    place = (np.arange(side) + 0.5) / (side - 2) * (1 + 2 * MARGIN) - MARGIN
    y, x = jnp.asarray(place[:, None], jnp.float32), jnp.asarray(place[None, :], jnp.float32)
    blotches, patches = smooth_noise(lots, 6, 6, side), smooth_noise(lots, 26, 26, side)
    upright, level = smooth_noise(lots, 12, 80, side), smooth_noise(lots, 80, 12, side)
    noise = ground["noise"]
    mix = 0.5 + 0.5 * (noise[0] * blotches + noise[1] * patches + noise[3] * upright + noise[4] * level)
    mix = jnp.clip(mix, 0, 1)
    picture = _between(ground["first"], ground["second"], mix)
    picture = picture * (1 + 0.16 * jnp.abs(noise[1]) * patches)[None]
    horizon = ground["horizon"] + 0.02 * blotches
    above = jax.nn.sigmoid((horizon - y) * 60) * (ground["horizon"] > 0)
    sky = ground["sky"][:, None, None] * (1 + 0.12 * blotches + 0.35 * (0.5 - y) + 0.5 * noise[1] * 0.4 * patches)[None]
    picture = picture + above[None] * (sky - picture)
    picture = _structures(lots, picture, ground, (x, y), (blotches, patches), above)
    bar = perch * jax.nn.sigmoid((0.014 - jnp.abs(y - ground_y - 0.016)) * 200)
    picture = picture + bar[None] * (ground["third"][:, None, None] * (1.1 + 0.3 * level)[None] - picture)
    return jnp.clip(picture * (1 + noise[2] * grain)[None], 0, 1)


def _structures(
    lots: Lots,
    picture: Float[Array, "3 side side"],
    ground: dict[str, Array],
    places: tuple[Array, Array],
    noises: tuple[Array, Array],
    above: Float[Array, "side side"],
) -> Float[Array, "3 side side"]:
    x, y = places
    blotches, patches = noises
    side = picture.shape[-1]
    third = ground["third"][:, None, None]
    chance = lots.uniform(shape=(8,))
    # Bushes or stones: high places of a noise, lit from above (its slope).
    hills = smooth_noise(lots, 9, 9, side) + 0.35 * patches
    blob = ground["blobs"] * jax.nn.sigmoid((hills - 1.1) * 9) * (1 - above)
    slope = jnp.clip((jnp.roll(hills, 2, 0) - hills) * -2.5, -0.35, 0.35)
    picture = picture + blob[None] * (third * jnp.clip(1 + slope + 0.25 * patches, 0.6, 1.35)[None] - picture)
    # Trunks: upright streaks that reach below the horizon.
    streak = smooth_noise(lots, 2, 14, side)
    trunk = ground["trunks"] * jax.nn.sigmoid((streak - 0.9) * 14) * jax.nn.sigmoid((ground["horizon"] + 0.12 - y) * 40)
    picture = picture + trunk[None] * (third * (1 + 0.3 * patches)[None] - picture)
    # A grid of lines.
    count = 6 + 10 * chance[0]
    lines = jnp.maximum(jnp.cos(2 * np.pi * count * x), jnp.cos(2 * np.pi * count * y) * (chance[1] < 0.6))
    grid = ground["bars"] * jax.nn.sigmoid((lines - 0.93) * 40) * jnp.where(ground["horizon"] > 0, above, 1.0)
    picture = picture + 0.7 * grid[None] * (third - picture)
    # Light through waves.
    wave = jnp.abs(jnp.sin(9 * x + 2.2 * blotches) + jnp.sin(8 * y + 2.2 * blotches.T))
    picture = picture * (1 + ground["caustic"] * (0.6 * jnp.exp(-3 * wave) - 0.12))[None]
    # A dish on black, a box in the dark.
    away = jnp.hypot(x - 0.5, y - 0.5) - (0.42 + 0.10 * chance[2])
    dish = jax.nn.sigmoid(away * 120) * ground["disc"] * (chance[3] < 0.75)
    rim = jnp.exp(-((away * 60) ** 2)) * ground["disc"]
    picture = picture * (1 - 0.97 * dish)[None] + 0.15 * rim[None]
    border = jnp.maximum(jnp.abs(x - 0.5) * (0.94 + 0.1 * chance[4]), jnp.abs(y - 0.5)) - (0.40 + 0.12 * chance[5])
    outside = jax.nn.sigmoid(border * 90) * ground["frame"]
    edge = jnp.exp(-((border * 70) ** 2)) * ground["frame"]
    dark = 0.08 + 0.35 * chance[6]
    return picture + outside[None] * (dark - picture) + (0.25 * (chance[7] - 0.3)) * edge[None]


def _between(first: Array, second: Array, share: Array) -> Float[Array, "3 side side"]:
    return first[:, None, None] + share[None] * (second - first)[:, None, None]
