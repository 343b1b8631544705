import sys
from pathlib import Path

# Helpers beside these tests, and those of others: importlib mode does not put folders on the path.
sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parents[1] / name) for name in ("probes", "pipeline"))]
