"""What a probe said about a recording, and what follows from it under thresholds and rules that people move.

Scores are read once; states and bouts are made anew with every change. Where behaviors may overlap, each is decided by
itself, so that only what changed is computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8

from vp_science.errors import ProbeError
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import frame_edges, spans
from vp_science.timeline.postprocess import PostProcess, apply_postprocess

_ALONE = ("threshold", "hysteresis")
"""Methods that decide about a behavior without looking at the others, where behaviors may overlap."""


@dataclass(frozen=True, eq=False)
class SavedPrediction:
    """Scores of one recording (and animal) from a file.

    Attributes:
        recording: id.
        subject: whose behavior; "" for whole frames.
        target: to whom; "" for nobody in particular.
        probe_id: of the probe.
        behaviors: the catalogue of the columns.
        time_s: times of the frames in seconds.
        scores: ``(frame, behavior)`` 0 to 1, NaN unknown.
    """

    recording: str
    subject: str
    target: str
    probe_id: str
    behaviors: Behaviors
    time_s: Float64[np.ndarray, " frame"]
    scores: Float32[np.ndarray, "frame behavior"]


@dataclass(frozen=True, eq=False)
class Decided:
    """What follows from scores.

    Attributes:
        states: ``(frame, behavior)`` 1 happens, 0 does not, -1 unknown.
        bouts: position of the behavior, start and stop in seconds, mean score; sorted by start.
    """

    states: Int8[np.ndarray, "frame behavior"]
    bouts: Float64[np.ndarray, "bout 4"]


def prediction_path(session_folder: Path, recording_id: str) -> Path:
    """Where the predictions of a recording lie."""
    return session_folder / "predictions" / f"{recording_id}.ethogram.h5"


def read_predictions(path: Path, probe_id: str) -> list[SavedPrediction]:
    """What one probe said about a recording: for whole frames, or for every animal.

    Returns:
        Nothing when the file, or the probe in it, is not there.

    Raises:
        StoreError: when the file is damaged.
    """
    # Only here, so that a window opens without HDF5.
    from vp_science.store.ethogram_reader import list_ethograms, read_ethogram

    if not path.exists():
        return []
    found = []
    for entry in list_ethograms(path):
        if entry.probe_id == probe_id:
            ethogram = read_ethogram(path, probe_id, entry.subject, entry.target)
            assert ethogram.scores is not None  # files hold scores, perhaps unknown ones
            found.append(
                SavedPrediction(
                    entry.recording, entry.subject, entry.target, probe_id, ethogram.behaviors, ethogram.time_s,
                    ethogram.scores,
                )
            )  # fmt: skip
    return found


class ScoreDecider:
    """States and bouts of one prediction, for thresholds and rules that change.

    Attributes:
        saved: the scores.
    """

    def __init__(self, saved: SavedPrediction) -> None:
        self.saved = saved
        self._known = np.asarray(~np.isnan(saved.scores))
        self._values = np.nan_to_num(saved.scores)
        self._edges = frame_edges(saved.time_s)
        self._totals = np.concatenate(
            [np.zeros((1, len(saved.behaviors))), np.cumsum(self._values, axis=0, dtype=np.float64)]
        )
        self._asked: list[object] = [None] * len(saved.behaviors)
        self._states = np.full(saved.scores.shape, -1, np.int8)
        self._bouts = [np.zeros((0, 4))] * len(saved.behaviors)

    def decide(self, thresholds: Mapping[str, float], rules: PostProcess) -> Decided:
        """States and bouts; the same as those of a probe with these thresholds and rules.

        Args:
            thresholds: by behavior, for every behavior.
            rules: from scores to states.

        Raises:
            ProbeError: when a threshold is missing or out of range.
        """
        behaviors = self.saved.behaviors
        try:
            levels = np.array([thresholds[name] for name in behaviors.names], np.float32)
        except KeyError as error:
            raise ProbeError(f"expected a threshold of every behavior, found none of {error}") from error
        if behaviors.exclusive or rules.method not in _ALONE:
            self._decide_together(levels, rules)
        else:
            self._decide_apart(levels, rules)
        rows = np.concatenate([np.zeros((0, 4)), *self._bouts])
        return Decided(self._states, rows[np.argsort(rows[:, 1], kind="stable")])

    def _decide_together(self, levels: Float32[np.ndarray, " behavior"], rules: PostProcess) -> None:
        question = (levels.tobytes(), rules)
        if all(asked == question for asked in self._asked):
            return
        behaviors, time_s = self.saved.behaviors, self.saved.time_s
        self._states = apply_postprocess(self._values, time_s, behaviors, levels, rules, self._known)
        for column in range(len(behaviors)):
            self._bouts[column] = self._bouts_of(column)
        self._asked = [question] * len(behaviors)

    def _decide_apart(self, levels: Float32[np.ndarray, " behavior"], rules: PostProcess) -> None:
        behaviors, states = self.saved.behaviors, self._states.copy()  # views may still hold the old ones
        for column, entry in enumerate(behaviors.entries):
            question = (float(levels[column]), rules)
            if self._asked[column] == question:
                continue
            one = slice(column, column + 1)
            alone = replace(behaviors, entries=(entry,))
            found = apply_postprocess(
                self._values[:, one], self.saved.time_s, alone, levels[one], rules, self._known[:, one]
            )
            states[:, column] = found[:, 0]
            self._states = states
            self._bouts[column] = self._bouts_of(column)
            self._asked[column] = question

    def _bouts_of(self, column: int) -> Float64[np.ndarray, "bout 4"]:
        on: Bool[np.ndarray, " frame"] = self._states[:, column] == 1
        if self.saved.behaviors.entries[column].kind == "point":
            frames = np.flatnonzero(on)
            found, stop_s = np.column_stack([frames, frames + 1]), self._edges[frames]
        else:
            found = spans(on)
            stop_s = self._edges[found[:, 1]]
        if not len(found):
            return np.zeros((0, 4))
        first, stop = found[:, 0], found[:, 1]
        total = self._totals[:, column]
        mean = (total[stop] - total[first]) / (stop - first)
        return np.column_stack([np.full(len(found), float(column)), self._edges[first], stop_s, mean])
