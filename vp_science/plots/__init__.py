"""Figures (matplotlib): one function each, which returns the axes it drew into; ``save`` writes PNG, SVG or PDF.

Names are loaded when they are first used: importing this loads neither matplotlib nor pandas.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.pictures import PictureBook as PictureBook
    from vp_science.plots.budgets import time_budget as time_budget
    from vp_science.plots.curves import precision_recall as precision_recall
    from vp_science.plots.curves import reliability as reliability
    from vp_science.plots.evaluation import save_evaluation as save_evaluation
    from vp_science.plots.graph import transitions as transitions
    from vp_science.plots.map_pictures import medoid_pictures as medoid_pictures
    from vp_science.plots.matrices import confusion as confusion
    from vp_science.plots.palette import behavior_looks as behavior_looks
    from vp_science.plots.palette import looks as looks
    from vp_science.plots.patches import patch_map as patch_map
    from vp_science.plots.raster import ethogram as ethogram
    from vp_science.plots.report import Section as Section
    from vp_science.plots.report import write_report as write_report
    from vp_science.plots.report_parts import CommandsPart as CommandsPart
    from vp_science.plots.report_parts import FactsPart as FactsPart
    from vp_science.plots.report_parts import FigurePart as FigurePart
    from vp_science.plots.report_parts import PicturePart as PicturePart
    from vp_science.plots.report_parts import TablePart as TablePart
    from vp_science.plots.saving import save as save
    from vp_science.plots.scatter import embedding_map as embedding_map
    from vp_science.plots.similarity import self_similarity as self_similarity
    from vp_science.plots.similarity import strip_frames as strip_frames
    from vp_science.plots.training import read_metrics as read_metrics
    from vp_science.plots.training import training_curves as training_curves

_HOME = {
    "PictureBook": "vp_science.pictures",
    "Section": "vp_science.plots.report",
    "write_report": "vp_science.plots.report",
    "FigurePart": "vp_science.plots.report_parts",
    "PicturePart": "vp_science.plots.report_parts",
    "TablePart": "vp_science.plots.report_parts",
    "FactsPart": "vp_science.plots.report_parts",
    "CommandsPart": "vp_science.plots.report_parts",
    "behavior_looks": "vp_science.plots.palette",
    "confusion": "vp_science.plots.matrices",
    "embedding_map": "vp_science.plots.scatter",
    "ethogram": "vp_science.plots.raster",
    "looks": "vp_science.plots.palette",
    "medoid_pictures": "vp_science.plots.map_pictures",
    "patch_map": "vp_science.plots.patches",
    "precision_recall": "vp_science.plots.curves",
    "read_metrics": "vp_science.plots.training",
    "reliability": "vp_science.plots.curves",
    "save": "vp_science.plots.saving",
    "save_evaluation": "vp_science.plots.evaluation",
    "self_similarity": "vp_science.plots.similarity",
    "strip_frames": "vp_science.plots.similarity",
    "time_budget": "vp_science.plots.budgets",
    "training_curves": "vp_science.plots.training",
    "transitions": "vp_science.plots.graph",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
