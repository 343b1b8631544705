"""Everything that is reported about predictions of labelled recordings, in one call.

What counts is decided once, in ``comparison``: frames without a label, or without a prediction, have no part in any
figure and end bouts on both of their sides. All figures from 0 to 1 are such (not percent).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from vp_science.timeline.banos_metrics import banos, banos_overall
from vp_science.timeline.calibration import brier_score, expected_calibration_error, reliability_table
from vp_science.timeline.comparison import Comparison, compare_all
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.frame_metrics import (
    average_precision,
    confusion,
    exclusive_figures,
    f1,
    frame_counts,
    mean_known,
    ratio,
)
from vp_science.timeline.segment_metrics import (
    OVERLAPS,
    count_segments,
    edit_score,
    event_times,
    match_events,
    onset_delays,
)


@dataclass(frozen=True, eq=False)
class Metrics:
    """How well predictions agree with labels.

    Attributes:
        per_behavior: a row per behavior, numbers only; NaN where a figure does not exist. Columns:
            ``labelled_frames``, ``frames`` (of those with a prediction: all figures are about them),
            ``positive_frames``, ``found_frames``; ``recordings`` in which it happens;
            ``average_precision`` and ``chance`` (the share of frames in which it happens: what random scores get);
            ``precision``, ``recall``, ``f1`` (of frames; of events within 0.5 s for point behaviors) and
            ``balanced_accuracy`` (mean of recall and of the share of other frames that are left alone);
            ``segment_f1@0.1`` (0.25, 0.5); ``banos_precision``, ``_recall``, ``_f1``, ``_so``, ``_tp``, ``_ic``;
            ``bouts_true``, ``bouts_found``, ``bout_ratio``; ``seconds_true``, ``seconds_found``, ``duration_ratio``
            (found / true); ``time_budget_error`` (difference of the shares of time, found - true);
            ``onset_delay_s`` (median over the bouts that were found; late is positive), ``onset_error_s`` (median of
            its size); ``ece``, ``brier``.
        overall: figures over all behaviors. ``macro_...`` are means over the behaviors that happen (background
            excluded), ``segment_f1@...`` count the segments of all behaviors together, ``edit`` is a mean over
            recordings, ``banos_...`` over pairs of recording and behavior, ``time_budget_error`` is the mean over
            behaviors of its size. Exclusive catalogues add ``accuracy`` and ``..._with_background``. ``behaviors`` and
            ``behaviors_present`` say over how many the means run, ``recordings``, ``labelled_s`` and ``counted_s``
            what stands behind.
        confusion: see ``frame_metrics.confusion``.
        reliability: all behaviors together: ``low``, ``high``, ``count``, ``score``, ``frequency`` per bin.
    """

    per_behavior: pd.DataFrame
    overall: dict[str, int | float]
    confusion: pd.DataFrame
    reliability: pd.DataFrame

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; figures that do not exist are null."""
        return {
            "overall": {name: _plain(value) for name, value in self.overall.items()},
            "per_behavior": _records(self.per_behavior.rename_axis("behavior").reset_index()),
            "behaviors_without_positives": [
                str(name) for name, frames in self.per_behavior["positive_frames"].items() if frames == 0
            ],
            "confusion": {
                "rows": [str(name) for name in self.confusion.index],
                "columns": [str(name) for name in self.confusion.columns],
                "frames": self.confusion.to_numpy().tolist(),
            },
            "reliability": _records(self.reliability),
        }


def evaluate_frames(truths: Sequence[Ethogram], predictions: Sequence[Ethogram]) -> Metrics:
    """Compare predictions with labels.

    Args:
        truths: labels, one per recording (and subject).
        predictions: states, and scores if there are any, at the same frames and of the same behaviors.

    Raises:
        AnnotationError: when they do not fit each other, or an exclusive catalogue has two behaviors at once.
    """
    parts = compare_all(truths, predictions)
    behaviors = parts[0].behaviors
    counts = frame_counts(parts)
    segments = {overlap: count_segments(parts, overlap) for overlap in OVERLAPS}
    rows = []
    for column, behavior in enumerate(behaviors):
        state = behavior.kind == "state"
        row = _sizes(parts, column) | _ranking(parts, column)
        row |= _frames(*map(int, counts[column])) if state else _events(parts, column)
        for overlap, found in segments.items():
            row[f"segment_f1@{overlap:g}"] = f1(*map(int, found[column])) if state else np.nan
        banos_row = banos(parts, column) if state else dict.fromkeys(banos(parts, column), np.nan)
        row |= {f"banos_{name}": value for name, value in banos_row.items()}
        rows.append(row | _budget(parts, column, state) | _onsets(parts, column))
    per_behavior = pd.DataFrame(rows, index=pd.Index(behaviors.names, name="behavior"))
    table = confusion(parts)
    happens, scores = _scored(parts, range(len(behaviors)))
    reliability = reliability_table(happens, scores)
    overall = _overall(parts, per_behavior, reliability) | {
        f"segment_f1@{overlap:g}": f1(*map(int, found.sum(axis=0))) for overlap, found in segments.items()
    }
    if behaviors.exclusive:
        overall |= exclusive_figures(table)
    return Metrics(per_behavior, overall, table, reliability)


def _sizes(parts: Sequence[Comparison], column: int) -> dict[str, int | float]:
    return {
        "labelled_frames": sum(int(part.labelled[:, column].sum()) for part in parts),
        "frames": sum(int(part.counted[:, column].sum()) for part in parts),
        "positive_frames": sum(int(part.happens[:, column].sum()) for part in parts),
        "found_frames": sum(int(part.found[:, column].sum()) for part in parts),
        "recordings": sum(bool(part.happens[:, column].any()) for part in parts),
    }


def _scored(
    parts: Sequence[Comparison], columns: Sequence[int]
) -> tuple[Bool[np.ndarray, " frame"], Float32[np.ndarray, " frame"]]:
    """Labels and scores of some behaviors, at all frames that have both."""
    happens, scores = [np.zeros(0, bool)], [np.zeros(0, np.float32)]
    for part in parts:
        for column in columns:
            there = part.counted[:, column] & np.isfinite(part.scores[:, column])
            happens.append(part.happens[there, column])
            scores.append(part.scores[there, column])
    return np.concatenate(happens), np.concatenate(scores)


def _ranking(parts: Sequence[Comparison], column: int) -> dict[str, int | float]:
    happens, scores = _scored(parts, [column])
    table = reliability_table(happens, scores)
    return {
        "average_precision": average_precision(happens, scores),
        "chance": ratio(float(happens.sum()), len(happens)),
        "ece": expected_calibration_error(table),
        "brier": brier_score(happens, scores),
    }


def _frames(hit: int, false: int, missed: int, absent: int) -> dict[str, int | float]:
    recall, specificity = ratio(hit, hit + missed), ratio(absent, absent + false)
    return {
        "precision": ratio(hit, hit + false),
        "recall": recall,
        "f1": f1(hit, false, missed),
        "balanced_accuracy": (recall + specificity) / 2,
    }


def _events(parts: Sequence[Comparison], column: int) -> dict[str, int | float]:
    hits = true = found = 0
    for part in parts:
        true_s, found_s = event_times(part, column)
        hits += len(match_events(true_s, found_s)[0])
        true, found = true + len(true_s), found + len(found_s)
    return {
        "precision": ratio(hits, found),
        "recall": ratio(hits, true),
        "f1": f1(hits, found - hits, true - hits),
        "balanced_accuracy": np.nan,
    }


def _budget(parts: Sequence[Comparison], column: int, state: bool) -> dict[str, int | float]:
    if state:
        bouts = [tuple(map(len, part.bouts(column))) for part in parts]
    else:
        bouts = [(int(part.happens[:, column].sum()), int(part.found[:, column].sum())) for part in parts]
    true, found = (sum(counts) for counts in zip(*bouts, strict=True))
    row: dict[str, int | float] = {"bouts_true": true, "bouts_found": found, "bout_ratio": ratio(found, true)}
    if not state:
        nothing = ("seconds_true", "seconds_found", "duration_ratio", "time_budget_error")
        return row | dict.fromkeys(nothing, np.nan)
    counted_s = sum(float(part.seconds[part.counted[:, column]].sum()) for part in parts)
    true_s = sum(float(part.seconds[part.happens[:, column]].sum()) for part in parts)
    found_s = sum(float(part.seconds[part.found[:, column]].sum()) for part in parts)
    return row | {
        "seconds_true": true_s,
        "seconds_found": found_s,
        "duration_ratio": ratio(found_s, true_s),
        "time_budget_error": ratio(found_s - true_s, counted_s),
    }


def _onsets(parts: Sequence[Comparison], column: int) -> dict[str, int | float]:
    delay_s = np.concatenate([onset_delays(part, column) for part in parts])
    if not len(delay_s):
        return {"onset_delay_s": np.nan, "onset_error_s": np.nan}
    return {"onset_delay_s": float(np.median(delay_s)), "onset_error_s": float(np.median(np.abs(delay_s)))}


def _overall(
    parts: Sequence[Comparison], per_behavior: pd.DataFrame, reliability: pd.DataFrame
) -> dict[str, int | float]:
    present = per_behavior[per_behavior["positive_frames"] > 0] if len(per_behavior) else per_behavior
    averaged = ["average_precision", "precision", "recall", "f1", "balanced_accuracy", "ece", "brier"]
    averaged += [f"segment_f1@{overlap:g}" for overlap in OVERLAPS]
    states = [column for column, behavior in enumerate(parts[0].behaviors) if behavior.kind == "state"]
    figures: dict[str, int | float] = {f"macro_{name}": mean_known(_column(present, name)) for name in averaged}
    figures["ece"] = expected_calibration_error(reliability)
    figures["edit"] = edit_score(parts)
    figures |= {f"banos_{name}": value for name, value in banos_overall(parts, states).items()}
    figures["time_budget_error"] = mean_known([abs(error) for error in _column(per_behavior, "time_budget_error")])
    figures["onset_error_s"] = mean_known(_column(present, "onset_error_s"))
    return figures | {
        "behaviors": len(per_behavior),
        "behaviors_present": len(present),
        "recordings": len(parts),
        "labelled_s": sum(float(part.seconds[part.labelled.any(axis=1)].sum()) for part in parts),
        "counted_s": sum(float(part.seconds[part.counted.any(axis=1)].sum()) for part in parts),
    }


def _column(table: pd.DataFrame, name: str) -> list[float]:
    return [float(value) for value in table[name]] if len(table) else []


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict(orient="records")]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
