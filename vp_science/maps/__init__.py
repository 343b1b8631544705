"""Maps of embeddings: what is in these recordings, and which moments are alike.

Names are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.maps.bouts import cluster_bouts as cluster_bouts
    from vp_science.maps.edit import join_maps as join_maps
    from vp_science.maps.edit import rename_clusters as rename_clusters
    from vp_science.maps.make import make_map as make_map
    from vp_science.maps.map import Map as Map
    from vp_science.maps.map_file import open_map as open_map
    from vp_science.maps.map_file import save_map as save_map
    from vp_science.maps.moments import captions_of as captions_of
    from vp_science.maps.moments import moments_of as moments_of
    from vp_science.maps.moments import representatives as representatives
    from vp_science.maps.relation import Relation as Relation
    from vp_science.maps.relation import relate as relate
    from vp_science.maps.settings import MapSettings as MapSettings
    from vp_science.points import PointSettings as PointSettings

_HOME = {
    "PointSettings": "vp_science.points",
    "Map": "vp_science.maps.map",
    "MapSettings": "vp_science.maps.settings",
    "Relation": "vp_science.maps.relation",
    "captions_of": "vp_science.maps.moments",
    "cluster_bouts": "vp_science.maps.bouts",
    "join_maps": "vp_science.maps.edit",
    "make_map": "vp_science.maps.make",
    "moments_of": "vp_science.maps.moments",
    "open_map": "vp_science.maps.map_file",
    "relate": "vp_science.maps.relation",
    "rename_clusters": "vp_science.maps.edit",
    "representatives": "vp_science.maps.moments",
    "save_map": "vp_science.maps.map_file",
}

__all__ = sorted(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
