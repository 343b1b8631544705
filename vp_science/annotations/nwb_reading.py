"""Bouts, catalogue and observed intervals of an NWB file, read without pynwb and without trust."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float64

from vp_science.annotations.clock import recording_name
from vp_science.annotations.formats import ReadOptions
from vp_science.annotations.text_tables import bad
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import frame_edges

OUR_SOFTWARE = "vp_science"
_MAX_ROWS = 50_000_000
_MAX_LINKS = 16
_SOURCES = ("manual:", "model:", "curated:")
_METHODS = {"manual": "manual", "automated": "model", "curated": "curated"}
_SUBJECT = ("subject", "subject_id", "individual", "animal")
_TARGET = ("target", "target_subject")
_SCORE = ("score", "confidence", "probability")


@contextmanager
def open_nwb(path: Path) -> Iterator[h5py.File]:
    """Open for reading.

    Raises:
        AnnotationError: when it is no NWB file, or damaged.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise bad(path, "an annotation file", "nothing there", fix="check the name") from error
    except OSError as error:
        raise bad(path, "an HDF5 file", str(error), fix="the file is damaged or open elsewhere") from error
    with file:
        if "nwb_version" not in file.attrs:
            raise bad(path, "an NWB file (attribute nwb_version)", "another HDF5 file")
        try:
            yield file
        except (OSError, RuntimeError, KeyError) as error:
            raise bad(path, "a complete NWB file", str(error), fix="the file is damaged: copy it again") from error


def inner(path: Path, group: h5py.Group, name: str, depth: int = 0) -> h5py.Group | h5py.Dataset | None:
    """What a name in a group leads to, as long as it stays in the file; None if there is nothing.

    Raises:
        AnnotationError: when a link leads to another file.
    """
    entry: h5py.Group | h5py.Dataset | None = group
    for part in name.strip("/").split("/"):
        if not isinstance(entry, h5py.Group) or depth > _MAX_LINKS:
            return None
        link = entry.get(part, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            fix = "copy what it links into the file"
            raise bad(path, "links within the file", f"one to {link.filename!r}", place=f"{group.name}/{part}", fix=fix)
        if isinstance(link, h5py.SoftLink):
            base = group.file if link.path.startswith("/") else entry
            entry = inner(path, base, link.path, depth + 1)
        else:
            entry = entry[part]
    return entry


class NwbReader:
    """What one file says."""

    def __init__(self, path: Path, file: h5py.File, options: ReadOptions) -> None:
        self.path, self.file, self.options = path, file, options
        self.ours = OUR_SOFTWARE in _words(self._get(file, "general/was_generated_by"))
        found: dict[str, list[h5py.Group]] = {"EthogramBouts": [], "Ethogram": [], "EventsTable": []}

        def visit(_: str, entry: h5py.Group | h5py.Dataset) -> None:
            kind = entry.attrs.get("neurodata_type") if isinstance(entry, h5py.Group) else None
            if kind in found:
                found[kind].append(entry)

        file.visititems(visit)
        self.tables, self.ethograms, self.events = found.values()

    def annotations(self) -> Annotations:
        """Everything in the file.

        Raises:
            AnnotationError: naming the table and column.
        """
        if not self.tables:
            fix = "this file holds no bouts of ndx-ethogram"
            raise bad(self.path, "a table of type EthogramBouts", "none", fix=fix)
        bouts = [bout for table in self.tables for bout in self._bouts(table)]
        behaviors = self._catalogue(bouts)
        bouts += [event for table in self.events for event in self._events(table, behaviors)]
        human = [table for table in self.tables if _text(table.attrs.get("labeling_method")) != "automated"]
        observed = [row for table in human or self.tables for row in self._observed(table, bouts, behaviors)]
        unique = {tuple(row.values()): row for row in observed}
        try:
            return Annotations.of(bouts, unique.values(), behaviors)
        except AnnotationError as error:
            raise AnnotationError(f"{self.path}: {error}") from error

    def _bouts(self, table: h5py.Group) -> list[dict[str, Any]]:
        clock = self._clock(table)
        columns = _Columns(self.path, table)
        return [
            {**row, "recording": clock.recording, "kind": "state", "source": self._source(table)}
            for row in columns.rows(clock, columns.numbers("start_time"), columns.numbers("stop_time"))
        ]

    def _events(self, table: h5py.Group, behaviors: Behaviors) -> list[dict[str, Any]]:
        points = {entry.name for entry in behaviors if entry.kind == "point"}
        columns = _Columns(self.path, table)
        times = columns.numbers("timestamp")
        name = table.name.rsplit("/", 1)[-1]
        labels = columns.texts("label") or ([name] * len(times) if name in points else [])
        if not labels or not points.issuperset(labels):
            return []
        source = _text(table.attrs.get("source_description"))
        source = source if source.startswith(_SOURCES) else f"manual:{self.options.annotator}"
        clock = self._clock(self.tables[0])
        rows = columns.rows(clock, times, times, labels)
        return [{**row, "recording": clock.recording, "kind": "point", "source": source} for row in rows]

    def _source(self, table: h5py.Group) -> str:
        method = _text(table.attrs.get("labeling_method"))
        if method not in _METHODS:
            raise bad(self.path, f"labeling_method {', '.join(_METHODS)}", method, place=table.name)
        annotator = _text(table.attrs.get("annotator"))
        if method == "automated":
            return f"model:{_text(table.attrs.get('source_software')) or annotator or 'unknown'}"
        return f"{_METHODS[method]}:{annotator or self.options.annotator}"

    def _catalogue(self, bouts: Sequence[Mapping[str, Any]]) -> Behaviors:
        """All catalogues of the file, then what only bouts name."""
        entries: dict[str, Behavior] = {}
        exclusive = bool(self.ethograms)
        for table in self.ethograms:
            columns = _Columns(self.path, table)
            names = columns.texts("behavior")
            parts = {
                "kind": [kind or "state" for kind in columns.texts("behavior_type", len(names))],
                "description": columns.texts("definition", len(names)),
                "category": columns.texts("category", len(names)),
                "key": columns.texts("key", len(names)),
                "color": columns.texts("color", len(names)),
            }
            exclusive &= bool(table.attrs.get("exclusive", False))
            for index, name in enumerate(names):
                try:
                    entry = Behavior(name, **{key: values[index] for key, values in parts.items()})  # type: ignore[arg-type]
                except AnnotationError as error:
                    raise AnnotationError(f"{self.path}, {table.name}: {error}") from error
                entries.setdefault(name, entry)
        for bout in bouts:
            entries.setdefault(bout["behavior"], Behavior(bout["behavior"]))
        return Behaviors(tuple(entries.values()), exclusive)

    def _observed(
        self, table: h5py.Group, bouts: Sequence[Mapping[str, Any]], behaviors: Behaviors
    ) -> list[dict[str, Any]]:
        """The intervals that a table links, or all of its recording."""
        clock = self._clock(table)
        intervals = self._linked(table, "observation_intervals")
        if intervals is None:
            span = clock.whole([bout for bout in bouts if bout["recording"] == clock.recording])
            return [] if span is None else [_interval(clock.recording, "", "", *span)]
        columns = _Columns(self.path, intervals)
        starts, stops = columns.numbers("start_time"), columns.numbers("stop_time")
        if len(starts) != len(stops):
            found = f"{len(starts)} starts and {len(stops)} stops"
            raise bad(self.path, "columns of one length", found, place=intervals.name)
        names = columns.texts("behavior", len(starts))
        return [
            _interval(clock.recording, subject, name if name in behaviors else "", start_s, stop_s)
            for subject, name, start_s, stop_s in zip(
                columns.texts(_SUBJECT, len(starts)), names, clock.seconds(starts), clock.seconds(stops), strict=True
            )
        ]

    def _linked(self, table: h5py.Group, name: str) -> h5py.Group | None:
        target = self._get(table, name)
        if target is None and table.get(name, getlink=True) is not None:
            raise bad(self.path, f"{name} to be a table", "a link to nothing", place=table.name)
        return target if isinstance(target, h5py.Group) else None

    def _get(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
        return inner(self.path, group, name)

    def _clock(self, table: h5py.Group) -> "_Clock":
        """Which recording a table is about, and how its clock relates to that of the session."""
        given = self.options.recording
        if self.ours:
            name = given or _words(self._get(self.file, "general/session_id")) or self.path.stem
            return _Clock(name, self.options.clock.time_s.get(name))
        video = self._linked(table, "source_video")
        files = _list_of_words(self._get(video, "external_file")) if video is not None else []
        if video is None or not files:
            name = given or self.path.stem
            return _Clock(name, self.options.clock.time_s.get(name))
        if len(files) > 1:
            fix = "write a table for each file, or align the bouts to a joined video"
            raise bad(self.path, "one video file per table", f"{len(files)} files", place=table.name, fix=fix)
        name = given or recording_name(files[0])
        return _Clock(name, self.options.clock.time_s.get(name), _video_times(self.path, video))


@dataclass(frozen=True)
class _Clock:
    """How times of the session become times of a recording.

    Attributes:
        recording: its id.
        frames_s: times of its frames on its own clock, where they are known.
        session_s: times of the frames on the clock of the session; the first and the end, if only a rate is known.
    """

    recording: str
    frames_s: Float64[np.ndarray, " frame"] | None
    session_s: Float64[np.ndarray, " time"] | None = None

    def seconds(self, time_s: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Times on the clock of the recording."""
        if self.session_s is None:
            return time_s
        first = 0.0 if self.frames_s is None else float(self.frames_s[0])
        if self.frames_s is None or len(self.frames_s) != len(self.session_s):
            return np.asarray(time_s - self.session_s[0] + first)
        # Frame by frame: the clock of the session and that of the file may drift apart.
        session, own = frame_edges(self.session_s), frame_edges(self.frames_s)
        outside = np.where(time_s < session[0], time_s - session[0] + own[0], time_s - session[-1] + own[-1])
        inside = (time_s >= session[0]) & (time_s <= session[-1])
        return np.asarray(np.where(inside, np.interp(time_s, session, own), outside))

    def whole(self, bouts: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
        """All of the recording, as far as anybody knows; None if nothing is known."""
        if self.frames_s is not None:
            edges = frame_edges(self.frames_s)
            return float(edges[0]), float(edges[-1])
        if self.session_s is not None and len(self.session_s) > 1:
            ends = self.seconds(self.session_s[[0, -1]])
            return float(ends[0]), float(ends[1])
        stop_s = max((bout["stop_s"] for bout in bouts), default=0.0)
        start_s = min((bout["start_s"] for bout in bouts), default=0.0)
        return (min(0.0, start_s), stop_s) if stop_s > 0 else None


class _Columns:
    """Columns of a table, each checked before it is read."""

    def __init__(self, path: Path, table: h5py.Group) -> None:
        self.path, self.table = path, table

    def rows(
        self,
        clock: _Clock,
        starts: Float64[np.ndarray, " start"],
        stops: Float64[np.ndarray, " stop"],
        labels: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of a bout table, without recording, kind and source."""
        count = len(starts)
        labels = self.texts("label") if labels is None else labels
        if not len(stops) == len(labels) == count:
            found = f"{count} starts, {len(stops)} stops and {len(labels)} labels"
            raise bad(self.path, "columns of one length", found, place=self.table.name)
        starts, stops = clock.seconds(starts), clock.seconds(stops)
        if len(wrong := np.flatnonzero(~np.isfinite(starts) | ~np.isfinite(stops) | (stops < starts))):
            row = int(wrong[0])
            found = f"{starts[row]} to {stops[row]} in row {row}"
            raise bad(self.path, "start_time before stop_time", found, place=self.table.name)
        scores = next(
            (self.numbers(name) for name in _SCORE if inner(self.path, self.table, name)), np.full(count, math.nan)
        )
        texts = {
            "subject": self.texts(_SUBJECT, count),
            "target": self.texts(_TARGET, count),
            "modifiers": self.texts("modifiers", count),
            "comment": self.texts("comment", count),
        }
        return [
            {
                "behavior": labels[row],
                "start_s": float(starts[row]),
                "stop_s": float(stops[row]),
                "score": float(scores[row]),
                **{name: values[row] for name, values in texts.items()},
            }
            for row in range(count)
        ]

    def numbers(self, name: str) -> Float64[np.ndarray, " row"]:
        """A column of numbers.

        Raises:
            AnnotationError: when there is none.
        """
        values = self._read(name)
        if values is None or values.dtype.kind not in "iuf":
            found = "nothing" if values is None else str(values.dtype)
            raise bad(self.path, f"numbers in the column {name!r}", found, place=self.table.name)
        return values.astype(np.float64)

    def texts(self, names: str | Sequence[str], count: int | None = None) -> list[str]:
        """The first column of these names as text; ``count`` empty ones if there is none."""
        for name in [names] if isinstance(names, str) else names:
            values = self._read(name)
            if values is None:
                continue
            if values.dtype.kind not in "OSUiu" or self.table[name].attrs.get("neurodata_type") == "DynamicTableRegion":
                found = str(values.dtype) if values.dtype.kind not in "iu" else "references to another table"
                raise bad(self.path, f"text in the column {name!r}", found, place=self.table.name)
            if count is not None and len(values) != count:
                found = f"{len(values)} in {name!r}"
                raise bad(self.path, f"{count} rows in every column", found, place=self.table.name)
            return [_text(value) for value in values]
        return [""] * (count or 0)

    def _read(self, name: str) -> np.ndarray | None:
        dataset = inner(self.path, self.table, name)
        if dataset is None:
            return None
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1 or dataset.external or dataset.is_virtual:
            raise bad(
                self.path,
                f"a column {name!r} of one value per row in the file",
                "something else",
                place=self.table.name,
            )
        if len(dataset) > _MAX_ROWS:
            raise bad(self.path, f"at most {_MAX_ROWS} rows", f"{len(dataset)} rows", place=self.table.name)
        return np.asarray(dataset[()])


def _video_times(path: Path, video: h5py.Group) -> Float64[np.ndarray, " time"]:
    """Times of the frames of a video on the clock of the session; first and end when only the rate is known."""
    if inner(path, video, "timestamps") is not None:
        times = _Columns(path, video).numbers("timestamps")
        if not len(times) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise bad(path, "increasing timestamps", "something else", place=video.name)
        return times
    start = inner(path, video, "starting_time")
    if not isinstance(start, h5py.Dataset) or start.shape != () or "rate" not in start.attrs:
        raise bad(path, "timestamps, or a starting_time with a rate", "neither", place=video.name)
    first, rate = float(start[()]), float(start.attrs["rate"])
    count = inner(path, video, "num_samples")
    if not isinstance(count, h5py.Dataset) or count.shape != () or not rate > 0:
        return np.array([first])
    return np.array([first, first + float(count[()]) / rate])


def _interval(recording: str, subject: str, behavior: str, start_s: float, stop_s: float) -> dict[str, Any]:
    times = {"start_s": float(start_s), "stop_s": float(stop_s)}
    return {"recording": recording, "subject": subject, "behavior": behavior, **times}


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def _words(dataset: object) -> str:
    """All text of a small dataset."""
    return " ".join(_list_of_words(dataset))


def _list_of_words(dataset: object) -> list[str]:
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.size is None
        or dataset.size > 10_000
        or dataset.dtype.kind not in "OSU"
    ):
        return []
    return [_text(value) for value in np.asarray(dataset[()]).ravel()]
