"""What a training would take, before it is begun: parameters, memory per device, cost of a step. Writes nothing."""

import math
import time
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from vp_science.encoder.precision import choose_precision
from vp_science.train.memory import bytes_per_device, count_parameters
from vp_science.train.mesh import (
    abstract_array,
    batch_shapes,
    batch_sharding,
    check_batch,
    make_mesh,
    place_batch,
    place_flags,
    place_tree,
)
from vp_science.train.settings import RunSettings
from vp_science.train.speed import find_peak
from vp_science.train.stage import Batch, BatchStream, Stage
from vp_science.train.state import Training, make_training
from vp_science.typing import JSON

# A step that takes longer even at the peak of the devices is not tried out.
_LONGEST_S = 10.0


@dataclass(frozen=True)
class DryRun:
    """What a training would take.

    Attributes:
        stage: its name.
        devices: kind and number, in words.
        data_parallel: parts of a batch that have parameters of their own.
        fsdp: devices over which parameters are cut.
        trained: parameters.
        frozen: parameters that are only read.
        memory: bytes per device: ``parameters``, ``running mean``, ``optimizer``, ``frozen``, ``batch``,
            ``gradients``, and, where the compiler says it, ``activations`` (everything temporary beside gradients) and
            ``total``.
        capacity: bytes of a device; None where it does not say.
        steps: of the run.
        batch_size: clips of a step.
        flops: of a step.
        peak: operations per second of all devices; None where it is not known.
        peak_reason: in words.
        seconds: of a step, measured; None when it was not tried.
        reason: why it was not tried, or how it was measured.
        data: what the batches are, in words.
    """

    stage: str
    devices: str
    data_parallel: int
    fsdp: int
    trained: int
    frozen: int
    memory: dict[str, int]
    capacity: int | None
    steps: int
    batch_size: int
    flops: float
    peak: float | None
    peak_reason: str
    seconds: float | None
    reason: str
    data: list[str]

    @property
    def least_seconds(self) -> float | None:
        """Of a step at the peak of the devices: it will take longer."""
        return None if self.peak is None else self.flops / self.peak

    def to_json(self) -> dict[str, JSON]:
        """The same as JSON."""
        record: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return record | {"least_seconds": self.least_seconds}


def dry_run(stage: Stage, stream: BatchStream, settings: RunSettings) -> DryRun:
    """Compile a step, and make a few where that is quick; one batch is read, nothing is written.

    Args:
        stage: what would be optimised.
        stream: one batch is taken from it.
        settings: of the run.

    Raises:
        SettingsError: as the training itself would.
    """
    RunSettings.__post_init__(settings)
    mesh, loop = make_mesh(settings.loop.fsdp), settings.loop
    check_batch(mesh, loop.batch_size, 1 if stage.own_accumulation else loop.accumulation)
    params, frozen, batch = stage.init(), stage.frozen(), next(stream)
    training = make_training(stage, settings, mesh, params, frozen)
    memory = _count_memory(training, frozen, batch)
    devices = list(mesh.devices.flat)
    precision = choose_precision()[0] if loop.precision == "auto" else loop.precision
    peak, peak_reason = find_peak(devices, precision)
    flops = stage.flops_per_clip() * loop.batch_size
    capacity = _capacity(devices)
    reason = _why_not(memory, capacity, flops, peak)
    seconds = _measure(training, params, frozen, batch) if not reason else None
    return DryRun(
        stage=stage.name,
        devices=f"{len(devices)} x {devices[0].device_kind}",
        data_parallel=mesh.shape["data"],
        fsdp=mesh.shape["fsdp"],
        trained=count_parameters(params),
        frozen=count_parameters(frozen),
        memory=memory,
        capacity=capacity,
        steps=loop.steps,
        batch_size=loop.batch_size,
        flops=flops,
        peak=peak,
        peak_reason=peak_reason,
        seconds=seconds,
        reason=reason or "measured, the second of two steps",
        data=describe_batches(stream, batch),
    )


def describe_batches(stream: BatchStream, batch: Batch) -> list[str]:
    """The data in words: what the stream says of itself, and the arrays of a batch."""
    facts = getattr(stream, "description", {})
    sets = facts.get("data", []) if isinstance(facts, dict) else []
    lines = [", ".join(f"{name} {_words(value)}" for name, value in one.items()) for one in sets]
    arrays = [f"{name} {np.asarray(array).dtype} {list(np.shape(array))}" for name, array in batch.items()]
    return [*lines, f"a batch of this host: {', '.join(arrays)}"]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return f"({', '.join(f'{name} {_words(inner)}' for name, inner in value.items())})"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _count_memory(training: Training, frozen: Any, batch: Batch) -> dict[str, int]:
    abstract, shardings = training.abstract, training.shardings
    frozen_shapes = jax.eval_shape(lambda: frozen)
    placed = jax.tree.map(
        lambda leaf, sharding: abstract_array(leaf.shape, leaf.dtype, sharding),
        frozen_shapes,
        training.frozen_shardings,
    )
    shapes = batch_shapes(training.mesh, batch)
    flags = abstract_array((training.mesh.size,), np.int32, batch_sharding(training.mesh))
    memory = {
        "parameters": bytes_per_device(abstract["params"], shardings["params"]),
        "optimizer": bytes_per_device(abstract["opt"], shardings["opt"]),
        "running mean": bytes_per_device(abstract["mean"], shardings["mean"]) if "mean" in abstract else 0,
        "frozen": bytes_per_device(frozen_shapes, training.frozen_shardings),
        "batch": bytes_per_device(shapes, {name: batch_sharding(training.mesh) for name in shapes}),
        "gradients": bytes_per_device(abstract["params"], shardings["params"]),
    }
    compiled: Any = training.update
    analysis = compiled.lower(abstract, placed, shapes, flags).compile().memory_analysis()
    if analysis is not None:
        memory["activations"] = max(int(analysis.temp_size_in_bytes) - memory["gradients"], 0)
        memory["total"] = sum(memory.values())
    return memory


def _capacity(devices: list[jax.Device]) -> int | None:
    local = next((device for device in devices if device.process_index == jax.process_index()), devices[0])
    stats = local.memory_stats()
    limit = stats.get("bytes_limit") if stats else None
    return None if limit is None else int(limit)


def _why_not(memory: dict[str, int], capacity: int | None, flops: float, peak: float | None) -> str:
    """Why a step is not tried out; nothing where it is."""
    if capacity is not None and memory.get("total", 0) > capacity:
        return "not tried: it does not fit the memory of a device"
    if peak is not None and flops / peak > _LONGEST_S:
        return "not tried: it would take long"
    return ""


def _measure(training: Training, params: Any, frozen: Any, batch: Batch) -> float:
    """Seconds of the second step."""
    state = training.start(place_tree(params, training.shardings["params"]))
    fixed = place_tree(frozen, training.frozen_shardings)
    placed = place_batch(training.mesh, batch)
    flags = place_flags(training.mesh, 0)
    seconds = math.nan
    for _ in range(2):
        began = time.perf_counter()
        state, metrics = training.update(state, fixed, placed, flags)
        jax.device_get(metrics)
        seconds = time.perf_counter() - began
    return seconds
