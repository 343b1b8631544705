"""Which precision runs fastest on this machine without changing what embeddings mean."""

from pathlib import Path
from typing import Any, Literal

import jax

Precision = Literal["float32", "bfloat16"]

_CPUINFO = Path("/proc/cpuinfo")
_FAST_FLAGS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}


def choose_precision(device: jax.Device | None = None) -> tuple[Precision, str]:
    """The operand type of matrix products that suits a device; sums are float32 either way.

    bfloat16 where the hardware multiplies it natively: NVIDIA GPUs of compute capability 8.0 (Ampere) or newer, TPUs,
    and CPUs with AMX or AVX512-BF16 (there it ran 3-4 times faster than float32). float32 everywhere else.

    Args:
        device: where the encoder will run; None means jax's default device.

    Returns:
        The precision, and the reason in words to print.
    """
    return _choose(jax.devices()[0] if device is None else device)


def _choose(device: Any) -> tuple[Precision, str]:
    if device.platform == "tpu":
        return "bfloat16", f"bfloat16: {device.device_kind} multiplies it natively"
    if device.platform in {"gpu", "cuda"}:
        return _for_gpu(device.device_kind, str(getattr(device, "compute_capability", "unknown")))
    if device.platform == "cpu":
        return _for_cpu()
    return "float32", f"float32: nothing is known about bfloat16 on {device.device_kind} ({device.platform})"


def _for_gpu(kind: str, capability: str) -> tuple[Precision, str]:
    try:
        version = float(capability)
    except ValueError:
        return "float32", f"float32: {kind} reports compute capability {capability}, which is not a number"
    if version >= 8.0:
        return "bfloat16", f"bfloat16: {kind} has compute capability {capability}"
    return "float32", f"float32: {kind} has compute capability {capability}, bfloat16 needs 8.0"


def _for_cpu() -> tuple[Precision, str]:
    flags = read_cpu_flags()
    found = [name for flag, name in _FAST_FLAGS.items() if flag in flags]
    if found:
        return "bfloat16", f"bfloat16: this CPU has {' and '.join(found)}"
    return "float32", "float32: this CPU lists neither AMX nor AVX512-BF16"


def read_cpu_flags() -> frozenset[str]:
    """Instruction sets that Linux lists for the first CPU; empty on other systems."""
    try:
        with _CPUINFO.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()
