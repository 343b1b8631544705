"""How right predictions are in segments of ground truth: by frame and by bout, with confidence intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from vp_science.sessions.cluster_interval import Share, share_of_counts, share_of_sums
from vp_science.sessions.ground_truth import Segment
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.review_items import PredictedRecording
from vp_science.sessions.scored_time import labelled_time
from vp_science.timeline.ethogram import cover, frame_edges, point_frames, spans


@dataclass(frozen=True)
class BehaviorAccuracy:
    """How right the predictions of one behavior are.

    Attributes:
        behavior: its name.
        precision: share of the predicted frames that are right.
        recall: share of the labelled frames that are found.
        f1: of frames, from both.
        bouts_right: predicted bouts of which at least half is labelled, by number.
        bouts_found: labelled bouts of which at least half is predicted, by number.
        seconds: labelled seconds in the segments.
    """

    behavior: str
    precision: Share
    recall: Share
    f1: Share
    bouts_right: Share
    bouts_found: Share
    seconds: float


@dataclass(frozen=True)
class Accuracy:
    """How right the predictions are in the segments that were scored.

    Attributes:
        accuracy: share of the frames that are right; where behaviors may overlap, of all questions "does this behavior
            happen in this frame".
        behaviors: one by one.
        segments: how many were compared.
        seconds: how long they are.
        missing: recordings with scored segments whose predictions are not there.
        probes: ids of the probes whose predictions were compared.
    """

    accuracy: Share
    behaviors: tuple[BehaviorAccuracy, ...]
    segments: int
    seconds: float
    missing: tuple[str, ...]
    probes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Counts:
    """Of one segment: true and false positives, false negatives (frames) of every behavior, and bouts."""

    frames: Float64[np.ndarray, "behavior 3"]
    bouts: Float64[np.ndarray, "behavior 4"]
    right: float
    whole: float
    seconds: Float64[np.ndarray, " behavior"]


def measure_accuracy(
    book: LabelBook, predictions: Mapping[str, PredictedRecording], segments: Sequence[Segment], subject: str = ""
) -> Accuracy:
    """Compare predictions with labels in the segments that are scored.

    Behaviors are those of the predictions that are in the catalogue. Frames about which the probe says nothing do not
    count.

    Args:
        book: the labels.
        predictions: by recording id.
        segments: of the ground truth; those that are not scored yet are left out.
        subject: whose behavior where the prediction names nobody; "" for anybody's.
    """
    said = {name for one in predictions.values() for name in one.behaviors}
    names = [name for name in book.behaviors.names if name in said]
    scored = [one for one in segments if one.is_scored(book, names, subject)]
    there = [one for one in scored if one.recording in predictions]
    counts = [_count(book, predictions[one.recording], one, names, subject) for one in there]
    return Accuracy(
        share_of_sums(_column(one.right for one in counts), _column(one.whole for one in counts)),
        tuple(_behavior(name, column, counts) for column, name in enumerate(names)),
        len(there),
        float(sum(one.stop_s - one.start_s for one in there)),
        tuple(sorted({one.recording for one in scored} - set(predictions))),
        tuple(sorted({predictions[one.recording].probe_id for one in there})),
    )


def _column(values: object) -> Float64[np.ndarray, " segment"]:
    return np.array(list(values), np.float64)  # type: ignore[call-overload]


def _behavior(name: str, column: int, counts: Sequence[_Counts]) -> BehaviorAccuracy:
    frames = np.array([one.frames[column] for one in counts], np.float64).reshape(-1, 3)
    bouts = np.array([one.bouts[column] for one in counts], np.float64).reshape(-1, 4).sum(axis=0).astype(int).tolist()
    hit, false, missed = frames.T
    return BehaviorAccuracy(
        name,
        share_of_sums(hit, hit + false),
        share_of_sums(hit, hit + missed),
        share_of_sums(2 * hit, 2 * hit + false + missed),
        share_of_counts(bouts[0], bouts[1]),
        share_of_counts(bouts[2], bouts[3]),
        float(sum(one.seconds[column] for one in counts)),
    )


def _count(
    book: LabelBook, prediction: PredictedRecording, segment: Segment, names: Sequence[str], subject: str
) -> _Counts:
    edges = frame_edges(np.asarray(prediction.time_s, np.float64))
    middle = (edges[:-1] + edges[1:]) / 2
    first, stop = np.searchsorted(middle, [segment.start_s, segment.stop_s]).tolist()
    if stop <= first:
        zeros = np.zeros((len(names), 4))
        return _Counts(zeros[:, :3], zeros, 0.0, 0.0, zeros[:, 0])
    time_s, lasts = np.asarray(prediction.time_s[first:stop], np.float64), np.diff(edges)[first:stop]
    columns = [prediction.behaviors.index(name) if name in prediction.behaviors else -1 for name in names]
    unknown = np.full(stop - first, -1, np.int8)
    states = np.stack([unknown if c < 0 else prediction.states[first:stop, c] for c in columns], axis=1)
    truth = np.stack([_labelled(book, segment, name, time_s, prediction.subject or subject) for name in names], axis=1)
    known, found = states >= 0, states == 1
    pairs = ((truth & found & known), (~truth & found & known), (truth & ~found & known))
    agree = truth == found
    if book.behaviors.exclusive:
        counted = known.all(axis=1)
        right, whole = float((agree.all(axis=1) & counted).sum()), float(counted.sum())
    else:
        right, whole = float((agree & known).sum()), float(known.sum())
    bouts = np.array([_bouts(truth[:, c] & known[:, c], found[:, c]) for c in range(len(names))], np.float64)
    frames = np.stack([pair.sum(axis=0) for pair in pairs], axis=1).astype(np.float64)
    return _Counts(frames, bouts, right, whole, np.asarray((truth * lasts[:, None]).sum(axis=0), np.float64))


def _labelled(
    book: LabelBook, segment: Segment, name: str, time_s: Float64[np.ndarray, " frame"], subject: str
) -> Bool[np.ndarray, " frame"]:
    labels = labelled_time(book, segment.recording, name, subject)
    if book.behaviors[name].kind == "state":
        near = labels[(labels[:, 1] > segment.start_s) & (labels[:, 0] < segment.stop_s)]
        return cover(near[:, 0], near[:, 1], time_s, keep_short=True)
    on = np.zeros(len(time_s), bool)
    on[point_frames(labels[:, 0], time_s)] = True
    return on


def _bouts(truth: Bool[np.ndarray, " frame"], found: Bool[np.ndarray, " frame"]) -> tuple[int, int, int, int]:
    """Predicted bouts that are right, predicted bouts, labelled bouts that are found, labelled bouts."""
    right = [bool(2 * truth[first:stop].sum() >= stop - first) for first, stop in spans(found).tolist()]
    hit = [bool(2 * found[first:stop].sum() >= stop - first) for first, stop in spans(truth).tolist()]
    return sum(right), len(right), sum(hit), len(hit)
