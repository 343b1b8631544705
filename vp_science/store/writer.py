"""Writing an embedding file in pieces that survive a crash."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int64

from vp_science.errors import SettingsError, StoreError
from vp_science.files import sync_folder
from vp_science.store.files import explain_write_errors
from vp_science.store.hdf5 import assemble
from vp_science.store.lock import LOCK_NAME, FolderLock
from vp_science.store.plan import (
    PLAN_NAME,
    Plan,
    RecordingFacts,
    Segment,
    cut_segments,
    make_plan,
    other_recording,
    read_plan,
    resume_plan,
)
from vp_science.store.provenance import Provenance, check_same
from vp_science.store.reader import open_embeddings
from vp_science.store.segments import (
    SegmentData,
    checked_segment,
    read_segment_file,
    segment_path,
    write_segment_file,
)
from vp_science.timeline.grid import SampleGrid, Windows
from vp_science.typing import StrPath

Status = Literal["new", "resumed", "already_complete"]

_ASSEMBLED = "assembled.h5.tmp"
_OURS = re.compile(r"plan\.json(\.tmp)?|segment-\d{6,}\.npz(\.tmp)?|assembled\.h5\.tmp")


def partial_folder(final_path: Path) -> Path:
    """Where the work in progress of an embedding file lies: beside it."""
    return final_path.with_suffix(".partial")


class EmbeddingWriter:
    """Writes one embedding file segment by segment; made by ``EmbeddingWriter.open``.

    Use it as a context manager: leaving the block lets other processes go on with the work, finished segments stay::

        with EmbeddingWriter.open(path, provenance, recording, grid, windows, dim, windows_per_segment) as writer:
            for segment in writer.segments[writer.next_segment :]:
                track, window, shown_index, damaged = ...  # for segment.windows, which own segment.grid
                writer.write_segment(segment.index, track, window, shown_index, damaged)
            writer.finish()

    Killing the process at any instant loses at most the segment that was being computed; running again resumes and
    gives the same bytes. Nothing appears under the final name before it is complete and verified.

    Attributes:
        final_path: the file that is being made.
        status: ``"new"``, ``"resumed"``, or ``"already_complete"``: then there is nothing left to write, and ``finish``
            does nothing.
        segments: all segments of the file.
        next_segment: index of the first segment that is still to be written; ``len(segments)`` when none is.
    """

    def __init__(
        self,
        final_path: Path,
        plan: Plan,
        software: str,
        grid: SampleGrid,
        windows: Windows,
        status: Status,
        lock: FolderLock | None,
    ) -> None:
        """Use ``EmbeddingWriter.open``."""
        self.final_path = final_path
        self.status: Status = status
        self.segments = cut_segments(windows, plan.windows_per_segment)
        self.next_segment = len(self.segments) if status == "already_complete" else 0
        self._plan = plan
        self._software = software
        self._grid = grid
        self._windows = windows
        self._lock = lock
        self._folder = partial_folder(final_path)

    @classmethod
    def open(
        cls,
        final_path: StrPath,
        provenance: Provenance,
        recording: RecordingFacts,
        grid: SampleGrid,
        windows: Windows,
        dim: int,
        windows_per_segment: int,
        execution: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> "EmbeddingWriter":
        """Begin an embedding file, or go on with one.

        Args:
            final_path: the file to make, ending in ``.h5``; its folder is made when it is missing.
            provenance: how the embeddings are made.
            recording: what they are made from.
            grid: the sample grid.
            windows: the windows over it.
            dim: width of one embedding.
            windows_per_segment: windows that are written, and at worst lost, together.
            execution: batch sizes and the like, which may change the last bits.
            overwrite: replace a file, or abandon unfinished work, that was made with other settings or from another
                recording. The old file stays until the new one is complete. What was made with these settings is kept.

        Raises:
            SettingsError: when a file or unfinished work with other settings is there, naming every field.
            StoreError: when it was made from another recording, cannot be read, or the folder cannot be written, or
                another process is writing the same file.
        """
        final = Path(final_path)
        if final.suffix != ".h5":
            raise SettingsError(f'expected the name of an embedding file to end in ".h5", found {final.name!r}')
        plan = make_plan(provenance, recording, grid, windows, dim, windows_per_segment, execution)
        cut_segments(windows, windows_per_segment)
        folder = partial_folder(final)
        with explain_write_errors(final):
            if final.is_dir():
                raise StoreError(
                    f"expected {final} to be a file, found a folder: move it away, or choose another --out"
                )
            done = _is_complete(final, plan, grid, overwrite)
            if done and not os.path.lexists(folder):
                return cls(final, plan, provenance.software, grid, windows, "already_complete", None)
            lock = FolderLock.acquire(folder, final)
            try:
                # Another process may have finished between the first look and the lock.
                if _is_complete(final, plan, grid, overwrite):
                    _remove_folder(folder, lock)
                    return cls(final, plan, provenance.software, grid, windows, "already_complete", None)
                plan, resumed = resume_plan(folder, plan, overwrite)
                writer = cls(final, plan, provenance.software, grid, windows, "resumed" if resumed else "new", lock)
                writer.next_segment = writer._count_finished() if resumed else 0
                writer._remove_from(writer.next_segment)
            except BaseException:
                lock.release()
                raise
        return writer

    def write_segment(
        self,
        index: int,
        track: Float[np.ndarray, "grid patch dim"],
        window: Float[np.ndarray, "window dim"],
        shown_index: Int64[np.ndarray, " grid"],
        damaged_frames: Int64[np.ndarray, " damaged"],
    ) -> None:
        """Write one segment; when this returns, it survives a crash.

        Args:
            index: the segment, always ``next_segment``.
            track: embeddings of the grid frames ``segments[index].grid``; cast to the dtype of the file.
            window: one vector per window of ``segments[index].windows``.
            shown_index: source frame whose pixels each of these grid frames shows; -1 for none.
            damaged_frames: source frames among them that did not decode, in any order.

        Raises:
            ValueError: when it is not this segment's turn, or a shape or frame index is wrong.
            StoreError: when an embedding is not finite, or the disk is full; segments written before stay.
        """
        self._check_open()
        if index != self.next_segment or index >= len(self.segments):
            raise ValueError(f"expected segment {self.next_segment} of {len(self.segments)} next, found {index}")
        segment = self.segments[index]
        data = checked_segment(self._plan, segment, track, window, shown_index, damaged_frames)
        with explain_write_errors(self.final_path):
            write_segment_file(self._folder, self._plan, segment, data)
        self.next_segment += 1

    def finish(self) -> Path:
        """Assemble the file, verify it, give it its name and remove the work in progress.

        Returns:
            The final path.

        Raises:
            ValueError: when segments are missing.
            StoreError: when the disk is full, or what was written does not read back; segments stay.
        """
        if self.status == "already_complete":
            return self.final_path
        lock = self._check_open()
        if self.next_segment != len(self.segments):
            raise ValueError(f"expected all {len(self.segments)} segments before finish, found {self.next_segment}")
        assembled = self._folder / _ASSEMBLED
        with explain_write_errors(self.final_path):
            try:
                assembled.unlink(missing_ok=True)
                assemble(assembled, self._plan, self._software, self._grid, self._windows, self._read_segments())
                self._verify(assembled)
                assembled.replace(self.final_path)
            except BaseException:
                with suppress(OSError):
                    assembled.unlink(missing_ok=True)
                raise
            sync_folder(self.final_path.parent)
            _remove_folder(self._folder, lock)
        self._lock = None
        self.status = "already_complete"
        return self.final_path

    def close(self) -> None:
        """Let other processes go on with the work. Finished segments stay."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> "EmbeddingWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_open(self) -> FolderLock:
        if self._lock is None:
            raise ValueError("this writer is closed: open it again with EmbeddingWriter.open")
        return self._lock

    def _count_finished(self) -> int:
        for segment in self.segments:
            if read_segment_file(self._folder, self._plan, segment) is None:
                return segment.index
        return len(self.segments)

    def _remove_from(self, index: int) -> None:
        """Delete what will be made again, and what a kill left behind."""
        keep = {PLAN_NAME, *(segment_path(self._folder, kept).name for kept in range(index))}
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in keep:
                path.unlink()

    def _read_segments(self) -> Iterator[tuple[Segment, SegmentData]]:
        for segment in self.segments:
            data = read_segment_file(self._folder, self._plan, segment)
            if data is None:
                raise StoreError(
                    f"expected {segment_path(self._folder, segment.index)} to be as it was written, found it missing "
                    "or altered: check the disk, and run the same command again to go on from there"
                )
            yield segment, data

    def _verify(self, path: Path) -> None:
        with open_embeddings(path) as written:
            found = (written.grid_size, len(written.window_start), written.dim, written.provenance)
        expected = (self._plan.grid_size, self._plan.num_windows, self._plan.dim, self._plan.provenance)
        if found != expected:
            raise StoreError(
                f"the assembled file of {self.final_path} does not read back as it was written: "
                "check the disk, and run the same command again"
            )


def pending_execution(final_path: Path) -> dict[str, Any]:
    """The batch sizes of unfinished work, so that it can be continued as it was begun; empty when there is none."""
    path = partial_folder(final_path) / PLAN_NAME
    try:
        execution = read_plan(path).get("execution")
    except (OSError, StoreError):
        return {}
    return execution if isinstance(execution, dict) else {}


def _is_complete(final: Path, plan: Plan, grid: SampleGrid, overwrite: bool) -> bool:
    """Whether the final file is there and is what is asked for.

    Raises:
        SettingsError: when it was made with other settings and may not be replaced.
        StoreError: when it was made from another recording or is not an embedding file, and may not be replaced.
    """
    if not final.exists():
        return False
    try:
        _check_complete(final, plan, grid)
    except (SettingsError, StoreError):
        if overwrite:
            return False
        raise
    return True


def _check_complete(final: Path, plan: Plan, grid: SampleGrid) -> None:
    with open_embeddings(final) as found:
        if found.recording.fingerprint != plan.recording.fingerprint:
            raise StoreError(other_recording(final, found.recording_id))
        check_same(plan.provenance, found.provenance, final)
        same_grid = np.array_equal(found.time_s, grid.time_s) and np.array_equal(found.frame_index, grid.frame_index)
        if not same_grid or found.dim != plan.dim:
            raise SettingsError(
                f"{final} was made with other presentation times or another width (dim: {plan.dim} here, {found.dim} "
                "in the file). Write to another place (--out), or replace it (--overwrite)"
            )


def _remove_folder(folder: Path, lock: FolderLock) -> None:
    """Delete our files, then the lock and the folder; what someone else put there stays."""
    for path in folder.iterdir():
        if path.name != LOCK_NAME and _OURS.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()
    lock.remove(folder)
