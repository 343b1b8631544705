"""Time budgets of animals and of groups of animals: the animal is the unit, not the frame and not the recording."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.budget import time_budget
from vp_science.timeline.names import listed, match_names

ANIMAL_COLUMNS = ("group", "animal", "behavior", "total_s", "observed_s", "share")
SUMMARY_COLUMNS = ("group", "behavior", "mean", "low", "high", "animals")
_RESAMPLES = 10_000


def animal_budget(
    annotations: Annotations, table: pd.DataFrame | None = None, group_by: str | None = None
) -> pd.DataFrame:
    """Share of the observed time that every animal spends on each behavior.

    Which animal it is: the named subject; where bouts name nobody, what the column ``animal`` of the table says of the
    recording, and without that the recording itself. A subject of the same name in several recordings is one animal.
    Point events have no duration and no row.

    Args:
        annotations: bouts and observed intervals.
        table: what is known about recordings: the column ``recording``, and any of ``animal`` and the groups.
        group_by: column of the table that tells the groups apart (a treatment, a sex, an age); None makes one group "".

    Returns:
        A row per group, animal and behavior: ``group, animal, behavior, total_s, observed_s, share`` (NaN where nothing
        was observed). An animal whose recordings are in two groups has rows in both.

    Raises:
        AnnotationError: when the table lacks a column or a recording, or says two things of one recording.
    """
    if group_by is not None and table is None:
        raise AnnotationError(f"expected a table of recordings with the column {group_by!r}, found none: give one")
    rows = time_budget(annotations, by=("recording", "subject", "behavior"))
    rows = rows[rows["kind"] == "state"]
    known = {} if table is None else _facts(table, annotations.recordings, group_by)
    group = [known.get(name, ("", ""))[0] for name in rows["recording"]]
    animal = [
        subject or known.get(name, ("", ""))[1] or name
        for name, subject in zip(rows["recording"], rows["subject"], strict=True)
    ]
    rows = rows.assign(group=group, animal=animal)
    summed = rows.groupby(["group", "animal", "behavior"], sort=False)[["total_s", "observed_s"]].sum().reset_index()
    share = summed["total_s"] / summed["observed_s"].where(summed["observed_s"] > 0)
    return summed.assign(share=share)[list(ANIMAL_COLUMNS)]


def summarize_animals(budget: pd.DataFrame, confidence: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Mean share over the animals of every group, with the interval that a bootstrap over animals gives.

    Animals are drawn again with replacement (10,000 times), all behaviors of an animal together; the interval lies
    between the quantiles of the means (Efron 1979). With few animals it is too narrow; with one there is none.

    Args:
        budget: from ``animal_budget``.
        confidence: of the interval.
        seed: of the draws.

    Returns:
        A row per group and behavior: ``group, behavior, mean, low, high`` (NaN for one animal), ``animals`` (of which
        something was observed).
    """
    rows = []
    for (group, behavior), part in budget.groupby(["group", "behavior"], sort=False):
        shares = part["share"].to_numpy(np.float64)
        shares = shares[np.isfinite(shares)]
        low, high = bootstrap_interval(shares, confidence, seed)
        mean = float(shares.mean()) if len(shares) else np.nan
        rows.append(dict(zip(SUMMARY_COLUMNS, (group, behavior, mean, low, high, len(shares)), strict=True)))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def bootstrap_interval(
    values: Float64[np.ndarray, " n"], confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Quantiles of the means of 10,000 samples with replacement; NaN with fewer than two values."""
    if len(values) < 2:
        return np.nan, np.nan
    draws = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(values[draws].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def _facts(table: pd.DataFrame, recordings: Sequence[str], group_by: str | None) -> dict[str, tuple[str, str]]:
    """Group and animal of every recording; "" where the table does not say."""
    if missing := [name for name in ("recording", group_by) if name is not None and name not in table]:
        raise AnnotationError(
            f"expected the column {missing[0]!r} in the table of recordings, found "
            f"{', '.join(map(str, table.columns))}: rename the column"
        )
    found = match_names([str(name) for name in dict.fromkeys(table["recording"])], recordings)
    if lost := [name for name, row in zip(recordings, found, strict=True) if not row]:
        raise AnnotationError(
            f"expected a line for every recording in the table, found none for {listed(lost)}: add them"
        )
    facts = {}
    for name, row in zip(recordings, found, strict=True):
        lines = table[table["recording"].astype(str) == row]
        groups = {str(value) for value in lines[group_by]} if group_by is not None else {""}
        animals = {str(value) for value in lines["animal"]} if "animal" in table else {""}
        if len(groups) > 1:
            raise AnnotationError(
                f"expected one {group_by} for {row!r} in the table, found {' and '.join(sorted(groups))}: keep one"
            )
        # Several animals in one recording: their bouts must name them, the table cannot.
        facts[name] = (groups.pop(), animals.pop() if len(animals) == 1 else "")
    return facts
