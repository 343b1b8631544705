"""Results as cells of one JSON file: a finished cell is not computed again, and every cell says how it was made."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import jax

from vp_science.errors import SettingsError
from vp_science.files import write_atomically

RESULTS = Path(__file__).parent / "results"
FORMAT = "vp_science.proof"


class Cells:
    """The cells of one experiment.

    A cell has a key (which question it answers), inputs (everything that determines the answer: hashes of weights,
    settings) and figures. It counts as finished when key and inputs are the same; other inputs replace it.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = Path(path), what
        self.cells = [] if not self.path.exists() else read_cells(self.path, what)

    def get(self, key: Mapping, inputs: Mapping, make: Callable[[], Mapping]) -> dict:
        """The figures of a cell; computed and saved unless they are there."""
        key, inputs = plain(key), plain(inputs)
        for cell in self.cells:
            if cell["key"] == key and cell["inputs"] == inputs:
                print(f"{self.what}: {words(key)}: kept", flush=True)
                return cell["figures"]
        started = time.perf_counter()
        figures = plain(make())
        seconds = round(time.perf_counter() - started, 1)
        cell = {"key": key, "inputs": inputs, "figures": figures, "seconds": seconds, "made": machine()}
        self.cells = [other for other in self.cells if other["key"] != key] + [cell]
        self.save()
        print(f"{self.what}: {words(key)}: {seconds} s", flush=True)
        return figures

    def save(self) -> None:
        """Write the file, complete or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        record = {"format": FORMAT, "what": self.what, "cells": self.cells}
        text = json.dumps(record, indent=1, allow_nan=False) + "\n"
        write_atomically(self.path, lambda file: file.write(text.encode()))


def read_cells(path: Path, what: str) -> list[dict]:
    """The cells of a results file."""
    record = json.loads(Path(path).read_text("utf-8"))
    if record.get("format") != FORMAT or record.get("what") != what:
        raise SettingsError(f"{path}: expected results of {what}, found {record.get('what')!r}: give another --out")
    return record["cells"]


def plain(value):
    """As JSON knows it; what is not finite is null."""
    return json.loads(json.dumps(_finite(value), allow_nan=False, default=_number))


def _finite(value):
    if isinstance(value, Mapping):
        return {str(name): _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return _finite(value.tolist())
    return None if isinstance(value, float) and value != value else value


def _number(value):
    return str(value)


def words(key: Mapping) -> str:
    """A key in one line."""
    return ", ".join(f"{name} {value}" for name, value in key.items())


def machine() -> dict[str, str]:
    """What a figure was computed with."""
    device = jax.devices()[0]
    names = ("vp-science", "jax", "flax", "numpy", "scikit-learn")
    return {name: version(name) for name in names} | {"device": device.device_kind, "commit": _commit()}


def _commit() -> str:
    where = Path(__file__).parent
    try:
        found = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=where, capture_output=True, text=True)
    except FileNotFoundError:
        return "unknown"  # a machine that got the files without git
    return found.stdout.strip() or "unknown"
