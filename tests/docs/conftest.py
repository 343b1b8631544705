"""The guide's tests read its pages with ``guide_blocks`` and its tools from ``scripts``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
