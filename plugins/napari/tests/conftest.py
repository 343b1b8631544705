"""What all tests of the panel share: nobody's own settings are read or changed, and Qt is the binding that CI has."""

import os
import sys
from pathlib import Path

import pytest

# Helpers beside the tests: pytest's importlib mode does not put folders on the path.
sys.path.insert(0, str(Path(__file__).parent))

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("VP_SCIENCE_CONFIG", str(tmp_path_factory.mktemp("config")))
