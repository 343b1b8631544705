"""The tests of the notebooks use the tool that strips them, as ``make format`` does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
