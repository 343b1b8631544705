"""Sentences and moments in one space: what the windows of a video-text track have to do with a text.

What to expect, with the released models: good at what a scene or an everyday action is called (zero-shot 69 to 72 % on
Kinetics-400), poor at fine differences of movement (11 to 18 % on Something-Something v2; both from the official
README). Of video-text models in general a study of capuchin behaviors found that they cannot rank them at all
(arXiv 2505.05681). So a text is a way to find first examples, never a label.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.registry import PRESETS
from vp_science.checkpoints.tokenizer import TextWarning, Tokenizer, default_tokenizer, load_tokenizer
from vp_science.embedding.identity import checkpoint_identity, checkpoint_seed
from vp_science.encoder.config import VideoTextConfig, read_config
from vp_science.encoder.video_text import VideoTextModel
from vp_science.errors import CheckpointError, SettingsError
from vp_science.points import open_points
from vp_science.store.tables import EmbeddingTable
from vp_science.typing import StrPath

if TYPE_CHECKING:
    import pandas as pd

_BATCH = 64


def text_scores(
    track: EmbeddingTable | Sequence[EmbeddingTable],
    texts: Sequence[str],
    *,
    model: VideoTextModel | None = None,
    weights: StrPath | None = None,
    tokenizer: Tokenizer | StrPath | None = None,
    offline: bool = False,
) -> "pd.DataFrame":
    """How well every window fits every text: the cosine of their vectors, from -1 to 1.

    The scores of one text can be ranked; scores of different texts are comparable only roughly, and no score is a
    probability. See the module for what text can and cannot find.

    Args:
        track: one or several, made with a video-text model (``vp.embed(..., model="videoprism-lvt-base")``).
        texts: sentences, for example ``["a mouse grooming", "a mouse rearing"]``.
        model: the model, if it is loaded already; None loads the one that the track was made with.
        weights: its weights, where they are in a file of your own.
        tokenizer: a SentencePiece file or a loaded one; None takes the one that belongs to the model.
        offline: never download.

    Returns:
        A row per window, in order: ``recording``, ``start_s``, ``stop_s`` (seconds), and a column per text.

    Raises:
        SettingsError: when the track has no vectors to compare with texts, or a text occurs twice.
        CheckpointError: when the model or tokenizer cannot be had, or is another one.
    """
    import pandas as pd

    tracks = [track] if isinstance(track, EmbeddingTable) else list(track)
    if len(set(texts)) < len(texts):
        raise SettingsError(f"texts: expected every text once, found {list(texts)}")
    points = open_points(tracks)
    check_contrastive(tracks[0])
    source = model if model is not None else tracks[0]
    vectors = embed_texts(texts, source, weights=weights, tokenizer=tokenizer, offline=offline)
    scores = np.concatenate([windows @ vectors.T for _, windows in points.chunks()])
    when = {
        "recording": np.array(points.recordings, object)[points.recording],
        "start_s": points.start_s,
        "stop_s": points.stop_s,
    }
    return pd.concat([pd.DataFrame(when), pd.DataFrame(scores, columns=list(texts))], axis=1)


def embed_texts(
    texts: Sequence[str],
    source: EmbeddingTable | VideoTextModel,
    *,
    weights: StrPath | None = None,
    tokenizer: Tokenizer | StrPath | None = None,
    offline: bool = False,
) -> Float32[np.ndarray, "text dim"]:
    """Unit vectors of sentences, comparable with the window vectors of tracks of the same model.

    Args:
        texts: sentences; longer ones than 64 pieces are cut with a warning.
        source: the model, or a track, whose model is loaded.
        weights: its weights, where they are in a file of your own.
        tokenizer: a SentencePiece file or a loaded one; None takes the one that belongs to the model.
        offline: never download.

    Raises:
        SettingsError: when there is no text, or the track has no vectors to compare with texts.
        CheckpointError: when the model or tokenizer cannot be had, or does not fit.
    """
    model = source if isinstance(source, VideoTextModel) else load_text_model(source, weights=weights, offline=offline)
    chosen = _tokenizer(tokenizer, model.config, offline)
    if chosen.size > model.config.vocabulary_size:
        raise CheckpointError(
            f"{chosen.path}: expected a tokenizer with at most the {model.config.vocabulary_size} pieces that "
            f"{model.info.name} knows, found {chosen.size}: give the tokenizer that belongs to the model"
        )
    if model.info.untrained:
        warnings.warn("the model is untrained: its scores of texts say nothing", TextWarning, stacklevel=2)
    ids, valid = chosen(texts)
    batches = [slice(first, first + _BATCH) for first in range(0, len(ids), _BATCH)]
    return np.concatenate([np.asarray(model.embed_text(ids[rows], valid[rows]), np.float32) for rows in batches])


def _tokenizer(given: Tokenizer | StrPath | None, config: VideoTextConfig, offline: bool) -> Tokenizer:
    if isinstance(given, Tokenizer):
        return given
    if given is None:
        return default_tokenizer(config.vocabulary_size, offline=offline)
    return load_tokenizer(given, offline=offline)


def load_text_model(track: EmbeddingTable, *, weights: StrPath | None = None, offline: bool = False) -> VideoTextModel:
    """The video-text model that a track was made with.

    Args:
        track: tells which.
        weights: its weights, where they are in a file of your own.
        offline: never download.

    Raises:
        SettingsError: when the track was made with another kind of model.
        CheckpointError: when its weights cannot be had, or are others.
    """
    check_contrastive(track)
    made = track.provenance
    name = made.model if made.model in PRESETS else read_config(made.encoder_config)
    seed = checkpoint_seed(made.checkpoint) if weights is None else None
    # Sentences are few: float32 costs nothing here, whatever the videos were embedded with.
    model = load_encoder(name, weights, "float32", seed=seed, offline=offline)
    assert isinstance(model, VideoTextModel)
    if checkpoint_identity(model) != made.checkpoint:
        raise CheckpointError(
            f"expected the weights that the track of {track.recording_id!r} was made with ({made.checkpoint}), found "
            f"{checkpoint_identity(model)}: give their file (weights=PATH, --weights PATH)"
        )
    return model


def check_contrastive(track: EmbeddingTable) -> None:
    """Refuse a track whose vectors cannot be compared with sentences.

    Raises:
        SettingsError: saying how to make one that can.
    """
    if not track.contrastive:
        lvt = ", ".join(name for name, spec in PRESETS.items() if isinstance(spec.config, VideoTextConfig))
        raise SettingsError(
            f"expected a track of a video-text model, found one of {track.provenance.model} (recording "
            f"{track.recording_id!r}): embed the recording with one of {lvt}, for example vp-science embed --model "
            "videoprism-lvt-base"
        )
