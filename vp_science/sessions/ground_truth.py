"""Ground truth: random segments that people score without seeing predictions, kept out of training.

What is drawn is kept in the settings of the session, so that nobody can draw until the result pleases: segments that
are given up are counted. The segments are the only labels that say how right a probe is on time it has never seen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.errors import SettingsError
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.scored_time import NOTHING, Intervals, joined, scored_time
from vp_science.sessions.session import Session
from vp_science.timeline.ethogram import frame_edges
from vp_science.timeline.intervals import as_union, subtract_intervals, total_s
from vp_science.typing import JSON

GROUND_TRUTH = "ground_truth"
"""Name of the setting."""

SHORTEST_S = 1.0
"""Free time shorter than this is never drawn from."""

_BORDER_S = 1e-6


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording.

    Attributes:
        recording: id of the recording.
        start_s: in seconds.
        stop_s: its end.
    """

    recording: str
    start_s: float
    stop_s: float

    def is_scored(self, book: LabelBook, behaviors: Iterable[str], subject: str = "") -> bool:
        """Whether all of it was scored for these behaviors."""
        span = np.array([[self.start_s + _BORDER_S, self.stop_s - _BORDER_S]])
        return all(
            not len(subtract_intervals(span, scored_time(book, self.recording, name, subject))) for name in behaviors
        )


@dataclass(frozen=True)
class GroundTruth:
    """The segments that were drawn.

    Attributes:
        seed: of the draw.
        segment_s: length that was asked for, in seconds.
        segments: in the order in which they are scored.
        draws: how often segments were added; each draw has a seed of its own.
        given_up: how many segments of earlier sets were given up, whatever they said.
    """

    seed: int
    segment_s: float
    segments: tuple[Segment, ...] = ()
    draws: int = 0
    given_up: int = 0

    def spans(self) -> dict[str, Intervals]:
        """Their time by recording."""
        rows: dict[str, list[tuple[float, float]]] = {}
        for one in self.segments:
            rows.setdefault(one.recording, []).append((one.start_s, one.stop_s))
        return {name: as_union(np.array(spans, np.float64)) for name, spans in rows.items()}

    def extended(self, free: Mapping[str, Intervals], number: int) -> "GroundTruth":
        """The same with more segments, drawn from free time (see ``free_time``).

        Raises:
            SettingsError: when there is not enough free time.
        """
        drawn = draw_segments(free, number, self.segment_s, np.random.default_rng([self.seed, self.draws]))
        return replace(self, segments=(*self.segments, *drawn), draws=self.draws + 1)

    def give_up(self, seed: int, segment_s: int | float) -> "GroundTruth":
        """An empty set in place of this one."""
        return GroundTruth(seed, float(segment_s), given_up=self.given_up + len(self.segments))

    def to_json(self) -> dict[str, JSON]:
        """For the settings of a session."""
        rows: list[JSON] = [[one.recording, one.start_s, one.stop_s] for one in self.segments]
        numbers: dict[str, JSON] = {"seed": self.seed, "segment_s": self.segment_s, "draws": self.draws}
        return numbers | {"given_up": self.given_up, "segments": rows}

    @classmethod
    def from_json(cls, record: Any) -> "GroundTruth":
        """Read what ``to_json`` wrote.

        Raises:
            SettingsError: when it is something else: the set must not change unnoticed.
        """
        try:
            counts = [record[name] for name in ("seed", "draws", "given_up")]
            segments = tuple(_segment(*row) for row in record["segments"])
            segment_s = float(record["segment_s"])
            if any(type(count) is not int or count < 0 for count in counts) or not SHORTEST_S <= segment_s < np.inf:
                raise ValueError("numbers out of range")
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsError(
                f"expected the ground truth of a session, found something else ({error}): restore session.json from a "
                f'copy, or remove "{GROUND_TRUTH}" from its settings to begin a new set'
            ) from error
        return cls(counts[0], segment_s, segments, counts[1], counts[2])


def _segment(recording: Any, start_s: Any, stop_s: Any) -> Segment:
    if not isinstance(recording, str) or not -np.inf < start_s < stop_s < np.inf:
        raise ValueError("a segment that ends before it starts")
    return Segment(recording, float(start_s), float(stop_s))


def read_ground_truth(session: Session) -> GroundTruth | None:
    """The ground truth of a session; None when none was drawn.

    Raises:
        SettingsError: when the setting is damaged.
    """
    record = session.settings.get(GROUND_TRUTH)
    return None if record is None else GroundTruth.from_json(record)


def ground_truth_spans(session: Session) -> list[tuple[str, float, float]]:
    """Time that no probe may learn from: recording, start and stop of every segment of the ground truth.

    Raises:
        SettingsError: when the setting is damaged.
    """
    truth = read_ground_truth(session)
    return [] if truth is None else [(one.recording, one.start_s, one.stop_s) for one in truth.segments]


def recording_spans(tracks: Mapping[str, Path]) -> dict[str, tuple[float, float]]:
    """From when to when recordings last, as their tracks say.

    Args:
        tracks: paths by id of the track.

    Raises:
        StoreError: when a track is damaged.
    """
    # Only here, so that a window opens without HDF5.
    from vp_science.store.reader import open_embeddings

    found: dict[str, tuple[float, float]] = {}
    for path in tracks.values():
        with open_embeddings(path) as track:
            edges = frame_edges(np.asarray(track.time_s, np.float64))
            found.setdefault(track.bout_recording, (float(edges[0]), float(edges[-1])))
    return found


def free_time(
    book: LabelBook, lasts: Mapping[str, tuple[float, float]], taken: GroundTruth | None = None
) -> dict[str, Intervals]:
    """Time that nobody has scored for any behavior, so that no probe was trained on it.

    Args:
        book: the labels.
        lasts: begin and end of the recordings to draw from.
        taken: segments that were drawn already.
    """
    spans = {} if taken is None else taken.spans()
    return {
        name: subtract_intervals(np.array([ends]), joined(scored_time(book, name), spans.get(name, NOTHING)))
        for name, ends in lasts.items()
    }


def draw_segments(
    free: Mapping[str, Intervals], number: int, segment_s: int | float, rng: np.random.Generator
) -> list[Segment]:
    """Draw random segments: every recording gives as many as its share of the free time, each place is equally likely.

    Free time is cut into segments from a random point on; of these some are drawn without replacement. Where free time
    is shorter than a segment, all of it is one.

    Returns:
        In random order.

    Raises:
        SettingsError: when there is not enough free time.
    """
    slots = {name: _slots(spans, float(segment_s), rng) for name, spans in sorted(free.items())}
    counts = np.array([len(rows) for rows in slots.values()], np.int64)
    if number < 1 or number > counts.sum():
        raise SettingsError(
            f"expected room for {number} segments of {segment_s:g} s in time that nobody scored, found room for "
            f"{counts.sum()} ({sum(map(total_s, free.values())):.0f} s in {len(free)} recordings): draw fewer or "
            "shorter segments, or add recordings"
        )
    # Systematic sampling: the expected number of every recording is its exact share.
    border = np.floor(np.concatenate([[0.0], np.cumsum(counts) * number / counts.sum()]) + rng.random())
    drawn = []
    for (name, rows), wanted in zip(slots.items(), np.diff(border).astype(np.int64), strict=True):
        for row in rng.choice(len(rows), min(int(wanted), len(rows)), replace=False):
            drawn.append(Segment(name, float(rows[row, 0]), float(rows[row, 1])))
    return [drawn[place] for place in rng.permutation(len(drawn))]


def _slots(spans: Intervals, segment_s: float, rng: np.random.Generator) -> Intervals:
    rows = [NOTHING]
    for start, stop in spans.tolist():
        if stop - start < SHORTEST_S:
            continue
        length = min(segment_s, stop - start)
        count = int((stop - start) / length + 1e-9)
        first = start + rng.random() * (stop - start - count * length)
        begin = first + length * np.arange(count)
        rows.append(np.column_stack([begin, np.minimum(begin + length, stop)]))
    return np.concatenate(rows)
