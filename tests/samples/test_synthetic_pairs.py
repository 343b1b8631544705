"""Pairs of behaviors differ in what they are said to differ in, and in nothing else: tested on the joints.

Pictures are functions of the joints, of the scene and of the camera; the latter two are drawn without regard to the
behavior. So it is enough that joints of single frames have the same distribution, and the test is far sharper than one
on pixels.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp

from vp_science.samples.synthetic import APPEARANCE_ONLY, MOTION_ONLY, SyntheticSettings, scene
from vp_science.samples.synthetic.clips import choices_of
from vp_science.samples.synthetic.drawing import clip_lots, clip_weights, stage_clip

COUNT, FRAMES, FPS = 700, 8, 8.0
UNCHANGING = 2e-5  # least p-value of any of about fifty comparisons of equal distributions


@functools.cache
def program():
    def joints(row, choices):
        lots = clip_lots(jnp.array([9, 0], jnp.uint32), row)
        facts = scene.choose(lots, choices)
        stage = stage_clip(lots, facts, clip_weights(facts, jnp.float32(FPS), FRAMES), jnp.float32(FPS), 16)
        body = stage.animals.body
        ends = jnp.concatenate([part.ends for part in body], axis=2) + stage.picture.camera[None, :, None, None]
        return ends, stage.animals.axes, stage.animals.origin + stage.picture.camera, stage.animals.length

    return jax.jit(jax.vmap(joints, in_axes=(0, None)))


class Joints:
    """Clips of one behavior: joints ``[b a t p]``, complex numbers, in frames (``world``) or of the body (``own``)."""

    def __init__(self, name: str, kind: str, first_row: int) -> None:
        choices = choices_of(SyntheticSettings(species=(kind,), behaviors=(name,), pairs=0.0))
        rows = np.stack([np.arange(COUNT) + first_row, np.zeros(COUNT)], axis=1).astype(np.uint32)
        ends, axes, origin, length = jax.device_get(program()(rows, choices))
        ends = ends.reshape(*ends.shape[:3], -1, 2)
        self.world = ends[..., 0] + 1j * ends[..., 1]
        self.origin = origin[..., 0] + 1j * origin[..., 1]
        away = (ends - origin[..., None, :]) / length[..., None, None, None]
        own = np.einsum("bftpx,bftax->bftpa", away, axes)
        self.own = own[..., 0] + 1j * own[..., 1]
        self.forward = axes[..., 0, 0] + 1j * axes[..., 0, 1]
        self.length = length

    def single_frames(self, animals: int) -> np.ndarray:
        """Figures of one frame of every clip, each from another time: ``[b f]``."""
        at = np.arange(COUNT), slice(None, animals), np.arange(COUNT) % FRAMES
        joints = [self.world[at], self.own[at]]
        figures = np.concatenate([part(value).reshape(COUNT, -1) for value in joints for part in (np.real, np.imag)], 1)
        # Single joints, and mixtures of all, so that what holds for each joint alone holds for them together.
        mixed = figures @ np.random.default_rng(0).normal(size=(figures.shape[1], 16))
        return np.column_stack([mixed, figures[:, ::5], self.forward[at][:, 0].real, self.forward[at][:, 0].imag])

    def speed(self) -> np.ndarray:
        """Mean speed ahead, body lengths per second."""
        step = np.diff(self.origin[:, 0], axis=1) * FPS / self.length[:, 0, None]
        return np.mean((step * np.conj(self.forward[:, 0, 1:])).real, axis=1)

    def unrest(self) -> np.ndarray:
        """How far joints move against the body, from frame to frame."""
        return np.sqrt(np.mean(np.abs(np.diff(self.own[:, 0], axis=1)) ** 2, axis=(1, 2)))

    def jitter(self) -> np.ndarray:
        """How far the place jumps to and fro."""
        return np.sqrt(np.mean(np.abs(np.diff(self.origin[:, 0], n=2, axis=1)) ** 2, axis=1)) / self.length[:, 0]

    def turned(self) -> np.ndarray:
        """Turns from first to last frame, whichever way, as a share of all turning."""
        steps = np.angle(self.forward[:, 0, 1:] * np.conj(self.forward[:, 0, :-1]))
        return np.abs(steps.sum(axis=1)) / np.abs(steps).sum(axis=1)

    def parted(self) -> np.ndarray:
        """How much farther the other one is at the end, body lengths."""
        gap = np.abs(self.origin[:, 1] - self.origin[:, 0]) / self.length[:, 0, None]
        return gap[:, -1] - gap[:, 0]


@functools.cache
def joints(name: str, kind: str = "mouse", first_row: int = 0) -> Joints:
    return Joints(name, kind, first_row)


def pair_of(first: str, second: str, kind: str = "mouse") -> tuple[Joints, Joints]:
    return joints(first, kind), joints(second, kind, COUNT)


def told_apart(one: np.ndarray, two: np.ndarray) -> float:
    """How often a value of the first is above one of the second (area under the curve)."""
    order = np.argsort(np.concatenate([one, two]), kind="stable").argsort()
    return float((order[: len(one)].mean() - (len(one) - 1) / 2) / len(two))


@pytest.mark.parametrize("kind", ["mouse", "fly"])
@pytest.mark.parametrize(("first", "second"), MOTION_ONLY)
def test_single_frames_of_motion_only_pairs_have_one_distribution(first, second, kind):
    one, two = pair_of(first, second, kind)
    animals = 2 if first == "approaching" else 1
    figures = one.single_frames(animals), two.single_frames(animals)
    varied = np.flatnonzero(figures[0].std(axis=0) > 1e-4)
    assert len(varied) > 20
    assert min(ks_2samp(figures[0][:, at], figures[1][:, at]).pvalue for at in varied) > UNCHANGING


@pytest.mark.parametrize(
    ("first", "second", "figure"),
    [
        ("moving forward", "moving backward", Joints.speed),
        ("moving forward", "creeping", Joints.speed),
        ("turning around", "looking around", Joints.turned),
        ("trembling", "standing still", Joints.jitter),
        ("beating fast", "beating slowly", Joints.unrest),
        ("retreating", "approaching", Joints.parted),
    ],
)
def test_motion_tells_motion_only_pairs_apart(first, second, figure):
    assert {first, second} in [set(pair) for pair in MOTION_ONLY]
    one, two = pair_of(first, second)
    assert told_apart(figure(one), figure(two)) > 0.93


@pytest.mark.parametrize(("first", "second"), APPEARANCE_ONLY)
def test_single_frames_tell_appearance_only_pairs_apart_and_motion_does_not(first, second):
    one, two = pair_of(first, second, "fly" if "wings" in second else "mouse")
    figures = one.single_frames(1), two.single_frames(1)
    apart = [abs(told_apart(*columns) - 0.5) for columns in zip(figures[0].T, figures[1].T, strict=True)]
    assert max(apart) > 0.49, "one joint alone tells them apart"
    for figure in (Joints.speed, Joints.jitter):
        assert ks_2samp(figure(one), figure(two)).pvalue > UNCHANGING
    assert 0.7 < np.median(one.unrest()) / np.median(two.unrest()) < 1.43


def test_directions_are_each_other_backwards():
    # The same rows are the same scenes; apart from the slow drift one shows the other backwards.
    one, two = joints("moving forward"), joints("moving backward")
    there = np.abs(one.world[:, 0] - two.world[:, 0, ::-1]).mean(axis=(1, 2))
    assert np.median(there / one.length[:, 0]) < 0.1
    assert np.median(np.abs(one.world[:, 0] - two.world[:, 0]).mean(axis=(1, 2)) / one.length[:, 0]) > 0.2
