import sys
from pathlib import Path

import pytest

# Test helpers beside the tests, and those of the pipeline: pytest's importlib mode does not put folders on the path.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))


@pytest.fixture(scope="session")
def encoder():
    """An encoder of random numbers, small enough for a test."""
    from pipeline_tools import make_encoder

    return make_encoder()


@pytest.fixture(scope="session")
def downloads(tmp_path_factory):
    """One miniature download of every dataset; tests that change one copy it."""
    import downloads

    root = tmp_path_factory.mktemp("downloads")
    return {
        "calms21": downloads.make_calms21(root / "calms21"),
        "fly-vs-fly": downloads.make_fly(root / "fly"),
        "kabr": downloads.make_kabr(root / "kabr"),
        "crim13": downloads.make_crim13(root / "crim13"),
        "chimpact": downloads.make_chimpact(root / "chimpact"),
    }
