"""Small pose files, laid out as the tools write them."""

import pickle
from pathlib import Path

import h5py
import numpy as np

SCORER = "DLC_resnet50_mouseMay1shuffle1_100000"


def make_points(num_frames=12, num_animals=2, num_nodes=3, seed=0) -> np.ndarray:
    """[frames, animals, nodes, 2]"""
    return np.random.default_rng(seed).uniform(5, 60, (num_frames, num_animals, num_nodes, 2)).round(3)


def dlc_header(nodes, animals=(), coords=("x", "y", "likelihood")) -> list[tuple[str, ...]]:
    if animals:
        return [(SCORER, animal, node, coord) for animal in animals for node in nodes for coord in coords]
    return [(SCORER, node, coord) for node in nodes for coord in coords]


def dlc_values(xy: np.ndarray, score: np.ndarray) -> np.ndarray:
    return np.concatenate([xy, score[..., None]], axis=3).reshape(len(xy), -1)


def write_dlc_csv(path: Path, columns, values, frames=None) -> Path:
    frames = range(len(values)) if frames is None else frames
    names = ("scorer", "bodyparts", "coords") if len(columns[0]) == 3 else (
        "scorer", "individuals", "bodyparts", "coords"
    )  # fmt: skip
    lines = [",".join([name, *(column[level] for column in columns)]) for level, name in enumerate(names)]
    for frame, row in zip(frames, values, strict=True):
        lines.append(",".join([str(frame), *("" if np.isnan(value) else repr(float(value)) for value in row)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def write_dlc_table(path: Path, columns, values, labels: bytes | None = None) -> Path:
    """pandas' table format: one structured array, its column names pickled into an attribute (protocol 0)."""
    rows = np.zeros(len(values), [("index", "<i8"), ("values_block_0", "<f8", (len(columns),))])
    rows["index"], rows["values_block_0"] = np.arange(len(values)), values
    with h5py.File(path, "w") as file:
        table = file.create_dataset("df_with_missing/table", data=rows)
        pickled = pickle.dumps(list(columns), protocol=0) if labels is None else labels
        table.attrs["values_block_0_kind"] = np.bytes_(pickled)
    return path


def write_dlc_fixed(path: Path, columns, values) -> Path:
    """pandas' fixed format: levels and codes of the column names."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group["axis1"] = np.arange(len(values))
        group["block0_values"] = values
        for level, names in enumerate(zip(*columns, strict=True)):
            known = sorted(set(names))
            group[f"block0_items_level{level}"] = np.array([name.encode() for name in known])
            group[f"block0_items_label{level}"] = np.array([known.index(name) for name in names], np.int8)
    return path


def write_jabs(path: Path, xy: np.ndarray, confidence: np.ndarray, version: int, **fields) -> Path:
    """Points as y, x in uint16; version 2 has no axis of animals."""
    points = xy[..., ::-1].astype(np.uint16)
    with h5py.File(path, "w") as file:
        group = file.create_group("poseest")
        group.attrs["version"] = np.array([version, 0], np.uint16)
        group["points"] = points[:, 0] if version == 2 else points
        group["confidence"] = (confidence[:, 0] if version == 2 else confidence).astype(np.float32)
        for name, values in fields.items():
            group[name] = values
    return path


def cvat_box(frame, box, outside=0) -> str:
    left, top, right, bottom = box
    return (
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" xtl="{left}" ytl="{top}" xbr="{right}" '
        f'ybr="{bottom}" z_order="0"><attribute name="sex">f</attribute></box>'
    )


def cvat_xml(*tracks: str) -> str:
    head = "<version>1.1</version><meta><task><id>7</id><size>40</size></task></meta>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>{head}{"".join(tracks)}</annotations>\n'


def cvat_track(number, label, *boxes: str) -> str:
    return f'<track id="{number}" label="{label}" source="manual">{"".join(boxes)}</track>'
