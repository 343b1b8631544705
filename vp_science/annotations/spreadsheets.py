"""Sheets of Excel (.xlsx) and OpenDocument (.ods) files as rows of text, and back."""

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from vp_science.annotations.text_tables import MAX_BYTES, bad, number_text
from vp_science.errors import AnnotationError, require_extra
from vp_science.files import write_atomically

SHEET_ENDINGS = (".xlsx", ".ods")
_MAX_CELLS = 50_000_000
_MAX_REPEAT = 16_384
_ODS_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_ODS_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_ODS_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook.

    Attributes:
        title: name of the sheet.
        rows: cells as text, row by row from the first; empty cells are "".
    """

    title: str
    rows: tuple[tuple[str, ...], ...]


def looks_like_sheets(path: Path, head: bytes) -> bool:
    """Whether a file is a workbook by its ending and first bytes."""
    return path.suffix.lower() in SHEET_ENDINGS and head[:4] == b"PK\x03\x04"


def read_sheets(path: Path, *, max_rows: int | None = None) -> list[Sheet]:
    """Every sheet of a workbook.

    Args:
        path: an ``.xlsx`` or ``.ods`` file.
        max_rows: read only so many rows of each sheet.

    Raises:
        AnnotationError: when it is damaged or absurdly large once unpacked.
        MissingExtraError: without the ``formats`` extra.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > MAX_BYTES:
                raise bad(path, f"a workbook of at most {MAX_BYTES >> 20} MiB unpacked", f"{size >> 20} MiB")
        return _read_ods(path, max_rows) if path.suffix.lower() == ".ods" else _read_xlsx(path, max_rows)
    except FileNotFoundError as error:
        raise bad(path, "a workbook", "nothing there", fix="check the name") from error
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, SyntaxError) as error:
        raise bad(
            path, "a workbook (.xlsx or .ods)", f"damaged content ({error})", fix="save it again, or export CSV"
        ) from error


def _read_xlsx(path: Path, max_rows: int | None) -> list[Sheet]:
    # openpyxl parses through defusedxml where that is installed; the extra brings both.
    require_extra("defusedxml", "formats")
    openpyxl = require_extra("openpyxl", "formats")
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        sheets, budget = [], _MAX_CELLS
        for sheet in book.worksheets:
            rows = []
            for row in sheet.iter_rows(values_only=True, max_row=max_rows):
                budget = _spend(path, budget, len(row))
                rows.append(tuple(_cell_text(value) for value in row))
            sheets.append(Sheet(sheet.title, tuple(rows)))
        return sheets
    finally:
        book.close()


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return number_text(value) if isinstance(value, float) else str(value)


def _read_ods(path: Path, max_rows: int | None) -> list[Sheet]:
    tree = require_extra("defusedxml.ElementTree", "formats")
    errors = require_extra("defusedxml.common", "formats")
    with zipfile.ZipFile(path) as archive:
        content = archive.read("content.xml")
    try:
        root = tree.fromstring(content)
    except errors.DefusedXmlException as error:
        raise bad(path, "a workbook without XML entities", f"a forbidden construct ({error})") from error
    budget, sheets = _MAX_CELLS, []
    for table in root.iter(f"{_ODS_TABLE}table"):
        rows: list[tuple[str, ...]] = []
        for row in table.iter(f"{_ODS_TABLE}table-row"):
            cells = tuple(_ods_cells(row))
            times = int(row.get(f"{_ODS_TABLE}number-rows-repeated", "1"))
            # Programs pad sheets with a million repeated empty rows at the end.
            times = 1 if not any(cells) else min(times, _MAX_REPEAT)
            budget = _spend(path, budget, len(cells) * times)
            rows.extend([cells] * times)
            if max_rows is not None and len(rows) >= max_rows:
                break
        sheets.append(Sheet(table.get(f"{_ODS_TABLE}name", ""), tuple(rows)))
    return sheets


def _ods_cells(row: Any) -> Iterator[str]:
    cells: list[str] = []
    for cell in row:
        if cell.tag not in (f"{_ODS_TABLE}table-cell", f"{_ODS_TABLE}covered-table-cell"):
            continue
        text = "\n".join("".join(part.itertext()) for part in cell.iter(f"{_ODS_TEXT}p"))
        # The stored number has a decimal point and all digits; the shown text may be rounded and have a comma.
        value = cell.get(f"{_ODS_OFFICE}value") if cell.get(f"{_ODS_OFFICE}value-type") == "float" else None
        repeated = int(cell.get(f"{_ODS_TABLE}number-columns-repeated", "1"))
        cells.extend([text if value is None else value] * min(repeated, _MAX_REPEAT))
    while cells and not cells[-1]:
        cells.pop()
    yield from cells


def _spend(path: Path, budget: int, cells: int) -> int:
    if cells > budget:
        raise bad(path, f"a workbook of at most {_MAX_CELLS} cells", "more", fix="export CSV instead")
    return budget - cells


def write_sheet(path: Path, title: str, rows: Sequence[Sequence[object]]) -> None:
    """Write one sheet; numbers stay numbers.

    Args:
        path: the ``.xlsx`` or ``.ods`` file.
        title: name of the sheet.
        rows: the header and the rows; text, numbers (NaN is an empty cell).

    Raises:
        MissingExtraError: without the ``formats`` extra.
        AnnotationError: when a text holds control characters, which XML has no way to write.
    """
    for row in rows:
        for cell in row:
            if isinstance(cell, str) and any(ord(letter) < 32 and letter not in "\t\n\r" for letter in cell):
                raise AnnotationError(f"{path}: expected text without control characters, found {cell!r}: rename it")
    data = _ods_bytes(title, rows) if path.suffix.lower() == ".ods" else _xlsx_bytes(title, rows)
    write_atomically(path, lambda file: _write_all(file, data))


def _write_all(file: BinaryIO, data: bytes) -> None:
    file.write(data)


def _xlsx_bytes(title: str, rows: Sequence[Sequence[object]]) -> bytes:
    openpyxl = require_extra("openpyxl", "formats")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for row in rows:
        cells = []
        for value in row:
            cell = openpyxl.cell.WriteOnlyCell(sheet, value=None if _is_nan(value) else value)
            if isinstance(value, str):
                cell.data_type = "s"  # text such as "=x" is a name, never a formula
            cells.append(cell)
        sheet.append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _ods_bytes(title: str, rows: Sequence[Sequence[object]]) -> bytes:
    opendocument = require_extra("odf.opendocument", "formats")
    table = require_extra("odf.table", "formats")
    text = require_extra("odf.text", "formats")
    document = opendocument.OpenDocumentSpreadsheet()
    sheet = table.Table(name=title)
    for row in rows:
        line = table.TableRow()
        for value in row:
            if isinstance(value, int | float) and not _is_nan(value):
                cell = table.TableCell(valuetype="float", value=number_text(value))
                cell.addElement(text.P(text=number_text(value)))
            else:
                cell = table.TableCell(valuetype="string")
                cell.addElement(text.P(text="" if value is None or _is_nan(value) else str(value)))
            line.addElement(cell)
        sheet.addElement(line)
    document.spreadsheet.addElement(sheet)
    buffer = io.BytesIO()
    document.write(buffer)
    return buffer.getvalue()


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and value != value
