"""What a drawn animal is made of: proportions of one skeleton that all species share.

Lengths are in body lengths (the trunk is 1 long), angles in degrees from straight ahead. Seen from above, the second
axis is the side of the animal; seen from the side, it is up.
"""

from dataclasses import dataclass
from typing import Literal

Number = int | float
View = Literal["above", "side"]
Habitat = Literal["floor", "dish", "water above", "land", "water side", "perch"]

COLORS: dict[str, tuple[Number, Number, Number]] = {
    "white": (0.90, 0.89, 0.86),
    "cream": (0.82, 0.75, 0.60),
    "golden": (0.72, 0.54, 0.28),
    "brown": (0.43, 0.30, 0.20),
    "dark brown": (0.24, 0.16, 0.11),
    "black": (0.07, 0.07, 0.075),
    "grey": (0.46, 0.46, 0.47),
    "silver": (0.68, 0.71, 0.74),
    "red": (0.62, 0.22, 0.13),
    "orange": (0.82, 0.45, 0.14),
    "yellow": (0.83, 0.74, 0.26),
    "green": (0.36, 0.50, 0.24),
    "blue": (0.22, 0.37, 0.60),
}
"""Coats, red, green and blue from 0 to 1."""

PATTERNS = ("plain", "striped", "spotted", "pale-bellied", "patchy")
"""Markings of coats."""


@dataclass(frozen=True)
class Limbs:
    """A pair of legs, arms or fins, one on each side.

    Attributes:
        at: where along the trunk they are, 0 (rump) to 1 (shoulder).
        upper, lower: lengths of the two parts.
        angle: at which the upper part stands off.
        knee: how much the lower part turns further.
        swing: how far a stride moves them.
        offset: when in the stride the first of them moves, in cycles; the other one moves half a cycle later.
        radius: half their thickness.
    """

    at: Number
    upper: Number
    lower: Number
    angle: Number
    knee: Number = 20.0
    swing: Number = 26.0
    offset: Number = 0.0
    radius: Number = 0.035


@dataclass(frozen=True)
class Species:
    """One kind of animal.

    Attributes:
        name, plural: as in captions.
        view: from where it is filmed.
        habitat: which backgrounds fit.
        trunk: half its thickness at five places from rump to shoulder.
        neck: length, angle (side: raised), half thickness.
        head: length, angle against the neck, half thickness at its back and at its tip.
        tail: length, angle, half thickness at its root and at its tip.
        ears: length, angle, half thickness (also antennae).
        eye: half thickness, distance from the middle line.
        limbs: up to three pairs, front first.
        wings: length, angle folded, angle spread, half thickness at the root and the tip.
        wave: how far the body winds when the animal moves, in degrees.
        stride: cycles of the legs or of the winding per body length.
        length: of the trunk in frames, least and most.
        colors, patterns: that occur.
        moves: the verb of its gait (walk, crawl, swim).
        beats: what it beats or wags: ``wings`` or ``tail``.
    """

    name: str
    plural: str
    view: View
    habitat: Habitat
    trunk: tuple[Number, Number, Number, Number, Number]
    neck: tuple[Number, Number, Number]
    head: tuple[Number, Number, Number, Number]
    tail: tuple[Number, Number, Number, Number]
    limbs: tuple[Limbs, ...] = ()
    ears: tuple[Number, Number, Number] = (0.0, 0.0, 0.0)
    eye: tuple[Number, Number] = (0.0, 0.0)
    wings: tuple[Number, Number, Number, Number, Number] = (0.0, 0.0, 0.0, 0.0, 0.0)
    wave: Number = 4.0
    stride: Number = 1.2
    length: tuple[Number, Number] = (0.16, 0.34)
    colors: tuple[str, ...] = ("brown", "black", "white", "grey")
    patterns: tuple[str, ...] = ("plain",)
    moves: str = "walk"
    beats: str = "tail"
