"""Which recordings a probe learns from and which it is tested on.

No recording, and no group of recordings (``groups.py``), is ever on both sides. Splits inside one recording exist for
studies that have just one (``time_blocks.py``); they share its animal and its light, so they must be asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from vp_science.errors import ProbeError
from vp_science.timeline.ethogram import Ethogram

_MISSING = 1e6
_MAX_SWAPPED_GROUPS = 60


@dataclass(frozen=True)
class Part:
    """Consecutive grid frames of one track.

    Attributes:
        track: position of the track in the list that is split.
        first: first row.
        stop: one past the last row; None for the end: ``Part(3)`` is the whole track.
    """

    track: int
    first: int = 0
    stop: int | None = None

    def overlaps(self, other: "Part") -> bool:
        """Whether a row belongs to both."""
        ends = [np.inf if part.stop is None else part.stop for part in (self, other)]
        return self.track == other.track and self.first < ends[1] and other.first < ends[0]


@dataclass(frozen=True)
class Fold:
    """One way to part a study into what is learned from and what is tested on.

    Attributes:
        name: what is held out, for people.
        train: to learn from.
        test: to be tested on.
        train_groups: names of the groups learned from, in order of first appearance.
        test_groups: names of the groups tested on.
        leakage: why the test is not independent of the training; "" for a clean split.
        whole_tracks: parts only say whose labels count, and the probe is given whole tracks; otherwise it is given the
            parts, each as a track of its own, and sees nothing else.
    """

    name: str
    train: tuple[Part, ...]
    test: tuple[Part, ...]
    train_groups: tuple[str, ...]
    test_groups: tuple[str, ...]
    leakage: str = ""
    whole_tracks: bool = False


def check_folds(folds: Sequence[Fold], groups: Sequence[str]) -> None:
    """Refuse folds in which a row, a recording or a group stands on both sides.

    Args:
        folds: to check. One that declares its leakage may share recordings and groups, but never rows.
        groups: group of every track.

    Raises:
        ProbeError: naming the fold and what it shares.
    """
    for fold in folds:
        if not fold.train or not fold.test:
            side = "train" if not fold.train else "test"
            raise ProbeError(f"fold {fold.name!r}: expected recordings to {side} on, found none: use fewer folds")
        if any(one.overlaps(other) for one in fold.train for other in fold.test):
            raise ProbeError(f"fold {fold.name!r}: expected train and test apart, found shared frames: split again")
        sides = [{groups[part.track] for part in parts} for parts in (fold.train, fold.test)]
        if (shared := sides[0] & sides[1]) and not fold.leakage:
            raise ProbeError(
                f"fold {fold.name!r}: expected no group of recordings on both sides, found "
                f"{', '.join(sorted(shared))}: split by group"
            )


def leave_one_group_out(groups: Sequence[str]) -> list[Fold]:
    """As many folds as groups; each is tested once, by a probe that never saw it.

    Args:
        groups: group of every track.

    Raises:
        ProbeError: when there are fewer than two groups.
    """
    names = _distinct(groups, 2)
    return _folds([[name] for name in names], groups)


def k_fold_by_group(groups: Sequence[str], num_folds: int, counts: Int64[np.ndarray, "track column"]) -> list[Fold]:
    """Part the groups into folds; each group is tested once.

    As scikit-learn's ``GroupKFold``, with folds balanced over labelled time and over the time of every behavior. A
    behavior that happens in two or more groups is, as far as the groups allow, in the training part of every fold.
    The same input gives the same folds.

    Args:
        groups: group of every track.
        num_folds: how many.
        counts: from ``label_counts``.

    Raises:
        ProbeError: when there are fewer groups with labels than folds, or fewer than two folds.
    """
    if num_folds < 2:
        raise ProbeError(f"expected at least 2 folds, found {num_folds}: give 2 or more, or leave-one-out")
    names = _distinct(groups, num_folds)
    totals = np.stack([counts[[group == name for group in groups]].sum(axis=0) for name in names]).astype(np.float64)
    labelled = int((totals[:, 0] > 0).sum())
    if labelled < num_folds:
        raise ProbeError(
            f"expected at least {num_folds} groups of recordings with labels for {num_folds} folds, found {labelled}: "
            "use fewer folds, or label more recordings"
        )
    shares = totals / np.maximum(totals.sum(axis=0), 1)
    assigned = _improve(_assign(shares, num_folds), shares, num_folds)
    return _folds([[names[i] for i in np.flatnonzero(assigned == fold)] for fold in range(num_folds)], groups)


def label_counts(truths: Sequence[Ethogram]) -> Int64[np.ndarray, "track column"]:
    """Frames of every track: first those with any label, then those in which each behavior happens."""
    return np.stack([np.append(e.known.any(axis=1).sum(), (e.states == 1).sum(axis=0)) for e in truths]).astype(
        np.int64
    )


def _distinct(groups: Sequence[str], needed: int) -> list[str]:
    names = list(dict.fromkeys(groups))
    if len(names) < needed:
        raise ProbeError(
            f"expected at least {needed} independent groups of recordings, found {len(names)} "
            f"({', '.join(names) or 'none'}; recordings that share an animal, a session or a site are one group): "
            "label more recordings, use fewer folds, or split by time inside the recordings (time-blocks), which says "
            "less and must be allowed (allow_leakage=True, --allow-leakage)"
        )
    return names


def _folds(held_out: Sequence[Sequence[str]], groups: Sequence[str]) -> list[Fold]:
    folds = []
    for number, names in enumerate(held_out, start=1):
        out = set(names)
        sides = [[i for i, group in enumerate(groups) if (group in out) == test] for test in (False, True)]
        train, test = (tuple(Part(i) for i in side) for side in sides)
        train_groups, test_groups = (tuple(dict.fromkeys(groups[i] for i in side)) for side in sides)
        name = names[0] if len(names) == 1 else f"fold {number}: {', '.join(names)}"
        folds.append(Fold(name, train, test, train_groups, test_groups))
    check_folds(folds, groups)
    return folds


def _cost(loads: Float64[np.ndarray, "fold column"], spread: Float64[np.ndarray, " column"]) -> float:
    """How uneven folds are; a behavior that is nowhere but in one fold is the worst.

    Args:
        loads: share of labelled time and of every behavior in every fold.
        spread: 1 for a column that two or more groups have, else 0.
    """
    weight = np.ones(loads.shape[1])
    weight[0] = max(1, loads.shape[1] - 1)  # labelled time counts as much as all behaviors together
    alone = ((loads > 1 - 1e-12).any(axis=0) & (spread > 0)).sum()
    empty = (loads[:, 0] <= 0).sum()
    return float(_MISSING * (alone + empty) + (weight * loads.var(axis=0)).sum())


def _assign(shares: Float64[np.ndarray, "group column"], num_folds: int) -> Int64[np.ndarray, " group"]:
    """Largest groups first, each to the fold in which it does least harm."""
    spread = ((shares > 0).sum(axis=0) > 1).astype(np.float64)
    loads = np.zeros((num_folds, shares.shape[1]))
    assigned = np.full(len(shares), -1, dtype=np.int64)
    for group in np.argsort(-shares.max(axis=1), kind="stable"):
        costs = []
        for fold in range(num_folds):
            trial = loads.copy()
            trial[fold] += shares[group]
            costs.append(_cost(trial, np.zeros_like(spread)))
        assigned[group] = int(np.argmin(costs))
        loads[assigned[group]] += shares[group]
    return assigned


def _improve(
    assigned: Int64[np.ndarray, " group"], shares: Float64[np.ndarray, "group column"], num_folds: int
) -> Int64[np.ndarray, " group"]:
    """Move groups, and swap pairs of them, as long as that makes folds more even."""
    spread = ((shares > 0).sum(axis=0) > 1).astype(np.float64)

    def cost(trial: Int64[np.ndarray, " group"]) -> float:
        loads = np.zeros((num_folds, shares.shape[1]))
        np.add.at(loads, trial, shares)
        return _cost(loads, spread)

    best, lowest = assigned, cost(assigned)
    better = True
    while better:
        better = False
        for trial in _neighbours(best, num_folds):
            if (found := cost(trial)) < lowest - 1e-12:
                best, lowest, better = trial, found, True
                break
    return best


def _neighbours(assigned: Int64[np.ndarray, " group"], num_folds: int) -> Iterator[np.ndarray]:
    """Every assignment that differs by one move, then by one swap."""
    for group in range(len(assigned)):
        for fold in range(num_folds):
            if fold != assigned[group]:
                trial = assigned.copy()
                trial[group] = fold
                yield trial
    if len(assigned) <= _MAX_SWAPPED_GROUPS:
        for one in range(len(assigned)):
            for other in range(one):
                if assigned[one] != assigned[other]:
                    trial = assigned.copy()
                    trial[[one, other]] = trial[[other, one]]
                    yield trial
