"""The animals that can be drawn."""

from dataclasses import fields

import numpy as np

from vp_science.samples.synthetic.anatomy import COLORS, PATTERNS, Limbs, Number, Species


def _hoofed(name: str, plural: str, neck: tuple[Number, Number, Number], **changes: object) -> Species:
    legs = (
        Limbs(0.97, 0.36, 0.36, 90, 0, 24, 0.0, 0.055),
        Limbs(0.06, 0.38, 0.36, 90, 0, 24, 0.22, 0.065),
    )
    values: dict[str, object] = {
        "limbs": legs,
        "trunk": (0.19, 0.22, 0.23, 0.22, 0.19),
        "head": (0.30, -62, 0.10, 0.055),
        "tail": (0.42, -70, 0.025, 0.02),
        "ears": (0.12, 70, 0.025),
        "eye": (0.016, 0.03),
        "wave": 0.0,
    } | changes
    return Species(name, plural, "side", "land", neck=neck, **values)  # type: ignore[arg-type]


_INSECT_LEGS = (
    Limbs(0.88, 0.34, 0.36, 48, 24, 20, 0.0, 0.022),
    Limbs(0.66, 0.38, 0.38, 92, 18, 20, 0.5, 0.022),
    Limbs(0.46, 0.42, 0.46, 132, -12, 20, 0.0, 0.022),
)

# fmt: off
SPECIES: tuple[Species, ...] = (
    Species(
        "mouse",
        "mice",
        "above",
        "floor",
        (0.20, 0.25, 0.25, 0.21, 0.17),
        (0.12, 0, 0.16),
        (0.26, 0, 0.15, 0.05),
        (1.05, 0, 0.045, 0.018),
        (Limbs(0.9, 0.16, 0.12, 62, -30, 30, 0.0, 0.04), Limbs(0.12, 0.22, 0.16, 118, -60, 30, 0.5, 0.05)),
        ears=(0.10, 118, 0.07),
        wave=7,
        length=(0.12, 0.30),
        colors=("black", "brown", "white", "grey", "golden", "dark brown"),
        patterns=("plain", "plain", "patchy"),
    ),
    Species(
        "rat",
        "rats",
        "above",
        "floor",
        (0.19, 0.23, 0.24, 0.22, 0.18),
        (0.14, 0, 0.16),
        (0.32, 0, 0.14, 0.045),
        (1.15, 0, 0.06, 0.025),
        (Limbs(0.9, 0.16, 0.12, 62, -30, 30, 0.0, 0.045), Limbs(0.12, 0.24, 0.17, 118, -60, 30, 0.5, 0.055)),
        ears=(0.08, 118, 0.05),
        wave=6,
        length=(0.2, 0.38),
        colors=("white", "brown", "grey", "black"),
        patterns=("plain", "patchy", "patchy"),
    ),
    Species(
        "fly",
        "flies",
        "above",
        "dish",
        (0.10, 0.17, 0.19, 0.19, 0.17),
        (0.06, 0, 0.08),
        (0.14, 0, 0.17, 0.13),
        (0.0, 0, 0.06, 0.03),
        _INSECT_LEGS,
        eye=(0.08, 0.13),
        wings=(0.95, 167, 84, 0.07, 0.17),
        wave=0,
        stride=2.0,
        length=(0.12, 0.32),
        colors=("golden", "brown", "dark brown", "cream", "yellow"),
        patterns=("plain", "striped"),
        beats="wings",
    ),
    Species(
        "ant",
        "ants",
        "above",
        "dish",
        (0.15, 0.19, 0.08, 0.09, 0.09),
        (0.06, 0, 0.05),
        (0.20, 0, 0.12, 0.08),
        (0.0, 0, 0.06, 0.03),
        _INSECT_LEGS,
        ears=(0.42, 28, 0.015),
        wave=2,
        stride=2.2,
        length=(0.08, 0.22),
        colors=("black", "red", "dark brown"),
    ),
    Species(
        "beetle",
        "beetles",
        "above",
        "floor",
        (0.22, 0.30, 0.32, 0.30, 0.24),
        (0.06, 0, 0.16),
        (0.14, 0, 0.15, 0.10),
        (0.0, 0, 0.06, 0.03),
        _INSECT_LEGS,
        ears=(0.25, 35, 0.015),
        wings=(0.9, 172, 80, 0.06, 0.15),
        wave=0,
        stride=2.0,
        length=(0.12, 0.28),
        colors=("black", "green", "red", "dark brown", "blue"),
        patterns=("plain", "spotted", "striped"),
        beats="wings",
    ),
    Species(
        "worm",
        "worms",
        "above",
        "dish",
        (0.05, 0.06, 0.062, 0.06, 0.055),
        (0.22, 0, 0.05),
        (0.20, 0, 0.05, 0.028),
        (0.55, 0, 0.05, 0.015),
        wave=48,
        stride=1.3,
        length=(0.16, 0.34),
        colors=("cream", "grey", "silver", "brown"),
        moves="crawl",
    ),
    Species(
        "lizard",
        "lizards",
        "above",
        "floor",
        (0.12, 0.16, 0.17, 0.15, 0.12),
        (0.14, 0, 0.10),
        (0.26, 0, 0.12, 0.05),
        (1.3, 0, 0.10, 0.015),
        (Limbs(0.92, 0.20, 0.20, 72, -35, 34, 0.0, 0.04), Limbs(0.06, 0.24, 0.22, 108, -50, 34, 0.5, 0.045)),
        wave=16,
        length=(0.14, 0.28),
        colors=("green", "brown", "golden", "grey", "dark brown"),
        patterns=("plain", "striped", "spotted"),
    ),
    Species(
        "zebrafish",
        "zebrafish",
        "above",
        "water above",
        (0.06, 0.10, 0.13, 0.14, 0.13),
        (0.10, 0, 0.12),
        (0.18, 0, 0.12, 0.06),
        (0.42, 0, 0.05, 0.05),
        (Limbs(0.95, 0.14, 0.10, 112, 10, 16, 0.0, 0.025),),
        eye=(0.04, 0.09),
        wave=20,
        stride=1.5,
        length=(0.12, 0.32),
        colors=("grey", "dark brown", "golden", "silver"),
        moves="swim",
    ),
    Species(
        "fish",
        "fish",
        "side",
        "water side",
        (0.08, 0.17, 0.24, 0.24, 0.18),
        (0.10, 0, 0.14),
        (0.18, 0, 0.12, 0.05),
        (0.30, 0, 0.06, 0.14),
        (Limbs(0.9, 0.16, 0.10, 120, 15, 20, 0.0, 0.04),),
        ears=(0.0, 0, 0.0),
        eye=(0.03, 0.03),
        wave=15,
        stride=1.3,
        length=(0.18, 0.40),
        colors=("orange", "silver", "blue", "yellow", "red", "grey"),
        patterns=("plain", "striped", "spotted", "pale-bellied"),
        moves="swim",
    ),
    Species(
        "finch",
        "finches",
        "side",
        "perch",
        (0.10, 0.17, 0.21, 0.22, 0.19),
        (0.10, 48, 0.14),
        (0.22, -36, 0.13, 0.02),
        (0.55, -14, 0.08, 0.06),
        (Limbs(0.45, 0.14, 0.16, 92, -14, 24, 0.0, 0.02),),
        eye=(0.022, 0.03),
        wings=(0.75, 178, 62, 0.13, 0.06),
        wave=0,
        stride=1.2,
        length=(0.10, 0.26),
        colors=("grey", "brown", "yellow", "red", "golden"),
        patterns=("plain", "pale-bellied", "spotted"),
        moves="hop",
        beats="wings",
    ),
    Species(
        "crow",
        "crows",
        "side",
        "land",
        (0.12, 0.19, 0.22, 0.22, 0.19),
        (0.14, 45, 0.13),
        (0.30, -38, 0.13, 0.02),
        (0.50, -12, 0.09, 0.09),
        (Limbs(0.5, 0.22, 0.22, 92, -14, 28, 0.0, 0.025),),
        eye=(0.018, 0.04),
        wings=(0.95, 178, 66, 0.15, 0.08),
        wave=0,
        stride=1.2,
        length=(0.16, 0.34),
        colors=("black", "grey", "white"),
        patterns=("plain", "plain", "pale-bellied"),
        beats="wings",
    ),
    Species(
        "mouse",
        "mice",
        "side",
        "floor",
        (0.24, 0.27, 0.26, 0.22, 0.18),
        (0.10, 12, 0.15),
        (0.28, -14, 0.14, 0.04),
        (1.0, -8, 0.04, 0.015),
        (Limbs(0.92, 0.14, 0.14, 92, -6, 30, 0.0, 0.04), Limbs(0.12, 0.18, 0.14, 84, 18, 30, 0.5, 0.06)),
        ears=(0.10, 96, 0.07),
        eye=(0.02, 0.04),
        wave=2,
        length=(0.14, 0.34),
        colors=("black", "brown", "white", "grey"),
        patterns=("plain", "plain", "pale-bellied"),
    ),
    Species(
        "dog",
        "dogs",
        "side",
        "land",
        (0.17, 0.17, 0.19, 0.20, 0.19),
        (0.22, 42, 0.12),
        (0.34, -48, 0.12, 0.06),
        (0.55, 32, 0.045, 0.03),
        (Limbs(0.95, 0.32, 0.30, 92, -6, 28, 0.0, 0.055), Limbs(0.06, 0.34, 0.30, 84, 16, 28, 0.5, 0.06)),
        ears=(0.14, 190, 0.05),
        eye=(0.018, 0.04),
        wave=0,
        length=(0.18, 0.38),
        colors=("golden", "black", "white", "brown", "cream"),
        patterns=("plain", "patchy", "spotted", "pale-bellied"),
    ),
    _hoofed("zebra", "zebras", (0.40, 52, 0.12), colors=("white", "cream"), patterns=("striped",), length=(0.14, 0.38)),
    _hoofed(
        "deer",
        "deer",
        (0.42, 56, 0.085),
        colors=("brown", "golden", "red", "grey"),
        patterns=("plain", "pale-bellied", "spotted"),
        tail=(0.14, -60, 0.04, 0.03),
        length=(0.14, 0.34),
    ),
    _hoofed(
        "giraffe",
        "giraffes",
        (1.05, 62, 0.10),
        colors=("golden", "orange", "cream"),
        patterns=("spotted", "patchy"),
        limbs=(Limbs(0.95, 0.55, 0.55, 90, 0, 18, 0.0, 0.055), Limbs(0.06, 0.50, 0.50, 90, 0, 18, 0.2, 0.06)),
        length=(0.12, 0.24),
    ),
    Species(
        "monkey",
        "monkeys",
        "side",
        "land",
        (0.18, 0.18, 0.19, 0.21, 0.20),
        (0.12, 40, 0.13),
        (0.26, -50, 0.15, 0.08),
        (0.95, 28, 0.035, 0.025),
        (Limbs(0.95, 0.36, 0.34, 92, -8, 26, 0.0, 0.05), Limbs(0.06, 0.34, 0.32, 84, 16, 26, 0.5, 0.06)),
        ears=(0.05, 130, 0.04),
        eye=(0.016, 0.03),
        wave=0,
        length=(0.16, 0.36),
        colors=("brown", "dark brown", "golden", "grey"),
        patterns=("plain", "pale-bellied"),
    ),
    Species(
        "chimpanzee",
        "chimpanzees",
        "side",
        "land",
        (0.20, 0.20, 0.22, 0.25, 0.23),
        (0.20, 52, 0.17),
        (0.26, -58, 0.17, 0.10),
        (0.0, 0, 0.05, 0.05),
        (Limbs(0.97, 0.42, 0.40, 96, -10, 24, 0.0, 0.075), Limbs(0.05, 0.30, 0.28, 82, 18, 24, 0.5, 0.085)),
        ears=(0.05, 120, 0.045),
        eye=(0.016, 0.03),
        wave=0,
        length=(0.16, 0.36),
        colors=("black", "dark brown"),
        patterns=("plain",),
    ),
)
# fmt: on
"""All species that can be drawn; names may stand twice, once per view."""

SPECIES_NAMES = tuple(dict.fromkeys(kind.name for kind in SPECIES))

MAX_LIMBS = 3
_LIMB_FIELDS = tuple(field.name for field in fields(Limbs))


def species_table() -> dict[str, np.ndarray]:
    """All species as float32 arrays with the species on axis 0, for lookup inside a compiled program."""
    table: dict[str, list[object]] = {name: [] for name in ("trunk", "neck", "head", "tail", "ears", "eye", "wings")}
    for name in ("wave", "stride", "length"):
        table[name] = []
    limbs = np.zeros((len(SPECIES), MAX_LIMBS, len(_LIMB_FIELDS)), np.float32)
    for row, kind in enumerate(SPECIES):
        for name, column in table.items():
            column.append(getattr(kind, name))
        for place, limb in enumerate(kind.limbs):
            limbs[row, place] = [getattr(limb, name) for name in _LIMB_FIELDS]
    arrays = {name: np.asarray(column, np.float32) for name, column in table.items()}
    arrays["limbs"] = limbs
    arrays["side"] = np.asarray([kind.view == "side" for kind in SPECIES], np.float32)
    arrays["swims"] = np.asarray([kind.habitat == "water side" for kind in SPECIES], np.float32)
    arrays["coats"] = np.stack([[name in kind.colors for name in COLORS] for kind in SPECIES]).astype(np.float32)
    arrays["patterns"] = np.stack([[kind.patterns.count(name) for name in PATTERNS] for kind in SPECIES])
    arrays["patterns"] = arrays["patterns"].astype(np.float32)
    return arrays
