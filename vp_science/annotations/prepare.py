"""Annotations made ready for a format that holds less: choices that a person makes, never a format by itself."""

from collections.abc import Iterable

import pandas as pd

from vp_science.annotations.clock import FrameClock
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import OBSERVED_COLUMNS, Annotations
from vp_science.timeline.ethogram import frame_edges

DROPPABLE = ("target", "modifiers", "comment", "score")
"""Columns of the bout table that can be left out."""


def only_subject(annotations: Annotations, subject: str) -> Annotations:
    """Bouts of one subject, and the time in which it (or everybody) was scored.

    Raises:
        AnnotationError: when there is no such subject.
    """
    names = annotations.subjects()
    if subject not in (*names, ""):
        raise AnnotationError(f"expected one of the subjects {', '.join(names) or '(none)'}, found {subject!r}")
    observed = annotations.observed[annotations.observed["subject"].isin([subject, ""])]
    return Annotations.of(
        annotations.bouts[annotations.bouts["subject"] == subject],
        observed.assign(subject=subject),
        annotations.behaviors,
    )


def without(annotations: Annotations, columns: Iterable[str]) -> Annotations:
    """The same without the content of some columns of the bout table.

    Raises:
        AnnotationError: for a column that cannot be left out.
    """
    bouts = annotations.bouts
    for column in columns:
        if column not in DROPPABLE:
            raise AnnotationError(f"expected one of {', '.join(DROPPABLE)} to leave out, found {column!r}")
        bouts = bouts.assign(**{column: float("nan") if column == "score" else ""})
    return Annotations.of(bouts, annotations.observed, annotations.behaviors)


def all_scored(annotations: Annotations, clock: FrameClock) -> Annotations:
    """The same, with every recording scored from its first frame to its end, for all subjects and behaviors.

    Raises:
        AnnotationError: when the frames of a recording are not known: nobody knows where it ends then.
    """
    rows = []
    for recording in annotations.recordings:
        times = clock.times(recording)
        if times is None:
            raise AnnotationError(
                f"expected to know how long {recording!r} is, found neither the recording nor its times: give the "
                "folder with the recordings (--recordings DIR)"
            )
        edges = frame_edges(times)
        rows.append({"recording": recording, "start_s": float(edges[0]), "stop_s": float(edges[-1])})
    return Annotations.of(annotations.bouts, pd.DataFrame(rows, columns=list(OBSERVED_COLUMNS)), annotations.behaviors)
