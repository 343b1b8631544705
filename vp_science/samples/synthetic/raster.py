"""Capsules and backgrounds to pixels.

All parts of one layer of an animal become one field, the signed distance to their union, in one pass over the pixels;
light, fur and soft edges are computed from these fields.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from vp_science.samples.synthetic.camera import Picture, background_frames, places, taken
from vp_science.samples.synthetic.skeleton import Body, Capsules

_FAR = np.float32(9.0)


class Coat(NamedTuple):
    """The surface of one animal.

    Attributes:
        color, second: red, green and blue ``[3]``.
        pattern: which of ``PATTERNS``, as five shares ``[5]``.
        scale: how fine the pattern is.
        grain: where in the noise its fur lies, x and y.
        glass: how much shows through its wings.
    """

    color: Float[Array, "3"]
    second: Float[Array, "3"]
    pattern: Float[Array, "5"]
    scale: Float[Array, ""]
    grain: Float[Array, "2"]
    glass: Float[Array, ""]


class Placed(NamedTuple):
    """One animal in frames: its parts, the frame of its body, how large it is, and whether it is there.

    Attributes:
        body: placed parts.
        origin: of its own frame ``[t 2]``; ``axes`` the directions of it ``[t 2 2]``.
        length: of the trunk in frames.
        side: 1 when seen from the side.
        present: 1, or 0 when it is not drawn.
    """

    body: Body
    origin: Float[Array, "t 2"]
    axes: Float[Array, "t 2 2"]
    length: Float[Array, ""]
    side: Float[Array, ""]
    present: Float[Array, ""]


class Stage(NamedTuple):
    """Everything of a clip but its pixels.

    Attributes:
        animals: both, on axis 0 of every array; the first one is drawn last.
        coats: of both.
        background: canvas, larger than a frame; ``grain`` noise of the same size, mean 0, variance 1.
        picture: how it is taken.
    """

    animals: Placed
    coats: Coat
    background: Float[Array, "3 side side"]
    grain: Float[Array, "side side"]
    picture: Picture


def render(stage: Stage, time: Float[Array, " t"], size: int) -> UInt8[Array, "t size size 3"]:
    """Draw frames.

    Args:
        stage: what is to be seen.
        time: of every frame, -1/2 to 1/2 of the clip (for what drifts by).
        size: pixels along a side.
    """
    # Whatever is read several times is the result of a loop over frames: a compiler that joined it with what reads it
    # would compute it again every time.
    picture = stage.picture
    frames = background_frames(stage.background, picture.camera, size)

    def add(frames: Array, animal: tuple[Placed, Coat]) -> tuple[Array, None]:
        placed, coat = animal
        # An animal that is not there costs nothing where programs can branch.
        drawn = jax.lax.cond(
            placed.present > 0,
            lambda now: _with_animal(now, placed, coat, stage.grain, picture),
            lambda now: now,
            frames,
        )
        return drawn, None

    frames, _ = jax.lax.scan(add, frames, (stage.animals, stage.coats), reverse=True)
    return taken(frames, stage.grain, picture, time)


def _field(part: Capsules, x: Array, y: Array) -> Float[Array, "size size"]:
    """Signed distance to the union of the capsules of one frame, in frames: negative inside."""
    nearest = jnp.full((y.shape[0], x.shape[1]), _FAR)
    for index in range(part.ends.shape[0]):
        (ax, ay), (bx, by) = part.ends[index]
        first, second = part.radii[index]
        wide, high = bx - ax, by - ay
        scale = 1 / (wide * wide + high * high + 1e-9)
        px, py = x - ax, y - ay
        along = jnp.clip((px * wide + py * high) * scale, 0, 1)
        dx, dy = px - along * wide, py - along * high
        nearest = jnp.minimum(nearest, jnp.sqrt(dx * dx + dy * dy) - (first + along * (second - first)))
    return nearest


class _Layers(NamedTuple):
    """What is painted over a frame, each ``[t size size]``: how much of it, and how bright."""

    shadow: Array
    behind: Array
    behind_light: Array
    trunk: Array
    trunk_light: Array
    marks: Array
    near: Array
    near_light: Array
    wings: Array
    wings_light: Array
    eyes: Array


def _with_animal(
    frames: Float[Array, "t 3 size size"], placed: Placed, coat: Coat, grain: Array, picture: Picture
) -> Float[Array, "t 3 size size"]:
    x, y = places(frames.shape[-1])
    fields = jax.lax.map(lambda body: tuple(_field(part, x, y) for part in body), placed.body)
    moving = (fields, placed.body.trunk.ends, placed.body.trunk.radii[:, 2, 0], placed.origin, placed.axes)
    layers = jax.lax.map(lambda parts: _layers(parts, placed, coat, grain, picture), moving)
    above = placed.side < 0.5
    limb = 0.82 * coat.color
    frames = frames * (1 - layers.shadow)[:, None]
    frames = _over(frames, limb, layers.behind_light, layers.behind)
    color = coat.color[:, None, None] + layers.marks[:, None] * (coat.second - coat.color)[:, None, None]
    frames = frames + layers.trunk[:, None] * (color * layers.trunk_light[:, None] - frames)
    frames = _over(frames, limb, layers.near_light, layers.near)
    frames = _over(
        frames, jnp.where(above, 0.35 * coat.color + 0.4, 0.8 * coat.color), layers.wings_light, layers.wings
    )
    eye = jnp.where(above, jnp.array([0.32, 0.07, 0.05]), jnp.array([0.03, 0.03, 0.03]))
    return _over(frames, eye, jnp.ones_like(layers.eyes), layers.eyes)


def _over(frames: Array, color: Array, light: Array, cover: Array) -> Array:
    return frames + cover[:, None] * (color[:, None, None] * light[:, None] - frames)


def _layers(
    moving: tuple[tuple[Array, ...], Array, Array, Array, Array],
    placed: Placed,
    coat: Coat,
    grain: Array,
    picture: Picture,
) -> _Layers:
    """The layers of one animal in one frame: ``moving`` has its fields, spine, half thickness, origin and axes."""
    (behind, trunk, near, wings, eyes), spine, thick, origin, axes = moving
    size = trunk.shape[-1]
    behind = jnp.where(placed.side > 0, behind, jnp.minimum(behind, near))
    marks, fur = _coat(origin, axes, placed, coat, grain, size)
    return _Layers(
        shadow=_shadow(spine, thick, origin, placed, picture, size),
        behind=_cover(behind),
        behind_light=_relief(behind, 0.05 * placed.length, picture.light) * jnp.where(placed.side > 0, 0.85, 1.0),
        trunk=_cover(trunk),
        trunk_light=_relief(trunk, 0.16 * placed.length, picture.light) * fur,
        marks=marks,
        near=_cover(near) * placed.side,
        near_light=1.1 * _relief(near, 0.05 * placed.length, picture.light),
        wings=_cover(wings) * (1 - coat.glass),
        wings_light=_relief(wings, 0.09 * placed.length, picture.light),
        eyes=0.95 * _cover(eyes),
    )


def _cover(distance: Float[Array, "size size"]) -> Float[Array, "size size"]:
    return jnp.clip(0.5 - distance * (0.8 * distance.shape[-1]), 0, 1)


def _relief(distance: Float[Array, "size size"], thick: Array, light: Array) -> Float[Array, "size size"]:
    """Brightness of a rounded surface: darker at its edge, brighter where it faces the light."""
    depth = jnp.clip(-distance / thick, 0, 1)
    scale = 0.5 * distance.shape[-1]
    slope_x = (jnp.roll(distance, -1, 1) - jnp.roll(distance, 1, 1)) * scale
    slope_y = (jnp.roll(distance, -1, 0) - jnp.roll(distance, 1, 0)) * scale
    facing = -(slope_x * light[0] + slope_y * light[1])
    return 0.74 + 0.30 * jnp.sqrt(depth) + 0.22 * facing * (1 - depth)


def _wave(angle: Array) -> Array:
    """Nearly a sine, of two parabolas: several times faster than a sine, and as good for a coat."""
    part = angle * np.float32(1 / (2 * np.pi))
    part = part - jnp.floor(part + 0.5)
    return part * (8 - 16 * jnp.abs(part))


def _coat(
    origin: Array, axes: Array, placed: Placed, coat: Coat, grain: Array, size: int
) -> tuple[Float[Array, "size size"], Float[Array, "size size"]]:
    """How much of the second color shows, and the brightness of the fur."""
    x, y = places(size)
    px, py = (x - origin[0]) / placed.length, (y - origin[1]) / placed.length
    forward, left = (px * axes[axis, 0] + py * axes[axis, 1] for axis in (0, 1))
    first, second = 6.28 * coat.grain[0], 6.28 * coat.grain[1]
    wobble = _wave(4.1 * left + first) + _wave(5.3 * forward + second)
    stripes = _wave(coat.scale * (forward + 0.10 * wobble)) * 3
    across = _wave(0.7 * coat.scale * (forward + left) + wobble) * _wave(0.8 * coat.scale * (forward - left) + wobble)
    spots = (across - 0.35) * 9
    belly = jnp.where(placed.side > 0, (0.40 - left) * 9, (jnp.abs(left) - 0.14) * 30)
    patches = (_wave(3.3 * forward + first) + _wave(4.1 * left + second)) * 4
    share = jnp.zeros((size, size))
    for kind, mark in enumerate((stripes, spots, belly, patches)):
        share = share + coat.pattern[1 + kind] * jnp.clip(0.5 + 0.3 * mark, 0, 1)
    start = (coat.grain * (grain.shape[0] - size - 1)).astype(jnp.int32)
    still = jax.lax.dynamic_slice(grain, (start[0], start[1]), (size, size))
    return share, 1 + 0.055 * _wave(47 * forward + 3 * wobble) * _wave(41 * left + 2 * wobble) + 0.03 * still


def _shadow(
    spine: Array, body: Array, origin: Array, placed: Placed, picture: Picture, size: int
) -> Float[Array, "size size"]:
    """A soft dark spot on the ground: under an animal seen from the side, beside one seen from above."""
    aside = placed.length * 0.10 * picture.light
    first, last = spine[0, 0], spine[4, 1]
    under = jnp.stack([2 * aside[0], 0.0])
    first = jnp.where(placed.side > 0, jnp.stack([first[0], origin[1]]) + under, first + aside)
    last = jnp.where(placed.side > 0, jnp.stack([last[0], origin[1]]) + under, last + aside)
    thick = body * jnp.where(placed.side > 0, 0.3, 0.9)
    line = Capsules(jnp.stack([first, last])[None], jnp.stack([thick, thick])[None])
    return picture.shadow * jnp.clip(
        0.5 - _field(line, *places(size)) / (jnp.where(placed.side > 0, 0.14 * placed.length, 0.7 * body)), 0, 1
    )
