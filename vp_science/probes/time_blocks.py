"""Splits inside a recording, for studies that have just one: they must be allowed, and every report says so.

Train and test share the animal, the light and the cage, so a good score here promises nothing about another animal.
Blocks of time at least share no pixel: a grid frame takes its embedding from a window of frames around it, and every
training frame whose window overlaps a window of the test block is left out. Random windows do not even have that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from vp_science.errors import ProbeError
from vp_science.probes.dataset import window_owners
from vp_science.probes.splits import Fold, Part, check_folds
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.ethogram import runs
from vp_science.timeline.grid import plan_windows

_BLOCKS_SHARE = "train and test are blocks of time of the same recordings: the same animals, light and camera"
_WINDOWS_SHARE = (
    "train and test windows were drawn at random from the same recordings: neighbouring windows overlap, so that the "
    "test shows the probe frames it was trained on"
)


@dataclass(frozen=True, eq=False)
class _Spans:
    """For every row of a track, the grid frames that its embedding saw."""

    first: Int64[np.ndarray, " row"]
    stop: Int64[np.ndarray, " row"]


def time_blocks(
    tracks: Sequence[EmbeddingTable],
    labelled: Sequence[Bool[np.ndarray, " _"]],
    num_blocks: int = 5,
    *,
    gap_s: int | float = 0.0,
    allow_leakage: bool = False,
) -> list[Fold]:
    """Cut every track into blocks of equal labelled time; each block is tested once.

    Between a test block and what is learned from lies at least one window: no frame is seen by both sides.

    Args:
        tracks: to split.
        labelled: rows of each track that have labels.
        num_blocks: blocks per track, and folds.
        gap_s: time between train and test beyond that, in seconds.
        allow_leakage: must be True, because the sides share recordings.

    Raises:
        ProbeError: when leakage is not allowed, or a recording is too short for so many blocks.
    """
    if not allow_leakage:
        raise ProbeError(
            f"expected folds that share no recording, found blocks of time: {_BLOCKS_SHARE}. Split by recording "
            "(leave-one-out, or a number of folds), or allow it (allow_leakage=True, --allow-leakage): the report "
            "then says so"
        )
    if num_blocks < 2:
        raise ProbeError(f"expected at least 2 blocks of time, found {num_blocks}: give 2 or more")
    names = [track.recording_id for track in tracks]
    cuts = [_cut(track, rows, num_blocks) for track, rows in zip(tracks, labelled, strict=True)]
    spans = [_pixel_spans(track) for track in tracks]
    folds = []
    for block in range(num_blocks):
        test = [Part(i, cut[block], cut[block + 1]) for i, cut in enumerate(cuts) if cut]
        train = [part for one in test for part in _apart(one, tracks[one.track], spans[one.track], gap_s)]
        train = [part for part in train if _is_usable(part, tracks[part.track], labelled[part.track])]
        if not train:
            raise ProbeError(
                f"expected labels to learn from outside block {block + 1} of {num_blocks} and one window around it, "
                f"found none in {', '.join(names[:6])}: use fewer blocks, or label more"
            )
        sides = [tuple(dict.fromkeys(names[part.track] for part in side)) for side in (train, test)]
        name = f"block {block + 1} of {num_blocks}"
        folds.append(Fold(name, tuple(train), tuple(test), sides[0], sides[1], _BLOCKS_SHARE))
    check_folds(folds, names)
    return folds


def random_windows(
    tracks: Sequence[EmbeddingTable], num_folds: int = 5, *, seed: int = 0, allow_leakage: bool = False
) -> list[Fold]:
    """Deal the windows of all tracks to folds at random: only to compare with work that did so.

    Args:
        tracks: to split.
        num_folds: how many.
        seed: of the draw.
        allow_leakage: must be True.

    Raises:
        ProbeError: when leakage is not allowed (the message says why it should not be), or there are too few windows.
    """
    if not allow_leakage:
        raise ProbeError(
            f"expected folds that share no recording, found a random split of overlapping windows: {_WINDOWS_SHARE}, "
            "and scores come out far too high. Split by recording (leave-one-out, or a number of folds), or allow it "
            "(allow_leakage=True, --allow-leakage): the report then says so"
        )
    counts = [len(track.window_start) for track in tracks]
    if num_folds < 2 or sum(counts) < num_folds:
        raise ProbeError(f"expected 2 to {sum(counts)} folds for {sum(counts)} windows, found {num_folds}")
    dealt = np.random.default_rng(seed).permutation(np.arange(sum(counts)) % num_folds)
    fold_of_row = [
        fold_of_window[window_owners(track)]
        for track, fold_of_window in zip(tracks, np.split(dealt, np.cumsum(counts)[:-1]), strict=True)
    ]
    names = [track.recording_id for track in tracks]
    folds = []
    for fold in range(num_folds):
        sides = [
            tuple(Part(i, *run) for i, row in enumerate(fold_of_row) for run in runs((row == fold) == test))
            for test in (False, True)
        ]
        seen = [tuple(dict.fromkeys(names[part.track] for part in side)) for side in sides]
        name = f"draw {fold + 1} of {num_folds}"
        folds.append(Fold(name, sides[0], sides[1], seen[0], seen[1], _WINDOWS_SHARE, whole_tracks=True))
    check_folds(folds, names)
    return folds


def cut_track(track: EmbeddingTable, part: Part) -> EmbeddingTable:
    """The rows of a part as a track of its own, in memory; the whole track is returned as it is.

    Windows are laid anew over the rows, as for a recording of that length, and their vectors are means of the rows:
    whatever reads the part sees nothing of the rest.
    """
    if part.first == 0 and part.stop in (None, len(track)):
        return track
    rows = slice(part.first, part.stop)
    cells, frames = np.asarray(track.track[rows]), track.frame_index[rows]
    windows = plan_windows(len(cells), track.provenance.num_frames, track.provenance.stride)
    means = [cells[a:b].mean(axis=(0, 1), dtype=np.float32) for a, b in zip(windows.start, windows.stop, strict=True)]
    return EmbeddingTable(
        recording_id=track.recording_id,
        num_frames=track.num_frames,
        provenance=track.provenance,
        first_grid=0,
        track=cells,
        window=np.stack(means),
        time_s=track.time_s[rows],
        frame_index=frames,
        shown_index=track.shown_index[rows],
        damaged_frames=track.damaged_frames[np.isin(track.damaged_frames, frames)],
        window_start=windows.start,
        window_stop=windows.stop,
    )


def _cut(track: EmbeddingTable, labelled: Bool[np.ndarray, " row"], num_blocks: int) -> list[int]:
    """Rows at which blocks begin, and the end; [] for a track without labels."""
    rows = np.flatnonzero(labelled)
    if not len(rows):
        return []
    if len(rows) < num_blocks:
        raise ProbeError(
            f"{track.recording_id}: expected at least {num_blocks} labelled grid frames for {num_blocks} blocks, found "
            f"{len(rows)}: use fewer blocks, or label more"
        )
    cuts = [0, *(int(rows[len(rows) * block // num_blocks]) for block in range(1, num_blocks)), len(track)]
    window = track.provenance.num_frames
    if (shortest := int(np.diff(cuts).min())) < window:
        raise ProbeError(
            f"{track.recording_id}: expected blocks of at least {window} grid frames (one window), found one "
            f"of {shortest}: use fewer blocks, or label more"
        )
    return cuts


def _is_usable(part: Part, track: EmbeddingTable, labelled: Bool[np.ndarray, " row"]) -> bool:
    stop = len(track) if part.stop is None else part.stop
    return stop - part.first >= track.provenance.num_frames and bool(labelled[part.first : stop].any())


def _pixel_spans(track: EmbeddingTable) -> _Spans:
    owner = window_owners(track)
    start, stop = (np.asarray(edge) - track.first_grid for edge in (track.window_start, track.window_stop))
    return _Spans(start[owner].astype(np.int64), stop[owner].astype(np.int64))


def _apart(test: Part, track: EmbeddingTable, spans: _Spans, gap_s: int | float) -> list[Part]:
    """What is left of a track to learn from: rows that saw nothing of what the test rows saw, and a window apart."""
    assert test.stop is not None
    time_s, window = np.asarray(track.time_s), track.provenance.num_frames
    rows = np.arange(len(track))
    before = (spans.stop <= spans.first[test.first]) & (rows + window <= test.first)
    after = (spans.first >= spans.stop[test.stop - 1]) & (rows >= test.stop + window - 1)
    before &= time_s <= time_s[test.first] - gap_s
    after &= time_s >= time_s[test.stop - 1] + gap_s
    return [Part(test.track, *run) for side in (before, after) for run in runs(side)]
