"""Labelled windows as plain arrays, for any estimator of scikit-learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int8

from vp_science.probes.dataset import check_same_behaviors, cut_segments, match_annotations
from vp_science.probes.heads.windows import window_features
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import Ethogram


@dataclass(frozen=True, eq=False)
class WindowSamples:
    """Labelled windows.

    Attributes:
        X: ``(window, feature)`` mean, or mean and standard deviation, of the embeddings of a window.
        y: ``(window, behavior)`` 1, 0, -1 unknown.
        groups: ``(window,)`` recording of every window: give it to ``GroupKFold``, because windows overlap and a
            random split would test on what it was trained on.
        start_s: ``(window,)`` time of the first frame.
        behaviors: the columns of ``y``.
    """

    X: Float32[np.ndarray, "window feature"]
    y: Int8[np.ndarray, "window behavior"]
    groups: np.ndarray
    start_s: Float64[np.ndarray, " window"]
    behaviors: Behaviors


def window_samples(
    tracks: Sequence[EmbeddingTable], labels: Annotations | Sequence[Ethogram], features: str = "mean"
) -> WindowSamples:
    """The labelled windows of some tracks.

    Args:
        tracks: made with the same settings.
        labels: annotations, or one ethogram per track at its grid times.
        features: ``mean`` or ``mean+std``.

    Raises:
        ProbeError: when ``features`` is unknown or the catalogues differ.
        AnnotationError: when labels and tracks name no recording in common.
    """
    ethograms = match_annotations(labels, tracks) if isinstance(labels, Annotations) else list(labels)
    behaviors = check_same_behaviors(ethograms)
    x, y, groups, start_s = [], [], [], []
    for track, ethogram in zip(tracks, ethograms, strict=True):
        num_frames = track.provenance.num_frames
        for segment in cut_segments(track, ethogram.states, num_frames, exclusive=behaviors.exclusive):
            x.append(window_features(segment.cells, segment.windows, features))
            y.append(segment.window_states)
            groups += [track.bout_recording] * len(segment.windows)
            start_s.append(np.asarray(track.time_s)[segment.first + segment.windows[:, 0]])
    width = x[0].shape[1] if x else 0
    return WindowSamples(
        np.concatenate([np.zeros((0, width), np.float32), *x]),
        np.concatenate([np.zeros((0, len(behaviors)), np.int8), *y]),
        np.array(groups),
        np.concatenate([np.zeros(0), *start_s]),
        behaviors,
    )
