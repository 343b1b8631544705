"""The labelled recordings of a fine-tuning, each with its labels on the sample grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int8, Int64

from vp_science.animals import FollowedItem
from vp_science.batch import BatchItem
from vp_science.errors import ProbeError
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import runs
from vp_science.timeline.grid import SampleGrid
from vp_science.train.data.labels import clock_of, match_labels, read_data_annotations
from vp_science.train.data.settings import SYNTHETIC, DataSettings
from vp_science.train.data.sources import find_sources, recording_of
from vp_science.train.data.survey import Surveyed, survey


@dataclass(frozen=True, eq=False)
class Labelled:
    """A recording, or an animal in one, of which something is known.

    Attributes:
        source: number of its data set in the settings.
        item: opens it.
        recording: id of the recording.
        subject: the animal; "" for whole frames.
        grid: sample times.
        states: labels at these times: 1, 0, -1 unknown (also where the animal was not seen).
    """

    source: int
    item: BatchItem
    recording: str
    subject: str
    grid: SampleGrid
    states: Int8[np.ndarray, "grid behavior"]

    @property
    def labelled_frames(self) -> int:
        """Grid frames of which something is known."""
        return int((self.states >= 0).any(axis=1).sum())

    def facts(self, behaviors: Behaviors) -> dict[str, Any]:
        """For the model card: what was learned from it."""
        step = np.diff(self.grid.time_s, append=self.grid.time_s[-1])
        known = (self.states >= 0).any(axis=1)
        happens = {name: self.states[:, column] == 1 for column, name in enumerate(behaviors.names)}
        return {
            "recording": self.recording,
            "subject": self.subject,
            "labelled_s": round(float(step[known].sum()), 3),
            "bouts": {name: len(runs(on)) for name, on in happens.items()},
            "behavior_s": {name: round(float(step[on].sum()), 3) for name, on in happens.items()},
        }


def read_labelled(data: Sequence[DataSettings], behaviors: Behaviors, fps: float | None) -> list[Labelled]:
    """Everything with labels in the data sets; synthetic footage is none of it, as it has no recordings.

    Args:
        data: of the settings.
        behaviors: that are learned, in the order of the states.
        fps: of the sample grid; None takes every frame.

    Raises:
        VPScienceError: when recordings or annotations cannot be read, or do not belong together.
        ProbeError: when two behaviors of an exclusive catalogue happen at once.
    """
    found: list[Labelled] = []
    for source, one in enumerate(data):
        if one.path == SYNTHETIC:
            continue
        items, _ = find_sources(one)
        surveyed = survey(items, one)
        annotations = read_data_annotations(one, clock_of(items, surveyed))
        labels = match_labels(annotations, items, one, behaviors)
        for item, seen, label in zip(items, surveyed, labels, strict=True):
            if label is None:
                continue
            grid = SampleGrid.from_timestamps(seen.time_s, fps)
            states = np.where(_shown(grid, seen)[:, None], label.states(grid.time_s), -1).astype(np.int8)
            if not (states >= 0).any():
                continue
            name = recording_of(item)
            _check_exclusive(states, behaviors, name)
            subject = item.subjects[0][1] if isinstance(item, FollowedItem) else ""
            found.append(Labelled(source, item, name, subject, grid, states))
    return found


def _shown(grid: SampleGrid, seen: Surveyed) -> np.ndarray:
    """Whether there is something to see at the grid times."""
    shown = np.zeros(len(seen.time_s), bool)
    for first, stop in seen.shown:
        shown[first:stop] = True
    return np.asarray(shown[grid.frame_index])


def _check_exclusive(states: Int8[np.ndarray, "grid behavior"], behaviors: Behaviors, name: str) -> None:
    if behaviors.exclusive and ((states == 1).sum(axis=1) > 1).any():
        raise ProbeError(
            f"{name}: expected one behavior at a time in an exclusive catalogue, found labels of two at once: correct "
            'the bouts ("vp-science labels check" lists them), or set labels.exclusive = false'
        )


def labelled_stretches(states: Int8[np.ndarray, "grid behavior"], context: int) -> Int64[np.ndarray, "stretch 2"]:
    """First grid frame and one past the last of what is labelled, with context on both sides; close ones are one."""
    known = np.flatnonzero((states >= 0).any(axis=1))
    if not len(known):
        return np.zeros((0, 2), np.int64)
    apart = np.flatnonzero(np.diff(known) > 2 * context + 1)
    first = np.maximum(known[np.append(0, apart + 1)] - context, 0)
    stop = np.minimum(known[np.append(apart, len(known) - 1)] + 1 + context, len(states))
    return np.stack([first, stop], axis=1).astype(np.int64)
