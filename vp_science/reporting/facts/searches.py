"""Searches: an index of moments, or the results that ``vp-science search --json`` printed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vp_science.probes.tracks import track_settings
from vp_science.reporting.facts.encoding import encoding_section
from vp_science.reporting.facts.values import clean, count, mapping, number, records, text, texts
from vp_science.reporting.section import Facts, Section
from vp_science.search.index_file import open_index


def index_sections(path: Path) -> list[Section]:
    """The tracks of a search index, and what it holds.

    Raises:
        StoreError: when it is damaged.
    """
    index = open_index(path)
    settings = track_settings(index.provenance)
    how = {"precision": text(index.provenance.precision), "dtype": text(index.provenance.dtype)}
    facts: Facts = {
        "what": "index",
        "point_settings": index.settings.to_json(),
        "num_points": len(index),
        "num_recordings": len({entry.recording for entry in index.recordings}),
        "num_tracks": len(index.recordings),
        "seconds": round(index.seconds, 6),
        "model": text(index.model),
        "tracks": [
            {"recording": text(entry.recording_id), "fingerprint": text(entry.fingerprint)}
            for entry in index.recordings
        ],
        "software": text(index.provenance.software),
        "settings": clean(settings),
    }
    return [encoding_section(settings, how), Section("search", facts, (), ("videoprism",))]


def results_sections(content: Mapping[str, Any]) -> list[Section]:
    """What was looked for and found; results know the name of their model only."""
    query, options, searched = (mapping(content.get(name)) for name in ("query", "options", "searched"))
    rows = records(content.get("results"))
    units = [name for name in ("windows", "frames") if count(searched.get(name)) is not None]
    hours = number(searched.get("hours"))
    scores = [score for score in (number(row.get("score")) for row in rows) if score is not None]
    facts: Facts = {
        "what": "results",
        "id": text(query.get("id")),
        "method": text(query.get("method")),
        "like": texts(query.get("like")),
        "unlike": texts(query.get("unlike")),
        "texts": texts(query.get("texts")),
        "vectors": texts(query.get("vectors")),
        "num_like": len(texts(query.get("like"))),
        "num_unlike": len(texts(query.get("unlike"))),
        "num_vectors": len(texts(query.get("vectors"))),
        "options": clean(options),
        "num_points": count(searched.get(units[0])) if units else None,
        "unit": units[0] if units else None,
        "num_tracks": count(searched.get("recordings")),
        "seconds": None if hours is None else round(3600 * hours, 3),
        "model": text(searched.get("model")),
        "num_results": len(rows),
        "best_score": round(max(scores), 6) if scores else None,
        "least_score": round(min(scores), 6) if scores else None,
        "results": clean(rows),
    }
    warnings = []
    if searched.get("untrained") is True:
        warnings.append(f"The model {facts['model']} was never trained: what it finds means nothing")
    return [Section("search", facts, tuple(warnings), ("videoprism",))]
