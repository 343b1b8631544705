"""Search: where else does this happen? By example, by text, by vector, over any number of tracks.

Names are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.points import PointSettings as PointSettings
    from vp_science.search.build import build_index as build_index
    from vp_science.search.finding import find as find
    from vp_science.search.index import SearchIndex as SearchIndex
    from vp_science.search.index_file import open_index as open_index
    from vp_science.search.query import Example as Example
    from vp_science.search.results import Results as Results
    from vp_science.search.strips import save_strips as save_strips

_HOME = {
    "PointSettings": "vp_science.points",
    "Example": "vp_science.search.query",
    "Results": "vp_science.search.results",
    "SearchIndex": "vp_science.search.index",
    "build_index": "vp_science.search.build",
    "find": "vp_science.search.finding",
    "open_index": "vp_science.search.index_file",
    "save_strips": "vp_science.search.strips",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
