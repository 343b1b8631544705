import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("contrastive_on_devices.py")


@pytest.fixture(scope="module")
def found():
    # Compiling takes most of the time: programs that run once need no optimising.
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8 {quick}"
    run = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["plain", "cached"])
def test_eight_devices_compute_the_loss_and_gradient_of_one(found, name):
    assert found["devices"] == 8
    assert found[name]["loss"] < 1e-6
    assert found[name]["gradient"] < 1e-5


@pytest.mark.parametrize("name", ["plain", "cached"])
def test_nothing_but_vectors_and_captions_is_gathered(found, name):
    """16 clips of 16 numbers (12 pixels of a clip alone are more than that) and their captions of 5 pieces."""
    gathered = found[name]["gathered"]
    assert gathered
    largest = max(int(np.prod(shape)) for _, shape in gathered)
    assert largest <= 16 * 16
