"""What of a session can be searched: its tracks, in groups that can be compared, and an index of each group.

What is known of the tracks is kept in ``search/tracks.json``, so that the first search of the day need not open
thousands of files; a track is read again when its size or its time changes. The file may be deleted at any time.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vp_science.errors import StoreError, VPScienceError
from vp_science.files import write_atomically
from vp_science.probes.tracks import track_settings
from vp_science.search.build import build_index, fingerprint
from vp_science.search.index import SearchIndex
from vp_science.search.index_file import open_index
from vp_science.sessions.tracks import ENDING, Listings, places_of_tracks, track_path
from vp_science.store.reader import Embeddings, open_embeddings

if TYPE_CHECKING:
    from vp_science.sessions.worker import Reporter

_CATALOGUE = "tracks.json"
_MOST_BYTES = 256 << 20
_FORMAT = {"format": "vp_science.search_tracks", "schema": 1}


@dataclass(frozen=True)
class SearchTrack:
    """A track as the search knows it.

    Attributes:
        path: the file, as text.
        num_bytes: its size when it was read.
        changed_ns: when it was changed last.
        id: of the track.
        recording: id of the recording in the session.
        subject: the animal that is followed, "" for whole frames.
        target: the other animal of a pair, "" for none.
        model: that made it.
        contrastive: texts can be compared with it.
        group: tracks of one group can be compared with each other.
        fingerprint: changes with the content.
        made_from_bytes: size of the recording that it was made from.
        error: why it cannot be used, "" when it can.
    """

    path: str
    num_bytes: int
    changed_ns: int
    id: str
    recording: str
    subject: str = ""
    target: str = ""
    model: str = ""
    contrastive: bool = False
    group: str = ""
    fingerprint: str = ""
    made_from_bytes: int = 0
    error: str = ""


def searchable_tracks(
    folder: Path, recordings: Mapping[str, Path | None], report: "Reporter"
) -> tuple[list[SearchTrack], list[str]]:
    """The tracks of a session, of whole frames and of animals.

    Args:
        folder: of the session.
        recordings: where they lie, by id; None where nobody knows.
        report: told about the tracks that are read.

    Returns:
        Those that can be used, and what is wrong with the others.
    """
    place = folder / "search" / _CATALOGUE
    known = _read_catalogue(place)
    found: list[SearchTrack] = []
    files = list(_files(folder, recordings))
    for number, (recording, path) in enumerate(files):
        status = os.stat(path)
        entry = known.get(str(path))
        if entry is None or (entry.num_bytes, entry.changed_ns) != (status.st_size, status.st_mtime_ns):
            report.progress("reading tracks", number, len(files))
            entry = _read(path, recording, status)
        found.append(_of_this_recording(replace(entry, recording=recording), recordings[recording]))
    _write_catalogue(place, known, found)
    return [entry for entry in found if not entry.error], [entry.error for entry in found if entry.error]


def index_of(folder: Path, tracks: Sequence[SearchTrack], report: "Reporter") -> SearchIndex:
    """The index of tracks of one group: the one on disk if it is of these tracks as they are now, or a new one.

    Raises:
        StoreError: when a track is damaged, or the disk refuses.
        CancelledError: when the job shall stop.
    """
    path = folder / "search" / f"index-{tracks[0].group[:8]}.search.h5"
    wanted = [(track.id, track.fingerprint) for track in tracks]
    with suppress(StoreError):  # none, or a damaged one: it is made of the tracks, and made again
        index = _opened(path, _stamp(path))
        if [(entry.recording_id, entry.fingerprint) for entry in index.recordings] == wanted:
            return index
    _opened.cache_clear()
    path.unlink(missing_ok=True)
    with ExitStack() as stack:
        opened: list[Embeddings] = []
        for track in tracks:
            report.checkpoint()
            opened.append(stack.enter_context(open_embeddings(track.path)))
        build_index(opened, path, progress=lambda done, total: report.progress("preparing the search", done, total))
    return _opened(path, _stamp(path))


@lru_cache(maxsize=2)
def _opened(path: Path, _: tuple[int, int]) -> SearchIndex:
    """The stamp is part of the question: an index that was made anew is opened anew."""
    return open_index(path)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _files(folder: Path, recordings: Mapping[str, Path | None]) -> Iterator[tuple[str, Path]]:
    """Recording and file of every track; the first place in which one lies wins."""
    listings, names = Listings(), set(recordings)
    for recording, where in recordings.items():
        taken: set[str] = set()
        for place in places_of_tracks(folder, where):
            for track_id in listings.ids(place, ENDING, recording, names - {recording}):
                if track_id not in taken:
                    taken.add(track_id)
                    yield recording, track_path(place, track_id)


def _read(path: Path, recording: str, status: os.stat_result) -> SearchTrack:
    blank = SearchTrack(str(path), status.st_size, status.st_mtime_ns, path.name[: -len(ENDING)], recording)
    try:
        with open_embeddings(path) as track:
            if track.recording_id != blank.id:
                raise StoreError(
                    f"{path}: expected the track of {blank.id!r}, found one that calls itself {track.recording_id!r}: "
                    "give the file its own name again, or embed the recording"
                )
            settings = json.dumps(track_settings(track.provenance), sort_keys=True)
            return replace(
                blank,
                subject=track.subject,
                target=track.target,
                model=track.provenance.model,
                contrastive=track.contrastive,
                group=hashlib.sha256(settings.encode()).hexdigest()[:16],
                fingerprint=fingerprint(track),
                made_from_bytes=track.recording.num_bytes,
            )
    except VPScienceError as error:
        return replace(blank, error=str(error))


def _of_this_recording(entry: SearchTrack, recording: Path | None) -> SearchTrack:
    """A recording of another size is another one (HDF5 files grow when annotations are written into them)."""
    if entry.error or recording is None or recording.suffix.lower() in (".h5", ".hdf5", ".nwb"):
        return entry
    if not recording.is_file() or recording.stat().st_size == entry.made_from_bytes:
        return entry
    return replace(
        entry,
        error=f"{entry.path}: expected the track of {recording}, found one of another recording of that name: move it "
        "away, or embed this recording",
    )


def _read_catalogue(path: Path) -> dict[str, SearchTrack]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        record = json.loads(path.read_text(encoding="utf-8"))
        if {name: record[name] for name in _FORMAT} != _FORMAT:
            return {}
        return {entry["path"]: _entry(entry) for entry in record["tracks"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # the tracks themselves are read again


def _entry(record: Any) -> SearchTrack:
    kinds = {field.name: field.type for field in fields(SearchTrack)}
    if record.keys() != kinds.keys() or any(type(record[name]) is not kind for name, kind in kinds.items()):
        raise ValueError("no track")
    return SearchTrack(**record)


def _write_catalogue(path: Path, known: Mapping[str, SearchTrack], found: Sequence[SearchTrack]) -> None:
    """What failed is not kept: it is tried again."""
    kept = [replace(entry, error="") if entry.fingerprint else entry for entry in found]
    kept = [entry for entry in kept if not entry.error]
    if list(known.values()) == kept:
        return
    content = json.dumps(_FORMAT | {"tracks": [asdict(entry) for entry in kept]}).encode()
    with suppress(OSError):  # without it the next search only takes longer
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(content), shared=True)
