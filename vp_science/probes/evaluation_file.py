"""What figures of an evaluation need, from a report in memory or from its ``evaluation.json``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vp_science.errors import AnnotationError, ProbeError
from vp_science.probes.report import FORMAT, JSON_NAME, SCHEMA, EvaluationReport
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.metrics import evaluate_frames
from vp_science.timeline.ranking import RankingCurve, ranking_curves
from vp_science.typing import StrPath

_MAX_BYTES = 256 << 20


@dataclass(frozen=True, eq=False)
class EvaluationFigures:
    """Curves and counts of an evaluation.

    Attributes:
        behaviors: the catalogue.
        untrained: whether the encoder was.
        titles: of the methods, the probe first.
        curves: precision and recall per method, one curve per behavior, all test recordings together.
        folds: the curves of the probe fold by fold; () when they were read from a file, which does not hold them.
        confusion: of the probe, see ``frame_metrics.confusion``.
        reliability: of the probe, see ``calibration.reliability_table``.
    """

    behaviors: Behaviors
    untrained: bool
    titles: dict[str, str]
    curves: dict[str, list[RankingCurve]]
    confusion: pd.DataFrame
    reliability: pd.DataFrame
    folds: tuple[list[RankingCurve], ...] = field(default=())

    @classmethod
    def of(cls, report: EvaluationReport) -> "EvaluationFigures":
        """From a report."""
        assert report.probe.pooled is not None
        tested = report.probe.tested
        folds = [[one for one in tested if one.fold == fold] for fold in range(len(report.folds))]
        by_fold = [ranking_curves([t.truth for t in fold], [t.prediction for t in fold]) for fold in folds if fold]
        return cls(
            report.behaviors,
            bool(report.settings.get("untrained_encoder", False)),
            {method.name: method.title for method in report.methods if method.tested},
            {method.name: method.curves() for method in report.methods if method.tested},
            report.probe.pooled.confusion,
            report.probe.pooled.reliability,
            tuple(by_fold),
        )

    @classmethod
    def compare(
        cls, truths: Sequence[Ethogram], predictions: Sequence[Ethogram], untrained: bool = False
    ) -> "EvaluationFigures":
        """From labels and predictions of the same frames.

        Raises:
            AnnotationError: when they do not fit each other.
        """
        metrics, curves = evaluate_frames(truths, predictions), ranking_curves(truths, predictions)
        titles = {"probe": "predictions"}
        return cls(truths[0].behaviors, untrained, titles, {"probe": curves}, metrics.confusion, metrics.reliability)


def read_evaluation(path: StrPath) -> EvaluationFigures:
    """Read the figures of an evaluation that was saved.

    Args:
        path: ``evaluation.json``, or the folder that holds it.

    Raises:
        ProbeError: when it is something else, damaged, or was written before it held curves.
    """
    where = Path(path)
    where = where / JSON_NAME if where.is_dir() else where
    content = read_evaluation_json(where)
    try:
        methods = [method for method in content["methods"] if method["pooled"] is not None]
        if any("curves" not in method for method in methods):
            raise ProbeError(f"expected precision-recall curves in {where}, found none: evaluate again to have them")
        pooled = methods[0]["pooled"]
        table = pooled["confusion"]
        confusion = pd.DataFrame(
            np.asarray(table["frames"], np.int64),
            pd.Index([str(name) for name in table["rows"]], name="label"),
            pd.Index([str(name) for name in table["columns"]], name="prediction"),
        )
        columns = ["low", "high", "count", "score", "frequency"]
        return EvaluationFigures(
            Behaviors.from_json(content["behaviors"]),
            bool(content["settings"]["untrained_encoder"]),
            {str(method["name"]): str(method["title"]) for method in methods},
            {str(m["name"]): [RankingCurve.from_json(curve) for curve in m["curves"]] for m in methods},
            confusion,
            pd.DataFrame(pooled["reliability"], columns=columns).astype(np.float64),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, AnnotationError) as error:
        raise ProbeError(f"expected an evaluation in {where}, found a damaged one ({error}): evaluate again") from error


def read_evaluation_json(path: Path) -> dict[str, Any]:
    """The content of ``evaluation.json``.

    Raises:
        ProbeError: when it is not one.
    """
    try:
        if (size := path.stat().st_size) > _MAX_BYTES:
            raise ProbeError(f"expected an evaluation of at most {_MAX_BYTES >> 20} MiB at {path}, found {size >> 20}")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProbeError(
            f"cannot read {path} ({error.strerror or error}): give the evaluation.json of a report"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ProbeError(f"expected an evaluation at {path}, found something else ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ProbeError(f"expected an evaluation at {path}, found something else: give what probe evaluate wrote")
    if content.get("schema") != SCHEMA:
        raise ProbeError(f"expected schema {SCHEMA} in {path}, found {content.get('schema')!r}: upgrade vp-science")
    return content
