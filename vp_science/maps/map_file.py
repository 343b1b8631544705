"""``map.h5``: a map on disk, all of it as arrays and JSON.

Layout, readable with any HDF5 library::

    /                    attrs: format, schema
    /record              (bytes)            uint8, JSON: recordings, cluster names and stability, provenance
    /coordinates         (point, 2)         float32
    /recording           (point)            int32, position in the list of recordings
    /start_s /stop_s     (point)            float64, seconds
    /cluster             (point)            int32, -1: none
    /strength            (point)            float32, 0 to 1
    /cluster_size /cluster_medoid           int64    (cluster)
    /cluster_seconds /cluster_stability     float64  (cluster)
    /pca_mean            (dim)              float32
    /pca_components      (component, dim)   float32
    /pca_explained       (component)        float32
    /fit_vectors         (fit, component)   float32, the points that the layout was made of
    /fit_coordinates     (fit, 2)           float32
    /fit_cluster /fit_strength              int32, float32  (fit)
    /control_vectors /control_coordinates   (control, component), (control, 2)   float32

Nothing depends on the clock: the same map gives the same bytes.
"""

import io
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from vp_science.errors import MapError, SettingsError
from vp_science.files import write_atomically
from vp_science.maps.map import CLUSTER_COLUMNS, Map
from vp_science.maps.model import MapModel
from vp_science.maps.projection import Projection
from vp_science.maps.settings import MapSettings
from vp_science.points import PointSettings
from vp_science.store.contained import contained_dataset
from vp_science.typing import StrPath

FORMAT = "vp_science.map"
SCHEMA = 1

_LAYOUT = {
    "record": (("byte",), "uint8"),
    "coordinates": (("point", 2), "float32"),
    "recording": (("point",), "int32"),
    "start_s": (("point",), "float64"),
    "stop_s": (("point",), "float64"),
    "cluster": (("point",), "int32"),
    "strength": (("point",), "float32"),
    "cluster_size": (("cluster",), "int64"),
    "cluster_seconds": (("cluster",), "float64"),
    "cluster_stability": (("cluster",), "float64"),
    "cluster_medoid": (("cluster",), "int64"),
    "pca_mean": (("dim",), "float32"),
    "pca_components": (("component", "dim"), "float32"),
    "pca_explained": (("component",), "float32"),
    "fit_vectors": (("fit", "component"), "float32"),
    "fit_coordinates": (("fit", 2), "float32"),
    "fit_cluster": (("fit",), "int32"),
    "fit_strength": (("fit",), "float32"),
    "control_vectors": (("control", "component"), "float32"),
    "control_coordinates": (("control", 2), "float32"),
}
_MAY_BE_NAN = ("cluster_stability",)
_CHUNK_BYTES = 256 << 10
_NAMES = ("recordings", "cluster_names", "provenance")


def save_map(made: Map, path: StrPath, *, overwrite: bool = False) -> Path:
    """Write a map to one HDF5 file (``.h5``); it is there completely or not at all.

    Args:
        made: the map.
        path: the file.
        overwrite: replace a file of this name.

    Raises:
        MapError: when the file exists, has another ending, or cannot be written.
    """
    where = Path(path)
    if where.suffix.lower() not in (".h5", ".hdf5"):
        raise MapError(f"expected a map to end in .h5, found {where.name!r}: write map.h5, for example")
    if where.exists() and not overwrite:
        raise MapError(f"expected no file at {where}, found one: choose another name, or overwrite it (--overwrite)")
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs["format"], file.attrs["schema"] = FORMAT, SCHEMA
        for name, array in _arrays(made).items():
            rows = max(1, _CHUNK_BYTES // max(1, array[:1].nbytes))
            chunks = (min(len(array), rows), *array.shape[1:]) if array.size else None
            file.create_dataset(name, data=array, chunks=chunks, fletcher32=chunks is not None)
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(where, lambda out: out.write(image.getbuffer()))
    except OSError as error:
        raise MapError(f"cannot write {where} ({error.strerror or error}): choose a folder with room") from error
    return where


def _arrays(made: Map) -> dict[str, np.ndarray]:
    record = {
        "recordings": list(made.recordings),
        "cluster_names": list(made.clusters["name"]),
        "provenance": made.provenance,
    }
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")
    model, projection = made.model, made.model.projection
    arrays = {
        "record": np.frombuffer(text, np.uint8),
        **{name: getattr(made, name) for name in ("coordinates", "recording", "start_s", "stop_s")},
        **{name: getattr(made, name) for name in ("cluster", "strength")},
        **{f"cluster_{name}": made.clusters[name].to_numpy() for name in CLUSTER_COLUMNS[1:]},
        **{f"pca_{name}": getattr(projection, name) for name in ("mean", "components", "explained")},
        **{f"fit_{name}": getattr(model, name) for name in ("vectors", "coordinates", "cluster", "strength")},
        **{name: getattr(model, name) for name in ("control_vectors", "control_coordinates")},
    }
    return {name: np.ascontiguousarray(arrays[name], dtype) for name, (_, dtype) in _LAYOUT.items()}


def open_map(path: StrPath) -> Map:
    """Read a map.

    Raises:
        MapError: when the file is missing, damaged, something else, of a newer format, or refers to other files.
    """
    where = Path(path)
    if not where.is_file():
        state = "something else" if where.exists() else "nothing"
        raise MapError(f"expected a map at {where}, found {state}: check the name, or make one (vp-science map make)")
    try:
        with h5py.File(where, "r") as file:
            _check_format(file, where)
            _check_sizes(file, where)
            arrays = {name: np.asarray(file[name][()]) for name in _LAYOUT}
        return _assembled(arrays, where)
    except MapError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, SettingsError) as error:
        raise _damaged(where, str(error)) from error


def _damaged(path: Path, reason: str) -> MapError:
    return MapError(
        f"expected {path} to be a complete map; it is damaged, cut short or something else ({reason}): make it again"
    )


def _check_format(file: h5py.File, path: Path) -> None:
    found, schema = file.attrs.get("format"), file.attrs.get("schema")
    if not isinstance(found, str) or found != FORMAT:
        raise MapError(f'expected format="{FORMAT}" in {path}, found {found!r}: give a map, not another HDF5 file')
    if not isinstance(schema, int | np.integer) or schema != SCHEMA:
        raise MapError(f"expected schema {SCHEMA} in {path}, found {schema!r}: upgrade vp-science to read it")


def _check_sizes(file: h5py.File, path: Path) -> None:
    """Refuse arrays that do not fit together, and those that do not lie in the file or claim more than is there."""
    lengths: dict[str, int] = {}
    for name, (axes, dtype) in _LAYOUT.items():
        shape = contained_dataset(file, name, len(axes), (dtype,), path, MapError, _damaged).shape
        for axis, length in zip(axes, shape, strict=True):
            expected = lengths.setdefault(axis, length) if isinstance(axis, str) else axis
            if length != expected:
                raise _damaged(path, f"/{name} has shape {shape}, the other arrays want {expected}")
    if min(lengths[axis] for axis in ("point", "fit", "component", "dim")) < 1:
        raise _damaged(path, "an array is empty")


def _assembled(arrays: dict[str, np.ndarray], path: Path) -> Map:
    try:
        record = json.loads(arrays["record"].tobytes().decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its record is not JSON: {error}") from error
    if not isinstance(record, dict) or set(record) != set(_NAMES):
        raise _damaged(path, f"its record is not an object of {', '.join(_NAMES)}")
    recordings, names, provenance = (record[name] for name in _NAMES)
    _check_values(arrays, recordings, names, path)
    _check_provenance(provenance, recordings, path)
    settings = MapSettings.from_json(provenance["map_settings"])
    projection = Projection(
        **{name: arrays[f"pca_{name}"] for name in ("mean", "components", "explained")},
        unit_length=settings.unit_length,
        center_recordings=settings.center_recordings,
    )
    model = MapModel(
        settings=settings,
        projection=projection,
        **{name: arrays[f"fit_{name}"] for name in ("vectors", "coordinates", "cluster", "strength")},
        **{name: arrays[name] for name in ("control_vectors", "control_coordinates")},
        versions={str(name): str(number) for name, number in provenance["versions"].items()},
    )
    columns = {name: arrays[f"cluster_{name}"] for name in CLUSTER_COLUMNS[1:]}
    table = pd.DataFrame({"name": pd.Series(names, dtype=object), **columns}, columns=list(CLUSTER_COLUMNS))
    table.index = pd.RangeIndex(len(names), name="cluster")
    return Map(
        **{name: arrays[name] for name in ("coordinates", "recording", "start_s", "stop_s", "cluster", "strength")},
        recordings=tuple(recordings),
        clusters=table,
        provenance=provenance,
        settings=PointSettings.from_json(provenance["point_settings"]),
        model=model,
    )


def _check_values(arrays: dict[str, np.ndarray], recordings: Any, names: Any, path: Path) -> None:
    for label, texts in (("recordings", recordings), ("cluster names", names)):
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise _damaged(path, f"its {label} are not a list of texts")
    if len(set(recordings)) != len(recordings) or len(names) != len(arrays["cluster_size"]):
        raise _damaged(path, "a recording is there twice, or clusters are not as many as names")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and name not in _MAY_BE_NAN and not np.isfinite(array).all():
            raise _damaged(path, f"/{name} holds numbers that are not finite")
    ranges = {
        "recording": (0, len(recordings)),
        "cluster": (-1, len(names)),
        "fit_cluster": (-1, len(names)),
        "cluster_medoid": (-1, len(arrays["cluster"])),
    }
    for name, (low, stop) in ranges.items():
        if arrays[name].size and not (low <= arrays[name].min() and arrays[name].max() < stop):
            raise _damaged(path, f"/{name} leaves the range from {low} to {stop - 1}")
    if (arrays["start_s"] > arrays["stop_s"]).any():
        raise _damaged(path, "a point ends before it begins")
    if not all(((arrays[name] >= 0) & (arrays[name] <= 1)).all() for name in ("strength", "fit_strength")):
        raise _damaged(path, "a strength leaves the range from 0 to 1")


def _check_provenance(provenance: Any, recordings: list[str], path: Path) -> None:
    """What the rest of the package reads from it."""
    objects = ("map_settings", "point_settings", "track_settings", "versions")
    kinds: dict[str, type] = {**dict.fromkeys(objects, dict), "tracks": list, "track_provenance": list}
    if not isinstance(provenance, dict) or any(not isinstance(provenance.get(key), kinds[key]) for key in kinds):
        raise _damaged(path, f"its provenance lacks one of {', '.join(kinds)}")
    tracks = provenance["tracks"]
    texts = ("recording", "of_recording", "subject", "target")
    whole = all(isinstance(track, dict) and all(isinstance(track.get(key), str) for key in texts) for track in tracks)
    if not whole or [track["recording"] for track in tracks] != recordings:
        raise _damaged(path, "its provenance does not say of which tracks it was made")
