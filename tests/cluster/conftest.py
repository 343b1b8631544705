import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HELPERS = [str(TESTS / name) for name in ("cluster", "annotating", "pipeline")]
# Helpers beside these tests and two others: pytest's importlib mode does not put folders on the path.
sys.path[:0] = HELPERS


class Watch:
    """Keeps what a run on a cluster tells."""

    def __init__(self) -> None:
        self.total, self.counts, self.lines = 0, [], []

    def begin(self, total: int) -> None:
        self.total = total

    def workers(self, count: int) -> None:
        self.counts.append(count)

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="session")
def marks(tmp_path_factory) -> Path:
    """Where tests say what happens to workers."""
    return tmp_path_factory.mktemp("marks")


@pytest.fixture(scope="session")
def client(marks):
    """Two workers on this machine, started once for all tests."""
    from sabotage import Sabotage

    from vp_science.cluster.local import local_client

    before = dict(os.environ)
    os.environ |= {"PYTHONPATH": os.pathsep.join(HELPERS), "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    try:
        with local_client(2, Watch()) as connected:
            connected.wait_for_workers(2, timeout=120)
            connected.register_plugin(Sabotage(marks))
            yield connected
    finally:
        os.environ.clear()
        os.environ |= before
