"""Bouts that contradict each other."""

import itertools
from collections.abc import Iterator
from typing import Any

import pandas as pd

from vp_science.timeline.annotations import Annotations

CLASH_COLUMNS = ("recording", "subject", "target", "behavior", "other", "start_s", "stop_s", "source")
"""Columns of ``overlaps``: the time in which ``behavior`` and ``other`` both happen."""

ROUNDING_S = 2e-3
"""Annotation programs round times to a millisecond, at both ends: shorter overlaps are none."""


def overlaps(annotations: Annotations, tolerance_s: int | float = ROUNDING_S) -> pd.DataFrame:
    """Bouts that cannot both be right.

    A behavior that overlaps itself (same subject and target; an event at the same instant with the same modifiers) is
    marked twice. In an exclusive catalogue, different
    behaviors of one subject must not overlap either, and a point event must not lie inside a bout of another behavior.
    What different people (or a person and a model) marked is not compared: two opinions are no contradiction.

    Args:
        annotations: bouts to check.
        tolerance_s: overlaps of at most this come from rounding and are not reported.

    Returns:
        A row per pair, columns ``CLASH_COLUMNS``, in order of recording and time.
    """
    rows = []
    for _, group in annotations.bouts.groupby(["recording", "subject", "source"], sort=False):
        bouts = group.sort_values("start_s", kind="stable").to_dict(orient="records")
        rows += list(_clashes(bouts, annotations.behaviors.exclusive, tolerance_s))
    table = pd.DataFrame(rows, columns=list(CLASH_COLUMNS))
    return table.sort_values(["recording", "start_s", "subject"], kind="stable", ignore_index=True)


def _clashes(bouts: list[dict[str, Any]], exclusive: bool, tolerance_s: float) -> Iterator[dict[str, Any]]:
    open_bouts: list[dict[str, Any]] = []
    for bout in bouts:
        open_bouts = [other for other in open_bouts if other["stop_s"] > bout["start_s"] + tolerance_s]
        for other in open_bouts:
            same = other["behavior"] == bout["behavior"]
            if (same and other["target"] != bout["target"]) or not (same or exclusive):
                continue
            stop_s = min(bout["stop_s"], other["stop_s"])
            lasts = stop_s - bout["start_s"] > tolerance_s
            inside = bout["kind"] == "point" and bout["start_s"] > other["start_s"] + tolerance_s
            if lasts or inside:
                yield _row(other, bout, stop_s)
        if bout["kind"] == "state":
            open_bouts.append(bout)
    points = [bout for bout in bouts if bout["kind"] == "point"]
    for _, instant in itertools.groupby(points, key=lambda bout: bout["start_s"]):
        for first, second in itertools.combinations(instant, 2):
            same = first["behavior"] == second["behavior"]
            twice = same and first["target"] == second["target"] and first["modifiers"] == second["modifiers"]
            if twice or (exclusive and not same):
                yield _row(first, second, second["stop_s"])


def _row(first: dict[str, Any], second: dict[str, Any], stop_s: float) -> dict[str, Any]:
    return {
        "recording": first["recording"],
        "subject": first["subject"],
        "target": first["target"],
        "behavior": first["behavior"],
        "other": second["behavior"],
        "start_s": second["start_s"],
        "stop_s": stop_s,
        "source": first["source"],
    }
