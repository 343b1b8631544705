"""DeepEthogram label tables, ``<video>_labels.csv``: one row per frame, one column per behavior.

Cells are 1, 0 or -1 (nobody has labelled the frame yet: unknown). The first behavior is ``background``, 1 where none of
the others happens; the others may happen together, so the catalogue is not exclusive unless the user says so. The
recording is the name of the file without ``_labels``. Not held: point events (they become one frame of a state),
scores, comments, the name of the only subject and the only source.
"""

from pathlib import Path

import numpy as np

from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, one_file_per_recording
from vp_science.annotations.frame_labels import (
    annotations_to_states,
    frame_times,
    refuse_losses,
    require_scored_bouts,
    states_to_annotations,
)
from vp_science.annotations.text_tables import bad, decode_text, parse_number, read_table, write_table
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors

BACKGROUND = "background"
_ENDING = "_labels"
_STATES = {"1": 1, "0": 0, "-1": -1}


def matches(path: Path, head: bytes) -> bool:
    """A text table whose first named column, behind an unnamed index, is ``background``."""
    if path.suffix.lower() != ".csv" or b"\0" in head[:4096]:
        return False
    lines = decode_text(head).splitlines()
    cells = [cell.strip().strip('"') for cell in lines[0].replace(";", ",").split(",")] if lines else []
    return cells[:1] == [BACKGROUND] or (len(cells) > 1 and cells[0] == "" and cells[1] == BACKGROUND)


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read the labels of one recording.

    Raises:
        AnnotationError: with line and column, for cells that are not 1, 0 or -1, and rows whose background contradicts
            the behaviors.
    """
    table = read_table(path)
    table.require([BACKGROUND])
    names = [name for name in table.columns if name and name != BACKGROUND]
    if not names:
        raise bad(path, "columns with behaviors", "only the background", line=table.header_line)
    states = np.empty((len(table.rows), len(names)), dtype=np.int8)
    for index, row in enumerate(table):
        values = {name: _state(path, row.line, name, row.cells[name]) for name in (BACKGROUND, *names)}
        _check_background(path, row.line, values)
        states[index] = [values[name] for name in names]
    if not len(states):
        raise bad(path, "one row per frame", "no row")
    recording = options.recording or path.stem.removesuffix(_ENDING)
    behaviors = Behaviors.of(names, exclusive=bool(options.exclusive), background=BACKGROUND)
    try:
        return states_to_annotations(states, behaviors, recording, options.clock, f"manual:{options.annotator}")
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error


def _state(path: Path, line: int, name: str, text: str) -> int:
    state = _STATES.get(text)
    if state is None:
        number = parse_number(text)  # a spreadsheet may have saved 1 as 1.0
        state = None if number is None else _STATES.get(f"{number:g}")
    if state is None:
        raise bad(path, "1, 0 or -1 (not labelled)", text, line=line, column=name)
    return state


def _check_background(path: Path, line: int, values: dict[str, int]) -> None:
    on = [name for name, state in values.items() if state == 1 and name != BACKGROUND]
    none = all(state == 0 for state in values.values())
    if values[BACKGROUND] == 1 and on:
        raise bad(path, "background 0 where a behavior happens", f"1 together with {', '.join(on)}", line=line)
    if none:
        fix = "write background 1 if nothing happens, -1 everywhere if nobody looked"
        raise bad(path, "a behavior or the background to be 1", "0 everywhere", line=line, fix=fix)


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write one table per recording; several go into a folder as ``<recording>_labels.csv``.

    Raises:
        AnnotationError: for targets, modifiers, several subjects or sources, bouts in time that was not scored, a
            behavior called background, or when nobody knows the frames.
    """
    refuse_losses(annotations, f"{path} (DeepEthogram)", ("target", "modifiers", "subject", "source"))
    if BACKGROUND in annotations.behaviors:
        raise AnnotationError(f"{path}: expected no behavior called {BACKGROUND!r} in a DeepEthogram table: rename it")
    files = one_file_per_recording(annotations, path, f"{_ENDING}.csv")
    for recording, file in files:
        require_scored_bouts(annotations, recording, f"{file} (DeepEthogram)")
        write_table(file, ["", BACKGROUND, *annotations.behaviors.names], _rows(annotations, recording, options.clock))
    return [file for _, file in files]


def _rows(annotations: Annotations, recording: str, clock: FrameClock) -> list[list[int]]:
    states = annotations_to_states(annotations, recording, frame_times(annotations, recording, clock), clock)
    happens, unknown = (states == 1).any(axis=1), (states < 0).any(axis=1)
    background = np.where(happens, 0, np.where(unknown, -1, 1))
    return [[index, *row] for index, row in enumerate(np.column_stack([background, states]).tolist())]
