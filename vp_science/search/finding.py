"""Finding where else something happens."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from vp_science.errors import SettingsError
from vp_science.points import PointSettings
from vp_science.search.build import build_index
from vp_science.search.events import EventRules, find_events
from vp_science.search.index import Common, SearchIndex, check_common
from vp_science.search.query import ExampleLike, Query, read_examples
from vp_science.search.results import Results, SearchOptions
from vp_science.search.scoring import make_scorer
from vp_science.store.tables import EmbeddingTable
from vp_science.typing import StrPath

if TYPE_CHECKING:
    from vp_science.checkpoints.tokenizer import Tokenizer
    from vp_science.encoder.video_text import VideoTextModel


def find(
    tracks: Sequence[EmbeddingTable] | SearchIndex,
    like: ExampleLike | Sequence[ExampleLike] | None = None,
    *,
    unlike: ExampleLike | Sequence[ExampleLike] | None = None,
    text: str | Sequence[str] | None = None,
    vector: Any = None,
    limit: int = 20,
    per_recording: int | None = None,
    recordings: Sequence[str] | None = None,
    min_score: int | float | None = None,
    merge_gap_s: int | float | None = None,
    include_examples: bool = False,
    common: Common | None = None,
    points: PointSettings | None = None,
    model: "VideoTextModel | None" = None,
    weights: StrPath | None = None,
    tokenizer: "Tokenizer | StrPath | None" = None,
    offline: bool = False,
) -> Results:
    """Search recordings for what looks like some examples, a description, or a vector.

    Nothing is labelled by this: results are suggestions for people to look at.

    Args:
        tracks: open tracks, made with the same settings; or an index of them, which makes further searches fast.
        like: moments that show it, as ``"recording@start-stop"`` (seconds or h:mm:ss) or ``Example``.
        unlike: moments that do not, although one might think so.
        text: descriptions, for tracks of video-text models. See docs/search.md on what that can do.
        vector: ``(dim,)`` or ``(n, dim)`` numbers, directions in the space of the tracks.
        limit: number of results.
        per_recording: at most this many of one recording.
        recordings: lists results in these only; the examples may lie in others. None for all.
        min_score: leaves out what scores less.
        merge_gap_s: what is no further apart than this in time is one event; None takes the length of one moment.
        include_examples: lists the examples too, marked in the column ``example``, instead of leaving them out.
        common: what is subtracted from every moment before it is compared: the mean of ``"all"`` moments, that of its
            ``"recording"`` (so that arena and light count less), or ``"none"``. None takes ``"none"`` for texts and
            ``"all"`` otherwise.
        points: what a moment is; None takes every window. An index has it already.
        model: of the texts, if it is loaded already; None loads the one that the tracks were made with.
        weights: of the text model, where they are in a file of your own.
        tokenizer: of texts: a SentencePiece file or a loaded one; None takes that of the released models.
        offline: never download.

    Raises:
        SettingsError: when there is nothing to look for, an example lies in no track, or options contradict each other.
        ProbeError: when the tracks were made with different settings.
        StoreError: when a track or an index is damaged.
        CheckpointError: when the text model or its tokenizer cannot be had.
    """
    if isinstance(tracks, SearchIndex):
        index = tracks
        if points is not None and points != index.settings:
            raise SettingsError(f"expected the points of the index, {index.settings}, found {points}: leave points out")
    else:
        index = build_index(tracks, points=points)
    texts = (text,) if isinstance(text, str) else tuple(text or ())
    chosen = _common(common, texts)
    if texts and vector is not None:
        raise SettingsError("expected a text or a vector, found both: search twice")
    query = Query(
        like=read_examples(like),
        unlike=read_examples(unlike),
        texts=texts,
        vectors=_text_vectors(index, texts, model, weights, tokenizer, offline) if texts else _vectors(index, vector),
    )
    options = SearchOptions(
        limit=limit,
        per_recording=per_recording,
        min_score=min_score,
        merge_gap_s=index.median_length_s if merge_gap_s is None else merge_gap_s,
        include_examples=include_examples,
        common=chosen,
        recordings=None if recordings is None else tuple(recordings),
    )
    return search(index, query, options)


def search(index: SearchIndex, query: Query, options: SearchOptions) -> Results:
    """Search an index; ``find`` prepares what this takes.

    Raises:
        SettingsError: when an example lies in no track.
        StoreError: when the index is damaged.
    """
    started = time.perf_counter()
    scorer = make_scorer(index, query, options.common)
    scores = scorer.score(index)
    known = () if options.include_examples else (*query.like, *query.unlike)
    only_in = options.only_in(index)
    rules = EventRules(options.limit, options.per_recording, options.min_score, options.merge_gap_s, only_in)
    events = find_events(index, scores, known, rules)
    return Results(index, query, options, scorer, scores, tuple(events), time.perf_counter() - started)


def _common(asked: Common | None, texts: Sequence[str]) -> Common:
    common = check_common(asked or ("none" if texts else "all"))
    if texts and common != "none":
        raise SettingsError(
            f'expected common="none" with a text, found "{common}": texts are compared with whole vectors; leave it '
            "out, or search by example"
        )
    return common


def _vectors(index: SearchIndex, vector: Any) -> np.ndarray:
    """The given vectors as rows.

    Raises:
        SettingsError: when they have another width than the tracks, are no numbers, or have no direction.
    """
    if vector is None:
        return np.zeros((0, index.dim), np.float32)
    given = np.asarray(vector)
    if not np.issubdtype(given.dtype, np.number) or given.ndim not in (1, 2) or given.shape[-1] != index.dim:
        raise SettingsError(
            f"expected a vector of {index.dim} numbers, or several as rows, found shape {given.shape} and type "
            f"{given.dtype}: use embeddings of the model {index.model}"
        )
    rows = np.atleast_2d(given).astype(np.float32)
    if not len(rows) or not np.isfinite(rows).all() or not np.abs(rows).max(axis=1).all():
        raise SettingsError("expected vectors of finite numbers that are not all zero, found others: check the file")
    return rows


def _text_vectors(
    index: SearchIndex,
    texts: Sequence[str],
    model: Any,
    weights: StrPath | None,
    tokenizer: Any,
    offline: bool,
) -> Float32[np.ndarray, "text dim"]:
    """Unit vectors of texts, by the encoder that belongs to the tracks.

    Raises:
        SettingsError: when the moments cannot be compared with texts.
    """
    if not index.contrastive:
        raise SettingsError(
            f"expected windows of a video-text model to compare with a text, found {index.settings.unit} of "
            f"{index.model}: embed the recordings with --model videoprism-lvt-base, or search by example"
        )
    from vp_science.text import embed_texts

    source = index.empty_track() if model is None else model
    vectors = embed_texts(texts, source, weights=weights, tokenizer=tokenizer, offline=offline)
    if vectors.shape[1] != index.dim:
        raise SettingsError(
            f"expected a model whose texts have {index.dim} numbers, as the tracks have, found {vectors.shape[1]}: "
            "give the one they were made with"
        )
    return vectors
