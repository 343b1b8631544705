"""A model under training, on recordings that were held out: as it will be used, window by window over the grid."""

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int8

from vp_science.embedding.settings import EmbedSettings, plan_stream
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.probes.objective import Objective
from vp_science.recordings import Recording
from vp_science.stream import StreamPlan, embed_segments
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.frame_metrics import average_precision, mean_known
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.timeline.postprocess import PostProcess
from vp_science.timeline.tuning import choose_thresholds, search_postprocess
from vp_science.train.data.settings import DataSettings
from vp_science.train.data.sources import open_item_of
from vp_science.train.finetune.labelled import Labelled, labelled_stretches
from vp_science.train.finetune.settings import FinetuneSettings
from vp_science.video.preprocess import Preprocess


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of what was held out.

    Attributes:
        scores: of every recording (or animal): probabilities at the grid times, NaN where nothing is labelled.
        states: labels at the same times.
        time_s: these times.
    """

    scores: list[Float32[np.ndarray, "_ behavior"]]
    states: list[Int8[np.ndarray, "_ behavior"]]
    time_s: list[np.ndarray]


def embed_settings(settings: FinetuneSettings) -> EmbedSettings:
    """How recordings are cut into windows for the model of these settings."""
    clips = settings.clips
    preprocess = Preprocess(clips.size, clips.size, clips.fit)
    return EmbedSettings(clips.fps, clips.num_frames, settings.stride, 1, "float32", preprocess)


def score_recordings(
    model: FineTunedModel,
    objective: Objective,
    held: Sequence[Labelled],
    data: Sequence[DataSettings],
    settings: EmbedSettings,
) -> Scored:
    """Probabilities of the behaviors in the labelled time of recordings, and a window around it.

    Raises:
        RecordingError: when a recording can no longer be read.
    """
    scores = []
    for one in held:
        found = np.full(one.states.shape, np.nan, np.float32)
        with open_item_of(one.item, data[one.source]) as recording:
            for first, stop in labelled_stretches(one.states, settings.num_frames):
                logits = _logits(model, recording, one.grid, int(first), int(stop), settings)
                found[first:stop] = objective.probabilities(logits)
        found[(one.states < 0).all(axis=1)] = np.nan
        scores.append(found)
    return Scored(scores, [one.states for one in held], [one.grid.time_s for one in held])


def _logits(
    model: FineTunedModel, recording: Recording, grid: SampleGrid, first: int, stop: int, settings: EmbedSettings
) -> Float32[np.ndarray, "frame class"]:
    part = SampleGrid(grid.time_s[first:stop], grid.frame_index[first:stop], grid.sample_fps)
    windows = plan_windows(len(part), settings.num_frames, settings.stride)
    execution = plan_stream(recording, model, settings).execution
    plan = StreamPlan(part, windows, settings.preprocess, settings.spatial_pool, execution)
    with closing(embed_segments(recording, model, plan)) as segments:
        return np.concatenate([rows.track[:, 0] for rows in segments]).astype(np.float32)


def describe_scores(scored: Scored, behaviors: Behaviors) -> dict[str, float]:
    """The macro mAP as ``score``, and the average precision of every behavior that happens; nothing where none does."""
    states, scores = np.concatenate(scored.states), np.concatenate(scored.scores)
    figures = {}
    for column, name in enumerate(behaviors.names):
        counted = (states[:, column] >= 0) & np.isfinite(scores[:, column])
        figures[f"ap/{name}"] = average_precision(states[counted, column] == 1, scores[counted, column])
    known = {name: float(value) for name, value in figures.items() if math.isfinite(value)}
    return {"score": float(mean_known(list(known.values()))), **known} if known else {}


def choose_rules(
    scored: Scored, objective: Objective, behaviors: Behaviors, *, tune: bool
) -> tuple[Float32[np.ndarray, " behavior"], PostProcess]:
    """Thresholds, and rules from scores to states, as probes choose them."""
    if behaviors.exclusive and not objective.background:
        # Something always happens: the likeliest behavior counts, however unsure.
        thresholds = np.zeros(len(behaviors), np.float32)
    elif not scored.scores:
        thresholds = np.full(len(behaviors), 0.5, np.float32)
    else:
        thresholds = choose_thresholds(scored.scores, scored.states, behaviors)
    if not tune or not scored.scores:
        return thresholds, PostProcess()
    return thresholds, search_postprocess(scored.scores, scored.states, scored.time_s, behaviors, thresholds)
