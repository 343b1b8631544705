"""From the state of the panel to a scene: what takes time is made once and kept until it changes."""

from dataclasses import dataclass

import numpy as np
from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QFont

import vp_science as vp
from napari_vp_science.state import PanelState, Prediction
from napari_vp_science.style import Colors
from napari_vp_science.timeline.axis import TimeAxis
from napari_vp_science.timeline.columns import ScoreColumns
from napari_vp_science.timeline.frames import Frames
from napari_vp_science.timeline.places import Places
from napari_vp_science.timeline.rows import RowLayout, lay_out, subjects_shown
from napari_vp_science.timeline.scene import Scene, behavior_inks
from napari_vp_science.timeline.scored import ScoredTime


@dataclass(frozen=True)
class Look:
    """What the widget decides.

    Attributes:
        size: of the widget.
        ratio: device pixels per pixel.
        font: of names.
        colors: of the theme.
        scroll: pixels by which rows are scrolled.
        bar_px: width of a scroll bar when one is needed.
        score_style: ``height`` or ``opacity``.
    """

    size: QSize
    ratio: float
    font: QFont
    colors: Colors
    scroll: int
    bar_px: int
    score_style: str


class SceneSources:
    """Makes scenes of the recording that is shown."""

    def __init__(self, state: PanelState) -> None:
        self._state = state
        self._no_labels = vp.sessions.LabelBook()
        self._time_s: np.ndarray | None = None
        self._frames: Frames | None = None
        self._intervals: object = None
        self._scored = ScoredTime(())
        self._scores: ScoreColumns | None = None
        self._inks_of: tuple[object, tuple[str, ...]] | None = None
        self._inks: dict[str, QColor] = {}

    @property
    def frames(self) -> Frames | None:
        """The frames of the recording; None when no recording is open."""
        time_s = self._state.time_s
        if not self._state.current or not len(time_s):
            return None
        if time_s is not self._time_s:
            self._time_s, self._frames = time_s, Frames.of(time_s)
        return self._frames

    @property
    def prediction(self) -> Prediction | None:
        """What the model says about the recording, unless nobody shall see it."""
        return None if self._state.hide_predictions else self._state.predictions.get(self._state.current)

    def scene(self, look: Look, axis: TimeAxis | None, chosen: frozenset[int]) -> Scene | None:
        """Everything as it is now; None when no recording is open.

        Args:
            look: what the widget decides.
            axis: the visible time, None for all of it.
            chosen: numbers of the chosen bouts.
        """
        frames = self.frames
        if frames is None:
            return None
        state = self._state
        book = self._no_labels if state.labels is None else state.labels
        moments = [moment for moment in state.moments if moment[0] == state.current]
        scores = self._score_columns()
        table = book.table(state.current)
        scored = self._scored_time(book.observed(state.current))
        places, layout = self._placed(look, book.behaviors, table, scored, bool(moments))
        predicted = () if scores is None else scores.prediction.behaviors
        edges = frames.edges_s
        whole = TimeAxis.whole(
            float(edges[0]), float(edges[-1]), places.left, places.time_px, float(np.diff(edges).min())
        )
        return Scene(
            places=places,
            axis=whole if axis is None else axis.resized(places.left, places.time_px),
            layout=layout,
            scroll=min(look.scroll, max(layout.height - places.rows.height(), 0)),
            ratio=look.ratio,
            colors=look.colors,
            font=look.font,
            frames=frames,
            behaviors=book.behaviors,
            inks=self._behavior_inks(book.behaviors, predicted),
            table=table,
            scored=scored,
            scores=scores,
            thresholds={} if scores is None else scores.prediction.thresholds,
            score_style=look.score_style,
            chosen=chosen,
            moments=moments,
            subject=state.subject,
        )

    def _placed(
        self,
        look: Look,
        behaviors: "vp.Behaviors",
        table: "vp.sessions.BoutTable",
        scored: ScoredTime,
        has_moments: bool,
    ) -> tuple[Places, RowLayout]:
        prediction = self.prediction
        predicted = () if prediction is None else tuple(n for n in prediction.behaviors if n not in behaviors)
        about = () if prediction is None else (prediction.subject,)
        counts = np.bincount(table.subject, minlength=len(table.subjects))
        present = [name for name, count in zip(table.subjects, counts.tolist(), strict=False) if count]
        subjects = subjects_shown(self._state.subject, present, scored.subjects, about)
        places = Places(look.size.width(), look.size.height(), has_moments)
        layout = lay_out(behaviors.names, predicted, subjects, about[0] if about else None, places.rows.height())
        if layout.height > places.rows.height():
            places = Places(look.size.width(), look.size.height(), has_moments, look.bar_px)
        return places, layout

    def _scored_time(self, intervals: "tuple[vp.sessions.Observed, ...]") -> ScoredTime:
        if intervals is not self._intervals:
            self._intervals, self._scored = intervals, ScoredTime(intervals)
        return self._scored

    def _score_columns(self) -> ScoreColumns | None:
        prediction, last = self.prediction, self._scores
        if prediction is None or not len(prediction.time_s):
            return None
        if last is None or last.prediction is not prediction:
            # Other thresholds leave the scores as they are.
            same = last is not None and last.prediction.scores is prediction.scores
            self._scores = ScoreColumns(prediction, last.levels if last is not None and same else None)
        return self._scores

    def _behavior_inks(self, behaviors: "vp.Behaviors", predicted: tuple[str, ...]) -> dict[str, QColor]:
        if self._inks_of is None or self._inks_of[0] is not behaviors or self._inks_of[1] != predicted:
            more = (name for name in predicted if name not in behaviors)
            everything = vp.Behaviors((*behaviors.entries, *map(vp.sessions.Behavior, more)))
            self._inks_of, self._inks = (behaviors, predicted), behavior_inks(everything)
        return self._inks
