"""What the predictions do not know and an archive wants of an NWB file: the animal, the session, the laboratory."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import h5py
import pandas as pd

from vp_science.errors import SettingsError
from vp_science.probes.groups import read_recordings_table
from vp_science.timeline.names import listed
from vp_science.typing import StrPath

_SUBJECT = {
    "animal": "subject_id",
    "species": "species",
    "sex": "sex",
    "age": "age",
    "strain": "strain",
    "genotype": "genotype",
    "subject_description": "description",
}
_SESSION = ("experimenter", "experiment_description", "institution", "lab")
_START = "session_start_time"
COLUMNS = (*_SUBJECT, *_SESSION, _START)
"""Columns of a recordings table that go into NWB files; others (``session``, ``site``, ...) are of no concern here."""

_SEVERAL, _JOIN = ";", "; "
_BINOMIAL = re.compile(r"[A-Z][a-z]+ [a-z][a-z-]+( [a-z-]+)?|http://purl\.obolibrary\.org/obo/NCBITaxon_\d+")
_AGE = re.compile(r"P(?=[\dT])(\d+Y)?(\d+M)?(\d+W)?(\d+(\.\d+)?D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?")
_SEX = ("M", "F", "O", "U")


@dataclass(frozen=True)
class NwbFacts:
    """What an NWB file says beyond the bouts.

    Attributes:
        subject: fields of ``pynwb.file.Subject``; empty where the recording shows several animals, for which an NWB
            file has no place.
        session: fields of ``pynwb.NWBFile``.
        start: when the clock of the recording began, with a time zone; None where it is not said.
    """

    subject: dict[str, str] = field(default_factory=dict)
    session: dict[str, str | list[str]] = field(default_factory=dict)
    start: datetime | None = None

    def are_in(self, path: Path) -> bool:
        """Whether an NWB file of ours says all this, and nothing else about the animal."""
        with h5py.File(path, "r") as file:
            subject = file.get("general/subject")
            stored = {name: _words(subject[name]) for name in subject} if isinstance(subject, h5py.Group) else {}
            session = {name: _words(file.get(f"general/{name}")) for name in _SESSION}
            start = _words(file.get(_START))
        if "subject_id" not in self.subject:
            stored.pop("subject_id", None)  # the only animal that the bouts name
        said = {name: self.session.get(name, "") for name in _SESSION}
        wanted = {name: text if isinstance(text, str) else _JOIN.join(text) for name, text in said.items()}
        return stored == self.subject and session == wanted and (self.start is None or start == self.start.isoformat())


def read_nwb_facts(path: StrPath, recordings: Sequence[str]) -> dict[str, NwbFacts]:
    """Read a table of recordings, the same that ``probe evaluate --groups`` reads: a line per recording.

    Args:
        path: CSV or TSV with the column ``recording`` and any of ``COLUMNS``.
        recordings: the ids that must be in it.

    Raises:
        AnnotationError: when it is no such table.
        SettingsError: when it has no such column, lacks a recording, says two things about one, or says them in a way
            that NWB does not know.
    """
    table = read_recordings_table(path)
    columns = [name for name in COLUMNS if name in table]
    if not columns:
        raise SettingsError(
            f"{path}: expected at least one of the columns {', '.join(COLUMNS)}, found "
            f"{', '.join(map(str, table.columns))}: add what you know about the animals"
        )
    lines = {str(name): rows for name, rows in table.groupby("recording", sort=False)}
    if missing := [name for name in recordings if name not in lines]:
        raise SettingsError(
            f"{path}: expected a line for every recording, found none for {listed(missing)} ({len(missing)} of "
            f"{len(recordings)}; it names {listed(list(lines))}): add them, spelled like this"
        )
    return {name: _facts(f"{path}, recording {name!r}", lines[name], columns) for name in recordings}


def _facts(where: str, rows: pd.DataFrame, columns: Sequence[str]) -> NwbFacts:
    said = {name: list(dict.fromkeys(str(cell).strip() for cell in rows[name])) for name in columns}
    animals = {part.strip() for cell in said.get("animal", []) for part in cell.split(_SEVERAL) if part.strip()}
    one = len(animals) < 2
    wanted = [name for name in columns if one or name not in _SUBJECT]
    if several := [name for name in wanted if len(said[name]) > 1]:
        raise SettingsError(
            f"{where}: expected one {several[0]}, found {', '.join(map(repr, said[several[0]]))}: leave one"
        )
    cells = {name: said[name][0] for name in wanted if said[name][0]}
    subject = {_SUBJECT[name]: cell for name, cell in cells.items() if name in _SUBJECT}
    _check_subject(where, subject)
    start = _start(where, cells[_START]) if _START in cells else None
    session: dict[str, str | list[str]] = {name: cells[name] for name in _SESSION if name in cells}
    if "experimenter" in cells:
        session["experimenter"] = [name.strip() for name in cells["experimenter"].split(_SEVERAL) if name.strip()]
    return NwbFacts(subject, session, start)


def _check_subject(where: str, subject: dict[str, str]) -> None:
    checks = (
        ("sex", lambda text: text in _SEX, "M, F, O (other) or U (unknown)"),
        ("age", _AGE.fullmatch, "an ISO 8601 duration, such as P90D for 90 days or P12W for 12 weeks"),
        ("species", _BINOMIAL.fullmatch, "a Latin name such as Mus musculus, or an NCBI taxonomy link"),
    )
    for name, good, expected in checks:
        if name in subject and not good(subject[name]):
            raise SettingsError(f"{where}, column {name!r}: expected {expected}, found {subject[name]!r}: write it so")


def _start(where: str, text: str) -> datetime:
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        raise SettingsError(
            f"{where}, column {_START!r}: expected a date and time with its zone, such as 2026-03-01T09:30:00+01:00, "
            f"found {text!r}: write it so"
        )
    return start


def _words(item: object) -> str:
    """The text of a small dataset, or ""."""
    if not isinstance(item, h5py.Dataset) or item.size is None or item.size > 100 or item.dtype.kind not in "OS":
        return ""
    values = [item[()]] if item.shape == () else list(item[()].ravel())
    return _JOIN.join(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values)
