"""The page of recordings: which belong to the session, what has been done with each, and where the session is kept."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, QTimer, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.recordings.delegate import RecordingDelegate
from napari_vp_science.recordings.list_view import RecordingList
from napari_vp_science.recordings.rows import ORDERS, RecordingFilter, RecordingModel
from napari_vp_science.recordings.survey import Survey
from napari_vp_science.recordings.words import counted
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, MARGIN, button, theme_colors

if TYPE_CHECKING:
    from napari_vp_science.thumbnails import ThumbnailService

_AT_ONCE = 40
_EMPTY = "Drop videos or folders here,\nor press Add files."
_NOTHING = "No recording fits the filter."
_SESSION_NAMES = ("session.json", "vp_science_session")


class RecordingsPage(QWidget):
    """Recordings of the session with pictures and states.

    Attributes:
        survey: what is known of every recording; other views may use it.
        selection_changed: other recordings are selected; a list of ids.
    """

    title = "Recordings"
    selection_changed = Signal(object)

    def __init__(self, state: PanelState, thumbnails: "ThumbnailService | None" = None) -> None:
        super().__init__()
        self._state, self._thumbnails = state, thumbnails
        self._background = Background(self)
        self._closed = False
        self._waiting: list[Path] = []
        self._adder = QTimer(self)
        self._adder.setInterval(0)
        self._adder.timeout.connect(self._add_some)
        self.survey = Survey(state, self)
        self.model = RecordingModel(self.survey, self)
        self.rows = RecordingFilter(self.model, self)
        self._build()
        self._connect()
        self._session_changed()

    # ---- widgets

    def _build(self) -> None:
        self.list = RecordingList()
        self.delegate = RecordingDelegate(self._thumbnails, theme_colors(self._state.viewer), self.list)
        self.list.setItemDelegate(self.delegate)
        self.list.setModel(self.rows)
        self.count = QLabel()
        self.count.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        layout.setSpacing(GAP)
        layout.addLayout(self._top_row())
        layout.addLayout(self._filter_row())
        layout.addWidget(self.list, 1)
        layout.addLayout(self._list_row())
        layout.addLayout(self._session_row())

    def _top_row(self) -> QHBoxLayout:
        self.add_files_button = button("Add files...", "Add videos, HDF5 or NWB recordings to the session", main=True)
        self.add_folder_button = button("Add folder...", "Add all recordings in a folder and the folders in it")
        row = QHBoxLayout()
        row.addWidget(self.add_files_button, 1)
        row.addWidget(self.add_folder_button, 1)
        return row

    def _filter_row(self) -> QHBoxLayout:
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find by name")
        self.search.setClearButtonEnabled(True)
        self.filter = QComboBox()
        for key, words in vp.sessions.RECORDING_FILTERS.items():
            self.filter.addItem(words, key)
        self.order = QComboBox()
        for key, words in ORDERS.items():
            self.order.addItem(words, key)
        for box, tip in ((self.filter, "Show only these recordings"), (self.order, "Order of the list")):
            box.setToolTip(tip)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout()
        row.addWidget(self.search, 4)
        row.addWidget(self.filter, 4)
        row.addWidget(self.order, 4)
        return row

    def _list_row(self) -> QHBoxLayout:
        self.locate_button = button("Locate...", "Say where the file of the selected recording is now")
        self.remove_button = button("Remove", "Take the selected recordings off the list; no file is deleted")
        row = QHBoxLayout()
        row.addWidget(self.count, 1)
        row.addWidget(self.locate_button)
        row.addWidget(self.remove_button)
        return row

    def _session_row(self) -> QHBoxLayout:
        self.place = QLabel()
        self.place.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.open_button = button("Open session...", "Open another session, or choose a folder for a new one")
        row = QHBoxLayout()
        row.addWidget(self.place, 1)
        row.addWidget(self.open_button)
        return row

    def _connect(self) -> None:
        state = self._state
        state.session_changed.connect(self._session_changed)
        state.recording_changed.connect(self._recording_changed)
        state.viewer.events.theme.connect(self._theme_changed)
        self.survey.renewed.connect(self._tell_count)
        self.survey.changed.connect(self._changed)
        self.add_files_button.clicked.connect(lambda: self.ask_for_files())
        self.add_folder_button.clicked.connect(lambda: self.ask_for_folder())
        self.open_button.clicked.connect(lambda: self.ask_for_session())
        self.remove_button.clicked.connect(lambda: self.ask_to_remove())
        self.locate_button.clicked.connect(lambda: self.ask_where())
        self.search.textChanged.connect(self._filtered)
        self.search.returnPressed.connect(self.search.clearFocus)
        self.filter.currentIndexChanged.connect(self._filtered)
        self.order.currentIndexChanged.connect(lambda *_: self.model.set_order(self.order.currentData()))
        self.list.chosen.connect(self.show_recording)
        self.list.dropped.connect(self.add)
        self.list.selectionModel().selectionChanged.connect(lambda *_: self._selected())
        if self._thumbnails is not None:
            self._thumbnails.ready.connect(self._picture_ready)

    # ---- what happens

    def _session_changed(self) -> None:
        session = self._state.session
        if session is None:
            self.place.setText("No session yet")
            self.place.setToolTip("")
        else:
            root = session.folder
            self.place.setText(f"Session: {root.parent.name}/{root.name}")
            self.place.setToolTip(
                f"Labels, tracks and predictions are kept in\n{root}\nRecordings stay where they are."
            )
        self.delegate.current = self._state.current
        self._tell_count()
        self._selected()

    def _recording_changed(self, recording_id: str) -> None:
        self.delegate.current = recording_id
        index = self.rows.mapFromSource(self.model.index(max(0, self.model.row_of(recording_id))))
        if self.model.row_of(recording_id) >= 0 and index.isValid():
            if recording_id not in self.selected():
                self.list.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self.list.scrollTo(index)
        self.list.viewport().update()

    def _theme_changed(self, *_: Any) -> None:
        self.delegate.colors = theme_colors(self._state.viewer)
        self.list.viewport().update()

    def _picture_ready(self, *_: Any) -> None:
        self.list.viewport().update()

    def _filtered(self, *_: Any) -> None:
        self.rows.set_text(self.search.text())
        self.rows.set_filter(self.filter.currentData())
        self._tell_count()

    def _changed(self, *_: Any) -> None:
        self._tell_count()
        self._selected()

    def _tell_count(self) -> None:
        shown, whole = self.rows.rowCount(), self.model.rowCount()
        self.list.empty_text = _EMPTY if not whole else _NOTHING
        embedded = sum(one.embedded for one in self.survey.rows())
        words = counted(whole, "recording") if shown == whole else f"{shown:,} of {counted(whole, 'recording')}"
        self.count.setText(f"{words}, {embedded:,} embedded" if whole else "")
        self.list.viewport().update()

    def _selected(self) -> None:
        chosen = self.selected()
        self.remove_button.setEnabled(bool(chosen))
        self.locate_button.setEnabled(len(chosen) == 1)
        self.locate_button.setVisible(any(one.missing for one in self.survey.rows()))
        self.selection_changed.emit(chosen)

    # ---- for others

    def selected(self) -> list[str]:
        """Ids of the selected recordings, from top to bottom."""
        indexes = sorted(self.list.selectionModel().selectedIndexes(), key=lambda index: index.row())
        return [index.data() for index in indexes]

    def shown_ids(self) -> list[str]:
        """Ids of the recordings that pass the filter, from top to bottom."""
        return [self.rows.index(row, 0).data() for row in range(self.rows.rowCount())]

    def show_recording(self, recording_id: str) -> None:
        """Show a recording; one whose file is missing is located first."""
        if self.survey.row(recording_id).missing:
            self.ask_where(recording_id)
        else:
            self._state.show(recording_id)

    def next_recording(self, step: int = 1) -> None:
        """Show the next (-1: the previous) recording of those that pass the filter."""
        ids = [name for name in self.shown_ids() if not self.survey.row(name).missing]
        if not ids:
            return
        current = self._state.current
        place = ids.index(current) + step if current in ids else (0 if step > 0 else len(ids) - 1)
        if 0 <= place < len(ids):
            self._state.show(ids[place])
        else:
            self._state.message.emit("This is the last recording." if step > 0 else "This is the first recording.")

    # ---- adding

    def ask_for_files(self) -> None:
        """Choose files and add them."""
        paths, _ = QFileDialog.getOpenFileNames(self, "Add recordings", self._start_folder())
        self.add([Path(path) for path in paths])

    def ask_for_folder(self) -> None:
        """Choose a folder and add all recordings in it."""
        if path := QFileDialog.getExistingDirectory(self, "Add all recordings in a folder", self._start_folder()):
            self.add([Path(path)])

    def add(self, paths: Sequence[Path]) -> None:
        """Add recordings, and those in folders; the first one is shown."""
        given = list(paths)
        if not given:
            return
        self._state.message.emit("Looking for recordings...")
        self._background.run(lambda: vp.sessions.find_recordings(given), self._found, self._state.message.emit)

    def _found(self, paths: list[Path]) -> None:
        self._state.message.emit(f"Adding {counted(len(paths), 'recording')}")
        if self._state.session is not None:
            self._add(paths)
            return
        self._open(vp.sessions.session_folder(paths[0]), lambda: self._add(paths))

    def _add(self, paths: list[Path]) -> None:
        """The first ones now, so that one is shown; thousands more a few at a time, so that the window stays alive."""
        self._state.add_recordings(paths[:_AT_ONCE])
        self._waiting += paths[_AT_ONCE:]
        if self._waiting:
            self._adder.start()

    def _add_some(self) -> None:
        session = self._state.session
        some, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        if session is None:
            some, self._waiting = [], []
        for path in some:
            session.add(path)
        if not self._waiting:
            self._adder.stop()
            self._save()

    def _save(self) -> None:
        """Keep the list, and tell everybody that it changed."""
        if self._state.session is None:
            return
        try:
            self._state.session.save()
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))
        self._state.session_changed.emit()

    # ---- removing and locating

    def ask_to_remove(self) -> None:
        """Take the selected recordings off the list after a question that says what stays."""
        chosen = self.selected()
        if not chosen:
            return
        what = f'"{chosen[0]}"' if len(chosen) == 1 else counted(len(chosen), "recording")
        answer = QMessageBox.question(
            self,
            "Remove from the list",
            f"Take {what} off the list?\n\nThe files, their tracks and labels stay. Add the files again to go on.",
        )
        if answer == QMessageBox.StandardButton.Yes:
            self.remove(chosen)

    def remove(self, recording_ids: Sequence[str]) -> None:
        """Take recordings off the list; files, tracks and labels stay."""
        session = self._state.session
        if session is not None:
            for name in recording_ids:
                session.remove(name)
            self._save()

    def ask_where(self, recording_id: str | None = None) -> None:
        """Choose the file of a recording that is not where it was."""
        name = recording_id or next(iter(self.selected()), "")
        if not name:
            return
        known = self.survey.row(name).recording.name
        path, _ = QFileDialog.getOpenFileName(self, f"Where is {known} now?", self._start_folder())
        if path:
            self.locate(name, Path(path))

    def locate(self, recording_id: str, path: Path) -> None:
        """Say where a recording is now; others that are missing are looked for beside it."""
        session = self._state.session
        if session is None:
            return
        try:
            session.locate(recording_id, path)
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))
            return
        found = 1
        for one in session.recordings:
            beside = path.parent / one.name
            if one.path is None and beside.exists():
                session.locate(one.id, beside)
                found += 1
        self._state.message.emit(f"Found {counted(found, 'recording')} in {path.parent}")
        self._save()
        self._state.show(recording_id)

    # ---- sessions

    def ask_for_session(self) -> None:
        """Choose the folder of another session, or of a new one."""
        path = QFileDialog.getExistingDirectory(
            self, "Open a session, or choose a folder for one", self._start_folder()
        )
        if path:
            self._open(session_in(Path(path)), lambda: None)

    def _open(self, folder: Path, then: Callable[[], None]) -> None:
        def opened(session: Any) -> None:
            if self._closed:
                session.close()
                return
            self._state.use_session(session)
            then()

        def failed(why: str) -> None:
            self._state.message.emit(why)
            self._ask_for_another(why, then)

        self._background.run(lambda: vp.sessions.open_session(folder), opened, failed)

    def _ask_for_another(self, why: str, then: Callable[[], None]) -> None:
        """The folder cannot be used: say so, and let people choose where the session is kept."""
        QMessageBox.warning(self, "This session cannot be opened", f"{why}\n\nChoose where to keep the session.")
        path = QFileDialog.getExistingDirectory(self, "Choose a folder for the session", str(Path.home()))
        if path:
            self._open(session_in(Path(path)), then)

    def _start_folder(self) -> str:
        session = self._state.session
        if session is None:
            return ""
        paths = [one.path for one in session.recordings if one.path is not None]
        return str(paths[-1].parent if paths else session.root)

    def close_view(self) -> None:
        """Stop threads and timers."""
        self._closed = True
        self._adder.stop()
        self._background.close()
        state = self._state
        state.session_changed.disconnect(self._session_changed)
        state.recording_changed.disconnect(self._recording_changed)
        state.viewer.events.theme.disconnect(self._theme_changed)
        self.survey.close_view()


def session_in(folder: Path) -> Path:
    """The session that somebody means who chooses a folder: itself, the one in it, or a new one in it."""
    if (folder / _SESSION_NAMES[0]).is_file() or (folder.is_dir() and not any(folder.iterdir())):
        return folder
    return folder / _SESSION_NAMES[1]
