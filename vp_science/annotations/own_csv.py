"""The project's own tables as text: bouts in one file, observed intervals and the catalogue beside it.

``NAME.csv`` holds the bouts (columns ``BOUT_COLUMNS``), ``NAME.observed.csv`` the observed intervals, and
``NAME.behaviors.json`` the catalogue. Without the second file every recording is unknown outside its bouts; without the
third the behaviors are those of the bouts, and may overlap.
"""

import json
from pathlib import Path

import pandas as pd

from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.text_tables import (
    TextTable,
    bad,
    decode_text,
    parse_number,
    read_table,
    read_text,
    write_table,
)
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import BOUT_COLUMNS, OBSERVED_COLUMNS, Annotations
from vp_science.timeline.behaviors import KINDS, Behaviors
from vp_science.timeline.names import plain_name

_REQUIRED = {"recording", "behavior", "start_s", "stop_s"}
_NUMBERS = ("start_s", "stop_s", "score")


def matches(path: Path, head: bytes) -> bool:
    """A text table whose header has our column names."""
    if path.suffix.lower() not in (".csv", ".tsv", ".txt") or (
        b"\0" in head[:4096] and head[:2] not in (b"\xff\xfe", b"\xfe\xff")
    ):
        return False
    lines = decode_text(head).splitlines()
    return (
        bool(lines)
        and {cell.strip().strip('"') for cell in lines[0].replace(";", ",").replace("\t", ",").split(",")} >= _REQUIRED
    )


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read the bouts and what lies beside them."""
    catalogue = _beside(path, ".behaviors.json")
    behaviors = None
    if catalogue.exists():
        try:
            behaviors = Behaviors.from_json(json.loads(read_text(catalogue)))
        except (ValueError, RecursionError) as error:
            raise bad(catalogue, "the catalogue as JSON", str(error)) from error
        except AnnotationError as error:
            raise AnnotationError(f"{catalogue}: {error}") from error
    observed_path = _beside(path, ".observed.csv")
    observed = _table(read_table(observed_path), OBSERVED_COLUMNS) if observed_path.exists() else pd.DataFrame()
    bouts = _table(read_table(path), BOUT_COLUMNS)
    if len(observed) and len(bouts):
        observed = observed.assign(recording=_as_named(observed["recording"], bouts["recording"]))
    try:
        return Annotations.of(bouts, observed, behaviors)
    except AnnotationError as error:
        raise error if str(error).startswith(str(path)) else AnnotationError(f"{path}: {error}") from error


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write the bouts and what lies beside them."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    observed, catalogue = _beside(path, ".observed.csv"), _beside(path, ".behaviors.json")
    write_table(observed, OBSERVED_COLUMNS, annotations.observed.itertuples(index=False))
    text = json.dumps(annotations.behaviors.to_json(), ensure_ascii=False, indent=2) + "\n"
    write_atomically(catalogue, lambda file: file.write(text.encode()))
    write_table(path, BOUT_COLUMNS, annotations.bouts.itertuples(index=False), delimiter=delimiter)
    return [path, observed, catalogue]


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.stem + ending)


def _as_named(observed: pd.Series, bouts: pd.Series) -> list[str]:
    """Names of observed recordings as the bouts have them: "mouse1" is the "mouse1.mp4" that has no interval itself.

    Tables that are made by hand differ so; taken for another recording, all of its time would be without a bout.
    """
    without = [name for name in bouts.unique() if name not in set(observed)]
    new = [name for name in observed.unique() if name not in set(bouts)]
    meant = {name: [other for other in without if plain_name(other) == plain_name(name)] for name in new}
    return [meant[name][0] if len(meant.get(name, ())) == 1 else name for name in observed]


def _table(table: TextTable, columns: tuple[str, ...]) -> pd.DataFrame:
    """Cells as text and numbers; what is not a number is refused with its place."""
    table.require(name for name in ("recording", "start_s", "stop_s") if name in columns)
    for name in table.columns:
        if name and name not in columns:
            raise bad(table.path, f"the columns {', '.join(columns)}", name, line=table.header_line, column=name)
    rows = []
    for row in table:
        cells: dict[str, object] = dict(row.cells)
        for name in _NUMBERS:
            if cells.get(name, "") == "" and name == "score":
                cells.pop(name, None)
            elif name in cells:
                value = parse_number(row.cells[name])
                if value is None:
                    raise bad(table.path, "a number of seconds", row.cells[name], line=row.line, column=name)
                cells[name] = value
        if row.cells.get("kind", "") not in ("", *KINDS):
            raise bad(table.path, "state or point", row.cells["kind"], line=row.line, column="kind")
        if "stop_s" in cells and float(str(cells["stop_s"])) < float(str(cells["start_s"])):
            raise bad(table.path, f"stop_s not before start_s = {cells['start_s']}", cells["stop_s"], line=row.line)
        rows.append({name: value for name, value in cells.items() if name})
    return pd.DataFrame(rows)
