"""All figures of an evaluation, beside its tables."""

from pathlib import Path

from vp_science.plots.bars import plot_bars, plot_confusion
from vp_science.plots.curves import plot_precision_recall, plot_reliability
from vp_science.plots.strips import plot_strips
from vp_science.probes.report import EvaluationReport
from vp_science.typing import StrPath


def save_evaluation(report: EvaluationReport, folder: StrPath) -> list[Path]:
    """Write a report with its figures: ``evaluation.json``, ``evaluation.md`` and PNG files.

    Args:
        report: from ``evaluate_probe``.
        folder: made if need be; files of these names are replaced.

    Returns:
        The files.

    Raises:
        ProbeError: when the folder cannot be written.
    """
    where = Path(folder)
    files = report.save(where)  # makes the folder, and is there even if a figure fails
    figures = [
        plot_bars(
            report,
            "average_precision",
            "How well is each behavior ranked? (average precision)",
            where / "average_precision.png",
        ),
        plot_bars(report, "segment_f1@0.5", "How many bouts are found? (F1 at half overlap)", where / "bouts.png"),
        plot_precision_recall(report, where / "precision_recall.png"),
        plot_reliability(report, where / "reliability.png"),
    ]
    if report.behaviors.exclusive:
        figures.append(plot_confusion(report, where / "confusion.png"))
    figures += plot_strips(report.probe.tested, [fold.name for fold in report.folds], where)
    report.save_text(where, [figure.name for figure in figures])
    return [*files, *figures]
