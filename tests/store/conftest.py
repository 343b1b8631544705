import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def jobs() -> ModuleType:
    """The module ``jobs.py`` beside this file."""
    spec = importlib.util.spec_from_file_location("store_jobs", Path(__file__).with_name("jobs.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
