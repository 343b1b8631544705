"""Where annotations go: the ethogram file, the recording itself, NWB, and one table and project for the whole study."""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np

from vp_science.annotating.in_place import write_in_place
from vp_science.annotating.nwb_facts import NwbFacts
from vp_science.annotations.formats import read_annotations, write_annotations
from vp_science.batch import MANIFEST
from vp_science.errors import StoreError
from vp_science.files import hash_file
from vp_science.recordings import Recording
from vp_science.store.ethogram import SUBJECTS, SUFFIX, Annotated, group_name, write_ethogram_file, write_group
from vp_science.store.ethogram_reader import list_ethograms, read_ethogram
from vp_science.store.files import explain_write_errors
from vp_science.store.lock import FolderLock
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram

NWB_SUFFIX = ".ethogram.nwb"
BORIS_PROJECT = "predictions.boris"
_WAIT_S = 600.0


@dataclass(frozen=True)
class Place:
    """Where the ethograms of one recording are written.

    Attributes:
        path: the ethogram file, or the recording.
        in_place: it is the recording.
    """

    path: Path
    in_place: bool

    def write(
        self, annotated: Annotated, software: str, *, overwrite: bool = False, without: Collection[str] = ()
    ) -> str:
        """Write, and read back what was written.

        Args:
            annotated: the ethograms of one probe.
            software: package and version.
            overwrite: replace a damaged ethogram file, with whatever other probes wrote into it.
            without: ids of probes whose ethograms go from the ethogram file.

        Returns:
            The sha256 of the file; "" in place, where hashing would take as long as reading the recording.

        Raises:
            StoreError: when it cannot be written.
        """
        if self.in_place:
            write_in_place(
                self.path,
                lambda group: write_group(group, annotated),
                lambda group: check_group(group, annotated, self.path),
                annotated.num_bytes,
            )
            return ""
        write_ethogram_file(self.path, annotated, software, overwrite=overwrite, without=without)
        if len(read_all(self.path, annotated.probe_id)) != len(annotated.ethograms):
            raise StoreError(f"{self.path} does not read back as it was written: check the disk, and run again")
        return hash_file(self.path)


def find_place(recording_id: str, path: Path | None, out: Path, *, in_place: bool) -> Place:
    """Where the ethograms of a recording go; only HDF5 recordings can be annotated in place."""
    if in_place and path is not None and path.is_file() and h5py.is_hdf5(path):
        return Place(path, True)
    return Place(out / f"{recording_id}{SUFFIX}", False)


def check_group(parent: h5py.Group, annotated: Annotated, path: Path) -> None:
    """Compare a written group with what it should hold.

    Raises:
        StoreError: when it differs.
    """
    probe = parent[group_name(annotated.probe_id)]
    groups = ([probe] if "states" in probe else []) + list(probe.get(SUBJECTS, {}).values())
    found = {(group.attrs["subject"], group.attrs["target"]): group for group in groups}
    for ethogram in annotated.ethograms:
        group = found.get((ethogram.subject, ethogram.target))
        scores = np.full(ethogram.states.shape, np.nan) if ethogram.scores is None else ethogram.scores
        same = (
            group is not None
            and np.array_equal(group["states"][()], ethogram.states)
            and np.array_equal(group["scores"][()], np.asarray(scores, np.float32), equal_nan=True)
        )
        if not same or not np.array_equal(probe["time_s"][()], ethogram.time_s):
            raise StoreError(f"what was to be written into {path} does not read back: check the disk, and run again")


def read_all(path: Path, probe_id: str) -> list[Ethogram]:
    """Every ethogram of one probe in a file."""
    entries = [entry for entry in list_ethograms(path) if entry.probe_id == probe_id]
    return [read_ethogram(path, probe_id, entry.subject, entry.target) for entry in entries]


def as_annotations(ethograms: Sequence[Ethogram], probe_id: str) -> Annotations:
    """Bouts and observed intervals of all animals of a recording; the source is ``model:<probe id>``."""
    return Annotations.concat([ethogram.to_annotations(f"model:{probe_id}") for ethogram in ethograms])


def nwb_path(recording_id: str, probe_id: str, out: Path) -> Path:
    """Where the NWB file of a recording goes."""
    return out / f"{recording_id}.{group_name(probe_id)}{NWB_SUFFIX}"


def write_nwb(
    annotations: Annotations,
    path: Path,
    recording: Recording,
    source: Path | None,
    parameters: str,
    facts: NwbFacts | None = None,
) -> None:
    """Write a small NWB file with the bouts, which links to the video where there is one.

    Args:
        annotations: of the recording.
        path: the new file.
        recording: gives the times of the video.
        source: what was given as the recording; an NWB file there says when its clock began.
        parameters: how the predictions were made; JSON.
        facts: what a table says about the animal and the session.

    Raises:
        AnnotationError: when NWB cannot hold them.
        MissingExtraError: when pynwb is not installed.
    """
    from vp_science.annotations import nwb

    facts = facts or NwbFacts()
    media = recording.path
    linked = media is not None and media.is_file() and not h5py.is_hdf5(media)
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        nwb.write_nwb(
            path,
            annotations,
            recording.id,
            session_start_time=facts.start or _session_start(source),
            subject=facts.subject,
            session=facts.session,
            media=media.absolute() if linked and media is not None else None,
            time_s=recording.time_s if linked else None,
            parameters=parameters,
        )


def _session_start(source: Path | None) -> datetime | None:
    """When the clock of an NWB recording began; None where that is not said."""
    if source is None or not source.is_file() or not h5py.is_hdf5(source):
        return None
    with h5py.File(source, "r", locking="best-effort") as file:
        link = file.get("session_start_time", getlink=True)
        item = file["session_start_time"] if isinstance(link, h5py.HardLink) else None
        value = item[()] if isinstance(item, h5py.Dataset) and item.shape == () else None
    try:
        start = datetime.fromisoformat(value.decode() if isinstance(value, bytes) else str(value))
    except ValueError:
        return None
    return start if start.tzinfo is not None else None


def write_study_table(annotations: Annotations, path: Path) -> list[Path]:
    """Write the bouts of all recordings as one table; recordings of other runs and shards that are in it stay.

    Args:
        annotations: of the recordings of this run.
        path: the CSV file.
    """
    with study_lock(path.parent):
        if path.exists():
            before = read_annotations(path, "csv")
            others = [name for name in before.recordings if name not in set(annotations.recordings)]
            annotations = Annotations.concat([before.select(recordings=others), annotations])
        return write_annotations(annotations, path, "csv")


def write_boris(annotations: Annotations, path: Path, media: dict[str, str]) -> None:
    """Add the predictions to a BORIS project as observations of their own, for a person to review.

    A new project is made where there is none. Predictions that are in it already are not added again.
    """
    with study_lock(path.absolute().parent):
        write_annotations(annotations, path, "boris", media=media)


@contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """One process at a time may change what all shards of a batch share; the others wait.

    Raises:
        StoreError: when another process holds it for ten minutes.
    """
    place, until = folder / ".vp-science-study", time.monotonic() + _WAIT_S
    with explain_write_errors(folder / MANIFEST):
        while True:
            try:
                lock = FolderLock.acquire(place, folder)
                break
            except StoreError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        try:
            yield
        finally:
            lock.remove(place)
