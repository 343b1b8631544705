"""The fastest that devices could multiply matrices: what a training is measured against (model FLOP utilisation)."""

import functools
import re
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

_TERA = 1e12
_MATRIX, _REPEATS = 1024, 5


class Peak(NamedTuple):
    """Operations per second of one device, dense (without structured sparsity).

    ``float32`` is of the ordinary units, because products here are exact float32 and not TF32; None where the vendor
    gives no figure.
    """

    pattern: str
    bfloat16: float | None
    float32: float | None


# From the vendors' data sheets, in teraflops; the first pattern found in the name of a device counts.
_PEAKS = (
    Peak(r"\bB200\b", 2250, None),
    Peak(r"\bH200 NVL\b", 835, 60),
    Peak(r"\b(H200|GH200)\b", 989, 67),
    Peak(r"\bH100 NVL\b", 835, 60),
    Peak(r"\bH100 PCIe\b", 756, 51),
    Peak(r"\bH100\b", 989, 67),
    Peak(r"\bA100\b", 312, 19.5),
    Peak(r"\bA40\b", 149.7, 37.4),
    Peak(r"\bA30\b", 165, 10.3),
    Peak(r"\bA10\b", 125, 31.2),
    Peak(r"\bL40S\b", 362, 91.6),
    Peak(r"\bL40\b", 181, 90.5),
    Peak(r"\bL4\b", 121, 30.3),
    Peak(r"\bV100\b", None, 15.7),
    Peak(r"\bT4\b", None, 8.1),
    Peak(r"\bRTX A6000\b", 154.8, 38.7),
    Peak(r"\bRTX 6000 Ada\b", 364, 91.1),
    Peak(r"\bRTX 3090\b(?! Ti)", 71, 35.6),
    Peak(r"\bRTX 4090\b(?! D)", 165, 82.6),
    Peak(r"\bTPU v2\b", 22.5, None),
    Peak(r"\bTPU v3\b", 61.5, None),
    Peak(r"\bTPU v4\b(?! lite)", 275, None),
    Peak(r"\bTPU (v5 lite|v5e)\b", 197, None),
    Peak(r"\bTPU v5p?\b", 459, None),
    Peak(r"\bTPU (v6 lite|v6e)\b", 918, None),
)


def find_peak(devices: list[Any], precision: str) -> tuple[float | None, str]:
    """Operations per second of all devices together, and where the figure comes from, in words.

    Args:
        devices: of all hosts.
        precision: operands of matrix products, ``bfloat16`` or ``float32``.

    Returns:
        None, and why, for devices that are not in the table.
    """
    kind, platform = devices[0].device_kind, devices[0].platform
    if platform == "cpu":
        # Devices of a process share its cores, so one measurement stands for all of them.
        hosts = len({device.process_index for device in devices})
        return hosts * measure_peak(precision), f"{precision} products of this CPU, measured"
    for entry in _PEAKS:
        if re.search(entry.pattern, kind):
            figure = entry.bfloat16 if precision == "bfloat16" else entry.float32
            if figure is None:
                return None, f"no share of the peak: no figure for {precision} on {kind}"
            return len(devices) * figure * _TERA, f"{figure:g} TFLOP/s ({precision}, {kind}, data sheet)"
    return None, f"no share of the peak: no figure for {kind}"


@functools.cache
def measure_peak(precision: str) -> float:
    """Operations per second of a large matrix product on this machine; takes a fraction of a second."""
    dtype = jnp.dtype(precision)
    x = jnp.ones((_MATRIX, _MATRIX), dtype)

    @jax.jit
    def product(x: jax.Array) -> jax.Array:
        return jax.lax.dot_general(x, x, (((1,), (0,)), ((), ())), preferred_element_type=jnp.float32)

    product(x).block_until_ready()
    seconds = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        product(x).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2 * _MATRIX**3 / min(seconds)
