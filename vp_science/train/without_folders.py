"""Settings as they stand on cards: names of files, and no path of the machine that trained."""

from pathlib import PurePath
from typing import Any

PATH_KEYS = frozenset({"path", "captions", "annotations", "poses", "vocabulary", "table", "init"})
"""Settings that name files or folders."""


def without_folders(record: Any) -> Any:
    """The same record with names of files instead of their paths.

    Args:
        record: settings as ``describe_settings`` gives them, or a part of them.
    """
    if isinstance(record, list):
        return [without_folders(item) for item in record]
    if not isinstance(record, dict):
        return record
    return {key: _name(value) if key in PATH_KEYS else without_folders(value) for key, value in record.items()}


def _name(value: Any) -> Any:
    return PurePath(value.replace("\\", "/")).name if isinstance(value, str) else without_folders(value)
