"""Where the rows of a batch lie: over all devices, or whole on every one of them."""

import jax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Shaped

Mesh = jax.sharding.AbstractMesh


def mesh_of(array: Shaped[Array, "..."]) -> Mesh | None:
    """The devices over which an argument of a compiled function lies; None where it is one device."""
    mesh = jax.typeof(array).sharding.mesh
    return None if mesh.empty or mesh.size == 1 else mesh


def on_every_device(array: Shaped[Array, "..."], mesh: Mesh | None) -> Shaped[Array, "..."]:
    """The whole array on every device (an all-gather where it lay in parts)."""
    return _place(array, (), mesh)


def rows_over_devices(array: Shaped[Array, "..."], axis: int, mesh: Mesh | None) -> Shaped[Array, "..."]:
    """The array with one axis cut into as many parts as there are devices."""
    return array if mesh is None else _place(array, (*(None,) * axis, tuple(mesh.axis_names)), mesh)


def _place(array: Array, axes: tuple[tuple[str, ...] | None, ...], mesh: Mesh | None) -> Array:
    if mesh is None:
        return array
    sharding = NamedSharding(mesh, PartitionSpec(*axes))  # type: ignore[no-untyped-call]
    placed: Array = jax.lax.with_sharding_constraint(array, sharding)  # type: ignore[no-untyped-call]
    return placed
