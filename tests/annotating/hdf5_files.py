"""HDF5 recordings of many makes, and the comparison of two of them without our group."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

KINDS: dict[str, tuple[dict[str, Any], int]] = {
    "old, few": ({}, 2),
    "old, the root node is full": ({}, 7),
    "old, the root node was split": ({}, 9),
    "latest, few": ({"libver": "latest"}, 2),
    "latest, full": ({"libver": "latest"}, 7),
    "latest, dense root": ({"libver": "latest"}, 12),
    "v108": ({"libver": ("v108", "v108")}, 4),
    "user block": ({"userblock_size": 1024}, 3),
    "free space kept": ({"fs_strategy": "fsm", "fs_persist": True}, 3),
    "pages": ({"fs_strategy": "page", "fs_persist": True}, 3),
}


def make_file(path: Path, kind: str = "old, few", num_frames: int = 12) -> Path:
    """A recording with everything that may stand in one."""
    options, extra = KINDS[kind]
    rng = np.random.default_rng(3)
    with h5py.File(path, "w", **options) as file:
        frames = rng.integers(0, 255, (num_frames, 24, 30), np.uint8)
        file.create_dataset("mask", data=frames, chunks=(1, 24, 30), compression="gzip", shuffle=True, fletcher32=True)
        file["mask"].attrs["expected_fps"] = 10
        file.create_dataset("timestamp/time", data=np.arange(num_frames) / 10)
        file["timestamp/time"].attrs["unit"] = "s"
        file.create_dataset("words", data=["eins", "zwölf" * 50], dtype=h5py.string_dtype())
        for number in range(extra):
            file[f"extra_{number}"] = np.arange(40 * (number + 1))
        scratch = file.create_group("scratch")
        scratch["x"] = np.arange(3000)
        file["again"] = file["mask"]
        file["soft"] = h5py.SoftLink("/mask")
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/x")
        file.attrs["lab"] = "Ümläut"
        if "userblock_size" in options:
            file.attrs["block"] = 1
    with h5py.File(path, "r+") as file:
        del file["scratch"]  # leaves a hole
    return path


def content(path: Path) -> dict[str, Any]:
    """Everything in a file but our group: links, attributes, and the bytes of the data as they are read."""
    found: dict[str, Any] = {}
    with h5py.File(path, "r", locking=False) as file:
        _describe(file, "", found)
    return found


def _describe(group: h5py.Group, prefix: str, found: dict[str, Any]) -> None:
    found[f"{prefix}/"] = {name: repr(value) for name, value in group.attrs.items()}
    for name in group:
        link, full = group.get(name, getlink=True), f"{prefix}/{name}"
        if full == "/vp_science":
            continue
        if not isinstance(link, h5py.HardLink):
            found[full] = (type(link).__name__, getattr(link, "filename", ""), link.path)
            continue
        item = group[name]
        if isinstance(item, h5py.Group):
            _describe(item, full, found)
            continue
        values = np.asarray(item[()])
        data = values.tobytes() if values.dtype.kind != "O" else repr(values.tolist())
        found[full] = (item.shape, str(item.dtype), {n: repr(v) for n, v in item.attrs.items()}, data)
