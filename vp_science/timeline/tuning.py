"""Choosing thresholds and post-processing rules on labelled (validation) frames."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int8

from vp_science.errors import ProbeError
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.comparison import Comparison, compare
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.frame_metrics import f1, frame_counts, mean_known
from vp_science.timeline.postprocess import Decision, Method, PostProcess, clean_up, decide
from vp_science.timeline.segment_metrics import OVERLAPS, count_segments, edit_score
from vp_science.timeline.viterbi import Rates, fit_transitions, state_columns

ThresholdMetric = Literal["f1", "balanced_accuracy"]
_WITHOUT_LABELS = 0.5
_SHARES = (0.0, 1 / 8, 1 / 4, 1 / 2)
"""Durations that are tried, as shares of the median bout."""
_MOST_FOLDS = 10


def choose_thresholds(
    scores: Sequence[Float[np.ndarray, "_ behavior"]] | Float[np.ndarray, "frame behavior"],
    states: Sequence[Int8[np.ndarray, "_ behavior"]] | Int8[np.ndarray, "frame behavior"],
    behaviors: Behaviors,
    metric: ThresholdMetric = "f1",
) -> Float32[np.ndarray, " behavior"]:
    """For every behavior the threshold with the best figure on these frames, by itself.

    Thresholds lie halfway between neighbouring scores, and some score reaches them. Of several equally good ones, the
    one nearest to 0.5 is taken. A behavior that never happens here keeps 0.5. Unknown states and scores (NaN) do not
    count.

    Args:
        scores: of every frame, one array or one per recording.
        states: the labels of the same frames.
        behaviors: the catalogue.
        metric: ``f1``, or ``balanced_accuracy``.

    Raises:
        ProbeError: when shapes do not fit each other, or the metric is another one.
    """
    if metric not in ("f1", "balanced_accuracy"):
        raise ProbeError(f"expected the metric f1 or balanced_accuracy to choose thresholds, found {metric!r}")
    score_parts = [scores] if isinstance(scores, np.ndarray) else list(scores)
    state_parts = [states] if isinstance(states, np.ndarray) else list(states)
    expected, found = [part.shape for part in state_parts], [part.shape for part in score_parts]
    if expected != found or any(shape[1:] != (len(behaviors),) for shape in found):
        raise ProbeError(
            f"expected scores and states of the same frames and of {len(behaviors)} behaviors, found {found} and "
            f"{expected}: predict the labelled recordings"
        )
    empty = np.zeros((0, len(behaviors)))
    values = np.concatenate([empty.astype(np.float32), *(part.astype(np.float32) for part in score_parts)])
    labels = np.concatenate([empty.astype(np.int8), *state_parts])
    counted = (labels >= 0) & np.isfinite(values)
    columns = [
        _best_threshold(values[counted[:, c], c], labels[counted[:, c], c] == 1, metric) for c in range(len(behaviors))
    ]
    return np.array(columns, dtype=np.float32)


def _best_threshold(
    scores: Float32[np.ndarray, " frame"], happens: Bool[np.ndarray, " frame"], metric: ThresholdMetric
) -> float:
    num_positive = int(happens.sum())
    if num_positive == 0:
        return _WITHOUT_LABELS
    levels, place = np.unique(scores, return_inverse=True)
    positive = np.bincount(place, weights=happens, minlength=len(levels))[::-1].cumsum()[::-1]
    called = np.bincount(place, minlength=len(levels))[::-1].cumsum()[::-1]
    if metric == "f1":
        figure = 2 * positive / (called + num_positive)
    else:
        num_negative = max(1, len(scores) - num_positive)
        figure = (positive / num_positive + 1 - (called - positive) / num_negative) / 2
    below = np.concatenate([[0.0], levels[:-1].astype(np.float64)])
    cut = ((below + levels) / 2).astype(np.float32)
    cut = np.where(cut > below, cut, levels)  # halfway between two neighbouring numbers rounds to one of them
    usable = levels > 0  # a score of zero never counts as happening
    if not usable.any():
        return _WITHOUT_LABELS
    best = usable & (figure >= figure[usable].max() - 1e-12)
    return float(cut[best][np.abs(cut[best] - 0.5).argmin()])


@dataclass(frozen=True)
class _Candidate:
    """Rules in units of the median bout."""

    method: Method
    median: float
    fill_gap: float
    min_bout: float

    @property
    def steps(self) -> tuple[int, float]:
        """Simplest first: how much is done, and how strongly."""
        strength = self.median + self.fill_gap + self.min_bout
        number = sum(value > 0 for value in (self.median, self.fill_gap, self.min_bout))
        return number + (self.method != "threshold"), strength

    def rules(self, learned: "_Learned") -> PostProcess:
        """In seconds, for the bouts of these labels."""
        median_s, fill_gap_s, min_bout_s = (
            share * learned.bout_s for share in (self.median, self.fill_gap, self.min_bout)
        )
        transitions = learned.transitions if self.method == "viterbi" else None
        return PostProcess(self.method, 0.5, median_s, fill_gap_s, min_bout_s, transitions)


@dataclass(frozen=True)
class _Learned:
    """What rules take from labels.

    Attributes:
        bout_s: median duration of all labelled bouts; 0 where there is none.
        transitions: rates; None where no two neighbouring frames are labelled.
    """

    bout_s: float
    transitions: Rates | None

    @classmethod
    def of(cls, trials: Sequence["_Trial"]) -> "_Learned":
        lengths = np.concatenate([np.zeros(0), *(trial.bouts_s for trial in trials)])
        ethograms = [trial.labelled for trial in trials]
        pairs = any((ethogram.known[1:] & ethogram.known[:-1]).all(axis=1).any() for ethogram in ethograms)
        transitions = fit_transitions(ethograms, ethograms[0].behaviors) if pairs else None
        return cls(float(np.median(lengths)) if len(lengths) else 0.0, transitions)


def _candidates() -> list[_Candidate]:
    found = [_Candidate("threshold", *shares) for shares in itertools.product(_SHARES, repeat=3)]
    methods: tuple[Method, ...] = ("hysteresis", "viterbi")
    found += [_Candidate(method, 0.0, 0.0, share) for method in methods for share in _SHARES]
    return sorted(found, key=lambda candidate: candidate.steps)


def search_postprocess(
    scores: Sequence[Float[np.ndarray, "_ behavior"]],
    states: Sequence[Int8[np.ndarray, "_ behavior"]],
    time_s: Sequence[Float64[np.ndarray, " _"]],
    behaviors: Behaviors,
    thresholds: Float[np.ndarray, " behavior"],
    metric: str = "segment_f1@0.5",
    groups: Sequence[str] | None = None,
) -> PostProcess:
    """Choose rules from scores to states by cross-validation over recordings.

    Tried are a running median, gaps to fill and shortest bouts of 0, 1/8, 1/4 and 1/2 of the median bout, in all
    combinations, hysteresis, and Viterbi, these two with the same shortest bouts. The median bout and the transitions
    come from the other recordings of each fold; the rules that do best on what was left out (the simplest of equals)
    are then made from all recordings. A single recording is cut into two halves for this.

    Args:
        scores: per recording; they should come from a probe that did not see the recording. NaN does not count.
        states: labels of the same frames; -1 does not count.
        time_s: frame times of every recording.
        behaviors: the catalogue.
        thresholds: per behavior.
        metric: ``segment_f1@K`` (K is 0.1, 0.25 or 0.5; all segments together), ``macro_segment_f1@K`` (mean over the
            behaviors that happen), ``macro_f1`` (of frames) or ``edit``.
        groups: recordings of one group are left out together (the subjects of one video); None takes every one alone.

    Returns:
        The rules; thresholds alone when no bout is labelled and scored, so that there is nothing to judge by.

    Raises:
        ProbeError: when the metric is another one, or the arguments do not fit each other.
        AnnotationError: when two behaviors of an exclusive catalogue happen at once in the labels.
    """
    judge = _judge(metric)
    if not len(scores) == len(states) == len(time_s) == len(groups or scores):
        raise ProbeError(
            f"expected scores, states and times of the same recordings and one group each, found {len(scores)}, "
            f"{len(states)} and {len(time_s)}, {len(groups or scores)} groups: give one of each per recording"
        )
    names = [str(index) for index in range(len(scores))] if groups is None else list(groups)
    pieces = [
        Ethogram(behaviors, times, label, value.astype(np.float32), name)
        for value, label, times, name in zip(scores, states, time_s, names, strict=True)
        if ((label >= 0) & np.isfinite(value)).any()
    ]
    if len({piece.recording for piece in pieces}) == 1:
        pieces = [half for piece in pieces for half in _halves(piece)]
    trials = [_Trial(piece, thresholds) for piece in pieces]
    folds = _folds(pieces)
    if len(set(folds)) < 2 or not sum(len(trial.bouts_s) for trial in trials):
        return PostProcess()
    return _search(trials, folds, judge)


def _search(
    trials: Sequence["_Trial"], folds: Sequence[int], judge: Callable[[Sequence[Comparison]], float]
) -> PostProcess:
    paired = list(zip(trials, folds, strict=True))
    learned = {fold: _Learned.of([trial for trial, place in paired if place != fold]) for fold in set(folds)}
    best, best_figure = _candidates()[0], -np.inf
    for candidate in _candidates():
        if candidate.method == "viterbi" and None in {facts.transitions for facts in learned.values()}:
            continue
        rules = {fold: candidate.rules(facts) for fold, facts in learned.items()}
        figure = judge([trial.judged(rules[fold]) for trial, fold in paired])
        if figure > best_figure + 1e-9:
            best, best_figure = candidate, figure
    return best.rules(_Learned.of(trials))


class _Trial:
    """A recording under different rules; what they have in common is computed once."""

    def __init__(self, labelled: Ethogram, thresholds: Float[np.ndarray, " behavior"]) -> None:
        assert labelled.scores is not None
        self.labelled, self.thresholds, self.scores = labelled, thresholds, labelled.scores
        nothing = np.where(np.isfinite(labelled.scores), 0, -1).astype(np.int8)
        self.comparison = compare(labelled, labelled.with_states(nothing))
        self.decisions: dict[tuple[str, float], Decision] = {}
        bouts = [self.comparison.bouts(column)[0] for column in state_columns(labelled.behaviors)]
        edges = self.comparison.edges
        self.bouts_s = np.concatenate([np.zeros(0), *(edges[bout[:, 1]] - edges[bout[:, 0]] for bout in bouts)])

    def judged(self, rules: PostProcess) -> Comparison:
        """Labels beside what the rules give; every recording is in one fold, so its transitions are always the same."""
        key = (rules.method, float(rules.median_s))
        if key not in self.decisions:
            self.decisions[key] = decide(
                self.scores, self.labelled.time_s, self.labelled.behaviors, self.thresholds, rules
            )
        states = clean_up(self.decisions[key], rules)
        return replace(self.comparison, found=(states == 1) & self.comparison.counted)


def _halves(piece: Ethogram) -> list[Ethogram]:
    """The recording cut in the middle of its labelled frames."""
    labelled = np.flatnonzero(piece.known.any(axis=1))
    cut = int(labelled[len(labelled) // 2])
    assert piece.scores is not None
    return [
        Ethogram(
            piece.behaviors, piece.time_s[part], piece.states[part], piece.scores[part], f"{piece.recording}:{half}"
        )
        for half, part in enumerate((slice(0, cut), slice(cut, None)))
        if len(piece.time_s[part])
    ]


def _folds(pieces: Sequence[Ethogram]) -> list[int]:
    names = sorted({piece.recording for piece in pieces})
    return [names.index(piece.recording) % _MOST_FOLDS for piece in pieces]


def _judge(metric: str) -> Callable[[Sequence[Comparison]], float]:
    name, _, overlap = metric.partition("@")
    overlaps = {f"{value:g}": value for value in OVERLAPS}
    if name in ("segment_f1", "macro_segment_f1") and overlap in overlaps:
        return partial(_segment_f1, overlap=overlaps[overlap], macro=name.startswith("macro"))
    if metric == "macro_f1":
        return _macro_f1
    if metric == "edit":
        return edit_score
    raise ProbeError(
        f"expected the metric segment_f1@K or macro_segment_f1@K (K one of {', '.join(overlaps)}), macro_f1 or edit, "
        f"found {metric!r}: choose one of them"
    )


def _segment_f1(parts: Sequence[Comparison], overlap: float, macro: bool) -> float:
    counts = count_segments(parts, overlap)
    if macro:
        return mean_known([f1(*map(int, row)) for row in counts if row[0] + row[2]])
    return f1(*map(int, counts.sum(axis=0)))


def _macro_f1(parts: Sequence[Comparison]) -> float:
    return mean_known([f1(*map(int, row[:3])) for row in frame_counts(parts) if row[0] + row[2]])
