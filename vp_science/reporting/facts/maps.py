"""Maps: what a point is, how points were laid out, and how clusters were found."""

import math
from pathlib import Path

from vp_science.maps.map import Map
from vp_science.maps.map_file import open_map
from vp_science.reporting.facts.encoding import encoding_section
from vp_science.reporting.facts.tracks import Made, provenance_facts, sections_of
from vp_science.reporting.facts.values import clean, count, mapping, number, records, text, total
from vp_science.reporting.section import Facts, Section
from vp_science.store.provenance import Provenance

_METHODS = {"umap": ("umap",), "tsne": ("tsne", "scikit-learn"), "pacmap": ("pacmap",), "pca": ()}
_CLUSTERS = {"hdbscan": ("hdbscan", "scikit-learn"), "kmeans": ("scikit-learn",)}


def map_sections(path: Path) -> list[Section]:
    """The tracks of a map, and the map.

    Raises:
        MapError: when it is damaged.
    """
    made = open_map(path)
    return [*_encodings(made), _section(made)]


def _encodings(made: Map) -> list[Section]:
    """By the provenances that a map keeps; by the settings alone where these cannot be read."""
    kinds = records(made.provenance["track_provenance"])
    tracks = []
    for record in records(made.provenance["tracks"]):
        position = count(record.get("made"))
        if position is None or position >= len(kinds):
            return [encoding_section(made.provenance["track_settings"])]
        provenance = Provenance.from_json(kinds[position])
        facts = provenance_facts(provenance)
        facts |= {name: text(record.get(name)) for name in ("recording", "of_recording")}
        facts |= {"num_frames": count(record.get("num_frames")), "recording_sha256_of_ends": text(record.get("sha256"))}
        tracks.append(Made(provenance, facts))
    return sections_of(tracks)


def _section(made: Map) -> Section:
    settings, provenance, table = made.model.settings, made.provenance, made.clusters
    names = [str(name) for name in table["name"]]
    stability = [float(value) for value in table["stability"] if math.isfinite(value)]
    sizes = [int(size) for size in table["size"]]
    facts: Facts = {
        "id": made.id,
        "map_settings": settings.to_json(),
        "point_settings": made.settings.to_json(),
        "num_points": len(made),
        "num_recordings": len({text(track.get("of_recording")) for track in records(provenance["tracks"])}),
        "num_tracks": len(made.recordings),
        "seconds": total([round(float(made.seconds.sum()), 6)]),
        "num_fit_points": count(provenance.get("num_fit_points")),
        "explained_percent": _percent(provenance.get("explained_variance")),
        "num_clusters": len(table),
        "num_named": sum(bool(name) for name in names),
        "cluster_names": [name for name in names if name],
        "percent_in_no_cluster": round(100 * float((made.cluster < 0).mean()), 6) if settings.cluster else None,
        "stability_ari": number(provenance.get("stability_ari")),
        "least_stability": round(min(stability), 6) if stability else None,
        "greatest_stability": round(max(stability), 6) if stability else None,
        "cluster_sizes": sizes,
        "placed_in": text(provenance.get("placed_in")),
        "versions": clean(mapping(provenance.get("versions"))),
        "software": text(provenance.get("software")),
        "settings": clean(provenance["track_settings"]),
    }
    cite = (
        *_METHODS[settings.method],
        *_CLUSTERS.get(settings.cluster or "", ()),
        *(("stability",) if stability else ()),
    )
    warnings = () if stability or not settings.cluster else (_UNTESTED.format(made.id),)
    return Section("map", facts, warnings, cite)


_UNTESTED = (
    "Whether the clusters of {} come back in halves of the data was not tested (--stability-repeats): clusters of "
    "noise look like any others"
)


def _percent(share: object) -> float | None:
    value = number(share)
    return None if value is None else round(100 * value, 6)
