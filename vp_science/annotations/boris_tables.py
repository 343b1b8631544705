"""What the two event tables that BORIS exports share: finding the header, the observations, and making annotations.

Columns are found by name whatever the version of BORIS: names moved, joined and split over the years.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vp_science.annotations.boris_observations import (
    NO_FOCAL_SUBJECT,
    Medium,
    Observation,
    make_observation,
    manual_sources,
    recording_ids,
    split_id,
)
from vp_science.annotations.formats import ReadOptions
from vp_science.annotations.spreadsheets import looks_like_sheets, read_sheets
from vp_science.annotations.text_tables import Row, TextTable, bad, decode_text, parse_number, parse_table, read_text
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors, Kind

MAX_PREAMBLE = 200
_TEXT_ENDINGS = (".csv", ".tsv", ".txt")
_OBSERVATION = ("Observation id",)
_MEDIA = ("Media file name", "Media file path", "Media file")
_LENGTH = ("Media duration (s)", "Total length")
_OFFSET = ("Time offset (s)",)
_TYPE = ("Observation type",)
_MODIFIER = re.compile(r"modifiers?\s*#?\s*\d*", re.IGNORECASE)
_NOTHING = ("", "na", "not found")


@dataclass(frozen=True)
class BorisTable:
    """One exported table.

    Attributes:
        table: header and rows.
        sheet: name of the sheet in a workbook, "" for text.
        preamble: what old versions wrote above the header, first cell (lower case) to second cell.
        columns: column names by their lower-case form.
    """

    table: TextTable
    sheet: str
    preamble: dict[str, str]
    columns: dict[str, str]

    def column(self, *names: str) -> str | None:
        """The first of these columns that there is, in whatever case."""
        return next((self.columns[name.casefold()] for name in names if name.casefold() in self.columns), None)

    def text(self, row: Row, *names: str) -> str:
        """The cell of the first of these columns, or of the preamble; "" where there is none or it says NA."""
        column = self.column(*names)
        values = [self.preamble.get(name.casefold(), "") for name in names] if column is None else [row.cells[column]]
        value = next((value for value in values if value), "")
        return "" if value == "NA" else value

    def modifiers(self, row: Row) -> str:
        """All modifiers, separated as BORIS does it."""
        values = [row.cells[name] for name in self.table.columns if _MODIFIER.fullmatch(name)]
        return "|".join(values).rstrip("|")

    def error(self, expected: str, found: object, row: Row, column: str = "", fix: str = "") -> AnnotationError:
        """An error about a row."""
        return bad(
            self.table.path,
            expected,
            found,
            line=row.line,
            column=column,
            place=f"sheet {self.sheet!r}" if self.sheet else "",
            fix=fix or "correct the file",
        )

    def number(self, row: Row, column: str) -> float | None:
        """A number, None for an empty cell or NA.

        Raises:
            AnnotationError: when the cell holds something else.
        """
        text = row.cells[column]
        if text.casefold() in ("", "na", "nan", "none"):
            return None
        value = parse_number(text)
        if value is None:
            raise self.error("a number of seconds (or NA)", text, row, column)
        return value


@dataclass(frozen=True)
class Event:
    """A state bout or a point event on the clock of its observation."""

    observation: str
    subject: str
    behavior: str
    kind: Kind
    start_s: float
    stop_s: float
    modifiers: str
    comment: str
    category: str


def has_header(path: Path, head: bytes, required: Sequence[set[str]], refused: set[str]) -> bool:
    """Whether a file is a table with one of the sets of (lower-case) columns and none of the refused ones."""
    if path.suffix.lower() in _TEXT_ENDINGS and (b"\0" not in head or head[:2] in (b"\xff\xfe", b"\xfe\xff")):
        rows: Iterable[Sequence[str]] = _split_lines(decode_text(head).splitlines()[:MAX_PREAMBLE])
    elif looks_like_sheets(path, head):
        rows = (row for sheet in read_sheets(path, max_rows=MAX_PREAMBLE) for row in sheet.rows)
    else:
        return False
    return any(_is_header(row, required, refused) for row in rows)


def _split_lines(lines: Iterable[str]) -> Iterable[list[str]]:
    for line in lines:
        for delimiter in ",;\t":
            if delimiter in line and len(line) < csv.field_size_limit():
                yield from csv.reader([line], delimiter=delimiter)


def _is_header(row: Sequence[str], required: Sequence[set[str]], refused: set[str]) -> bool:
    names = {cell.strip().casefold() for cell in row}
    return any(names >= wanted for wanted in required) and not names & refused


def load_tables(path: Path, required: Sequence[set[str]], refused: set[str]) -> list[BorisTable]:
    """Every table of a file: one of a text file, one per sheet that has the header in a workbook.

    Raises:
        AnnotationError: when there is none.
    """
    tables = []
    if path.suffix.lower() in (".xlsx", ".ods"):
        for sheet in read_sheets(path):
            position = next((i for i, row in enumerate(sheet.rows) if _is_header(row, required, refused)), None)
            if position is not None:
                table = _sheet_table(path, sheet.title, sheet.rows, position)
                tables.append(_boris_table(table, sheet.title, sheet.rows[:position]))
    else:
        text = read_text(path)
        lines = text.splitlines()
        for position, line in enumerate(lines[:MAX_PREAMBLE]):
            if any(_is_header(cells, required, refused) for cells in _split_lines([line])):
                table = parse_table(path, text, skip=position)
                tables.append(_boris_table(table, "", list(_preamble_rows(lines[:position], line))))
                break
    if not tables:
        names = " or ".join(", ".join(sorted(wanted)) for wanted in required)
        raise bad(path, f"a header with {names}", "none", fix="export the events from BORIS again")
    return tables


def _preamble_rows(lines: Sequence[str], header: str) -> Iterable[list[str]]:
    delimiter = max(",;\t", key=header.count)
    yield from csv.reader(lines, delimiter=delimiter)


def _sheet_table(path: Path, title: str, rows: Sequence[Sequence[str]], position: int) -> TextTable:
    columns = [cell.strip() for cell in rows[position]]
    while columns and not columns[-1]:
        columns.pop()
    for index, name in enumerate(columns):
        if name and name in columns[:index]:
            raise bad(path, "every column once", name, line=position + 1, column=name, place=f"sheet {title!r}")
    body = []
    for line, cells in enumerate(rows[position + 1 :], start=position + 2):
        if any(cell.strip() for cell in cells):
            padded = [*cells, *[""] * (len(columns) - len(cells))]
            body.append(Row(line, {name: cell.strip() for name, cell in zip(columns, padded, strict=False)}))
    return TextTable(path, tuple(columns), tuple(body), position + 1)


def _boris_table(table: TextTable, sheet: str, above: Sequence[Sequence[str]]) -> BorisTable:
    preamble = {}
    for row in above:
        cells = [cell.strip() for cell in row]
        if len(cells) > 1 and cells[0]:
            preamble[cells[0].casefold()] = cells[1]
    return BorisTable(table, sheet, preamble, {name.casefold(): name for name in table.columns if name})


def observation_name(table: BorisTable, row: Row) -> str:
    """Id of the observation of a row; files without one are one observation named after the file."""
    return table.text(row, *_OBSERVATION) or table.table.path.stem


def subject_name(table: BorisTable, row: Row) -> str:
    """Who did it; "" for "No focal subject"."""
    name = table.text(row, "Subject")
    return "" if name.casefold() == NO_FOCAL_SUBJECT.casefold() else name


def category_name(table: BorisTable, row: Row) -> str:
    """The category of the behavior; "" for none."""
    name = table.text(row, "Behavioral category")
    return "" if name.casefold() == "not defined" else name


@dataclass(frozen=True)
class ObservationFacts:
    """What the rows of one observation say about it."""

    media: tuple[Medium, ...]
    offset_s: float
    live: bool


def gather_facts(tables: Sequence[BorisTable]) -> dict[str, ObservationFacts]:
    """Media, time offset and kind of every observation, by its id."""
    rows: dict[str, list[tuple[BorisTable, Row]]] = {}
    for table in tables:
        for row in table.table:
            rows.setdefault(observation_name(table, row), []).append((table, row))
    return {name: _facts(found) for name, found in rows.items()}


def _facts(rows: Sequence[tuple[BorisTable, Row]]) -> ObservationFacts:
    table, row = rows[0]
    offset = table.text(row, *_OFFSET)
    offset_s = parse_number(offset) if offset else 0.0
    if offset_s is None:
        raise table.error("a time offset in seconds", offset, row, "Time offset (s)")
    live = table.text(row, *_TYPE).casefold().startswith("live")
    queue, lengths = _source(table.text(row, "Source")), _source_lengths(table.text(row, *_LENGTH))
    if not queue:
        named = [table.text(row, *_MEDIA) for table, row in rows]
        queue = list(dict.fromkeys(name for name in named if name.casefold() not in _NOTHING))
        players = [value for key, value in table.preamble.items() if key.startswith("player #1")]
        queue = queue or players
        # The old "Total length" is that of all files together: it says the length of one file only where there is one.
    known = len(queue) == len(lengths)
    media = tuple(Medium(path, lengths[index] if known else None) for index, path in enumerate(queue))
    return ObservationFacts(() if live else media, offset_s, live)


def _source(text: str) -> list[str]:
    """Files of player 1 in the column Source ("player #1:a.mp4;b.mp4|player #2:c.mp4")."""
    match = re.match(r"player #1:(.*?)(?:\|player #\d+:|$)", text, re.DOTALL)
    return [part.strip() for part in match[1].split(";") if part.strip()] if match else []


def _source_lengths(text: str) -> list[float]:
    numbers = [parse_number(part.strip()) for part in text.split("|")[0].split(";")]
    return [number for number in numbers if number] if all(numbers) else []


def build(path: Path, events: Sequence[Event], facts: dict[str, ObservationFacts], options: ReadOptions) -> Annotations:
    """Annotations from events on the clocks of their observations.

    Observed is every file whose length is known, from its start to its end, as in the time budgets of BORIS (an export
    does not say whether only a part was scored; a ``.boris`` project does). Live observations are observed from the
    first to the last event.
    """
    names = recording_ids(medium.path for fact in facts.values() for medium in fact.media)
    observations = {id: make_observation(id, fact.media, names, fact.offset_s) for id, fact in facts.items()}
    pairs = [(id, name) for id, observation in observations.items() for name in observation.recordings]
    manual = manual_sources(pairs, options.annotator)
    kinds: dict[str, Behavior] = {}
    bouts = []
    for event in events:
        entry = kinds.setdefault(event.behavior, Behavior(event.behavior, event.kind, category=event.category))
        if entry.kind != event.kind:
            raise bad(path, f"{event.behavior!r} to be a state or a point, not both", f"both in {event.observation!r}")
        source = split_id(event.observation)[1] or manual[event.observation]
        for recording, start_s, stop_s in observations[event.observation].place(event.start_s, event.stop_s):
            bouts.append(_bout(event, recording, start_s, stop_s, source))
    observed = [row for id, fact in facts.items() for row in _observed(observations[id], fact, events)]
    catalogue = Behaviors(tuple(kinds.values()), bool(options.exclusive))
    try:
        annotations = Annotations.of(bouts, merge_observed(observed), catalogue)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error
    return name_recording(annotations, path, options.recording)


def _bout(event: Event, recording: str, start_s: float, stop_s: float, source: str) -> dict[str, object]:
    return {
        "recording": recording,
        "subject": event.subject,
        "behavior": event.behavior,
        "start_s": start_s,
        "stop_s": stop_s,
        "kind": event.kind,
        "source": source,
        "modifiers": event.modifiers,
        "comment": event.comment,
    }


def _observed(
    observation: Observation, fact: ObservationFacts, events: Sequence[Event]
) -> list[tuple[str, float, float]]:
    if not fact.live:
        return observation.observed()
    times = [t for event in events if event.observation == observation.id for t in (event.start_s, event.stop_s)]
    first, last = min(times, default=0.0) - fact.offset_s, max(times, default=0.0) - fact.offset_s
    return [(observation.recordings[0], first, last)] if last > first else []


def merge_observed(spans: Iterable[tuple[str, float, float]]) -> list[dict[str, object]]:
    """Rows of an observed-interval table, each stretch of a recording once."""
    rows: list[dict[str, object]] = []
    last: tuple[str, float, float] | None = None
    for recording, start_s, stop_s in sorted(spans):
        if last is not None and last[0] == recording and start_s <= last[2]:
            last = (recording, last[1], max(last[2], stop_s))
            rows[-1]["stop_s"] = last[2]
            continue
        last = (recording, start_s, stop_s)
        rows.append({"recording": recording, "start_s": start_s, "stop_s": stop_s})
    return rows


def name_recording(annotations: Annotations, path: Path, recording: str | None) -> Annotations:
    """The same under the recording id that the user gave.

    Raises:
        AnnotationError: when the file holds several recordings.
    """
    if recording is None:
        return annotations
    if len(annotations.recordings) > 1:
        raise bad(
            path,
            f"one recording, to be called {recording!r}",
            f"{len(annotations.recordings)} of them: {', '.join(annotations.recordings[:4])}",
            fix="leave out the recording id",
        )
    return annotations.renamed(dict.fromkeys(annotations.recordings, recording))
