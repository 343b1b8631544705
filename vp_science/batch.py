"""Many recordings at once: what the inputs are, what their outputs are called, and the record of what happened."""

import errno
import glob
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal, Protocol, runtime_checkable

from vp_science.errors import SettingsError
from vp_science.store.files import explain_write_errors
from vp_science.timeline.names import MEDIA_ENDINGS
from vp_science.typing import JSON, StrPath

MANIFEST = "manifest.jsonl"
_WRITING_S = 0.05
OUTPUT_ENDING = ".embeddings.h5"
LOGITS_ENDING = ".logits.h5"
"""Tracks that fine-tuned models make: logits, which are no embeddings, so that nobody takes them for such."""

_PARTIAL = (".embeddings.partial", ".logits.partial")
PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})

Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class BatchItem:
    """One recording of a batch.

    Attributes:
        path: the file, or the folder of pictures.
        recording_id: names it in tables: its path below the folder that was given, without the ending.
    """

    path: Path
    recording_id: str

    def output(self, folder: Path) -> Path:
        """Where its embeddings go."""
        return folder / f"{self.recording_id}{OUTPUT_ENDING}"


@dataclass(frozen=True)
class EmbedResult:
    """What became of one recording.

    Attributes:
        recording_id: names the recording.
        input: where it lies, "" for an array.
        output: the embedding file; None when there is none.
        status: ``done`` (embedded now), ``skipped`` (was complete already) or ``failed``.
        error: why it failed; "" otherwise.
        seconds: wall time.
        grid_frames: frames of the sample grid.
        duration_s: length of the recording in seconds.
        damaged_frames: source frames that did not decode cleanly.
        recording_sha256: partial hash of the recording (see ``Fingerprint``).
        output_sha256: of the whole embedding file.
    """

    recording_id: str
    input: str
    output: Path | None
    status: Status
    error: str = ""
    seconds: float = 0.0
    grid_frames: int = 0
    duration_s: float = 0.0
    damaged_frames: int = 0
    recording_sha256: str = ""
    output_sha256: str = ""

    def to_json(self) -> dict[str, JSON]:
        """The result as a manifest line."""
        record: dict[str, JSON] = asdict(self) | {"output": None if self.output is None else str(self.output)}
        return record | {"seconds": round(self.seconds, 3), "finished": datetime.now(UTC).isoformat(timespec="seconds")}


def find_inputs(inputs: Iterable[StrPath]) -> list[BatchItem]:
    """Expand files, folders and patterns to recordings, each once, in a stable order.

    A folder gives every recording below it, and every folder below it that holds nothing but pictures (one recording
    each). Files are told by their ending there; a file that is named itself is always taken, and so is one that does
    not exist: opening it says what is wrong, and the rest of the batch goes on.

    Raises:
        SettingsError: when a pattern or folder gives no recording.
    """
    found: dict[Path, BatchItem] = {}
    for given in inputs:
        for item in _expand(os.fspath(given)):
            found.setdefault(item.path.absolute(), item)
    return _unique_names(list(found.values()))


def _expand(given: str) -> list[BatchItem]:
    if not given:
        raise SettingsError("expected the name of a recording, found an empty one: check the variable it came from")
    path = Path(given)
    if path.is_dir():
        items = _below(path)
        if not items:
            endings = " ".join(sorted(ending[1:] for ending in MEDIA_ENDINGS))
            raise SettingsError(
                f"expected recordings in {path}, found none: looked for {endings} and folders of pictures; "
                "name the files if theirs end otherwise"
            )
        return items
    if not path.exists() and glob.has_magic(given):
        paths = sorted((Path(match) for match in glob.glob(given, recursive=True)), key=natural_key)
        if not paths:
            raise SettingsError(f'the pattern "{given}" matches no file: expected at least one recording')
        return [item for match in paths for item in (_below(match) if match.is_dir() else _file(match))]
    return [BatchItem(path, path.stem)]


def _file(path: Path) -> list[BatchItem]:
    return [] if _is_ours(path.name) else [BatchItem(path, path.stem)]


def _below(folder: Path) -> list[BatchItem]:
    items: list[BatchItem] = []
    for parent, names in walk_folders(folder):
        files = sorted((name for name in names if not name.startswith(".") and not _is_ours(name)), key=natural_key)
        here = Path(parent)
        if _holds_pictures_only(files):
            name = Path(os.path.abspath(here)).name if here == folder else here.relative_to(folder).as_posix()
            items.append(BatchItem(here, name))
        for name in files:
            if Path(name).suffix.lower() in MEDIA_ENDINGS:
                path = here / name
                items.append(BatchItem(path, (path.relative_to(folder).parent / path.stem).as_posix()))
    # Pictures above recordings are snapshots or thumbnails; folders without recordings (our results) change nothing.
    holders = {parent for item in items for parent in item.path.parents}
    return [item for item in items if item.path not in holders]


def walk_folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Walk in natural order through links too (labs keep recordings on other disks), but through no folder twice.

    Raises:
        SettingsError: when a folder cannot be listed: recordings in it would be skipped without a word.
    """

    def refuse(error: OSError) -> None:
        raise SettingsError(f"cannot list {error.filename} ({error.strerror}): allow reading it, or name other inputs")

    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".") and not name.endswith(_PARTIAL)),
            key=natural_key,
        )
        yield parent, names


def _holds_pictures_only(names: Sequence[str]) -> bool:
    endings = {Path(name).suffix.lower() for name in names}
    # A folder of multi-page TIFFs looks like a folder of TIFF pictures; the stacks are the likelier meaning.
    pictures = endings & (PICTURE_ENDINGS - MEDIA_ENDINGS)
    return bool(pictures) and not endings & MEDIA_ENDINGS


def _is_ours(name: str) -> bool:
    return name.endswith((OUTPUT_ENDING, LOGITS_ENDING, ".ethogram.h5", ".ethogram.nwb")) or name == MANIFEST


def _unique_names(items: list[BatchItem]) -> list[BatchItem]:
    """Give recordings that differ only in their ending (a.mp4, a.avi) their full names."""
    counts = Counter(item.recording_id for item in items)
    named = [
        item
        if counts[item.recording_id] == 1
        else BatchItem(item.path, (Path(item.recording_id).parent / item.path.name).as_posix())
        for item in items
    ]
    seen: dict[str, BatchItem] = {}
    for item in named:
        other = seen.setdefault(item.recording_id, item)
        if other is not item:
            raise SettingsError(
                f"{other.path} and {item.path} would both be written to {item.recording_id}{OUTPUT_ENDING}: "
                "give the folder that holds both, so that their subfolders keep them apart, or run them one by one "
                "with different --out"
            )
    return named


def natural_key(name: StrPath) -> list[tuple[int, int, str]]:
    """Sorts ``frame2`` before ``frame10``."""
    parts = re.split(r"([0-9]+)", os.fspath(name))
    return [(0, int(part), "") if part.isascii() and part.isdigit() else (1, 0, part) for part in parts]


@runtime_checkable
class ManifestEntry(Protocol):
    """What the manifest needs of a result."""

    def to_json(self) -> dict[str, JSON]:
        """The result as a manifest line."""


def append_manifest(folder: Path, result: ManifestEntry, facts: dict[str, JSON]) -> None:
    """Add one line to the manifest of a batch; several processes may append to the same file.

    Raises:
        StoreError: when it cannot be written; nothing of the line is left then.
    """
    path = folder / MANIFEST
    text = json.dumps(result.to_json() | facts, ensure_ascii=False) + "\n"
    # Names that are not Unicode become escapes, which are JSON.
    line = text.encode("utf-8", "backslashreplace")
    with explain_write_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        # One write in append mode: lines of processes that share the file never mix.
        with path.open("a+b", buffering=0) as file:
            if _ends_in_half_a_line(file):
                line = b"\n" + line  # what a power cut left must not swallow this one
            written = file.write(line)
            if written < len(line):  # a full disk takes what fits, without an error
                if file.tell() == os.fstat(file.fileno()).st_size:
                    file.truncate(file.tell() - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())


def _ends_in_half_a_line(file: IO[bytes]) -> bool:
    """Whether the last line has no end and nobody is writing it."""
    size = -1
    while (now := file.seek(0, os.SEEK_END)) > 0:
        file.seek(now - 1)
        if file.read(1) == b"\n":
            return False
        if now == size:
            return True
        size = now
        time.sleep(_WRITING_S)
    return False
