import sys
from pathlib import Path

import pytest

# Test helpers beside the tests: pytest's importlib mode does not put their folder on the path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def encoder():
    """An encoder of random numbers, small enough to run hundreds of windows in a second."""
    from pipeline_tools import make_encoder

    return make_encoder()
