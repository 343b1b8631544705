"""Names for clusters, and maps put together."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vp_science.errors import MapError
from vp_science.maps.map import Map
from vp_science.timeline.names import listed


def rename_clusters(made: Map, names: Mapping[int, str]) -> Map:
    """The same map with other names for some clusters; an empty name takes one away.

    Several clusters may have the same name: they are then one behavior in ``cluster_bouts``.

    Raises:
        MapError: when there is no such cluster.
    """
    table = made.clusters.copy()
    for cluster, name in names.items():
        if cluster not in table.index:
            raise MapError(
                f"expected a cluster from 0 to {len(table) - 1} to name, found {cluster}: look at the table of clusters"
            )
        table.loc[cluster, "name"] = name.strip()
    return replace(made, clusters=table)


def join_maps(first: Map, second: Map) -> Map:
    """One map of the recordings of two that share their layout: a map, and what its ``transform`` gave.

    Names are those of the first. The medoid of a cluster stays that of the first, where it has one.

    Raises:
        MapError: when they are different maps, or share a recording.
    """
    if first.id != second.id:
        raise MapError(
            f"expected two parts of one map, found {first.id} and {second.id}: place recordings in the first"
        )
    if both := sorted(set(first.recordings) & set(second.recordings)):
        raise MapError(f"expected other recordings than those in the map, found {listed(both)} again: leave them out")
    one, two = first.clusters, second.clusters
    moved = np.where(two["medoid"] >= 0, two["medoid"] + len(first), -1)
    table = one.assign(
        size=one["size"] + two["size"],
        seconds=one["seconds"] + two["seconds"],
        medoid=np.where(one["medoid"] >= 0, one["medoid"], moved),
    )
    made = [*first.provenance["track_provenance"], *second.provenance["track_provenance"]]
    shift = len(first.provenance["track_provenance"])
    later = [record | {"made": record["made"] + shift} for record in second.provenance["tracks"]]
    return replace(
        first,
        coordinates=np.concatenate([first.coordinates, second.coordinates]),
        recordings=(*first.recordings, *second.recordings),
        recording=np.concatenate([first.recording, second.recording + np.int32(len(first.recordings))]),
        start_s=np.concatenate([first.start_s, second.start_s]),
        stop_s=np.concatenate([first.stop_s, second.stop_s]),
        cluster=np.concatenate([first.cluster, second.cluster]),
        strength=np.concatenate([first.strength, second.strength]),
        clusters=table,
        provenance=first.provenance | {"tracks": [*first.provenance["tracks"], *later], "track_provenance": made},
    )
