"""What formats cannot hold, beyond what ``frame_labels`` checks: instants, predictions, unknown time.

Scores, comments and the name of the annotator are lost where a format has no place for them. The rest is meaning, and a
format that cannot hold it refuses: instants, the difference between what a model predicted and what a person saw, and
above all the difference between absent and unknown.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64

from vp_science.annotations.clock import FrameClock
from vp_science.annotations.frame_labels import refuse_losses
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram, cover, frame_edges, to_ethogram

_ROUNDING_S = 2e-3
"""Programs round times to milliseconds."""


def refuse_all_but(
    annotations: Annotations, what: str, columns: Iterable[str], *, points: bool = False, predictions: bool = False
) -> None:
    """Refuse annotations of which a format would lose meaning.

    Args:
        annotations: what is to be written.
        what: file and format, for the message.
        columns: columns of the bout table that the format cannot hold.
        points: whether it holds point events.
        predictions: whether it tells what a model predicted from what a person saw.

    Raises:
        AnnotationError: saying what would be lost, with the first bout and what to do.
    """
    refuse_losses(annotations, what, columns)
    bouts = annotations.bouts
    instants = bouts[bouts["kind"] == "point"]
    if len(instants) and not points:
        row = instants.iloc[0]
        raise AnnotationError(
            f"{what}: expected states only, because the format has no instants, found {len(instants)} point events, "
            f"the first {row['behavior']!r} of {row['recording']!r} at {row['start_s']:.6g} s: leave them out, or give "
            "them a duration"
        )
    predicted = bouts[bouts["source"].str.startswith("model:")]
    if len(predicted) and not predictions:
        row = predicted.iloc[0]
        raise AnnotationError(
            f"{what}: expected bouts that a person scored or reviewed, because the format would pass predictions off "
            f"as such, found {len(predicted)} of source {row['source']!r}: review them first (BORIS, V-TRACE), or "
            "choose a format that tells them apart (CSV, NWB, BORIS, V-TRACE, ELAN)"
        )


def all_frame_times(clock: FrameClock, recording: str, what: str) -> Float64[np.ndarray, " frame"]:
    """Times of all frames, for formats that state how many there are.

    Raises:
        AnnotationError: when only a rate is known, or nothing.
    """
    times = clock.times(recording)
    if times is None:
        raise AnnotationError(
            f"{what}: expected to know every frame of {recording!r}, because the format states how many there are, "
            f"found {'only a rate' if clock.fps is not None else 'nothing'}: give the recording (--recordings DIR)"
        )
    return np.asarray(times, dtype=np.float64)


def refuse_outside(annotations: Annotations, recording: str, time_s: Float64[np.ndarray, " frame"], what: str) -> None:
    """Refuse bouts that begin before the first frame or end after the last one: they would be lost or cut.

    Raises:
        AnnotationError: naming the first such bout.
    """
    bouts = annotations.bouts[annotations.bouts["recording"] == recording]
    edges = frame_edges(time_s)
    late = bouts[(bouts["start_s"] < edges[0] - _ROUNDING_S) | (bouts["stop_s"] > edges[-1] + _ROUNDING_S)]
    if len(late):
        row = late.iloc[0]
        raise AnnotationError(
            f"{what}: expected bouts within the frames of {recording!r} ({edges[0]:.6g} to {edges[-1]:.6g} s), found "
            f"{row['behavior']!r} at {row['start_s']:.6g} to {row['stop_s']:.6g} s ({len(late)} such): correct the "
            "times, or give the right recording or rate"
        )


def whole_states(
    annotations: Annotations, recording: str, time_s: Float64[np.ndarray, " frame"], what: str, *, gaps: bool
) -> Ethogram:
    """States at every frame, for formats in which one row states all behaviors at once.

    Args:
        annotations: what is to be written.
        recording: which recording.
        time_s: frame times.
        what: file and format, for the message.
        gaps: frames may be left out (they are unknown); otherwise every frame has to be known.

    Raises:
        AnnotationError: when unknown would become absent, or a bout would be lost.
    """
    if not len(annotations.behaviors):
        raise AnnotationError(f"{what}: expected behaviors in the catalogue, found none: add them")
    refuse_outside(annotations, recording, time_s, what)
    states = to_ethogram(annotations, recording, time_s)
    known = states.known
    bouts = annotations.bouts[annotations.bouts["recording"] == recording]
    for column, name in enumerate(annotations.behaviors.names):
        rows = bouts[bouts["behavior"] == name]
        on = cover(rows["start_s"].to_numpy(), rows["stop_s"].to_numpy(), time_s, keep_short=True)
        if len(bad := np.flatnonzero(on & ~known[:, column])):
            raise AnnotationError(
                f"{what}: expected every bout in time that was scored, found {name!r} at {time_s[bad[0]]:.6g} s of "
                f"{recording!r} outside of it, which would be lost: extend the observed intervals, or take whole "
                "recordings as scored (--all-scored)"
            )
    if len(bad := np.flatnonzero(known.any(axis=1) & ~known.all(axis=1))):
        names = [name for name, on in zip(states.behaviors.names, known[bad[0]], strict=True) if not on]
        raise AnnotationError(
            f"{what}: expected all behaviors to be observed at the same times, because one row states them all, found "
            f"that {', '.join(names[:3])} was not at {time_s[bad[0]]:.6g} s of {recording!r}: leave it out of the "
            "catalogue, or observe all"
        )
    if not gaps and len(bad := np.flatnonzero(~known.all(axis=1))):
        raise AnnotationError(
            f"{what}: expected every frame of {recording!r} to be observed, because the format has no word for "
            f"unknown, found {len(bad)} of {len(time_s)} frames that were not, the first at {time_s[bad[0]]:.6g} s: "
            "they would become absent, so choose another format, or take whole recordings as scored (--all-scored)"
        )
    return states
