"""Settings of one person on one computer: small JSON files beside each other, whatever session is open."""

import json

from vp_science.errors import SettingsError
from vp_science.files import write_atomically
from vp_science.sessions.places import user_folder
from vp_science.typing import JSON

_MOST_BYTES = 1 << 20


def read_user_settings(name: str) -> dict[str, JSON]:
    """Settings of a name; empty when there are none yet.

    Raises:
        SettingsError: when the file is not what this program wrote.
    """
    path = user_folder() / f"{name}.json"
    try:
        if not path.exists():
            return {}
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("far too large")
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: expected settings as JSON, found something else ({error}): delete it") from error
    return record


def write_user_settings(name: str, values: dict[str, JSON]) -> None:
    """Keep settings under a name.

    Raises:
        SettingsError: when the disk refuses.
    """
    path = user_folder() / f"{name}.json"
    content = json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(content), shared=True)
    except OSError as error:
        raise SettingsError(f"cannot write {path} ({error.strerror or error}): make room") from error
