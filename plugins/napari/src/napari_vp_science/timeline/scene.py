"""Everything that the timeline draws, gathered by the view for the functions that paint."""

from dataclasses import dataclass, field

import numpy as np
from qtpy.QtGui import QColor, QFont

import vp_science as vp
from napari_vp_science.state import Moment
from napari_vp_science.style import Colors, mixed
from napari_vp_science.timeline.axis import TimeAxis
from napari_vp_science.timeline.columns import ScoreColumns
from napari_vp_science.timeline.frames import Frames
from napari_vp_science.timeline.places import Places
from napari_vp_science.timeline.rows import RowLayout
from napari_vp_science.timeline.scored import ScoredTime


@dataclass(eq=False)
class Scene:
    """What is drawn and where.

    Attributes:
        places: parts of the widget.
        axis: which time stands where.
        layout: rows, before scrolling.
        scroll: pixels by which they are scrolled.
        ratio: device pixels per pixel.
        colors: of the theme.
        font: of names.
        frames: of the recording.
        behaviors: the catalogue.
        inks: a color by behavior.
        table: bouts of the recording.
        scored: its observed intervals.
        scores: its prediction, None without one.
        thresholds: a score by behavior from which the model says yes; may be empty.
        score_style: ``height`` or ``opacity``.
        chosen: numbers of the chosen bouts.
        moments: selected moments of this recording.
        subject: who is labelled now.
    """

    places: Places
    axis: TimeAxis
    layout: RowLayout
    scroll: int
    ratio: float
    colors: Colors
    font: QFont
    frames: Frames
    behaviors: "vp.Behaviors"
    inks: dict[str, QColor]
    table: "vp.sessions.BoutTable"
    scored: ScoredTime
    scores: ScoreColumns | None = None
    thresholds: dict[str, float] = field(default_factory=dict)
    score_style: str = "height"
    chosen: frozenset[int] = frozenset()
    moments: list[Moment] = field(default_factory=list)
    subject: str = ""

    @property
    def num_columns(self) -> int:
        """Device pixels of the visible time."""
        return max(round(self.places.time_px * self.ratio), 1)

    def y(self, top: int) -> int:
        """Pixel of the widget of a pixel of the rows."""
        return self.places.rows_top + top - self.scroll

    def ink(self, behavior: str) -> QColor:
        """The color of a behavior; grey for one that has none."""
        return self.inks.get(behavior, self.colors.faint)

    @property
    def scored_color(self) -> QColor:
        """Behind time that was scored."""
        return mixed(self.colors.background, self.colors.text, 0.13)

    @property
    def unscored_line(self) -> QColor:
        """Hatching of time that nobody scored."""
        return mixed(self.colors.background, self.colors.text, 0.16)

    def visible(self) -> np.ndarray:
        """Rows of the table that reach into the visible time (point events included)."""
        table, axis = self.table, self.axis
        return np.flatnonzero((table.start_s <= axis.stop_s) & (table.stop_s >= axis.start_s))


def behavior_inks(behaviors: "vp.Behaviors") -> dict[str, QColor]:
    """The colors of the catalogue, the same as in maps and figures."""
    return {name: QColor(look.color) for name, look in vp.plots.behavior_looks(behaviors).items()}
