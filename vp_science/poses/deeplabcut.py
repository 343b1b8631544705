"""DeepLabCut: its tables of points, as CSV or as HDF5 that pandas wrote."""

import csv
import io
from itertools import product
from pathlib import Path

import h5py
import numpy as np

from vp_science.errors import PoseError
from vp_science.poses.h5_read import has, numbers, open_pose_h5, texts
from vp_science.poses.points import PosePoints, check_names, check_size
from vp_science.poses.pytables import column_labels
from vp_science.poses.sleap import ALONE

KEYS = ("df_with_missing", "keypoints")
USUAL_SCORE = 0.6
"""DeepLabCut's own ``pcutoff``: points with a lower likelihood count as not seen."""

_UNIQUE = "single"
_COORDINATES = ("x", "y", "likelihood")
_MAX_CSV_BYTES = 4 << 30
_MAX_HEADER = 100_000

Column = tuple[str, ...]
"""(scorer, body part, coordinate), or (scorer, individual, body part, coordinate)."""


def is_deeplabcut_h5(file: h5py.File) -> bool:
    """Whether an HDF5 file holds such a table."""
    return any(has(file, key) for key in KEYS)


def read_h5(path: Path) -> PosePoints:
    """Read a table that pandas wrote, in its table or its fixed format, without pandas: that would unpickle.

    Raises:
        PoseError: when it is not such a table, or damaged.
    """
    with open_pose_h5(path) as file:
        key = next(key for key in KEYS if has(file, key))
        if has(file, f"{key}/table"):
            columns, frames, values = _table_format(file, key, path)
        else:
            columns, frames, values = _fixed_format(file, key, path)
    return _points(columns, frames, values, path)


def _table_format(file: h5py.File, key: str, path: Path) -> tuple[list[Column], np.ndarray, np.ndarray]:
    table = file[f"{key}/table"]
    if not isinstance(table, h5py.Dataset) or table.dtype.names is None or table.ndim != 1:
        raise PoseError(f"{path}: expected a pandas table in /{key}/table, found something else: export it as CSV")
    blocks = [name for name in table.dtype.names if name.startswith("values_block_")]
    check_size(f"{path}: /{key}/table", len(table), table.dtype.itemsize)
    if "index" not in table.dtype.names or table.dtype["index"].kind not in "iu" or not blocks:
        raise PoseError(
            f"{path}: expected a row per frame with its number, found an index of another kind (labelled pictures?): "
            "give the file that DeepLabCut's analyze_videos wrote"
        )
    rows = table[()]
    columns: list[Column] = []
    parts = []
    for block in blocks:
        columns += column_labels(table.attrs.get(f"{block}_kind"), f"{path}: /{key}/table, {block}")
        parts.append(rows[block].reshape(len(rows), -1).astype(np.float64))
    return columns, rows["index"].astype(np.int64), np.concatenate(parts, axis=1)


def _fixed_format(file: h5py.File, key: str, path: Path) -> tuple[list[Column], np.ndarray, np.ndarray]:
    frames = numbers(file, f"{key}/axis1", path, (1,)) if has(file, f"{key}/axis1") else None
    if frames is None or frames.dtype.kind not in "iu":
        raise PoseError(
            f"{path}: expected a row per frame with its number in /{key}, found an index of another kind (labelled "
            "pictures?): give the file that DeepLabCut's analyze_videos wrote"
        )
    columns: list[Column] = []
    parts = []
    for block in range(len(file[key])):
        if not has(file, f"{key}/block{block}_values"):
            break
        values = numbers(file, f"{key}/block{block}_values", path, (2,))
        columns += _fixed_columns(file, f"{key}/block{block}_items", path)
        parts.append(values.astype(np.float64))
    if not parts or any(len(part) != len(frames) for part in parts):
        raise PoseError(f"{path}: expected {len(frames)} rows in every block of /{key}, found another number")
    return columns, frames.astype(np.int64), np.concatenate(parts, axis=1)


def _fixed_columns(file: h5py.File, name: str, path: Path) -> list[Column]:
    levels: list[list[str]] = []
    while has(file, f"{name}_level{len(levels)}"):
        number = len(levels)
        names = texts(file, f"{name}_level{number}", path)
        codes = numbers(file, f"{name}_label{number}", path, (1,))
        if len(codes) and not (codes.min() >= 0 and codes.max() < len(names)):
            raise PoseError(f"{path}: expected codes of {len(names)} names in /{name}_label{number}, found others")
        levels.append([names[code] for code in codes.tolist()])
    if len({len(level) for level in levels}) != 1:
        raise PoseError(f"{path}: expected names of columns in /{name}_level0 and so on, found none that fit together")
    return list(zip(*levels, strict=True))


def read_csv(path: Path) -> PosePoints:
    """Read a table that DeepLabCut exported as CSV.

    Raises:
        PoseError: naming line and column of what is wrong.
    """
    if path.stat().st_size > _MAX_CSV_BYTES:
        raise PoseError(f"{path}: expected a table of at most 4 GiB, found a larger file: use the HDF5 file (.h5)")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PoseError(f"{path}: expected text in UTF-8, found byte {error.start} that is none") from error
    lines = csv.reader(io.StringIO(text, newline=""))
    head: list[list[str]] = []
    for row in lines:
        head.append(row)
        if row and row[0].strip().lower() == "coords":
            break
        if len(head) > 4 or len(row) > _MAX_HEADER:
            break
    kinds = [row[0].strip().lower() if row else "" for row in head]
    if kinds not in (["scorer", "bodyparts", "coords"], ["scorer", "individuals", "bodyparts", "coords"]):
        raise PoseError(
            f"{path}: expected the header lines scorer, (individuals,) bodyparts, coords of a DeepLabCut table, found "
            f"{', '.join(kinds) or 'nothing'}"
        )
    columns = list(zip(*(row[1:] for row in head), strict=False))
    if len({len(row) for row in head}) != 1:
        raise PoseError(
            f"{path}: expected header lines of one length, found {', '.join(str(len(row)) for row in head)}"
        )
    frames, values = _csv_rows(lines, len(columns), len(head), path)
    return _points(columns, frames, values, path)


def _csv_rows(lines: object, width: int, skipped: int, path: Path) -> tuple[np.ndarray, np.ndarray]:
    frames: list[int] = []
    values: list[list[float]] = []
    for number, row in enumerate(lines, skipped + 1):  # type: ignore[var-annotated,arg-type]
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != width + 1:
            raise PoseError(f"{path}, line {number}: expected {width + 1} columns as in the header, found {len(row)}")
        frame = row[0].strip().removesuffix(".0")
        if not (frame.isascii() and frame.isdigit() and len(frame) < 10):
            raise PoseError(
                f"{path}, line {number}, column 1: expected the number of a frame, found {row[0][:60]!r} (labelled "
                "pictures?): give the file that DeepLabCut's analyze_videos wrote"
            )
        frames.append(int(frame))
        values.append([_number(cell, number, column, path) for column, cell in enumerate(row[1:], 2)])
    if not frames:
        raise PoseError(f"{path}: expected a line per frame below the header, found none")
    return np.array(frames, np.int64), np.array(values, np.float64)


def _number(cell: str, line: int, column: int, path: Path) -> float:
    try:
        return float(cell) if cell.strip() else float("nan")
    except ValueError:
        raise PoseError(f"{path}, line {line}, column {column}: expected a number, found {cell[:60]!r}") from None


def _points(columns: list[Column], frames: np.ndarray, values: np.ndarray, path: Path) -> PosePoints:
    """Sort columns and rows into one array."""
    if len(columns) != values.shape[1] or not columns or len(columns[0]) not in (3, 4):
        raise PoseError(
            f"{path}: expected columns of (scorer, individual, body part, coordinate), found {len(columns)} names of "
            f"{len(columns[0]) if columns else 0} levels for {values.shape[1]} columns"
        )
    if len({column[0] for column in columns}) != 1:
        scorers = ", ".join(sorted({column[0] for column in columns}))
        raise PoseError(f"{path}: expected one scorer, found {scorers}: save one model's table per file")
    named = {(ALONE, *column[1:]) if len(column) == 3 else column[1:]: index for index, column in enumerate(columns)}
    if len(named) != len(columns):
        raise PoseError(f"{path}: expected every point once, found a column twice: export the table again")
    animals = list(dict.fromkeys(name for name, _, _ in named))
    if len(animals) > 1:
        # DeepLabCut files points of the arena that exist once under this name: no animal to follow.
        animals = [name for name in animals if name != _UNIQUE]
    nodes = list(dict.fromkeys(node for name, node, _ in named if name in animals))
    check_names(str(path), "individual", animals)
    check_names(str(path), "body part", nodes)
    _check_frames(frames, path)
    shape = (int(frames.max()) + 1, len(animals), len(nodes))
    check_size(str(path), *shape, 3)
    table = np.full((*shape, 3), np.nan)
    for (i, animal), (j, node), (k, name) in product(enumerate(animals), enumerate(nodes), enumerate(_COORDINATES)):
        if (animal, node, name) in named:
            table[frames, i, j, k] = values[:, named[animal, node, name]]
        elif name != "likelihood" and any((animal, node, other) in named for other in _COORDINATES):
            raise PoseError(f"{path}: expected x and y of {animal}, {node}; {name} is missing: export the table again")
    xy = table[..., :2]
    # A likelihood of its own is all that says "not there" in most tables; tables without it (corrected by hand, or of
    # other tools) put such points into the corner.
    nowhere = np.isnan(table[..., 2]) & (xy <= 0).all(axis=3)
    xy[nowhere] = np.nan
    return PosePoints("DeepLabCut", animals, nodes, xy, table[..., 2], USUAL_SCORE)


def _check_frames(frames: np.ndarray, path: Path) -> None:
    if len(frames) == 0 or frames.min() < 0:
        raise PoseError(f"{path}: expected rows for frames from 0 on, found {frames.min() if len(frames) else 'none'}")
    found, count = np.unique(frames, return_counts=True)
    if (count > 1).any():
        raise PoseError(f"{path}: expected each frame once, found frame {found[count > 1][0]} twice: export it again")
