import os
import sys
from pathlib import Path

import pytest

# The suite runs on two cores beside other work: one XLA client per process, no preallocation games.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Helpers beside the golden files: pytest's importlib mode does not put folders on the path.
sys.path.insert(0, str(Path(__file__).parent / "golden"))

SHARED = Path(__file__).resolve().parents[2] / "shared"


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
