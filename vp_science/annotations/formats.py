"""Every annotation format, and which one a file is.

A format is one module with three functions: ``matches(path, head)`` says whether a file (its name and first bytes) is
of this format, ``read(path, options)`` gives ``Annotations``, ``write(annotations, path, options)`` writes them and
returns the files it made. Modules are imported when they are needed.
"""

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from vp_science.annotations.clock import FrameClock
from vp_science.annotations.text_tables import bad
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.typing import StrPath

_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class ReadOptions:
    """What a file may not say itself.

    Attributes:
        clock: when frames are shown, for formats that count them.
        recording: id of the recording, for formats of one recording per file; None takes it from the file or its name.
        annotator: who scored, where the file does not say.
        exclusive: whether behaviors exclude each other, where the file does not say; None leaves it to the format.
    """

    clock: FrameClock = field(default_factory=FrameClock)
    recording: str | None = None
    annotator: str = ""
    exclusive: bool | None = None


@dataclass(frozen=True)
class WriteOptions:
    """What a format may need beyond the annotations.

    Attributes:
        clock: when frames are shown, for formats that count them.
        media: path of the media file by recording id, as the other program shall find it.
    """

    clock: FrameClock = field(default_factory=FrameClock)
    media: dict[str, str] = field(default_factory=dict)


@runtime_checkable
class FormatModule(Protocol):
    """What the module of a format defines."""

    def matches(self, path: Path, head: bytes) -> bool:
        """Whether a file is of this format."""

    def read(self, path: Path, options: ReadOptions) -> Annotations:
        """Read a file."""

    def write(self, annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
        """Write annotations and return the files that were made."""


@dataclass(frozen=True)
class Format:
    """One entry of the list.

    Attributes:
        name: as given to ``--from`` and ``--to``.
        title: the program or standard.
        endings: how names of such files end; the first is the usual one.
        module: defines ``matches``, ``read`` and ``write``.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    module: str

    def load(self) -> FormatModule:
        """The module."""
        return cast(FormatModule, importlib.import_module(f"vp_science.annotations.{self.module}"))


FORMATS = (
    Format("csv", "vp_science bout table (CSV or TSV)", (".csv", ".tsv"), "own_csv"),
    Format("parquet", "vp_science bout table (Parquet)", (".parquet",), "own_parquet"),
    Format("boris", "BORIS project", (".boris", ".boris.gz"), "boris_project"),
    Format("boris-aggregated", "BORIS aggregated events", (".csv", ".tsv", ".xlsx", ".ods"), "boris_aggregated"),
    Format("boris-tabular", "BORIS tabular events", (".csv", ".tsv", ".xlsx", ".ods"), "boris_tabular"),
    Format("deepethogram", "DeepEthogram labels", ("_labels.csv", ".csv"), "deepethogram"),
    Format("calms21", "CalMS21 JSON", (".json",), "calms21"),
    Format("bento", "MARS / Bento annotation", (".annot",), "bento"),
    Format("caltech", "Caltech Behavior Annotator", (".txt",), "caltech"),
    Format("elan", "ELAN", (".eaf",), "elan"),
    Format("nwb", "NWB with ndx-ethogram", (".nwb",), "nwb"),
    Format("v-trace", "V-TRACE labels", (".csv",), "v_trace"),
    Format("feral", "FERAL labels", (".json",), "feral"),
    Format("jabs", "JABS annotations", (".json",), "jabs"),
    Format("charades", "KABR / Charades frame labels", (".csv",), "charades"),
    Format("camtrap-dp", "Camtrap DP observations", ("observations.csv", ".csv"), "camtrap_dp"),
)


def find_format(name: str) -> Format:
    """The format of a name.

    Raises:
        AnnotationError: listing the names that there are.
    """
    for entry in FORMATS:
        if entry.name == name:
            return entry
    raise AnnotationError(f"expected one of the formats {', '.join(f.name for f in FORMATS)}, found {name!r}")


def detect_format(path: Path) -> Format:
    """Which format a file is, by its name and content.

    Raises:
        AnnotationError: when it is none of them, or more than one.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise bad(path, "an annotation file", "nothing there", fix="check the name") from error
    except OSError as error:
        raise bad(path, "a readable file", str(error.strerror), fix="give an annotation file you may read") from error
    found = [entry for entry in FORMATS if entry.load().matches(path, head)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(entry.name for entry in found)
        raise bad(path, "a file of one format", f"one that may be {names}", fix="say which (--from, in Python format=)")
    if head[:6] == b"\x93NUMPY" or path.suffix.lower() in (".npy", ".pkl", ".pickle"):
        raise bad(
            path,
            "annotations as text, JSON or HDF5",
            "an array or pickle file, which can run code when it is opened",
            fix="give the JSON or CSV it was made from (CalMS21: the .json of the download, before conversion to .npy)",
        )
    names = ", ".join(entry.name for entry in FORMATS)
    raise bad(
        path,
        f"one of the formats {names}",
        "something else",
        fix="say which it is (--from, in Python format=), or make it a table with the columns recording, behavior, "
        "start_s, stop_s (docs/annotations.md: a table of your own)",
    )


def _format_to_write(path: Path) -> Format:
    """The format whose ending fits the name best; plain CSV and TSV are our own tables."""
    name = path.name.lower()
    lengths = {
        entry.name: max((len(ending) for ending in entry.endings if name.endswith(ending)), default=0)
        for entry in FORMATS
    }
    longest = max(lengths.values())
    fitting = [entry for entry in FORMATS if longest and lengths[entry.name] == longest]
    if FORMATS[0] in fitting:
        return FORMATS[0]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(entry.name for entry in (fitting or FORMATS))
    raise AnnotationError(
        f"{path}: expected a name that tells the format, found {path.name!r}: say which of {names} (--to)"
    )


def read_annotations(
    path: StrPath | Sequence[StrPath],
    format: str | None = None,
    *,
    fps: int | float | None = None,
    clock: FrameClock | None = None,
    recording: str | None = None,
    annotator: str = "",
    exclusive: bool | None = None,
) -> Annotations:
    """Read annotations in any of the formats (``vp-science labels formats`` lists them).

    Args:
        path: the file, or several files, which are joined.
        format: name of the format; None finds out.
        fps: constant frame rate, for formats that count frames.
        clock: presentation times of the recordings, for formats that count frames and videos of variable rate.
        recording: id of the recording, for formats of one recording per file.
        annotator: who scored, where the file does not say.
        exclusive: whether behaviors exclude each other; None believes the file.

    Returns:
        Bouts, observed intervals and the catalogue.

    Raises:
        AnnotationError: naming file, line and column, what was expected and what to do.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    options = ReadOptions((clock or FrameClock()).with_default(fps), recording, annotator, exclusive)
    parts = []
    for name in paths:
        where = Path(name)
        entry = find_format(format) if format else detect_format(where)
        part = entry.load().read(where, options)
        if exclusive is not None:
            part = Annotations(part.behaviors.replaced(exclusive=exclusive), part.bouts, part.observed)
        parts.append(part)
    return Annotations.concat(parts)


def write_annotations(
    annotations: Annotations,
    path: StrPath,
    format: str | None = None,
    *,
    fps: int | float | None = None,
    clock: FrameClock | None = None,
    media: dict[str, str] | None = None,
) -> list[Path]:
    """Write annotations in any of the formats.

    Args:
        annotations: what to write.
        path: the file; formats of one recording per file take a folder when there are several recordings.
        format: name of the format; None tells it by the ending.
        fps: constant frame rate, for formats that count frames.
        clock: presentation times, for formats that count frames.
        media: path of the media file by recording id, for formats that name it.

    Returns:
        The files that were written.

    Raises:
        AnnotationError: when the format cannot hold what there is (the message says what would be lost).
    """
    where = Path(path)
    entry = find_format(format) if format else _format_to_write(where)
    options = WriteOptions((clock or FrameClock()).with_default(fps), dict(media or {}))
    return entry.load().write(annotations, where, options)


def one_file_per_recording(annotations: Annotations, path: Path, ending: str) -> list[tuple[str, Path]]:
    """Where each recording goes in a format of one recording per file.

    Args:
        annotations: what is written.
        path: the file for one recording; a folder (made if need be) for several.
        ending: of the files in the folder.

    Raises:
        AnnotationError: when there are several recordings and ``path`` names a file, or an id cannot be a file name.
    """
    names = annotations.recordings
    if len(names) == 1 and not path.is_dir():
        return [(names[0], path)]
    if path.suffix and not path.is_dir():
        raise AnnotationError(
            f"{path}: expected a folder, because this format holds one recording per file and there are {len(names)} "
            f"recordings: give a folder without ending, or choose one recording"
        )
    for name in names:
        parts = name.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\\" in name or "\0" in name:
            raise AnnotationError(f"expected recording ids that can be file names, found {name!r}: rename it")
    files = [(name, path / f"{name}{ending}") for name in names]
    for _, file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
    return files
