import sys
from pathlib import Path

import pytest

# The study in memory of the probe tests, and small videos: pytest's importlib mode does not put folders on the path.
sys.path.insert(0, str(Path(__file__).parents[1] / "probes"))
sys.path.insert(0, str(Path(__file__).parents[1] / "pictures"))
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def study():
    """Four recordings in which walk, groom, rear and nothing look different, and their labels."""
    import probe_study

    return probe_study.make_study(4, 240, noise=0.25)


@pytest.fixture(scope="session")
def small_map(study):
    """A map of frames without a layout of its own: the first two principal components, and k-means."""
    import map_study

    return map_study.pca_map(study[0])
