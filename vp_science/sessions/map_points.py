"""The points of a map beside the recordings of a session: where a moment lies, and which moments lie somewhere."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from vp_science.maps.map import Map
from vp_science.maps.map_file import open_map
from vp_science.maps.spans import owned_spans
from vp_science.sessions.moments import TOUCH_S, Moment
from vp_science.store.reader import open_embeddings
from vp_science.timeline.intervals import as_union, covers

_LONGEST_STEP_S = 2.0


@dataclass(frozen=True, eq=False)
class MapPoints:
    """A map as a view of the session needs it.

    Attributes:
        made: the map.
        path: where it lies.
        recordings: for every recording of the map the one of the session; "" where the session has none.
        subjects: for every recording of the map the animal that it follows; "" for whole frames.
        start_s: begin of the time that belongs to every point (see ``owned_spans``): no moment belongs to two.
        stop_s: its end.
    """

    made: Map
    path: Path
    recordings: tuple[str, ...]
    subjects: tuple[str, ...]
    start_s: Float64[np.ndarray, " point"]
    stop_s: Float64[np.ndarray, " point"]

    def __len__(self) -> int:
        return len(self.made)

    @property
    def coordinates(self) -> Float32[np.ndarray, "point 2"]:
        """Where every point lies."""
        return self.made.coordinates

    @property
    def track(self) -> Int32[np.ndarray, " point"]:
        """Of every point its position in ``recordings``."""
        return self.made.recording

    @cached_property
    def _in_time(self) -> tuple[Int64[np.ndarray, " point"], Int64[np.ndarray, " border"]]:
        """Points by track and time, and where every track begins among them."""
        order = np.lexsort((self.start_s, self.track)).astype(np.int64)
        return order, np.searchsorted(self.track[order], np.arange(len(self.recordings) + 1)).astype(np.int64)

    def rows(self, track: int) -> Int64[np.ndarray, " row"]:
        """The points of one track, in time."""
        order, borders = self._in_time
        return order[borders[track] : borders[track + 1]]

    def tracks(self, recording: str, subject: str = "") -> list[int]:
        """The tracks of a recording of the session, the one that follows this subject first."""
        found = [index for index, name in enumerate(self.recordings) if name == recording]
        return sorted(found, key=lambda index: self.subjects[index] != subject)

    def at(self, recording: str, time_s: int | float, subject: str = "") -> int | None:
        """The point that a time belongs to; None where there is none."""
        for track in self.tracks(recording, subject):
            rows = self.rows(track)
            place = int(np.searchsorted(self.start_s[rows], time_s, side="right")) - 1
            if place >= 0 and time_s <= self.stop_s[rows[place]]:
                return int(rows[place])
        return None

    def trail(self, point: int, seconds: int | float = 2.0, most: int = 40) -> Int64[np.ndarray, " row"]:
        """The points of the last seconds up to a point, oldest first, without gaps."""
        rows = self.rows(int(self.track[point]))
        last = int(np.searchsorted(self.start_s[rows], self.start_s[point], side="right")) - 1
        begin = self.start_s[point] - seconds
        first = max(int(np.searchsorted(self.start_s[rows], begin)), last - most, 0)
        recent = rows[first : last + 1]
        gaps = np.flatnonzero(self.start_s[recent[1:]] - self.stop_s[recent[:-1]] > _LONGEST_STEP_S)
        return recent[gaps[-1] + 1 :] if len(gaps) else recent

    def moments(self, chosen: Bool[np.ndarray, " point"], subject: str | None = None) -> list[Moment]:
        """The time of chosen points (of tracks that follow this subject; None: of all): neighbours are joined."""
        found: list[Moment] = []
        for name in dict.fromkeys(name for name in self.recordings if name):
            mine = [t for t in self.tracks(name) if subject is None or self.subjects[t] == subject]
            rows = np.concatenate([self.rows(track) for track in mine]) if mine else np.zeros(0, np.int64)
            rows = rows[chosen[rows]]
            spans = as_union(np.column_stack([self.start_s[rows], self.stop_s[rows]]), TOUCH_S)
            found += [(name, start, stop) for start, stop in spans.tolist()]
        return found

    def inside(self, moments: Sequence[Moment]) -> Bool[np.ndarray, " point"]:
        """The points whose middle lies in one of these moments."""
        chosen = np.zeros(len(self), dtype=bool)
        by_recording: dict[str, list[tuple[float, float]]] = {}
        for recording, start, stop in moments:
            by_recording.setdefault(recording, []).append((start, stop))
        middle = (self.start_s + self.stop_s) / 2
        for recording, spans in by_recording.items():
            for track in self.tracks(recording):
                rows = self.rows(track)
                chosen[rows] = covers(np.array(spans), middle[rows])
        return chosen


@dataclass(frozen=True)
class MapStatus:
    """How a map and the tracks that there are now fit together.

    Attributes:
        new: tracks that are not in the map.
        changed: tracks that were made anew, in another way, since.
        gone: tracks in the map that are no longer there.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def fresh(self) -> bool:
        """Whether the map shows what there is."""
        return not (self.new or self.changed or self.gone)


def load_map(path: Path, recordings: Collection[str]) -> MapPoints:
    """Open a map for a session.

    Args:
        path: of the map.
        recordings: ids of the recordings of the session.

    Raises:
        MapError: when the file is missing, damaged or something else.
    """
    made = open_map(path)
    records = made.provenance["tracks"]
    start, stop = owned_spans(made.recording, made.start_s, made.stop_s)
    return MapPoints(
        made=made,
        path=path,
        recordings=tuple(_session_id(record, recordings) for record in records),
        subjects=tuple(str(record["subject"]) for record in records),
        start_s=start,
        stop_s=stop,
    )


def _session_id(record: Mapping[str, object], recordings: Collection[str]) -> str:
    """The recording that a track is of: the whole one, or the one in which an animal is followed."""
    for key in ("of_recording", "recording"):
        if record[key] in recordings:
            return str(record[key])
    return ""


def compare_map(made: Map, tracks: Mapping[str, Path], written: float) -> MapStatus:
    """Compare a map with the tracks that there are now.

    Args:
        made: the map.
        tracks: by the name of the recording (or followed animal).
        written: when the map was written, in seconds since the epoch: only younger tracks are opened.

    Raises:
        StoreError: when a track is damaged.
    """
    how = made.provenance["track_provenance"]
    then = {record["recording"]: record for record in made.provenance["tracks"]}
    changed = []
    for name, path in tracks.items():
        if name in then and path.stat().st_mtime > written:
            with open_embeddings(path) as track:
                same = track.provenance.to_json() == how[then[name]["made"]]
                if not same or track.num_frames != then[name]["num_frames"]:
                    changed.append(name)
    return MapStatus(
        new=tuple(name for name in tracks if name not in then),
        changed=tuple(changed),
        gone=tuple(name for name in then if name not in tracks),
    )
