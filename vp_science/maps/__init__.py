"""Maps of embeddings: what is in these recordings, and which moments are alike.

Names are loaded when they are first used: importing this package loads no library.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vp_science.maps.bouts import cluster_bouts as cluster_bouts
    from vp_science.maps.edit import join_maps as join_maps
    from vp_science.maps.edit import rename_clusters as rename_clusters
    from vp_science.maps.make import make_map as make_map
    from vp_science.maps.map import Map as Map
    from vp_science.maps.map_file import open_map as open_map
    from vp_science.maps.map_file import save_map as save_map
    from vp_science.maps.moments import representatives as representatives
    from vp_science.maps.relation import Relation as Relation
    from vp_science.maps.relation import relate as relate
    from vp_science.maps.settings import MapSettings as MapSettings

_HOME = {
    "Map": "map",
    "MapSettings": "settings",
    "Relation": "relation",
    "cluster_bouts": "bouts",
    "join_maps": "edit",
    "make_map": "make",
    "open_map": "map_file",
    "relate": "relation",
    "rename_clusters": "edit",
    "representatives": "moments",
    "save_map": "map_file",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
