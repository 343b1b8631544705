"""Values out of JSON that nobody vouches for: of the right type, or None, which is written as "not recorded"."""

import json
import math
import re
from pathlib import Path
from typing import Any

from vp_science.errors import SettingsError

_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})\b")
_MOST_TEXT = 500


def text(value: object) -> str | None:
    """Text on one line, without control characters, of a bearable length."""
    if not isinstance(value, str):
        return None
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())
    return line if len(line) <= _MOST_TEXT else f"{line[: _MOST_TEXT - 3]}..."


def number(value: object) -> int | float | None:
    """A finite number."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if fits else None  # type: ignore[return-value]


def count(value: object) -> int | None:
    """A whole number from 0 on."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def mapping(value: object) -> dict[str, Any]:
    """A JSON object; {} for anything else."""
    return {text(name) or "": entry for name, entry in value.items()} if isinstance(value, dict) else {}


def records(value: object) -> list[dict[str, Any]]:
    """The JSON objects of a list."""
    return [mapping(entry) for entry in value if isinstance(entry, dict)] if isinstance(value, list | tuple) else []


def texts(value: object) -> list[str]:
    """The texts of a list."""
    found = [text(entry) for entry in value] if isinstance(value, list | tuple) else []
    return [entry for entry in found if entry]


def clean(value: Any) -> Any:
    """A copy of plain JSON whose texts are fit to be printed, and whose numbers are finite."""
    if isinstance(value, dict):
        return {text(name) or "": clean(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [clean(entry) for entry in value]
    if isinstance(value, str):
        return text(value)
    return value if value is None or isinstance(value, bool) else number(value)


def find_sha256(identity: object) -> str | None:
    """The hash in the identity of weights, such as ``sha256:<hex> (base.npz)``; None where there is none."""
    found = _SHA256.match(identity) if isinstance(identity, str) else None
    return found[1] if found else None


def total(values: list[int | float | None]) -> int | float | None:
    """The sum; None where one is not recorded, or there is nothing."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    whole = sum(known)
    return whole if isinstance(whole, int) else round(whole, 6)


def unique(values: list[Any]) -> list[Any]:
    """Each value once, in order of appearance; what is not recorded is left out."""
    seen: dict[str, Any] = {}
    for value in values:
        if value is not None:
            seen.setdefault(json.dumps(value, sort_keys=True), value)
    return list(seen.values())


def read_json(path: Path, most_bytes: int) -> Any:
    """The content of a JSON file.

    Raises:
        SettingsError: when it cannot be read, is too large, or is something else.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise SettingsError(f"cannot read {path} ({error.strerror or error}): check the name and its rights") from error
    if len(content) > most_bytes:
        raise SettingsError(f"{path}: expected JSON of at most {most_bytes >> 20} MiB, found more: name another file")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: expected JSON, found something else ({error}): name another file") from error
