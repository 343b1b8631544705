"""A probe: a readout on frozen embeddings that turns tracks into ethograms."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8
from sklearn.base import BaseEstimator, clone

from vp_science.errors import ProbeError
from vp_science.probes.dataset import (
    check_same_behaviors,
    cut_segments,
    hide_absent,
    match_annotations,
)
from vp_science.probes.heads.base import Head, HeadSettings, TrainingData
from vp_science.probes.heads.fine_tuned import NOT_ON_TRACKS
from vp_science.probes.holdout import Holdout, Masks, plan_holdout
from vp_science.probes.objective import Objective
from vp_science.probes.registry import find_head, head_settings
from vp_science.probes.tracks import check_settings, track_settings
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram, runs
from vp_science.timeline.frame_metrics import macro_average_precision
from vp_science.timeline.postprocess import PostProcess, apply_postprocess
from vp_science.timeline.tuning import choose_thresholds, search_postprocess

Labels = Annotations | Sequence[Ethogram]
_TUNING_FOLDS = 5


class Probe(BaseEstimator):  # type: ignore[misc]
    """Fit on tracks and labels, predict behavior over time; follows the scikit-learn contract.

    Inputs are sequences of tracks (``open_embeddings``), labels are ``Annotations``, or one ``Ethogram`` per track at
    its grid times (which is what ``GridSearchCV`` and other tools that cut sequences need).

    Parameters:
        head: ``logistic``, ``knn``, ``prototype``, ``attentive`` or ``temporal``; ``fine-tuned`` comes from
            ``vp-science train finetune`` and is not fitted here.
        exclusive: at most one behavior at a time (softmax), or any number (sigmoids); None believes the catalogue.
        loss: ``cross-entropy``, ``focal`` or ``eql`` (the last two: ``attentive`` and ``temporal``).
        weighting: ``sqrt`` weighs classes by the square root of their inverse frequency, ``none`` does not.
        label_smoothing: share of a label given to the other classes (``attentive`` and ``temporal``).
        validation: recordings that only stop the training and choose thresholds; None chooses.
        postprocess: rules from scores to states; ``"tune"`` chooses them by cross-validation over recordings; None
            applies thresholds alone.
        random_state: seed of everything random.
        name: first part of the id.

    The other parameters are those of the heads (``heads.base.HeadSettings``); None takes the default of the head, and
    one that the chosen head does not use is refused.

    Attributes:
        behaviors_: the catalogue, in the order of the score columns.
        thresholds_: ``(behavior,)`` above which a behavior counts as happening.
        postprocess_: rules from scores to states.
        track_settings_: how tracks must have been made.
        training_: what it was fitted on, for the model card.
        evaluation_: figures of an evaluation, when one was attached; None otherwise.
    """

    def __init__(
        self,
        head: str = "logistic",
        *,
        exclusive: bool | None = None,
        loss: str = "cross-entropy",
        weighting: str = "sqrt",
        label_smoothing: float = 0.0,
        validation: Sequence[str] | None = None,
        postprocess: PostProcess | str | None = None,
        features: str | None = None,
        regularization: float | None = None,
        num_neighbors: int | None = None,
        width: int | None = None,
        dropout: float | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        patience: int | None = None,
        random_state: int = 0,
        name: str = "probe",
    ) -> None:
        self.head = head
        self.exclusive = exclusive
        self.loss = loss
        self.weighting = weighting
        self.label_smoothing = label_smoothing
        self.validation = validation
        self.postprocess = postprocess
        self.features = features
        self.regularization = regularization
        self.num_neighbors = num_neighbors
        self.width = width
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.random_state = random_state
        self.name = name

    def fit(self, X: Sequence[EmbeddingTable], y: Labels) -> "Probe":
        """Fit the head, choose thresholds and, if asked, the rules from scores to states.

        Args:
            X: tracks, all made with the same settings.
            y: labels; recordings without labels are left out.

        Raises:
            ProbeError: when settings, tracks and labels do not fit each other; the message says what to do.
            AnnotationError: when labels and tracks name no recording in common.
        """
        settings = self._check_parameters()
        if not find_head(self.head).reads_tracks:
            raise ProbeError(NOT_ON_TRACKS)
        tracks, ethograms = self._labelled(list(X), y)
        self.behaviors_ = check_same_behaviors(ethograms)
        self.track_settings_ = track_settings(tracks[0].provenance)
        check_settings(self.track_settings_, tracks[1:], f"the track of {tracks[0].recording_id!r}")
        states = [ethogram.states for ethogram in ethograms]
        holdout = plan_holdout(tracks, states, self.validation)
        self.head_, self.objective_, scores = self._fit_head(tracks, states, holdout, settings)
        held_states = [np.where(np.isnan(p), -1, s).astype(np.int8) for p, s in zip(scores, states, strict=True)]
        self.postprocess_ = self.postprocess if isinstance(self.postprocess, PostProcess) else PostProcess()
        if self.postprocess == "tune":
            scores, held_states = self._out_of_fold(tracks, ethograms, scores, held_states)
        self.thresholds_ = self._thresholds(scores, held_states)
        if self.postprocess == "tune":
            times = [np.asarray(track.time_s) for track in tracks]
            self.postprocess_ = search_postprocess(scores, held_states, times, self.behaviors_, self.thresholds_)
        self.training_ = self._describe(tracks, ethograms, holdout)
        self.evaluation_: dict[str, Any] | None = None
        return self

    def _check_parameters(self) -> HeadSettings:
        if (
            self.postprocess is not None
            and not isinstance(self.postprocess, PostProcess)
            and self.postprocess != "tune"
        ):
            raise ProbeError(f'expected postprocess to be a PostProcess, "tune" or None, found {self.postprocess!r}')
        given = {field.name: getattr(self, field.name) for field in fields(HeadSettings)}
        return head_settings(
            self.head,
            {name: value for name, value in given.items() if value is not None},
            loss=self.loss,
            label_smoothing=self.label_smoothing,
        )

    def _labelled(self, tracks: list[EmbeddingTable], y: Labels) -> tuple[list[EmbeddingTable], list[Ethogram]]:
        """Tracks that have labels, with them."""
        if not tracks:
            raise ProbeError("expected at least one track, found none: embed the labelled recordings first")
        ethograms = _labels(tracks, y)
        if self.exclusive is not None:
            ethograms = [
                Ethogram(e.behaviors.replaced(exclusive=self.exclusive), e.time_s, e.states, e.scores, e.recording)
                for e in ethograms
            ]
        pairs = [(t, e) for t, e in zip(tracks, ethograms, strict=True) if (e.states >= 0).any()]
        if not pairs:
            raise ProbeError(
                "expected labelled time in at least one recording, found none: unknown is never absent, so labels need "
                "observed intervals (vp-science labels summary shows them; labels convert --all-scored takes whole "
                "recordings as scored)"
            )
        for _, ethogram in pairs:
            if ethogram.behaviors.exclusive:
                ethogram.label_index()  # refuses two behaviors at once
        return [track for track, _ in pairs], [ethogram for _, ethogram in pairs]

    def _fit_head(
        self,
        tracks: Sequence[EmbeddingTable],
        states: Sequence[Int8[np.ndarray, "_ behavior"]],
        holdout: Holdout,
        settings: HeadSettings,
    ) -> tuple[Head, Objective, list[Float32[np.ndarray, "_ behavior"]]]:
        """The head, its objective, and scores of the validation labels from fits that did not see them (else NaN)."""
        head_type = find_head(self.head)
        num_frames, exclusive = tracks[0].provenance.num_frames, self.behaviors_.exclusive
        context = head_type.context(num_frames, settings)

        def fit(train: Masks, validation: Masks) -> tuple[Head, Objective]:
            segments = [
                [
                    segment
                    for track, s, mask in zip(tracks, states, masks, strict=True)
                    for segment in cut_segments(
                        track, np.where(mask[:, None], s, -1).astype(np.int8), context, exclusive=exclusive
                    )
                ]
                for masks in (train, validation)
            ]
            objective = self._objective([segment.states for segment in segments[0]])
            data = TrainingData(segments[0], segments[1], num_frames, int(self.random_state))
            return head_type.fit(data, objective, settings), objective

        scores = [np.full(s.shape, np.nan, np.float32) for s in states]
        fitted: tuple[Head, Objective] | None = None
        for train, validation in holdout.folds if head_type.refits else holdout.folds[:1]:
            try:
                fitted = fit(train, validation)
            except ProbeError:
                if not head_type.refits:
                    raise
                continue  # one behavior is left without this part; the fit on everything tells if there is no other
            for index, (track, mask) in enumerate(zip(tracks, validation, strict=True)):
                if mask.any():
                    scores[index][mask] = fitted[0].scores(track, fitted[1])[mask]
        if fitted is None or (head_type.refits and any(mask.any() for _, held in holdout.folds for mask in held)):
            everything = [np.ones(len(s), dtype=bool) for s in states]
            fitted = fit(everything, [~mask for mask in everything])
        return *fitted, scores

    def _objective(self, states: Sequence[Int8[np.ndarray, "_ behavior"]]) -> Objective:
        return Objective.of(
            self.behaviors_, states, loss=self.loss, weighting=self.weighting, smoothing=self.label_smoothing
        )

    def _thresholds(
        self,
        scores: Sequence[Float32[np.ndarray, "_ behavior"]],
        states: Sequence[Int8[np.ndarray, "_ behavior"]],
    ) -> Float32[np.ndarray, " behavior"]:
        if self.behaviors_.exclusive and not self.objective_.background:
            # Something always happens: the likeliest behavior counts, however unsure.
            return np.zeros(len(self.behaviors_), np.float32)
        used = [(a, b) for a, b in zip(scores, states, strict=True) if (b >= 0).any()]
        if not used:
            return np.full(len(self.behaviors_), 0.5, np.float32)
        return choose_thresholds([a for a, _ in used], [b for _, b in used], self.behaviors_)

    def _out_of_fold(
        self,
        tracks: Sequence[EmbeddingTable],
        ethograms: Sequence[Ethogram],
        scores: list[Float32[np.ndarray, "_ behavior"]],
        states: list[Int8[np.ndarray, "_ behavior"]],
    ) -> tuple[list[Float32[np.ndarray, "_ behavior"]], list[Int8[np.ndarray, "_ behavior"]]]:
        """Scores of every labelled recording from fits without it; what was held out anyway where there is only one."""
        names = sorted({track.bout_recording for track in tracks})
        if len(names) < 2:
            return scores, states
        fold_of = {name: index % _TUNING_FOLDS for index, name in enumerate(names)}
        scores, states = [np.full(e.states.shape, np.nan, np.float32) for e in ethograms], [e.states for e in ethograms]
        for fold in sorted(set(fold_of.values())):
            inside = [fold_of[track.bout_recording] != fold for track in tracks]
            probe = clone(self).set_params(postprocess=None, validation=None)
            pairs = [(t, e) for t, e, use in zip(tracks, ethograms, inside, strict=True) if use]
            probe.fit([t for t, _ in pairs], [e for _, e in pairs])
            for index in [index for index, use in enumerate(inside) if not use]:
                scores[index] = probe.head_.scores(tracks[index], probe.objective_)
        return scores, list(states)

    def predict_proba(self, X: Sequence[EmbeddingTable] | EmbeddingTable) -> Any:
        """Scores of every behavior at every grid frame.

        Args:
            X: tracks, or one.

        Returns:
            One ``(grid, behavior)`` float32 array per track (or the one); NaN where the followed animal was not seen.

        Raises:
            ProbeError: when a track was made with other settings than those the probe was trained on.
        """
        if isinstance(X, EmbeddingTable):
            return self._scores(X)
        return [self._scores(track) for track in X]

    def predict(self, X: Sequence[EmbeddingTable] | EmbeddingTable) -> Any:
        """Ethograms at the grid times, with scores, and states after thresholds and post-processing.

        Args:
            X: tracks, or one.

        Returns:
            One ``Ethogram`` per track (or the one); unknown where the followed animal was not seen. Its bouts say
            ``model:<probe id>``.
        """
        if isinstance(X, EmbeddingTable):
            return self._ethogram(X, self.id)
        return [self._ethogram(track, self.id) for track in X]

    def score(self, X: Sequence[EmbeddingTable], y: Labels) -> float:
        """Macro mAP: the mean over the behaviors of the average precision at all labelled frames."""
        tracks, ethograms = self._labelled(list(X), y)
        return float(macro_average_precision([e.states for e in ethograms], [self._scores(t) for t in tracks]))

    def _scores(self, track: EmbeddingTable) -> Float32[np.ndarray, "grid behavior"]:
        self.check_tracks([track])
        scores = self.head_.scores(track, self.objective_)
        scores[~track.present] = np.nan
        return scores

    def _ethogram(self, track: EmbeddingTable, probe_id: str) -> Ethogram:
        scores = self._scores(track)
        time_s = np.asarray(track.time_s, np.float64)
        states = self.states(scores, time_s)
        names = (track.bout_recording, track.subject, track.target)
        return Ethogram(self.behaviors_, time_s, states, scores, *names, source=f"model:{probe_id}")

    def states(
        self, scores: Float32[np.ndarray, "frame behavior"], time_s: np.ndarray
    ) -> Int8[np.ndarray, "frame behavior"]:
        """States from scores at any frames: thresholds and rules of this probe; NaN scores are unknown."""
        self._check_fitted()
        known = ~np.isnan(scores)
        return apply_postprocess(
            np.nan_to_num(scores), time_s, self.behaviors_, self.thresholds_, self.postprocess_, known
        )

    @property
    def reads_embeddings(self) -> bool:
        """Whether its tracks are embeddings of an encoder; a fine-tuned probe makes tracks with a model of its own."""
        return find_head(self.head).reads_tracks

    def check_tracks(self, X: Sequence[EmbeddingTable]) -> None:
        """Refuse tracks that this probe cannot read.

        Raises:
            ProbeError: naming every setting that differs.
        """
        self._check_fitted()
        check_settings(self.track_settings_, list(X), "this probe")

    def _check_fitted(self) -> None:
        if not hasattr(self, "head_"):
            raise ProbeError("expected a fitted probe, found one that was never fitted: call fit(tracks, annotations)")

    @property
    def id(self) -> str:
        """Name and the first 8 digits of the hash over everything that determines its predictions."""
        self._check_fitted()
        digest = hashlib.sha256()
        for name, array in sorted(self.head_.hashed().items()):
            digest.update(name.encode() + str(array.dtype).encode() + str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        facts = {
            "head": self.head,
            "behaviors": self.behaviors_.to_json(),
            "thresholds": [float(value) for value in self.thresholds_],
            "postprocess": self.postprocess_.to_json(),
            "tracks": self.track_settings_,
        }
        if own := self.head_.facts():
            facts["model"] = own
        digest.update(json.dumps(facts, sort_keys=True).encode())
        return f"{self.name}-{digest.hexdigest()[:8]}"

    def _describe(
        self, tracks: Sequence[EmbeddingTable], ethograms: Sequence[Ethogram], holdout: Holdout
    ) -> dict[str, Any]:
        """Facts for the model card: what it was fitted on, and how."""
        recordings = [_labelled_facts(t, e) for t, e in zip(tracks, ethograms, strict=True)]
        examples = np.sum([(e.states == 1).sum(axis=0) for e in ethograms], axis=0)
        return {
            "recordings": recordings,
            "behaviors_without_examples": [
                name for name, count in zip(self.behaviors_.names, examples, strict=True) if not count
            ],
            "validation": holdout.how,
            "untrained_encoder": bool(tracks[0].provenance.untrained),
            "log": {name: float(value) for name, value in self.head_.log.items()},
            "settings": asdict(self._check_parameters()),
            "software": {name: version(name) for name in ("vp-science", "numpy", "scikit-learn", "jax", "optax")},
        }


def _labels(tracks: Sequence[EmbeddingTable], y: Labels) -> list[Ethogram]:
    if isinstance(y, Annotations):
        return match_annotations(y, tracks)
    ethograms = list(y)
    if len(ethograms) != len(tracks):
        raise ProbeError(f"expected one ethogram per track, found {len(ethograms)} for {len(tracks)} tracks")
    for track, ethogram in zip(tracks, ethograms, strict=True):
        if not np.array_equal(ethogram.time_s, np.asarray(track.time_s)):
            raise ProbeError(
                f"expected the ethogram of {track.recording_id!r} at the {len(track)} grid times of its track, found "
                f"{len(ethogram)} other times: make it with to_ethogram(annotations, recording, track.time_s)"
            )
    return [hide_absent(ethogram, track) for track, ethogram in zip(tracks, ethograms, strict=True)]


def _labelled_facts(track: EmbeddingTable, ethogram: Ethogram) -> dict[str, Any]:
    step = np.diff(ethogram.time_s, append=ethogram.time_s[-1])
    known = (ethogram.states >= 0).any(axis=1)
    happens = {name: ethogram.states[:, column] == 1 for column, name in enumerate(ethogram.behaviors.names)}
    return {
        "recording": track.bout_recording,
        "subject": track.subject,
        "labelled_s": round(float(step[known].sum()), 3),
        "bouts": {name: len(runs(on)) for name, on in happens.items()},
        "behavior_s": {name: round(float(step[on].sum()), 3) for name, on in happens.items()},
    }


def restore(
    parameters: Mapping[str, Any],
    behaviors: Behaviors,
    objective: Objective,
    thresholds: Float32[np.ndarray, " behavior"],
    postprocess: PostProcess,
    facts: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
) -> Probe:
    """A fitted probe from its parts (``bundle.load_probe`` reads them)."""
    probe = Probe(**parameters)
    settings = probe._check_parameters()
    probe.behaviors_, probe.objective_ = behaviors, objective
    probe.thresholds_, probe.postprocess_ = thresholds, postprocess
    probe.track_settings_, probe.training_ = dict(facts["tracks"]), dict(facts["training"])
    probe.evaluation_ = facts["evaluation"]
    probe.head_ = find_head(probe.head).restore(arrays, settings, facts.get("model") or {})
    probe.head_.check(objective, probe.track_settings_)
    return probe
