"""The job ``evaluate``: how good a probe of the session is on what it never saw, and what stands behind every figure.

Recordings are held out one by one where there are at least two (all recordings of an animal together, where bouts say
who it is); otherwise blocks of time, with a gap, which is said.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from vp_science.errors import ProbeError
from vp_science.files import write_atomically
from vp_science.probes.bundle import load_probe, save_probe
from vp_science.probes.evaluate import evaluate_probe
from vp_science.probes.evaluation_card import attach_evaluation
from vp_science.probes.probe import Probe
from vp_science.probes.report import EvaluationReport, Tested
from vp_science.sessions.label_log import LOG_NAME
from vp_science.sessions.material import named
from vp_science.sessions.scoring_fitted import evaluate_as_it_is
from vp_science.sessions.session_probes import probe_path, read_training, training_folder
from vp_science.sessions.training import LabelledTracks, labelled_tracks
from vp_science.sessions.worker import Reporter
from vp_science.timeline.comparison import compare
from vp_science.timeline.ethogram import runs
from vp_science.timeline.postprocess import PostProcess

HOW_NAME, MOMENTS_NAME = "how.json", "moments.npz"
_MOST_FOLDS = {"logistic": 10}
_FEW_FOLDS = 5
_BLOCKS = (5, 4, 3, 2)
_GAP_S = 2.0
_MOST_MOMENTS = 200_000


@dataclass(frozen=True)
class _Split:
    """A way to hold out, in the arguments of ``evaluate_probe`` and in words."""

    arguments: Mapping[str, Any]
    words: str


def evaluate_session_probe(request: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Cross-validate a probe of the session on the labels that it learned from, and put the figures on its card.

    A probe from elsewhere is compared, as it is, with labels of the session that it never saw.

    Args:
        request: ``session``, ``recordings``, ``labels``, ``look_at`` and ``excluded`` as for ``train``, and ``probe``
            (id).
        report: hears about the progress.

    Returns:
        ``probe``, ``scores`` (whether there are any) and ``why`` (why there are none).

    Raises:
        ProbeError: when the probe or its labels are not there.
    """
    folder, probe_id = Path(request["session"]), str(request["probe"])
    beside = training_folder(folder, probe_id)
    labels = beside / LOG_NAME
    imported = read_training(folder, probe_id).imported
    if not labels.exists() and not imported:
        raise ProbeError(f"expected the labels of the probe {probe_id} at {labels}, found none: train it again")
    bundle = probe_path(folder, probe_id)
    probe = load_probe(bundle)
    if imported:
        report.progress("testing it as it is", 0, 1)
        try:
            _keep(folder, probe, *evaluate_as_it_is(probe, request))
        except ProbeError as error:
            return {"probe": probe_id, "scores": False, "why": str(error)}
        return {"probe": probe_id, "scores": True, "why": ""}
    # A bundle does not say whether its rules were chosen before or after; they are given to every fold.
    probe.postprocess = None if probe.postprocess_ == PostProcess() else probe.postprocess_
    with labelled_tracks({**request, "labels": labels}, report) as material:
        found = _first_that_works(probe, material, report)
        if isinstance(found, str):
            return {"probe": probe_id, "scores": False, "why": found}
        _keep(folder, probe, *found)
    return {"probe": probe_id, "scores": True, "why": ""}


def _keep(folder: Path, probe: Probe, result: EvaluationReport, words: str) -> None:
    """Write scores beside the probe, and figures on its card."""
    beside = training_folder(folder, probe.id)
    result.save(beside)
    _write_moments(beside, result.probe.tested)
    content = json.dumps({"how": words}, ensure_ascii=False).encode()
    write_atomically(beside / HOW_NAME, lambda file: file.write(content))
    attach_evaluation(probe, result)
    save_probe(probe, probe_path(folder, probe.id), overwrite=True)


def _first_that_works(model: Probe, material: LabelledTracks, report: Reporter) -> tuple[EvaluationReport, str] | str:
    """A report with how it was made in words, or why there is none."""
    why: list[str] = []
    for split in splits(material, model.head):
        done = [0]

        def progress(line: str, done: list[int] = done, split: _Split = split) -> None:
            report.progress(f"testing: {line.partition(': ')[2] or line}", done[0], split.arguments["steps"])
            done[0] += 1

        arguments = {name: value for name, value in split.arguments.items() if name != "steps"}
        try:
            result = evaluate_probe(
                model, material.tracks, material.truths, baselines=(), progress=progress, **arguments
            )
        except ProbeError as error:
            why.append(str(error))
            continue
        words = split.words
        if why and split.arguments["folds"] == "time-blocks" and len(material.subjects) > 1:
            words += f" (Not tested recording by recording: {why[0]})"
        return result, words
    return f"Too few labels to test the probe on time that it did not learn from ({why[-1]})" if why else ""


def splits(material: LabelledTracks, head: str) -> list[_Split]:
    """Ways to hold out, the most honest first."""
    names = list(dict.fromkeys(track.bout_recording for track in material.tracks))
    found = [] if len(names) < 2 else [_by_recording(material, names, head)]
    here = named(names)
    for blocks in _BLOCKS:
        words = (
            f"Tested in {blocks} blocks of time inside {here}, at least {_GAP_S:g} s apart from what was learned: the "
            "same animals, light and camera. Other recordings may well come out worse; label a second one to know."
        )
        arguments = {"folds": "time-blocks", "num_blocks": blocks, "gap_s": _GAP_S, "allow_leakage": True}
        found.append(_Split({**arguments, "steps": blocks}, words))
    return found


def _by_recording(material: LabelledTracks, names: Sequence[str], head: str) -> _Split:
    table, animals = _animals(material, names)
    units = "animal" if table is not None else "recording"
    count = animals if table is not None else len(names)
    most = _MOST_FOLDS.get(head, _FEW_FOLDS)
    each = f"every {units} was predicted by a probe that learned from the other {units}s only"
    words = f"Tested {units} by {units}: {each}."
    folds: str | int = "leave-one-out"
    if count > most:
        folds, words = most, f"Tested in {most} groups of {units}s: {each} (those outside of its group)."
    subjects = sorted({subject for name in names for subject in material.subjects.get(name, ()) if subject})
    if table is None and subjects:
        words += (
            f" The recordings share the names {named(subjects)}: if these are the same animals, new animals may come "
            "out worse."
        )
    return _Split({"folds": folds, "table": table, "steps": min(count, most)}, words)


def _animals(material: LabelledTracks, names: Sequence[str]) -> tuple[pd.DataFrame | None, int]:
    """A table of recordings and animals, when every recording names its own and they differ; and how many groups."""
    from vp_science.probes.groups import group_recordings

    who = {name: [one for one in material.subjects.get(name, ()) if one] for name in names}
    if not all(who.values()):
        return None, 0
    rows = [(name, animal.replace(";", ",")) for name, animals in who.items() for animal in animals]
    table = pd.DataFrame(rows, columns=["recording", "animal"])
    groups = len(set(group_recordings(names, table).names.values()))
    return (table, groups) if groups > 1 else (None, 0)


def _write_moments(folder: Path, tested: Sequence[Tested]) -> None:
    """Write which moments stand behind every cell of the confusion matrix."""
    rows = [moments_behind(one) for one in tested]
    names = np.array([one.truth.recording for one in tested])
    which = np.repeat(np.arange(len(tested)), [len(cells) for cells, _ in rows])
    cells = np.concatenate([np.zeros((0, 2), np.int64), *(cells for cells, _ in rows)])
    times = np.concatenate([np.zeros((0, 2)), *(times for _, times in rows)])
    longest = np.sort(np.argsort(times[:, 0] - times[:, 1], kind="stable")[:_MOST_MOMENTS])
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, recordings=names, which=which[longest], cells=cells[longest], times=times[longest], allow_pickle=False
    )
    write_atomically(folder / MOMENTS_NAME, lambda file: file.write(buffer.getvalue()))


def moments_behind(tested: Tested) -> tuple[Int64[np.ndarray, "moment 2"], Float64[np.ndarray, "moment 2"]]:
    """Stretches in which labels and predictions stay in one cell of the confusion matrix.

    Returns:
        Row and column of the cell, and start and stop in seconds. In an exclusive catalogue rows are labels and columns
        predictions, the last of both is "none of them"; otherwise rows are behaviors and columns found, missed, falsely
        found.
    """
    comparison = compare(tested.truth, tested.prediction)
    happens, found, edges = comparison.happens, comparison.found, comparison.edges
    cells, times = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2))]

    def add(row: int, column: int, on: np.ndarray) -> None:
        for first, stop in runs(on):
            cells.append(np.array([[row, column]], np.int64))
            times.append(np.array([[edges[first], edges[stop]]]))

    num = happens.shape[1]
    if comparison.behaviors.exclusive:
        label = np.where(happens.any(axis=1), happens.argmax(axis=1), num)
        said = np.where(found.any(axis=1), found.argmax(axis=1), num)
        counted = comparison.counted.any(axis=1)
        for row, column in sorted(set(zip(label[counted].tolist(), said[counted].tolist(), strict=True))):
            add(row, column, counted & (label == row) & (said == column))
    else:
        for row in range(num):
            yes, said_yes, counts = happens[:, row], found[:, row], comparison.counted[:, row]
            for column, on in enumerate((yes & said_yes, yes & ~said_yes & counts, said_yes & ~yes)):
                add(row, column, on)
    return np.concatenate(cells), np.concatenate(times)
