"""From joint angles to capsules: what the drawing program draws of one animal."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vp_science.samples.synthetic.motion import TURN, Motion
from vp_science.samples.synthetic.species import MAX_LIMBS

DEGREE = np.float32(np.pi / 180)
ABSENT = -9.0
"""Half thickness of what an animal does not have."""


class Capsules(NamedTuple):
    """Thick line segments whose ends have different thickness.

    Attributes:
        ends: both ends, ``[t p 2 2]`` (segment, end, x and y), in frames once placed.
        radii: half thickness at both ends, ``[t p 2]``.
    """

    ends: Float[Array, "t p 2 2"]
    radii: Float[Array, "t p 2"]


class Body(NamedTuple):
    """The parts of one animal in the order in which they are drawn.

    Attributes:
        behind: tail and far legs; trunk, ears and head; ``near``: near legs; wings; eyes.
    """

    behind: Capsules
    trunk: Capsules
    near: Capsules
    wings: Capsules
    eyes: Capsules


def pose(motion: Motion, species: dict[str, Array], chirality: Float[Array, ""]) -> Body:
    """The parts of an animal in its own frame: body lengths, forward and left (seen from the side: up).

    Args:
        motion: of it.
        species: its row of ``species_table``.
        chirality: 1, or -1 for an animal whose left and right are exchanged (seen from above).
    """
    channel, side = motion.channels, species["side"]
    hand = jnp.where(side > 0, 1.0, chirality)
    spine, angles = _spine(motion, species)
    tail = _tail(motion, species, spine[:, 0], angles)
    legs = [_limbs(motion, species, spine, angles, pair) for pair in range(MAX_LIMBS)]
    first = _chain([leg[0] for leg in legs])
    second = _chain([leg[1] for leg in legs])
    trunk = _segments(spine, jnp.concatenate([species["trunk"], species["neck"][2:]])[:6], species["head"][2:])
    heads = spine[:, 5:7]
    ears, eyes = _ears(heads, species), _eyes(heads, species)
    wings = _wings(motion, species, spine, angles)
    body = Body(_chain([tail, second]), _chain([trunk, ears]), first, wings, eyes)
    return Body(*(_foreshortened(part, spine[:, 0], channel["pitch"] * (1 - side), hand) for part in body))


def place(part: Capsules, position: Float[Array, "t 2"], axes: Float[Array, "t 2 2"], length: Array) -> Capsules:
    """Capsules in frames.

    Args:
        part: in the frame of the animal.
        position: of its origin.
        axes: where its first and second axis point, ``[t axis xy]``.
        length: of the trunk.
    """
    ends = jnp.einsum("tpea,tax->tpex", part.ends, axes) * length + position[:, None, None, :]
    return Capsules(ends, part.radii * length)


def _spine(motion: Motion, species: dict[str, Array]) -> tuple[Array, Array]:
    """Joints from rump to snout ``[t 7 2]``, and angles of the trunk's segments ``[t 4]``."""
    channel, side = motion.channels, species["side"]
    down = jnp.where(side > 0, -1.0, 1.0)
    back = np.array([4.0, 3.0, 2.0, 1.0], np.float32) * 0.25
    winding = species["wave"] * channel["wave"][:, None] * jnp.sin(TURN * (motion.cycle[:, None] + 0.72 * back))
    rolled = channel["curl"] * down * jnp.where(side > 0, 0.45, 1.0)
    bent = rolled + 4.0 * motion.drift[:, 2]
    places = np.array([-1.5, -0.5, 0.5, 1.5], np.float32)
    raised = channel["pitch"] * side * 58
    angles = (winding * (1 - side * species["swims"] * 0.6) + places * bent[:, None] + raised[:, None]) * DEGREE
    nod = channel["head"] + channel["head_swing"] * jnp.sin(TURN * motion.cycle)
    lowered = jnp.where(side > 0, -1.4 * nod, 0.5 * nod)
    neck = species["neck"][1] * side + lowered + 2.2 * rolled + 8 * motion.drift[:, 3] + 0.45 * raised
    neck = neck + 0.4 * winding[:, 3]
    head = neck + species["head"][1] * side + 1.2 * rolled + 6 * motion.drift[:, 3] - 0.1 * raised
    lengths = jnp.stack([*[jnp.float32(0.25)] * 4, species["neck"][0], species["head"][0]])
    directions = jnp.concatenate([angles, neck[:, None] * DEGREE, head[:, None] * DEGREE], axis=1)
    steps = lengths[None, :, None] * jnp.stack([jnp.cos(directions), jnp.sin(directions)], -1)
    joints = jnp.concatenate([jnp.zeros_like(steps[:, :1]), jnp.cumsum(steps, axis=1)], axis=1)
    middle = joints[:, 2:3]
    rump = jnp.stack([-0.5 * jnp.ones_like(motion.cycle), _hip(motion, species)], -1)[:, None]
    standing = side * (1 - species["swims"])
    return joints + standing * rump - (1 - standing) * middle, angles


def _hip(motion: Motion, species: dict[str, Array]) -> Float[Array, " t"]:
    """Height of the rump above the ground."""
    hind = jnp.where(species["limbs"][1, 1] > 0, 1, 0)
    leg = species["limbs"][hind, 1] + species["limbs"][hind, 2]
    lying = jnp.clip(motion.channels["crouch"], 0, 1)
    height = 0.96 * leg * (1 - lying) + lying * (species["trunk"][1] * 0.9)
    hop = motion.channels["hop"] * jnp.maximum(jnp.sin(TURN * motion.cycle), 0)
    return height + hop


def _tail(motion: Motion, species: dict[str, Array], rump: Array, angles: Array) -> Capsules:
    channel, side = motion.channels, species["side"]
    length, rest, root, tip = species["tail"]
    wag = channel["beat"] * 34 * jnp.sin(TURN * motion.cycle)
    late = np.array([1.2, 1.5, 1.8], np.float32)
    winding = species["wave"] * 1.35 * channel["wave"][:, None] * jnp.sin(TURN * (motion.cycle[:, None] + 0.72 * late))
    rolled = channel["curl"] * jnp.where(side > 0, 0.0, 1.0)
    places = np.array([2.0, 2.7, 3.4], np.float32)
    sway = 10 * motion.drift[:, 5:6] * np.array([0.5, 1.0, 1.5], np.float32)
    bent = wag[:, None] * np.array([0.5, 1.0, 1.3], np.float32) + sway + winding - places * rolled[:, None]
    droop = rest * side * np.array([1.0, 1.05, 1.1], np.float32)
    directions = np.pi + (bent - droop) * DEGREE + 0.35 * angles[:, :1]
    steps = length / 3 * jnp.stack([jnp.cos(directions), jnp.sin(directions)], -1)
    joints = jnp.concatenate([rump[:, None], rump[:, None] + jnp.cumsum(steps, axis=1)], axis=1)
    radii = root + (tip - root) * np.linspace(0, 1, 4).astype(np.float32)
    return _segments(joints, jnp.where(length > 0, radii, ABSENT))


def _limbs(
    motion: Motion, species: dict[str, Array], spine: Array, angles: Array, pair: int
) -> tuple[Capsules, Capsules]:
    """Both limbs of a pair; seen from the side the first one is near."""
    at, upper, lower, rest, knee, swing, offset, radius = species["limbs"][pair]
    channel, side = motion.channels, species["side"]
    base = _along(spine, at)
    # Folded legs: seen from above they lie under the body.
    tucked = 1 - 0.6 * (channel["crouch"] * (1 - side))[:, None]
    made = []
    for number in (0, 1):
        sign = jnp.where(side > 0, -1.0, 1.0 if number == 0 else -1.0)
        cycle = motion.cycle + offset + 0.5 * number
        angle, bend = jnp.broadcast_to(rest, cycle.shape), jnp.broadcast_to(knee, cycle.shape)
        folded = channel["crouch"] * side
        angle, bend = angle - 50 * folded, bend + 105 * folded
        if pair == 0:
            arm, moved = channel["arm"], channel["arm_swing"] * jnp.sin(TURN * (motion.cycle + 0.35 * number))
            angle = angle + arm * (jnp.where(side > 0, 8.0, 20.0) - angle) + moved
            bend = bend + arm * (jnp.where(side > 0, -62.0, -24.0) - bend) - 0.6 * moved
        if pair == 1 and number == 0:
            hind, moved = channel["hind"], channel["hind_swing"] * jnp.sin(TURN * motion.cycle)
            angle = angle + hind * (jnp.where(side > 0, 30.0, 66.0) - angle) + moved
            bend = bend + hind * (jnp.where(side > 0, -10.0, -30.0) - bend)
        stride = swing * channel["gait"] * jnp.sin(TURN * cycle)
        lift = jnp.maximum(jnp.cos(TURN * cycle), 0) * channel["gait"] * jnp.where(side > 0, 34.0, 10.0)
        first = sign * (angle - stride) * DEGREE + (1 - side) * angles[:, 1 + (pair == 0)]
        then = first + sign * (bend + lift) * DEGREE
        out = jnp.stack([jnp.zeros_like(sign), sign * (1 - side) * 0.6], -1) * _thickness(species, at)
        start = base + out[None] + jnp.array([0.04, 0.0]) * side * number
        joint = start + upper * tucked * jnp.stack([jnp.cos(first), jnp.sin(first)], -1)
        end = joint + lower * tucked * jnp.stack([jnp.cos(then), jnp.sin(then)], -1)
        thick = jnp.where(upper > 0, jnp.stack([radius * 1.25, radius, radius * 0.75]), ABSENT)
        made.append(_segments(jnp.stack([start, joint, end], axis=1), thick))
    return made[0], made[1]


def _wings(motion: Motion, species: dict[str, Array], spine: Array, angles: Array) -> Capsules:
    length, folded, spread, root, tip = species["wings"]
    channel, side = motion.channels, species["side"]
    base = _along(spine, jnp.float32(0.8))
    flap = channel["beat"] * (0.5 + 0.5 * jnp.sin(TURN * motion.cycle))
    vibrate = channel["one_wing"] * (0.85 + 0.15 * jnp.sin(TURN * motion.cycle))
    made = []
    for number in (0, 1):
        sign = jnp.where(side > 0, 1.0, 1.0 if number == 0 else -1.0)
        opened = channel["wing"] + flap + (vibrate if number == 0 else 0)
        opened = jnp.clip(opened + 0.03 * motion.drift[:, 5], 0, 1.1)
        direction = sign * (folded + opened * (spread - folded) + 14 * side * number * opened) * DEGREE
        direction = direction + angles[:, 2]
        end = base + length * jnp.stack([jnp.cos(direction), jnp.sin(direction)], -1)
        thick = jnp.where(length > 0, jnp.stack([root, tip]), ABSENT)
        made.append(_segments(jnp.stack([base, end], axis=1), thick))
    return _chain(made)


def _ears(heads: Float[Array, "t 2 2"], species: dict[str, Array]) -> Capsules:
    length, angle, radius = species["ears"]
    made = []
    for number in (0, 1):
        sign = jnp.where(species["side"] > 0, 1.0, 1.0 if number == 0 else -1.0)
        turned = sign * (angle + 16 * number * species["side"]) * DEGREE
        forward, left = _axes(heads)
        base = heads[:, 0] + 0.25 * (heads[:, 1] - heads[:, 0]) + sign * 0.5 * species["head"][2] * left
        end = base + length * (jnp.cos(turned) * forward + jnp.sin(turned) * left)
        thick = jnp.where(length > 0, jnp.stack([radius, radius * 0.8]), ABSENT)
        made.append(_segments(jnp.stack([base, end], axis=1), thick))
    return _chain(made)


def _eyes(heads: Float[Array, "t 2 2"], species: dict[str, Array]) -> Capsules:
    radius, apart = species["eye"]
    forward, left = _axes(heads)
    made = []
    for number in (0, 1):
        sign = jnp.where(species["side"] > 0, 1.0, 1.0 if number == 0 else -1.0)
        at = heads[:, 0] + 0.35 * (heads[:, 1] - heads[:, 0]) + sign * apart * left
        only_one = (species["side"] > 0) & (number == 1)
        thick = jnp.where((radius > 0) & ~only_one, jnp.stack([radius, radius * 0.9]), ABSENT)
        made.append(_segments(jnp.stack([at, at + 0.5 * radius * forward], axis=1), thick))
    return _chain(made)


def _axes(heads: Float[Array, "t 2 2"]) -> tuple[Array, Array]:
    """Where the head points, and its left, unit vectors ``[t 2]``."""
    forward = heads[:, 1] - heads[:, 0]
    forward = forward / (jnp.linalg.norm(forward, axis=-1, keepdims=True) + 1e-6)
    return forward, jnp.stack([-forward[:, 1], forward[:, 0]], -1)


def _along(spine: Float[Array, "t 7 2"], at: Array) -> Float[Array, "t 2"]:
    """A place along the trunk, 0 (rump) to 1 (shoulder)."""
    weights = jnp.maximum(1 - jnp.abs(at * 4 - np.arange(5, dtype=np.float32)), 0)
    return jnp.einsum("j,tjx->tx", weights, spine[:, :5])


def _thickness(species: dict[str, Array], at: Array) -> Array:
    weights = jnp.maximum(1 - jnp.abs(at * 4 - np.arange(5, dtype=np.float32)), 0)
    return weights @ species["trunk"]


def _segments(joints: Float[Array, "t j 2"], *radii: Array) -> Capsules:
    """A chain of segments through joints; thickness at the joints, where the parts of it are given one after another.

    With one radius more than joints the last two are those of the last segment alone.
    """
    thick = jnp.concatenate([jnp.atleast_1d(part) for part in radii])
    ends = jnp.stack([joints[:, :-1], joints[:, 1:]], axis=2)
    count = joints.shape[1] - 1
    if thick.shape[0] == count + 1:
        both = jnp.stack([thick[:-1], thick[1:]], -1)
    else:
        both = jnp.concatenate([jnp.stack([thick[: count - 1], thick[1:count]], -1), thick[None, -2:]])
    return Capsules(ends, jnp.broadcast_to(both, (joints.shape[0], count, 2)))


def _chain(parts: list[Capsules]) -> Capsules:
    return Capsules(
        jnp.concatenate([part.ends for part in parts], axis=1), jnp.concatenate([part.radii for part in parts], axis=1)
    )


def _foreshortened(part: Capsules, rump: Float[Array, "t 2"], raised: Float[Array, " t"], hand: Array) -> Capsules:
    """An animal that rears, seen from above: shorter and nearer; and the mirroring of left and right."""
    anchor = rump[:, None, None]
    shrink = jnp.stack([1 - 0.5 * raised, jnp.ones_like(raised)], -1)[:, None, None]
    ends = anchor + (part.ends - anchor) * shrink
    return Capsules(ends * jnp.stack([jnp.float32(1), hand]), part.radii * (1 + 0.22 * raised)[:, None, None])
