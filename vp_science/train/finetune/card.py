"""How a fine-tuned model was trained, for the cards beside its weights: no path of the machine is in them."""

from collections.abc import Mapping
from typing import Any

from vp_science.encoder.info import ModelInfo
from vp_science.timeline.behaviors import Behaviors
from vp_science.train.finetune.holdout import Split
from vp_science.train.finetune.settings import FinetuneSettings
from vp_science.train.settings_file import describe_settings
from vp_science.train.without_folders import without_folders
from vp_science.typing import JSON

_ELSEWHERE = ("out", "loader", "hosts", "name")


def describe_training(
    settings: FinetuneSettings, split: Split, behaviors: Behaviors, figures: Mapping[str, float]
) -> dict[str, Any]:
    """What a probe's card says of its training.

    Args:
        settings: of the run.
        split: recordings that were learned from, and those that were held out.
        behaviors: the catalogue.
        figures: average precisions on the held-out recordings.
    """
    log = {("validation_map" if name == "score" else f"validation_{name}"): value for name, value in figures.items()}
    return {
        "recordings": [one.facts(behaviors) for one in split.train],
        "validation_recordings": [one.facts(behaviors) for one in split.held],
        "validation": split.how,
        "settings": _settings(settings),
        "log": {"steps": float(settings.loop.steps), **log},
    }


def describe_provenance(settings: FinetuneSettings, base: ModelInfo) -> dict[str, JSON]:
    """What the card of the merged encoder says."""
    return {
        "stage": "finetune",
        "started_from": f"{base.name} ({base.checkpoint})",
        "seed": settings.seed,
        "steps": settings.loop.steps,
        "settings": _settings(settings),
    }


def _settings(settings: FinetuneSettings) -> dict[str, JSON]:
    record = describe_settings(settings)
    kept: dict[str, JSON] = without_folders({key: value for key, value in record.items() if key not in _ELSEWHERE})
    return kept
