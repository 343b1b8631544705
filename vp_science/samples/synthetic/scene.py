"""What is drawn by lot for a clip: who, what, where, in which light."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from vp_science.samples.synthetic.anatomy import COLORS, PATTERNS
from vp_science.samples.synthetic.backgrounds import BACKGROUNDS, background_table, fits_table
from vp_science.samples.synthetic.behaviors import CHANNELS, PROGRAMS, SLOWER, program_table
from vp_science.samples.synthetic.looks import CAMERA_SHARES, look_table
from vp_science.samples.synthetic.lots import Lots
from vp_science.samples.synthetic.motion import NUM_DRIFTS, Individual
from vp_science.samples.synthetic.raster import Coat
from vp_science.samples.synthetic.species import species_table

_GAP, _GAP_RATE = CHANNELS.index("gap"), CHANNELS.index("gap_rate")
_SOCIAL_SIZE = 0.7
"""Two that have to do with each other are drawn smaller, so that both are in the picture."""
_NAMES = [entry.name for entry in PROGRAMS]
_STILL, _FORWARD, _FIGHT, _FOLLOW = (
    _NAMES.index(name) for name in ("standing still", "moving forward", "fighting", "following")
)


class Choices(NamedTuple):
    """What may be drawn.

    Attributes:
        shown: which behavior of which species, ``[behavior species]``.
        backgrounds: which, ``[background]``; looks: relative frequency, ``[look]``.
        pairs: how often a second animal does the same, where the behavior is one of a single animal.
        changes: how often the behavior changes in a clip.
    """

    shown: Bool[Array, "behaviors species"]
    backgrounds: Bool[Array, " backgrounds"]
    looks: Float[Array, " looks"]
    pairs: Float[Array, ""]
    changes: Float[Array, ""]


class Facts(NamedTuple):
    """What was drawn, as numbers; all of shape (). Names are those of the tables.

    Attributes:
        species, behavior, then, color, pattern, background, look, camera: numbers in their tables;
            ``then`` is the behavior after the change, or the same one.
        change: when it changes, in clips from its start (1: not at all).
        animals: 1 or 2.
        facing: -1 or 1 where the first animal is seen from the side and looks to the left or right all the time; or 0.
        length: of the trunk in frames.
    """

    species: Int[Array, ""]
    behavior: Int[Array, ""]
    then: Int[Array, ""]
    color: Int[Array, ""]
    pattern: Int[Array, ""]
    background: Int[Array, ""]
    look: Int[Array, ""]
    camera: Int[Array, ""]
    change: Float[Array, ""]
    animals: Int[Array, ""]
    length: Float[Array, ""]
    facing: Int[Array, ""]


def choose(lots: Lots, choices: Choices) -> Facts:
    """Draw the facts of a clip: the behavior first, then one of the species that show it.

    Nothing of the appearance depends on the behavior, except through the species.
    """
    table = species_table()
    behavior = lots.choice(jnp.any(choices.shown, axis=1))
    species = lots.choice(choices.shown[behavior])
    single = jnp.asarray(program_table()[:, _GAP] == 0)
    other = lots.choice(choices.shown[:, species] & single)
    changes = (lots.uniform() < choices.changes) & single[behavior]
    change = jnp.where(changes, lots.uniform(0.3, 0.7), 1.0)
    color = lots.choice(jnp.asarray(table["coats"])[species])
    least, most = jnp.asarray(table["length"])[species]
    second = lots.uniform() < choices.pairs
    return Facts(
        species=species,
        behavior=behavior,
        then=jnp.where(changes, other, behavior),
        color=color,
        pattern=lots.choice(jnp.asarray(table["patterns"])[species]),
        background=lots.choice(choices.backgrounds & jnp.asarray(fits_table())[species]),
        look=lots.choice(choices.looks),
        camera=lots.choice(jnp.asarray(CAMERA_SHARES)),
        change=change,
        animals=jnp.where(single[behavior], 1 + second.astype(jnp.int32), 2),
        length=least * (most / least) ** lots.uniform() * jnp.where(single[behavior], 1.0, _SOCIAL_SIZE),
        facing=jnp.int32(0),
    )


def individuals(lots: Lots, facts: Facts) -> Individual:
    """Both animals (axis 0), where they are and how they move; the second one is drawn only where there are two."""
    table = {name: jnp.asarray(column)[facts.species] for name, column in species_table().items()}
    side, swims = table["side"], table["swims"]
    low, high = bounds(side, swims)
    center = lots.uniform(low + 0.16 * (high - low), high - 0.16 * (high - low), (2,))
    facing = jnp.where(lots.uniform() < 0.5, 0.0, np.pi)
    slope = swims * lots.uniform(-0.25, 0.25)
    heading = jnp.where(side > 0, facing + slope, lots.uniform(0, 2 * np.pi))
    bend = lots.normal() * 1.6 * (1 - side)
    gap = jnp.asarray(program_table())[facts.behavior, _GAP]
    # Two that have to do with each other stand on both sides of the place.
    center = center - 0.5 * gap * facts.length * jnp.stack([jnp.cos(heading), jnp.sin(heading) * (1 - side)])
    first = _individual(lots, facts, table["stride"], center, heading, bend)
    toward = lots.uniform(0, 2 * np.pi)
    turned = jnp.where(side > 0, jnp.where(toward < np.pi, 0.0, np.pi), toward)
    turn = jnp.where(facts.behavior == _FIGHT, np.pi, jnp.where(facts.behavior == _FOLLOW, 0.0, turned))
    partner = _individual(lots, facts, table["stride"], center, heading, bend)
    partner = partner._replace(ahead=gap * first.length, turn=turn, length=first.length, tempo=first.tempo)
    away = lots.uniform(0.28, 0.42, (2,)) * lots.sign((2,))
    another = jnp.where(side > 0, facing + turned, toward)
    other = _individual(lots, facts, table["stride"], center + away, another, -bend)
    second = jax.tree.map(lambda one, two: jnp.where(gap > 0, one, two), partner, other)
    both: Individual = jax.tree.map(lambda one, two: jnp.stack([jnp.asarray(one), jnp.asarray(two)]), first, second)
    return both


def bounds(side: Array, swims: Array) -> tuple[Float[Array, "2"], Float[Array, "2"]]:
    """Least and largest x and y of an animal's place; seen from the side, y is where its feet are."""
    land = side * (1 - swims)
    low = jnp.stack([jnp.float32(0.11), jnp.where(land > 0, 0.62, 0.11)])
    return low, jnp.stack([jnp.float32(0.89), jnp.where(land > 0, 0.95, 0.89)])


def partner_program(behavior: Int[Array, ""]) -> Int[Array, ""]:
    """What the second animal does when the first one shows a behavior."""
    stays = jnp.asarray(program_table()[:, _GAP_RATE] != 0)
    return jnp.where(stays[behavior], _STILL, jnp.where(behavior == _FOLLOW, _FORWARD, behavior))


def coats(lots: Lots, facts: Facts) -> Coat:
    """The surfaces of both animals (axis 0)."""
    palette = jnp.asarray(np.asarray(list(COLORS.values()), np.float32))
    shade = 1 + 0.12 * lots.normal((2, 1))
    color = jnp.clip(palette[facts.color] * shade + 0.012 * lots.normal((2, 3)), 0.02, 0.96)
    bright = jnp.mean(color, axis=1, keepdims=True) > 0.35
    # Dark marks on bright coats, bright marks on dark ones.
    marks = jnp.where(bright, color * 0.28, color + 0.55 * (1 - color))
    marks = jnp.where(facts.pattern == PATTERNS.index("pale-bellied"), color + 0.6 * (1 - color), marks)
    glass = jnp.where(jnp.asarray(species_table()["side"])[facts.species] > 0, 0.0, 0.45)
    return Coat(
        color=color,
        second=marks,
        pattern=jnp.stack([jax.nn.one_hot(facts.pattern, len(PATTERNS))] * 2),
        scale=lots.uniform(18, 30, (2,)),
        grain=lots.uniform(shape=(2, 2)),
        glass=jnp.stack([glass, glass]),
    )


def ground(facts: Facts) -> dict[str, Array]:
    """The row of the background."""
    return {name: jnp.asarray(column)[facts.background] for name, column in background_table().items()}


def look(facts: Facts) -> Float[Array, "3"]:
    """Grey, dark, noise."""
    return jnp.asarray(look_table())[facts.look]


def on_perch(facts: Facts) -> Float[Array, ""]:
    """1 where the animal sits on a perch."""
    named = np.asarray(["perch" in item.place or "branch" in item.place for item in BACKGROUNDS], np.float32)
    return jnp.asarray(named)[facts.background]


def _individual(lots: Lots, facts: Facts, stride: Array, center: Array, heading: Array, bend: Array) -> Individual:
    return Individual(
        center=center,
        heading=heading,
        bend=bend,
        ahead=jnp.float32(0),
        turn=jnp.float32(0),
        length=facts.length * lots.uniform(0.9, 1.0),
        tempo=lots.uniform(0.8, 1.2),
        stride=stride,
        phase=lots.uniform(),
        sway_phase=lots.uniform(0, 2 * np.pi),
        drift_phase=lots.uniform(shape=(NUM_DRIFTS, 3)),
        drift_rate=lots.uniform(0.08, 0.22, (NUM_DRIFTS, 3)),
        window=jnp.floor(lots.uniform(0, SLOWER)),
        chirality=lots.sign(),
    )
