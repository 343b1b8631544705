"""Makes the labels of the bundled recording: what the male fly does, by a rule on his tracked key points.

    python scripts/label_sample.py ../shared/footage/fly/20190128_113421.120s.predictions.analysis.h5

The key points are those of the SLEAP project (20190128_113421.mp4, BSD-3-Clause-Clear, Copyright (c) 2019 The Trustees
of Princeton University). The bundled recording follows the male and has the same frames. Nobody looked at the frames to
make these labels, and they say so.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from vp_science.annotations.formats import write_annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import Ethogram, spans

FPS, MALE = 25.0, 0
WING_ON, WING_OFF = 35.0, 25.0  # degrees from the body axis; folded wings stay below 20, extended ones above 40
WALK_ON, WALK_OFF = 0.8, 0.5  # body lengths per second
SHORTEST = 5  # frames: shorter gaps are filled, shorter bouts dropped
SOURCE = "manual:rule on key points"
BEHAVIORS = Behaviors(
    (
        Behavior("wing extension", description="a wing stands off the body axis by more than 35 degrees", key="w"),
        Behavior("walking", description="the thorax moves by more than 0.8 body lengths per second", key="m"),
    ),
    exclusive=True,
    background="standing",
)


def main() -> None:
    """Write the labels into the package."""
    points = read_male(Path(sys.argv[1]))
    wing = held(wing_angle(points), WING_ON, WING_OFF)
    walking = held(speed(points), WALK_ON, WALK_OFF) & ~wing
    walking = without_short(walking)
    states = np.stack([wing, walking], axis=1).astype(np.int8)
    ethogram = Ethogram(BEHAVIORS, np.arange(len(wing)) / FPS, states, recording="flies_male_crop")
    folder = Path(__file__).parents[1] / "vp_science" / "samples"
    for path in write_annotations(ethogram.to_annotations(SOURCE), folder / "flies_male_crop.labels.csv"):
        print(path)
    for name, column in zip(BEHAVIORS.names, states.T, strict=True):
        print(f"{name}: {len(spans(column == 1))} bouts, {column.sum() / FPS:.1f} s of {len(column) / FPS:.1f} s")


def read_male(path: Path) -> dict[str, np.ndarray]:
    """Key points of the male, ``(frame, 2)`` each; gaps are bridged."""
    with h5py.File(path) as file:
        names = [name.decode() for name in file["node_names"][:]]
        tracks = file["tracks"][MALE]
    return {name: np.stack([bridged(axis) for axis in tracks[:, node]], axis=1) for node, name in enumerate(names)}


def bridged(values: np.ndarray) -> np.ndarray:
    """Values with straight lines across gaps."""
    frame, known = np.arange(len(values)), np.isfinite(values)
    return np.interp(frame, frame[known], values[known])


def wing_angle(points: dict[str, np.ndarray]) -> np.ndarray:
    """Angle of the wing that stands off farther, in degrees from the body axis."""
    axis = points["thorax"] - points["head"]
    angles = []
    for name in ("wingL", "wingR"):
        wing = points[name] - points["thorax"]
        cosine = (wing * axis).sum(axis=1) / (np.linalg.norm(wing, axis=1) * np.linalg.norm(axis, axis=1))
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return median_filter(np.max(angles, axis=0), 5)


def speed(points: dict[str, np.ndarray]) -> np.ndarray:
    """Of the thorax in body lengths per second."""
    length = np.median(np.linalg.norm(points["head"] - points["abdomen"], axis=1))
    place = gaussian_filter1d(median_filter(points["thorax"], size=(5, 1)), 2, axis=0)
    return np.linalg.norm(np.gradient(place, axis=0), axis=1) * FPS / length


def held(values: np.ndarray, on: float, off: float) -> np.ndarray:
    """True from where a value rises above ``on`` around it, as long as it stays above ``off``; short runs go."""
    state = np.zeros(len(values), bool)
    for first, stop in spans(values > off):
        state[first:stop] = values[first:stop].max() > on
    return without_short(state)


def without_short(state: np.ndarray) -> np.ndarray:
    """States without short gaps, then without short bouts."""
    for value in (False, True):
        for first, stop in spans(state == value):
            if stop - first < SHORTEST and first > 0 and stop < len(state):
                state[first:stop] = not value
    return state


if __name__ == "__main__":
    main()
