"""BORIS aggregated events: one row per bout or point event.

Read from every version, as CSV, TSV, XLSX or ODS. Written with the columns of version 9. Not held by the format: scores
(left out), independent variables (not read), observed intervals other than whole recordings (refused). The source of
what is not ``manual:`` stands in the observation id, ``<recording> [<source>]``, and comes back from there.
"""

import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from vp_science.annotations.boris_observations import (
    NO_FOCAL_SUBJECT,
    NOT_AVAILABLE,
    medium_path,
    refuse_targets,
    tagged_id,
)
from vp_science.annotations.boris_tables import (
    BorisTable,
    Event,
    build,
    category_name,
    gather_facts,
    has_header,
    load_tables,
    observation_name,
    subject_name,
)
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.spreadsheets import SHEET_ENDINGS, write_sheet
from vp_science.annotations.text_tables import Row, write_table
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Kind
from vp_science.timeline.ethogram import frame_edges

_REQUIRED = [{"behavior", "behavior type", "start (s)", "stop (s)"}]
_BEFORE = (
    "Observation id", "Observation date", "Description", "Observation type", "Source", "Time offset (s)",
    "Coding duration", "Media duration (s)", "FPS (frame/s)", "Subject",
    "Observation duration by subject by observation", "Behavior", "Behavioral category",
)  # fmt: skip
_AFTER = (
    "Behavior type", "Start (s)", "Stop (s)", "Duration (s)", "Media file name", "Image index start",
    "Image index stop", "Image file path start", "Image file path stop", "Comment start", "Comment stop",
)  # fmt: skip


def matches(path: Path, head: bytes) -> bool:
    """A table or workbook with the columns Behavior, Behavior type, Start (s) and Stop (s)."""
    return has_header(path, head, _REQUIRED, set())


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read one or many observations.

    Raises:
        AnnotationError: with line and column, for a cell that is not what its column holds, or a bout without end.
    """
    tables = load_tables(path, _REQUIRED, set())
    events = [_event(table, row, options.clock) for table in tables for row in table.table]
    return build(path, events, gather_facts(tables), options)


def _event(table: BorisTable, row: Row, clock: FrameClock) -> Event:
    kind_text = table.text(row, "Behavior type")
    kind: Kind
    if kind_text.upper() not in ("STATE", "POINT"):
        raise table.error("STATE or POINT", kind_text, row, "Behavior type")
    kind = "state" if kind_text.upper() == "STATE" else "point"
    name = table.text(row, "Behavior")
    if not name:
        raise table.error("the name of a behavior", "", row, "Behavior")
    start_s = _time(table, row, "Start (s)", "Image index start", clock)
    stop_s = start_s if kind == "point" else _time(table, row, "Stop (s)", "Image index stop", clock)
    if kind == "state" and not stop_s > start_s:
        raise table.error(
            f"{name!r} to stop after its start at {start_s:g} s",
            stop_s,
            row,
            "Stop (s)",
            fix="correct the events in BORIS and export again",
        )
    comments = [table.text(row, "Comment start", "Comment"), table.text(row, "Comment stop")]
    return Event(
        observation_name(table, row), subject_name(table, row), name, kind, start_s, stop_s, table.modifiers(row),
        " / ".join(text for text in comments if text), category_name(table, row),
    )  # fmt: skip


def _time(table: BorisTable, row: Row, column: str, image_column: str, clock: FrameClock) -> float:
    """Seconds; observations of pictures without times have the number of the picture (from 1) instead."""
    value = table.number(row, table.columns[column.casefold()])
    if value is not None:
        return value
    image = table.column(image_column)
    index = None if image is None else table.number(row, image)
    if index is None or index != int(index) or index < 1:
        raise table.error(
            "a time in seconds, or the index of a picture",
            row.cells[table.columns[column.casefold()]],
            row,
            column,
            fix="close the bout in BORIS (Observations > Close unpaired events) and export again",
        )
    recording = observation_name(table, row)
    return float(clock.seconds(recording, np.array([int(index) - 1], dtype=np.int64))[0])


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write all recordings into one table (CSV, or by the ending TSV, XLSX or ODS).

    Raises:
        AnnotationError: when bouts have targets, or recordings were scored only in parts.
    """
    refuse_targets(annotations, str(path))
    widest = max((len(text.split("|")) for text in annotations.bouts["modifiers"] if text), default=0)
    columns = [*_BEFORE, *(f"Modifier #{number + 1}" for number in range(widest)), *_AFTER]
    rows = aggregated_rows(annotations, path, options, widest)
    if path.suffix.lower() in SHEET_ENDINGS:
        write_sheet(path, "Aggregated events", [columns, *rows])
    else:
        write_table(path, columns, rows, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    return [path]


def aggregated_rows(annotations: Annotations, path: Path, options: WriteOptions, widest: int) -> list[list[object]]:
    """Rows in the order of the columns, sorted by observation and time."""
    lengths = recording_lengths(annotations, path, options.clock)
    rows: list[list[object]] = []
    date = datetime.now().isoformat(sep=" ", timespec="seconds")
    for (recording, source), bouts in annotations.bouts.groupby(["recording", "source"], sort=False):
        media, length = medium_path(recording, options.media), lengths[recording]
        for bout in bouts.itertuples(index=False):
            modifiers = bout.modifiers.split("|") if bout.modifiers else []
            rows.append([
                tagged_id(recording, source), date, "", "Media file", f"player #1:{media}", 0.0, NOT_AVAILABLE,
                NOT_AVAILABLE if length is None else length, _rate(options.clock, recording),
                bout.subject or NO_FOCAL_SUBJECT, _subject_total(bouts, bout.subject), bout.behavior,
                annotations.behaviors[bout.behavior].category or "Not defined",
                *modifiers, *[""] * (widest - len(modifiers)), bout.kind.upper(), bout.start_s, bout.stop_s,
                bout.stop_s - bout.start_s if bout.kind == "state" else NOT_AVAILABLE,
                media, NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE, NOT_AVAILABLE, bout.comment, "",
            ])  # fmt: skip
    return rows


def _subject_total(bouts: pd.DataFrame, subject: str) -> float:
    mine = bouts[bouts["subject"] == subject]
    return round(float((mine["stop_s"] - mine["start_s"]).sum()), 3)


def _rate(clock: FrameClock, recording: str) -> object:
    times = clock.times(recording)
    if times is not None and len(times) > 1:
        return round(float(1 / np.median(np.diff(times))), 3)
    return NOT_AVAILABLE if clock.fps is None else float(clock.fps)


def recording_lengths(annotations: Annotations, path: Path, clock: FrameClock) -> dict[str, float | None]:
    """Length of every recording, from 0 to the end of what was scored; None where nobody says what was scored.

    Raises:
        AnnotationError: when only a part of a recording was scored: an event table of BORIS cannot say so.
    """
    lengths: dict[str, float | None] = {}
    for recording in annotations.recordings:
        rows = annotations.observed[annotations.observed["recording"] == recording]
        times = clock.times(recording)
        end = None if times is None else float(frame_edges(times)[-1])
        if len(rows) == 0:
            lengths[recording] = None
            continue
        whole = _covers(rows, end)
        if whole is None:
            raise AnnotationError(
                f"{path}: expected {recording!r} to be scored from its start to its end, found only parts of it "
                "scored, which the event tables of BORIS cannot say: write a .boris project or our own CSV"
            )
        lengths[recording] = whole
        if not len(annotations.bouts[annotations.bouts["recording"] == recording]):
            raise AnnotationError(
                f"{path}: expected bouts in every recording, found none in {recording!r}, which an event table of "
                "BORIS cannot hold: write a .boris project or our own CSV"
            )
    return lengths


def _covers(rows: pd.DataFrame, end: float | None) -> float | None:
    if (rows["subject"] != "").any() or (rows["behavior"] != "").any():
        return None
    reached = 0.0
    for row in rows.sort_values("start_s").itertuples(index=False):
        if row.start_s > reached + 1e-3:
            return None
        reached = max(reached, row.stop_s)
    if end is not None and reached < end - 1e-3:
        return None
    return reached if reached > 0 and math.isfinite(reached) else None
