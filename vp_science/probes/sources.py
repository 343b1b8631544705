"""The recordings that tracks were made from: found by name, opened as they were, decoded on the grid of the track.

Baselines need them: how far raw pixels or an untrained encoder get can only be computed from the pixels.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vp_science.batch import find_inputs
from vp_science.errors import ProbeError, RecordingError
from vp_science.recordings import Recording
from vp_science.store.reader import Embeddings
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.names import listed, match_names
from vp_science.typing import StrPath
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

Recordings = StrPath | Recording | Iterable[StrPath | Recording]
"""A folder, a pattern, files, or open recordings."""

_FPS = "source_fps="
_SAME_S = 1e-6
_BRIGHTNESS = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue (ITU-R BT.601)."""


def find_sources(recordings: Recordings, tracks: Sequence[EmbeddingTable]) -> list[StrPath | Recording]:
    """For every track the recording it was made from, matched by name as labels are.

    Raises:
        ProbeError: listing the tracks whose recording is not among them.
        SettingsError: when a folder or pattern holds no recording.
    """
    single = isinstance(recordings, str | os.PathLike | Recording)
    given: list[Any] = [recordings] if single else list(recordings)  # type: ignore[arg-type]
    found: dict[str, StrPath | Recording] = {item.id: item for item in given if isinstance(item, Recording)}
    for item in find_inputs(entry for entry in given if not isinstance(entry, Recording)):
        found.setdefault(item.recording_id, item.path)
    names = match_names(list(found), [track.bout_recording for track in tracks])
    if missing := [track.bout_recording for track, name in zip(tracks, names, strict=True) if not name]:
        raise ProbeError(
            f"expected the recordings of all tracks, found none for {listed(missing)} (there are "
            f"{listed(list(found))}): give the folder that holds them (--recordings)"
        )
    return [found[name] for name in names]


def open_source(source: StrPath | Recording, track: EmbeddingTable) -> Recording:
    """Open the recording of a track as it was opened when the track was made: same frames, same clock.

    Raises:
        ProbeError: when it is another recording, or its times are not those of the track.
        RecordingError: when it cannot be read.
    """
    recording = source if isinstance(source, Recording) else _open_again(source, track)
    _check_same_recording(recording, track)
    return recording


def decode_grid(recording: Recording, track: EmbeddingTable, side: int) -> UInt8[np.ndarray, "grid pixels"]:
    """Every grid frame of a track as a small grey picture, cut as the encoder saw it.

    Args:
        recording: of the track.
        track: gives the frames and the region of interest.
        side: of the picture in pixels.
    """
    frames, row_of = np.unique(np.asarray(track.frame_index), return_inverse=True)
    pictures = np.empty((len(frames), side * side), np.uint8)
    for row, frame in enumerate(recording.decode(frames, preprocess_of(track, side))):
        pictures[row] = np.rint(frame.pixels @ _BRIGHTNESS).ravel()
    return pictures[row_of]


def preprocess_of(track: EmbeddingTable, side: int | None = None) -> Preprocess:
    """Region, fit and size that a track was made with; ``side`` replaces the size."""
    made = track.provenance.preprocess
    height, width = (made["height"], made["width"]) if side is None else (side, side)
    return Preprocess(height, width, made["fit"], tuple(made["crop"]) if made["crop"] else None)


def _open_again(source: StrPath, track: EmbeddingTable) -> Recording:
    options = reading_options(track)
    try:
        return open_recording(source, **options)
    except RecordingError:
        if "timestamps" not in options:
            raise
    # The times of the track do not fit. Then it is another recording, and the caller's check says so.
    return open_recording(source, **{name: value for name, value in options.items() if name != "timestamps"})


def reading_options(track: EmbeddingTable) -> dict[str, Any]:
    """The options of ``open_recording`` that the provenance of a track tells."""
    source = track.provenance.source
    options: dict[str, Any] = {"recording_id": track.recording_id}
    if source.get("backend") == "hdf5":
        options["dataset"] = source.get("dataset")
    if isinstance(values := source.get("value_range"), dict):
        options["value_range"] = (values["low"], values["high"])
    times = str(source.get("times", ""))
    if _FPS in times:
        options["source_fps"] = float(times.split(_FPS)[1])
    elif len(track) == track.num_frames and track.provenance.grid.get("sample_fps") is None:
        options["timestamps"] = np.asarray(track.time_s)  # every frame at its own time: the track holds them all
    return options


def _check_same_recording(recording: Recording, track: EmbeddingTable) -> None:
    same = recording.num_frames == track.num_frames
    if same:
        shown = recording.time_s[np.asarray(track.frame_index)]
        late = shown - np.asarray(track.time_s)
        # A grid time lies in the time of its frame; on a grid of every frame, at its beginning.
        every = track.provenance.grid.get("sample_fps") is None
        same = bool((np.abs(late) < _SAME_S).all() if every else (late < 2e-3).all())
    if same and isinstance(track, Embeddings):
        same = recording.path is None or recording.fingerprint().sha256 == track.recording.sha256
    if not same:
        raise ProbeError(
            f"expected the recording that the track of {track.recording_id!r} was made from, found another one at "
            f"{recording.path} ({recording.num_frames} frames, the track has {track.num_frames}; or other times or "
            "content): give the original recording"
        )
