"""napari's reader for recordings: videos, HDF5 and NWB files, TIFF stacks when asked for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HDF5_SUFFIXES = (".h5", ".hdf5", ".nwb", ".slp")
VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mov", ".mkv", ".webm", ".mts", ".m2ts", ".ts", ".wmv", ".asf", ".mpg", ".mpeg", ".m4v", ".h264",
    ".gif", ".seq",
)  # fmt: skip
TIFF_SUFFIXES = (".tif", ".tiff")
_HDF5_START = b"\x89HDF\r\n\x1a\n"
_NO_FRAMES = (".embeddings.h5", ".ethogram.h5", ".map.h5", ".search.h5")
"""Files of vp_science that hold no frames."""

LayerTuple = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[LayerTuple]]


def napari_get_reader(path: str | Sequence[str]) -> Reader | None:
    """The reader, where a path looks like a recording; None otherwise. Opens nothing but the first bytes of an HDF5."""
    paths = [path] if isinstance(path, str) else list(path)
    if not paths or not all(_looks_like_recording(Path(one)) for one in paths):
        return None
    return read


def _looks_like_recording(path: Path) -> bool:
    name = path.name.lower()
    if name.endswith(_NO_FRAMES):
        return False
    if name.endswith(HDF5_SUFFIXES):
        return _starts_like_hdf5(path)
    return name.endswith(VIDEO_SUFFIXES + TIFF_SUFFIXES)


def _starts_like_hdf5(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_HDF5_START)) == _HDF5_START
    except OSError:
        return False


def read(path: str | Sequence[str]) -> list[LayerTuple]:
    """One Image layer a recording. Returns at once; the layer shows grey until its recording is open."""
    from napari_vp_science.video.reading import recording_layer

    paths = [path] if isinstance(path, str) else list(path)
    return [recording_layer(Path(one)) for one in paths]
