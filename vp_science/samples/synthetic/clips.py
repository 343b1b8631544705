"""Batches of drawn clips with what they show."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Int8, Integer, UInt8

from vp_science.errors import SettingsError
from vp_science.samples.synthetic import scene
from vp_science.samples.synthetic.behaviors import SYNTHETIC_BEHAVIORS
from vp_science.samples.synthetic.captions import Shown, brief_caption, full_captions
from vp_science.samples.synthetic.drawing import draw_clip
from vp_science.samples.synthetic.settings import SyntheticSettings

_PIXELS_AT_ONCE = 1 << 25


@dataclass(frozen=True, eq=False)
class SyntheticClips:
    """Drawn clips and what they show.

    Attributes:
        video: pixels ``[b t h w 3]``.
        captions: one sentence per clip that says what is to be seen.
        paraphrases: two more sentences per clip.
        brief: a sentence per clip that says only who does what.
        states: 1 where a behavior is shown, else 0, ``[b t c]``; columns as ``SYNTHETIC_BEHAVIORS``.
        shown: what was drawn, per clip.
    """

    video: UInt8[np.ndarray, "b t h w 3"]
    captions: list[str]
    paraphrases: list[tuple[str, str]]
    brief: list[str]
    states: Int8[np.ndarray, "b t c"]
    shown: list[Shown]

    @property
    def behaviors(self) -> list[str]:
        """Name of the (first) behavior of every clip."""
        return [one.behavior for one in self.shown]


def draw_clips(seed: int, rows: Integer[np.ndarray, " b"], settings: SyntheticSettings) -> SyntheticClips:
    """Clips of a series without end.

    A clip depends on seed, row and settings only: drawn again, alone, among others or in another order it has the same
    bytes (on the same kind of device, with the same version of JAX).

    Args:
        seed: of the series, 0 or more, below 2**64.
        rows: which clips of it, 0 or more.
        settings: what is drawn.

    Raises:
        SettingsError: when seed or rows are negative, or there are none.
    """
    rows = np.asarray(rows)
    if rows.ndim != 1 or not len(rows) or rows.min() < 0 or not 0 <= seed < 1 << 64:
        raise SettingsError(f"expected seed and rows of 0 or more, found seed {seed} and {len(rows)} rows: check them")
    video, facts = _draw(seed, rows.astype(np.int64), settings)
    shown = [Shown.of(jax.tree.map(lambda column, at=at: column[at], facts)) for at in range(len(rows))]
    captions, paraphrases, brief = [], [], []
    for row, one in zip(rows, shown, strict=True):
        first, *others = full_captions(one, np.random.default_rng([seed, int(row)]), settings.directions)
        captions.append(first)
        paraphrases.append((others[0], others[1]))
        brief.append(brief_caption(one))
    return SyntheticClips(video, captions, paraphrases, brief, _states(facts, settings.num_frames), shown)


def choices_of(settings: SyntheticSettings) -> scene.Choices:
    """Settings as arrays."""
    return scene.Choices(
        shown=jnp.asarray(settings.shown()),
        backgrounds=jnp.asarray(settings.ground_choice()),
        looks=jnp.asarray(settings.look_shares()),
        pairs=jnp.float32(settings.pairs),
        changes=jnp.float32(settings.changes),
    )


def halves(number: int) -> np.ndarray:
    """A number below 2**64 as its low and its high 32 bits."""
    return np.asarray([number & 0xFFFFFFFF, number >> 32], np.uint32)


def _draw(seed: int, rows: Int[np.ndarray, " b"], settings: SyntheticSettings) -> tuple[np.ndarray, Any]:
    pairs = np.stack([halves(int(row)) for row in rows])
    one_by_one = jax.default_backend() == "cpu"
    # On CPUs a program per clip, on all cores: loops over single frames stay in the cache. A program for many clips
    # always has the same number of them; the last call is filled up.
    size = 1 if one_by_one else max(1, min(64, _PIXELS_AT_ONCE // (settings.num_frames * settings.size**2)))
    program = _program(settings.num_frames, settings.size, size)
    arguments = (jnp.asarray(halves(seed)), choices_of(settings), jnp.float32(settings.fps))
    groups = [pairs[first : first + size] for first in range(0, len(pairs), size)]

    def call(group: np.ndarray) -> tuple[np.ndarray, Any]:
        filled = np.concatenate([group, np.repeat(group[-1:], size - len(group), axis=0)])
        video, facts = jax.device_get(program(arguments[0], jnp.asarray(filled), *arguments[1:]))
        return video[: len(group)], jax.tree.map(lambda column: column[: len(group)], facts)

    if one_by_one and len(groups) > 1:
        done = [call(groups[0])]  # compiles, once
        with ThreadPoolExecutor(min(len(groups), len(os.sched_getaffinity(0)) if _HAS_AFFINITY else 2)) as pool:
            done += pool.map(call, groups[1:])
    else:
        done = [call(group) for group in groups]
    videos, facts = zip(*done, strict=True)
    return np.concatenate(videos), jax.tree.map(lambda *columns: np.concatenate(columns), *facts)


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")


@functools.lru_cache(maxsize=8)
def _program(num_frames: int, size: int, count: int) -> Callable[..., Any]:
    def draw(seed: Any, rows: Any, choices: scene.Choices, fps: Any) -> Any:
        one = functools.partial(draw_clip, num_frames=num_frames, size=size)
        if count == 1:
            return jax.tree.map(lambda leaf: leaf[None], one(seed, rows[0], choices, fps))
        return jax.vmap(one, in_axes=(None, 0, None, None))(seed, rows, choices, fps)

    return jax.jit(draw)


def _states(facts: scene.Facts, num_frames: int) -> Int8[np.ndarray, "b t c"]:
    """What is shown at the middle of every frame."""
    middle = (np.arange(num_frames) + 0.5) / num_frames
    later = middle[None] >= np.asarray(facts.change)[:, None]
    number = np.where(later, np.asarray(facts.then)[:, None], np.asarray(facts.behavior)[:, None])
    return np.asarray(number[..., None] == np.arange(len(SYNTHETIC_BEHAVIORS)), np.int8)
