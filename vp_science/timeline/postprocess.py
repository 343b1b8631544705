"""Rules that turn the scores of a probe into states: what happens when.

In order: a running median of the scores, then a decision (thresholds, hysteresis, or the likeliest path), then gaps
are filled and short bouts dropped. Applied to their own result, the same rules change nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Float64, Int8

from vp_science.errors import ProbeError
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.decisions import between_events, by_hysteresis, by_threshold, events, highest
from vp_science.timeline.smoothing import clean, median_reaches, running_median
from vp_science.timeline.viterbi import Rates, by_viterbi, check_rates, state_columns

Method = Literal["threshold", "hysteresis", "viterbi"]


@dataclass(frozen=True)
class PostProcess:
    """Rules from scores to states; durations in seconds, 0 leaves a step out.

    Attributes:
        method: ``threshold`` decides every frame by itself. ``hysteresis`` begins a bout at the threshold and ends it
            at ``low_ratio`` of it. ``viterbi`` takes the likeliest path, given ``transitions``.
        low_ratio: for ``hysteresis``: the lower threshold as a share of the threshold.
        median_s: width of the running median of the scores. A second pass would remove what is shorter than half of
            this, so gaps and bouts that short are removed as well.
        fill_gap_s: gaps within a behavior of at most this long are filled.
        min_bout_s: bouts shorter than this are dropped.
        transitions: for ``viterbi``: rates per second, from ``fit_transitions``.
    """

    method: Method = "threshold"
    low_ratio: int | float = 0.5
    median_s: int | float = 0.0
    fill_gap_s: int | float = 0.0
    min_bout_s: int | float = 0.0
    transitions: Rates | None = None

    def __post_init__(self) -> None:
        _check_settings({field.name: getattr(self, field.name) for field in fields(self)})

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return values | {"transitions": _as_lists(self.transitions)}

    @classmethod
    def from_json(cls, value: object) -> "PostProcess":
        """Read what ``to_json`` wrote.

        Raises:
            ProbeError: when a setting is missing, unknown, or not what it should be.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(value, Mapping) or sorted(map(str, value)) != sorted(names):
            found = ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
            raise ProbeError(f"expected post-processing rules with exactly {', '.join(names)}, found {found}")
        given = {name: value[name] for name in names}
        given["transitions"] = _as_tuples(given["transitions"])
        _check_settings(given)
        return cls(**given)

    def explain(self) -> list[str]:
        """What is done, in order: one sentence per step."""
        steps = []
        if self.median_s:
            steps.append(
                f"The scores of each state behavior are replaced by their running median over {self.median_s:g} s; "
                f"gaps and bouts shorter than half of that ({self.median_s / 2:g} s), which a second pass would "
                "remove, are removed after the decision."
            )
        steps.append(
            {
                "threshold": "A behavior happens at every frame where its score reaches its threshold.",
                "hysteresis": "A behavior begins where its score reaches its threshold and lasts until it falls below "
                f"{self.low_ratio:g} of it.",
                "viterbi": "The likeliest sequence of states is taken (Viterbi), given the scores and the rates at "
                "which behaviors follow each other in the training labels; a score at its threshold speaks for neither "
                "side.",
            }[self.method]
        )
        steps.append(
            "If behaviors exclude each other, the one with the highest score counts; a point event is one frame, at a "
            "local maximum of its score that reaches its threshold."
        )
        if self.fill_gap_s:
            steps.append(f"Gaps of at most {self.fill_gap_s:g} s between two bouts of one behavior are filled.")
        if self.min_bout_s:
            steps.append(f"Bouts shorter than {self.min_bout_s:g} s are dropped.")
        steps.append("Frames without a score stay unknown; no step reaches across them.")
        return steps


def apply_postprocess(
    scores: Float[np.ndarray, "frame behavior"],
    time_s: Float64[np.ndarray, " frame"],
    behaviors: Behaviors,
    thresholds: Float[np.ndarray, " behavior"],
    rules: PostProcess,
    known: Bool[np.ndarray, "frame behavior"] | None = None,
) -> Int8[np.ndarray, "frame behavior"]:
    """States from scores.

    In an exclusive catalogue never two behaviors happen at once: the highest score among those above their thresholds
    counts, and a point event takes its frame (what goes on around it goes on). Point events are local maxima; no
    smoothing touches them.

    Args:
        scores: of every behavior at every frame, 0 to 1; NaN is unknown.
        time_s: frame times in seconds, strictly increasing.
        behaviors: the catalogue of the columns.
        thresholds: a score that reaches it (and is not 0) counts.
        rules: what to do.
        known: where scores count; None means wherever there is one.

    Returns:
        1 happens, 0 does not, -1 unknown.

    Raises:
        ProbeError: when shapes, times or transitions do not fit, or a threshold or score is not within 0 and 1.
    """
    return clean_up(decide(scores, time_s, behaviors, thresholds, rules, known), rules)


@dataclass(frozen=True, eq=False)
class Decision:
    """What happens at every frame by its score alone, before gaps are filled and short bouts dropped.

    Attributes:
        behaviors: the catalogue.
        time_s: frame times in seconds.
        known: where scores count.
        event: point events, in the columns of point behaviors.
        lasting: state behaviors, in the columns of state behaviors; as if there were no events.
        taken: frames that a point event takes from the states (exclusive catalogues only).
    """

    behaviors: Behaviors
    time_s: Float64[np.ndarray, " frame"]
    known: Bool[np.ndarray, "frame behavior"]
    event: Bool[np.ndarray, "frame behavior"]
    lasting: Bool[np.ndarray, "frame behavior"]
    taken: Bool[np.ndarray, " frame"]


def decide(
    scores: Float[np.ndarray, "frame behavior"],
    time_s: Float64[np.ndarray, " frame"],
    behaviors: Behaviors,
    thresholds: Float[np.ndarray, " behavior"],
    rules: PostProcess,
    known: Bool[np.ndarray, "frame behavior"] | None = None,
) -> Decision:
    """The first half of ``apply_postprocess``: running median and decision. Arguments and errors are the same."""
    known = np.isfinite(scores) if known is None else known & np.isfinite(scores)
    values, thresholds = np.where(known, scores, 0.0).astype(np.float64), np.asarray(thresholds, np.float64)
    _check(values, time_s, behaviors, thresholds)
    states = np.array(state_columns(behaviors), dtype=np.int64)
    points = np.setdiff1d(np.arange(len(behaviors)), states)
    event, lasting = np.zeros(values.shape, dtype=bool), np.zeros(values.shape, dtype=bool)
    if len(points) and len(time_s):
        low_ratio = float(rules.low_ratio) if rules.method == "hysteresis" else None
        found = events(values[:, points], thresholds[points], known[:, points], low_ratio)
        event[:, points] = highest(values[:, points], found) if behaviors.exclusive else found
    taken = np.asarray(event.any(axis=1) & behaviors.exclusive)
    if len(states) and len(time_s):
        shown = between_events(values[:, states], taken, known[:, states])
        on = _decide_states(shown, time_s, behaviors, thresholds[states], rules, known[:, states])
        lasting[:, states] = between_events(on.astype(np.float64), taken, known[:, states]) > 0
    return Decision(behaviors, time_s, known, event, lasting, taken)


def _decide_states(
    values: Float64[np.ndarray, "frame behavior"],
    time_s: Float64[np.ndarray, " frame"],
    behaviors: Behaviors,
    thresholds: Float64[np.ndarray, " behavior"],
    rules: PostProcess,
    known: Bool[np.ndarray, "frame behavior"],
) -> Bool[np.ndarray, "frame behavior"]:
    exclusive = behaviors.exclusive
    if rules.median_s and rules.method == "threshold":
        return _decide_by_median(values, time_s, thresholds, float(rules.median_s), known, exclusive=exclusive)
    if rules.median_s:
        values = running_median(values, time_s, known, float(rules.median_s))
    if rules.method == "threshold":
        return by_threshold(values, thresholds, known, exclusive=exclusive)
    if rules.method == "hysteresis":
        return by_hysteresis(values, thresholds, float(rules.low_ratio), known, exclusive=exclusive)
    assert rules.transitions is not None  # checked when the rules were made
    rates = check_rates(rules.transitions, behaviors)
    return by_viterbi(values, time_s, thresholds, known, rates, exclusive=exclusive)


def _decide_by_median(
    values: Float64[np.ndarray, "frame behavior"],
    time_s: Float64[np.ndarray, " frame"],
    thresholds: Float64[np.ndarray, " behavior"],
    width_s: float,
    known: Bool[np.ndarray, "frame behavior"],
    *,
    exclusive: bool,
) -> Bool[np.ndarray, "frame behavior"]:
    """``by_threshold`` of the running median, which is computed only where behaviors compete."""
    more_than_zero = np.nextafter(0.0, 1.0)
    candidates = median_reaches(values, time_s, known, width_s, np.maximum(thresholds, more_than_zero))
    if not exclusive:
        return candidates
    compete = candidates.sum(axis=1) > 1
    return highest(running_median(values, time_s, known, width_s, compete), candidates)


def clean_up(decision: Decision, rules: PostProcess) -> Int8[np.ndarray, "frame behavior"]:
    """The second half of ``apply_postprocess``: gaps are filled and short bouts dropped."""
    if decision.lasting.size == 0:
        return np.zeros(decision.lasting.shape, dtype=np.int8)
    lasting = clean(
        decision.lasting,
        decision.time_s,
        decision.known,
        exclusive=decision.behaviors.exclusive,
        fill_gap_s=rules.fill_gap_s,
        min_bout_s=rules.min_bout_s,
        root_s=rules.median_s / 2,
    )
    on = decision.event | (lasting & ~decision.taken[:, None])
    return np.where(decision.known, on, -1).astype(np.int8)


def _check(
    values: Float64[np.ndarray, "frame behavior"],
    time_s: Float64[np.ndarray, " time"],
    behaviors: Behaviors,
    thresholds: Float64[np.ndarray, " threshold"],
) -> None:
    if values.shape != (len(time_s), len(behaviors)) or len(thresholds) != len(behaviors):
        raise ProbeError(
            f"expected scores of shape ({len(time_s)}, {len(behaviors)}) (frames, behaviors) and a threshold per "
            f"behavior, found {values.shape} and {len(thresholds)} thresholds: use the catalogue of the probe"
        )
    if not np.isfinite(time_s).all() or (np.diff(time_s) <= 0).any():
        raise ProbeError("expected strictly increasing frame times, found something else: repair the timestamps")
    if not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise ProbeError(f"expected thresholds from 0 to 1, found {thresholds.tolist()}")
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ProbeError(
            f"expected scores from 0 to 1, found {values.min():.6g} to {values.max():.6g}: check the probe"
        )


def _check_settings(given: Mapping[str, Any]) -> None:
    if given["method"] not in get_args(Method):
        raise ProbeError(f"expected method threshold, hysteresis or viterbi, found {given['method']!r}")
    if not (_is_number(given["low_ratio"]) and 0 < given["low_ratio"] <= 1):
        raise ProbeError(f"expected low_ratio above 0 and at most 1, found {given['low_ratio']!r}: 0.5 is usual")
    for name in ("median_s", "fill_gap_s", "min_bout_s"):
        if not (_is_number(given[name]) and given[name] >= 0):
            raise ProbeError(f"expected {name} to be a duration in seconds (0 leaves it out), found {given[name]!r}")
    transitions = given["transitions"]
    if (given["method"] == "viterbi") != (transitions is not None):
        raise ProbeError(
            f"expected transitions with the method viterbi and with no other, found "
            f"{'none' if transitions is None else 'some'} with {given['method']}: learn them with fit_transitions"
        )
    if transitions is not None:
        _check_transitions(transitions)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_transitions(transitions: object) -> None:
    try:
        rates = np.array(transitions, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise ProbeError(f"expected transitions to be matrices of numbers, found something else ({error})") from error
    square = rates.size == 0 or (rates.ndim in (2, 3) and rates.shape[-1] == rates.shape[-2])
    if not square or not np.isfinite(rates).all() or (rates < 0).any():
        raise ProbeError("expected transitions to be square matrices of rates per second (0 or more), found others")
    if rates.size and np.diagonal(rates, axis1=-2, axis2=-1).any():
        raise ProbeError("expected transitions with zeros on the diagonal (a state does not change into itself)")


def _as_lists(value: object) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value


def _as_tuples(value: object) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value
