"""Points: moments of many tracks as rows of one matrix, read in pieces. Maps and searches are made of them."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from vp_science.errors import SettingsError
from vp_science.probes.tracks import check_settings, track_settings
from vp_science.store.tables import EmbeddingTable
from vp_science.typing import JSON, JSONObject

_MAX_CONTEXT = 101
_BLOCK = 4096


class PointWarning(UserWarning):
    """Points that show something else than what is in the recording."""


@dataclass(frozen=True)
class PointSettings:
    """What a point is.

    Attributes:
        unit: ``"windows"``, the vectors of windows, or ``"frames"``, those of grid frames (the mean of their k x k).
            Frames also carry where they stand in their window, a pattern that repeats every ``stride`` frames;
            ``pool_s`` of whole strides averages it out.
        pool_s: averages consecutive spans of this many seconds; None leaves every window or frame a point.
        context: number of points, odd, whose vectors are stacked: those before, the point itself, those after. At the
            ends of a recording the first and last point are repeated.
        context_step_s: seconds between stacked points.
        speed: adds one number, how fast the embedding moves: the distance between the points just before and just
            after, divided by the seconds between them.
    """

    unit: Literal["windows", "frames"] = "windows"
    pool_s: int | float | None = None
    context: int = 1
    context_step_s: int | float = 0.5
    speed: bool = False

    def __post_init__(self) -> None:
        if self.unit not in ("windows", "frames"):
            raise SettingsError(f'unit: expected "windows" or "frames", found {self.unit!r}')
        for name, seconds in (("pool_s", self.pool_s), ("context_step_s", self.context_step_s)):
            if seconds is not None and not 0 < seconds < np.inf:
                raise SettingsError(f"{name}: expected seconds above 0, found {seconds}")
        if not (1 <= self.context <= _MAX_CONTEXT and self.context % 2):
            raise SettingsError(f"context: expected an odd number from 1 to {_MAX_CONTEXT}, found {self.context}")

    def to_json(self) -> dict[str, JSON]:
        """The settings as they are recorded."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: JSONObject) -> "PointSettings":
        """Read recorded settings; unknown or missing keys are errors.

        Raises:
            SettingsError: naming the keys, or the value that is out of range.
        """
        expected, found = {field.name for field in fields(cls)}, set(record)
        if expected != found:
            raise SettingsError(
                f"point settings: expected exactly {sorted(expected)}, missing {sorted(expected - found)}, unexpected "
                f"{sorted(found - expected)}"
            )
        return cls(**record)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _TrackPoints:
    """The points of one track: each averages the stored rows ``[first, stop)``.

    Attributes:
        first: row of ``window`` or ``track``.
        stop: one past the last row.
        start_s: begin of the moment.
        stop_s: its end.
    """

    first: Int64[np.ndarray, " point"]
    stop: Int64[np.ndarray, " point"]
    start_s: Float64[np.ndarray, " point"]
    stop_s: Float64[np.ndarray, " point"]

    def __len__(self) -> int:
        return len(self.first)


class Points:
    """Moments of many tracks; made by ``open_points``, readable while the tracks are open.

    Attributes:
        settings: what a point is.
        tracks: in the order that was given.
        recordings: ``recording_id`` of every track.
        recording: of every point, as a position in ``recordings``.
        start_s: begin of every point, in seconds on the clock of its recording.
        stop_s: its end.
        dim: numbers per point.
    """

    def __init__(self, tracks: Sequence[EmbeddingTable], settings: PointSettings) -> None:
        """Use ``open_points``."""
        self.settings = settings
        self.tracks = tuple(tracks)
        self.recordings = tuple(track.recording_id for track in tracks)
        self._parts = [_find_points(track, settings) for track in tracks]
        self._offset = np.cumsum([0, *map(len, self._parts)])
        self.recording: Int32[np.ndarray, " point"] = np.repeat(
            np.arange(len(tracks), dtype=np.int32), [len(part) for part in self._parts]
        )
        self.start_s: Float64[np.ndarray, " point"] = np.concatenate([part.start_s for part in self._parts])
        self.stop_s: Float64[np.ndarray, " point"] = np.concatenate([part.stop_s for part in self._parts])
        self.dim = self.tracks[0].dim * settings.context + settings.speed

    def __len__(self) -> int:
        return int(self._offset[-1])

    def read(self, rows: slice | Int64[np.ndarray, " n"] | Int32[np.ndarray, " n"]) -> Float32[np.ndarray, "n dim"]:
        """The vectors of some points, in the order that was asked for.

        Args:
            rows: a slice or positions, which may repeat.

        Raises:
            StoreError: when a track is closed or damaged.
        """
        wanted = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows, np.int64)
        unique, place = np.unique(wanted, return_inverse=True)
        vectors = np.empty((len(unique), self.dim), np.float32)
        track_of = np.searchsorted(self._offset, unique, side="right") - 1
        for track in np.unique(track_of):
            mine = np.flatnonzero(track_of == track)
            for block in np.split(mine, range(_BLOCK, len(mine), _BLOCK)):
                vectors[block] = self._read_track(int(track), unique[block] - self._offset[track])
        return vectors if np.array_equal(unique, wanted) else vectors[place]

    def chunks(self, size: int = 8192) -> Iterator[tuple[slice, Float32[np.ndarray, "n dim"]]]:
        """All points in order, at most ``size`` at a time."""
        for first in range(0, len(self), size):
            rows = slice(first, min(first + size, len(self)))
            yield rows, self.read(rows)

    def _read_track(self, track: int, rows: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, "n dim"]:
        """Vectors of sorted points of one track: stored rows are read once, in one piece where they lie close."""
        part = self._parts[track]
        neighbours = [_shifted(part, rows, shift * self.settings.context_step_s) for shift in self._shifts()]
        around = [np.maximum(rows - 1, 0), np.minimum(rows + 1, len(part) - 1)] if self.settings.speed else []
        needed, place = np.unique(np.concatenate([*neighbours, *around]), return_inverse=True)
        vectors = _means(_source(self.tracks[track], self.settings), part.first[needed], part.stop[needed])
        found = vectors[place].reshape(len(neighbours) + len(around), len(rows), -1)
        columns = list(found[: len(neighbours)])
        if around:
            middle = (part.start_s + part.stop_s) / 2
            seconds = np.maximum(middle[around[1]] - middle[around[0]], 1e-9)
            columns.append((np.linalg.norm(found[-1] - found[-2], axis=1) / seconds)[:, None])
        return np.concatenate(columns, axis=1, dtype=np.float32)

    def _shifts(self) -> range:
        half = self.settings.context // 2
        return range(-half, half + 1)


def open_points(tracks: Sequence[EmbeddingTable], settings: PointSettings | None = None) -> Points:
    """The points of tracks that were made in one way.

    Moments in which a followed animal was not seen are no points: nothing was shown there. Frames that are not pooled
    give a ``PointWarning`` where windows are more than one frame apart (see ``PointSettings.unit``).

    Args:
        tracks: open, at least one.
        settings: what a point is; None takes every window.

    Raises:
        ProbeError: when the tracks were made with different settings.
        SettingsError: when there is no track, or no point in any of them.
    """
    if not tracks:
        raise SettingsError("expected at least one track, found none: name embedding files")
    check_settings(track_settings(tracks[0].provenance), tracks, f"the track of {tracks[0].recording_id!r}")
    settings = settings or PointSettings()
    points = Points(tracks, settings)
    stride = tracks[0].provenance.stride
    if settings.unit == "frames" and settings.pool_s is None and stride > 1:
        warnings.warn(
            f"frames carry where they stand in their window, a pattern that repeats every {stride} frames and may part "
            "what belongs together: take windows, or pool spans of whole strides (pool_s, --pool)",
            PointWarning,
            stacklevel=2,
        )
    if not len(points):
        raise SettingsError(
            "expected moments in which the followed animal is seen, found none in these tracks: check the pose files"
        )
    return points


def _find_points(track: EmbeddingTable, settings: PointSettings) -> _TrackPoints:
    start, keep = track.time_s, track.present
    stop = np.append(start[1:], start[-1] + _last_frame_s(start)) if len(start) else start
    if settings.unit == "windows" and len(start):
        # Windows of a selected stretch may reach beyond it: only what lies in it has times.
        first = np.clip(track.window_start - track.first_grid, 0, len(start) - 1)
        last = np.clip(track.window_stop - 1 - track.first_grid, 0, len(start) - 1)
        before = np.concatenate([[0], np.cumsum(keep)])
        keep = 2 * (before[last + 1] - before[first]) > last + 1 - first  # most of what went in was the animal
        start, stop = start[first], stop[last]
    rows = np.flatnonzero(keep)
    if settings.pool_s is None:
        return _TrackPoints(rows, rows + 1, start[rows], stop[rows])
    return _pooled(rows, start, stop, float(settings.pool_s))


def _pooled(
    rows: Int64[np.ndarray, " row"],
    start_s: Float64[np.ndarray, " stored"],
    stop_s: Float64[np.ndarray, " stored"],
    pool_s: float,
) -> _TrackPoints:
    """Spans of ``pool_s`` from the first row on; a row belongs to the span in which its middle lies.

    A span holds stored rows without a gap: where an animal was not seen, it ends, and another point begins.
    """
    if not len(rows):
        return _TrackPoints(rows, rows, start_s[rows], stop_s[rows])
    middle = (start_s[rows] + stop_s[rows]) / 2
    span = np.floor((middle - start_s[0]) / pool_s).astype(np.int64)
    breaks = np.flatnonzero((np.diff(span) != 0) | (np.diff(rows) != 1)) + 1
    first = rows[np.concatenate([[0], breaks])]
    last = rows[np.concatenate([breaks - 1, [len(rows) - 1]])]
    edges = start_s[0] + span[np.concatenate([[0], breaks])] * pool_s
    begin = np.maximum(edges, start_s[first])
    return _TrackPoints(first, last + 1, begin, np.maximum(np.minimum(edges + pool_s, stop_s[last]), begin))


def _last_frame_s(time_s: Float64[np.ndarray, " grid"]) -> float:
    """Seconds that the last grid frame lasts, as far as the others tell."""
    return float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0


def _shifted(part: _TrackPoints, rows: Int64[np.ndarray, " n"], seconds: float) -> Int64[np.ndarray, " n"]:
    """For every point the one whose middle is nearest to ``seconds`` later."""
    if not seconds:
        return rows
    middle = (part.start_s + part.stop_s) / 2
    wanted = middle[rows] + seconds
    after = np.clip(np.searchsorted(middle, wanted), 1, max(len(middle) - 1, 1))
    after = np.minimum(after, len(middle) - 1)
    before = np.maximum(after - 1, 0)
    nearer: Bool[np.ndarray, " n"] = wanted - middle[before] <= middle[after] - wanted
    nearest: Int64[np.ndarray, " n"] = np.where(nearer, before, after)
    return nearest


def _source(track: EmbeddingTable, settings: PointSettings) -> Any:
    return track.window if settings.unit == "windows" else track.track


def _means(stored: Any, first: Int64[np.ndarray, " n"], stop: Int64[np.ndarray, " n"]) -> Float32[np.ndarray, "n dim"]:
    """The mean of the stored rows ``[first, stop)`` of every point; points are sorted."""
    means = np.empty((len(first), stored.shape[-1]), np.float32)
    begin = 0
    while begin < len(first):
        # One read for points that lie close together; far ones would drag everything between them into memory.
        end = begin + 1
        while end < len(first) and first[end] - stop[end - 1] < 64 and stop[end] - first[begin] <= _BLOCK:
            end += 1
        low, high = int(first[begin]), int(stop[end - 1])
        rows = _read_rows(stored, low, high)
        sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
        counts = (stop[begin:end] - first[begin:end])[:, None]
        if (counts == 1).all():
            means[begin:end] = rows[first[begin:end] - low]
        else:
            means[begin:end] = (sums[stop[begin:end] - low] - sums[first[begin:end] - low]) / counts
        begin = end
    return means


def _read_rows(stored: Any, low: int, high: int) -> Float32[np.ndarray, "n dim"]:
    rows: np.ndarray = np.asarray(stored[low:high], np.float32)
    return np.asarray(rows.mean(axis=1), np.float32) if rows.ndim == 3 else rows
