"""Columns, links and clocks of an NWB file, each checked before it is read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float64

from vp_science.annotations.text_tables import bad
from vp_science.timeline.ethogram import frame_edges

SUBJECT = ("subject", "subject_id", "individual", "animal")
_TARGET = ("target", "target_subject")
_SCORE = ("score", "confidence", "probability")
_MAX_ROWS = 50_000_000
_MAX_LINKS = 16


def inner(path: Path, group: h5py.Group, name: str, depth: int = 0) -> h5py.Group | h5py.Dataset | None:
    """What a name in a group leads to, as long as it stays in the file; None if there is nothing.

    Raises:
        AnnotationError: when a link leads to another file.
    """
    entry: h5py.Group | h5py.Dataset | None = group
    for part in name.strip("/").split("/"):
        if not isinstance(entry, h5py.Group) or depth > _MAX_LINKS:
            return None
        link = entry.get(part, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            fix = "copy what it links into the file"
            raise bad(path, "links within the file", f"one to {link.filename!r}", place=f"{group.name}/{part}", fix=fix)
        if isinstance(link, h5py.SoftLink):
            base = group.file if link.path.startswith("/") else entry
            entry = inner(path, base, link.path, depth + 1)
        else:
            entry = entry[part]
    return entry


@dataclass(frozen=True)
class Clock:
    """How times of the session become times of a recording.

    Attributes:
        recording: its id.
        frames_s: times of its frames on its own clock, where they are known.
        session_s: times of the frames on the clock of the session; the first and the end, if only a rate is known.
    """

    recording: str
    frames_s: Float64[np.ndarray, " frame"] | None
    session_s: Float64[np.ndarray, " time"] | None = None

    def seconds(self, time_s: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Times on the clock of the recording."""
        if self.session_s is None:
            return time_s
        first = 0.0 if self.frames_s is None else float(self.frames_s[0])
        if self.frames_s is None or len(self.frames_s) != len(self.session_s):
            return np.asarray(time_s - self.session_s[0] + first)
        # Frame by frame: the clock of the session and that of the file may drift apart.
        session, own = frame_edges(self.session_s), frame_edges(self.frames_s)
        outside = np.where(time_s < session[0], time_s - session[0] + own[0], time_s - session[-1] + own[-1])
        inside = (time_s >= session[0]) & (time_s <= session[-1])
        return np.asarray(np.where(inside, np.interp(time_s, session, own), outside))

    def whole(self, bouts: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
        """All of the recording, as far as anybody knows; None if nothing is known."""
        if self.frames_s is not None:
            edges = frame_edges(self.frames_s)
            return float(edges[0]), float(edges[-1])
        if self.session_s is not None and len(self.session_s) > 1:
            ends = self.seconds(self.session_s[[0, -1]])
            return float(ends[0]), float(ends[1])
        stop_s = max((bout["stop_s"] for bout in bouts), default=0.0)
        start_s = min((bout["start_s"] for bout in bouts), default=0.0)
        return (min(0.0, start_s), stop_s) if stop_s > 0 else None


class Columns:
    """Columns of a table, each checked before it is read."""

    def __init__(self, path: Path, table: h5py.Group) -> None:
        self.path, self.table = path, table

    def rows(
        self,
        clock: Clock,
        starts: Float64[np.ndarray, " start"],
        stops: Float64[np.ndarray, " stop"],
        labels: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of a bout table, without recording, kind and source."""
        count = len(starts)
        labels = self.texts("label") if labels is None else labels
        if not len(stops) == len(labels) == count:
            found = f"{count} starts, {len(stops)} stops and {len(labels)} labels"
            raise bad(self.path, "columns of one length", found, place=self.table.name)
        starts, stops = clock.seconds(starts), clock.seconds(stops)
        if len(wrong := np.flatnonzero(~np.isfinite(starts) | ~np.isfinite(stops) | (stops < starts))):
            row = int(wrong[0])
            found = f"{starts[row]} to {stops[row]} in row {row}"
            raise bad(self.path, "start_time before stop_time", found, place=self.table.name)
        scores = next(
            (self.numbers(name) for name in _SCORE if inner(self.path, self.table, name)), np.full(count, math.nan)
        )
        texts = {
            "subject": self.texts(SUBJECT, count),
            "target": self.texts(_TARGET, count),
            "modifiers": self.texts("modifiers", count),
            "comment": self.texts("comment", count),
        }
        return [
            {
                "behavior": labels[row],
                "start_s": float(starts[row]),
                "stop_s": float(stops[row]),
                "score": float(scores[row]),
                **{name: values[row] for name, values in texts.items()},
            }
            for row in range(count)
        ]

    def numbers(self, name: str) -> Float64[np.ndarray, " row"]:
        """A column of numbers.

        Raises:
            AnnotationError: when there is none.
        """
        values = self._read(name)
        if values is None or values.dtype.kind not in "iuf":
            found = "nothing" if values is None else str(values.dtype)
            raise bad(self.path, f"numbers in the column {name!r}", found, place=self.table.name)
        return values.astype(np.float64)

    def texts(self, names: str | Sequence[str], count: int | None = None) -> list[str]:
        """The first column of these names as text; ``count`` empty ones if there is none."""
        for name in [names] if isinstance(names, str) else names:
            values = self._read(name)
            if values is None:
                continue
            if values.dtype.kind not in "OSUiu" or self.table[name].attrs.get("neurodata_type") == "DynamicTableRegion":
                found = str(values.dtype) if values.dtype.kind not in "iu" else "references to another table"
                raise bad(self.path, f"text in the column {name!r}", found, place=self.table.name)
            if count is not None and len(values) != count:
                found = f"{len(values)} in {name!r}"
                raise bad(self.path, f"{count} rows in every column", found, place=self.table.name)
            return [text_of(value) for value in values]
        return [""] * (count or 0)

    def _read(self, name: str) -> np.ndarray | None:
        dataset = inner(self.path, self.table, name)
        if dataset is None:
            return None
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1 or dataset.external or dataset.is_virtual:
            raise bad(
                self.path,
                f"a column {name!r} of one value per row in the file",
                "something else",
                place=self.table.name,
            )
        if len(dataset) > _MAX_ROWS:
            raise bad(self.path, f"at most {_MAX_ROWS} rows", f"{len(dataset)} rows", place=self.table.name)
        return np.asarray(dataset[()])


def video_times(path: Path, video: h5py.Group) -> Float64[np.ndarray, " time"]:
    """Times of the frames of a video on the clock of the session; first and end when only the rate is known."""
    if inner(path, video, "timestamps") is not None:
        times = Columns(path, video).numbers("timestamps")
        if not len(times) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise bad(path, "increasing timestamps", "something else", place=video.name)
        return times
    start = inner(path, video, "starting_time")
    if not isinstance(start, h5py.Dataset) or start.shape != () or "rate" not in start.attrs:
        raise bad(path, "timestamps, or a starting_time with a rate", "neither", place=video.name)
    first, rate = float(start[()]), float(start.attrs["rate"])
    count = inner(path, video, "num_samples")
    if not isinstance(count, h5py.Dataset) or count.shape != () or not rate > 0:
        return np.array([first])
    return np.array([first, first + float(count[()]) / rate])


def text_of(value: object) -> str:
    """An attribute or cell as text; nothing is ""."""
    if value is None:
        return ""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def words(dataset: object) -> str:
    """All text of a small dataset."""
    return " ".join(list_of_words(dataset))


def list_of_words(dataset: object) -> list[str]:
    """The texts of a small dataset; anything else has none."""
    if (
        not isinstance(dataset, h5py.Dataset)
        or dataset.size is None
        or dataset.size > 10_000
        or dataset.dtype.kind not in "OSU"
    ):
        return []
    return [text_of(value) for value in np.asarray(dataset[()]).ravel()]


def to_session_id(recording: str) -> str:
    """The id of a recording without slashes, which archives refuse; nothing is lost."""
    return recording.replace("%", "%25").replace("/", "%2F")


def from_session_id(session_id: str) -> str:
    """The id of a recording that became a session id."""
    return session_id.replace("%2F", "/").replace("%25", "%")
