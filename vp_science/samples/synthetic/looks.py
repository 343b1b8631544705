"""How the picture was taken: light, camera, sensor, compression."""

from dataclasses import dataclass

import numpy as np

from vp_science.samples.synthetic.anatomy import Number


@dataclass(frozen=True)
class Look:
    """One way of filming.

    Attributes:
        name: as in settings.
        phrase: as in captions.
        grey: 1 for a grey picture.
        dark: how much darker, 0 to 1; lit by a lamp at the camera, so that the middle is brighter.
        noise: of the sensor, standard deviation.
    """

    name: str
    phrase: str
    grey: Number
    dark: Number
    noise: Number


LOOKS: tuple[Look, ...] = (
    Look("color", "in color", 0.0, 0.0, 0.012),
    Look("grey", "in black and white", 1.0, 0.0, 0.02),
    Look("infrared", "at night in infrared", 1.0, 0.45, 0.022),
    Look("dim", "in dim light", 0.0, 0.5, 0.03),
)
"""All looks that can be drawn."""

LOOK_NAMES = tuple(look.name for look in LOOKS)
LOOK_SHARES = np.array([0.5, 0.25, 0.15, 0.10], np.float32)
"""How often they are, when all are allowed."""

CAMERAS = ("still", "unsteady", "panning")
CAMERA_SHARES = np.array([0.55, 0.25, 0.20], np.float32)
"""How the camera moves, and how often."""


def look_table() -> np.ndarray:
    """All looks, float32 ``[look 3]``: grey, dark, noise."""
    return np.asarray([[look.grey, look.dark, look.noise] for look in LOOKS], np.float32)
