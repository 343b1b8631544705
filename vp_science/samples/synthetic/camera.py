"""How a scene becomes a picture: where the camera looks, blur, light, sensor, compression."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from vp_science.samples.synthetic.backgrounds import MARGIN

BLOCK = 8
"""Side of the blocks of the imitated compression, in pixels."""


class Picture(NamedTuple):
    """How the picture is taken; arrays of shape () unless said otherwise.

    Attributes:
        camera: where the frame lies on the background ``[t 2]``, in frames.
        light: direction of it ``[2]``; ``gain`` brightness over time ``[t]``; ``shadow`` strength of shadows.
        grey, dark, noise: of the look.
        curve, tint: of the sensor: how much brighter middle tones are, () and ``[3]``.
        blur: 0 (sharp) to 1; ``blocks`` 0 to 1, how far compression has gone.
        noise_at: where in the noise canvas each frame's noise lies, pixels ``[t 2]``.
        dust: a thing that drifts by: start, speed, half thickness, brightness ``[6]``.
    """

    camera: Float[Array, "t 2"]
    light: Float[Array, "2"]
    gain: Float[Array, " t"]
    shadow: Float[Array, ""]
    grey: Float[Array, ""]
    dark: Float[Array, ""]
    noise: Float[Array, ""]
    curve: Float[Array, ""]
    tint: Float[Array, "3"]
    blur: Float[Array, ""]
    blocks: Float[Array, ""]
    noise_at: Int[Array, "t 2"]
    dust: Float[Array, "6"]


def places(size: int) -> tuple[Float[Array, "1 size"], Float[Array, "size 1"]]:
    """Where the middle of every pixel lies, x and y, in frames."""
    place = jnp.asarray((np.arange(size) + 0.5) / size, jnp.float32)
    return place[None, :], place[:, None]


def background_frames(background: Array, camera: Float[Array, "t 2"], size: int) -> Float[Array, "t 3 size size"]:
    """The part of the canvas that every frame shows, between pixels too."""

    def cut(at: Array) -> Array:
        start = (MARGIN + at) * size
        whole = jnp.clip(jnp.floor(start), 0, background.shape[-1] - size - 1)
        share = start - whole
        column, row = whole.astype(jnp.int32)
        piece = jax.lax.dynamic_slice(background, (0, row, column), (3, size + 1, size + 1))
        piece = piece[:, :, :-1] + share[0] * (piece[:, :, 1:] - piece[:, :, :-1])
        return piece[:, :-1] + share[1] * (piece[:, 1:] - piece[:, :-1])

    frames: Array = jax.lax.map(cut, camera)
    return frames


def taken(
    frames: Float[Array, "t 3 size size"], grain: Array, picture: Picture, time: Float[Array, " t"]
) -> UInt8[Array, "t size size 3"]:
    """What camera and compression make of it."""
    seen = jax.lax.map(lambda parts: _exposed(parts, picture), (frames, picture.gain, time))

    def stored(parts: tuple[Array, Array]) -> Array:
        frame, at = parts
        size = frame.shape[-1]
        noise = jax.lax.dynamic_slice(grain, (at[0], at[1]), (size, size))
        frame = frame + picture.blocks * (_blocks(frame) - frame) + picture.noise * noise
        return jnp.clip(frame * 255 + 0.5, 0, 255).astype(jnp.uint8)

    return jnp.moveaxis(jax.lax.map(stored, (seen, picture.noise_at)), 1, -1)


def _exposed(parts: tuple[Array, Array, Array], picture: Picture) -> Float[Array, "3 size size"]:
    """Blur, something that drifts by, light, color; of a frame, its brightness and its time."""
    frame, gain, time = parts
    x, y = places(frame.shape[-1])
    soft = 0.25 * (jnp.roll(frame, 1, 2) + jnp.roll(frame, -1, 2)) + 0.5 * frame
    soft = 0.25 * (jnp.roll(soft, 1, 1) + jnp.roll(soft, -1, 1)) + 0.5 * soft
    frame = frame + picture.blur * (soft - frame)
    at_x, at_y, speed_x, speed_y, thick, bright = picture.dust
    away = jnp.sqrt((x - at_x - speed_x * time) ** 2 + (y - at_y - speed_y * time) ** 2) - thick
    frame = frame + jnp.clip(0.5 - away * (0.4 * frame.shape[-1]), 0, 1) * (bright - frame)
    near = 1 - 1.1 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    slope = 1 + 0.25 * ((x - 0.5) * picture.light[0] + (y - 0.5) * picture.light[1])
    frame = frame * (gain * (1 + picture.dark * (near * near - 1)) * (1 - 0.55 * picture.dark) * slope)
    grey = 0.30 * frame[0] + 0.59 * frame[1] + 0.11 * frame[2]
    frame = jnp.clip((frame + picture.grey * (grey - frame)) * picture.tint[:, None, None], 0, 1)
    return frame + picture.curve * frame * (1 - frame)


def _blocks(frame: Float[Array, "3 size size"]) -> Float[Array, "3 size size"]:
    """Means of blocks, as strong compression leaves them."""
    size = frame.shape[-1]
    count = -(-size // BLOCK)
    padded = jnp.pad(frame, ((0, 0), (0, count * BLOCK - size), (0, count * BLOCK - size)), mode="edge")
    means = jnp.mean(padded.reshape(3, count, BLOCK, count, BLOCK), axis=(2, 4), keepdims=True)
    spread = jnp.broadcast_to(means, (3, count, BLOCK, count, BLOCK))
    return spread.reshape(padded.shape)[:, :size, :size]
