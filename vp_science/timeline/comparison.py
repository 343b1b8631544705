"""Labels and predictions of the same frames, and which of them count.

A frame counts for a behavior where the label is known and the prediction says something. In an exclusive catalogue a
frame counts for all behaviors or for none: it is known as soon as one behavior happens, or when all are known to be
absent. What does not count is treated as if it were not there, except that it ends bouts on both of its sides: a bout
never reaches across it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from vp_science.errors import AnnotationError
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram, frame_edges, spans


@dataclass(frozen=True, eq=False)
class Comparison:
    """Labels and predictions of one recording (and subject), frame by frame.

    Attributes:
        behaviors: the catalogue.
        edges: borders of the frames in seconds.
        labelled: where the label is known.
        counted: where the label is known and there is a prediction.
        happens: the label is yes; never outside ``counted``.
        found: the prediction is yes; never outside ``counted``.
        scores: NaN where there is none, or where the label is unknown.
    """

    behaviors: Behaviors
    edges: Float64[np.ndarray, " edge"]
    labelled: Bool[np.ndarray, "frame behavior"]
    counted: Bool[np.ndarray, "frame behavior"]
    happens: Bool[np.ndarray, "frame behavior"]
    found: Bool[np.ndarray, "frame behavior"]
    scores: Float32[np.ndarray, "frame behavior"]

    @property
    def seconds(self) -> Float64[np.ndarray, " frame"]:
        """Duration of every frame."""
        return np.asarray(np.diff(self.edges))

    def bouts(self, column: int) -> tuple[Int64[np.ndarray, "true 2"], Int64[np.ndarray, "found 2"]]:
        """Half-open frame ranges of the labelled and of the predicted bouts of a behavior."""
        return spans(self.happens[:, column]), spans(self.found[:, column])


def compare(truth: Ethogram, prediction: Ethogram) -> Comparison:
    """Set labels beside predictions.

    Raises:
        AnnotationError: when frames or catalogues differ, or two behaviors of an exclusive catalogue happen at once.
    """
    if truth.behaviors.names != prediction.behaviors.names or len(truth) != len(prediction):
        raise AnnotationError(
            f"expected predictions of the labelled frames and behaviors of {truth.recording!r} "
            f"({len(truth)} frames; {', '.join(truth.behaviors.names)}), found {len(prediction)} frames; "
            f"{', '.join(prediction.behaviors.names)}: predict the same track"
        )
    if not np.allclose(truth.time_s, prediction.time_s, rtol=0, atol=1e-6):
        raise AnnotationError(
            f"expected predictions at the times of the labels of {truth.recording!r}, found other times: make both for "
            "the same frames (to_ethogram takes the times)"
        )
    labelled, said = truth.known, prediction.known
    if truth.behaviors.exclusive:
        columns = (len(truth), len(truth.behaviors))
        labelled = np.broadcast_to((truth.label_index() >= 0)[:, None], columns)
        said = np.broadcast_to((prediction_index(prediction) >= 0)[:, None], columns)
    counted = labelled & said
    scores = np.full(truth.states.shape, np.nan, np.float32)
    if prediction.scores is not None:
        scores = np.where(labelled, prediction.scores, scores).astype(np.float32)
    happens, found = (truth.states == 1) & counted, (prediction.states == 1) & counted
    return Comparison(truth.behaviors, frame_edges(truth.time_s), labelled, counted, happens, found, scores)


def prediction_index(prediction: Ethogram) -> Int64[np.ndarray, " frame"]:
    """``label_index``, also where only the labels say that the catalogue is exclusive."""
    exclusive = prediction.behaviors.replaced(exclusive=True)
    same = Ethogram(exclusive, prediction.time_s, prediction.states, None, prediction.recording)
    return same.label_index()


def compare_all(truths: Sequence[Ethogram], predictions: Sequence[Ethogram]) -> list[Comparison]:
    """Set labels beside predictions, recording by recording.

    Raises:
        AnnotationError: when their numbers differ, there are none, catalogues differ, or a pair does not fit.
    """
    if len(truths) != len(predictions) or not truths:
        raise AnnotationError(
            f"expected one prediction per labelled recording, found {len(predictions)} for {len(truths)}: "
            "predict them all"
        )
    for truth in truths[1:]:
        if _essence(truth) != _essence(truths[0]):
            raise AnnotationError(
                f"expected one catalogue of behaviors, found that of {truths[0].recording!r} "
                f"({', '.join(truths[0].behaviors.names)}) and another in {truth.recording!r} "
                f"({', '.join(truth.behaviors.names)}): merge them first"
            )
    return [compare(truth, prediction) for truth, prediction in zip(truths, predictions, strict=True)]


def _essence(ethogram: Ethogram) -> tuple[bool, list[tuple[str, str]]]:
    return ethogram.behaviors.exclusive, [(behavior.name, behavior.kind) for behavior in ethogram.behaviors]
