"""What the ground truth says: a sentence, and a table of behaviors."""

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science import style
from napari_vp_science.review import words

_MARGIN = 0.05
_MOST_MORE = 200
_TIPS = {
    "F1": "Of frames: how well found and labelled agree (2 x right / (found + labelled))",
    "Precision": "Of the frames that are found, how many are labelled",
    "Recall": "Of the frames that are labelled, how many are found",
    "Bouts": "Predicted bouts that are right (at least half of each is labelled)",
}


class TruthReport(QWidget):
    """Accuracy with intervals.

    Attributes:
        more_asked: draw this many segments more.
    """

    more_asked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(style.GAP)
        self.sentence = style.hint()
        layout.addWidget(style.heading("Result"))
        layout.addWidget(self.sentence)
        self.table = QWidget()
        self.grid = QGridLayout(self.table)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setHorizontalSpacing(style.MARGIN)
        self.grid.setVerticalSpacing(style.GAP)
        layout.addWidget(self.table)
        self.advice = style.hint()
        layout.addWidget(self.advice)
        self.more = style.button("Draw more", "Add random segments to this set")
        self.more.clicked.connect(lambda: self.more_asked.emit(self._number))
        layout.addWidget(self.more)
        self._number = 0
        self.hide()

    def show_accuracy(self, found: "vp.sessions.Accuracy", complete: bool) -> None:
        """Show what was measured; ``complete`` when all drawn segments are scored."""
        share = found.accuracy
        if not share.segments:
            missing = ", ".join(found.missing)
            self.sentence.setText(
                f"There are no predictions of {missing} to compare with: train a probe, or wait until it has predicted."
                if missing
                else "There are no predictions to compare with yet: train a probe on the Train page."
            )
        else:
            ends = words.between(share.low, share.high)
            text = (
                f"{words.percent(share.value)} of frames are right (95 % interval {ends}; {found.segments} segments, "
                f"{words.duration(found.seconds)})."
            )
            if not complete:
                text += " Not all drawn segments are scored yet: the result may still move."
            if found.missing:
                text += f" Not predicted: {', '.join(found.missing)}."
            self.sentence.setText(text)
        self._fill(found if share.segments else None)
        self._advise(share)
        self.show()

    def _fill(self, found: "vp.sessions.Accuracy | None") -> None:
        while self.grid.count():
            widget = self.grid.takeAt(0).widget()
            if widget is not None:
                widget.deleteLater()
        self.table.setVisible(found is not None)
        if found is None:
            return
        for column, (name, tip) in enumerate(_TIPS.items(), start=1):
            head = QLabel(name)
            head.setToolTip(tip)
            self.grid.addWidget(head, 0, column, Qt.AlignmentFlag.AlignRight)
        for row, one in enumerate(found.behaviors, start=1):
            name = QLabel(one.behavior)
            name.setToolTip(f"{one.behavior}: labelled for {one.seconds:.1f} s in these segments")
            self.grid.addWidget(name, row, 0)
            for column, share in enumerate((one.f1, one.precision, one.recall, one.bouts_right), start=1):
                self.grid.addWidget(_cell(share, bouts=column == 4), row, column, Qt.AlignmentFlag.AlignRight)
        self.grid.setColumnStretch(0, 1)

    def _advise(self, share: "vp.sessions.Share") -> None:
        more = share.more_segments(_MARGIN)
        self._number = 0 if more is None else min(more, _MOST_MORE)
        self.more.setVisible(self._number > 0)
        if more is None:
            self.advice.setText(
                "Score at least two segments to learn how many more are needed." if share.segments else ""
            )
        elif more == 0:
            self.advice.setText("The accuracy is known to 5 points or better.")
        else:
            self.advice.setText(f"About {more} more segments would bring the accuracy to \N{PLUS-MINUS SIGN}5 points.")
            self.more.setText(f"Draw {self._number} more")


def _cell(share: "vp.sessions.Share", *, bouts: bool) -> QLabel:
    label = QLabel(words.percent(share.value))
    label.setAlignment(Qt.AlignmentFlag.AlignRight)
    if share.segments:
        label.setText(f"{words.percent(share.value)}\n{words.between(share.low, share.high)}")
        what = "bouts" if bouts else "segments with something to count"
        label.setToolTip(f"95 % interval {words.between(share.low, share.high)} from {share.segments} {what}")
    else:
        label.setToolTip("Nothing to count")
    return label
