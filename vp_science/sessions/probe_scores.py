"""The scores of a probe of a session, as the panel shows them: read from what ``scoring.py`` wrote."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from vp_science.errors import AnnotationError, ProbeError
from vp_science.sessions.session_probes import read_json, training_folder
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ranking import RankingCurve

FEW_BOUTS = 5
"""With fewer bouts than this nothing is said about a behavior."""

NONE_OF_THESE = "none of these"
"""What frames without any behavior are called, where behaviors exclude each other."""

_MOST_BYTES = 256 << 20


@dataclass(frozen=True)
class BehaviorScore:
    """How well one behavior is found in what the probe never saw.

    Attributes:
        name: of the behavior.
        bouts: labelled bouts that were tested.
        seconds: their time; 0 for point events.
        average_precision: 0 to 1, NaN when it never happens.
        chance: the average precision of guessing.
        f1: of frames (events, for point behaviors), NaN when there is none.
        precision: share of what was found that is right.
        recall: share of what happens that was found.
        few: there are too few labels to say anything.
    """

    name: str
    bouts: int
    seconds: float
    average_precision: float
    chance: float
    f1: float
    precision: float
    recall: float
    few: bool


@dataclass(frozen=True, eq=False)
class Confusion:
    """What is taken for what, in frames.

    Attributes:
        rows: names.
        columns: names; where behaviors may overlap ``found``, ``missed`` and ``falsely found``.
        counts: ``(row, column)`` frames.
        rest: per row the frames that no column counts (rightly left alone), where behaviors may overlap; else 0.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: Int64[np.ndarray, "row column"]
    rest: Int64[np.ndarray, " row"]


@dataclass(frozen=True, eq=False)
class ProbeScores:
    """Honest scores of a probe.

    Attributes:
        how: in words, what was held out.
        notes: what else a reader must know.
        behaviors: the catalogue of the probe.
        each: per behavior, in its order.
        confusion: see ``Confusion``.
        curves: precision and recall per behavior.
        reliability: ``(bin, 4)`` low, high, mean score, share of frames in which it happens; only bins with frames.
        frames: ``(bin,)`` frames of these bins.
        moments: what stands behind the cells of the confusion matrix.
    """

    how: str
    notes: tuple[str, ...]
    behaviors: Behaviors
    each: tuple[BehaviorScore, ...]
    confusion: Confusion
    curves: tuple[RankingCurve, ...]
    reliability: Float64[np.ndarray, "bin 4"]
    frames: Int64[np.ndarray, " bin"]
    moments: "CellMoments"


@dataclass(frozen=True, eq=False)
class CellMoments:
    """Moments by cell of the confusion matrix.

    Attributes:
        recordings: ids.
        which: ``(moment,)`` position in ``recordings``.
        cells: ``(moment, 2)`` row and column.
        times: ``(moment, 2)`` start and stop in seconds.
    """

    recordings: tuple[str, ...]
    which: Int64[np.ndarray, " moment"]
    cells: Int64[np.ndarray, "moment 2"]
    times: Float64[np.ndarray, "moment 2"]

    def of(self, row: int, column: int, most: int = 500) -> list[tuple[str, float, float]]:
        """Recording, start and stop of the moments of one cell, the longest first."""
        chosen = np.flatnonzero((self.cells[:, 0] == row) & (self.cells[:, 1] == column))
        length = self.times[chosen, 1] - self.times[chosen, 0]
        chosen = chosen[np.argsort(-length, kind="stable")[:most]]
        return [
            (self.recordings[which], start_s, stop_s)
            for which, (start_s, stop_s) in zip(self.which[chosen].tolist(), self.times[chosen].tolist(), strict=True)
        ]


def read_scores(session_folder: Path, probe_id: str) -> ProbeScores | None:
    """The scores of a probe; None when it was not tested.

    Raises:
        ProbeError: when they are damaged.
    """
    folder = training_folder(session_folder, probe_id)
    names = [folder / name for name in ("evaluation.json", "how.json", "moments.npz")]
    if not all(path.exists() for path in names):
        return None
    content, how = read_json(names[0]), read_json(names[1])
    try:
        return _scores(content, str(how["how"]), _moments(names[2]))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, AnnotationError) as error:
        raise ProbeError(f"expected scores in {folder}, found damaged ones ({error}): train again") from error


def _scores(content: dict[str, Any], how: str, moments: CellMoments) -> ProbeScores:
    behaviors = Behaviors.from_json(content["behaviors"])
    method = content["methods"][0]
    pooled = method["pooled"]
    bins = [row for row in pooled["reliability"] if row["count"]]
    values = [[row["low"], row["high"], row["score"], row["frequency"]] for row in bins]
    return ProbeScores(
        how=how,
        notes=tuple(str(note) for note in content["notes"]),
        behaviors=behaviors,
        each=tuple(_one(row, content["folds"]) for row in pooled["per_behavior"]),
        confusion=_confusion(pooled["confusion"]),
        curves=tuple(RankingCurve.from_json(curve) for curve in method["curves"]),
        reliability=np.array(values, np.float64).reshape(-1, 4),
        frames=np.array([row["count"] for row in bins], np.int64),
        moments=moments,
    )


def _one(row: dict[str, Any], folds: list[dict[str, Any]]) -> BehaviorScore:
    name, bouts = str(row["behavior"]), int(row["bouts_true"])
    # A fold says something about a behavior when it was learned there and happens in what was tested.
    telling = sum(bool(fold["train_bouts"][name] and fold["test_bouts"][name]) for fold in folds)
    figures = {key: _number(row[key]) for key in ("average_precision", "chance", "f1", "precision", "recall")}
    few = bouts < FEW_BOUTS or not telling
    return BehaviorScore(name, bouts, float(row["seconds_true"] or 0.0), **figures, few=few)


def _confusion(table: dict[str, Any]) -> Confusion:
    rows, columns = tuple(map(str, table["rows"])), tuple(map(str, table["columns"]))
    counts = np.array(table["frames"], np.int64).reshape(len(rows), len(columns))
    if columns == ("found", "false", "missed", "absent"):
        return Confusion(rows, ("found", "missed", "falsely found"), counts[:, [0, 2, 1]], counts[:, 3])
    names = (*rows[:-1], NONE_OF_THESE)  # the background is last, under a name of its own in every format
    return Confusion(names, names, counts, np.zeros(len(rows), np.int64))


def _moments(path: Path) -> CellMoments:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
                raise ValueError("it unpacks to an absurd size")
        with np.load(path, allow_pickle=False) as arrays:
            which, cells, times = (np.asarray(arrays[name]) for name in ("which", "cells", "times"))
            recordings = tuple(str(name) for name in arrays["recordings"])
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    same = which.shape == (len(which),) and cells.shape == times.shape == (len(which), 2)
    if not same or (len(which) and not 0 <= which.min() <= which.max() < len(recordings)):
        raise ValueError(f"{path.name}: other shapes")
    return CellMoments(recordings, which.astype(np.int64), cells.astype(np.int64), times.astype(np.float64))


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)
