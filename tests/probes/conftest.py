import sys
from pathlib import Path

# Helpers beside the tests: pytest's importlib mode does not put their folder on the path.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "pipeline")]
