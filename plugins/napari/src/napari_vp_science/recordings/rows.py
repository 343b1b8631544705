"""The list of recordings as Qt sees it: rows, filter and order."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QSortFilterProxyModel, Qt, QTimer

import vp_science as vp
from napari_vp_science.recordings.survey import Survey
from napari_vp_science.recordings.words import clock, track_words

if TYPE_CHECKING:
    from qtpy.QtCore import QObject

STATE = Qt.ItemDataRole.UserRole
"""Role of the ``RecordingState``."""

UNLIKE = Qt.ItemDataRole.UserRole + 1
"""Role of the settings in which the track differs from most others: a list of texts."""

_SORT_MS = 500

ORDERS = {"added": "As added", "name": "By name", "length": "By length", "scored": "By scored time"}
"""Orders of the list, in words."""


class RecordingModel(QAbstractListModel):
    """A row per recording of the session, in the order of the session."""

    def __init__(self, survey: Survey, parent: "QObject | None" = None) -> None:
        super().__init__(parent)
        self._survey = survey
        self._order = "added"
        self._ids: list[str] = survey.ids
        self._place = {name: row for row, name in enumerate(self._ids)}
        self._sort_soon = QTimer(self)
        self._sort_soon.setSingleShot(True)
        self._sort_soon.setInterval(_SORT_MS)
        self._sort_soon.timeout.connect(self._sort)
        survey.renewed.connect(self._renewed)
        survey.changed.connect(self._changed)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Recordings of the session."""
        return 0 if parent is not None and parent.isValid() else len(self._ids)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Id, state and explanation of one recording."""
        if not index.isValid() or index.row() >= len(self._ids):
            return None
        name = self._ids[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return name
        if role == STATE:
            return self._survey.row(name)
        if role == UNLIKE:
            return self._survey.unlike(name)
        if role == Qt.ItemDataRole.ToolTipRole:
            return explanation(self._survey.row(name), self._survey.unlike(name))
        return None

    def state(self, row: int) -> "vp.sessions.RecordingState":
        """What is known of the recording in a row."""
        return self._survey.row(self._ids[row])

    def row_of(self, recording_id: str) -> int:
        """The row of a recording, -1 when it is not on the list."""
        return self._place.get(recording_id, -1)

    def set_order(self, order: str) -> None:
        """Sort by this (a key of ``ORDERS``)."""
        self._order = order
        self._sort()

    def _sort(self) -> None:
        """Sorted here and not by Qt, which would ask Python for every comparison."""
        wanted = self._sorted()
        if wanted == self._ids:
            return
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        names = [self._ids[index.row()] for index in before]
        self._ids = wanted
        self._place = {name: row for row, name in enumerate(self._ids)}
        self.changePersistentIndexList(before, [self.index(self._place[name]) for name in names])
        self.layoutChanged.emit()

    def _sorted(self) -> list[str]:
        rows = self._survey.rows()
        if self._order == "name":
            rows.sort(key=lambda one: vp.sessions.natural_key(one.id.lower()))
        elif self._order == "length":
            rows.sort(key=lambda one: (one.disk.look.duration_s or 0.0) if one.disk is not None else 0.0)
        elif self._order == "scored":
            rows.sort(key=lambda one: one.labels.scored_s)
        return [one.id for one in rows]

    def _renewed(self) -> None:
        self.beginResetModel()
        self._ids = self._sorted()
        self._place = {name: row for row, name in enumerate(self._ids)}
        self.endResetModel()

    def _changed(self, names: list[str]) -> None:
        rows = sorted(self._place[name] for name in set(names) if name in self._place)
        for first, last in _runs(rows):
            self.dataChanged.emit(self.index(first), self.index(last))
        if self._order in ("length", "scored"):
            self._sort_soon.start()


def _runs(rows: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and runs[-1][1] == row - 1:
            runs[-1] = (runs[-1][0], row)
        else:
            runs.append((row, row))
    return runs


class RecordingFilter(QSortFilterProxyModel):
    """Which recordings are shown."""

    def __init__(self, model: RecordingModel, parent: "QObject | None" = None) -> None:
        super().__init__(parent)
        self._text = ""
        self._chosen = "all"
        self._rows = model
        self.setSourceModel(model)

    def set_text(self, text: str) -> None:
        """Show recordings whose name holds all these words."""
        self._text = text.strip().lower()
        self.invalidate()

    def set_filter(self, chosen: str) -> None:
        """Show recordings in this state (a key of ``vp.sessions.RECORDING_FILTERS``)."""
        self._chosen = chosen
        self.invalidate()

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        """Whether a row is shown."""
        one = self._rows.state(row)
        name = one.id.lower()
        return one.passes(self._chosen) and all(word in name for word in self._text.split())


def explanation(one: "vp.sessions.RecordingState", unlike: list[str]) -> str:
    """All that is known of a recording, as lines."""
    lines = [str(one.recording.path or one.recording.name)]
    if one.disk is not None:
        look = one.disk.look
        if look.duration_s is not None and not look.error:
            rate = f", {look.mean_fps:.4g} frames/s" if look.mean_fps else ""
            lines.append(f"{clock(look.duration_s)}{rate}, {look.width} x {look.height} pixels")
        lines += [track_words(track) for track in one.disk.tracks]
        lines += [f"{work.id}: {100 * work.share:.0f} % embedded" for work in one.disk.unfinished]
    if one.labels.labelled:
        lines.append(f"{clock(one.labels.scored_s)} scored, {one.labels.num_bouts} bouts")
    if unlike:
        lines.append(f"Its track was made with other settings than most: {'; '.join(unlike)}")
    return "\n".join([*lines, *one.problems])
