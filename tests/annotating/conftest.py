import sys
from pathlib import Path

import pytest

# Helpers beside these tests, and those of the pipeline: importlib mode does not put folders on the path.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "pipeline")]


@pytest.fixture(scope="session")
def encoder():
    """An encoder of random numbers, small enough to run hundreds of windows in a second."""
    from pipeline_tools import make_encoder

    return make_encoder()
