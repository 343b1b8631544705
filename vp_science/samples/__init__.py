"""Recordings that ship with the package, for first tries and tests."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def sample_recording() -> Path:
    """A real recording: a male fruit fly courting, top view, 120 s at 25 fps, 192 x 192 pixels.

    A crop that follows the male in ``20190128_113421.mp4`` of the SLEAP project, BSD-3-Clause-Clear,
    Copyright (c) 2019 The Trustees of Princeton University.
    """
    return _FOLDER / "flies_male_crop.mp4"
