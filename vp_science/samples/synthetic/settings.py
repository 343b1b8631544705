"""What footage is to be drawn."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vp_science.errors import SettingsError
from vp_science.samples.synthetic.anatomy import Number
from vp_science.samples.synthetic.backgrounds import BACKGROUND_NAMES, fits_table
from vp_science.samples.synthetic.behaviors import SYNTHETIC_BEHAVIORS, shown_table
from vp_science.samples.synthetic.looks import LOOK_NAMES, LOOK_SHARES
from vp_science.samples.synthetic.species import SPECIES, SPECIES_NAMES

MAX_FRAMES, MIN_SIZE, MAX_SIZE = 4096, 16, 2048


@dataclass(frozen=True)
class SyntheticSettings:
    """What is drawn; an empty list of names stands for all.

    Attributes:
        num_frames: frames of a clip.
        size: height and width in pixels.
        fps: frames per second: how far animals move from frame to frame. Cycles of behaviors take 0.35 to 2 s.
        species: which animals (``SPECIES_NAMES``); empty: all that fit the backgrounds.
        behaviors: which behaviors (``SYNTHETIC_BEHAVIORS``); empty: all that the species show.
        backgrounds: which grounds (``BACKGROUND_NAMES``).
        looks: ``color``, ``grey``, ``infrared``, ``dim``.
        pairs: share of clips of single behaviors that show two animals doing the same.
        changes: share of clips in which one behavior becomes another.
        directions: captions say whether animals seen from the side look to the left or to the right; leave it off where
            clips are mirrored.
    """

    num_frames: int = 8
    size: int = 144
    fps: Number = 8.0
    species: tuple[str, ...] = ()
    behaviors: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()
    pairs: Number = 0.2
    changes: Number = 0.0
    directions: bool = False

    def __post_init__(self) -> None:
        _check("num_frames", self.num_frames, 1 <= self.num_frames <= MAX_FRAMES, f"1 to {MAX_FRAMES}")
        _check("size", self.size, MIN_SIZE <= self.size <= MAX_SIZE, f"{MIN_SIZE} to {MAX_SIZE}")
        _check("fps", self.fps, math.isfinite(self.fps) and self.fps > 0, "more than 0")
        _check("pairs", self.pairs, 0 <= self.pairs <= 1, "0 to 1")
        _check("changes", self.changes, 0 <= self.changes <= 1, "0 to 1")
        _check_names("species", self.species, SPECIES_NAMES)
        _check_names("behaviors", self.behaviors, SYNTHETIC_BEHAVIORS.names)
        _check_names("backgrounds", self.backgrounds, BACKGROUND_NAMES)
        _check_names("looks", self.looks, LOOK_NAMES)
        self._check_together()

    def shown(self) -> np.ndarray:
        """Which behavior may be drawn of which species, bool ``[behavior species]``."""
        fits = fits_table()[:, _chosen(self.backgrounds, BACKGROUND_NAMES)].any(axis=1)
        kinds = _chosen(self.species, [kind.name for kind in SPECIES]) & fits
        wanted = _chosen(self.behaviors, SYNTHETIC_BEHAVIORS.names)
        return np.asarray(shown_table() & kinds[None] & wanted[:, None])

    def ground_choice(self) -> np.ndarray:
        """Which backgrounds may be drawn, bool."""
        return _chosen(self.backgrounds, BACKGROUND_NAMES)

    def look_shares(self) -> np.ndarray:
        """How often looks are drawn, float32."""
        return np.asarray(LOOK_SHARES * _chosen(self.looks, LOOK_NAMES))

    def _check_together(self) -> None:
        shown = self.shown()
        kinds = [kind.name for kind in SPECIES]
        for name in self.behaviors:
            if not shown[SYNTHETIC_BEHAVIORS.index(name)].any():
                able = {kinds[row] for row in np.flatnonzero(shown_table()[SYNTHETIC_BEHAVIORS.index(name)])}
                raise SettingsError(
                    f"behaviors: expected some that a species on these backgrounds shows, found {name!r}, which "
                    f"{', '.join(sorted(able))} show: choose other species or backgrounds"
                )
        for name in self.species:
            rows = [row for row, kind in enumerate(kinds) if kind == name]
            if not shown[:, rows].any():
                raise SettingsError(
                    f"species: expected some that fit the behaviors and backgrounds, found {name!r}: leave it out"
                )
        if not shown.any():
            raise SettingsError("species, behaviors, backgrounds: expected some that fit together, found none")


def _chosen(names: Sequence[str], known: Sequence[str]) -> np.ndarray:
    return np.asarray([not names or name in names for name in known])


def _check(name: str, found: object, fits: bool, expected: str) -> None:
    if not fits:
        raise SettingsError(f"{name}: expected {expected}, found {found}")


def _check_names(field: str, names: tuple[str, ...], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else ""
            raise SettingsError(f"{field}: expected some of {', '.join(known)}, found {name!r}; {hint}".rstrip("; "))
