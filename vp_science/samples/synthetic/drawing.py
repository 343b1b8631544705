"""One clip as one compiled program: lots, motion, postures, pixels."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from vp_science.samples.synthetic import scene
from vp_science.samples.synthetic.backgrounds import canvas_side, draw_background
from vp_science.samples.synthetic.behaviors import CHANNELS, PROGRAMS, program_table
from vp_science.samples.synthetic.camera import Picture
from vp_science.samples.synthetic.looks import CAMERAS
from vp_science.samples.synthetic.lots import Lots
from vp_science.samples.synthetic.motion import TURN, Individual, fold, move, window_offset
from vp_science.samples.synthetic.raster import Placed, Stage, render
from vp_science.samples.synthetic.skeleton import Body, place, pose
from vp_science.samples.synthetic.species import species_table

FADE_S = 0.3
"""How long one behavior takes to become another; the label changes in the middle of it."""


def draw_clip(
    seed: Array, row: Array, choices: scene.Choices, fps: Float[Array, ""], num_frames: int, size: int
) -> tuple[UInt8[Array, "t size size 3"], scene.Facts]:
    """A clip: a pure function of seed and row.

    Args:
        seed: of the series, two uint32 (low and high half).
        row: of the clip, two uint32.
        choices: what may be drawn.
        fps: frames per second.
        num_frames: of the clip.
        size: pixels along a side.
    """
    lots = clip_lots(seed, row)
    facts = scene.choose(lots, choices)
    weights = clip_weights(facts, fps, num_frames)
    stage = stage_clip(lots, facts, weights, fps, size)
    time = (np.arange(num_frames, dtype=np.float32) + 0.5) / num_frames - 0.5
    ahead = jnp.sign(stage.animals.axes[0, :, 0, 0]) * stage.animals.side[0]
    facing = jnp.where(jnp.all(ahead == ahead[0]), ahead[0], 0).astype(jnp.int32)
    return render(stage, jnp.asarray(time), size), facts._replace(facing=facing)


def clip_lots(seed: Array, row: Array) -> Lots:
    """All random numbers of a clip; seed and row as halves of 32 bits."""
    key = jax.random.key(seed[0])
    for part in (seed[1], row[0], row[1]):
        key = jax.random.fold_in(key, part)
    return Lots(key)


def clip_weights(facts: scene.Facts, fps: Float[Array, ""], num_frames: int) -> Float[Array, "t behaviors"]:
    """Share of every program at the middle of every frame."""
    seconds = (np.arange(num_frames, dtype=np.float32) + 0.5) / fps
    when = facts.change * num_frames / fps
    later = jnp.where(facts.change < 1, jnp.clip((seconds - when) / FADE_S + 0.5, 0, 1), 0.0)
    one, two = jax.nn.one_hot(facts.behavior, len(PROGRAMS)), jax.nn.one_hot(facts.then, len(PROGRAMS))
    return one + later[:, None] * (two - one)


def stage_clip(
    lots: Lots, facts: scene.Facts, weights: Float[Array, "t behaviors"], fps: Float[Array, ""], size: int
) -> Stage:
    """Place everything that a clip or a whole recording shows; see ``draw_clip``.

    Args:
        lots: random numbers.
        facts: what was drawn.
        weights: share of every program at every frame.
        fps: frames per second.
        size: pixels along a side.
    """
    num_frames = weights.shape[0]
    both = scene.individuals(lots, facts)
    shift = jnp.where(facts.change >= 1, window_offset(facts.behavior, num_frames / fps, both), 0.0)
    both = both._replace(ahead=both.ahead + shift)
    partner = jax.nn.one_hot(scene.partner_program(facts.behavior), len(PROGRAMS))
    single = jnp.asarray(program_table()[:, CHANNELS.index("gap")] == 0)[facts.behavior]
    programs = jnp.stack([weights, jnp.where(single, weights, partner[None])])
    present = jnp.stack([jnp.float32(1), (facts.animals > 1).astype(jnp.float32)])
    picture = _picture(lots, facts, fps, num_frames, size)
    animals = jax.vmap(lambda one, what, there: _animal(one, what, facts, picture.camera, 1 / fps, there))(
        both, programs, present
    )
    coats = scene.coats(lots, facts)
    side = canvas_side(size)
    noise = jax.random.normal(lots.key, (side, side))
    grain = 0.85 * noise + 0.5 * jnp.roll(noise, 1, 1)
    feet = both.center[0, 1]
    canvas = draw_background(lots, scene.ground(facts), feet, scene.on_perch(facts), grain)
    return Stage(animals, coats, _visible(canvas, coats.color[0]), grain, picture)


def _animal(
    individual: Individual,
    weights: Float[Array, "t behaviors"],
    facts: scene.Facts,
    camera: Float[Array, "t 2"],
    step_s: Float[Array, ""],
    present: Float[Array, ""],
) -> Placed:
    species = {name: jnp.asarray(column)[facts.species] for name, column in species_table().items()}
    motion = move(individual, weights, jnp.asarray(program_table()), step_s)
    side, swims = species["side"], species["swims"]
    low, high = scene.bounds(side, swims)
    folded, slope = fold(motion.position, low, high)
    land = side * (1 - swims)
    # On land the height only says how near an animal is; it does not turn when it comes near the border.
    height = jnp.where(land > 0, jnp.clip(motion.position[:, 1], 0.55, 0.97), folded[:, 1])
    origin = jnp.stack([folded[:, 0], height], -1) - camera
    direction = motion.direction * slope
    direction = direction / (jnp.linalg.norm(direction, axis=-1, keepdims=True) + 1e-5)
    left = jnp.stack([direction[:, 1], -direction[:, 0]], -1)
    facing = jnp.clip(jnp.where(motion.direction[:, 0] < 0, -1.0, 1.0) * slope[:, 0] * 1.6, -1, 1)
    tilt = jnp.where(swims > 0, motion.direction[:, 1], 0.25 * motion.channels["turmoil"] * motion.drift[:, 4])
    seen_from_side = (
        jnp.stack([facing * jnp.cos(tilt), jnp.sin(tilt)], -1),
        jnp.stack([facing * jnp.sin(tilt), -jnp.cos(tilt)], -1),
    )
    axes = jnp.where(side > 0, jnp.stack(seen_from_side, axis=1), jnp.stack([direction, left], axis=1))
    body = pose(motion, species, individual.chirality)
    placed = Body(*(place(part, origin, axes, individual.length) for part in body))
    return Placed(placed, origin, axes, individual.length, side, present)


def _visible(canvas: Float[Array, "3 side side"], color: Float[Array, "3"]) -> Float[Array, "3 side side"]:
    """The background made darker or brighter, where the animal could hardly be told from it."""
    ground, coat = jnp.mean(canvas), jnp.mean(color)
    near = jnp.maximum(0.2 - jnp.abs(ground - coat), 0)
    wanted = jnp.where((ground > coat) & (ground < 0.8) | (ground < 0.12), ground + near, ground - near)
    return jnp.clip(canvas * wanted / ground, 0, 1)


def _picture(lots: Lots, facts: scene.Facts, fps: Float[Array, ""], num_frames: int, size: int) -> Picture:
    seconds = (np.arange(num_frames, dtype=np.float32) + 0.5 - num_frames / 2) / fps
    grey, dark, noise = scene.look(facts)
    angle = lots.uniform(0, TURN)
    drift = 1 + 0.05 * jnp.sin(TURN * (0.15 * seconds + lots.uniform()))
    warm = lots.normal() * 0.05 * (1 - grey)
    dusty = lots.uniform() < 0.12
    unit = lots.uniform(shape=(4,))
    thick = jnp.where(dusty, 0.012, -9.0)
    dust = jnp.stack([unit[0], unit[1], (unit[2] - 0.5) * 1.2, (unit[3] - 0.5) * 1.2, thick, 0.5 + 0.4 * unit[0]])
    # Where the noise of a frame lies is a hash of its number, so that recordings of any length need no more numbers.
    mixed = jnp.arange(num_frames)[:, None] * jnp.array([7919, 104729]) + (lots.uniform(0, 4096, (2,))).astype(
        jnp.int32
    )
    return Picture(
        camera=_camera(lots, facts.camera, seconds),
        light=jnp.stack([jnp.cos(angle), jnp.sin(angle)]),
        gain=drift * lots.uniform(0.82, 1.22),
        shadow=lots.uniform(0.0, 0.55),
        grey=grey,
        dark=dark * lots.uniform(0.5, 1.0),
        noise=noise * lots.uniform(0.2, 1.2),
        curve=lots.uniform(-0.3, 0.35),
        tint=jnp.stack([1 + warm, jnp.float32(1), 1 - warm]),
        blur=lots.uniform() ** 2,
        blocks=0.35 * lots.uniform() ** 3,
        noise_at=mixed % (canvas_side(size) - size),
        dust=dust,
    )


def _camera(lots: Lots, kind: Array, seconds: Float[np.ndarray, " t"] | Array) -> Float[Array, "t 2"]:
    """Where the frame lies on the canvas: still, shaking, or turning slowly to and fro."""
    phase, rate = lots.uniform(shape=(2, 3)), lots.uniform(0.3, 1.6, (2, 3))
    shake = 0.006 * jnp.sum(jnp.sin(TURN * (rate[None] * seconds[:, None, None] + phase[None])), -1)
    angle = lots.uniform(0, TURN)
    toward = jnp.stack([jnp.cos(angle), 0.35 * jnp.sin(angle)])
    swing = 0.09 * jnp.sin(TURN * (seconds / 9 + phase[0, 0]))[:, None] * toward
    unsteady, panning = CAMERAS.index("unsteady"), CAMERAS.index("panning")
    return jnp.where(kind == unsteady, shake, jnp.where(kind == panning, swing + 0.3 * shake, 0.0))
