"""Stage 1: a video-text model learns from clips and what is said about them (Zhao et al. 2024, section 2.3.1)."""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.train.contrastive.contrastive_stage import ContrastiveStage as ContrastiveStage
    from vp_science.train.contrastive.contrastive_stage import make_stage as make_stage
    from vp_science.train.contrastive.contrastive_stage import make_stream as make_stream
    from vp_science.train.contrastive.settings import ContrastiveSettings as ContrastiveSettings

_HOME = {
    "ContrastiveSettings": "vp_science.train.contrastive.settings",
    "ContrastiveStage": "vp_science.train.contrastive.contrastive_stage",
    "make_stage": "vp_science.train.contrastive.contrastive_stage",
    "make_stream": "vp_science.train.contrastive.contrastive_stage",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
