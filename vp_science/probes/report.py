"""What an evaluation found: figures per behavior and fold, baselines beside them, sample sizes behind them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vp_science.errors import ProbeError
from vp_science.files import write_atomically
from vp_science.probes.metric_names import CARD_METRICS
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram, frame_edges, runs
from vp_science.timeline.metrics import Metrics
from vp_science.timeline.ranking import RankingCurve, ranking_curves
from vp_science.typing import StrPath

FORMAT, SCHEMA = "vp_science.evaluation", 1
JSON_NAME, TEXT_NAME = "evaluation.json", "evaluation.md"
_SAVED_POINTS = 100


@dataclass(frozen=True, eq=False)
class Tested:
    """A stretch that was predicted by a probe that never saw it.

    Attributes:
        fold: number of the fold, from 0.
        truth: labels at the grid times.
        prediction: scores and states there.
    """

    fold: int
    truth: Ethogram
    prediction: Ethogram


@dataclass(frozen=True)
class FoldFacts:
    """What a fold was made of, and what was chosen inside its training part.

    Attributes:
        name: what was held out.
        train_groups: groups learned from.
        test_groups: groups tested on.
        train_recordings: recordings learned from.
        test_recordings: recordings tested on.
        train_s: labelled time learned from, in seconds.
        test_s: labelled time tested on, in seconds.
        train_bouts: bouts learned from, per behavior.
        test_bouts: bouts tested on, per behavior.
        thresholds: per behavior, chosen in the training part.
        postprocess: rules from scores to states, chosen in the training part or given.
        validation: what was kept inside the training part to choose them.
        leakage: why the test is not independent; "" for a clean split.
    """

    name: str
    train_groups: tuple[str, ...]
    test_groups: tuple[str, ...]
    train_recordings: tuple[str, ...]
    test_recordings: tuple[str, ...]
    train_s: float
    test_s: float
    train_bouts: Mapping[str, int]
    test_bouts: Mapping[str, int]
    thresholds: tuple[float, ...]
    postprocess: Mapping[str, Any]
    validation: str
    leakage: str = ""


@dataclass(frozen=True, eq=False)
class MethodResult:
    """The probe or a baseline.

    Attributes:
        name: ``probe``, ``majority``, ``pixels`` or ``untrained``.
        title: for people.
        note: why there are no figures; "" when there are.
        folds: figures of every fold in which something was tested.
        pooled: figures of all test parts together; None when there are none.
        tested: labels and predictions behind the figures.
    """

    name: str
    title: str
    note: str
    folds: tuple[Metrics, ...]
    pooled: Metrics | None
    tested: tuple[Tested, ...]

    def curves(self, max_points: int = 400) -> list[RankingCurve]:
        """Precision and recall at every threshold, per behavior, all test parts together; [] when there are none."""
        truths, predictions = [one.truth for one in self.tested], [one.prediction for one in self.tested]
        return ranking_curves(truths, predictions, max_points) if truths else []

    def predictions(self) -> list[Ethogram]:
        """What was found in every recording (of every animal), each moment by a probe that never saw it.

        Returns:
            Ethograms at the grid times that were tested, in the order of testing; [] when there are no figures.
        """
        parts: dict[tuple[str, str, str], list[Ethogram]] = {}
        for one in self.tested:
            found = one.prediction
            parts.setdefault((found.recording, found.subject, found.target), []).append(_tested_rows(one))
        return [_joined(some) for some in parts.values()]


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """The result of ``evaluate_probe``.

    Attributes:
        behaviors: the catalogue.
        settings: of the probe, the folds and the tracks.
        folds: what every fold was made of.
        methods: the probe, then the baselines.
        notes: what a reader must know: leakage, what was left out, what was never tested.
    """

    behaviors: Behaviors
    settings: Mapping[str, Any]
    folds: tuple[FoldFacts, ...]
    methods: tuple[MethodResult, ...]
    notes: tuple[str, ...]

    @property
    def probe(self) -> MethodResult:
        """The result of the probe."""
        return self.methods[0]

    def method(self, name: str) -> MethodResult:
        """The result of a method.

        Raises:
            ProbeError: listing the methods that there are.
        """
        for result in self.methods:
            if result.name == name:
                return result
        raise ProbeError(f"expected one of {', '.join(m.name for m in self.methods)}, found {name!r}")

    def table(self) -> pd.DataFrame:
        """Every figure of every method: one row per method, behavior and metric.

        Returns:
            Columns ``method``, ``behavior`` ("" for all behaviors together), ``metric``, ``pooled`` (all test parts
            as one), ``mean``, ``sd``, ``min``, ``max`` over the folds in which the figure exists, and ``folds``, their
            number. A baseline that was not computed has one row with its ``note``.
        """
        rows: list[dict[str, Any]] = []
        for method in self.methods:
            if method.pooled is None:
                rows.append({"method": method.name, "behavior": "", "metric": "", "folds": 0, "note": method.note})
                continue
            figures = [flat_figures(metrics) for metrics in method.folds]
            for (behavior, metric), pooled in flat_figures(method.pooled).items():
                values = np.array([fold.get((behavior, metric), np.nan) for fold in figures])
                rows.append(
                    {"method": method.name, "behavior": behavior, "metric": metric, "pooled": pooled, "note": ""}
                    | spread(values)
                )
        columns = ["method", "behavior", "metric", "pooled", "mean", "sd", "min", "max", "folds", "note"]
        return pd.DataFrame(rows, columns=columns)

    def figure(self, metric: str, behavior: str = "", method: str = "probe") -> dict[str, float]:
        """One figure: pooled, mean, sd, min, max and number of folds; NaN where it does not exist.

        Raises:
            ProbeError: when there is no such method, behavior or metric.
        """
        if self.method(method).pooled is None:
            return dict.fromkeys(("pooled", "mean", "sd", "min", "max"), np.nan) | {"folds": 0}
        try:
            return self._figures[method, behavior, metric]
        except KeyError:
            raise ProbeError(f"expected a behavior and a metric of the table, found {behavior!r}, {metric!r}") from None

    @cached_property
    def _figures(self) -> dict[tuple[str, str, str], dict[str, float]]:
        return {
            (row["method"], row["behavior"], row["metric"]): {
                name: float(row[name]) for name in ("pooled", "mean", "sd", "min", "max")
            }
            | {"folds": int(row["folds"])}
            for row in self.table().to_dict(orient="records")
        }

    def to_json(self) -> dict[str, Any]:
        """Everything but the predictions, as plain JSON (figures that do not exist are null)."""
        value = {
            "format": FORMAT,
            "schema": SCHEMA,
            "software": f"vp-science {version('vp-science')}",
            "settings": dict(self.settings),
            "behaviors": self.behaviors.to_json(),
            "folds": [asdict(fold) for fold in self.folds],
            "methods": [
                {
                    "name": method.name,
                    "title": method.title,
                    "note": method.note,
                    "pooled": None if method.pooled is None else method.pooled.to_json(),
                    "folds": [metrics.to_json() for metrics in method.folds],
                    "curves": [curve.to_json() for curve in method.curves(_SAVED_POINTS)],
                }
                for method in self.methods
            ],
            "table": self.table().to_dict(orient="records"),
            "notes": list(self.notes),
            "card": self.card(),
        }
        return dict(_plain(value))

    def card(self) -> dict[str, Any]:
        """The figures that belong on the model card of a probe (``probe.evaluation_``)."""
        table = self.table()
        kept = table[table["metric"].isin(CARD_METRICS)].drop(columns="note")
        return dict(
            _plain(
                {
                    "folds": [
                        {"name": f.name, "test_recordings": f.test_recordings, "test_bouts": f.test_bouts}
                        for f in self.folds
                    ],
                    "figures": kept.to_dict(orient="records"),
                    "per_fold": [
                        [
                            {"behavior": behavior, "metric": metric, "value": value}
                            for (behavior, metric), value in flat_figures(metrics).items()
                            if metric in CARD_METRICS
                        ]
                        for metrics in self.probe.folds
                    ],
                    "notes": list(self.notes),
                }
            )
        )

    def text(self, figures: Sequence[str] = ()) -> str:
        """The report for people, in Markdown; ``figures`` are names of pictures beside it."""
        from vp_science.probes.report_text import report_text

        return report_text(self, figures)

    def save(self, folder: StrPath, figures: Sequence[str] = ()) -> list[Path]:
        """Write ``evaluation.json`` and ``evaluation.md`` (``vp_science.plots.save_evaluation`` adds the figures).

        Args:
            folder: made if need be; files of these names are replaced.
            figures: names of pictures in the folder, to be shown in the text.

        Returns:
            The files.

        Raises:
            ProbeError: when the folder cannot be written.
        """
        content = json.dumps(self.to_json(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        return [_write(Path(folder), JSON_NAME, content), self.save_text(folder, figures)]

    def save_text(self, folder: StrPath, figures: Sequence[str] = ()) -> Path:
        """Write ``evaluation.md`` alone; see ``save``."""
        return _write(Path(folder), TEXT_NAME, self.text(figures))


def _tested_rows(one: Tested) -> Ethogram:
    """The prediction where there are labels to test it; elsewhere the same probe may have learned."""
    rows, found = one.truth.known.any(axis=1), one.prediction
    scores = None if found.scores is None else found.scores[rows]
    return replace(found, time_s=found.time_s[rows], states=found.states[rows], scores=scores)


def _joined(parts: Sequence[Ethogram]) -> Ethogram:
    """Stretches of one recording as one ethogram."""
    times = np.concatenate([part.time_s for part in parts])
    states = np.concatenate([part.states for part in parts])
    scores = [part.scores for part in parts if part.scores is not None]
    whole = np.concatenate(scores) if len(scores) == len(parts) else None
    order = np.argsort(times)
    return replace(parts[0], time_s=times[order], states=states[order], scores=None if whole is None else whole[order])


def _write(folder: Path, name: str, text: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, lambda file: file.write(text.encode()))
    except OSError as error:
        raise ProbeError(
            f"cannot write the report to {folder} ({error.strerror or error}): choose a folder with room"
        ) from error
    return folder / name


def flat_figures(metrics: Metrics) -> dict[tuple[str, str], float]:
    """All figures of a set of metrics by (behavior, metric); behavior is "" for all together."""
    found = {("", name): _number(value) for name, value in metrics.overall.items()}
    for behavior, row in metrics.per_behavior.iterrows():
        found |= {(str(behavior), str(name)): _number(value) for name, value in row.items()}
    return found


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def spread(values: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation (over folds, n - 1), least and greatest of the values that exist."""
    there = values[np.isfinite(values)]
    if not len(there):
        return {"mean": np.nan, "sd": np.nan, "min": np.nan, "max": np.nan, "folds": 0}
    sd = float(there.std(ddof=1)) if len(there) > 1 else np.nan
    return {
        "mean": float(there.mean()),
        "sd": sd,
        "min": float(there.min()),
        "max": float(there.max()),
        "folds": len(there),
    }


def count_bouts(truths: Sequence[Ethogram]) -> dict[str, int]:
    """Bouts (runs of frames, or events) of every behavior."""
    counts = dict.fromkeys(truths[0].behaviors.names, 0)
    for truth in truths:
        for column, behavior in enumerate(truth.behaviors):
            on = truth.states[:, column] == 1
            counts[behavior.name] += int(on.sum()) if behavior.kind == "point" else len(runs(on))
    return counts


def labelled_seconds(truths: Sequence[Ethogram]) -> float:
    """Time with any label."""
    return float(sum(np.diff(frame_edges(t.time_s))[t.known.any(axis=1)].sum() for t in truths))


def _plain(value: Any) -> Any:
    """As JSON knows it: no tuples, no numpy, null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
