"""The job ``search``: where else in the session does this happen?

A request says::

    {"folder": session folder, "recordings": [{"id": ..., "path": ... or null}, ...],
     "like": [example, ...], "unlike": [example, ...], "texts": [...],
     "only_in": [recording id, ...] or null for all, "limit": 60, "suggest": 6, "common": "all" or "recording",
     "weights": path or null, "tokenizer": path or null, "offline": false}

An example is ``{"recording": id, "subject": "" or an animal, "start_s": ..., "stop_s": ...}``, with ``"track"`` where
it lies in a certain one; start and stop may be the same instant, which means the window around it. With ``"about":
true`` nothing is searched: the answer says what there is to search. The index is made when it is not there or tracks
have changed, and stays open, as the model of texts does, for the next search.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vp_science.errors import SettingsError
from vp_science.montage.drawing import time_span
from vp_science.search.events import Event
from vp_science.search.finding import find
from vp_science.search.index import SearchIndex, unit_rows
from vp_science.search.query import Example
from vp_science.search.results import Results
from vp_science.search.suggestion import suggest_events
from vp_science.sessions.search_tracks import SearchTrack, index_of, searchable_tracks
from vp_science.timeline.names import listed

if TYPE_CHECKING:
    from vp_science.encoder.video_text import VideoTextModel
    from vp_science.sessions.worker import Reporter


def search_session(request: Mapping[str, Any], report: "Reporter") -> dict[str, Any]:
    """Search the tracks of a session; see the module.

    Returns:
        ``hits`` and ``ask`` (what to answer next), each ``{"rank", "score", "track", "recording", "subject", "target",
        "start_s", "stop_s", "peak_start_s", "peak_stop_s", "why"}``; ``method`` (``prototype``: scores are
        similarities from -1 to 1, ``logistic``: probabilities); ``more``, whether there are more hits; and what was
        searched: ``num_recordings``, ``hours``, ``seconds``, ``model``, ``untrained``, ``contrastive`` (texts can be
        searched) and ``left_out``, sentences about tracks that were not searched.

    Raises:
        SettingsError: when nothing can be searched, nothing is asked, or an example lies in no track.
        StoreError: when a track is damaged.
        CheckpointError: when the text model or its tokenizer cannot be had.
    """
    folder = Path(request["folder"])
    places = {one["id"]: Path(one["path"]) if one["path"] else None for one in request["recordings"]}
    texts = [text for text in request.get("texts", ()) if text.strip()]
    tracks, problems = searchable_tracks(folder, places, report)
    if request.get("about"):
        return _about(tracks, problems)
    chosen = _group(tracks, [*request.get("like", ()), *request.get("unlike", ())], bool(texts))
    index = index_of(folder, chosen, report)
    report.progress("searching")
    limit = int(request.get("limit", 60))
    results = find(
        index,
        [_example(one, chosen) for one in request.get("like", ())],
        unlike=[_example(one, chosen) for one in request.get("unlike", ())],
        text=texts or None,
        limit=limit + 1,
        recordings=_only_in(request.get("only_in"), chosen),
        common=None if texts else request.get("common"),
        **(_text_options(index, request, report) if texts else {}),
    )
    report.checkpoint()
    asked = suggest_events(results, int(request["suggest"])) if request.get("suggest") else []
    return {
        "hits": _rows(results, results.events[:limit], chosen),
        "ask": _rows(results, asked, chosen),
        "more": len(results) > limit,
        "method": results.scorer.method,
        "num_recordings": len({track.recording for track in chosen}),
        "hours": index.seconds / 3600,
        "seconds": results.seconds,
        "model": index.model,
        "untrained": index.untrained,
        "contrastive": any(track.contrastive for track in tracks),
        "left_out": [*_left_out(tracks, chosen), *problems],
    }


def _about(tracks: Sequence[SearchTrack], problems: Sequence[str]) -> dict[str, Any]:
    return {
        "about": True,
        "num_recordings": len({track.recording for track in tracks}),
        "models": sorted({track.model for track in tracks}),
        "contrastive": any(track.contrastive for track in tracks),
        "left_out": list(problems),
    }


def _group(tracks: Sequence[SearchTrack], examples: Sequence[Mapping[str, Any]], by_text: bool) -> list[SearchTrack]:
    """The tracks that can be compared with the examples, or with a text; else the largest group."""
    if not tracks:
        raise SettingsError("expected recordings that are embedded, found none: embed them first (page Embed)")
    sizes = Counter(track.group for track in tracks)
    for example in examples:
        mine = [track for track in tracks if track.recording == example["recording"]]
        fitting = [track for track in mine if track.id == example.get("track")]
        fitting = fitting or [track for track in mine if track.subject == example["subject"]] or mine
        if fitting:
            group = max((track.group for track in fitting), key=lambda name: (sizes[name], name))
            return [track for track in tracks if track.group == group]
    texts = [track.group for track in tracks if track.contrastive] if by_text else []
    group = max(texts or list(sizes), key=lambda name: (sizes[name], name))
    return [track for track in tracks if track.group == group]


def _example(given: Mapping[str, Any], tracks: Sequence[SearchTrack]) -> Example:
    """An example in the track of its animal, or of the whole frames."""
    recording, subject = given["recording"], given["subject"]
    mine = [track for track in tracks if track.recording == recording]
    whole = [track for track in mine if not track.subject]
    named = [track for track in mine if track.id == given.get("track")]
    own = named or sorted(
        (track for track in mine if subject and track.subject == subject), key=lambda track: track.target != ""
    )
    chosen = own or whole or (mine if len(mine) == 1 else [])
    if not mine:
        raise SettingsError(
            f"expected an embedded recording, found {recording!r}, which has no track of this kind: embed it in the "
            "same way as the others (page Embed)"
        )
    if not chosen:
        animals = sorted({track.subject for track in mine})
        raise SettingsError(f"expected one animal of {recording!r}, found none chosen: choose one of {listed(animals)}")
    return Example(chosen[0].id, given["start_s"], given["stop_s"])


def _only_in(recordings: Sequence[str] | None, tracks: Sequence[SearchTrack]) -> list[str] | None:
    if recordings is None:
        return None
    found = [track.id for track in tracks if track.recording in recordings]
    if not found:
        raise SettingsError(
            f"expected to search {listed(list(recordings))}, found no track: embed it first, or search all recordings"
        )
    return found


def _text_options(index: SearchIndex, request: Mapping[str, Any], report: "Reporter") -> dict[str, Any]:
    """The text model, which stays loaded; a search that cannot be compared with texts is refused by ``find``."""
    options = {"tokenizer": request.get("tokenizer"), "offline": bool(request.get("offline"))}
    if index.contrastive:
        report.progress("loading the text model")
        weights = request.get("weights")
        options["model"] = _text_model(index, weights, options["offline"])
    return options


@lru_cache(maxsize=1)
def _text_model(index: SearchIndex, weights: str | None, offline: bool) -> "VideoTextModel":
    from vp_science.text import load_text_model

    return load_text_model(index.empty_track(), weights=weights, offline=offline)


def _rows(results: Results, events: Sequence[Event], tracks: Sequence[SearchTrack]) -> list[dict[str, Any]]:
    index = results.index
    by_id = {track.id: track for track in tracks}
    reasons = _reasons(results, events)
    rows = []
    for rank, (event, why) in enumerate(zip(events, reasons, strict=True), start=1):
        track = by_id[index.recordings[event.recording].recording_id]
        rows.append(
            {
                "rank": rank,
                "score": round(event.score, 4),
                "track": track.id,
                "recording": track.recording,
                "subject": track.subject,
                "target": track.target,
                "start_s": event.start_s,
                "stop_s": event.stop_s,
                "peak_start_s": round(float(index.start_s[event.peak]), 6),
                "peak_stop_s": round(float(index.stop_s[event.peak]), 6),
                "why": why,
            }
        )
    return rows


def _reasons(results: Results, events: Sequence[Event]) -> list[str]:
    """For every event the example or the text that it is nearest to, in words."""
    index, query = results.index, results.query
    if not events:
        return []
    common = results.options.common
    names = [f"like {one.recording} {time_span(one.start_s, one.stop_s)}" for one in query.like]
    means = [index.vectors(index.points_of(one), common).mean(axis=0, keepdims=True) for one in query.like]
    names += [f"fits \N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}" for text in query.texts]
    directions = unit_rows(np.concatenate([*means, *([query.vectors] if query.texts else [])]).astype(np.float32))
    peaks = index.vectors(np.array([event.peak for event in events], np.int64), common)
    return [names[nearest] for nearest in np.argmax(peaks @ directions.T, axis=1).tolist()]


def _left_out(tracks: Sequence[SearchTrack], chosen: Sequence[SearchTrack]) -> list[str]:
    """What is not searched because it was embedded in another way."""
    searched = {track.recording for track in chosen}
    others = Counter(track.model for track in tracks if track.recording not in searched)
    return [
        f"{number} {'recording is' if number == 1 else 'recordings are'} not searched: embedded with other settings "
        f"({model}); embed them in the same way to search them, too"
        for model, number in sorted(others.items())
    ]
