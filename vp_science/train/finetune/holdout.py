"""Which recordings are held out: whole ones, and with them those that share an animal, a session or a site."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from glob import escape

import numpy as np

from vp_science.errors import SettingsError
from vp_science.probes.groups import GROUP_COLUMNS, group_recordings, read_recordings_table
from vp_science.timeline.names import listed
from vp_science.train.data.settings import DataSettings
from vp_science.train.finetune.labelled import Labelled
from vp_science.train.finetune.settings import ValidationSettings


@dataclass(frozen=True, eq=False)
class Split:
    """What is learned from, and what is held out.

    Attributes:
        train: recordings (or animals) to learn from.
        held: those that are held out.
        how: one sentence for the model card.
    """

    train: list[Labelled]
    held: list[Labelled]
    how: str


def split_recordings(labelled: Sequence[Labelled], settings: ValidationSettings) -> Split:
    """Hold recordings out as the settings say.

    Raises:
        SettingsError: when a name fits no labelled recording, or nothing is left to learn from.
        ProbeError: when the table of recordings does not name all of them.
    """
    if settings.recordings:
        return _named(labelled, settings.recordings)
    if settings.share == 0 or not labelled:
        return Split(list(labelled), [], "nothing was held out: thresholds are 0.5")
    groups = _groups(labelled, settings.table)
    chosen = _choose(labelled, groups, settings.share)
    if not chosen:
        return Split(
            list(labelled),
            [],
            "nothing was held out, because the others would miss a behavior or half of the labels: thresholds are 0.5",
        )
    held = [one for one, group in zip(labelled, groups, strict=True) if group in chosen]
    train = [one for one, group in zip(labelled, groups, strict=True) if group not in chosen]
    return Split(train, held, _how(held, settings.table))


def without_held_out(data: Sequence[DataSettings], held: Sequence[Labelled]) -> tuple[DataSettings, ...]:
    """The data sets without the recordings that are held out; those of which nothing is left are dropped too."""

    def left(source: int, one: DataSettings) -> DataSettings:
        names = sorted({escape(item.recording) for item in held if item.source == source})
        return replace(one, exclude=(*one.exclude, *names)) if names else one

    return tuple(left(source, one) for source, one in enumerate(data))


def _named(labelled: Sequence[Labelled], patterns: Sequence[str]) -> Split:
    for pattern in patterns:
        if not any(fnmatchcase(one.recording, pattern) for one in labelled):
            names = listed(sorted({one.recording for one in labelled}))
            raise SettingsError(
                f"validation.recordings: expected names of labelled recordings ({names}), found {pattern!r}, which "
                "fits none"
            )
    inside = [any(fnmatchcase(one.recording, pattern) for pattern in patterns) for one in labelled]
    held = [one for one, is_held in zip(labelled, inside, strict=True) if is_held]
    train = [one for one, is_held in zip(labelled, inside, strict=True) if not is_held]
    if not train:
        raise SettingsError(
            "validation.recordings: expected labelled recordings besides those that are held out, found none: hold out "
            "fewer"
        )
    return Split(train, held, _how(held, None))


def _groups(labelled: Sequence[Labelled], table: str | None) -> list[tuple[int, str]]:
    """The group of every one; recordings of different data sets are never one, whatever they are called."""
    names = [one.recording for one in labelled]
    if table is None:
        return [(one.source, one.recording) for one in labelled]
    groups = group_recordings(names, read_recordings_table(table), GROUP_COLUMNS)
    return [(-1, name) for name in groups.of(names)]


def _choose(labelled: Sequence[Labelled], groups: Sequence[tuple[int, str]], share: float) -> set[tuple[int, str]]:
    """Groups with about this share of the labels, which show as many behaviors as possible; none where that is unsafe.

    What is left must show every behavior that is shown at all, and have at least half of the labels.
    """
    names = sorted(set(groups))
    size = dict.fromkeys(names, 0)
    shown = {name: np.zeros(labelled[0].states.shape[1], np.int64) for name in names}
    for one, name in zip(labelled, groups, strict=True):
        size[name] += one.labelled_frames
        shown[name] += (one.states == 1).sum(axis=0)
    total, everything = sum(shown.values()), sum(size.values())
    wanted = share * everything
    chosen: set[tuple[int, str]] = set()
    while True:
        held_size = sum(size[name] for name in chosen)
        covered = sum((shown[name] for name in chosen), np.zeros_like(total)) > 0
        left = total - sum((shown[name] for name in chosen), np.zeros_like(total))
        safe = [
            name
            for name in names
            if name not in chosen
            and not ((total > 0) & (left - shown[name] == 0)).any()
            and held_size + size[name] <= everything / 2
        ]
        # More recordings only while they bring behaviors that are missing, or the share is not reached.
        gain = {name: int(((shown[name] > 0) & ~covered).sum()) for name in safe}
        useful = [name for name in safe if held_size < wanted * 0.75 or (gain[name] and held_size < wanted * 1.5)]
        if not useful or (not chosen and not any(gain[name] for name in useful)):
            return chosen
        chosen.add(max(useful, key=lambda name: (gain[name], -abs(held_size + size[name] - wanted), name)))


def _how(held: Sequence[Labelled], table: str | None) -> str:
    names = sorted({one.recording for one in held})
    word = "recording" if len(names) == 1 else f"{len(names)} recordings"
    kept = " (with all that share an animal, a session or a site)" if table is not None else ""
    return f"held-out {word} {listed(names)}{kept}"
