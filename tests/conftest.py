import os
import sys
from pathlib import Path

import pytest

# Helpers beside the golden files: pytest's importlib mode does not put folders on the path.
sys.path.insert(0, str(Path(__file__).parent / "golden"))

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_configure(config):
    # Many small studies here are made of frames; tests/points shows that the warning comes.
    config.addinivalue_line("filterwarnings", "ignore:frames carry where they stand in their window:UserWarning")


@pytest.fixture(scope="session")
def footage() -> Path:
    """The real recordings beside the checkout; in CI their absence is a failure."""
    folder = SHARED / "footage"
    if not folder.is_dir():
        message = f"real footage expected at {folder}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
