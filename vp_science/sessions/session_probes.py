"""The probes of a session: bundles, and beside each what it was trained from.

::

    probes/<probe id>/                 the bundle, as ``vp-science probe train`` writes it
    probes/<probe id>.training/        training.json    when, from how much, which thresholds were chosen from scores
                                       labels.log.jsonl the labels it learned from
                                       evaluation.json, evaluation.md, moments.npz   (scoring.py)
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vp_science.errors import AnnotationError, ProbeError
from vp_science.files import write_atomically
from vp_science.sessions.label_log import LOG_NAME, read_labels
from vp_science.sessions.labelbook import LabelBook
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.postprocess import PostProcess

CARD_NAME = "probe.json"
_RECORD_NAME = "training.json"
_FORMAT = {"format": "vp_science.session_probe", "schema": 1}
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Training:
    """How a probe of a session came about.

    Attributes:
        trained: when, as ISO 8601 in UTC; "" when nobody knows (a bundle from elsewhere).
        bouts: bouts it learned from.
        scored_s: scored time it learned from, in seconds.
        recordings: the recordings it learned from.
        tuned: thresholds by behavior that were chosen by scores, where people chose others.
        automatic: it was trained without anybody asking for it.
        imported: it was opened from a file.
        notes: what was left out, and why.
    """

    trained: str = ""
    bouts: int = 0
    scored_s: float = 0.0
    recordings: tuple[str, ...] = ()
    tuned: Mapping[str, float] = field(default_factory=dict)
    automatic: bool = False
    imported: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProbeCard:
    """What there is to know of a probe without loading its weights.

    Attributes:
        id: of the probe.
        path: of its bundle.
        behaviors: in the order of its scores.
        thresholds: by behavior.
        rules: from scores to states.
        head: its kind.
        model: name of the encoder of its tracks.
        untrained: whether that encoder was untrained.
        validation: in words, what chose the thresholds.
        training: how it came about.
    """

    id: str
    path: Path
    behaviors: Behaviors
    thresholds: dict[str, float]
    rules: PostProcess
    head: str
    model: str
    untrained: bool
    validation: str
    training: Training


def probe_path(session_folder: Path, probe_id: str) -> Path:
    """Where the bundle of a probe lies.

    Raises:
        ProbeError: when the id is not a plain name.
    """
    if not probe_id or probe_id != Path(probe_id).name or probe_id.startswith("."):
        raise ProbeError(f"expected the id of a probe, found {probe_id!r}: train one, or open a bundle")
    return session_folder / "probes" / probe_id


def training_folder(session_folder: Path, probe_id: str) -> Path:
    """Where the record of its training lies."""
    path = probe_path(session_folder, probe_id)
    return path.with_name(f"{path.name}.training")


def list_probes(session_folder: Path) -> list[str]:
    """Ids of the probes of a session, the newest first."""
    found = []
    for card in (session_folder / "probes").glob(f"*/{CARD_NAME}"):
        if not card.parent.name.startswith("."):
            found.append((card.stat().st_mtime_ns, card.parent.name))
    return [name for _, name in sorted(found, reverse=True)]


def read_probe(session_folder: Path, probe_id: str) -> ProbeCard:
    """The card of a probe of the session.

    Raises:
        ProbeError: when it is not there or damaged.
    """
    path = probe_path(session_folder, probe_id)
    card = read_json(path / CARD_NAME)
    try:
        behaviors = Behaviors.from_json(card["behaviors"])
        thresholds = dict(zip(behaviors.names, map(float, card["thresholds"]), strict=True))
        return ProbeCard(
            id=str(card["id"]),
            path=path,
            behaviors=behaviors,
            thresholds=thresholds,
            rules=PostProcess.from_json(card["postprocess"]),
            head=str(card["parameters"]["head"]),
            model=str(card["tracks"]["model"]),
            untrained=bool(card["training"]["untrained_encoder"]),
            validation=str(card["training"]["validation"]),
            training=read_training(session_folder, probe_id),
        )
    except (KeyError, TypeError, ValueError, AnnotationError) as error:
        raise ProbeError(
            f"expected the probe {probe_id} in {path}, found a damaged one ({error}): train again"
        ) from error


def read_training(session_folder: Path, probe_id: str) -> Training:
    """The record of a training; an empty one when there is none."""
    path = training_folder(session_folder, probe_id) / _RECORD_NAME
    if not path.exists():
        return Training()
    record = read_json(path)
    try:
        if {key: record[key] for key in _FORMAT} != _FORMAT:
            raise ValueError("another format or version")
        return Training(
            trained=str(record["trained"]),
            bouts=int(record["bouts"]),
            scored_s=float(record["scored_s"]),
            recordings=tuple(str(name) for name in record["recordings"]),
            tuned={str(name): float(value) for name, value in record["tuned"].items()},
            automatic=bool(record["automatic"]),
            imported=bool(record["imported"]),
            notes=tuple(str(note) for note in record["notes"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProbeError(f"expected the record of a training in {path}, found {error}: train again") from error


def read_trained_labels(session_folder: Path, probe_id: str) -> LabelBook | None:
    """The labels that a probe learned from; None when they are not there (a bundle from elsewhere).

    Raises:
        StoreError: when they are damaged.
    """
    path = training_folder(session_folder, probe_id) / LOG_NAME
    return read_labels(path) if path.exists() else None


def write_training(session_folder: Path, probe_id: str, training: Training, log: bytes = b"") -> None:
    """Write the record of a training, and the log of the labels that it learned from.

    Raises:
        ProbeError: when the disk refuses.
    """
    folder = training_folder(session_folder, probe_id)
    content = json.dumps(_FORMAT | asdict(training), ensure_ascii=False, indent=1, allow_nan=False).encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if log:
            write_atomically(folder / LOG_NAME, lambda file: file.write(log))
        write_atomically(folder / _RECORD_NAME, lambda file: file.write(content))
    except OSError as error:
        raise ProbeError(
            f"cannot write {folder} ({error.strerror or error}): make room or choose another folder"
        ) from error


def now_text() -> str:
    """The present time, as records have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of the session.

    Raises:
        ProbeError: when it is something else.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is far too large")
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError("it is no record")
        return record
    except OSError as error:
        raise ProbeError(f"expected {path}, found none that can be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise ProbeError(f"expected a record in {path}, found something else ({error}): train again") from error
