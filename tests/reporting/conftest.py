import sys
from pathlib import Path

import pytest

# Helpers beside these tests and of their neighbors: pytest's importlib mode does not put folders on the path.
sys.path[:0] = [
    str(Path(__file__).parents[1] / name) for name in ("reporting", "probes", "pipeline", "maps", "annotating", "cli")
]


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A study as the package itself writes it: tracks, a probe, annotated recordings, a map, a search."""
    import methods_files

    return methods_files.write_real_study(tmp_path_factory.mktemp("study"))
