"""The job ``train``: from the labels of a session to a probe of the session, in the worker process."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.errors import ProbeError
from vp_science.probes.bundle import load_probe, save_probe
from vp_science.probes.dataset import labels_of_track
from vp_science.probes.probe import Probe
from vp_science.probes.report import count_bouts, labelled_seconds
from vp_science.sessions.label_log import read_labels
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.material import named
from vp_science.sessions.session_probes import Training, now_text, probe_path, write_training
from vp_science.sessions.tracks import FoundTrack, find_tracks
from vp_science.sessions.worker import Reporter
from vp_science.store.reader import Embeddings, open_embeddings
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.postprocess import PostProcess

RULES = ("median_s", "fill_gap_s", "min_bout_s")
"""The rules from scores to states that people choose in the panel."""


@dataclass(frozen=True, eq=False)
class LabelledTracks:
    """Tracks of a session with the labels to learn from.

    Attributes:
        tracks: open.
        truths: labels at their grid times, of the behaviors that happen.
        subjects: who is named in the labels of each recording.
        log: the log of labels as it was when it was read.
        notes: what was left out, and why.
    """

    tracks: list[Embeddings]
    truths: list[Ethogram]
    subjects: dict[str, tuple[str, ...]]
    log: bytes
    notes: tuple[str, ...]


def train_probe(request: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Train a probe on the labels so far and keep it in the session.

    Args:
        request: ``session`` (folder), ``labels`` (log of labels), ``recordings`` (``id`` and ``path`` of each),
            ``head``, ``look_at`` (``auto``, ``frames`` or ``animals``), ``chosen`` (``thresholds`` by behavior and
            ``rules`` that people chose), ``excluded`` (recording, start and stop of time that nothing may be learned
            from) and ``automatic``.
        report: hears about the progress.

    Returns:
        ``probe`` (its id) and ``notes``.

    Raises:
        ProbeError: when something is missing; the message says what.
    """
    folder, chosen = Path(request["session"]), request.get("chosen", {})
    report.progress("reading labels", 0, 3)
    with labelled_tracks(request, report) as material:
        report.progress(f"learning from {named(_names(material.tracks))}", 1, 3)
        probe = make_probe(request).fit(material.tracks, material.truths)
        tuned = choose_thresholds(probe, chosen.get("thresholds", {}))
        report.progress("writing the probe", 2, 3)
        training = Training(
            trained=now_text(),
            bouts=sum(count_bouts(material.truths).values()),
            scored_s=labelled_seconds(material.truths),
            recordings=tuple(_names(material.tracks)),
            tuned=tuned,
            automatic=bool(request.get("automatic", False)),
            notes=material.notes,
        )
        keep_probe(folder, probe, training, material.log)
    return {"probe": probe.id, "notes": list(material.notes)}


def make_probe(request: Mapping[str, Any]) -> Probe:
    """A probe that is not fitted yet, with the rules that people chose."""
    rules = request.get("chosen", {}).get("rules", {})
    return Probe(
        str(request.get("head", "logistic")), postprocess=chosen_rules(PostProcess(), rules) if rules else None
    )


def chosen_rules(rules: PostProcess, chosen: Mapping[str, Any]) -> PostProcess:
    """Rules with those that people chose.

    Raises:
        ProbeError: when one is unknown or out of range.
    """
    if unknown := sorted(set(chosen) - set(RULES)):
        raise ProbeError(f"expected rules among {', '.join(RULES)}, found {unknown[0]!r}")
    return replace(rules, **chosen)


def choose_thresholds(probe: Probe, chosen: Mapping[str, Any]) -> dict[str, float]:
    """Set thresholds that people chose.

    Returns:
        The thresholds by behavior that the probe had before.
    """
    names = probe.behaviors_.names
    tuned = {name: float(value) for name, value in zip(names, probe.thresholds_, strict=True)}
    values = [min(1.0, max(0.0, float(chosen.get(name, tuned[name])))) for name in names]
    probe.thresholds_ = np.array(values, np.float32)
    return tuned


def keep_probe(folder: Path, probe: Probe, training: Training, log: bytes = b"") -> Path:
    """Write a bundle into the session, with the record of its training and the labels it learned from.

    Raises:
        ProbeError: when the disk refuses.
    """
    write_training(folder, probe.id, training, log)
    return save_probe(probe, probe_path(folder, probe.id), overwrite=True)


def export_probe(request: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """The job ``export``: copy a probe of the session to a folder or a zip.

    Args:
        request: ``session``, ``probe`` (id) and ``out``; what is there already is replaced if it is a bundle.
        report: hears about the progress.
    """
    probe = load_probe(probe_path(Path(request["session"]), str(request["probe"])))
    return {"path": str(save_probe(probe, Path(request["out"]), overwrite=True))}


@contextmanager
def labelled_tracks(request: Mapping[str, Any], report: Reporter) -> Iterator[LabelledTracks]:
    """Open the tracks of labelled recordings, with their labels.

    Raises:
        ProbeError: when there is nothing to learn from; the message says what is missing.
        StoreError: when the labels cannot be read.
    """
    book, log = _read_log(Path(request["labels"]))
    annotations = book.annotations().select(sources=("manual", "curated"))
    labelled = [entry for entry in request["recordings"] if book.observed(entry["id"])]
    if not len(annotations.bouts):
        raise ProbeError("expected bouts to learn from, found none: label some first")
    if not labelled:
        raise ProbeError(
            "expected time that is marked as scored, found none: unknown is never absent, so mark the time that you "
            "looked at as scored"
        )
    with ExitStack() as stack:
        found, notes = _find(request, labelled, annotations)
        tracks = [stack.enter_context(open_embeddings(track.path)) for _, track in found]
        names = [name for name, _ in found]
        truths = _truths(annotations, tracks, names)
        exclude_time(truths, request.get("excluded", []))
        report.checkpoint()
        truths, bare = _with_examples(truths)
        if bare:
            notes.append(f"nothing to learn from, left out: {named(bare)}")
        subjects = {name: annotations.subjects(name) for name in dict.fromkeys(names)}
        yield LabelledTracks(tracks, truths, subjects, log, tuple(notes))


def _read_log(path: Path) -> tuple[LabelBook, bytes]:
    """The labels in a log that somebody may be writing, and exactly the bytes that they were read from."""
    content = path.read_bytes() if path.exists() else b""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(content)
        return read_labels(copy), content


def _find(
    request: Mapping[str, Any], labelled: Sequence[Mapping[str, Any]], annotations: Annotations
) -> tuple[list[tuple[str, FoundTrack]], list[str]]:
    """Tracks of the labelled recordings by the id of the recording, and what was left out."""
    folder, ids = Path(request["session"]), [entry["id"] for entry in request["recordings"]]
    by_recording: dict[str, list[FoundTrack]] = {}
    notes, missing = list[str](), list[str]()
    for entry in labelled:
        name, path = entry["id"], entry.get("path")
        tracks, problems = find_tracks(folder, name, None if path is None else Path(path), ids)
        notes += problems
        by_recording[name] = tracks
        missing += [] if tracks else [name]
    animals = _looks_at_animals(str(request.get("look_at", "auto")), by_recording, annotations)
    found = [
        (name, track) for name, tracks in by_recording.items() for track in tracks if bool(track.subject) == animals
    ]
    kind = "single animals" if animals else "whole frames"
    others = [name for name, tracks in by_recording.items() if tracks and name not in dict(found)]
    if not found:
        detail = f" ({notes[0]})" if notes else ""
        raise ProbeError(
            f"expected tracks of the labelled recordings ({kind}), found none{detail}: embed "
            f"{named([*missing, *others])} first"
        )
    if missing:
        notes.append(f"not embedded, left out: {named(missing)}")
    if others:
        notes.append(f"embedded in another way than as {kind}, left out: {named(others)}")
    return found, notes


def _looks_at_animals(wanted: str, by_recording: Mapping[str, Sequence[FoundTrack]], annotations: Annotations) -> bool:
    """Whether tracks of single animals are learned from, or those of whole frames."""
    if wanted in ("frames", "animals"):
        return wanted == "animals"
    if wanted != "auto":
        raise ProbeError(f"expected look_at to be auto, frames or animals, found {wanted!r}")
    has = [{bool(track.subject) for track in tracks} for tracks in by_recording.values() if tracks]
    if all(True in kinds for kinds in has) and any(annotations.subjects(name) for name in by_recording):
        return bool(has)
    return bool(has) and not any(False in kinds for kinds in has)


def _truths(annotations: Annotations, tracks: Sequence[Embeddings], names: Sequence[str]) -> list[Ethogram]:
    """Labels of every track, by the id that the session knows its recording by."""
    alone = [names.count(name) == 1 for name in names]
    return [
        labels_of_track(annotations, track, name, lone) for track, name, lone in zip(tracks, names, alone, strict=True)
    ]


def exclude_time(truths: Sequence[Ethogram], excluded: Sequence[Sequence[Any]]) -> None:
    """Make time unknown that nothing may be learned from (in place)."""
    for recording, start_s, stop_s in excluded:
        for truth in truths:
            if truth.recording == recording:
                first, stop = np.searchsorted(truth.time_s, (float(start_s), float(stop_s)))
                truth.states[max(0, first - 1) : stop] = -1


def _with_examples(truths: list[Ethogram]) -> tuple[list[Ethogram], list[str]]:
    """The labels of those behaviors that happen somewhere, and the names of the others."""
    behaviors = truths[0].behaviors
    happens = np.any([(truth.states == 1).any(axis=0) for truth in truths], axis=0)
    if not any(truth.known.any() for truth in truths):
        raise ProbeError(
            "expected scored time in embedded recordings, found none: mark the time that you looked at as scored, or "
            "embed the recordings that are labelled"
        )
    if not happens.any():
        raise ProbeError("expected bouts in scored time of embedded recordings, found none: label some first")
    _check_contrast(truths, happens)
    kept = replace(behaviors, entries=tuple(e for e, on in zip(behaviors.entries, happens, strict=True) if on))
    bare = [name for name, on in zip(behaviors.names, happens, strict=True) if not on]
    cut = [replace(truth, behaviors=kept, states=np.ascontiguousarray(truth.states[:, happens])) for truth in truths]
    return cut, bare


def _check_contrast(truths: Sequence[Ethogram], happens: np.ndarray) -> None:
    """Refuse labels in which the same thing happens all the time."""
    states = np.concatenate([truth.states for truth in truths])[:, happens]
    if not (states == 0).any():
        names = [name for name, on in zip(truths[0].behaviors.names, happens, strict=True) if on]
        raise ProbeError(
            f"expected scored time with and without {named(names)}, found only time in which it happens: also mark "
            "time as scored in which it does not happen, or label other behaviors"
        )


def _names(tracks: Sequence[Embeddings]) -> list[str]:
    return list(dict.fromkeys(track.bout_recording for track in tracks))
