"""The benchmarks by name."""

import importlib
from typing import cast

from vp_science.bench.protocol import Dataset
from vp_science.errors import BenchError

NAMES = ("calms21", "fly-vs-fly", "kabr", "crim13", "chimpact")


def find_dataset(name: str) -> Dataset:
    """The benchmark of a name.

    Raises:
        BenchError: listing the names that there are.
    """
    if name not in NAMES:
        raise BenchError(f"expected one of the benchmarks {', '.join(NAMES)}, found {name!r}: choose one of them")
    module = importlib.import_module(f"vp_science.bench.{name.replace('-', '_')}")
    return cast(Dataset, module.DATASET)
