"""Where recordings lie that are not below a session's folder: remembered for this user, outside of the session.

A session folder may come from anywhere, so no path in it is believed. What this user opened by hand on this computer
is kept in a file of the user's own.
"""

import json
import os
from pathlib import Path
from typing import Any

from vp_science.files import write_atomically
from vp_science.typing import StrPath


def user_folder() -> Path:
    """Where this user's settings of vp-science lie (``VP_SCIENCE_CONFIG`` says another place)."""
    if given := os.environ.get("VP_SCIENCE_CONFIG"):
        return Path(given)
    if os.name == "nt":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    return base / "vp-science"


class Places:
    """Paths by session folder, recording id and kind (``path`` or ``poses``)."""

    def __init__(self, path: StrPath | None = None) -> None:
        self._path = Path(path) if path is not None else user_folder() / "places.json"
        self._known: dict[str, Any] = {}
        self._changed = False
        try:
            record = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = record if isinstance(record, dict) else {}
        except (OSError, ValueError, RecursionError):
            self._known = {}  # nothing remembered: people are asked where recordings are

    def find(self, folder: Path, recording_id: str, kind: str) -> Path | None:
        """The path, when it is known and still there."""
        try:
            path = Path(self._known[str(folder)][recording_id][kind])
        except (KeyError, TypeError):
            return None
        return path if path.exists() else None

    def remember(self, folder: Path, recording_id: str, kind: str, path: Path) -> None:
        """Keep a path."""
        known = self._known.setdefault(str(folder), {}).setdefault(recording_id, {})
        if known.get(kind) != str(path):
            known[kind] = str(path)
            self._changed = True

    def save(self) -> None:
        """Write what was remembered since."""
        if not self._changed:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(self._known, indent=1).encode()
        write_atomically(self._path, lambda file: file.write(content), shared=True)
        self._changed = False
