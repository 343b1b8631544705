"""The likeliest sequence of states, given scores and how often behaviors follow each other in the labels.

Transitions are rates per second, so that they hold at any frame rate: between two frames ``dt`` seconds apart the
probabilities are the matrix exponential of the rates times ``dt``.

What a score says about its frame. Probes are trained with weights against imbalance, so their scores are not
probabilities under the frequencies of the labels, and dividing them by those would correct for the wrong thing. The
threshold, chosen on validation data, is where a score is evidence for neither side. Scores are therefore stretched
(piecewise linear, 0 and 1 stay) until the threshold lies at one half, and their log-odds are the evidence, limited to
those of 0.01 and 0.99 because neighbouring frames are not independent. With equal evidence from all frames of its own
result, the same result comes out again.
"""

from collections.abc import Sequence

import numpy as np
import scipy.linalg
from jaxtyping import Bool, Float, Float64, Int64

from vp_science.errors import AnnotationError, ProbeError
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.decisions import Mask, Scores
from vp_science.timeline.ethogram import Ethogram

Rates = tuple[tuple[float, ...], ...] | tuple[tuple[tuple[float, ...], ...], ...]

_SUREST = 0.99
_DT_STEP = 0.01
"""Intervals between frames are told apart to this relative precision."""


def fit_transitions(ethograms: Sequence[Ethogram], behaviors: Behaviors) -> Rates:
    """Rates at which states follow each other in labels.

    Only pairs of neighbouring frames that are both known count. One transition's worth of time at the overall rate is
    added to every state, so that what was never seen is unlikely and not impossible.

    Args:
        ethograms: labels.
        behaviors: their catalogue. Point events take no part.

    Returns:
        Rates per second, row = from, column = to, zero on the diagonal. Exclusive: one matrix over the state behaviors
        and, last, the background. Otherwise a 2 x 2 matrix (absent, present) for every state behavior.

    Raises:
        AnnotationError: when there is no known time.
    """
    columns = state_columns(behaviors)
    chains = [1 if behaviors.exclusive else len(columns), len(columns) + 1 if behaviors.exclusive else 2]
    counts, time_s = np.zeros((chains[0], chains[1], chains[1])), np.zeros((chains[0], chains[1]))
    for ethogram in ethograms:
        if ethogram.behaviors.names != behaviors.names:
            raise AnnotationError(
                f"expected the behaviors {', '.join(behaviors.names)}, found {', '.join(ethogram.behaviors.names)} in "
                f"{ethogram.recording!r}: use one catalogue"
            )
        states = _chain_states(ethogram, columns, behaviors.exclusive)
        dt = np.diff(ethogram.time_s)
        for chain in range(chains[0]):
            first, second = states[:-1, chain], states[1:, chain]
            pair = (first >= 0) & (second >= 0)
            np.add.at(counts[chain], (first[pair], second[pair]), 1)
            np.add.at(time_s[chain], first[pair], dt[pair])
    if columns and not time_s.any():
        raise AnnotationError(
            "expected labelled time to learn transitions from, found none: unknown frames do not count"
        )
    rates = [_rates(count, seconds) for count, seconds in zip(counts, time_s, strict=True)]
    return rates[0] if behaviors.exclusive else tuple(rates)


def state_columns(behaviors: Behaviors) -> list[int]:
    """Positions of the behaviors that have a duration."""
    return [index for index, behavior in enumerate(behaviors) if behavior.kind == "state"]


def _chain_states(ethogram: Ethogram, columns: list[int], exclusive: bool) -> Int64[np.ndarray, "frame chain"]:
    if not exclusive:
        return ethogram.states[:, columns].astype(np.int64)
    index = ethogram.label_index()
    place = {column: position for position, column in enumerate(columns)}
    # A point event is background here: the chain has no state for it.
    names = [place.get(column, len(columns)) for column in range(len(ethogram.behaviors) + 1)]
    return np.where(index >= 0, np.array(names)[index], -1)[:, None].astype(np.int64)


def _rates(
    counts: Float64[np.ndarray, "state state"], time_s: Float64[np.ndarray, " state"]
) -> tuple[tuple[float, ...], ...]:
    num = len(counts)
    counts = counts * (1 - np.eye(num))
    total_s = time_s.sum()
    if num < 2 or total_s == 0:
        return tuple(tuple(0.0 for _ in range(num)) for _ in range(num))
    overall = (counts.sum() + 1) / total_s
    rates = (counts + (1 - np.eye(num)) / (num - 1)) / (time_s + 1 / overall)[:, None]
    return tuple(tuple(float(rate) for rate in row) for row in rates * (1 - np.eye(num)))


def check_rates(transitions: Rates, behaviors: Behaviors) -> Float64[np.ndarray, "chain state state"]:
    """The rates as one array.

    Raises:
        ProbeError: when they do not fit the catalogue.
    """
    columns = len(state_columns(behaviors))
    expected = (1, columns + 1, columns + 1) if behaviors.exclusive else (columns, 2, 2)
    try:
        rates = np.array(transitions, dtype=np.float64)
    except ValueError:
        rates = np.zeros(0)
    rates = rates[None] if behaviors.exclusive and rates.ndim == 2 else rates
    if columns == 0 and not behaviors.exclusive:
        rates = rates.reshape(expected) if rates.size == 0 else rates
    if rates.shape != expected:
        how = "exclusive" if behaviors.exclusive else "not exclusive"
        raise ProbeError(
            f"expected transition rates of shape {expected} for {columns} state behaviors ({how}), found "
            f"{rates.shape}: fit them with fit_transitions on labels of this catalogue"
        )
    return rates


def by_viterbi(
    scores: Scores,
    time_s: Float64[np.ndarray, " frame"],
    thresholds: Float[np.ndarray, " behavior"],
    known: Mask,
    rates: Float64[np.ndarray, "chain state state"],
    *,
    exclusive: bool,
) -> Mask:
    """States on the likeliest path; the path starts anew after every unknown frame.

    Args:
        scores: of the state behaviors.
        time_s: frame times in seconds.
        thresholds: of the state behaviors.
        known: where scores are known.
        rates: from ``check_rates``.
        exclusive: one chain over the behaviors and the background, or a chain of two states for every behavior.
    """
    num_frames, num_behaviors = scores.shape
    if num_behaviors == 0:
        return np.zeros(scores.shape, dtype=bool)
    evidence = _evidence(scores, thresholds)
    if exclusive:
        evidence = np.where(known, evidence, -1e9)  # never chosen where it is unknown
        evidence = np.concatenate([evidence, np.zeros((num_frames, 1))], axis=1)[:, None, :]
        usable = np.asarray(known.any(axis=1, keepdims=True))
    else:
        evidence = np.stack([np.zeros_like(evidence), evidence], axis=2)
        usable = known
    log_steps, which = _log_transitions(rates, np.diff(time_s))
    log_start = np.log(np.maximum(_stationary(rates), 1e-300))
    path = viterbi_path(np.where(usable[:, :, None], evidence, 0.0), usable, log_steps, which, log_start)
    if exclusive:
        return np.asarray((path == np.arange(num_behaviors)) & known)
    return np.asarray((path == 1) & known)


def _evidence(scores: Scores, thresholds: Float[np.ndarray, " behavior"]) -> Scores:
    centre = np.clip(np.asarray(thresholds, np.float64), 1e-6, 1 - 1e-6)
    stretched = np.where(scores <= centre, scores / (2 * centre), 1 - (1 - scores) / (2 * (1 - centre)))
    sure = np.clip(stretched, 1 - _SUREST, _SUREST)
    return np.asarray(np.log(sure) - np.log1p(-sure))


def _log_transitions(
    rates: Float64[np.ndarray, "chain state state"], dt: Float64[np.ndarray, " step"]
) -> tuple[Float64[np.ndarray, "kind chain state state"], Int64[np.ndarray, " step"]]:
    """Log-probabilities for every distinct interval, and which of them stands between each pair of frames."""
    generator = rates - np.eye(rates.shape[-1]) * rates.sum(axis=-1, keepdims=True)
    steps, which = np.unique(np.rint(np.log(dt) / _DT_STEP), return_inverse=True)
    size = np.exp(steps * _DT_STEP)
    probability = scipy.linalg.expm(generator[None] * size[:, None, None, None])
    return np.log(np.maximum(probability, 1e-300)), which.astype(np.int64)


def _stationary(rates: Float64[np.ndarray, "chain state state"]) -> Float64[np.ndarray, "chain state"]:
    """Share of time in every state in the long run."""
    num = rates.shape[-1]
    shares = np.zeros(rates.shape[:2])
    for chain, matrix in enumerate(rates):
        generator = matrix - np.diag(matrix.sum(axis=1))
        system = np.concatenate([generator.T, np.ones((1, num))])
        solution = np.linalg.lstsq(system, np.append(np.zeros(num), 1.0), rcond=None)[0]
        shares[chain] = np.maximum(solution, 0) / np.maximum(solution, 0).sum()
    return shares


def viterbi_path(
    evidence: Float64[np.ndarray, "frame chain state"],
    usable: Bool[np.ndarray, "frame chain"],
    log_steps: Float64[np.ndarray, "kind chain state state"],
    which: Int64[np.ndarray, " step"],
    log_start: Float64[np.ndarray, "chain state"],
) -> Int64[np.ndarray, "frame chain"]:
    """The state sequence with the highest sum of evidence and log transition probabilities, for every chain.

    Args:
        evidence: log-likelihood of every state at every frame, up to a constant per frame.
        usable: a chain starts anew at a usable frame after one that is not.
        log_steps: log transition probabilities, from row to column, for every kind of interval between frames.
        which: the kind of interval before every frame but the first.
        log_start: log-probabilities at a start.
    """
    num_frames, num_chains, num_states = evidence.shape
    best_before = np.zeros((num_frames, num_chains, num_states), dtype=np.int16)
    restart = np.zeros((num_frames, num_chains), dtype=bool)
    np.greater(usable[1:], usable[:-1], out=restart[1:])
    fresh = np.broadcast_to(log_start[:, None, :], (num_chains, num_states, num_states))
    any_restart = np.asarray(restart.any(axis=1))
    value = log_start + evidence[0]
    for frame in range(1, num_frames):
        step = log_steps[which[frame - 1]]
        if any_restart[frame]:
            step = np.where(restart[frame, :, None, None], fresh, step)
        reached = value[:, :, None] + step
        best_before[frame] = reached.argmax(axis=1)
        value = reached.max(axis=1) + evidence[frame]
        value -= value.max(axis=1, keepdims=True)
    path = np.zeros((num_frames, num_chains), dtype=np.int64)
    chains = np.arange(num_chains)
    path[-1] = value.argmax(axis=1)
    for frame in range(num_frames - 1, 0, -1):
        path[frame - 1] = best_before[frame, chains, path[frame]]
    return path
