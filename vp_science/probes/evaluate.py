"""Honest evaluation: every labelled recording is predicted by a probe that never saw it or anything that it shares.

All choices (epochs, thresholds, rules from scores to states, principal components) are made inside the training part
of a fold. Baselines run in the same folds.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from sklearn.base import clone

from vp_science.errors import ProbeError, VPScienceError
from vp_science.probes.baselines import (
    BASELINES,
    TITLES,
    FixedTracks,
    TrackSource,
    embed_untrained,
    guess_frequencies,
    read_pixels,
)
from vp_science.probes.dataset import hide_absent, match_annotations
from vp_science.probes.groups import GROUP_COLUMNS, RecordingGroups, group_recordings
from vp_science.probes.parameters import describe_parameters
from vp_science.probes.probe import Labels, Probe
from vp_science.probes.report import EvaluationReport, FoldFacts, MethodResult, Tested, count_bouts, labelled_seconds
from vp_science.probes.sources import Recordings
from vp_science.probes.splits import Fold, Part, k_fold_by_group, label_counts, leave_one_group_out
from vp_science.probes.time_blocks import cut_track, random_windows, time_blocks
from vp_science.store.reader import Embeddings
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.metrics import evaluate_frames
from vp_science.timeline.names import listed, match_names
from vp_science.typing import StrPath

FOLD_KINDS = ("leave-one-out", "time-blocks", "random-windows")
Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Study:
    """The labelled tracks of an evaluation.

    Attributes:
        tracks: those with labels.
        truths: their labels at their grid times.
        groups: group of every track.
        notes: what was left out, and why.
        columns: columns of the recordings table that made the groups.
    """

    tracks: Sequence[EmbeddingTable]
    truths: Sequence[Ethogram]
    groups: Sequence[str]
    notes: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def labelled(self) -> list[Bool[np.ndarray, " _"]]:
        """Rows of every track that have labels."""
        return [np.asarray(truth.known.any(axis=1)) for truth in self.truths]

    def part(self, parts: Sequence[Part], fold: Fold, tracks: Sequence[EmbeddingTable]) -> "_Side":
        """One side of a fold: tracks (of the study, or of a baseline on the same grid) and labels."""
        if fold.whole_tracks:
            return self._marked(parts, tracks)
        cut = [cut_track(tracks[part.track], part) for part in parts]
        return _Side(cut, [_rows(self.truths[part.track], part) for part in parts])

    def _marked(self, parts: Sequence[Part], tracks: Sequence[EmbeddingTable]) -> "_Side":
        side = _Side([], [])
        for index in dict.fromkeys(part.track for part in parts):
            counts = np.zeros(len(self.truths[index]), dtype=bool)
            for part in parts:
                if part.track == index:
                    counts[part.first : part.stop] = True
            states = np.where(counts[:, None], self.truths[index].states, -1).astype(np.int8)
            side.tracks.append(tracks[index])
            side.truths.append(self.truths[index].with_states(states))
        return side


@dataclass(frozen=True, eq=False)
class _Side:
    """Tracks and labels of the training or the test part of a fold."""

    tracks: list[EmbeddingTable]
    truths: list[Ethogram]


def evaluate_probe(
    probe: Probe,
    tracks: Sequence[EmbeddingTable],
    annotations: Labels,
    *,
    table: pd.DataFrame | None = None,
    by: Sequence[str] = GROUP_COLUMNS,
    folds: str | int = "leave-one-out",
    num_blocks: int = 5,
    gap_s: int | float = 0.0,
    allow_leakage: bool = False,
    recordings: Recordings | None = None,
    baselines: Sequence[str] = BASELINES,
    cache: StrPath | None = None,
    tune_postprocess: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Cross-validate a probe: fit on the training part of every fold, predict the rest, compare with the labels.

    Args:
        probe: gives the settings; it is cloned, and need not be fitted.
        tracks: with and without labels; those without are named in the report.
        annotations: labels of any recordings, or one ethogram per track at its grid times.
        table: recordings with their animal, session, site (``read_recordings_table``): what shares one is never on
            both sides. None takes every recording as independent.
        by: the columns of the table that tie recordings together.
        folds: ``leave-one-out`` (of the groups), a number of folds of groups, or a split inside recordings:
            ``time-blocks`` or ``random-windows``, which need ``allow_leakage``.
        num_blocks: folds of the splits inside recordings.
        gap_s: ``time-blocks``: time between train and test beyond one window, in seconds.
        allow_leakage: allow splits inside recordings; the report says so.
        recordings: folder, pattern, files or open recordings that the tracks were made from; the baselines ``pixels``
            and ``untrained`` need them, and say so without.
        baselines: which to run beside the probe.
        cache: folder for what the baselines compute; None computes it for this call alone.
        tune_postprocess: choose rules from scores to states in every fold, inside its training part.
        seed: of ``random-windows``, the baselines' components and random weights.
        progress: is called with a line per step.

    Raises:
        ProbeError: when fewer than two groups have labels, a split leaks without being allowed to, or a fold cannot be
            fitted; the message says what to do.
        AnnotationError: when labels and tracks name no recording in common.
    """
    say = progress or (lambda line: None)
    _check_baselines(baselines)
    study = gather_study(probe, tracks, annotations, table, by)
    split = make_folds(study, folds, num_blocks=num_blocks, gap_s=gap_s, allow_leakage=allow_leakage, seed=seed)
    rules: Any = "tune" if tune_postprocess else probe.postprocess
    model = clone(probe).set_params(postprocess=rules)
    runs = [_run(model, FixedTracks(study.tracks), "probe", study, split, say)]
    with ExitStack() as stack:
        folder = Path(cache) if cache is not None else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in baselines:
            runs.append(_baseline(name, model, study, split, recordings, folder, seed, say, stack))
    facts = [_facts(fold, study, fitted) for fold, fitted in zip(split, runs[0].fitted, strict=True)]
    methods = [_result(run) for run in runs]
    settings = {
        "probe": describe_parameters(model),
        "folds": folds if isinstance(folds, int) else str(folds),
        "groups": list(study.columns),
        "tracks": runs[0].fitted[0].track_settings_,
        "untrained_encoder": bool(study.tracks[0].untrained),
    }
    notes = (*study.notes, *_fold_notes(split, facts, study))
    return EvaluationReport(study.truths[0].behaviors, settings, tuple(facts), tuple(methods), notes)


def gather_study(
    probe: Probe,
    tracks: Sequence[EmbeddingTable],
    annotations: Labels,
    table: pd.DataFrame | None = None,
    by: Sequence[str] = GROUP_COLUMNS,
) -> Study:
    """Join tracks, labels and groups; what has no partner is named in the notes.

    Raises:
        ProbeError: when nothing is labelled, or a labelled recording is not in the table.
        AnnotationError: when labels and tracks name no recording in common.
    """
    if not tracks:
        raise ProbeError("expected at least one track, found none: embed the labelled recordings first")
    notes: list[str] = []
    if isinstance(annotations, Annotations):
        truths = match_annotations(annotations, tracks)
        matched = set(match_names(annotations.recordings, [track.bout_recording for track in tracks]))
        if unused := [name for name in annotations.recordings if name not in matched]:
            notes.append(f"labelled recordings without a track, left out: {listed(unused)}")
    else:
        truths = [hide_absent(truth, track) for truth, track in zip(annotations, tracks, strict=True)]
    if probe.exclusive is not None:
        truths = [replace(e, behaviors=e.behaviors.replaced(exclusive=probe.exclusive)) for e in truths]
    pairs = [(track, truth) for track, truth in zip(tracks, truths, strict=True) if truth.known.any()]
    if bare := [t.recording_id for t, truth in zip(tracks, truths, strict=True) if not truth.known.any()]:
        notes.append(f"tracks without labelled time, left out: {listed(bare)}")
    if not pairs:
        raise ProbeError(
            "expected labelled time in at least one recording, found none: unknown is never absent, so labels need "
            "observed intervals (vp-science labels summary shows them; labels convert --all-scored takes whole "
            "recordings as scored)"
        )
    names = [track.bout_recording for track, _ in pairs]
    groups = _groups(names, table, by)
    if not groups.columns:
        notes.append(
            "no table of recordings was given: every recording counts as independent of the others. If some share an "
            "animal, a session or a site, give one (--groups): these scores are then too high"
        )
    return Study(
        [track for track, _ in pairs],
        [truth for _, truth in pairs],
        groups.of(names),
        (*notes, *groups.notes),
        groups.columns,
    )


def _groups(names: Sequence[str], table: pd.DataFrame | None, by: Sequence[str]) -> RecordingGroups:
    """Groups by the table, whose recordings may be named as labels name them (a path, a file name)."""
    if table is None or "recording" not in table:
        return group_recordings(names, table, by)
    given = [str(name) for name in dict.fromkeys(table["recording"])]
    wanted = list(dict.fromkeys(names))
    meant = {name: own for own, name in zip(wanted, match_names(given, wanted), strict=True) if name}
    renamed = table.assign(recording=[meant.get(str(name), str(name)) for name in table["recording"]])
    return group_recordings(names, renamed, by)


def make_folds(
    study: Study,
    folds: str | int,
    *,
    num_blocks: int = 5,
    gap_s: int | float = 0.0,
    allow_leakage: bool = False,
    seed: int = 0,
) -> list[Fold]:
    """The folds of a study; see ``evaluate_probe``.

    Raises:
        ProbeError: when the kind is unknown, leaks without being allowed to, or there are too few groups.
    """
    if isinstance(folds, int):
        return k_fold_by_group(study.groups, folds, label_counts(study.truths))
    if folds == "leave-one-out":
        return leave_one_group_out(study.groups)
    if folds == "time-blocks":
        return time_blocks(study.tracks, study.labelled, num_blocks, gap_s=gap_s, allow_leakage=allow_leakage)
    if folds == "random-windows":
        return random_windows(study.tracks, num_blocks, seed=seed, allow_leakage=allow_leakage)
    raise ProbeError(f"expected folds to be a number or one of {', '.join(FOLD_KINDS)}, found {folds!r}")


@dataclass(frozen=True, eq=False)
class _Run:
    """What became of one method."""

    name: str
    tested: tuple[Tested, ...] = ()
    fitted: tuple[Probe, ...] = ()
    note: str = ""


def _run(model: Probe, source: TrackSource, name: str, study: Study, split: Sequence[Fold], say: Progress) -> _Run:
    """Fit and predict in every fold."""
    tested: list[Tested] = []
    fitted: list[Probe] = []
    for number, fold in enumerate(split):
        say(f"{name}: fold {number + 1} of {len(split)} ({fold.name})")
        tracks = source.tracks(fold)
        train, test = (study.part(parts, fold, tracks) for parts in (fold.train, fold.test))
        probe = _clone_for(model, train)
        try:
            probe.fit(train.tracks, train.truths)
            predictions = probe.predict(test.tracks)
        except ProbeError as error:
            raise ProbeError(f"fold {fold.name!r}: {error}") from error
        tested += [Tested(number, t, p) for t, p in zip(test.truths, predictions, strict=True) if t.known.any()]
        fitted.append(probe)
    return _Run(name, tuple(tested), tuple(fitted))


def _clone_for(model: Probe, train: _Side) -> Probe:
    """A fresh probe; of the recordings that it shall validate on, those of the training part."""
    probe: Probe = clone(model)
    if model.validation is not None:
        here = {track.bout_recording for track in train.tracks}
        probe.set_params(validation=[name for name in model.validation if name in here] or None)
    return probe


def _baseline(
    name: str,
    model: Probe,
    study: Study,
    split: Sequence[Fold],
    recordings: Recordings | None,
    cache: Path,
    seed: int,
    say: Progress,
    stack: ExitStack,
) -> _Run:
    if name == "majority":
        return _guess(study, split)
    if name == "untrained" and study.tracks[0].untrained:
        return _Run(name, note="equals the probe: these tracks come from an untrained encoder")
    if recordings is None:
        return _Run(name, note="needs the recordings (--recordings)")
    try:
        if name == "pixels":
            say("pixels: reading the recordings")
            source: TrackSource = read_pixels(recordings, study.tracks, study.labelled, cache, seed)
        else:
            say("untrained: embedding the recordings with random weights")
            made = embed_untrained(recordings, study.tracks, cache, seed)
            for track in made:
                if isinstance(track, Embeddings):
                    stack.callback(track.close)
            source = FixedTracks(made)
        return _run(model, source, name, study, split, say)
    except VPScienceError as error:
        return _Run(name, note=f"not computed: {error}")


def _guess(study: Study, split: Sequence[Fold]) -> _Run:
    tested = []
    for number, fold in enumerate(split):
        train, test = (study.part(parts, fold, study.tracks) for parts in (fold.train, fold.test))
        guesses = guess_frequencies(train.truths, test.truths)
        tested += [Tested(number, t, p) for t, p in zip(test.truths, guesses, strict=True) if t.known.any()]
    return _Run("majority", tuple(tested))


def _result(run: _Run) -> MethodResult:
    """Metrics of every fold, and of all test parts together."""
    title = TITLES.get(run.name, "probe")
    if not run.tested:
        return MethodResult(run.name, title, run.note, (), None, ())
    numbers = sorted({tested.fold for tested in run.tested})
    parts = [[tested for tested in run.tested if tested.fold == number] for number in numbers]
    folds = [evaluate_frames([t.truth for t in part], [t.prediction for t in part]) for part in parts]
    pooled = evaluate_frames([t.truth for t in run.tested], [t.prediction for t in run.tested])
    return MethodResult(run.name, title, run.note, tuple(folds), pooled, run.tested)


def _facts(fold: Fold, study: Study, probe: Probe) -> FoldFacts:
    train, test = (study.part(parts, fold, study.tracks) for parts in (fold.train, fold.test))
    names = [tuple(dict.fromkeys(track.recording_id for track in side.tracks)) for side in (train, test)]
    return FoldFacts(
        name=fold.name,
        train_groups=fold.train_groups,
        test_groups=fold.test_groups,
        train_recordings=names[0],
        test_recordings=names[1],
        train_s=labelled_seconds(train.truths),
        test_s=labelled_seconds(test.truths),
        train_bouts=count_bouts(train.truths),
        test_bouts=count_bouts(test.truths),
        thresholds=tuple(float(value) for value in probe.thresholds_),
        postprocess=probe.postprocess_.to_json(),
        validation=str(probe.training_["validation"]),
        leakage=fold.leakage,
    )


def _fold_notes(split: Sequence[Fold], facts: Sequence[FoldFacts], study: Study) -> list[str]:
    """What is missing where: a fold without a behavior is named, not hidden."""
    notes = []
    if leaks := dict.fromkeys(fold.leakage for fold in split if fold.leakage):
        notes.append(f"NOT INDEPENDENT: {'; '.join(leaks)}. These scores promise nothing about other recordings")
    if study.tracks[0].untrained:
        notes.append("the encoder of these tracks is untrained: its weights are random numbers")
    for name in study.truths[0].behaviors.names:
        untested = [fold.name for fold in facts if not fold.test_bouts[name]]
        unlearned = [fold.name for fold in facts if not fold.train_bouts[name]]
        if len(untested) == len(facts):
            notes.append(f"{name!r} never happens in the labels: nothing can be said about it")
            continue
        if untested:
            notes.append(f"{name!r} does not happen in the test part of: {listed(untested)}")
        if unlearned:
            notes.append(
                f"{name!r} does not happen in the training part of, and cannot be learned in: {listed(unlearned)}"
            )
    return notes


def _rows(truth: Ethogram, part: Part) -> Ethogram:
    rows = slice(part.first, part.stop)
    return replace(truth, time_s=truth.time_s[rows], states=truth.states[rows])


def _check_baselines(baselines: Sequence[str]) -> None:
    for name in baselines:
        if name not in BASELINES:
            raise ProbeError(f"expected baselines among {', '.join(BASELINES)}, found {name!r}: check the spelling")
