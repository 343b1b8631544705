"""How an encoder was trained, for the card beside its weights: no path of the machine is in it."""

from typing import Any

from vp_science.train.distill.settings import DistillSettings
from vp_science.train.settings_file import describe_settings
from vp_science.train.starting_model import StartingModel
from vp_science.train.without_folders import without_folders
from vp_science.typing import JSON

_ELSEWHERE = ("out", "init", "teacher", "data", "loader", "seed", "hosts")


def describe_training(settings: DistillSettings, student: StartingModel, teacher: StartingModel) -> dict[str, JSON]:
    """Settings, data and origins, as JSON.

    Args:
        settings: of the run.
        student: what the encoder started from.
        teacher: what it learned from.
    """
    record: dict[str, Any] = describe_settings(settings)
    return {
        "stage": "distill",
        "started_from": student.origin,
        "teacher": teacher.origin,
        "seed": settings.seed,
        "steps": settings.loop.steps,
        "data": without_folders(record["data"]),
        "settings": {key: value for key, value in record.items() if key not in _ELSEWHERE},
    }
