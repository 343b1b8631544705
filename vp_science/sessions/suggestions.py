"""Where to look next: short segments that a probe is unsure of, or that are unlike everything labelled so far.

The job ``suggest`` reads vectors of all tracks in pieces and, if there are any, the scores of the probe. The choice is
greedy: each next segment is the one whose label helps most, given what is labelled and what was chosen before. It works
before there is a probe, and before there is a single label: then segments cover what is in the recordings.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float32, Float64

from vp_science.errors import SettingsError
from vp_science.sessions.scored_time import NOTHING, Intervals, joined, scored_time
from vp_science.sessions.segment_choice import Candidates, choose_segments
from vp_science.sessions.uncertainty import Doubt, find_doubt

if TYPE_CHECKING:
    from vp_science.points import Points
    from vp_science.sessions.worker import Reporter

Why = Literal["unsure", "new", "covers"]

_MOST_POINTS = 4000
"""Points that are compared with each other; more than these are thinned out at random."""
_POINTS_PER_SEGMENT = 5
_LARGEST = 200


@dataclass(frozen=True)
class Suggestion:
    """A segment to look at.

    Attributes:
        recording: id of the recording.
        start_s: in seconds.
        stop_s: its end.
        why: ``unsure``: the probe cannot decide; ``new``: unlike what is labelled; ``covers``: stands for much that is
            there.
        reason: the same in words.
    """

    recording: str
    start_s: float
    stop_s: float
    why: Why
    reason: str


def suggest_segments(request: Mapping[str, Any], report: "Reporter") -> dict[str, Any]:
    """The job ``suggest``.

    Args:
        request: ``tracks`` (paths), ``labels`` (the log of labels), ``predictions`` (ethogram file by recording; may be
            empty) of ``probe`` (its id), ``number`` and ``segment_s``, ``excluded`` (recording, start and stop of time
            that is left alone) and ``seed``.
        report: told how far it is.

    Returns:
        ``segments``: suggestions as JSON; ``notes``: what people should know.

    Raises:
        SettingsError: when there is no track, or no time that nobody scored.
        ProbeError: when tracks were made in different ways.
    """
    from vp_science.points import PointSettings, open_points
    from vp_science.sessions.label_log import read_labels
    from vp_science.store.reader import open_embeddings

    number, segment_s = int(request["number"]), float(request["segment_s"])
    if not 1 <= number <= _LARGEST or not 1 <= segment_s <= 3600:
        raise SettingsError(f"expected 1 to {_LARGEST} segments of 1 to 3600 s, found {number} of {segment_s:g} s")
    report.progress("reading labels", 0, 0)
    book = read_labels(Path(request["labels"]))
    with ExitStack() as stack:
        tracks = []
        for place, path in enumerate(request["tracks"]):
            report.progress("opening tracks", place, len(request["tracks"]))
            tracks.append(stack.enter_context(open_embeddings(path)))
        points = open_points(tracks, PointSettings("windows", pool_s=max(segment_s / _POINTS_PER_SEGMENT, 0.5)))
        names = [track.bout_recording for track in tracks]
        apart = _by_recording(request.get("excluded", []))
        settled = {name: joined(scored_time(book, name), apart.get(name, NOTHING)) for name in names}
        chosen = _thinned(points, int(request.get("seed", 0)))
        vectors = _read(points, chosen, report)
    doubt = _doubts(request, names, report)
    starts, stops = points.start_s[chosen], points.stop_s[chosen]
    lasts = [_lasts(points, track) for track in range(len(names))]
    candidates = Candidates.of(points.recording[chosen], starts, stops, names, lasts, settled, doubt, segment_s)
    report.progress("choosing segments", 0, 0)
    found = choose_segments(vectors, candidates, number)
    notes = [] if len(found) == number else [f"There is room for {len(found)} segments in time that nobody scored."]
    return {"segments": [asdict(_told(one)) for one in found], "notes": notes}


def _told(one: Any) -> Suggestion:
    return Suggestion(one.recording, one.start_s, one.stop_s, one.why, one.reason)


def _by_recording(rows: Sequence[Sequence[Any]]) -> dict[str, Intervals]:
    names = {str(row[0]) for row in rows}
    return {name: np.array([row[1:3] for row in rows if row[0] == name], np.float64).reshape(-1, 2) for name in names}


def _thinned(points: "Points", seed: int) -> np.ndarray:
    """Rows of at most ``_MOST_POINTS`` points, spread evenly over time."""
    if len(points) <= _MOST_POINTS:
        return np.arange(len(points))
    rng = np.random.default_rng(seed)
    border = np.linspace(0, len(points), _MOST_POINTS + 1)
    rows: np.ndarray = (border[:-1] + rng.random(_MOST_POINTS) * np.diff(border)).astype(np.int64)
    return np.unique(np.minimum(rows, len(points) - 1))


def _read(points: "Points", rows: np.ndarray, report: "Reporter") -> Float32[np.ndarray, "point dim"]:
    parts = []
    for first in range(0, len(rows), 512):
        report.progress("reading embeddings", first, len(rows))
        parts.append(points.read(rows[first : first + 512]))
    return np.concatenate(parts)


def _lasts(points: "Points", track: int) -> tuple[float, float]:
    time_s: Float64[np.ndarray, " grid"] = np.asarray(points.tracks[track].time_s, np.float64)
    last = float(np.median(np.diff(time_s))) if len(time_s) > 1 else 0.0
    return float(time_s[0]), float(time_s[-1]) + last


def _doubts(request: Mapping[str, Any], names: Sequence[str], report: "Reporter") -> dict[str, Doubt]:
    """Where the probe is unsure, by recording; recordings that were not predicted have none."""
    from vp_science.sessions.prediction import read_predictions

    found: dict[str, Doubt] = {}
    files: Mapping[str, str] = request.get("predictions", {})
    wanted = [name for name in dict.fromkeys(names) if name in files]
    for place, name in enumerate(wanted):
        report.progress("reading scores", place, len(wanted))
        saved = read_predictions(Path(files[name]), str(request["probe"]))
        if saved:
            found[name] = find_doubt(saved[0].behaviors, saved[0].time_s, saved[0].scores)
    return found
