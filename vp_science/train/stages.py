"""The stages that have names, and where their parts are; loads nothing of them before it is asked."""

import importlib
from dataclasses import dataclass

from vp_science.errors import SettingsError
from vp_science.train.settings import RunSettings


@dataclass(frozen=True)
class StageEntry:
    """One kind of training.

    Attributes:
        module: has ``make_stage`` and ``make_stream``.
        settings_name: of the dataclass of its settings, in ``module.settings``.
        summary: what it is for, in one line.
        next_command: what one does with the result.
    """

    module: str
    settings_name: str
    summary: str
    next_command: str

    def settings(self) -> type[RunSettings]:
        """The dataclass of its settings; loads neither jax nor any data."""
        kind: type[RunSettings] = getattr(importlib.import_module(f"{self.module}.settings"), self.settings_name)
        return kind


STAGES = {
    "contrastive": StageEntry(
        "vp_science.train.contrastive",
        "ContrastiveSettings",
        "Stage 1: clips and their captions become neighbours.",
        'vp-science search TRACKS --text "..." --model {folder}',
    ),
    "distill": StageEntry(
        "vp_science.train.distill",
        "DistillSettings",
        "Stage 2, and adaptation to footage of your own: no labels, no captions.",
        "vp-science embed RECORDINGS --model {folder}",
    ),
    "finetune": StageEntry(
        "vp_science.train.finetune",
        "FinetuneSettings",
        "Fine-tune an encoder to labelled behaviors; the result is used like a probe.",
        "vp-science annotate RECORDINGS --probe {result}",
    ),
}


def find_stage(name: str) -> StageEntry:
    """The entry of a stage.

    Raises:
        SettingsError: when there is none of this name.
    """
    if name not in STAGES:
        raise SettingsError(f"stage: expected one of {', '.join(STAGES)}, found {name!r}")
    return STAGES[name]
