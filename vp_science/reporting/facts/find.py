"""What lies at a path: the file, folder or whole study that a user names, and the sections that it gives."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import h5py

from vp_science.batch import MANIFEST
from vp_science.checkpoints.model_folder import CARD as MODEL_CARD
from vp_science.errors import SettingsError
from vp_science.reporting.facts.tracks import ENDINGS, track_sections
from vp_science.reporting.facts.values import read_json
from vp_science.reporting.section import Section
from vp_science.store.ethogram import GROUP, SUFFIX
from vp_science.typing import StrPath

PROBE, EVALUATION, REPORT, RUN, METRICS = (
    "probe.json", "evaluation.json", "report.json", "settings.toml", "metrics.jsonl",
)  # fmt: skip
_FORMATS = {
    "vp_science.embeddings": "track",
    "vp_science.map": "map",
    "vp_science.search_index": "index",
    "vp_science.ethogram": "ethogram",
}
_KNOWN = (
    "a track (.embeddings.h5), a probe, annotated recordings, an evaluation, a map, a search index or printed results "
    "(JSON), a training, a model folder, a benchmark report, or a folder of these"
)
_DEPTH = 3
_MOST_JSON = 256 << 20


def find_sections(paths: Iterable[StrPath]) -> list[Section]:
    """The sections of everything that is named; of folders, of what is in them.

    Raises:
        SettingsError: when a path is nothing that tells how it was made.
        VPScienceError: when something is damaged.
    """
    tracks: list[Path] = []
    sections: list[Section] = []
    for given in paths:
        path = Path(given)
        before = len(tracks) + len(sections)
        if path.is_dir():
            _look_into(path, _DEPTH, tracks, sections)
        elif path.is_file():
            _take_file(path, tracks, sections, named=True)
        else:
            raise SettingsError(f"expected {_KNOWN}, found nothing at {path}: check the name")
        if len(tracks) + len(sections) == before:
            raise SettingsError(f"expected {_KNOWN}; found none of them in {path}: name what vp-science wrote")
    return [*track_sections(dict.fromkeys(tracks)), *sections]


def _look_into(folder: Path, depth: int, tracks: list[Path], sections: list[Section]) -> None:
    """A folder that is one thing, or what is in it."""
    read = _reader_of(folder)
    if read is not None:
        sections += read(folder)
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith((".partial", ".tmp", ".old")) or path.name == "cache":
            continue
        if path.is_dir() and not path.is_symlink() and depth:
            _look_into(path, depth - 1, tracks, sections)
        elif path.is_file():
            _take_file(path, tracks, sections, named=False)


def _reader_of(folder: Path) -> Callable[[Path], list[Section]] | None:
    """What reads a folder that is one thing as a whole."""
    if (folder / PROBE).is_file():
        return _read_probe
    if _is_run(folder / RUN):
        return _read_run
    if (folder / MODEL_CARD).is_file():
        return _read_model
    if (folder / EVALUATION).is_file():
        return lambda where: _read_evaluation(where / EVALUATION)
    if any(folder.glob(f"*{SUFFIX}")) or _has_probe_lines(folder / MANIFEST):
        return _read_annotation
    return None


def _take_file(path: Path, tracks: list[Path], sections: list[Section], *, named: bool) -> None:
    """A file; one that a user named must be something, one that lies in a folder may be anything."""
    if path.name.endswith(ENDINGS):
        tracks.append(path)
    elif path.suffix.lower() in (".h5", ".hdf5", ".nwb") or (named and h5py.is_hdf5(path)):
        _take_hdf5(path, tracks, sections)
    elif path.suffix.lower() == ".zip":
        sections += _read_probe(path)
    elif path.suffix.lower() == ".json":
        sections += _read_any_json(path, named=named)
    elif named and path.name in (MANIFEST, RUN, METRICS, PROBE, MODEL_CARD) and path.parent.is_dir():
        _look_into(path.absolute().parent, _DEPTH, tracks, sections)
    elif named and path.name == "model.safetensors":
        sections += _read_model(path.absolute().parent)


def _take_hdf5(path: Path, tracks: list[Path], sections: list[Section]) -> None:
    kind = _hdf5_kind(path)
    if kind == "track":
        tracks.append(path)
    elif kind == "map":
        from vp_science.reporting.facts.maps import map_sections

        sections += map_sections(path)
    elif kind == "index":
        from vp_science.reporting.facts.searches import index_sections

        sections += index_sections(path)
    elif kind == "ethogram":
        sections += _read_annotation(path)


def _hdf5_kind(path: Path) -> str | None:
    """By its own word; None for a recording that nothing was written into, or a file that does not open."""
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            stated = file.attrs.get("format")
            inside = isinstance(file.get(GROUP, getlink=True), h5py.HardLink)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return None
    return _FORMATS.get(stated) if isinstance(stated, str) and stated in _FORMATS else "ethogram" if inside else None


def _read_any_json(path: Path, *, named: bool) -> list[Section]:
    try:
        content: Any = read_json(path, _MOST_JSON)
    except SettingsError:
        if named:
            raise
        return []
    if not isinstance(content, dict):
        return []
    if content.get("format") == "vp_science.evaluation":
        return _read_evaluation(path)
    if {"benchmark", "metric", "value"} <= content.keys():
        from vp_science.reporting.facts.benchmarks import benchmark_sections

        return benchmark_sections(content)
    if {"query", "searched", "results"} <= content.keys():
        from vp_science.reporting.facts.searches import results_sections

        return results_sections(content)
    return _beside(path, content) if named else []


def _beside(path: Path, content: dict[str, Any]) -> list[Section]:
    """A card or report that stands for the folder it is in."""
    folder = path.absolute().parent
    if content.get("format") == "vp_science.probe":
        return _read_probe(folder)
    if content.get("format") == "vp_science.model":
        return _read_model(folder)
    return _read_annotation(folder) if {"probe", "recordings", "behaviors"} <= content.keys() else []


def _is_run(settings: Path) -> bool:
    """Whether a ``settings.toml`` is of a training: other programs have files of this name."""
    if not settings.is_file():
        return False
    with settings.open("rb") as file:
        return b"vp-science train " in file.readline(1 << 12)


def _has_probe_lines(manifest: Path) -> bool:
    """Whether the first line of a manifest is of a probe; those of ``embed`` name a model."""
    if not manifest.is_file():
        return False
    with manifest.open("rb") as file:
        line = file.readline(1 << 20)
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "probe" in record


def _read_probe(path: Path) -> list[Section]:
    from vp_science.reporting.facts.probes import probe_sections

    return probe_sections(path)


def _read_run(path: Path) -> list[Section]:
    from vp_science.reporting.facts.trainings import run_sections

    return run_sections(path)


def _read_model(path: Path) -> list[Section]:
    from vp_science.reporting.facts.trainings import model_sections

    return model_sections(path)


def _read_evaluation(path: Path) -> list[Section]:
    from vp_science.reporting.facts.evaluations import evaluation_sections

    return evaluation_sections(path)


def _read_annotation(path: Path) -> list[Section]:
    from vp_science.reporting.facts.annotation import annotation_sections

    return annotation_sections(path)
