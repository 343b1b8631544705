"""Bouts, catalogue and observed intervals of an NWB file, read without pynwb and without trust."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from vp_science.annotations.clock import recording_name
from vp_science.annotations.formats import ReadOptions
from vp_science.annotations.nwb_columns import (
    SUBJECT,
    Clock,
    Columns,
    from_session_id,
    inner,
    list_of_words,
    text_of,
    video_times,
    words,
)
from vp_science.annotations.text_tables import bad
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors

OUR_SOFTWARE = "vp_science"
_SOURCES = ("manual:", "model:", "curated:")
_METHODS = {"manual": "manual", "automated": "model", "curated": "curated"}


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


class NwbReader:
    """What one file says."""

    def __init__(self, path: Path, file: h5py.File, options: ReadOptions) -> None:
        self.path, self.file, self.options = path, file, options
        self.ours = OUR_SOFTWARE in words(self._get(file, "general/was_generated_by"))
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
        human = [table for table in self.tables if text_of(table.attrs.get("labeling_method")) != "automated"]
        observed = [row for table in human or self.tables for row in self._observed(table, bouts, behaviors)]
        unique = {tuple(row.values()): row for row in observed}
        try:
            return Annotations.of(bouts, unique.values(), behaviors)
        except AnnotationError as error:
            raise AnnotationError(f"{self.path}: {error}") from error

    def _bouts(self, table: h5py.Group) -> list[dict[str, Any]]:
        clock = self._clock(table)
        columns = Columns(self.path, table)
        return [
            {**row, "recording": clock.recording, "kind": "state", "source": self._source(table)}
            for row in columns.rows(clock, columns.numbers("start_time"), columns.numbers("stop_time"))
        ]

    def _events(self, table: h5py.Group, behaviors: Behaviors) -> list[dict[str, Any]]:
        points = {entry.name for entry in behaviors if entry.kind == "point"}
        columns = Columns(self.path, table)
        times = columns.numbers("timestamp")
        name = table.name.rsplit("/", 1)[-1]
        labels = columns.texts("label") or ([name] * len(times) if name in points else [])
        if not labels or not points.issuperset(labels):
            return []
        source = text_of(table.attrs.get("source_description"))
        source = source if source.startswith(_SOURCES) else f"manual:{self.options.annotator}"
        clock = self._clock(self.tables[0])
        rows = columns.rows(clock, times, times, labels)
        return [{**row, "recording": clock.recording, "kind": "point", "source": source} for row in rows]

    def _source(self, table: h5py.Group) -> str:
        method = text_of(table.attrs.get("labeling_method"))
        if method not in _METHODS:
            raise bad(self.path, f"labeling_method {', '.join(_METHODS)}", method, place=table.name)
        annotator = text_of(table.attrs.get("annotator"))
        if method == "automated":
            return f"model:{text_of(table.attrs.get('source_software')) or annotator or 'unknown'}"
        return f"{_METHODS[method]}:{annotator or self.options.annotator}"

    def _catalogue(self, bouts: Sequence[Mapping[str, Any]]) -> Behaviors:
        """All catalogues of the file, then what only bouts name."""
        entries: dict[str, Behavior] = {}
        exclusive = bool(self.ethograms)
        for table in self.ethograms:
            columns = Columns(self.path, table)
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
        columns = Columns(self.path, intervals)
        starts, stops = columns.numbers("start_time"), columns.numbers("stop_time")
        if len(starts) != len(stops):
            found = f"{len(starts)} starts and {len(stops)} stops"
            raise bad(self.path, "columns of one length", found, place=intervals.name)
        names = columns.texts("behavior", len(starts))
        return [
            _interval(clock.recording, subject, name if name in behaviors else "", start_s, stop_s)
            for subject, name, start_s, stop_s in zip(
                columns.texts(SUBJECT, len(starts)), names, clock.seconds(starts), clock.seconds(stops), strict=True
            )
        ]

    def _linked(self, table: h5py.Group, name: str) -> h5py.Group | None:
        target = self._get(table, name)
        if target is None and table.get(name, getlink=True) is not None:
            raise bad(self.path, f"{name} to be a table", "a link to nothing", place=table.name)
        return target if isinstance(target, h5py.Group) else None

    def _get(self, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
        return inner(self.path, group, name)

    def _clock(self, table: h5py.Group) -> Clock:
        """Which recording a table is about, and how its clock relates to that of the session."""
        given = self.options.recording
        if self.ours:
            name = given or from_session_id(words(self._get(self.file, "general/session_id"))) or self.path.stem
            return Clock(name, self.options.clock.times(name))
        video = self._linked(table, "source_video")
        files = list_of_words(self._get(video, "external_file")) if video is not None else []
        if video is None or not files:
            name = given or self.path.stem
            return Clock(name, self.options.clock.times(name))
        if len(files) > 1:
            fix = "write a table for each file, or align the bouts to a joined video"
            raise bad(self.path, "one video file per table", f"{len(files)} files", place=table.name, fix=fix)
        name = given or recording_name(files[0])
        return Clock(name, self.options.clock.times(name), video_times(self.path, video))


def _interval(recording: str, subject: str, behavior: str, start_s: float, stop_s: float) -> dict[str, Any]:
    times = {"start_s": float(start_s), "stop_s": float(stop_s)}
    return {"recording": recording, "subject": subject, "behavior": behavior, **times}
