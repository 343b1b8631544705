"""Making an index of tracks: in memory, or once in a file that is used again as long as the tracks stay the same."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from vp_science.errors import SettingsError, StoreError
from vp_science.points import Points, PointSettings, open_points
from vp_science.search.index import IndexedRecording, SearchIndex, unit_rows
from vp_science.search.index_file import open_index, write_index
from vp_science.store.reader import Embeddings
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.intervals import total_s
from vp_science.timeline.names import listed
from vp_science.typing import StrPath

Progress = Callable[[int, int], None]
"""Told moments that are done, and all of them."""

MAX_MEMORY_BYTES = 8 << 30
_CHUNK = 8192


def build_index(
    tracks: Sequence[EmbeddingTable],
    path: StrPath | None = None,
    *,
    points: PointSettings | None = None,
    progress: Progress | None = None,
) -> SearchIndex:
    """Make the index of some tracks, or open the one that is there if it is of these tracks as they are now.

    Args:
        tracks: open, made with the same settings.
        path: the file; None keeps the index in memory. It is complete or not there, also after a kill.
        points: what a moment is; None takes that of an index that is there, or every window.
        progress: called now and then.

    Raises:
        ProbeError: when the tracks were made with different settings.
        SettingsError: when there is no track, two are of one recording, the points cannot be searched, the index does
            not fit into memory, or the one in the file holds other points or other recordings as well.
        StoreError: when a track is damaged, or the file is something else than an index, or cannot be written.
    """
    where = None if path is None else Path(path)
    before = open_index(where) if where is not None and where.exists() else None
    settings = points or (before.settings if before else PointSettings())
    if settings.speed:
        raise SettingsError(
            "expected points whose directions can be compared, found speed=True, which adds a number of another kind: "
            "leave it out to search"
        )
    chosen = open_points(tracks, settings)
    recordings = _describe(chosen)
    if before is not None:
        _check_replaceable(before, settings, recordings)
        if before.recordings == recordings:
            return before
    shape = (len(chosen), chosen.dim)
    provenance = tracks[0].provenance
    if where is None:
        _check_memory(chosen)
        rows = np.empty(shape, np.float32)
        small = _fill(rows, chosen, progress)
        return SearchIndex(rows=rows, recordings=recordings, settings=settings, provenance=provenance, **small)
    write_index(where, shape, settings, recordings, provenance, lambda rows: _fill(rows, chosen, progress))
    return open_index(where)


def _fill(rows: Any, points: Points, progress: Progress | None) -> dict[str, Any]:
    """Write the unit vectors (into an array in memory or on disk); the other arrays of the index."""
    sums = np.zeros((len(points.recordings), points.dim))
    for chunk, vectors in points.chunks(_CHUNK):
        _check_finite(vectors, points, chunk)
        rows[chunk] = unit = unit_rows(vectors)
        _add_up(sums, unit, points, chunk)
        if progress is not None:
            progress(chunk.stop // 2, len(points))
    mean = (sums.sum(axis=0) / len(points)).astype(np.float32)
    counts = np.bincount(points.recording, minlength=len(sums))
    recording_mean = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    norm, recording_norm = np.empty(len(points), np.float32), np.empty(len(points), np.float32)
    for begin in range(0, len(points), _CHUNK):
        chunk = slice(begin, min(begin + _CHUNK, len(points)))
        unit = rows[chunk]
        norm[chunk] = np.linalg.norm(unit - mean, axis=1)
        recording_norm[chunk] = np.linalg.norm(unit - recording_mean[points.recording[chunk]], axis=1)
        if progress is not None:
            progress((len(points) + chunk.stop) // 2, len(points))
    return {
        "recording": points.recording,
        "start_s": points.start_s,
        "stop_s": points.stop_s,
        "mean": mean,
        "recording_mean": recording_mean,
        "norm": norm,
        "recording_norm": recording_norm,
    }


def _add_up(
    sums: Float64[np.ndarray, "recording dim"], unit: Float32[np.ndarray, "n dim"], points: Points, chunk: slice
) -> None:
    """Add the rows of every recording in a chunk to its sum."""
    numbers = points.recording[chunk]
    begins = np.flatnonzero(np.diff(numbers, prepend=-1))
    sums[numbers[begins]] += np.add.reduceat(unit, begins, axis=0, dtype=np.float64)


def _describe(points: Points) -> tuple[IndexedRecording, ...]:
    """What is known of every track."""
    names = points.recordings
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SettingsError(f"expected one track per recording, found {twice!r} twice: give one of them")
    counts = np.bincount(points.recording, minlength=len(names))
    first = np.cumsum([0, *counts])
    return tuple(
        IndexedRecording(
            recording_id=track.recording_id,
            recording=track.bout_recording,
            subject=track.subject,
            target=track.target,
            num_points=int(counts[number]),
            seconds=total_s(np.column_stack([points.start_s, points.stop_s])[first[number] : first[number + 1]]),
            fingerprint=fingerprint(track),
        )
        for number, track in enumerate(points.tracks)
    )


def fingerprint(track: EmbeddingTable) -> str:
    """A hash that changes when a track does: how and of what it was made, its times, and a sample of its vectors."""
    made = track.provenance.to_json()
    del made["software"]
    record: dict[str, Any] = {"id": track.recording_id, "made": made, "shape": [*track.track.shape, len(track.window)]}
    if isinstance(track, Embeddings):
        record["recording"] = track.recording.sha256
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for times in (track.time_s, track.window_start, track.window_stop, track.present):
        digest.update(np.ascontiguousarray(times).tobytes())
    for vectors in (track.track, track.window):
        for row in sorted({0, len(vectors) // 2, len(vectors) - 1}) if len(vectors) else ():
            digest.update(np.ascontiguousarray(vectors[row]).tobytes())
    return digest.hexdigest()


def _check_replaceable(before: SearchIndex, settings: PointSettings, recordings: tuple[IndexedRecording, ...]) -> None:
    """Refuse to replace an index that holds something else than older versions of these tracks."""
    if before.settings != settings:
        raise SettingsError(
            f"expected {before.path} to be an index of {settings}, found {before.settings}: ask for the points it "
            "holds, or name another file (--index)"
        )
    given = {entry.recording_id for entry in recordings}
    if others := [entry.recording_id for entry in before.recordings if entry.recording_id not in given]:
        raise SettingsError(
            f"expected the tracks of all recordings in {before.path}, found none for {listed(others)}: name them too, "
            "name another file for these (--index), or delete it"
        )


def _check_finite(vectors: Float32[np.ndarray, "n dim"], points: Points, chunk: slice) -> None:
    wrong = ~np.isfinite(vectors).all(axis=1)
    if wrong.any():
        name = points.recordings[points.recording[chunk][int(np.argmax(wrong))]]
        raise StoreError(f"expected numbers in the track of {name!r}, found others: embed the recording again")


def _check_memory(points: Points) -> None:
    num_bytes = 4 * len(points) * points.dim
    if num_bytes > MAX_MEMORY_BYTES:
        raise SettingsError(
            f"{len(points)} moments of {points.dim} numbers take {num_bytes / 2**30:.1f} GiB: expected at most "
            f"{MAX_MEMORY_BYTES >> 30} GiB in memory; name a file for the index (--index), which is read in pieces"
        )
