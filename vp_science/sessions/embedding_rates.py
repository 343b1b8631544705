"""How fast models were on this computer: measured whenever something is embedded, used for estimates."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vp_science.files import write_atomically
from vp_science.sessions.embedding_request import EmbeddingRequest
from vp_science.sessions.places import user_folder

_NAME = "embedding_rates.json"


@dataclass(frozen=True)
class Rate:
    """What was measured.

    Attributes:
        frames_per_s: grid frames per second, decoding included.
        memory_bytes: most memory that the worker held.
    """

    frames_per_s: float
    memory_bytes: int


def rate_key(request: EmbeddingRequest) -> str:
    """What the speed depends on, apart from the computer and the recordings."""
    weights = request.weights.name if request.weights else ""
    return "|".join(
        str(part)
        for part in (request.spec.name, weights, request.precision, request.num_frames, request.stride)
    )  # fmt: skip


def known_rate(key: str, folder: Path | None = None) -> Rate | None:
    """The last rate that was measured on this computer, None when there is none."""
    try:
        record = _read(folder)[key]
        rate = Rate(float(record["frames_per_s"]), int(record["memory_bytes"]))
        return rate if 0 < rate.frames_per_s < float("inf") else None
    except (KeyError, TypeError, ValueError):
        return None


def remember_rate(key: str, rate: Rate, folder: Path | None = None) -> None:
    """Keep a rate; where that is not possible the next estimate measures again."""
    known = _read(folder) | {key: {"frames_per_s": rate.frames_per_s, "memory_bytes": rate.memory_bytes}}
    path = (folder or user_folder()) / _NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(known, indent=1).encode()
        write_atomically(path, lambda file: file.write(content), shared=True)
    except OSError:
        return


def _read(folder: Path | None) -> dict[str, Any]:
    try:
        record = json.loads(((folder or user_folder()) / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
