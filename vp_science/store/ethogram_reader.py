"""Reading annotated recordings: every claim of the file is checked before anything is allocated or believed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vp_science.errors import AnnotationError, StoreError
from vp_science.journal.log import refuse_unfinished
from vp_science.store.contained import contained_dataset, contained_member
from vp_science.store.ethogram import FORMAT, GROUP, SCHEMA, SUBJECTS, group_name
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram
from vp_science.typing import StrPath

_MAX_TEXT = 64 << 20


@dataclass(frozen=True)
class EthogramEntry:
    """One ethogram in a file.

    Attributes:
        probe_id: the probe that made it.
        recording: id of the recording.
        subject: whose behavior; "" for whole frames.
        target: to whom; "" for nobody in particular.
        behaviors: names, in the order of the columns.
        num_frames: frames of the recording.
        num_bouts: rows of the bout table.
        provenance: how it was made.
    """

    probe_id: str
    recording: str
    subject: str
    target: str
    behaviors: tuple[str, ...]
    num_frames: int
    num_bouts: int
    provenance: dict[str, Any]


def list_ethograms(path: StrPath) -> list[EthogramEntry]:
    """What an ``.ethogram.h5`` file, or an HDF5 recording that was annotated in place, holds.

    Returns:
        One entry per probe and animal, by name; empty when the file holds none.

    Raises:
        StoreError: when the file is missing, damaged or hostile.
    """
    with _opened(path) as (file, where):
        return [_entry(probe, group, where) for probe in _probes(file, where) for group in _animals(probe, where)]


def read_ethogram(
    path: StrPath, probe_id: str | None = None, subject: str | None = None, target: str | None = None
) -> Ethogram:
    """Read one ethogram: scores, states and times of every frame of a recording.

    Args:
        path: an ``.ethogram.h5`` file, or an HDF5 recording that was annotated in place.
        probe_id: which probe; None takes the only one.
        subject: whose behavior, "" for whole frames; None takes the only one.
        target: to whom; None takes the only one.

    Raises:
        StoreError: when there is none or more than one that fits (the message lists them), or the file is damaged.
    """
    with _opened(path) as (file, where):
        entries = [(probe, group) for probe in _probes(file, where) for group in _animals(probe, where)]
        wanted = {"probe_id": probe_id, "subject": subject, "target": target}
        found = [
            (probe, group)
            for probe, group in entries
            if all(value in (None, _names(probe, group, where)[name]) for name, value in wanted.items())
        ]
        if len(found) != 1:
            asked = ", ".join(f"{name}={value!r}" for name, value in wanted.items() if value is not None)
            held = [_names(probe, group, where) for probe, group in entries]
            listing = "; ".join(", ".join(f"{name}={value!r}" for name, value in each.items()) for each in held)
            raise StoreError(
                f"expected one ethogram{' with ' + asked if asked else ''} in {where}, found {len(found)}: choose "
                f"among {listing or 'none: annotate the recording first'}"
            )
        return _read(*found[0], where)


def find_provenance(path: StrPath, probe_id: str) -> dict[str, Any] | None:
    """How a probe's ethograms in a file were made; None when the file, or the probe in it, is not there.

    Raises:
        StoreError: when the file cannot be read.
    """
    if not os.path.lexists(path):
        return None
    with _opened(path) as (file, where):
        probes = [probe for probe in _probes(file, where) if _text(probe, "probe_id", where) == probe_id]
        if not probes:
            return None
        animals = _animals(probes[0], where)
        for group in animals:
            _entry(probes[0], group, where)
        return _json(probes[0], "provenance", where) if animals else None


@contextmanager
def _opened(path: StrPath) -> Iterator[tuple[h5py.File, Path]]:
    where = Path(path)
    refuse_unfinished(where)
    if not where.is_file():
        state = "something else" if where.exists() else "nothing"
        raise StoreError(f"expected an ethogram file at {where}, found {state}: check the name, or annotate first")
    try:
        with h5py.File(where, "r", locking="best-effort") as file:
            yield file, where
    except StoreError:
        raise
    except AnnotationError as error:
        raise _damaged(where, str(error)) from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
        raise _damaged(where, f"HDF5 says: {error}") from error


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"expected {path} to hold complete ethograms; it is damaged, cut short or something else ({reason}): annotate "
        "the recording again (--overwrite)"
    )


def _inside(group: h5py.Group, name: str, path: Path) -> Any:
    return contained_member(group, name, path, StoreError)


def _probes(file: h5py.File, path: Path) -> list[h5py.Group]:
    ours = _inside(file, GROUP, path)
    if not isinstance(ours, h5py.Group):
        return []
    members = [_inside(ours, name, path) for name in ours]
    groups = [member for member in members if isinstance(member, h5py.Group) and member.attrs.get("format") == FORMAT]
    for group in groups:
        schema = group.attrs.get("schema")
        if not isinstance(schema, int | np.integer) or schema != SCHEMA:
            raise StoreError(
                f"expected schema {SCHEMA} in {group.name} of {path}, found {schema!r}: upgrade vp-science"
            )
        if group.name.rpartition("/")[2] != group_name(_text(group, "probe_id", path)):
            raise _damaged(path, f"{group.name} says that it belongs to another probe")
    return groups


def _animals(probe: h5py.Group, path: Path) -> list[h5py.Group]:
    """The groups of one probe that hold states: itself, and one per animal."""
    groups = [probe] if "states" in probe else []
    subjects = _inside(probe, SUBJECTS, path)
    if isinstance(subjects, h5py.Group):
        groups += [member for member in (_inside(subjects, name, path) for name in subjects) if member is not None]
    if not groups or not all(isinstance(group, h5py.Group) for group in groups):
        raise _damaged(path, f"{probe.name} holds no ethogram")
    return groups


def _names(probe: h5py.Group, group: h5py.Group, path: Path) -> dict[str, str]:
    texts = {name: _text(group, name, path) for name in ("subject", "target")}
    return {"probe_id": _text(probe, "probe_id", path), **texts}


def _entry(probe: h5py.Group, group: h5py.Group, path: Path) -> EthogramEntry:
    states, _ = _states_and_scores(probe, group, path)
    bouts = _inside(group, "bouts", path)
    if not isinstance(bouts, h5py.Group):
        raise _damaged(path, f"{group.name}/bouts is missing")
    start = _dataset(bouts, "start_s", 1, "float64", path)
    return EthogramEntry(
        **_names(probe, group, path),
        recording=_text(probe, "recording_id", path),
        behaviors=_catalogue(probe, path).names,
        num_frames=int(states.shape[0]),
        num_bouts=int(start.shape[0]),
        provenance=_json(probe, "provenance", path),
    )


def _read(probe: h5py.Group, group: h5py.Group, path: Path) -> Ethogram:
    states, scores = _states_and_scores(probe, group, path)
    time_s = _dataset(probe, "time_s", 1, "float64", path)
    names = _names(probe, group, path)
    values = np.asarray(scores[()])
    if ((values < 0) | (values > 1)).any():
        raise _damaged(path, f"{scores.name} leaves the range from 0 to 1")
    return Ethogram(
        _catalogue(probe, path),
        np.asarray(time_s[()]),
        np.asarray(states[()]),
        values,
        _text(probe, "recording_id", path),
        names["subject"],
        names["target"],
        f"model:{names['probe_id']}",
    )


def _states_and_scores(probe: h5py.Group, group: h5py.Group, path: Path) -> tuple[h5py.Dataset, h5py.Dataset]:
    states = _dataset(group, "states", 2, "int8", path)
    scores = _dataset(group, "scores", 2, "float32", path)
    frames = _dataset(probe, "time_s", 1, "float64", path).shape[0]
    expected = (frames, len(_catalogue(probe, path)))
    for dataset in (states, scores):
        if dataset.shape != expected:
            raise _damaged(path, f"{dataset.name} has shape {dataset.shape}, times and behaviors want {expected}")
    return states, scores


def _dataset(group: h5py.Group, name: str, ndim: int, dtype: str, path: Path) -> h5py.Dataset:
    return contained_dataset(group, name, ndim, (dtype,), path, StoreError, _damaged)


def _catalogue(probe: h5py.Group, path: Path) -> Behaviors:
    return Behaviors.from_json(_json(probe, "catalogue", path))


def _json(group: h5py.Group, name: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(_text(group, name, path))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"the attribute {name} of {group.name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _damaged(path, f"the attribute {name} of {group.name} is not a JSON object")
    return value


def _text(group: h5py.Group, name: str, path: Path) -> str:
    value = group.attrs.get(name)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise _damaged(path, f"the attribute {name} of {group.name} is {str(value)[:80]!r} and not text")
    return value
