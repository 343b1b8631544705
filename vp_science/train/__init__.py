"""Training: contrastive stage, masked distillation, adaptation to footage of one's own, fine-tuning.

Names are loaded when they are first used. Everything but the settings needs the extra ``train``.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.train.contrastive.settings import ContrastiveSettings as ContrastiveSettings
    from vp_science.train.data.open import BatchRequest as BatchRequest
    from vp_science.train.data.open import describe_data as describe_data
    from vp_science.train.data.open import open_batches as open_batches
    from vp_science.train.data.settings import AugmentSettings as AugmentSettings
    from vp_science.train.data.settings import ClipSettings as ClipSettings
    from vp_science.train.data.settings import DataSettings as DataSettings
    from vp_science.train.data.settings import LoaderSettings as LoaderSettings
    from vp_science.train.distill.settings import DecoderSettings as DecoderSettings
    from vp_science.train.distill.settings import DistillSettings as DistillSettings
    from vp_science.train.distill.settings import MaskSettings as MaskSettings
    from vp_science.train.finetune.settings import FinetuneSettings as FinetuneSettings
    from vp_science.train.finetune.settings import LabelSettings as LabelSettings
    from vp_science.train.finetune.settings import LoraSettings as LoraSettings
    from vp_science.train.finetune.settings import ReadoutSettings as ReadoutSettings
    from vp_science.train.finetune.settings import ValidationSettings as ValidationSettings
    from vp_science.train.loop import TrainResult as TrainResult
    from vp_science.train.loop import fit as fit
    from vp_science.train.running import make as make
    from vp_science.train.running import repeat_failure as repeat_failure
    from vp_science.train.running import run as run
    from vp_science.train.settings import HostSettings as HostSettings
    from vp_science.train.settings import LoopSettings as LoopSettings
    from vp_science.train.settings import OptimizerSettings as OptimizerSettings
    from vp_science.train.settings import RunSettings as RunSettings
    from vp_science.train.settings_file import read_settings as read_settings
    from vp_science.train.stage import Stage as Stage

_HOME = {
    "AugmentSettings": "vp_science.train.data.settings",
    "BatchRequest": "vp_science.train.data.open",
    "ClipSettings": "vp_science.train.data.settings",
    "ContrastiveSettings": "vp_science.train.contrastive.settings",
    "DataSettings": "vp_science.train.data.settings",
    "DecoderSettings": "vp_science.train.distill.settings",
    "DistillSettings": "vp_science.train.distill.settings",
    "FinetuneSettings": "vp_science.train.finetune.settings",
    "HostSettings": "vp_science.train.settings",
    "LabelSettings": "vp_science.train.finetune.settings",
    "LoaderSettings": "vp_science.train.data.settings",
    "LoopSettings": "vp_science.train.settings",
    "LoraSettings": "vp_science.train.finetune.settings",
    "MaskSettings": "vp_science.train.distill.settings",
    "OptimizerSettings": "vp_science.train.settings",
    "ReadoutSettings": "vp_science.train.finetune.settings",
    "RunSettings": "vp_science.train.settings",
    "Stage": "vp_science.train.stage",
    "TrainResult": "vp_science.train.loop",
    "ValidationSettings": "vp_science.train.finetune.settings",
    "describe_data": "vp_science.train.data.open",
    "fit": "vp_science.train.loop",
    "make": "vp_science.train.running",
    "open_batches": "vp_science.train.data.open",
    "read_settings": "vp_science.train.settings_file",
    "repeat_failure": "vp_science.train.running",
    "run": "vp_science.train.running",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
