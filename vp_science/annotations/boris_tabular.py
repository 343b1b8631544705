"""BORIS tabular events: one row per START, STOP or POINT.

Read from every version (old ones write a block about the observation above the header), as CSV, TSV, XLSX or ODS.
A START is paired with the next STOP of the same observation, subject, behavior and modifiers; one without the other is
an error, because nobody knows how long the bout was. What is written and what is lost: see ``boris_aggregated``.
"""

from datetime import datetime
from pathlib import Path

from vp_science.annotations.boris_aggregated import recording_lengths
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
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.spreadsheets import SHEET_ENDINGS, write_sheet
from vp_science.annotations.text_tables import Row, number_text, write_table
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

_REQUIRED = [{"time", "subject", "behavior", "behavior type"}, {"time", "subject", "behavior", "status"}]
_REFUSED = {"start (s)", "stop (s)"}
_BEFORE = (
    "Observation id", "Observation date", "Description", "Observation duration", "Observation type", "Source",
    "Time offset (s)", "Media duration (s)", "FPS", "Subject", "Behavior", "Behavioral category",
)  # fmt: skip
_AFTER = ("Behavior type", "Time", "Media file name", "Image index", "Image file path", "Comment")
_FIX = "in BORIS use Observations > Close unpaired events (or delete the event) and export again"

_Start = tuple[BorisTable, Row, float, str]
_Key = tuple[str, str, str, str]


def matches(path: Path, head: bytes) -> bool:
    """A table or workbook with the columns Time, Subject, Behavior, and Behavior type (or Status)."""
    return has_header(path, head, _REQUIRED, _REFUSED)


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read one or many observations.

    Raises:
        AnnotationError: with line and column, for a cell that is not what its column holds, or an event without its
            other half.
    """
    tables = load_tables(path, _REQUIRED, _REFUSED)
    events: list[Event] = []
    waiting: dict[_Key, _Start] = {}
    for table in tables:
        for row in table.table:
            _take(table, row, events, waiting)
    if waiting:
        (_, subject, behavior, _), (table, row, time_s, _) = next(iter(waiting.items()))
        whose = subject or NO_FOCAL_SUBJECT
        raise table.error(
            f"a STOP for every START, found none for {behavior!r} of {whose!r} at {time_s:g} s",
            f"{len(waiting)} bouts without end in the file",
            row,
            fix=_FIX,
        )
    return build(path, events, gather_facts(tables), options)


def _take(table: BorisTable, row: Row, events: list[Event], waiting: dict[_Key, _Start]) -> None:
    """Turn one row into an event, or remember it until its other half comes."""
    name = table.text(row, "Behavior")
    if not name:
        raise table.error("the name of a behavior", "", row, "Behavior")
    status, time_column = table.text(row, "Behavior type", "Status").upper(), table.columns["time"]
    time_s = table.number(row, time_column)
    if time_s is None:
        raise table.error("a time in seconds", row.cells[time_column], row, time_column)
    observation, subject, modifiers = observation_name(table, row), subject_name(table, row), table.modifiers(row)
    key = (observation, subject, name, modifiers)
    comment = table.text(row, "Comment")
    category = category_name(table, row)
    if status == "POINT":
        events.append(Event(observation, subject, name, "point", time_s, time_s, modifiers, comment, category))
    elif status == "START":
        if key in waiting:
            raise table.error(
                f"{name!r} of {subject or NO_FOCAL_SUBJECT!r} to stop before it starts again",
                f"a second START at {time_s:g} s (the first is in line {waiting[key][1].line})",
                row,
                fix=_FIX,
            )
        waiting[key] = (table, row, time_s, comment)
    elif status == "STOP":
        started = waiting.pop(key, None)
        if started is None:
            raise table.error(
                f"a START before every STOP of {name!r} of {subject or NO_FOCAL_SUBJECT!r}",
                f"a STOP alone at {time_s:g} s",
                row,
                fix=_FIX,
            )
        if not time_s > started[2]:
            raise table.error(f"{name!r} to stop after its start at {started[2]:g} s", time_s, row, time_column)
        text = " / ".join(part for part in (started[3], comment) if part)
        events.append(Event(observation, subject, name, "state", started[2], time_s, modifiers, text, category))
    else:
        raise table.error("START, STOP or POINT", status, row, "Behavior type")


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write all recordings into one table (CSV, or by the ending TSV, XLSX or ODS).

    Raises:
        AnnotationError: when bouts have targets, recordings were scored only in parts, or bouts of one behavior,
            subject and modifiers overlap (rows of START and STOP could not be told apart).
    """
    refuse_targets(annotations, str(path))
    refuse_overlaps(annotations, str(path))
    widest = max((len(text.split("|")) for text in annotations.bouts["modifiers"] if text), default=0)
    columns = [*_BEFORE, *(f"Modifier #{number + 1}" for number in range(widest)), *_AFTER]
    rows = _rows(annotations, path, options, widest)
    if path.suffix.lower() in SHEET_ENDINGS:
        write_sheet(path, "Events", [columns, *rows])
    else:
        write_table(path, columns, rows, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    return [path]


def _rows(annotations: Annotations, path: Path, options: WriteOptions, widest: int) -> list[list[object]]:
    lengths = recording_lengths(annotations, path, options.clock)
    date = datetime.now().isoformat(sep=" ", timespec="seconds")
    rows: list[list[object]] = []
    for (recording, source), bouts in annotations.bouts.groupby(["recording", "source"], sort=False):
        media, length = medium_path(recording, options.media), lengths[recording]
        shown = NOT_AVAILABLE if length is None else number_text(length)
        fps = NOT_AVAILABLE if options.clock.fps is None else number_text(options.clock.fps)
        events = []
        for bout in bouts.itertuples(index=False):
            modifiers = bout.modifiers.split("|") if bout.modifiers else []
            first = [
                tagged_id(recording, source), date, "", shown, "Media file(s)", f"player #1:{media}", 0.0, shown, fps,
                bout.subject or NO_FOCAL_SUBJECT, bout.behavior,
                annotations.behaviors[bout.behavior].category, *modifiers, *[""] * (widest - len(modifiers)),
            ]  # fmt: skip
            last = [media, NOT_AVAILABLE, NOT_AVAILABLE]
            if bout.kind == "point":
                events.append((bout.start_s, 1, [*first, "POINT", bout.start_s, *last, bout.comment]))
            else:
                events.append((bout.start_s, 1, [*first, "START", bout.start_s, *last, bout.comment]))
                events.append((bout.stop_s, 0, [*first, "STOP", bout.stop_s, *last, ""]))
        # At one time stops come before starts: a bout that follows at once is another bout.
        rows.extend(row for _, _, row in sorted(events, key=lambda event: event[:2]))
    return rows


def refuse_overlaps(annotations: Annotations, what: str) -> None:
    """Bouts that share everything but their times cannot overlap where starts and stops are separate rows.

    Raises:
        AnnotationError: naming the first such bout.
    """
    states = annotations.bouts[annotations.bouts["kind"] == "state"]
    for _, bouts in states.groupby(["recording", "source", "subject", "behavior", "modifiers"], sort=False):
        starts, stops = bouts["start_s"].to_numpy(), bouts["stop_s"].cummax().to_numpy()
        overlaps = (starts[1:] < stops[:-1]).nonzero()[0]
        if len(overlaps):
            row = bouts.iloc[int(overlaps[0]) + 1]
            raise AnnotationError(
                f"{what}: expected bouts of one behavior and subject not to overlap, because BORIS pairs starts and "
                f"stops, found {row['behavior']!r} of {row['subject'] or NO_FOCAL_SUBJECT!r} at {row['start_s']:.3f} s "
                f"of {row['recording']!r} inside another one: merge them first"
            )
