"""What the drawn animals do: every behavior is a row of numbers that move the joints and the body.

Behaviors are made in pairs that differ in one thing. **Motion only**: the frames of both are drawn from one and the
same distribution, only their order or their pace differs: one is the other backwards, or the same path and the same
steps at a quarter of the pace, or the same range of postures passed at another rate. **Appearance only**: both hold a
posture, with the same slow drift, and any single frame tells them apart. The rest differs in both.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from vp_science.samples.synthetic.anatomy import Number, Species
from vp_science.samples.synthetic.species import SPECIES
from vp_science.timeline.behaviors import Behavior, Behaviors

SLOWER = 4
"""How much slower than ``moving forward`` the animal creeps; a whole number, see ``motion.window_offset``."""


@dataclass(frozen=True)
class Program:
    """How the body moves; rates are varied from animal to animal by a tempo.

    Attributes:
        speed: body lengths per second, forwards.
        gait: how far the legs swing, 0 to 1; ``wave`` the same for the winding of the body.
        rate: cycles per second of legs, wings or tail on top of those of the path.
        spin: turning, radians per second.
        sway, sway_rate: turning to and fro: radians, cycles per second.
        curl: bend of the trunk, degrees per joint.
        pitch: body raised, 0 to 1.
        crouch: legs folded, 0 to 1.
        head, head_swing: how far the head is lowered (degrees), and how far it nods.
        arm, arm_swing: front limbs raised to the face (0 to 1), and how far they move (degrees).
        hind, hind_swing: one hind leg raised to the body, and how far it moves.
        wing, one_wing: wings spread, 0 to 1; or only one of them.
        beat: how far wings or tail beat, 0 to 1.
        hop: height of jumps in body lengths.
        noise_rate: how fast the posture drifts; the size of the drift is the same for all.
        turmoil: how far the body is thrown about, 0 to 1.
        gap: how far ahead the partner is, in body lengths, in the middle of the clip; 0 has no partner.
        gap_rate: how fast that grows, body lengths per second.
    """

    speed: Number = 0.0
    gait: Number = 0.0
    wave: Number = 0.0
    rate: Number = 0.0
    spin: Number = 0.0
    sway: Number = 0.0
    sway_rate: Number = 0.0
    curl: Number = 0.0
    pitch: Number = 0.0
    crouch: Number = 0.0
    head: Number = 0.0
    head_swing: Number = 0.0
    arm: Number = 0.0
    arm_swing: Number = 0.0
    hind: Number = 0.0
    hind_swing: Number = 0.0
    wing: Number = 0.0
    one_wing: Number = 0.0
    beat: Number = 0.0
    hop: Number = 0.0
    noise_rate: Number = 1.0
    turmoil: Number = 0.0
    gap: Number = 0.0
    gap_rate: Number = 0.0


CHANNELS = tuple(field.name for field in fields(Program))

_WALK, _RUN = 0.9, 1.7


def _any(kind: Species) -> bool:
    return True


def _four_legs(kind: Species) -> bool:
    return len(kind.limbs) == 2


def _hands(kind: Species) -> bool:
    return kind.name in ("mouse", "rat", "dog", "monkey", "chimpanzee", "fly", "ant")


def _above(kind: Species) -> bool:
    return kind.view == "above"


def _winged(kind: Species) -> bool:
    return kind.beats == "wings"


def _beats(kind: Species) -> bool:
    return _winged(kind) or kind.tail[0] > 0


def _on_ground(kind: Species) -> bool:
    return kind.view == "side" and kind.habitat != "water side"


def _bends(kind: Species) -> bool:
    return kind.name in ("mouse", "rat", "worm", "lizard", "dog", "monkey", "zebrafish")


@dataclass(frozen=True)
class Entry:
    """A behavior: its catalogue entry, its program, who shows it."""

    name: str
    description: str
    category: str
    program: Program
    shown_by: Callable[[Species], bool] = _any


PROGRAMS: tuple[Entry, ...] = (
    Entry("moving forward", "walks, crawls or swims ahead", "locomotion", Program(_WALK, gait=1, wave=1)),
    Entry("moving backward", "the same with time reversed", "locomotion", Program(-_WALK, gait=1, wave=1)),
    Entry("creeping", "the same at a quarter of the pace", "locomotion", Program(_WALK / SLOWER, gait=1, wave=1)),
    Entry("running", "moves fast, with wide strides", "locomotion", Program(_RUN, gait=1.5, wave=1.3, head=-8)),
    Entry(
        "turning around", "turns on the spot, round and round", "orientation",
        Program(gait=0.6, rate=1.0, spin=2.2), _above,
    ),
    Entry(
        "looking around", "turns on the spot, to and fro", "orientation",
        Program(gait=0.6, rate=1.0, sway=0.75, sway_rate=0.8), _above,
    ),
    Entry("standing still", "stands, with a slow drift of the posture", "rest", Program()),
    Entry("trembling", "stands, with a fast drift of the posture, of the same size", "rest", Program(noise_rate=18)),
    Entry(
        "beating fast", "beats the wings, or wags the tail, fast", "display", Program(beat=1, rate=2.5), _beats,
    ),
    Entry("beating slowly", "the same movement, slowly", "display", Program(beat=1, rate=0.5), _beats),
    Entry("curled up", "lies rolled up", "rest", Program(curl=31, crouch=0.9, head=34), _bends),
    Entry("stretched out", "lies straight", "rest", Program(curl=0, crouch=0.9, head=-6), _bends),
    Entry("rearing", "stands on its hind legs", "exploration", Program(pitch=1, head=20), _four_legs),
    Entry("crouching", "stands low, legs folded", "exploration", Program(crouch=0.6, head=8), _four_legs),
    Entry("wings spread", "holds its wings open", "display", Program(wing=1), _winged),
    Entry("wing extension", "holds one wing out and vibrates it", "display", Program(one_wing=1, rate=2.9), _winged),
    Entry(
        "grooming", "moves the front limbs over the face", "maintenance",
        Program(curl=7, crouch=0.25, head=26, arm=1, arm_swing=24, rate=2.2, pitch=0.25), _hands,
    ),
    Entry(
        "scratching", "a hind leg beats against the body", "maintenance",
        Program(curl=12, crouch=0.3, head=10, hind=1, hind_swing=30, rate=2.8), lambda kind: _four_legs(kind)
        and _hands(kind),
    ),
    Entry(
        "digging", "front limbs throw material back", "exploration",
        Program(head=30, arm=0.35, arm_swing=38, rate=2.4, crouch=0.15), lambda kind: kind.name in
        ("mouse", "rat", "dog"),
    ),
    Entry(
        "feeding", "the head is down, and nods", "feeding",
        Program(head=66, head_swing=16, rate=1.6, crouch=0.05), _on_ground,
    ),
    Entry("jumping", "jumps, again and again", "locomotion", Program(0.5, gait=0.9, hop=0.42, rate=0.7), _on_ground),
    Entry(
        "approaching", "moves towards another one that stays", "social",
        Program(_WALK, gait=1, wave=1, gap=2.0, gap_rate=-_WALK),
    ),
    Entry(
        "retreating", "the same with time reversed", "social",
        Program(-_WALK, gait=1, wave=1, gap=2.0, gap_rate=_WALK),
    ),
    Entry("following", "moves behind another one that moves", "social", Program(_WALK, gait=1, wave=1, gap=1.7)),
    Entry(
        "fighting", "two that tumble over each other", "social",
        Program(gait=1.2, wave=1, rate=2.4, curl=10, arm=0.5, arm_swing=40, turmoil=1, gap=0.55),
    ),
)  # fmt: skip

SYNTHETIC_BEHAVIORS = Behaviors(
    tuple(Behavior(entry.name, "state", entry.description, entry.category) for entry in PROGRAMS), exclusive=True
)
"""The catalogue: one behavior at a time."""

MOTION_ONLY: tuple[tuple[str, str], ...] = (
    ("moving forward", "moving backward"),
    ("moving forward", "creeping"),
    ("turning around", "looking around"),
    ("standing still", "trembling"),
    ("beating fast", "beating slowly"),
    ("approaching", "retreating"),
)
"""Pairs whose single frames are drawn from the same distribution: only motion tells them apart."""

APPEARANCE_ONLY: tuple[tuple[str, str], ...] = (
    ("curled up", "stretched out"),
    ("rearing", "crouching"),
    ("standing still", "rearing"),
    ("standing still", "wings spread"),
)
"""Pairs that move alike (a slow drift): the posture tells them apart. The last two: for species that show both."""

SOCIAL = tuple(entry.name for entry in PROGRAMS if entry.program.gap > 0)
"""Behaviors of two animals."""


def program_table() -> np.ndarray:
    """All programs, float32 ``[behavior channel]``; channels as ``CHANNELS``."""
    return np.asarray([[getattr(entry.program, name) for name in CHANNELS] for entry in PROGRAMS], np.float32)


def shown_table() -> np.ndarray:
    """Which species shows which behavior, bool ``[behavior species]``."""
    return np.asarray([[entry.shown_by(kind) for kind in SPECIES] for entry in PROGRAMS])
