"""The plan of one embedding file: everything that determines its bytes, and how it is cut into segments."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeGuard, runtime_checkable

from vp_science.errors import SettingsError, StoreError
from vp_science.files import write_atomically
from vp_science.store.provenance import JSONDict, Provenance, different_settings, json_differences, plain_json
from vp_science.timeline.grid import SampleGrid, Windows

PLAN_NAME = "plan.json"
_FORMAT = "vp_science.embeddings.partial"
_SCHEMA = 1
_MAX_PLAN_BYTES = 16 << 20


@runtime_checkable
class FingerprintLike(Protocol):
    """What this module needs of ``vp_science.recordings.Fingerprint``."""

    @property
    def num_bytes(self) -> int:
        """Size of the recording."""

    @property
    def sha256(self) -> str:
        """Partial hash of the recording."""

    @property
    def num_frames(self) -> int:
        """Frames in its index."""


@dataclass(frozen=True)
class RecordingFacts:
    """Which recording a file was made from.

    Attributes:
        id: names the recording in tables.
        path: where it lay, as given; for people to read. Nothing ever opens it.
        num_bytes: size of the recording.
        sha256: of its first and last MiB.
        num_frames: source frames.
    """

    id: str
    path: str | None
    num_bytes: int
    sha256: str
    num_frames: int

    @classmethod
    def of(
        cls, recording_id: str, path: str | os.PathLike[str] | None, fingerprint: FingerprintLike
    ) -> "RecordingFacts":
        """Gather the facts of a recording.

        Args:
            recording_id: ``Recording.id``.
            path: ``Recording.path``.
            fingerprint: ``Recording.fingerprint()``.
        """
        return cls(
            _storable(recording_id),
            None if path is None else _storable(os.fspath(path)),
            int(fingerprint.num_bytes),
            str(fingerprint.sha256),
            int(fingerprint.num_frames),
        )

    @property
    def fingerprint(self) -> tuple[int, str, int]:
        """Equal for equal recordings, wherever they lie."""
        return (self.num_bytes, self.sha256, self.num_frames)


def _storable(text: str) -> str:
    """Text as HDF5 can hold it: names that are not Unicode become readable escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


@dataclass(frozen=True)
class Segment:
    """A run of windows that is written, and lost, as a whole.

    Attributes:
        index: position among the segments.
        windows: the windows of the segment.
        grid: the grid frames that these windows own.
    """

    index: int
    windows: slice
    grid: slice

    @property
    def num_windows(self) -> int:
        """Number of windows."""
        return int(self.windows.stop - self.windows.start)

    @property
    def num_grid(self) -> int:
        """Number of grid frames."""
        return int(self.grid.stop - self.grid.start)


def cut_segments(windows: Windows, windows_per_segment: int) -> tuple[Segment, ...]:
    """Cut the windows into runs of ``windows_per_segment``; the last run may be shorter.

    Raises:
        SettingsError: when ``windows_per_segment`` is less than 1.
    """
    if windows_per_segment < 1:
        raise SettingsError(f"expected windows_per_segment of at least 1, found {windows_per_segment}: give at least 1")
    segments = []
    for index, first in enumerate(range(0, len(windows), windows_per_segment)):
        last = min(first + windows_per_segment, len(windows))
        segments.append(Segment(index, slice(first, last), windows.owned(first, last)))
    return tuple(segments)


@dataclass(frozen=True)
class Plan:
    """Everything that determines the bytes of one embedding file.

    Attributes:
        provenance: how the embeddings are made.
        recording: from what.
        grid_sha256: of the grid times and frames.
        grid_size: grid frames.
        num_windows: windows.
        dim: width of one vector.
        windows_per_segment: windows per segment of the work in progress.
        execution: batch sizes and the like: they should not matter, but in floating point they may.
    """

    provenance: Provenance
    recording: RecordingFacts
    grid_sha256: str
    grid_size: int
    num_windows: int
    dim: int
    windows_per_segment: int
    execution: JSONDict

    def to_json(self) -> JSONDict:
        """As it is written into the partial folder."""
        value = dataclasses.asdict(self)
        value["provenance"] = self.provenance.to_json()
        return {"format": _FORMAT, "schema": _SCHEMA, **value}

    def compared(self) -> JSONDict:
        """The part that must be equal for work to be continued: all but the software version and the path."""
        return compared_plan(self.to_json())

    @property
    def token(self) -> bytes:
        """Hash of the compared part: a segment that carries another one belongs to other work."""
        return hashlib.sha256(json.dumps(self.compared(), sort_keys=True).encode()).digest()


def make_plan(
    provenance: Provenance,
    recording: RecordingFacts,
    grid: SampleGrid,
    windows: Windows,
    dim: int,
    windows_per_segment: int,
    execution: Mapping[str, Any] | None = None,
) -> Plan:
    """Gather the plan.

    Raises:
        SettingsError: when the pieces contradict each other.
    """
    if windows.num_grid != len(grid):
        raise SettingsError(f"expected windows over {len(grid)} grid frames, found {windows.num_grid}: plan them anew")
    if (windows.num_frames, windows.stride) != (provenance.num_frames, provenance.stride):
        raise SettingsError(
            f"expected windows of {provenance.num_frames} frames with stride {provenance.stride} as in the provenance, "
            f"found {windows.num_frames} and {windows.stride}: plan them anew"
        )
    if dim < 1:
        raise SettingsError(f"expected dim of at least 1, found {dim}: give the width of one embedding")
    if len(grid) and int(grid.frame_index[-1]) >= recording.num_frames:
        raise SettingsError(
            f"expected a grid over {recording.num_frames} source frames, found frame {int(grid.frame_index[-1])} in "
            "it: make the grid from this recording"
        )
    digest = hashlib.sha256(grid.time_s.tobytes() + grid.frame_index.tobytes()).hexdigest()
    plain = plain_json(dict(execution or {}), "execution")
    return Plan(provenance, recording, digest, len(grid), len(windows), dim, windows_per_segment, plain)


def compared_plan(value: Mapping[str, Any]) -> JSONDict:
    """A plan as JSON without the fields that may differ: settings first, in the words of the provenance."""
    provenance, recording = value.get("provenance"), value.get("recording")
    settings = {key: item for key, item in provenance.items() if key != "software"} if _is(provenance) else {}
    rest = {key: item for key, item in value.items() if key not in ("provenance", "recording")}
    facts = {key: item for key, item in recording.items() if key != "path"} if _is(recording) else {}
    return {**settings, "recording": facts, **rest}


def resume_plan(folder: Path, plan: Plan, overwrite: bool) -> tuple[Plan, bool]:
    """Compare a plan with the one in a partial folder; write it there when there is none.

    Args:
        folder: the partial folder, which this process has locked.
        plan: what is asked for now.
        overwrite: start anew instead of refusing when the plans differ.

    Returns:
        The plan to follow, and whether the segments in the folder belong to it. Work that an earlier version of the
        software began keeps that version in its provenance.

    Raises:
        SettingsError: when the plans differ, naming every field.
        StoreError: when the work there is of another recording, or its plan cannot be read.
    """
    path = folder / PLAN_NAME
    if path.exists():
        try:
            found = read_plan(path)
            _check_plan(folder, plan, found)
        except (StoreError, SettingsError):
            if not overwrite:
                raise
        else:
            software = str(found["provenance"].get("software", plan.provenance.software))
            return dataclasses.replace(plan, provenance=dataclasses.replace(plan.provenance, software=software)), True
    text = json.dumps(plan.to_json(), indent=1)
    write_atomically(path, lambda file: file.write(text.encode()))
    return plan, False


def read_plan(path: Path) -> JSONDict:
    """The plan of unfinished work.

    Raises:
        StoreError: when it is not a plan.
    """
    advice = f"delete {path.parent} to start anew, or use --overwrite"
    if path.stat().st_size > _MAX_PLAN_BYTES:
        raise StoreError(f"expected a plan of at most 16 MiB in {path}, found more: {advice}")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise StoreError(f"expected a plan in JSON in {path}, found something else ({error}): {advice}") from error
    if not (_is(value) and _is(value.get("provenance")) and _is(value.get("recording"))):
        raise StoreError(f"expected a plan with provenance and recording in {path}, found something else: {advice}")
    return value


def _check_plan(folder: Path, plan: Plan, found: JSONDict) -> None:
    recording = found["recording"]
    if tuple(recording.get(key) for key in ("num_bytes", "sha256", "num_frames")) != plan.recording.fingerprint:
        raise StoreError(other_recording(folder, str(recording.get("id"))))
    found_differences = json_differences(plan.compared(), compared_plan(found))
    if found_differences:
        raise SettingsError(different_settings(f"the unfinished work in {folder}", found_differences))


def other_recording(path: Path, found_id: str) -> str:
    """The message about output that belongs to another recording."""
    return (
        f'{path} was made from another recording ("{found_id}": the size, the content or the number of frames differs '
        "from this one). Write to another place (--out), or replace it (--overwrite)"
    )


def _is(value: object) -> TypeGuard[JSONDict]:
    return isinstance(value, dict)
