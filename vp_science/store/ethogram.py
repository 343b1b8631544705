"""The annotated recording: its layout, and how it is written.

Layout (DESIGN section 5), the same in a file of its own (``<recording>.ethogram.h5``) and, with ``--in-place``, in the
HDF5 recording itself. Plain arrays and fixed-length UTF-8 text, which h5py, MATLAB, R and HDFView read alike; the bouts
are a group of columns, because tables of mixed types (compound) are awkward in R and MATLAB::

    /vp_science/<probe id>     attrs: format, schema, probe_id, recording_id, provenance (JSON), catalogue (JSON),
                                      subject, target
        /time_s                (frame)            float64, seconds on the clock of the recording
        /behaviors             (behavior)         names, in the order of the columns
        /scores                (frame, behavior)  float32, 0 to 1; NaN unknown
        /states                (frame, behavior)  int8: 1 happens, 0 does not, -1 unknown
        /bouts                 columns of one length, a row per bout, half-open:
            behavior, kind (state or point), start_s, stop_s, start_frame, stop_frame, score
        /subjects/<name>       the same, for every followed animal (subject and target are attributes)

Frames are those of the recording. A probe that looks at whole frames writes ``scores``, ``states`` and ``bouts`` of
nobody in particular (subject ""), one that follows animals writes a group per animal.
"""

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import h5py
import numpy as np

from vp_science.errors import StoreError
from vp_science.files import sync_folder, write_atomically
from vp_science.store.files import explain_write_errors
from vp_science.store.lock import FolderLock
from vp_science.store.provenance import JSONDict
from vp_science.timeline.ethogram import Ethogram, frame_edges

FORMAT = "vp_science.ethogram"
SCHEMA = 1
SUFFIX = ".ethogram.h5"
GROUP = "vp_science"
SUBJECTS = "subjects"

_CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, eq=False)
class Annotated:
    """What a probe says about one recording.

    Attributes:
        probe_id: names the group.
        recording_id: the recording, as bout tables name it.
        ethograms: one for whole frames, or one per followed animal, all at the same frames.
        provenance: how it was made; JSON.
    """

    probe_id: str
    recording_id: str
    ethograms: Sequence[Ethogram]
    provenance: JSONDict

    @property
    def num_bytes(self) -> int:
        """About how large it is in a file, at most."""
        frames, behaviors = self.ethograms[0].states.shape
        return int(len(self.ethograms) * (frames * (8 + 5 * behaviors) + (64 << 10)) + len(json.dumps(self.provenance)))


def group_name(name: str) -> str:
    """A name as that of an HDF5 group: what would read as a path is escaped."""
    for letter in "%/\0":
        name = name.replace(letter, quote(letter, safe=""))
    return name.replace(".", "%2E") if name in (".", "..") else name


def write_group(parent: h5py.Group, annotated: Annotated) -> None:
    """Write the group of one probe into ``/vp_science``, replacing what the same probe wrote before."""
    name = group_name(annotated.probe_id)
    if name in parent:
        del parent[name]
    group = parent.create_group(name)
    group.attrs["format"] = FORMAT
    group.attrs["schema"] = SCHEMA
    group.attrs["probe_id"] = annotated.probe_id
    group.attrs["recording_id"] = _plain(annotated.recording_id)
    group.attrs["provenance"] = json.dumps(annotated.provenance, sort_keys=True)
    group.attrs["catalogue"] = json.dumps(annotated.ethograms[0].behaviors.to_json())
    _array(group, "time_s", np.asarray(annotated.ethograms[0].time_s, np.float64))
    _texts(group, "behaviors", annotated.ethograms[0].behaviors.names)
    for ethogram in annotated.ethograms:
        who = group_name(ethogram.subject + (f" -> {ethogram.target}" if ethogram.target else ""))
        _write_ethogram(group.create_group(f"{SUBJECTS}/{who}") if who else group, ethogram)


def _write_ethogram(group: h5py.Group, ethogram: Ethogram) -> None:
    group.attrs["subject"] = ethogram.subject
    group.attrs["target"] = ethogram.target
    scores = ethogram.scores
    missing = np.full(ethogram.states.shape, np.nan, np.float32)
    _array(group, "scores", missing if scores is None else np.asarray(scores, np.float32))
    _array(group, "states", np.asarray(ethogram.states, np.int8))
    _write_bouts(group.create_group("bouts"), ethogram)


def _write_bouts(group: h5py.Group, ethogram: Ethogram) -> None:
    table, edges = ethogram.to_bouts(), frame_edges(ethogram.time_s)
    columns = {name: list(table[name]) if len(table) else [] for name in ("behavior", "kind")}
    numbers = {
        name: np.asarray(table[name], np.float64) if len(table) else np.zeros(0)
        for name in ("start_s", "stop_s", "score")
    }
    order = np.argsort(numbers["start_s"], kind="stable")
    for name, texts in columns.items():
        _texts(group, name, [texts[i] for i in order])
    for name, values in numbers.items():
        _array(group, name, values[order])
    for name in ("start", "stop"):
        _array(group, f"{name}_frame", np.searchsorted(edges, numbers[f"{name}_s"][order]).astype(np.int64))


def _array(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """Compressed, with checksums, in chunks of whole rows."""
    if values.size == 0:
        group.create_dataset(name, data=values)
        return
    rows = max(1, _CHUNK_BYTES // max(1, values.nbytes // len(values)))
    chunks = (min(len(values), rows), *values.shape[1:])
    group.create_dataset(name, data=values, chunks=chunks, compression="gzip", shuffle=True, fletcher32=True)


def _texts(group: h5py.Group, name: str, texts: Sequence[str]) -> None:
    encoded = [text.encode() for text in texts]
    length = max([1, *map(len, encoded)])
    group.create_dataset(name, data=np.array(encoded, dtype=h5py.string_dtype("utf-8", length)))


def _plain(text: str) -> str:
    """Text as HDF5 can hold it: names that are not Unicode become readable escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def write_ethogram_file(
    path: Path, annotated: Annotated, software: str, *, overwrite: bool = False, without: Collection[str] = ()
) -> None:
    """Write one probe's group into ``<recording>.ethogram.h5``; the groups of other probes stay.

    The file is made in memory (HDF5 crashes the process when the disk fills up under it) and gets its name when it is
    complete.

    Args:
        path: the file.
        annotated: what goes into the group.
        software: package and version.
        overwrite: replace a file that is damaged or something else.
        without: ids of probes whose groups are left out from now on.

    Raises:
        StoreError: when it cannot be written, another process is writing it, or what lies there is no such file.
    """
    with explain_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = path.with_suffix(".partial")
        lock = FolderLock.acquire(folder, path)
        try:
            image = _file_image(path, annotated, software, overwrite, without)
            write_atomically(path, lambda file: file.write(image))
            sync_folder(path.parent)
        finally:
            lock.remove(folder)


def _file_image(path: Path, annotated: Annotated, software: str, overwrite: bool, without: Collection[str]) -> bytes:
    with h5py.File("ethogram", "w", driver="core", backing_store=False) as file:
        file.attrs["format"] = FORMAT
        file.attrs["schema"] = SCHEMA
        file.attrs["software"] = software
        file.attrs["recording_id"] = _plain(annotated.recording_id)
        parent = file.create_group(GROUP)
        if os.path.lexists(path):
            try:
                _copy_others(path, parent, {group_name(name) for name in (annotated.probe_id, *without)})
            except StoreError:
                if not overwrite:
                    raise
                parent.clear()
        write_group(parent, annotated)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _copy_others(path: Path, parent: h5py.Group, replaced: Collection[str]) -> None:
    """Copy the groups of other probes."""
    problem: Any = None
    try:
        with h5py.File(path, "r") as old:
            if old.attrs.get("format") != FORMAT or not isinstance(old.get(GROUP, getlink=True), h5py.HardLink):
                raise ValueError("it holds something else")
            for name in old[GROUP]:
                if name not in replaced and isinstance(old[GROUP].get(name, getlink=True), h5py.HardLink):
                    old[GROUP].copy(name, parent)
        return
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        problem = error
    raise StoreError(
        f"expected {path} to be an ethogram file, found it damaged or something else ({problem}): move it away, "
        "choose another --out, or replace it (--overwrite)"
    )
