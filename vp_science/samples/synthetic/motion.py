"""Where an animal is and how it holds itself, frame by frame: programs integrated over time."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vp_science.samples.synthetic.behaviors import CHANNELS, PROGRAMS, SLOWER

TURN = 2 * np.pi
NUM_DRIFTS = 6
"""Independent drifts of the posture."""

_CREEPING = next(index for index, entry in enumerate(PROGRAMS) if entry.name == "creeping")


class Individual(NamedTuple):
    """What is drawn once per animal and clip; arrays of shape () unless said otherwise.

    Attributes:
        center: where it is at the middle of the clip, x and y in frames.
        heading: direction of its path there, radians, y down.
        bend: curvature of the path, radians per frame width.
        ahead: how far along that path it is shifted, in frames.
        turn: of its body against the path.
        length: of the trunk in frames.
        tempo: factor of all rates.
        stride: cycles per body length.
        phase: of the cycle in the middle of the clip; ``sway_phase`` of turning to and fro.
        drift_phase, drift_rate: of the slow drifts, ``[6 3]``.
        window: 0 to ``SLOWER - 1``: the part of the path on which it is shown creeping.
        chirality: 1, or -1 for an animal whose left and right are exchanged.
    """

    center: Float[Array, "2"]
    heading: Float[Array, ""]
    bend: Float[Array, ""]
    ahead: Float[Array, ""]
    turn: Float[Array, ""]
    length: Float[Array, ""]
    tempo: Float[Array, ""]
    stride: Float[Array, ""]
    phase: Float[Array, ""]
    sway_phase: Float[Array, ""]
    drift_phase: Float[Array, "6 3"]
    drift_rate: Float[Array, "6 3"]
    window: Float[Array, ""]
    chirality: Float[Array, ""]


class Motion(NamedTuple):
    """One animal over time.

    Attributes:
        position: unfolded, x and y in frames ``[t 2]``.
        direction: unit vector of the body ``[t 2]``.
        cycle: of legs, wings, tail ``[t]``, in cycles.
        drift: of the posture ``[t 6]``, variance 1.
        channels: of the program by name, each ``[t]``.
    """

    position: Float[Array, "t 2"]
    direction: Float[Array, "t 2"]
    cycle: Float[Array, " t"]
    drift: Float[Array, "t 6"]
    channels: dict[str, Array]


def window_offset(behavior: Array, seconds: Array, individual: Individual) -> Float[Array, " animals"]:
    """Which part of the path a creeping animal is shown on, in frames.

    A clip of an animal that moves at full pace shows a stretch of a path. One that creeps shows a quarter of such a
    stretch, and which quarter is drawn by lot, so that its frames as a whole are those of the full pace.

    Args:
        behavior: its number.
        seconds: length of the clip.
        individual: the animals, on axis 0.
    """
    stretch = PROGRAMS[_CREEPING].program.speed * individual.tempo * individual.length * seconds
    return jnp.where(behavior == _CREEPING, (individual.window - (SLOWER - 1) / 2) * stretch, 0.0)


def move(individual: Individual, weights: Float[Array, "t behaviors"], table: Array, step_s: Array) -> Motion:
    """Integrate programs over time; everything is counted from the middle of the clip.

    Args:
        individual: the animal.
        weights: share of every program at every frame; rows sum to 1.
        table: of programs, ``[behavior channel]``.
        step_s: seconds from frame to frame.
    """
    blended = weights @ table
    channels = {name: blended[:, index] for index, name in enumerate(CHANNELS)}
    pace = individual.tempo * step_s
    travelled = _from_middle(channels["speed"] * pace) * individual.length
    cycle = individual.phase + _from_middle((channels["speed"] * individual.stride + channels["rate"]) * pace)
    spun = _from_middle(channels["spin"] * pace)
    swaying = individual.sway_phase + TURN * _from_middle(channels["sway_rate"] * pace)
    drift = _drift(individual, _from_middle(channels["noise_rate"] * pace))
    along = individual.ahead + travelled
    heading = individual.heading + individual.bend * along + spun + channels["sway"] * jnp.sin(swaying)
    tumble = channels["turmoil"] * jnp.sin(TURN * 0.31 * cycle + individual.sway_phase)
    position = individual.center + _path(individual, along, travelled, heading)
    position = position + individual.length * 0.03 * drift[:, :2]
    wild = jnp.stack([jnp.sin(TURN * 0.43 * cycle), jnp.cos(TURN * 0.37 * cycle + 1)], -1)
    position = position + individual.length * 0.28 * channels["turmoil"][:, None] * wild
    facing = heading + individual.turn + 0.05 * drift[:, 4] + 1.3 * tumble
    return Motion(position, jnp.stack([jnp.cos(facing), jnp.sin(facing)], -1), cycle, drift, channels)


def _from_middle(rate: Float[Array, " t"]) -> Float[Array, " t"]:
    """Integral of a rate (given per frame) from the middle of the clip to the middle of every frame."""
    done = jnp.cumsum(rate) - rate / 2
    return done - jnp.sum(rate) / 2


def _path(individual: Individual, along: Array, travelled: Array, heading: Array) -> Float[Array, "t 2"]:
    """Displacement from the center: along the bent path to the start, then as the heading says."""
    steps = jnp.diff(travelled, prepend=travelled[:1])
    middle = heading - jnp.diff(heading, prepend=heading[:1]) / 2
    moved = jnp.cumsum(steps[:, None] * jnp.stack([jnp.cos(middle), jnp.sin(middle)], -1), axis=0)
    bend = jnp.where(jnp.abs(individual.bend) < 1e-3, 1e-3, individual.bend)
    first, then = individual.heading, individual.heading + bend * along[0]
    start = jnp.stack([jnp.sin(then) - jnp.sin(first), jnp.cos(first) - jnp.cos(then)]) / bend
    return start + moved


def _drift(individual: Individual, time: Float[Array, " t"]) -> Float[Array, "t 6"]:
    """Sums of three slow waves of random phase: at any time the same distribution, however fast time runs."""
    angle = TURN * (individual.drift_rate[None] * time[:, None, None] + individual.drift_phase[None])
    return jnp.sum(jnp.sin(angle), -1) * np.float32(np.sqrt(2 / 3))


def fold(place: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """A line folded into an interval, with rounded turns, and the slope of the folding (from -1 to 1).

    Animals that reach the border of the scene turn round; apart from that nothing changes.
    """
    share = (place - low) / (high - low)
    sharp = np.float32(0.985)
    cosine = sharp * jnp.cos(np.pi * share)
    slope = sharp * jnp.sin(np.pi * share) / jnp.sqrt(1 - cosine**2)
    return low + (high - low) * jnp.arccos(cosine) / np.pi, slope
