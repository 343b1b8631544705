"""Where recordings lie that are not below a session's folder: remembered for this user, outside of the session.

A session folder may come from anywhere, so no path in it is believed. What this user opened by hand on this computer
is kept in a file of the user's own.
"""

import json
from pathlib import Path

from vp_science.files import user_folder as user_folder
from vp_science.files import write_atomically
from vp_science.typing import StrPath

Known = dict[str, dict[str, dict[str, str]]]
_MOST_BYTES = 16 << 20


class Places:
    """Paths by session folder, recording id and kind (``path`` or ``poses``)."""

    def __init__(self, path: StrPath | None = None) -> None:
        self._path = Path(path) if path is not None else user_folder() / "places.json"
        self._known = _read(self._path)
        self._new: list[tuple[str, str, str, str]] = []

    def find(self, folder: Path, recording_id: str, kind: str) -> Path | None:
        """The path, when it is known and still there."""
        known = self._known.get(str(folder), {}).get(recording_id, {}).get(kind)
        return Path(known) if known is not None and Path(known).exists() else None

    def remember(self, folder: Path, recording_id: str, kind: str, path: Path) -> None:
        """Keep a path."""
        known = self._known.setdefault(str(folder), {}).setdefault(recording_id, {})
        if known.get(kind) != str(path):
            known[kind] = str(path)
            self._new.append((str(folder), recording_id, kind, str(path)))

    def save(self) -> None:
        """Add what was remembered since to the file, which other windows write as well."""
        if not self._new:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        known = _read(self._path)
        for folder, recording_id, kind, path in self._new:
            known.setdefault(folder, {}).setdefault(recording_id, {})[kind] = path
        content = json.dumps(known, indent=1).encode()
        write_atomically(self._path, lambda file: file.write(content), shared=True)
        self._known = known
        self._new.clear()


def _read(path: Path) -> Known:
    """What is remembered: people are asked where recordings are when it is nothing, or not what it should be."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        record = json.loads(path.read_text(encoding="utf-8"))
        return {
            folder: {name: {kind: str(where) for kind, where in kinds.items()} for name, kinds in recordings.items()}
            for folder, recordings in record.items()
        }
    except (OSError, ValueError, RecursionError, AttributeError):
        return {}
