"""Delimited text as people's programs really write it: byte-order marks, semicolons, decimal commas.

Every error names the file, the line, the column, what was expected and what was found.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vp_science.errors import AnnotationError
from vp_science.files import write_atomically

MAX_BYTES = 1 << 30
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_DELIMITERS = ",;\t"


def bad(
    path: Path,
    expected: str,
    found: object,
    *,
    line: int | None = None,
    column: str = "",
    place: str = "",
    fix: str = "correct the file",
) -> AnnotationError:
    """An error about a place in an annotation file: a line and column, or a place in words (a sheet, a JSON path)."""
    parts = [str(path), place, "" if line is None else f"line {line}", f"column {column!r}" if column else ""]
    where = ", ".join(part for part in parts if part)
    return AnnotationError(f"{where}: expected {expected}, found {_shown(found)}: {fix}")


def _shown(found: object) -> str:
    text = found if isinstance(found, str) and " " in found and not found.startswith(" ") else repr(found)
    return text if len(text) <= 120 else f"{text[:117]}..."


def read_text(path: Path) -> str:
    """A whole text file: UTF-8 or UTF-16 by its mark, else UTF-8, else Windows-1252 (old Excel).

    Raises:
        AnnotationError: when the file is missing, unreadable or absurdly large.
    """
    return decode_text(read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """A whole file.

    Raises:
        AnnotationError: when the file is missing, unreadable or absurdly large.
    """
    try:
        if path.is_dir():
            raise bad(path, "a file", "a folder", fix="give the file in it")
        if (size := path.stat().st_size) > MAX_BYTES:
            raise bad(path, f"an annotation file of at most {MAX_BYTES >> 20} MiB", f"{size >> 20} MiB")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise bad(path, "an annotation file", "nothing there", fix="check the name") from error
    except OSError as error:
        raise bad(path, "a readable file", str(error.strerror), fix="allow reading it") from error


def decode_text(data: bytes) -> str:
    """Text of a file whose encoding nobody stated."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        line: number in the file, from 1.
        cells: text by column name, stripped.
    """

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class TextTable:
    """A delimited text file with a header.

    Attributes:
        path: the file.
        columns: names of the header, stripped, in order.
        rows: lines that are not empty.
        header_line: where the header stands in the file, from 1.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    header_line: int = 1

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def require(self, columns: Iterable[str]) -> None:
        """Refuse a table without these columns.

        Raises:
            AnnotationError: naming the first missing one.
        """
        for name in columns:
            if name not in self.columns:
                raise bad(self.path, f"a column {name!r}", ", ".join(self.columns), line=self.header_line)

    def number(self, row: Row, column: str) -> float:
        """A finite number; a decimal comma counts as a point.

        Raises:
            AnnotationError: when the cell holds something else.
        """
        text = row.cells.get(column, "")
        value = parse_number(text)
        if value is None:
            raise bad(self.path, "a number", text, line=row.line, column=column)
        return value

    def optional_number(self, row: Row, column: str) -> float | None:
        """The number, or None where the cell is empty or says NA, NaN or the column does not exist."""
        text = row.cells.get(column, "")
        return None if text.casefold() in ("", "na", "nan", "none", "null") else self.number(row, column)

    def whole(self, row: Row, column: str) -> int:
        """A whole number.

        Raises:
            AnnotationError: when the cell holds something else.
        """
        value = self.number(row, column)
        if value != int(value):
            raise bad(self.path, "a whole number", row.cells.get(column, ""), line=row.line, column=column)
        return int(value)


def parse_number(text: str) -> float | None:
    """A finite number with a decimal point or a decimal comma; None for anything else."""
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_table(path: Path, *, delimiter: str | None = None, skip: int = 0) -> TextTable:
    """Read a delimited text file whose header is its first line after ``skip`` lines.

    Args:
        path: the file.
        delimiter: what separates cells; None takes the one of comma, semicolon and tab that is most frequent in the
            header.
        skip: lines before the header.

    Raises:
        AnnotationError: when there is no header, a name appears twice, or a line has more cells than the header.
    """
    return parse_table(path, read_text(path), delimiter=delimiter, skip=skip)


def parse_table(path: Path, text: str, *, delimiter: str | None = None, skip: int = 0) -> TextTable:
    """As ``read_table``, from text that was read already; ``path`` is for the messages."""
    lines = text.splitlines(keepends=True)
    header_text = next((line for line in lines[skip:] if line.strip()), "")
    if not header_text:
        raise bad(path, "a table with a header", "an empty file")
    separator = delimiter or max(_DELIMITERS, key=header_text.count)
    # The csv module counts the lines of quoted cells with line breaks right.
    reader = csv.reader(io.StringIO("".join(lines[skip:]), newline=""), delimiter=separator)
    columns: tuple[str, ...] = ()
    rows, header_line = [], 1
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            line = skip + reader.line_num
            if not columns:
                columns, header_line = _header(path, cells, line), line
                continue
            if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
                raise bad(path, f"{len(columns)} cells as in the header", f"{len(cells)} cells", line=line)
            cells += [""] * (len(columns) - len(cells))
            rows.append(Row(line, {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}))
    except csv.Error as error:
        raise bad(path, "delimited text", str(error), line=skip + reader.line_num) from error
    return TextTable(path, columns, tuple(rows), header_line)


def _header(path: Path, cells: Sequence[str], line: int) -> tuple[str, ...]:
    columns = [cell.strip() for cell in cells]
    while len(columns) > 1 and not columns[-1]:
        columns.pop()
    for position, name in enumerate(columns):
        if name and name in columns[:position]:
            raise bad(path, "every column once", name, line=line, column=name)
    return tuple(columns)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], *, delimiter: str = ",") -> None:
    """Write a table as UTF-8 with line feeds; numbers get the shortest text that reads back as the same number."""

    def write(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([number_text(cell) if isinstance(cell, float) else cell for cell in row] for row in rows)
        text.flush()
        text.detach()

    write_atomically(path, write)


def number_text(value: int | float) -> str:
    """A number as text: nothing for NaN, no exponent for times."""
    if math.isnan(value):
        return ""
    text = repr(float(value))
    if "e" in text:
        text = f"{value:.12f}".rstrip("0").rstrip(".")
    return text.removesuffix(".0")
