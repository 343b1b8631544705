"""The question on screen: what is asked, about when, and how sure the probe is."""

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy

import vp_science as vp
from napari_vp_science import style
from napari_vp_science.review import words
from napari_vp_science.review.queue_model import swatch


class QuestionCard(QFrame):
    """One question in three lines."""

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        layout = QGridLayout(self)
        layout.setContentsMargins(style.MARGIN, style.MARGIN, style.MARGIN, style.MARGIN)
        layout.setSpacing(style.GAP)
        layout.setColumnStretch(1, 1)
        self.color = QLabel()
        self.question = QLabel()
        font = self.question.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.2)
        self.question.setFont(font)
        self.question.setWordWrap(True)
        self.where = style.hint()
        self.sure = style.hint()
        layout.addWidget(self.color, 0, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.question, 0, 1)
        layout.addWidget(self.where, 1, 1)
        layout.addWidget(self.sure, 2, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_item(
        self,
        item: "vp.sessions.ReviewItem",
        labelled: tuple[str, ...],
        span: tuple[float, float] | None,
        color: str,
    ) -> None:
        """A question, perhaps with other borders."""
        self.color.setPixmap(swatch(color, 18))
        self.question.setText(words.question(item, labelled))
        start, stop = span or (item.start_s, item.stop_s)
        subject = f"  \N{MIDDLE DOT}  {item.subject}" if item.subject else ""
        self.where.setText(f"{item.recording}{subject}\n{words.span(start, stop)}")
        changed = "  \N{MIDDLE DOT}  borders changed: Accept keeps them" if span else ""
        help_text = {"predicted": "", "extra": "\nAccept: the prediction is right. Reject: the label is right."}
        tail = help_text.get(item.kind, "\nAccept: it does not happen here. Reject: the label is right.")
        self.sure.setText(f"Confidence {words.score(item.score)}{changed}{tail}")

    def show_done(self, *, pending: bool) -> None:
        """Nothing is left, or nothing is known yet."""
        self.color.clear()
        self.question.setText("One moment" if pending else "All done")
        self.where.setText("" if pending else "Nothing is left to review in this choice.")
        self.sure.setText("")

    def ask(self, keys: Sequence[tuple[str, str]]) -> None:
        """Which behavior is it?"""
        self.question.setText("Which behavior is it?")
        self.where.setText("   ".join(f"{key}: {name}" for key, name in keys))
        self.sure.setText("Esc: none, go on")
