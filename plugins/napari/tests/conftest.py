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


@pytest.fixture(autouse=True, scope="session")
def _no_module_is_compiled_in_two_threads():
    """The library loads its modules when they are first used, and the tests check its types while they are compiled.

    With CPython 3.11.7 two threads that do so at once may get ``SystemError: AST constructor recursion depth
    mismatch``. Without these checks nothing is compiled that way.
    """
    import vp_science as vp

    for names in (vp, vp.sessions):
        for name in names.__all__:
            getattr(names, name)
