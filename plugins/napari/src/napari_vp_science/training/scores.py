"""How good a probe is: the table on the Train page, and the window with what stands behind it."""

import math
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QBrush, QShowEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

import vp_science as vp
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, MARGIN, button, hint, theme_colors
from napari_vp_science.training.charts import ConfusionView, CurvesView, ReliabilityView
from napari_vp_science.training.thresholds import color_icon

_COLUMNS = (
    ("Behavior", ""),
    ("AP", "Average precision: how well scores put the right frames first, at all thresholds. 1 is perfect; guessing "
           "gets the share of time in which the behavior happens."),
    ("F1", "How well bouts agree frame by frame at the chosen threshold: 1 is perfect, 0 finds nothing right."),
    ("Bouts", "Labelled bouts that the probe was tested on."),
    ("Time", "How long they last together."),
)  # fmt: skip


class ScoreTable(QTableWidget):
    """Scores by behavior; as high as its rows.

    Attributes:
        opened: somebody wants to see what stands behind it.
    """

    opened = Signal()

    def __init__(self) -> None:
        super().__init__(0, len(_COLUMNS))
        for column, (name, tip) in enumerate(_COLUMNS):
            item = QTableWidgetItem(name)
            item.setToolTip(tip)
            side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
            item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(column, item)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setMinimumSectionSize(48)
        header.setHighlightSections(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setShowGrid(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.cellClicked.connect(lambda row, column: self.opened.emit())

    def show_scores(self, scores: "vp.sessions.ProbeScores", faint: Any) -> None:
        """Fill the table."""
        looks = vp.plots.behavior_looks(scores.behaviors)
        self.clearSpans()
        self.setRowCount(len(scores.each))
        for row, one in enumerate(scores.each):
            name = QTableWidgetItem(color_icon(looks[one.name].color), one.name)
            name.setToolTip(one.name)
            self.setItem(row, 0, name)
            cells = [f"{one.bouts:,}", vp.sessions.duration_text(one.seconds) if one.seconds else "-"]
            if one.few:
                few = QTableWidgetItem("too few labels")
                few.setForeground(QBrush(faint))
                few.setToolTip("Too few labels to say: label more bouts of it, in more than one recording.")
                self.setItem(row, 1, few)
                self.setSpan(row, 1, 1, 2)
            else:
                figures = [self._figure(one.average_precision, f"guessing: {one.chance:.2f}")]
                figures.append(self._figure(one.f1, f"precision {one.precision:.2f}, recall {one.recall:.2f}"))
                for column, item in enumerate(figures):
                    self.setItem(row, 1 + column, item)
            for column, text in enumerate(cells):
                self.setItem(row, 3 + column, _right(text))
        self.resizeRowsToContents()
        height = self.horizontalHeader().sizeHint().height() + sum(map(self.rowHeight, range(len(scores.each)))) + 4
        self.setFixedHeight(height)

    @staticmethod
    def _figure(value: float, tip: str) -> QTableWidgetItem:
        item = _right(f"{value:.2f}" if math.isfinite(value) else "-")
        item.setToolTip(tip)
        return item


class ScoresDialog(QDialog):
    """Confusion, curves and reliability of a probe, each with a sentence on how to read it."""

    def __init__(
        self,
        state: PanelState,
        scores: "vp.sessions.ProbeScores",
        thresholds: dict[str, float],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._state, self._scores = state, scores
        self.setWindowTitle("How good is the probe?")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        colors = theme_colors(state.viewer)
        self.setStyleSheet(f"QDialog {{ background: {colors.background.name()}; }}")
        self.confusion = ConfusionView(scores.confusion, colors)
        self.curves = CurvesView(scores, thresholds, colors)
        self.reliability = ReliabilityView(scores, colors)
        self.said = hint("Click a cell for the moments behind it.")
        self.moments = QListWidget()
        self.moments.setMaximumWidth(230)
        self.moments.setUniformItemSizes(True)
        self.moments.setToolTip("Click a moment to see it.")
        self.moments.hide()
        self.confusion.clicked.connect(self.choose_cell)
        self.moments.itemClicked.connect(self._show_moment)
        tabs = QTabWidget()
        tabs.addTab(self._tab(self._confusion_words(), self.confusion, self.moments, self.said), "Confusion")
        tabs.addTab(self._tab(_CURVES_WORDS, self.curves), "Precision and recall")
        tabs.addTab(self._tab(_RELIABILITY_WORDS, self.reliability), "Reliability")
        close = button("Close", "Back to the panel.")
        close.clicked.connect(self.close)
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        bottom.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        layout.addWidget(hint(scores.how))
        layout.addWidget(tabs, 1)
        layout.addLayout(bottom)
        self.resize(780, 620)

    def showEvent(self, event: QShowEvent) -> None:
        """The window stands in front of napari, and the keys stay with the video until it is clicked."""
        super().showEvent(event)
        self.raise_()

    def choose_cell(self, row: int, column: int) -> None:
        """Light up the moments behind a cell of the confusion matrix."""
        moments = self._scores.moments.of(row, column)
        words = self.confusion.words(row, column)
        self.moments.clear()
        self.moments.setVisible(bool(moments))
        for moment in moments:
            item = QListWidgetItem(f"{moment[0]}   {_clock(moment[1])}   {moment[2] - moment[1]:.2f} s")
            item.setData(Qt.ItemDataRole.UserRole, moment)
            self.moments.addItem(item)
        if moments:
            self._state.choose_moments(moments)
            count = f"{len(moments):,} moment" + ("" if len(moments) == 1 else "s")
            words += f" {count}, the longest first: they are chosen now, in the ethogram and for the montage."
            self._state.show(moments[0][0], moments[0][1])
        self.said.setText(words)

    def _show_moment(self, item: QListWidgetItem) -> None:
        recording, start_s, _ = item.data(Qt.ItemDataRole.UserRole)
        self._state.show(recording, start_s)

    def _confusion_words(self) -> str:
        if self._scores.behaviors.exclusive:
            return (
                "Each row is the time that people marked as one behavior, in percent: on the diagonal the probe "
                "agrees; elsewhere it takes the behavior of the row for that of the column."
            )
        return (
            "Each row is a behavior, in percent: how much of it is found and missed, and how much of the time without "
            "it is falsely taken for it."
        )

    def _tab(self, words: str, view: QWidget, beside: QWidget | None = None, below: QWidget | None = None) -> QWidget:
        inside, area = QWidget(), QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(view)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.addWidget(hint(words))
        middle = QHBoxLayout()
        middle.addWidget(area, 1)
        layout.addLayout(middle, 1)
        if beside is not None:
            middle.addWidget(beside)
        if below is not None:
            layout.addWidget(below)
        return inside


_CURVES_WORDS = (
    "Every point of a line is one threshold: further right more is found, further up less of it is wrong. A line that "
    "stays near the top right corner is good; the dot is the present threshold."
)
_RELIABILITY_WORDS = (
    "Points on the dotted line mean that a score of 0.8 is right in 80 % of the frames; points below it mean that the "
    "probe promises too much, points above it that it is better than it says. Bars: how many frames (logarithmic)."
)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _right(text: str) -> QTableWidgetItem:
    item = QTableWidgetItem(text)
    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item
