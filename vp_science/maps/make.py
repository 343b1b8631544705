"""``make_map``: tracks in, a map out. And new tracks into a map that exists."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int32, Int64

from vp_science.errors import MapError, require_extra
from vp_science.maps.clusters import find_clusters, find_medoid
from vp_science.maps.layouts import lay_out
from vp_science.maps.map import CLUSTER_COLUMNS, Map
from vp_science.maps.model import MapModel, library_versions
from vp_science.maps.projection import Progress, Projection, fit_projection
from vp_science.maps.settings import Clustering, MapSettings, Method
from vp_science.maps.spans import owned_spans
from vp_science.maps.stability import cluster_stability
from vp_science.maps.subsample import choose_cover
from vp_science.points import Points, PointSettings, open_points
from vp_science.probes.tracks import check_settings, track_settings
from vp_science.store.provenance import plain_json
from vp_science.store.reader import Embeddings
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.names import listed

_FEWEST = 20
_IN_MEMORY = 256 << 20


def make_map(
    tracks: Sequence[EmbeddingTable],
    *,
    settings: PointSettings | None = None,
    method: Method = "umap",
    num_pca: int = 50,
    cluster: Clustering | None = "hdbscan",
    seed: int = 0,
    fit_points: int = 50_000,
    progress: Progress | None = None,
    **options: Any,
) -> Map:
    """Make a map of recordings: principal components, a layout in two dimensions, clusters.

    Args:
        tracks: open, made with the same settings.
        settings: what a point is; None takes every window.
        method: ``"umap"``, ``"tsne"``, ``"pacmap"`` or ``"pca"``.
        num_pca: principal components that are kept.
        cluster: ``"hdbscan"``, ``"kmeans"`` or None.
        seed: of everything random; the same tracks and settings give the same map on the same machine.
        fit_points: where there are more points, the layout is made of so many that cover them all (``choose_cover``),
            and the others are placed in it.
        progress: is told about the work.
        options: the other fields of ``MapSettings``.

    Raises:
        MapError: when a setting is unknown or out of range, or there are too few points to map.
        ProbeError: when tracks were made with different settings.
        StoreError: when a track is closed or damaged.
        MissingExtraError: when the method is PaCMAP and it is not installed.
    """
    if method == "pacmap":
        require_extra("pacmap", "maps")  # before the hours that the rest may take
    wanted = _map_settings(
        options | {"method": method, "num_pca": num_pca, "cluster": cluster, "seed": seed, "fit_points": fit_points}
    )
    points = open_points(tracks, settings)
    _check_recordings(points.recordings)
    if len(points) < _FEWEST:
        raise MapError(
            f"expected at least {_FEWEST} points to map, found {len(points)}: add recordings, embed with a smaller "
            "stride, or make every look a point (--unit frames; settings=vp.maps.PointSettings(unit='frames'))"
        )
    final = wanted.completed(min(len(points), fit_points), points.dim)
    projection = fit_projection(points, final)
    with _projected(points, projection, progress) as vectors:
        rows = np.arange(len(points))
        if len(points) > fit_points:
            rows = choose_cover(vectors, fit_points, seed, progress)
        model, stability, agreement = _fit_model(np.asarray(vectors[rows], np.float32), projection, final, progress)
        coordinates, label, strength = _place_all(model, vectors, rows, progress)
        table = _cluster_table(points, final, vectors, coordinates, label, strength)
    table["stability"] = stability
    return _map_of(
        points, model, (coordinates, label, strength), table, _provenance(points, model, projection, agreement)
    )


def place_tracks(made: Map, tracks: Sequence[EmbeddingTable], progress: Progress | None = None) -> Map:
    """What ``Map.transform`` does."""
    check_settings(made.provenance["track_settings"], tracks, f"the map {made.id}")
    points = open_points(tracks, made.settings)
    _check_recordings(points.recordings)
    with _projected(points, made.model.projection, progress) as vectors:
        coordinates = made.model.place(vectors, progress)
        label, strength = _assign_all(made.model, vectors, coordinates)
        table = _cluster_table(points, made.model.settings, vectors, coordinates, label, strength, len(made.clusters))
    table["name"], table["stability"] = made.clusters["name"], made.clusters["stability"]
    provenance = made.provenance | _track_records(points.tracks) | {"placed_in": made.id}
    return _map_of(points, made.model, (coordinates, label, strength), table, provenance)


def _map_of(
    points: Points,
    model: MapModel,
    placed: tuple[np.ndarray, np.ndarray, np.ndarray],
    clusters: pd.DataFrame,
    provenance: dict[str, Any],
) -> Map:
    coordinates, label, strength = placed
    return Map(
        coordinates=coordinates,
        recordings=points.recordings,
        recording=points.recording,
        start_s=points.start_s,
        stop_s=points.stop_s,
        cluster=label,
        strength=strength,
        clusters=clusters,
        provenance=provenance,
        settings=points.settings,
        model=model,
    )


def _map_settings(options: Mapping[str, Any]) -> MapSettings:
    try:
        return MapSettings(**options)
    except TypeError as error:
        known = ", ".join(name for name in MapSettings.__dataclass_fields__)
        point = sorted(set(options) & set(PointSettings.__dataclass_fields__))
        fix = f"{', '.join(point)} belongs to settings=vp.maps.PointSettings(...)" if point else "check the spelling"
        raise MapError(f"expected options among {known}, found something else ({error}): {fix}") from error


def _check_recordings(names: Sequence[str]) -> None:
    if twice := sorted({name for name in names if list(names).count(name) > 1}):
        raise MapError(f"expected one track per recording, found several of {listed(twice)}: give one of them")


@contextmanager
def _projected(
    points: Points, projection: Projection, progress: Progress | None
) -> Iterator[Float32[np.ndarray, "point component"]]:
    """Principal components of all points; in a temporary file where they would take much memory."""
    shape = (len(points), len(projection.components))
    if 4 * shape[0] * shape[1] <= _IN_MEMORY:
        vectors = np.empty(shape, np.float32)
        projection.apply(points, vectors, progress)
        yield vectors
        return
    with tempfile.TemporaryFile(prefix="vp_science_map_") as file:  # without a name: it goes when nobody uses it
        on_disk = np.memmap(file, np.float32, "w+", shape=shape)
        projection.apply(points, on_disk, progress)
        yield on_disk


def _fit_model(
    vectors: Float32[np.ndarray, "fit component"],
    projection: Projection,
    settings: MapSettings,
    progress: Progress | None,
) -> tuple[MapModel, Float64[np.ndarray, " cluster"], float]:
    if progress:
        progress(f"layout of {len(vectors)} points ({settings.method})", 0, 1)
    coordinates, placer = lay_out(vectors, settings, progress)
    if progress:
        progress(f"layout of {len(vectors)} points ({settings.method})", 1, 1)
    label, strength = find_clusters(coordinates if settings.cluster_space == "map" else vectors, settings)
    if progress:
        progress("clusters", 1, 1)
    stability, agreement = cluster_stability(vectors, label, settings, progress)
    controls = MapModel.controls(vectors, settings.seed)
    none = np.zeros((0, vectors.shape[1]), np.float32)
    parts = (settings, projection, vectors, coordinates, label, strength)
    versions = library_versions(settings.method)
    placed = MapModel(*parts, none, np.zeros((0, 2), np.float32), versions, placer).place(controls)
    return MapModel(*parts, controls, placed, versions, placer), stability, agreement


def _place_all(
    model: MapModel,
    vectors: Float32[np.ndarray, "point component"],
    fitted: Int64[np.ndarray, " fit"],
    progress: Progress | None,
) -> tuple[Float32[np.ndarray, "point 2"], Int32[np.ndarray, " point"], Float32[np.ndarray, " point"]]:
    """Fit points lie where they were laid out; the others are placed."""
    if len(fitted) == len(vectors):
        return model.coordinates, model.cluster, model.strength
    coordinates = np.empty((len(vectors), 2), np.float32)
    coordinates[:] = model.place(vectors, progress)
    coordinates[fitted] = model.coordinates
    label, strength = _assign_all(model, vectors, coordinates)
    label[fitted], strength[fitted] = model.cluster, model.strength
    return coordinates, label, strength


def _assign_all(
    model: MapModel, vectors: Float32[np.ndarray, "point component"], coordinates: Float32[np.ndarray, "point 2"]
) -> tuple[Int32[np.ndarray, " point"], Float32[np.ndarray, " point"]]:
    label, strength = np.empty(len(vectors), np.int32), np.empty(len(vectors), np.float32)
    for first in range(0, len(vectors), 16_384):
        rows = slice(first, first + 16_384)
        label[rows], strength[rows] = model.assign(np.asarray(vectors[rows], np.float32), coordinates[rows])
    return label, strength


def _cluster_table(
    points: Points,
    settings: MapSettings,
    vectors: Float32[np.ndarray, "point component"],
    coordinates: Float32[np.ndarray, "point 2"],
    label: Int32[np.ndarray, " point"],
    strength: Float32[np.ndarray, " point"],
    num_clusters: int | None = None,
) -> pd.DataFrame:
    number = int(label.max(initial=-1)) + 1 if num_clusters is None else num_clusters
    start, stop = owned_spans(points.recording, points.start_s, points.stop_s)
    space = vectors if settings.cluster_space == "pca" else coordinates
    medoids = []
    for cluster in range(number):
        members = np.flatnonzero(label == cluster)
        at = find_medoid(np.asarray(space[members], np.float32), strength[members]) if len(members) else None
        medoids.append(-1 if at is None else int(members[at]))
    inside = label >= 0
    return pd.DataFrame(
        {
            "name": pd.Series([""] * number, dtype=object),
            "size": np.bincount(label[inside], minlength=number).astype(np.int64),
            "seconds": np.bincount(label[inside], (stop - start)[inside], minlength=number).astype(np.float64),
            "stability": np.full(number, np.nan),
            "medoid": np.array(medoids, dtype=np.int64),
        },
        index=pd.RangeIndex(number, name="cluster"),
        columns=list(CLUSTER_COLUMNS),
    )


def _provenance(points: Points, model: MapModel, projection: Projection, agreement: float) -> dict[str, Any]:
    facts = {
        "software": f"vp-science {version('vp-science')}",
        "versions": model.versions,
        "map_settings": model.settings.to_json(),
        "point_settings": points.settings.to_json(),
        "num_fit_points": len(model.vectors),
        "explained_variance": round(float(projection.explained.sum()), 6),
        "stability_ari": None if np.isnan(agreement) else round(agreement, 6),
        "track_settings": track_settings(points.tracks[0].provenance),
        **_track_records(points.tracks),
    }
    checked: dict[str, Any] = plain_json(facts, "the provenance of the map")
    return checked


def _track_records(tracks: Sequence[EmbeddingTable]) -> dict[str, Any]:
    """What every track was; how it was made is written once where it is the same."""
    made: list[dict[str, Any]] = []
    records = []
    for track in tracks:
        how = track.provenance.to_json()
        if how not in made:
            made.append(how)
        records.append(
            {
                "recording": track.recording_id,
                "of_recording": track.bout_recording,
                "subject": track.subject,
                "target": track.target,
                "num_frames": track.num_frames,
                "sha256": track.recording.sha256 if isinstance(track, Embeddings) else None,
                "made": made.index(how),
            }
        )
    return {"tracks": records, "track_provenance": made}
