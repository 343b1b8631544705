"""Fine-tuning: a readout on labelled footage, with the encoder frozen, adapted, partly or wholly trained."""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.train.finetune.finetune_stage import FinetuneStage as FinetuneStage
    from vp_science.train.finetune.settings import FinetuneSettings as FinetuneSettings
    from vp_science.train.finetune.settings import LabelSettings as LabelSettings
    from vp_science.train.finetune.settings import LoraSettings as LoraSettings
    from vp_science.train.finetune.settings import ReadoutSettings as ReadoutSettings
    from vp_science.train.finetune.settings import ValidationSettings as ValidationSettings
    from vp_science.train.finetune.start import make_stage as make_stage
    from vp_science.train.finetune.start import make_stream as make_stream

_HOME = {
    "FinetuneSettings": "vp_science.train.finetune.settings",
    "FinetuneStage": "vp_science.train.finetune.finetune_stage",
    "LabelSettings": "vp_science.train.finetune.settings",
    "LoraSettings": "vp_science.train.finetune.settings",
    "ReadoutSettings": "vp_science.train.finetune.settings",
    "ValidationSettings": "vp_science.train.finetune.settings",
    "make_stage": "vp_science.train.finetune.start",
    "make_stream": "vp_science.train.finetune.start",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
