"""Figures (matplotlib): one function each, which returns the axes it drew into; ``save`` writes PNG, SVG or PDF.

Names are loaded when they are first used: importing this loads neither matplotlib nor pandas.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vp_science.plots.budgets import time_budget as time_budget
    from vp_science.plots.curves import precision_recall as precision_recall
    from vp_science.plots.curves import reliability as reliability
    from vp_science.plots.evaluation import save_evaluation as save_evaluation
    from vp_science.plots.graph import transitions as transitions
    from vp_science.plots.map_pictures import medoid_pictures as medoid_pictures
    from vp_science.plots.matrices import confusion as confusion
    from vp_science.plots.raster import ethogram as ethogram
    from vp_science.plots.saving import save as save
    from vp_science.plots.scatter import embedding_map as embedding_map
    from vp_science.plots.similarity import self_similarity as self_similarity
    from vp_science.plots.similarity import strip_frames as strip_frames

_HOME = {
    "confusion": "matrices",
    "embedding_map": "scatter",
    "ethogram": "raster",
    "medoid_pictures": "map_pictures",
    "precision_recall": "curves",
    "reliability": "curves",
    "save": "saving",
    "save_evaluation": "evaluation",
    "self_similarity": "similarity",
    "strip_frames": "similarity",
    "time_budget": "budgets",
    "transitions": "graph",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: expected one of {', '.join(__all__)}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
