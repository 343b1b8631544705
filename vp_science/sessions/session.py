"""A session: the recordings of one experiment, and everything that is made of them, in one folder.

::

    <folder>/session.json            recordings, settings of the panel
             labels.log.jsonl        labels, edit by edit (label_log.py)
             tracks/                 <id>.embeddings.h5, the same files that ``vp-science embed`` writes
             predictions/            <id>.ethogram.h5, the same files that ``vp-science annotate`` writes
             probes/<probe id>/      probe bundles
             maps/  search/          map.map.h5, index.search.h5
             cache/                  may be deleted at any time

Recordings are never moved, copied or changed. Those below the folder that holds the session folder are named by their
relative path, so that the whole can be moved; a name from the file never leads out of there. Where recordings lie
elsewhere, the file keeps only their name and size, and this user's own settings say where they are (``places.py``).
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path, PurePath
from typing import Any

from filelock import FileLock, Timeout

from vp_science.errors import StoreError
from vp_science.files import write_atomically
from vp_science.sessions.label_log import LOG_NAME, LabelLog, open_label_log
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.places import Places
from vp_science.sessions.tracks import is_track_of
from vp_science.typing import JSON, StrPath

SESSION_NAME = "session.json"
FOLDER_NAME = "vp_science_session"
_FORMAT = {"format": "vp_science.session", "schema": 1}
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class SessionRecording:
    """One recording of a session.

    Attributes:
        id: names it in labels, tracks and predictions; unique in the session and never changed.
        path: where it lies; None while nobody has said where (it moved, or came from another computer).
        name: of the file or folder.
        poses: its pose file, None for none.
    """

    id: str
    path: Path | None
    name: str
    poses: Path | None = None


class Session:
    """An open session; made by ``open_session``. One process at a time has it open.

    Attributes:
        folder: the session folder.
        settings: what the panel remembers: plain JSON by name. Call ``save`` after changing it.
        log: the labels on disk.
    """

    def __init__(self, folder: Path, lock: FileLock, log: LabelLog, places: Places) -> None:
        self.folder = folder
        self.settings: dict[str, JSON] = {}
        self.log = log
        self._lock = lock
        self._places = places
        self._recordings: dict[str, SessionRecording] = {}
        self._at: dict[Path, str] = {}
        self._lost: dict[str, str] = {}

    @property
    def labels(self) -> LabelBook:
        """The labels."""
        return self.log.book

    @property
    def recordings(self) -> tuple[SessionRecording, ...]:
        """In the order in which they were added."""
        return tuple(self._recordings.values())

    @property
    def root(self) -> Path:
        """The folder that holds the session folder; recordings below it move with the session."""
        return self.folder.parent

    def __contains__(self, recording_id: object) -> bool:
        return recording_id in self._recordings

    def recording(self, recording_id: str) -> SessionRecording:
        """One recording.

        Raises:
            StoreError: when there is none of this id.
        """
        try:
            return self._recordings[recording_id]
        except KeyError:
            raise StoreError(f"expected a recording of the session {self.folder}, found {recording_id!r}") from None

    def add(self, path: StrPath, poses: StrPath | None = None) -> SessionRecording:
        """Add a recording, or find it when it is there already. Call ``save`` afterwards.

        The id is the name without its ending; a second recording of that name keeps its ending, a third gets a number.
        """
        where = Path(path).resolve()
        if (name := self._at.get(where)) is not None:
            return self._recordings[name] if poses is None else self._put(name, where, poses)
        lost = next((name for name, file in self._lost.items() if file == where.name), None)
        return self._put(lost or self._free_id(where), where, poses)

    def locate(self, recording_id: str, path: StrPath) -> SessionRecording:
        """Say where a recording lies now. Call ``save`` afterwards.

        Raises:
            StoreError: when there is none of this id, or the file is another recording of the session.
        """
        self.recording(recording_id)
        where = Path(path).resolve()
        other = self._at.get(where, recording_id)
        if other != recording_id:
            raise StoreError(f"{where}: expected the file of {recording_id!r}, found that of {other!r}: choose another")
        return self._put(recording_id, where, None)

    def set_poses(self, recording_id: str, poses: StrPath | None) -> SessionRecording:
        """Say which pose file belongs to a recording, or that none does. Call ``save`` afterwards.

        Raises:
            StoreError: when there is no recording of this id.
        """
        one = self.recording(recording_id)
        changed = replace(one, poses=None if poses is None else Path(poses).resolve())
        return self._keep(changed)

    def _free_id(self, where: Path) -> str:
        stem = where.name if where.is_dir() else where.stem
        tried = chain((stem, where.name), (f"{stem}-{number}" for number in count(2)))
        return next(name for name in tried if name not in self._recordings)

    def _put(self, name: str, where: Path, poses: StrPath | None) -> SessionRecording:
        old = self._recordings.get(name)
        pose_file = Path(poses).resolve() if poses is not None else (old.poses if old else None)
        return self._keep(SessionRecording(name, where, where.name, pose_file))

    def _keep(self, one: SessionRecording) -> SessionRecording:
        """Put a recording on the list; thousands are added at once, so places are looked up and not searched."""
        self._forget_place(one.id)
        self._recordings[one.id] = one
        if one.path is None:
            self._lost[one.id] = one.name
        else:
            self._at[one.path] = one.id
        return one

    def _forget_place(self, name: str) -> None:
        old = self._recordings.get(name)
        self._lost.pop(name, None)
        if old is not None and old.path is not None:
            self._at.pop(old.path, None)

    def remove(self, recording_id: str) -> None:
        """Take a recording off the list; its labels, its track and the recording itself stay where they are."""
        self.recording(recording_id)
        self._forget_place(recording_id)
        del self._recordings[recording_id]

    def subfolder(self, name: str) -> Path:
        """``tracks``, ``predictions``, ``probes``, ``maps``, ``search`` or ``cache``; made when it is not there."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def save(self) -> None:
        """Write ``session.json``.

        Raises:
            StoreError: when the disk refuses.
        """
        record = _FORMAT | {"settings": self.settings, "recordings": [self._to_json(r) for r in self.recordings]}
        content = json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False).encode()
        try:
            write_atomically(self.folder / SESSION_NAME, lambda file: file.write(content))
            self._places.save()
        except OSError as error:
            raise StoreError(f"cannot write {self.folder / SESSION_NAME} ({error.strerror or error})") from error

    def close(self) -> None:
        """Save, stop logging and let others open the session.

        Raises:
            StoreError: when the disk refuses; what can be closed is closed all the same.
        """
        try:
            try:
                self.log.close()
            finally:
                self.save()
        finally:
            self._lock.release()

    def _to_json(self, one: SessionRecording) -> dict[str, JSON]:
        record: dict[str, JSON] = {"id": one.id, "name": one.name}
        below = os.path.join(self.root, "")
        for key, path in (("path", one.path), ("poses", one.poses)):
            if path is None:
                continue
            inside = str(path).startswith(below)  # texts, because thousands of paths are slow
            if inside:
                record[key] = path.as_posix()[len(below) :]
            else:
                self._places.remember(self.folder, one.id, key, path)
        return record

    def _from_json(self, record: Any) -> SessionRecording:
        name, shown = record["id"], record["name"]
        if not isinstance(shown, str) or not _is_file_name(name) or name in self:
            raise ValueError(f"the recording {name!r}, which has no name of its own that a file could have")
        paths = {key: self._place(record.get(key), name, key) for key in ("path", "poses")}
        return SessionRecording(name, paths["path"], shown, paths["poses"])

    def _place(self, relative: Any, name: str, key: str) -> Path | None:
        """Where a recording lies: below the root, or where this user's settings say."""
        if isinstance(relative, str):
            place = (self.root / relative).resolve()
            return place if place.is_relative_to(self.root) and place.exists() else None
        return self._places.find(self.folder, name, key)


def _is_file_name(name: Any) -> bool:
    """Whether an id can be part of the name of a file, and of nothing outside of its folder."""
    return isinstance(name, str) and name not in ("", ".", "..") and PurePath(name).name == name and "\0" not in name


def session_folder(recording: StrPath) -> Path:
    """Where the session of a recording is kept unless somebody chooses another place.

    Beside the recording; where that folder cannot be written, or belongs to an installed package (the bundled clip),
    in ``vp_science_sessions`` in this user's home folder.
    """
    where = Path(recording).resolve()
    package = Path(__file__).resolve().parents[1]
    if os.access(where.parent, os.W_OK) and not where.is_relative_to(package):
        return where.parent / FOLDER_NAME
    return Path.home() / "vp_science_sessions" / where.stem


def open_session(folder: StrPath, places: StrPath | None = None) -> Session:
    """Open a session folder; one that is not there or empty becomes a new session.

    Args:
        folder: the session folder.
        places: file that remembers where recordings outside the session's parent folder lie; None takes the user's own.

    Raises:
        StoreError: when another process has it open, it cannot be written, or it is damaged.
    """
    where = Path(folder).resolve()
    try:
        where.mkdir(parents=True, exist_ok=True)
        lock = FileLock(where / ".lock", timeout=0, thread_local=False)  # opened in a thread, closed by the window
        lock.acquire()
    except Timeout as error:
        raise StoreError(f"{where}: expected a session that nobody uses, found one open in another window") from error
    except OSError as error:
        raise StoreError(
            f"{where}: expected a folder that can be written, found {error.strerror or error}: choose another folder"
        ) from error
    try:
        session = Session(where, lock, open_label_log(where / LOG_NAME), Places(places))
        _load(session, where / SESSION_NAME)
        return session
    except BaseException:
        lock.release()
        raise


def _load(session: Session, path: Path) -> None:
    if not path.exists():
        return
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("far too large")
        record = json.loads(path.read_text(encoding="utf-8"))
        if {key: record[key] for key in _FORMAT} != _FORMAT or not isinstance(record["settings"], dict):
            raise ValueError("another format or version")
        session.settings = record["settings"]
        for entry in record["recordings"]:
            one = session._from_json(entry)
            session._keep(one)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path}: expected a session, found something else ({error}): restore it from a copy, or delete it (labels "
            "and tracks stay) and add the recordings again"
        ) from error


def find_track(session: Session, recording_id: str, folders: Sequence[Path] = ()) -> Path | None:
    """The finished track of a recording: in the session, in other folders, or beside the recording.

    A file that says that it was made from another recording (its size or content differs) is none; ``find_tracks``
    tells about it.
    """
    one = session.recording(recording_id)
    beside: Iterable[Path] = () if one.path is None else (one.path.parent, one.path.parent / "embeddings")
    for folder in (session.folder / "tracks", *folders, *beside):
        path = folder / f"{recording_id}.embeddings.h5"
        if path.is_file() and (one.path is None or is_track_of(path, one.path)):
            return path
    return None
