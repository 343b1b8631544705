"""Stage 2, and adaptation: a student that sees some tokens of a clip learns what a teacher says of all of it."""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.train.distill.distill_stage import DistillStage as DistillStage
    from vp_science.train.distill.distill_stage import make_stage as make_stage
    from vp_science.train.distill.distill_stage import make_stream as make_stream
    from vp_science.train.distill.settings import DecoderSettings as DecoderSettings
    from vp_science.train.distill.settings import DistillSettings as DistillSettings
    from vp_science.train.distill.settings import MaskSettings as MaskSettings

_HOME = {
    "DecoderSettings": "vp_science.train.distill.settings",
    "DistillSettings": "vp_science.train.distill.settings",
    "DistillStage": "vp_science.train.distill.distill_stage",
    "MaskSettings": "vp_science.train.distill.settings",
    "make_stage": "vp_science.train.distill.distill_stage",
    "make_stream": "vp_science.train.distill.distill_stage",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
