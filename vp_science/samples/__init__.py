"""Recordings that ship with the package, and footage that is drawn: for first tries, tests and training."""

from pathlib import Path
from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.samples.parts import sample_parts
    from vp_science.samples.synthetic.behaviors import SYNTHETIC_BEHAVIORS
    from vp_science.samples.synthetic.clips import draw_clips
    from vp_science.samples.synthetic.recording import synthetic_recording
    from vp_science.samples.synthetic.settings import SyntheticSettings
    from vp_science.timeline.annotations import Annotations

__all__ = [
    "SYNTHETIC_BEHAVIORS",
    "SyntheticSettings",
    "draw_clips",
    "sample_annotations",
    "sample_labels",
    "sample_parts",
    "sample_recording",
    "synthetic_recording",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    dict.fromkeys(
        ("SYNTHETIC_BEHAVIORS", "SyntheticSettings", "draw_clips", "synthetic_recording"), f"{__name__}.synthetic"
    )
    | {"sample_parts": f"{__name__}.parts"},
)

_FOLDER = Path(__file__).parent


def sample_recording() -> Path:
    """A real recording: a male fruit fly courting, top view, 120 s at 25 fps, 192 x 192 pixels.

    A crop that follows the male in ``20190128_113421.mp4`` of the SLEAP project, BSD-3-Clause-Clear,
    Copyright (c) 2019 The Trustees of Princeton University.
    """
    return _FOLDER / "flies_male_crop.mp4"


def sample_labels() -> Path:
    """What the fly in ``sample_recording`` does, a bout table (``read_annotations``): see ``sample_annotations``."""
    return _FOLDER / "flies_male_crop.labels.csv"


def sample_annotations() -> "Annotations":
    """What the fly in ``sample_recording`` does: ``wing extension`` (its courtship song), ``walking``, or standing.

    Nobody marked these bouts: a rule did, from the angle of the wings and the speed of the thorax, on the key points
    that the SLEAP project tracked in this recording (same licence as the recording). Their source says
    ``manual:rule on key points``. All 120 s are observed, with one behavior at a time; the wing takes precedence.
    """
    from vp_science.annotations.formats import read_annotations

    return read_annotations(sample_labels())
