"""How good a probe is as it is: a fitted bundle on labelled recordings that it never saw, nothing is fitted again."""

from collections.abc import Sequence
from typing import Any

from vp_science.errors import ProbeError
from vp_science.probes.dataset import match_annotations
from vp_science.probes.parameters import describe_parameters
from vp_science.probes.probe import Labels, Probe
from vp_science.probes.report import EvaluationReport, FoldFacts, MethodResult, Tested, count_bouts, labelled_seconds
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import Ethogram
from vp_science.timeline.metrics import evaluate_frames
from vp_science.timeline.names import listed, match_names

HELD_OUT = "recordings that it never saw"


def evaluate_fitted_probe(
    probe: Probe, tracks: Sequence[EmbeddingTable], annotations: Labels, *, allow_seen: bool = False
) -> EvaluationReport:
    """Predict labelled recordings with a probe as it is, and compare with the labels.

    The only evaluation of a fine-tuned probe, which cannot be fitted again in every fold of a cross-validation
    (``evaluate_probe``); and the last test of any probe. Every recording is a fold of the report.

    Args:
        probe: fitted.
        tracks: of this probe, with and without labels; those without are named in the report.
        annotations: labels of any recordings, or one ethogram per track at its grid times.
        allow_seen: also test on recordings that the probe learned from; the report says so. They are left out else.

    Raises:
        ProbeError: when no recording is left to test on, the labels lack the behaviors of the probe, or a track was
            made in another way.
        AnnotationError: when labels and tracks name no recording in common.
    """
    probe.check_tracks(tracks)
    truths = match_annotations(annotations, tracks) if isinstance(annotations, Annotations) else list(annotations)
    truths = [_as_the_probe_has_them(truth, probe) for truth in truths]
    learned = _learned_from(probe)
    notes: list[str] = []
    pairs = [(track, truth) for track, truth in zip(tracks, truths, strict=True) if truth.known.any()]
    if bare := [t.recording_id for t, truth in zip(tracks, truths, strict=True) if not truth.known.any()]:
        notes.append(f"tracks without labelled time, left out: {listed(bare)}")
    if isinstance(annotations, Annotations):
        matched = set(match_names(annotations.recordings, [track.bout_recording for track in tracks]))
        if unused := [name for name in annotations.recordings if name not in matched]:
            notes.append(f"labelled recordings without a track, left out: {listed(unused)}")
    seen = [track.bout_recording for track, _ in pairs if track.bout_recording in learned]
    if seen and not allow_seen:
        notes.append(f"the probe learned from these recordings, left out: {listed(list(dict.fromkeys(seen)))}")
        pairs = [(track, truth) for track, truth in pairs if track.bout_recording not in learned]
    if not pairs:
        raise ProbeError(
            f"expected labelled recordings that {probe.id} never saw, found none ({'; '.join(notes) or 'no labels'}): "
            "label others, or allow those that it learned from (--allow-leakage, allow_seen=True)"
        )
    return _report(probe, pairs, learned, notes)


def _as_the_probe_has_them(truth: Ethogram, probe: Probe) -> Ethogram:
    """Labels of the behaviors of the probe, in its order."""
    wanted = probe.behaviors_
    if missing := [name for name in wanted.names if name not in truth.behaviors.names]:
        raise ProbeError(
            f"expected labels of the behaviors of {probe.id} ({listed(list(wanted.names))}), found none of "
            f"{listed(missing)}: the catalogue of the labels must name them"
        )
    columns = [truth.behaviors.names.index(name) for name in wanted.names]
    return Ethogram(wanted, truth.time_s, truth.states[:, columns], None, truth.recording, truth.subject, truth.target)


def _learned_from(probe: Probe) -> dict[str, dict[str, Any]]:
    return {str(entry["recording"]): entry for entry in probe.training_["recordings"]}


def _report(
    probe: Probe,
    pairs: Sequence[tuple[EmbeddingTable, Ethogram]],
    learned: dict[str, dict[str, Any]],
    notes: list[str],
) -> EvaluationReport:
    names = list(dict.fromkeys(track.bout_recording for track, _ in pairs))
    tested = [Tested(names.index(track.bout_recording), truth, probe.predict(track)) for track, truth in pairs]
    facts = [_facts(probe, name, [(t, e) for t, e in pairs if t.bout_recording == name], learned) for name in names]
    parts = [[one for one in tested if one.fold == number] for number in range(len(names))]
    folds = [evaluate_frames([t.truth for t in part], [t.prediction for t in part]) for part in parts]
    pooled = evaluate_frames([t.truth for t in tested], [t.prediction for t in tested])
    settings = {
        "probe": describe_parameters(probe),
        "fitted": probe.id,
        "folds": HELD_OUT,
        "groups": [],
        "tracks": probe.track_settings_,
        "untrained_encoder": bool(probe.training_["untrained_encoder"]),
    }
    never = [name for name in probe.behaviors_.names if not any(fold.test_bouts[name] for fold in facts)]
    notes += [f"{name!r} never happens in the labels: nothing can be said about it" for name in never]
    if leaks := [fold.name for fold in facts if fold.leakage]:
        notes.insert(
            0,
            f"NOT INDEPENDENT: the probe learned from {listed(leaks)}. These scores promise nothing about other "
            "recordings",
        )
    if settings["untrained_encoder"]:
        notes.append("the encoder of this probe is untrained: its weights are random numbers")
    method = MethodResult("probe", "probe", "", tuple(folds), pooled, tuple(tested))
    return EvaluationReport(probe.behaviors_, settings, tuple(facts), (method,), tuple(notes))


def _facts(
    probe: Probe,
    name: str,
    pairs: Sequence[tuple[EmbeddingTable, Ethogram]],
    learned: dict[str, dict[str, Any]],
) -> FoldFacts:
    truths = [truth for _, truth in pairs]
    taught = {
        behavior: sum(int(entry["bouts"].get(behavior, 0)) for entry in learned.values())
        for behavior in probe.behaviors_.names
    }
    return FoldFacts(
        name=name,
        train_groups=tuple(learned),
        test_groups=(name,),
        train_recordings=tuple(learned),
        test_recordings=tuple(dict.fromkeys(track.recording_id for track, _ in pairs)),
        train_s=float(sum(entry["labelled_s"] for entry in learned.values())),
        test_s=labelled_seconds(truths),
        train_bouts=taught,
        test_bouts=count_bouts(truths),
        thresholds=tuple(float(value) for value in probe.thresholds_),
        postprocess=probe.postprocess_.to_json(),
        validation=str(probe.training_["validation"]),
        leakage=f"the probe learned from {name}" if name in learned else "",
    )
