"""Annotations for tests: random ones, and what must come back."""

from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors

NAMES = ("run", "Körperpflege", "head up", "attack, bite")
TIMES = ["recording", "subject", "behavior", "kind", "start_s", "stop_s", "source", "modifiers"]


def times(annotations: Annotations, columns: list[str] | None = None, digits: int = 6) -> list[tuple]:
    """Bouts as sorted tuples, times rounded."""
    table = annotations.bouts[columns or TIMES].round({"start_s": digits, "stop_s": digits})
    return sorted(map(tuple, table.itertuples(index=False)))


def observed(annotations: Annotations, digits: int = 6) -> list[tuple]:
    """Observed intervals as sorted tuples."""
    table = annotations.observed.round({"start_s": digits, "stop_s": digits})
    return sorted(map(tuple, table.itertuples(index=False)))


@st.composite
def timed_rows(
    draw,
    *,
    recordings=("mouse 1", "day2/m.2"),
    subjects=("", "Ä"),
    sources=("manual:", "model:p-1", "curated:Zoë"),
    names=NAMES,
    modifiers=("", "a|b"),
    comments=("", "sûr; or not, «x»"),
    ticks_per_s=1000,
) -> tuple[list[dict], list[dict]]:
    """Bouts at whole ticks that do not overlap within recording, subject, source, behavior and modifiers.

    Rows for ``Annotations.of``, which tests call themselves: beartype draws random numbers, strategies must not.
    """
    length = 20 * ticks_per_s
    rows = []
    point_names = draw(st.sets(st.sampled_from(names), max_size=1))
    for recording in recordings:
        keys = draw(
            st.sets(st.tuples(*map(st.sampled_from, (subjects, sources, names, modifiers))), min_size=1, max_size=4)
        )
        for subject, source, name, modifier in sorted(keys):
            cuts = sorted(draw(st.sets(st.integers(0, length), min_size=2, max_size=8)))
            point = name in point_names
            step = draw(st.sampled_from([1, 2]))  # 1: bouts that touch
            for first, stop in list(pairwise(cuts))[::step]:
                rows.append(
                    {
                        "recording": recording,
                        "subject": subject,
                        "behavior": name,
                        "start_s": first / ticks_per_s,
                        "stop_s": (first if point else stop) / ticks_per_s,
                        "kind": "point" if point else "state",
                        "source": source,
                        "modifiers": modifier,
                        "comment": draw(st.sampled_from(comments)),
                    }
                )
    seen = [{"recording": name, "start_s": 0.0, "stop_s": 20.0} for name in recordings]
    return rows, seen


@st.composite
def frame_states(draw, *, exclusive: bool, unknown: bool, names=NAMES, max_frames=60) -> np.ndarray:
    """States of all behaviors at every frame."""
    count = draw(st.integers(1, max_frames))
    if exclusive:
        labels = draw(st.lists(st.integers(0, len(names)), min_size=count, max_size=count))
        states = np.eye(len(names) + 1, dtype=np.int8)[labels][:, :-1]
    else:
        rows = st.lists(st.integers(0, 1), min_size=len(names), max_size=len(names))
        states = np.array(draw(st.lists(rows, min_size=count, max_size=count)), dtype=np.int8)
    if unknown:
        hidden = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
        states[hidden] = -1
    return states


def catalogue(names=NAMES, *, exclusive: bool = False, background: str = "") -> Behaviors:
    return Behaviors.of(names, exclusive=exclusive, background=background)


def example(**columns: object) -> Annotations:
    """Two behaviors that follow each other, 0 to 4 s, every frame at 25 per second scored."""
    rows = pd.DataFrame(
        [
            {"recording": "vid", "behavior": "run", "start_s": 0.4, "stop_s": 1.2},
            {"recording": "vid", "behavior": "rest", "start_s": 1.2, "stop_s": 2.0},
            {"recording": "vid", "behavior": "run", "start_s": 3.0, "stop_s": 3.2},
        ]
    ).assign(**columns)
    return Annotations.of(
        rows, [{"recording": "vid", "start_s": 0.0, "stop_s": 4.0}], Behaviors.of(["run", "rest"], exclusive=True)
    )


def span(start_s: float, stop_s: float, recording: str = "vid") -> dict:
    """An observed interval."""
    return {"recording": recording, "start_s": start_s, "stop_s": stop_s}
