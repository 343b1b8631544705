"""Tracks and labels joined: which bouts belong to which track, and the labelled stretches as arrays."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int8, Int64

from vp_science.errors import AnnotationError, ProbeError
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram, to_ethogram
from vp_science.timeline.names import listed, match_names


def match_annotations(annotations: Annotations, tracks: Sequence[EmbeddingTable]) -> list[Ethogram]:
    """The labels of every track at its grid times.

    Annotation files name a recording in their own way: as its id, a path, a file name, with or without an ending. A
    track takes the name that equals its id, or else the only one whose last part without ending equals the last part of
    its id. Time in which a tracked animal was not seen is unknown. What a model found (source ``model:``) is no label
    until a person has reviewed it (``curated:``).

    Args:
        annotations: labels of any recordings, perhaps of more than there are tracks.
        tracks: whole frames (behavior of all subjects together) or single animals (behavior of that subject).

    Returns:
        One ethogram per track; all unknown where the annotations do not name its recording.

    Raises:
        AnnotationError: when two names fit one track, no track at all is named, or no person has labelled anything.
    """
    by_people = annotations.select(sources=("manual", "curated"))
    if annotations.recordings and not by_people.recordings:
        raise AnnotationError(
            "expected labels of people (source manual: or curated:), found only what a model found (model:): review it "
            "first, in the panel or in BORIS"
        )
    annotations = by_people
    names = match_names(annotations.recordings, [track.bout_recording for track in tracks])
    if not any(names):
        raise AnnotationError(
            f"expected labels of the recordings {listed([track.bout_recording for track in tracks])}, found labels of "
            f"{listed(annotations.recordings)}: rename one of them in its file"
        )
    followed = Counter(track.bout_recording for track in tracks if track.subject)
    alone = [followed[track.bout_recording] == 1 for track in tracks]
    return [
        labels_of_track(annotations, track, name, lone) for track, name, lone in zip(tracks, names, alone, strict=True)
    ]


def labels_of_track(annotations: Annotations, track: EmbeddingTable, name: str, alone: bool) -> Ethogram:
    """Labels at the grid times of a track, of its animal; where that is the only one, bouts of nobody are its bouts.

    Args:
        annotations: labels of any recordings, from people.
        track: of whole frames or of one animal.
        name: what the annotations call its recording.
        alone: no other animal of this recording has a track.
    """
    nameless = alone and not annotations.subjects(name)
    subject = None if nameless or not track.subject else track.subject
    ethogram = to_ethogram(annotations, name, np.asarray(track.time_s), subject=subject)
    return hide_absent(ethogram, track)


def hide_absent(ethogram: Ethogram, track: EmbeddingTable) -> Ethogram:
    """The same ethogram with the time in which the animal of the track was not seen marked unknown."""
    states = np.where(track.present[:, None], ethogram.states, -1).astype(np.int8)
    return ethogram.with_states(states)


@dataclass(frozen=True, eq=False)
class Segment:
    """A labelled stretch of a track, with context around it, in memory.

    Attributes:
        recording: id of the recording.
        first: grid index of its first frame.
        cells: ``(frame, k*k, dim)`` embeddings as stored.
        states: ``(frame, behavior)`` 1, 0, -1 unknown.
        windows: ``(window, 2)`` first frame and one past the last, within this stretch.
        window_states: ``(window, behavior)`` label of the frames that a window owns: 1 when at least half of them show
            the behavior, 0 when none does, -1 otherwise.
    """

    recording: str
    first: int
    cells: Float[np.ndarray, "frame kk dim"]
    states: Int8[np.ndarray, "frame behavior"]
    windows: Int64[np.ndarray, "window two"]
    window_states: Int8[np.ndarray, "window behavior"]


def cut_segments(
    track: EmbeddingTable, states: Int8[np.ndarray, "frame behavior"], context: int, *, exclusive: bool
) -> list[Segment]:
    """Read the labelled stretches of a track, ``context`` grid frames wider on both sides; close ones are one.

    Only these are read from disk: a recording of hours with a minute of labels costs a minute.
    """
    known = np.flatnonzero((states >= 0).any(axis=1))
    if not len(known):
        return []
    close = np.flatnonzero(np.diff(known) > 2 * context + 1)
    first_known, last_known = known[np.append(0, close + 1)], known[np.append(close, len(known) - 1)]
    owners = window_owners(track)
    labels = window_states(states, owners, len(track.window_start), exclusive=exclusive)
    segments = []
    for low, high in zip(first_known, last_known, strict=True):
        first, stop = max(0, int(low) - context), min(len(track), int(high) + 1 + context)
        inside = (track.window_start >= first) & (track.window_stop <= stop)
        inside &= (labels >= 0).any(axis=1)
        windows = np.stack([track.window_start[inside], track.window_stop[inside]], axis=1) - first
        cells = np.asarray(track.track[first:stop])
        segments.append(Segment(track.bout_recording, first, cells, states[first:stop], windows, labels[inside]))
    return segments


def window_owners(track: EmbeddingTable) -> Int64[np.ndarray, " frame"]:
    """For every grid frame the window in which it stands most centrally (as in ``plan_windows``)."""
    start, stop = np.asarray(track.window_start), np.asarray(track.window_stop)
    twice_midpoint = (start[:-1] + stop[:-1] + start[1:] + stop[1:] - 2) // 2
    return np.searchsorted(twice_midpoint, 2 * np.arange(len(track)), side="left").astype(np.int64)


def window_states(
    states: Int8[np.ndarray, "frame behavior"],
    owner: Int64[np.ndarray, " frame"],
    num_windows: int,
    *,
    exclusive: bool,
) -> Int8[np.ndarray, "window behavior"]:
    """Label of every window from the frames it owns; mixed windows with less than half a behavior are left out (-1).

    In an exclusive catalogue a behavior needs more than half, so that no window has two.
    """
    counts = np.zeros((3, num_windows, states.shape[1]))
    for row, value in enumerate((-1, 0, 1)):
        np.add.at(counts[row], owner, states == value)
    unknown, absent, present = counts
    known = absent + present
    labels = np.full(known.shape, -1, dtype=np.int8)
    enough = known > unknown
    labels[enough & (present == 0)] = 0
    labels[enough & (2 * present > known)] = 1
    if not exclusive:
        labels[enough & (present > 0) & (2 * present == known)] = 1
    return labels


def check_same_behaviors(ethograms: Sequence[Ethogram]) -> Behaviors:
    """The catalogue that all ethograms share.

    Raises:
        ProbeError: when they differ.
    """
    behaviors = ethograms[0].behaviors
    for other in ethograms[1:]:
        if other.behaviors.names != behaviors.names or other.behaviors.exclusive != behaviors.exclusive:
            raise ProbeError(
                f"expected the same behaviors for every track, found {', '.join(behaviors.names)} and "
                f"{', '.join(other.behaviors.names)}: make all ethograms from one set of annotations"
            )
    if not len(behaviors):
        raise ProbeError("expected at least one behavior, found an empty catalogue: label something first")
    return behaviors
