"""Which labels are kept back while a probe is fitted: to stop the training, and to choose thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int8

from vp_science.errors import ProbeError
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.names import listed

_SHARE = 0.2
_NUM_BLOCKS = 5
_LEAST_LEFT = 0.5
"""Of the labelled frames that must be left to fit on: in clips of few windows a fifth and its gaps are nearly all."""

Masks = list[Bool[np.ndarray, " _"]]
"""Per track: which frames."""


@dataclass(frozen=True, eq=False)
class Holdout:
    """Ways to keep labels back; heads that stop early use the first, the others all of them.

    Attributes:
        folds: pairs of masks: labels for fitting, and labels for validation.
        how: one sentence for the model card.
    """

    folds: list[tuple[Masks, Masks]]
    how: str


def plan_holdout(
    tracks: Sequence[EmbeddingTable], states: Sequence[Int8[np.ndarray, "_ behavior"]], wanted: Sequence[str] | None
) -> Holdout:
    """Keep one recording for validation, or, where every recording is needed, parts of each.

    A recording is held out only if every behavior still has an example in the others; of those, the one that shows
    the most behaviors is taken (then the one nearest to a fifth of the labels). Otherwise the labels of every recording
    are cut into fifths of time, and one fifth of each is held out, with a gap of one window around it. The fifth whose
    behaviors are most like the whole comes first. Where that would leave less than half of the labels (clips hardly
    longer than a window), nothing is held out.

    Args:
        tracks: one per recording or animal.
        states: their labels.
        wanted: recordings to hold out; None chooses.

    Raises:
        ProbeError: when a wanted recording does not exist or nothing is left to fit on.
    """
    names = [track.bout_recording for track in tracks]
    if wanted is not None:
        if missing := sorted(set(wanted) - set(names)):
            raise ProbeError(
                f"expected validation recordings among {listed(names)}, found {missing[0]!r}: check the name"
            )
        return _whole(set(wanted), names, states)
    labelled = sorted({name for name, s in zip(names, states, strict=True) if (s >= 0).any()})
    chosen = _choose_recording(labelled, names, states)
    return _fifths_of_each(tracks, states) if chosen is None else _whole({chosen}, names, states)


def _whole(chosen: set[str], names: Sequence[str], states: Sequence[Int8[np.ndarray, "_ behavior"]]) -> Holdout:
    held = [np.full(len(s), name in chosen) for name, s in zip(names, states, strict=True)]
    if not any((s[~h] >= 0).any() for s, h in zip(states, held, strict=True)):
        raise ProbeError("expected labelled recordings besides those for validation, found none: hold out fewer")
    return Holdout([([~mask for mask in held], held)], f"held-out recording {listed(sorted(chosen))}")


def _choose_recording(
    labelled: Sequence[str], names: Sequence[str], states: Sequence[Int8[np.ndarray, "_ behavior"]]
) -> str | None:
    if len(labelled) < 2:
        return None
    positive = {name: np.zeros(states[0].shape[1], dtype=np.int64) for name in labelled}
    size = dict.fromkeys(labelled, 0)
    for name, s in zip(names, states, strict=True):
        if name in positive:
            positive[name] += (s == 1).sum(axis=0)
            size[name] += int((s >= 0).any(axis=1).sum())
    total, everything = sum(positive.values()), sum(size.values())
    safe = [name for name in labelled if not ((total > 0) & (total - positive[name] == 0)).any()]
    safe = [name for name in safe if size[name] <= everything / 2 and (positive[name] > 0).any()]
    if not safe:
        return None
    return max(safe, key=lambda name: ((positive[name] > 0).sum(), -abs(size[name] / everything - _SHARE), name))


def _fifths_of_each(tracks: Sequence[EmbeddingTable], states: Sequence[Int8[np.ndarray, "_ behavior"]]) -> Holdout:
    folds = [_fifth(tracks, states, number) for number in range(_NUM_BLOCKS)]
    usable = [fold for fold in folds if _is_usable(states, *fold)]
    if not usable:
        everything = [np.ones(len(s), dtype=bool) for s in states]
        nothing = [np.zeros(len(s), dtype=bool) for s in states]
        return Holdout(
            [(everything, nothing)], "nothing: there are too few labels, or clips are too short; thresholds are 0.5"
        )
    usable.sort(key=lambda fold: _unlikeness(states, *fold))
    return Holdout(
        usable,
        "fifths of the labels of every recording, one window apart (there were too few recordings to hold one out: "
        "thresholds are optimistic)",
    )


def _fifth(
    tracks: Sequence[EmbeddingTable], states: Sequence[Int8[np.ndarray, "_ behavior"]], number: int
) -> tuple[Masks, Masks]:
    train, validation = [], []
    for track, s in zip(tracks, states, strict=True):
        known, frames = np.flatnonzero((s >= 0).any(axis=1)), np.arange(len(s))
        part = np.array_split(known, _NUM_BLOCKS)[number]
        first, last = (int(part[0]), int(part[-1])) if len(part) else (len(s), len(s))
        gap = track.provenance.num_frames
        validation.append((frames >= first) & (frames <= last))
        train.append((frames < first - gap) | (frames > last + gap) if len(part) else np.ones(len(s), dtype=bool))
    return train, validation


def _is_usable(states: Sequence[Int8[np.ndarray, "_ behavior"]], train: Masks, validation: Masks) -> bool:
    whole = [np.ones(len(s), dtype=bool) for s in states]
    return _num_known(states, validation) > 0 and _num_known(states, train) >= _LEAST_LEFT * _num_known(states, whole)


def _num_known(states: Sequence[Int8[np.ndarray, "_ behavior"]], masks: Masks) -> int:
    return int(sum(((s[mask] >= 0).any(axis=1)).sum() for s, mask in zip(states, masks, strict=True)))


def _frequency(states: Sequence[Int8[np.ndarray, "_ behavior"]], masks: Masks) -> np.ndarray:
    """Share of the known frames in which each behavior happens."""
    happens = sum((s[mask] == 1).sum(axis=0) for s, mask in zip(states, masks, strict=True))
    return np.asarray(happens / _num_known(states, masks))


def _unlikeness(states: Sequence[Int8[np.ndarray, "_ behavior"]], train: Masks, validation: Masks) -> tuple[int, float]:
    """First how many behaviors lose all examples for fitting, then how other the held-out part is than the whole."""
    whole = [np.ones(len(s), dtype=bool) for s in states]
    everything, left, held = (_frequency(states, masks) for masks in (whole, train, validation))
    return int(((everything > 0) & (left == 0)).sum()), float(np.abs(held - everything).sum())
