"""The golden vectors once more, compiled as users compile; the rest of the suite compiles quickly instead."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_golden_vectors_as_users_compile():
    cases = ["test_golden.py::test_first_set[case0]", "test_golden_video_text.py::test_first_set_of_videos"]
    as_users = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "0", "XLA_FLAGS": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    command += [str(HERE / case) for case in cases]
    found = subprocess.run(command, env=os.environ | as_users, capture_output=True, text=True, timeout=280)
    assert found.returncode == 0, found.stdout[-3000:]
    assert " passed" in found.stdout
