"""What all tests of the checkout share, in ``tests`` and ``plugins``: how numbers are computed, and examples drawn."""

import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Small models cost more to compile than to run; numbers are compared with golden ones as users compile them
# (``fully_optimized`` in tests/encoder).
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# Kernels by the plain emitters of XLA, a program in one piece: a fifth of the time to compile, slower to run.
# (tests/encoder/test_golden_as_users_compile.py goes without.)
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1")

# Several processes share the cores already: threads that wait for each other only burn time.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# What one process has compiled the others read: those of xdist, command lines, workers of the panel, killed jobs.
# A run begins with an empty folder and removes it.
_OWN_FOLDER = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _OWN_FOLDER = os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="vp-science-compiled-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

# A suite that everybody relies on gives the same answer twice, also where other work slows it down (examples have no
# deadline); HYPOTHESIS_PROFILE=explore looks for new examples.
settings.register_profile("suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    """Leave nothing behind."""
    if _OWN_FOLDER is not None:
        shutil.rmtree(_OWN_FOLDER, ignore_errors=True)
