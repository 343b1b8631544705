"""How a video-text model was trained, for the card beside its weights: no path of the machine is in it."""

from typing import Any

from vp_science.train.contrastive.settings import ContrastiveSettings
from vp_science.train.contrastive.start import Start, describe_origins
from vp_science.train.settings_file import describe_settings
from vp_science.train.without_folders import without_folders
from vp_science.typing import JSON

_ELSEWHERE = ("out", "init", "video_init", "data", "loader", "hosts")


def describe_training(settings: ContrastiveSettings, start: Start, temperature: float) -> dict[str, JSON]:
    """Settings, data, origins and the learned temperature, as JSON.

    Args:
        settings: of the run.
        start: what the weights started from.
        temperature: at the end; weights files have none.
    """
    record: dict[str, Any] = without_folders(describe_settings(settings))
    return {
        "stage": "contrastive",
        "started_from": dict(describe_origins(start)),
        "seed": settings.seed,
        "steps": settings.loop.steps,
        "temperature": temperature,
        "data": record["data"],
        "settings": {key: value for key, value in record.items() if key not in _ELSEWHERE},
    }
