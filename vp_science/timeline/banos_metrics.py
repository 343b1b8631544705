"""BANOS: detection accuracy, segment overlap, temporal precision and intra-bout continuity of one behavior.

The definitions are those of the package ``banos`` (which the tests hold this against), with its conventions:

- where a behavior was never labelled in a recording, everything is 1 if nothing was found and 0 otherwise;
- where it was labelled and nothing was found, recall is 0 and precision, F1, overlap and temporal precision do not
  exist (NaN) and drop out of means: a behavior that is always missed is not punished by them, so read them together
  with recall or segment F1;
- temporal precision is ``1 / (1 + frames off at the start + frames off at the end)``: harsh, and dependent on the frame
  rate.
"""

from collections.abc import Sequence

import numpy as np

from vp_science.timeline.comparison import Comparison
from vp_science.timeline.frame_metrics import f1, mean_known, ratio
from vp_science.timeline.segment_metrics import match_in_order, overlap_ratio, overlapping

COMPONENTS = ("precision", "recall", "f1", "so", "tp", "ic")
"""Names of the figures: bout precision, recall and F1, segment overlap, temporal precision, continuity."""


def banos_of(part: Comparison, column: int) -> dict[str, float]:
    """The components of one behavior in one recording; all NaN where nothing counts.

    Args:
        part: labels and predictions.
        column: which behavior.
    """
    true, found = part.bouts(column)
    if not part.counted[:, column].any():
        return dict.fromkeys(COMPONENTS, np.nan)
    if not len(true):
        return dict.fromkeys(COMPONENTS, 0.0 if len(found) else 1.0)
    hits = len(match_in_order(true, found)[0])
    one, other = overlapping(found, true)
    overlap = overlap_ratio(found[one], true[other])
    off = np.abs(found[one] - true[other]).sum(axis=1)
    return {
        "precision": ratio(hits, len(found)),
        "recall": ratio(hits, len(true)),
        "f1": f1(hits, len(found) - hits, len(true) - hits) if hits else np.nan,
        "so": mean_known(overlap.tolist()),
        "tp": mean_known((1 / (1 + off)).tolist()),
        "ic": _continuity(part, column),
    }


def _continuity(part: Comparison, column: int) -> float:
    """Mean over labelled bouts of 1 - changes of the prediction / changes that there could be."""
    true, _ = part.bouts(column)
    changes = np.concatenate([[0], np.cumsum(np.diff(part.found[:, column].astype(np.int8)) != 0)])
    first, last = true[:, 0], true[:, 1] - 1
    longer = last > first
    switches = changes[last[longer]] - changes[first[longer]]
    return mean_known((1 - switches / (last - first)[longer]).tolist())


def banos(comparisons: Sequence[Comparison], column: int) -> dict[str, float]:
    """Mean over recordings of the components of one behavior, of those that exist: every recording counts the same."""
    parts = [banos_of(part, column) for part in comparisons]
    return {name: mean_known([part[name] for part in parts]) for name in COMPONENTS}


def banos_overall(comparisons: Sequence[Comparison], columns: Sequence[int]) -> dict[str, float]:
    """Mean over all pairs of recording and behavior."""
    parts = [banos_of(part, column) for part in comparisons for column in columns]
    return {name: mean_known([part[name] for part in parts]) for name in COMPONENTS}
