"""The matrix that is searched: a unit vector per moment, and what tells what is special about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from vp_science.errors import AnnotationError, SettingsError, StoreError
from vp_science.points import PointSettings
from vp_science.search.query import Example, format_seconds
from vp_science.store.provenance import Provenance
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.names import listed, match_names

Common = Literal["all", "recording", "none"]
"""What is subtracted from every vector before directions are compared: the mean over everything that is searched, the
mean of its recording, or nothing."""

COMMONS = ("all", "recording", "none")
BLOCK = 65536
"""Rows that are multiplied at once: measured as fast as one product of everything (benchmarks/search.py)."""

_TINY = 1e-6
"""Rows that differ from what is common by less than this differ by rounding only: they have no direction."""


@dataclass(frozen=True)
class IndexedRecording:
    """One track in an index.

    Attributes:
        recording_id: of the track; ``<recording>@<animal>`` for a followed animal.
        recording: as bouts name it.
        subject: the followed animal; "" for whole frames.
        target: the other animal of a pair; "" otherwise.
        num_points: moments of it.
        seconds: time that these cover.
        fingerprint: tells whether the track has changed.
    """

    recording_id: str
    recording: str
    subject: str
    target: str
    num_points: int
    seconds: float
    fingerprint: str


@dataclass(frozen=True, eq=False)
class SearchIndex:
    """Moments of many tracks as unit vectors; made by ``build_index`` or ``open_index``.

    Attributes:
        rows: one unit vector per moment, recording by recording in order of time; in memory, or mapped from a file.
        recording: of every moment, as a position in ``recordings``.
        start_s: begin of every moment, in seconds on the clock of its recording.
        stop_s: its end.
        recordings: the tracks.
        mean: of all rows.
        recording_mean: of the rows of every recording.
        norm: length of every row after ``mean`` was subtracted.
        recording_norm: length of every row after the mean of its recording was subtracted.
        settings: what a moment is.
        provenance: how the first track was made; the others were made in the same way.
        path: the file; None for an index in memory.
    """

    rows: Float32[np.ndarray, "point dim"]
    recording: Int32[np.ndarray, " point"]
    start_s: Float64[np.ndarray, " point"]
    stop_s: Float64[np.ndarray, " point"]
    recordings: tuple[IndexedRecording, ...]
    mean: Float32[np.ndarray, " dim"]
    recording_mean: Float32[np.ndarray, "recording dim"]
    norm: Float32[np.ndarray, " point"]
    recording_norm: Float32[np.ndarray, " point"]
    settings: PointSettings
    provenance: Provenance
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.recording)

    @property
    def dim(self) -> int:
        """Numbers per moment."""
        return int(self.rows.shape[1])

    @property
    def seconds(self) -> float:
        """Time that the moments cover."""
        return sum(entry.seconds for entry in self.recordings)

    @property
    def model(self) -> str:
        """Name of the model of the tracks."""
        return self.provenance.model

    @property
    def untrained(self) -> bool:
        """Whether the tracks were made with random weights."""
        return self.provenance.untrained

    @property
    def contrastive(self) -> bool:
        """Whether texts can be compared with the rows: windows of a video-text model, each as it is or averaged."""
        return self.settings.unit == "windows" and self.settings.context == 1 and self.empty_track().contrastive

    def empty_track(self) -> EmbeddingTable:
        """A track of no time that was made as these were: what finds their model without opening them."""
        nothing = np.zeros(0, np.int64)
        return EmbeddingTable(
            recording_id=self.recordings[0].recording_id,
            num_frames=0,
            provenance=self.provenance,
            first_grid=0,
            track=np.zeros((0, 1, self.dim), np.float32),
            window=np.zeros((0, self.dim), np.float32),
            time_s=np.zeros(0),
            frame_index=nothing,
            shown_index=nothing,
            damaged_frames=nothing,
            window_start=nothing,
            window_stop=nothing,
        )

    @cached_property
    def first(self) -> Int64[np.ndarray, " recordings_and_one"]:
        """First moment of every recording, and one past the last."""
        return np.cumsum([0, *(entry.num_points for entry in self.recordings)]).astype(np.int64)

    @cached_property
    def median_length_s(self) -> float:
        """How long a moment is."""
        return float(np.median(self.stop_s - self.start_s))

    def project(self, directions: Float32[np.ndarray, "n dim"], common: Common) -> Float32[np.ndarray, "n point"]:
        """The cosine between every direction and every moment, after the common part was subtracted from the moment.

        Args:
            directions: of length 1.
            common: what is subtracted from the moments; the directions are taken as they are.

        Raises:
            StoreError: when the rows are no numbers: the file is damaged.
        """
        result = np.empty((len(directions), len(self)), np.float32)
        columns = np.ascontiguousarray(directions.T) if len(directions) > 1 else directions[0]
        for rows in _blocks(len(self)):
            result[:, rows] = (np.asarray(self.rows[rows]) @ columns).T
        if common != "none":
            norm = self.norm if common == "all" else self.recording_norm
            result -= self._shift(directions, common)
            result *= np.divide(1, norm, out=np.zeros_like(norm), where=norm > _TINY)
        if not np.isfinite(result).all():
            raise StoreError(f"expected numbers in {self.path or 'the index'}, found others: make the index again")
        return result

    def vectors(self, points: Int64[np.ndarray, " n"], common: Common) -> Float32[np.ndarray, "n dim"]:
        """Unit vectors of some moments, after the common part was subtracted; zero where nothing is left."""
        rows = np.array(self.rows[points], np.float32)
        if common == "none":
            return rows
        common_part = self.mean if common == "all" else self.recording_mean[self.recording[points]]
        return unit_rows(np.asarray(rows - common_part))

    def points_of(self, example: Example) -> Int64[np.ndarray, " n"]:
        """The moments whose middle lies in an example; where it is too short for that, the nearest one that meets it.

        Raises:
            SettingsError: when its recording is not in the index, or no moment lies there.
        """
        found = self.find_recording(example.recording)
        rows = slice(int(self.first[found]), int(self.first[found + 1]))
        start, stop = self.start_s[rows], self.stop_s[rows]
        middle = (start + stop) / 2
        inside = np.flatnonzero((middle >= example.start_s) & (middle < example.stop_s))
        if len(inside):
            return rows.start + inside
        meets = np.flatnonzero((start <= example.stop_s) & (stop >= example.start_s))
        if not len(meets):
            covered = f"{format_seconds(start.min())} to {format_seconds(stop.max())} s" if len(start) else "no time"
            raise SettingsError(
                f"expected {example} to lie in the track, found nothing there (it covers {covered}, and nothing in "
                "which a followed animal was not seen): give another time"
            )
        away = np.abs(middle[meets] - (example.start_s + example.stop_s) / 2)
        return rows.start + meets[[int(np.argmin(away))]]

    def find_recording(self, name: str) -> int:
        """Position of the recording that a name means.

        Raises:
            SettingsError: when it means none; it lists those that there are.
        """
        names = [entry.recording_id for entry in self.recordings]
        try:
            match = match_names(names, [name])[0]
        except AnnotationError as error:
            raise SettingsError(
                f"expected {name!r} to mean one recording, found several of that name among {listed(names)}: give the "
                "whole id"
            ) from error
        if match:
            return names.index(match)
        animals = [entry.recording_id for entry in self.recordings if entry.subject and entry.recording == name]
        if animals:
            raise SettingsError(
                f"expected one animal of {name!r}, found its name alone: give one of {listed(animals)}, with the time "
                "behind another @"
            )
        raise SettingsError(f"expected a recording among {listed(names)}, found {name!r}: check the spelling")

    def _shift(self, directions: Float32[np.ndarray, "n dim"], common: Common) -> Float32[np.ndarray, "n _"]:
        """What the common part adds to the products."""
        if common == "all":
            return np.asarray(directions @ self.mean)[:, None]
        return np.asarray((directions @ self.recording_mean.T)[:, self.recording])

    def __repr__(self) -> str:
        where = f" in {self.path}" if self.path else " in memory"
        return (
            f"SearchIndex{where}: {len(self)} {self.settings.unit} of {len(self.recordings)} tracks "
            f"({self.seconds / 3600:.3g} h), {self.dim} numbers each, model {self.model}"
            + ", UNTRAINED: random weights, for testing only"
            * self.untrained
        )


def unit_rows(rows: Float32[np.ndarray, "n dim"]) -> Float32[np.ndarray, "n dim"]:
    """Rows of length 1; those without a direction become zero."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(np.divide(rows, norm, out=np.zeros_like(rows), where=norm > _TINY))


def check_common(common: Any) -> Common:
    """Refuse another word.

    Raises:
        SettingsError: listing the words.
    """
    if common not in COMMONS:
        raise SettingsError(f"expected common to be one of {', '.join(COMMONS)}, found {common!r}: choose one")
    return common  # type: ignore[no-any-return]


def _blocks(number: int) -> Iterator[slice]:
    for first in range(0, number, BLOCK):
        yield slice(first, min(first + BLOCK, number))
