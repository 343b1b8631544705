import sys
from pathlib import Path

# Test helpers beside the tests: pytest's importlib mode does not put their folder on the path.
sys.path.insert(0, str(Path(__file__).parent))
