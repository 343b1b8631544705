"""Probe bundles: a folder or a zip with ``probe.json`` (what it is) and ``weights.npz`` (what it learned)."""

import io
import json
import math
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.errors import ProbeError, VPScienceError
from vp_science.files import sync_folder, write_atomically
from vp_science.probes.objective import Objective
from vp_science.probes.probe import Probe, restore
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.postprocess import PostProcess
from vp_science.typing import StrPath

FORMAT, SCHEMA = "vp_science.probe", 1
CARD, WEIGHTS = "probe.json", "weights.npz"
_MAX_CARD, _MAX_WEIGHTS = 64 << 20, 8 << 30
_ZIP64_BYTES = 1 << 31


def save_probe(probe: Probe, path: StrPath, *, overwrite: bool = False) -> Path:
    """Write a fitted probe.

    Args:
        probe: what to write.
        path: a folder, or a file that ends in ``.zip``.
        overwrite: replace what is there, if it is a probe bundle.

    Returns:
        The path. The same probe gives the same bytes, in any process.

    Raises:
        ProbeError: when the probe is not fitted, something is there already, or it cannot be written.
    """
    where = Path(path)
    card = (json.dumps(describe(probe), ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()
    arrays = probe.head_.to_arrays()
    if where.exists() and not overwrite:
        raise ProbeError(f"expected nothing at {where}, found a file or folder: choose another name, or overwrite it")
    if where.exists():
        load_probe(where)  # only a bundle is replaced by a bundle
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        if where.suffix.lower() == ".zip":
            write_atomically(where, lambda file: _write_zip(file, card, arrays))
        else:
            _write_folder(where, card, arrays)
        sync_folder(where.parent)
    except OSError as error:
        raise ProbeError(f"cannot write {where} ({error.strerror or error}): choose a folder with room") from error
    return where


def describe(probe: Probe) -> dict[str, Any]:
    """The content of ``probe.json``: the model card, and everything but the weights that predictions need."""
    objective, own = probe.objective_, probe.head_.facts()
    parameters = probe.get_params()
    if isinstance(parameters["postprocess"], PostProcess):
        parameters["postprocess"] = None  # what it became stands in "postprocess"
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "id": probe.id,
        "parameters": {name: list(v) if isinstance(v, tuple) else v for name, v in parameters.items()},
        "behaviors": probe.behaviors_.to_json(),
        "objective": {
            "exclusive": objective.exclusive,
            "background": objective.background,
            "frequency": [float(value) for value in objective.frequency],
            "weights": [float(value) for value in objective.weights],
        },
        "thresholds": [float(value) for value in probe.thresholds_],
        "postprocess": probe.postprocess_.to_json(),
        "tracks": probe.track_settings_,
        **({"model": own} if own else {}),
        "training": probe.training_,
        "evaluation": probe.evaluation_,
    }


def load_probe(path: StrPath) -> Probe:
    """Read a bundle.

    Args:
        path: the folder or zip.

    Raises:
        ProbeError: when it is missing, damaged, of a newer format, or not a probe bundle.
    """
    where = Path(path)
    with _open_members(where) as (card_file, weights_file):
        try:
            card = json.loads(card_file.read(_MAX_CARD))
        except (ValueError, RecursionError) as error:
            raise _damaged(where, f"{CARD} is not JSON: {error}") from error
        if not isinstance(card, dict) or card.get("format") != FORMAT:
            raise ProbeError(f"expected a probe bundle at {where}, found something else: give what probe train wrote")
        if card.get("schema") != SCHEMA:
            raise ProbeError(f"expected schema {SCHEMA} in {where}, found {card.get('schema')!r}: upgrade vp-science")
        arrays = _load_npz(weights_file, where)
    try:
        probe = _restore(card, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, VPScienceError) as error:
        why = str(error) if isinstance(error, VPScienceError) else f"{type(error).__name__}: {error}"
        raise _damaged(where, why) from error
    if probe.id != card["id"]:
        raise _damaged(where, f"its id is {card['id']}, its content gives {probe.id}")
    return probe


def read_card(path: StrPath) -> dict[str, Any]:
    """The model card of a bundle (``probe.json``), after checking that the bundle loads."""
    probe = load_probe(path)
    return describe(probe)


def _restore(card: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Probe:
    behaviors = Behaviors.from_json(card["behaviors"])
    parameters = dict(card["parameters"])
    objective = Objective(
        bool(card["objective"]["exclusive"]),
        len(behaviors),
        bool(card["objective"]["background"]),
        np.array(card["objective"]["frequency"], np.float32),
        np.array(card["objective"]["weights"], np.float32),
        parameters["loss"],
        float(parameters["label_smoothing"]),
    )
    thresholds = np.array(card["thresholds"], np.float32)
    if thresholds.shape != (len(behaviors),) or not np.isfinite(thresholds).all():
        raise ValueError(f"expected {len(behaviors)} thresholds, found {card['thresholds']!r}")
    classes = len(behaviors) + (objective.exclusive and objective.background)
    if objective.weights.shape != (classes,):
        raise ValueError(f"expected {classes} class weights, found {objective.weights.shape}")
    facts = {name: card[name] for name in ("tracks", "training", "evaluation")} | {"model": card.get("model")}
    return restore(
        parameters, behaviors, objective, thresholds, PostProcess.from_json(card["postprocess"]), facts, arrays
    )


def _damaged(path: Path, reason: str) -> ProbeError:
    return ProbeError(
        f"expected {path} to be a complete probe bundle; it is damaged ({reason}): train or copy it again"
    )


def _write_npz(file: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Arrays one after the other, so that no second copy of all of them is held."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in sorted(arrays.items()):
            with archive.open(_entry(f"{name}.npy"), "w", force_zip64=array.nbytes > _ZIP64_BYTES) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def _write_zip(file: Any, card: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    with tempfile.TemporaryFile() as weights:
        _write_npz(weights, arrays)
        size = weights.tell()
        weights.seek(0)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_entry(CARD), card)
            with archive.open(_entry(WEIGHTS), "w", force_zip64=size > _ZIP64_BYTES) as member:
                shutil.copyfileobj(weights, member)


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without a date, so that equal content gives equal bytes."""
    return zipfile.ZipInfo(name)


def _write_folder(path: Path, card: bytes, arrays: Mapping[str, np.ndarray]) -> None:
    """Write beside the final name, then rename; an older bundle goes only after the new one is in place."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    old = fresh.with_suffix(".old")
    try:
        for name in (CARD, WEIGHTS):
            with (fresh / name).open("xb") as file:
                if name == CARD:
                    file.write(card)
                else:
                    _write_npz(file, arrays)
                file.flush()
                os.fsync(file.fileno())
        fresh.chmod(0o755)
        if path.exists():
            path.rename(old)
        fresh.rename(path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _open_members(path: Path) -> Iterator[tuple[Any, Any]]:
    """The card and the weights of a bundle, open; neither is larger than it may be."""
    limits = {CARD: _MAX_CARD, WEIGHTS: _MAX_WEIGHTS}
    with ExitStack() as stack:
        try:
            if path.is_dir():
                sizes = {name: (path / name).stat().st_size for name in limits}
                files: list[Any] = [stack.enter_context((path / name).open("rb")) for name in limits]
            else:
                archive = stack.enter_context(zipfile.ZipFile(path))
                sizes = {name: archive.getinfo(name).file_size for name in limits}
                files = [stack.enter_context(archive.open(name)) for name in limits]
        except FileNotFoundError as error:
            raise ProbeError(
                f"expected a probe bundle at {path}, found no {Path(error.filename or path).name}: check the name"
            ) from error
        except (OSError, zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError) as error:
            raise ProbeError(
                f"expected a probe bundle (folder or zip) at {path}, found something else ({error})"
            ) from error
        for name, limit in limits.items():
            if sizes[name] > limit:
                raise _damaged(path, f"{name} has {sizes[name]} bytes")
        try:
            yield files[0], files[1]
        except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise _damaged(path, str(error)) from error


def _load_npz(file: Any, path: Path) -> dict[str, np.ndarray]:
    """Arrays of numbers. Every header is compared with the bytes that are there before anything is made of it."""
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MAX_WEIGHTS:
                raise _damaged(path, "its weights unpack to an absurd size")
            return {name.removesuffix(".npy"): _array(archive.read(name)) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, NotImplementedError) as error:
        raise _damaged(path, f"{WEIGHTS}: {error}") from error


def _array(content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array is not in npy format 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    start, stored = file.tell(), len(content) - file.tell()
    if dtype.kind not in "fiu" or fortran or math.prod(shape) * dtype.itemsize != stored:
        raise ValueError(f"an array claims shape {shape} of {dtype} and has {stored} bytes")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).copy()
