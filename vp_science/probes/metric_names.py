"""What the figures are called, and what they mean to the person who reads a report."""

from dataclasses import dataclass, replace
from typing import Literal

Group = Literal["frames", "bouts", "time", "scores"]
GROUPS: dict[Group, str] = {
    "frames": "Moment by moment",
    "bouts": "Bout by bout",
    "time": "How much, how often, when",
    "scores": "Are the scores probabilities?",
}


@dataclass(frozen=True)
class MetricName:
    """One figure of a report.

    Attributes:
        title: as a heading.
        group: which table it stands in.
        meaning: for people who study animals.
        key: column of ``Metrics.per_behavior``; "" where the figure exists for all behaviors together only.
        overall_key: name in ``Metrics.overall``; "" where it stands in no table of all behaviors together.
        form: of the number.
        spread: whether mean and spread over the folds say something (they do not for plain counts).
        compared: shown beside the baselines, behavior by behavior.
    """

    title: str
    group: Group
    meaning: str
    key: str = ""
    overall_key: str = ""
    form: str = ".3f"
    spread: bool = True
    compared: bool = False

    def unsigned(self) -> "MetricName":
        """The same for a size or a spread, which has no sign."""
        return replace(self, form=self.form.removeprefix("+"))


FIGURES: tuple[MetricName, ...] = (
    MetricName(
        "average precision",
        "frames",
        "whether moments with the behavior get higher scores than moments without, at all thresholds together. 1 is "
        "perfect; guessing gets what stands under chance. The mean over the behaviors is called mAP; the background "
        "(time without any of the behaviors) is not one of them. It does not depend on the chosen threshold",
        "average_precision",
        "macro_average_precision",
        compared=True,
    ),
    MetricName(
        "chance",
        "frames",
        "share of the labelled moments in which the behavior happens: the average precision of random scores",
        "chance",
        spread=False,
    ),
    MetricName(
        "F1",
        "frames",
        "harmonic mean of precision and recall of moments, at the threshold chosen in the training part (for point "
        "behaviors: of events, within half a second)",
        "f1",
        "macro_f1",
        compared=True,
    ),
    MetricName("precision", "frames", "share of the found moments that people marked too", "precision"),
    MetricName("recall", "frames", "share of the marked moments that were found", "recall"),
    MetricName(
        "balanced accuracy",
        "frames",
        "mean of the share of marked moments that were found and the share of other moments that were left alone; "
        "guessing gets 0.5, however rare the behavior",
        "balanced_accuracy",
        "macro_balanced_accuracy",
    ),
    MetricName("bouts marked", "bouts", "bouts that people marked: the sample size", "bouts_true", "", ".0f", False),
    MetricName("bouts found", "bouts", "bouts that the probe found", "bouts_found", "", ".0f", False),
    MetricName(
        "bout F1 at 0.1",
        "bouts",
        "F1 of bouts: a found bout counts when it overlaps a marked one that is still free by a tenth (intersection "
        "over union)",
        "segment_f1@0.1",
    ),
    MetricName("bout F1 at 0.25", "bouts", "the same with a quarter of overlap", "segment_f1@0.25"),
    MetricName(
        "bout F1 at 0.5",
        "bouts",
        "the same with half of overlap: bouts must begin and end about right, and not be broken into pieces",
        "segment_f1@0.5",
        "segment_f1@0.5",
        compared=True,
    ),
    MetricName(
        "edit score",
        "bouts",
        "whether bouts follow each other in the right order, whenever they happen: 1 minus the insertions, deletions "
        "and replacements that turn the found sequence into the marked one, as a share of the longer; a mean over "
        "recordings",
        "",
        "edit",
    ),
    MetricName(
        "BANOS F1", "bouts", "F1 of bouts where any overlap counts; a mean over recordings in which it exists",
        "banos_f1", "banos_f1",
    ),
    MetricName("BANOS overlap", "bouts", "mean intersection over union of overlapping bouts", "banos_so"),
    MetricName(
        "BANOS timing",
        "bouts",
        "1 / (1 + frames off at start and stop), mean over overlapping bouts: harsh, and it depends on the frame rate",
        "banos_tp",
    ),
    MetricName("BANOS continuity", "bouts", "how rarely the prediction flips within a marked bout", "banos_ic"),
    MetricName("seconds marked", "time", "time that people marked", "seconds_true", "", ".1f", False),
    MetricName("seconds found", "time", "time that the probe found", "seconds_found", "", ".1f", False),
    MetricName(
        "time budget error",
        "time",
        "found minus marked share of the labelled time: +0.02 says that a behavior of 10 % would be reported as 12 %. "
        "Over all behaviors: mean of its size",
        "time_budget_error",
        "time_budget_error",
        "+.3f",
    ),
    MetricName(
        "onset error (s)", "time", "how far off the beginning of a found bout is, in seconds (median of the size)",
        "onset_error_s", "", ".2f",
    ),
    MetricName(
        "ECE",
        "scores",
        "expected calibration error: how far scores are from the share of moments in which it really happens; "
        "0 means that of all moments with score 0.7, 70 % show it",
        "ece",
        "ece",
    ),
    MetricName("Brier score", "scores", "mean squared distance between score and truth (0 or 1); 0 is best", "brier"),
)  # fmt: skip

CARD_METRICS = (
    "average_precision",
    "macro_average_precision",
    "f1",
    "macro_f1",
    "segment_f1@0.5",
    "balanced_accuracy",
    "macro_balanced_accuracy",
    "edit",
    "ece",
    "time_budget_error",
    "bouts_true",
    "recordings",
    "counted_s",
)
"""Figures that stand on the model card of a probe."""
