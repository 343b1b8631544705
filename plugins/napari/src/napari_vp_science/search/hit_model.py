"""The hits of a search as a list that views draw, with what is known of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt
from qtpy.QtGui import QColor

import vp_science as vp
from napari_vp_science.map.card import time_text
from napari_vp_science.state import PanelState

_NOWHERE = QModelIndex()


@dataclass(frozen=True)
class Shown:
    """A hit with what is drawn on it.

    Attributes:
        hit: of the search.
        answer: yes, no, or None for not answered yet.
        label: the behavior that it is labelled with already, "" for none.
        color: of that behavior.
    """

    hit: "vp.sessions.Hit"
    answer: bool | None
    label: str = ""
    color: QColor | None = None


class HitModel(QAbstractListModel):
    """A part of the hits: the best, those to answer next, those with yes, those with no."""

    def __init__(self, state: PanelState, parent: Any = None) -> None:
        super().__init__(parent)
        self._state = state
        self._search = vp.sessions.SearchRound()
        self._hits: list[vp.sessions.Hit] = []
        self._labels: dict[tuple[str, float], tuple[str, QColor | None]] = {}

    def show(self, search: "vp.sessions.SearchRound", hits: Sequence["vp.sessions.Hit"]) -> None:
        """Show other hits."""
        self.beginResetModel()
        self._search, self._hits = search, list(hits)
        self._labels.clear()
        self.endResetModel()

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """How many there are."""
        return 0 if parent.isValid() else len(self._hits)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts for screen readers and tips; views take ``shown``."""
        if not index.isValid() or index.row() >= len(self._hits):
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return self.words(self.shown(index.row()))
        return self.words(self.shown(index.row())) if role == Qt.ItemDataRole.ToolTipRole else None

    def hit(self, row: int) -> "vp.sessions.Hit | None":
        """The hit in a row."""
        return self._hits[row] if 0 <= row < len(self._hits) else None

    def shown(self, row: int) -> Shown:
        """A hit with what is drawn on it."""
        hit = self._hits[row]
        return Shown(hit, self._search.answer_of(hit), *self._label(hit))

    def words(self, shown: Shown) -> str:
        """All that is known of a hit."""
        hit = shown.hit
        who = f" \N{MIDDLE DOT} {hit.subject}" + (f" to {hit.target}" if hit.target else "") if hit.subject else ""
        lines = [
            f"{hit.recording}{who}",
            f"{time_text(hit.start_s)} to {time_text(hit.stop_s)}",
            f"{self.score_name} {hit.score:.2f}, {hit.why}",
        ]
        if shown.label:
            lines.append(f"labelled {shown.label}")
        if shown.answer is not None:
            lines.append("you said yes" if shown.answer else "you said no")
        return "\n".join(lines)

    @property
    def score_name(self) -> str:
        """What the scores are."""
        return "probability" if self._search.method == "logistic" else "similarity"

    def answered(self) -> None:
        """Answers have changed."""
        self._tell()

    def labels_changed(self) -> None:
        """Labels have changed."""
        self._labels.clear()
        self._tell()

    def _tell(self) -> None:
        if self._hits:
            self.dataChanged.emit(self.index(0), self.index(len(self._hits) - 1))

    def _label(self, hit: "vp.sessions.Hit") -> tuple[str, QColor | None]:
        if hit.key not in self._labels:
            book = self._state.labels
            name = "" if book is None else vp.sessions.labelled_as(book, hit)
            color = QColor(vp.plots.behavior_looks(book.behaviors)[name].color) if name and book is not None else None
            self._labels[hit.key] = (name, color)
        return self._labels[hit.key]
