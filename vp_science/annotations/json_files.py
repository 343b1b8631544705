"""JSON files of other programs: read with bounds, and with the place of what is wrong."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from vp_science.annotations.text_tables import bad, decode_text, read_bytes


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object.

    Raises:
        AnnotationError: when it is missing, too large, not JSON (with line and column) or something else.
    """
    text = decode_text(read_bytes(path))
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        found = f"{error.msg} at column {error.colno}"
        raise bad(path, "JSON", found, line=error.lineno, fix="repair the file, or export it again") from error
    except (ValueError, RecursionError) as error:
        raise bad(path, "JSON", str(error), fix="repair the file, or export it again") from error
    if not isinstance(value, dict):
        raise bad(path, "a JSON object", type(value).__name__)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which JSON does not know")


def get_object(path: Path, value: object, place: str) -> Mapping[str, Any]:
    """The value at a place, which has to be an object.

    Raises:
        AnnotationError: when it is something else.
    """
    if not isinstance(value, Mapping):
        raise bad(path, f"an object at {place}", value)
    return value


def get_list(path: Path, value: object, place: str) -> list[Any]:
    """The value at a place, which has to be a list.

    Raises:
        AnnotationError: when it is something else.
    """
    if not isinstance(value, list):
        raise bad(path, f"a list at {place}", value)
    return value


def get_whole(path: Path, value: object, place: str, low: int, high: int) -> int:
    """The value at a place, which has to be a whole number within bounds.

    Raises:
        AnnotationError: when it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise bad(path, f"a whole number from {low} to {high} at {place}", value)
    return value
