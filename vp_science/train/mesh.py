"""Devices and hosts: who trains together, and how batches and parameters lie on them.

The devices form a grid of ``data`` rows and ``fsdp`` columns. A batch is cut over all of them. Parameters are cut over
the columns of a row and repeated in every row (fully sharded data parallel, Rajbhandari et al. 2020): a layer is put
together when it is used, so the memory for parameters, gradients and the optimiser falls with the columns.
"""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from vp_science.errors import SettingsError, TrainError
from vp_science.train.settings import HostSettings
from vp_science.train.stage import Batch

AnyMesh = Mesh | AbstractMesh

_AXES = ("data", "fsdp")
# Cutting an array costs a message per use: below this many numbers that is more than it saves.
_SMALL = 1 << 11
_MESSAGE_BYTES = 1 << 12


def start_hosts(settings: HostSettings) -> None:
    """Meet the other processes; must come before anything else uses jax. A second call does nothing.

    Raises:
        TrainError: when they do not come together.
    """
    if settings.coordinator == "none" or jax.distributed.is_initialized():
        return
    arguments: dict[str, Any] = {}
    if settings.coordinator != "auto":
        arguments = {
            "coordinator_address": settings.coordinator,
            "num_processes": settings.count,
            "process_id": settings.index,
        }
    try:
        jax.distributed.initialize(**arguments)
    except (RuntimeError, ValueError) as error:
        raise TrainError(
            f"hosts: expected to meet the other processes through {settings.coordinator!r}, found: {error}; "
            "give hosts.coordinator as address:port of the first one, hosts.count and hosts.index"
        ) from error


def this_host() -> tuple[int, int]:
    """Index of this process, and how many train together."""
    return jax.process_index(), jax.process_count()


def make_mesh(fsdp: int, devices: list[jax.Device] | None = None) -> Mesh:
    """All devices as a grid.

    Args:
        fsdp: devices over which parameters are cut; divides their number.
        devices: of all hosts, in order; None takes what jax sees.

    Raises:
        SettingsError: when the devices cannot be divided so.
    """
    devices = jax.devices() if devices is None else devices
    if len(devices) % fsdp:
        raise SettingsError(f"loop.fsdp: expected a divisor of the number of devices ({len(devices)}), found {fsdp}")
    grid = np.array(devices).reshape(len(devices) // fsdp, fsdp)
    return Mesh(grid, _AXES, axis_types=(AxisType.Auto, AxisType.Auto))


def check_batch(mesh: Mesh, batch_size: int, accumulation: int) -> None:
    """Raise where a batch cannot be cut evenly.

    Raises:
        SettingsError: naming the sizes.
    """
    parts = mesh.size * accumulation
    if batch_size % parts:
        raise SettingsError(
            f"loop.batch_size: expected a multiple of {parts} ({mesh.size} devices x {accumulation} pieces), "
            f"found {batch_size}"
        )


def parameter_sharding(mesh: AnyMesh, shape: tuple[int, ...]) -> NamedSharding:
    """How an array lies: cut along its largest axis that ``fsdp`` divides; small ones are repeated."""
    columns = mesh.shape["fsdp"]
    fitting = [size if size % columns == 0 else 0 for size in shape]
    if columns == 1 or int(np.prod(shape)) < _SMALL or not any(fitting):
        return _sharding(mesh)
    axis = int(np.argmax(fitting))
    return _sharding(mesh, *("fsdp" if i == axis else None for i in range(len(shape))))


def tree_shardings(mesh: AnyMesh, tree: Any) -> Any:
    """:func:`parameter_sharding` of every array of a tree (or of its shapes)."""
    return jax.tree.map(lambda leaf: parameter_sharding(mesh, tuple(leaf.shape)), tree)


def batch_sharding(mesh: Mesh, *, pieces: bool = False) -> NamedSharding:
    """How arrays of a batch lie: cut along their first axis; with ``pieces`` that axis comes second."""
    return _sharding(mesh, None, _AXES) if pieces else _sharding(mesh, _AXES)


def on_all(mesh: Mesh) -> NamedSharding:
    """How arrays lie that every device has whole."""
    return _sharding(mesh)


def place_tree(tree: Any, shardings: Any) -> Any:
    """Put a tree of arrays on the devices; what every host gives is the same, and stays its own."""

    def place(leaf: Any, sharding: NamedSharding) -> jax.Array:
        value = np.asarray(leaf)
        return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])

    placed = jax.tree.map(place, tree, shardings)
    # The buffers of a CPU may be the arrays given here; a copy may be donated.
    copied = jax.jit(lambda tree: jax.tree.map(jax.numpy.copy, tree), out_shardings=shardings)(placed)
    return copied


def place_batch(mesh: Mesh, batch: Batch) -> dict[str, jax.Array]:
    """Put the part of a batch that this host read on its devices.

    Together the parts of all hosts, in their order, are the batch.
    """
    sharding = batch_sharding(mesh)
    place = jax.make_array_from_process_local_data
    return {
        name: place(sharding, _canonical(np.asarray(array)))  # type: ignore[no-untyped-call]
        for name, array in batch.items()
    }


def abstract_array(shape: tuple[int, ...], dtype: Any, sharding: NamedSharding) -> jax.ShapeDtypeStruct:
    """Shape, type and sharding of an array that is not there."""
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)  # type: ignore[no-untyped-call]


def lay_out(tree: Any, shardings: Any) -> Any:
    """Inside of a compiled function: say how a tree shall lie on devices."""
    return jax.lax.with_sharding_constraint(tree, shardings)  # type: ignore[no-untyped-call]


def batch_shapes(mesh: Mesh, batch: Batch) -> dict[str, jax.ShapeDtypeStruct]:
    """What :func:`place_batch` would give, without giving it."""
    hosts, sharding = jax.process_count(), batch_sharding(mesh)
    local = {name: _canonical(np.asarray(array)) for name, array in batch.items()}
    return {
        name: abstract_array((hosts * len(array), *array.shape[1:]), array.dtype, sharding)
        for name, array in local.items()
    }


def _sharding(mesh: AnyMesh, *axes: Any) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec(*axes))  # type: ignore[no-untyped-call]


def _canonical(array: np.ndarray) -> np.ndarray:
    """Numbers of 64 bits become 32 wide, as in all of jax unless asked otherwise."""
    return array.astype(jax.dtypes.canonicalize_dtype(array.dtype), copy=False)


def place_flags(mesh: Mesh, value: int) -> jax.Array:
    """A number of this host on each of its devices."""
    flags = np.full(mesh.size, value, np.int32)
    return jax.make_array_from_callback(flags.shape, batch_sharding(mesh), lambda index: flags[index])


def fetch_tree(tree: Any) -> Any:
    """A tree of arrays on every host, as numpy, wherever its parts lie."""

    def fetch(leaf: Any) -> np.ndarray:
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))
        return np.asarray(leaf)

    return jax.tree.map(fetch, tree)


def gather_text(text: str) -> list[str]:
    """What every host says, in order of hosts."""
    if jax.process_count() == 1:
        return [text]
    content = text.encode()
    length = int(multihost_utils.process_allgather(np.array([len(content)], np.int32)).max())
    row = np.zeros(max(length, 1), np.uint8)
    row[: len(content)] = np.frombuffer(content, np.uint8)
    sizes = multihost_utils.process_allgather(np.array([len(content)], np.int32)).reshape(-1)
    rows = multihost_utils.process_allgather(row).reshape(jax.process_count(), -1)
    return [bytes(found[:size]).decode() for found, size in zip(rows, sizes, strict=True)]


def agree(error: Exception | None) -> None:
    """Raise on all hosts when one of them could not go on; otherwise the others would wait for it.

    Raises:
        Exception: the own one.
        TrainError: that of another host.
    """
    said = gather_text("" if error is None else str(error)[:_MESSAGE_BYTES])
    if error is not None:
        raise error
    for host, message in enumerate(said):
        if message:
            raise TrainError(f"host {host}: {message}")
