"""Which recordings belong together: those that share an animal, a session or a site.

A probe that saw an animal in training knows its coat, its cage and its camera; a test on another recording of that
animal says little about the next animal. So recordings that share anything stay on one side of every split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vp_science.annotations.text_tables import bad, read_table
from vp_science.errors import ProbeError
from vp_science.timeline.names import listed
from vp_science.typing import StrPath

GROUP_COLUMNS = ("animal", "session", "site")
"""Columns of a recordings table that tie recordings together when nothing else is asked for."""

_SEPARATOR = ";"
_MAX_NAMED = 3


@dataclass(frozen=True)
class RecordingGroups:
    """The groups of a study.

    Attributes:
        names: group of every recording.
        columns: columns of the recordings table that were used; () without a table: then a group is one recording.
        notes: what a reader of a report should know, such as columns that were not used.
    """

    names: Mapping[str, str]
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, recordings: Sequence[str]) -> list[str]:
        """The group of each of these recordings.

        Raises:
            ProbeError: when one is in no group.
        """
        if missing := sorted({name for name in recordings if name not in self.names}):
            raise ProbeError(f"expected every recording in a group, found none for {listed(missing)}: add them")
        return [self.names[name] for name in recordings]


def read_recordings_table(path: StrPath) -> pd.DataFrame:
    """Read a table of recordings: CSV or TSV with the column ``recording`` and what is known about each.

    A recording with several animals has them in one cell, separated by ``;``, or has several lines.

    Returns:
        One row per line, text in every column.

    Raises:
        AnnotationError: naming file, line and column, when there is no such column or a line names no recording.
    """
    where = Path(path)
    table = read_table(where)
    table.require(["recording"])
    for row in table:
        if not row.cells["recording"]:
            raise bad(where, "the name of a recording", "", line=row.line, column="recording")
    columns = [name for name in table.columns if name]
    return pd.DataFrame([[row.cells[name] for name in columns] for row in table], columns=columns, dtype=object)


def group_recordings(
    recordings: Sequence[str], table: pd.DataFrame | None = None, by: Sequence[str] = GROUP_COLUMNS
) -> RecordingGroups:
    """Put recordings that share an animal, a session or a site into one group (and so on: groups are connected).

    Args:
        recordings: ids, as of the tracks; repeated ones (per-animal tracks) count once.
        table: from ``read_recordings_table``, or any data frame with the column ``recording``; None makes every
            recording a group of its own.
        by: columns whose values tie recordings together, as far as the table has them. An empty cell ties nothing.

    Raises:
        ProbeError: when the table has none of these columns, or does not name one of the recordings.
    """
    names = list(dict.fromkeys(recordings))
    if table is None:
        return RecordingGroups({name: name for name in names})
    columns = _group_columns(table, by)
    values = _values(table, columns)
    if missing := [name for name in names if name not in values]:
        raise ProbeError(
            f"expected a line for every recording in the table of recordings, found none for {listed(missing)} "
            f"({len(missing)} of {len(names)}; it names {listed(list(values))}): add them, spelled like the tracks"
        )
    components = _components([values[name] for name in names])
    notes = _notes(table, columns, names, values)
    return RecordingGroups(_group_names(names, values, components, columns), columns, notes)


def _group_columns(table: pd.DataFrame, by: Sequence[str]) -> tuple[str, ...]:
    if "recording" not in table:
        raise ProbeError(
            f"expected the column 'recording' in the table of recordings, found {', '.join(map(str, table.columns))}: "
            "name the column so"
        )
    columns = tuple(name for name in by if name in table)
    # A column that was asked for by name must be there; of the usual ones at least one.
    absent = [name for name in by if name not in table]
    if not columns or (tuple(by) != GROUP_COLUMNS and absent):
        raise ProbeError(
            f"expected {'the column ' if len(by) == 1 else 'columns such as '}{', '.join(absent)} in the table of "
            f"recordings, found {', '.join(map(str, table.columns))}: rename a column, or say which one ties "
            "recordings together"
        )
    return columns


def _values(table: pd.DataFrame, columns: Sequence[str]) -> dict[str, set[tuple[str, str]]]:
    """What is known about each recording, as (column, value)."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in table[["recording", *columns]].itertuples(index=False):
        known = found.setdefault(_text(row[0]), set())
        for column, cell in zip(columns, row[1:], strict=True):
            known.update((column, part.strip()) for part in _text(cell).split(_SEPARATOR) if part.strip())
    return found


def _text(cell: object) -> str:
    """A cell as text: numbers that went through a column with gaps are whole again, and nothing is empty."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)) or cell is pd.NA:
        return ""
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell).strip()


def _components(values: Sequence[set[tuple[str, str]]]) -> list[int]:
    """Number of the connected component of every recording."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    node: dict[tuple[str, str], int] = {}
    edges = [(row, node.setdefault(value, len(node))) for row, known in enumerate(values) for value in sorted(known)]
    size = len(values) + len(node)
    rows = np.array([row for row, _ in edges], dtype=np.int64)
    columns = np.array([len(values) + column for _, column in edges], dtype=np.int64)
    graph = coo_array((np.ones(len(edges), dtype=np.int8), (rows, columns)), shape=(size, size))
    return [int(number) for number in connected_components(graph, directed=False)[1][: len(values)]]


def _group_names(
    names: Sequence[str],
    values: Mapping[str, set[tuple[str, str]]],
    components: Sequence[int],
    columns: Sequence[str],
) -> dict[str, str]:
    """Call a group by what all its recordings share, or by what they have between them."""
    called: dict[int, str] = {}
    for component in dict.fromkeys(components):
        members = [name for name, number in zip(names, components, strict=True) if number == component]
        shared = set.intersection(*(values[name] for name in members))
        told = next((f"{c} {v}" for c in columns for k, v in sorted(shared) if k == c), "")
        between = sorted({v for name in members for c, v in values[name] if c == columns[0]})
        if len(members) == 1:
            told = members[0] if not shared else told
        elif not told and 0 < len(between) <= _MAX_NAMED:
            told = f"{columns[0]}s {', '.join(between)}"
        if not told or told in called.values():
            told = f"{told or members[0]} ({len(members)} recordings)" if len(members) > 1 else members[0]
        while told in called.values():
            told += "'"
        called[component] = told
    return {name: called[number] for name, number in zip(names, components, strict=True)}


def _notes(
    table: pd.DataFrame, columns: Sequence[str], names: Sequence[str], values: Mapping[str, set[tuple[str, str]]]
) -> tuple[str, ...]:
    notes = []
    if unused := [str(name) for name in table.columns if name not in ("recording", *columns)]:
        notes.append(f"columns of the table of recordings that do not tie recordings together: {', '.join(unused)}")
    if extra := [name for name in values if name not in set(names)]:
        notes.append(f"recordings of the table without a track: {listed(extra)}")
    if bare := [name for name in names if not values[name]]:
        notes.append(f"recordings of which the table says nothing, each a group of its own: {listed(bare)}")
    return tuple(notes)
