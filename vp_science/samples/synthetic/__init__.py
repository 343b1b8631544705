"""Footage that is drawn: animals that behave, with captions and exact labels, without end.

``draw_clips`` gives batches of clips for training, ``synthetic_recording`` a video with its annotations.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.samples.synthetic.backgrounds import BACKGROUND_NAMES
    from vp_science.samples.synthetic.behaviors import APPEARANCE_ONLY, MOTION_ONLY, SYNTHETIC_BEHAVIORS
    from vp_science.samples.synthetic.clips import SyntheticClips, draw_clips
    from vp_science.samples.synthetic.looks import LOOK_NAMES
    from vp_science.samples.synthetic.recording import synthetic_recording
    from vp_science.samples.synthetic.settings import SyntheticSettings
    from vp_science.samples.synthetic.species import SPECIES_NAMES

__all__ = [
    "APPEARANCE_ONLY",
    "BACKGROUND_NAMES",
    "LOOK_NAMES",
    "MOTION_ONLY",
    "SPECIES_NAMES",
    "SYNTHETIC_BEHAVIORS",
    "SyntheticClips",
    "SyntheticSettings",
    "draw_clips",
    "synthetic_recording",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        name: f"{__name__}.{module}"
        for module, names in {
            "backgrounds": ("BACKGROUND_NAMES",),
            "behaviors": ("APPEARANCE_ONLY", "MOTION_ONLY", "SYNTHETIC_BEHAVIORS"),
            "clips": ("SyntheticClips", "draw_clips"),
            "looks": ("LOOK_NAMES",),
            "recording": ("synthetic_recording",),
            "settings": ("SyntheticSettings",),
            "species": ("SPECIES_NAMES",),
        }.items()
        for name in names
    },
)
