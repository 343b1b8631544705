"""The workbench: all pages and the timeline around one state, docked into napari's window."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QApplication, QDockWidget, QMainWindow, QTabWidget, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.diagnosis import qt_problem
from napari_vp_science.labels.page import LabelPage
from napari_vp_science.map.page import MapPage
from napari_vp_science.montage import MontageView
from napari_vp_science.recordings.embed_page import EmbedPage
from napari_vp_science.recordings.page import RecordingsPage
from napari_vp_science.review.page import ReviewPage
from napari_vp_science.search.page import FindPage
from napari_vp_science.state import PanelState
from napari_vp_science.status import StatusLine
from napari_vp_science.thumbnails import ThumbnailService
from napari_vp_science.timeline.view import TimelineView
from napari_vp_science.training.page import TrainPage
from napari_vp_science.video.notice import NoticeBar
from napari_vp_science.video.stage import Stage
from napari_vp_science.video.transport import TransportBar

if TYPE_CHECKING:
    import napari.viewer

_WIDTH = 420
_BOTTOM_SHARE = 0.3
_DOCK = "Ethogram"
_TABS = "QTabBar::tab { padding: 4px 3px; height: 16px; }"
"""All eight names fit side by side at the least width."""


class Workbench(QWidget):
    """Recordings, embedding, labels, probe, review, map and search beside the video; the ethogram below it.

    It owns the state of its viewer. Closing its dock, or the window, stops all work at a point from which it can go on
    and closes the session; labels are on disk all the time.

    Args:
        napari_viewer: given by napari.
    """

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.state = PanelState(napari_viewer)
        self.state.shower = self.show_recording
        self.state.session_opener = self.open_session
        self.state.recordings_opener = self.open_recordings
        self.background = Background(self)
        self.stage = Stage(self.state)
        self.thumbnails = ThumbnailService(self.state)
        self.timeline = TimelineView(self.state)
        self.transport = TransportBar(self.state)
        self.notice = NoticeBar(self.state, self.stage)
        self._build_pages()
        self._build_bottom()
        self._closed = False
        self._labelled_before = False
        self._window: QMainWindow | None = None
        self._adopting: list[tuple[Path, Any]] = []
        self.pages.currentChanged.connect(lambda _: self._leave_fields())
        self._connect_pages()
        self._connect_keys()
        self.stage.failed.connect(lambda recording, text: self.state.message.emit(f"{recording}: {text}"))
        napari_viewer.layers.events.inserted.connect(self._layer_inserted)
        QApplication.instance().aboutToQuit.connect(self.close_view)
        QTimer.singleShot(0, self._settle)

    def _build_pages(self) -> None:
        state = self.state
        self.recordings = RecordingsPage(state, self.thumbnails)
        self.embed = EmbedPage(state)
        self.labels = LabelPage(state, self.timeline)
        self.train = TrainPage(state)
        self.review = ReviewPage(state)
        self.map = MapPage(state, self.thumbnails)
        self.find = FindPage(state, self.thumbnails)
        self.montage = MontageView(state)
        self.pages = QTabWidget()
        self.pages.setDocumentMode(True)
        self.pages.tabBar().setStyleSheet(_TABS)
        for one in (
            self.recordings,
            self.embed,
            self.labels,
            self.train,
            self.review,
            self.map,
            self.find,
            self.montage,
        ):
            self.pages.addTab(one, one.title)
        self.status = StatusLine(state)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.pages, 1)
        layout.addWidget(self.status)
        self.setMinimumWidth(_WIDTH)

    def _connect_pages(self) -> None:
        """What pages tell each other."""
        self.recordings.selection_changed.connect(self.embed.set_selected)
        self.review.moment_shown.connect(self.timeline.zoom_to)
        self.montage.answered.connect(self.find.answer_moment)
        self.review.keys_active.connect(self._rest_label_keys)
        self.review.marked.connect(lambda span: self.timeline.set_range(*(span or (None, None))))

    def _connect_keys(self) -> None:
        """Keys of the table that other pages than the Label page carry out."""
        labeller = self.labels.labeller
        labeller.claim = self._label_chosen
        labeller.others["next_recording"] = lambda: self.recordings.next_recording(1)
        labeller.others["previous_recording"] = lambda: self.recordings.next_recording(-1)
        self.labels.labelling_changed.connect(self._labelling_changed)

    def _label_chosen(self, behavior: str) -> bool:
        """On the Map and Montage pages the key of a behavior labels what is chosen there."""
        if self.pages.currentWidget() is self.map:
            return self.map.label_selection(behavior)
        if self.pages.currentWidget() is self.montage:
            return self.montage.label_kept(behavior)
        return False

    def _labelling_changed(self, on: bool) -> None:
        if on:
            self._leave_fields()
        self.state.message.emit("Keys label now: ? shows them all" if on else "Keys no longer label")

    def _rest_label_keys(self, rest: bool) -> None:
        """Keys that label rest while the review takes single keys, and come back afterwards."""
        if rest:
            self._labelled_before = self.labels.switch.isChecked()
            self.labels.set_labelling(False)
        elif self._labelled_before:
            self._labelled_before = False
            self.labels.set_labelling(True)

    def _leave_fields(self) -> None:
        """Keys belong to the video again, not to a field that was clicked before."""
        focused = QApplication.focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            focused.clearFocus()

    def _build_bottom(self) -> None:
        self.bottom = QWidget()
        layout = QVBoxLayout(self.bottom)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.transport)
        layout.addWidget(self.notice)
        layout.addWidget(self.timeline, 1)

    def _settle(self) -> None:
        """Once napari has docked this: the ethogram below, the recordings that are open already."""
        if self._closed:
            return
        self.viewer.window.add_dock_widget(self.bottom, name=_DOCK, area="bottom", add_vertical_stretch=False)
        window = self.window()
        if isinstance(window, QMainWindow):
            docks = [dock for dock in window.findChildren(QDockWidget) if dock.isAncestorOf(self.bottom)]
            window.resizeDocks(docks, [int(window.height() * _BOTTOM_SHARE)] * len(docks), Qt.Orientation.Vertical)
            window.installEventFilter(self)
            self._window = window
        if (problem := qt_problem()) is not None:
            self.state.message.emit(problem)
        for layer in list(self.viewer.layers):
            self._adopt(layer)

    # ---- recordings

    def open_recordings(self, paths: list[Path]) -> None:
        """Add recordings to the session (made beside the first one if there is none) and show the first."""
        if self.state.session is not None:
            self.state.add_recordings(paths)
            return
        folder = vp.sessions.session_folder(paths[0])
        self.open_session(folder, lambda: self.state.add_recordings(paths))

    def open_session(self, folder: Path, then: Callable[[], Any] = lambda: None) -> None:
        """Open a session folder in the background, then do something."""
        if self.state.session is not None and self.state.session.folder == Path(folder).resolve():
            then()
            return

        def opened(session: Any) -> None:
            self.state.use_session(session)
            then()

        self.background.run(lambda: vp.sessions.open_session(folder), opened, self.state.message.emit)

    def show_recording(self, recording_id: str, time_s: float | None = None) -> None:
        """Show a recording of the session, at a time if one is given."""
        session = self.state.session
        if session is None or recording_id not in session:
            return
        path = session.recording(recording_id).path
        if path is None or not path.exists():  # moved before the session was opened, or since
            self.state.message.emit(f"{recording_id} is not where it was: use Locate on the Recordings page")
        elif time_s is None:
            self.stage.show(recording_id, path)
        else:
            self.stage.show_moment(recording_id, path, time_s)

    def _layer_inserted(self, event: Any) -> None:
        self._adopt(event.value)

    def _adopt(self, layer: Any) -> None:
        """A layer that our reader made becomes a recording; those that come together are added together."""
        path = self.stage.adopt(layer) if self.stage.can_adopt(layer) else None
        if path is None:
            return
        if not self._adopting:
            QTimer.singleShot(0, self._open_adopted)
        self._adopting.append((path, layer))

    def _open_adopted(self) -> None:
        """One recording is shown at a time: the others are in the list, not among the layers."""
        adopted, self._adopting = self._adopting, []
        if not adopted or self._closed:
            return
        for _, layer in adopted:
            if layer != self.stage.layer and layer in self.viewer.layers:  # either may be napari's proxy of it
                self.viewer.layers.remove(layer)
        self.recordings.add([path for path, _ in adopted])

    # ---- the end

    def event(self, event: QEvent) -> bool:
        """Taken out of its dock: the end."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None and self.window() is self:
            QTimer.singleShot(0, self._closed_if_alone)
        return super().event(event)

    def _closed_if_alone(self) -> None:
        if self.parent() is None:
            self.close_view()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The window closes: unless somebody keeps it open, this is the end."""
        if event.type() == QEvent.Type.Close and not self._closed:
            window = watched
            QTimer.singleShot(0, lambda: self.close_view() if not window.isVisible() else None)
        return False

    def close_view(self) -> None:
        """Stop all work where it can go on later, save and close the session. Safe to call again."""
        if self._closed:
            return
        self._closed = True
        if self._window is not None:
            self._window.removeEventFilter(self)
            self._window = None
        self.viewer.layers.events.inserted.disconnect(self._layer_inserted)
        self.background.close()
        views = (
            self.labels, self.timeline, self.transport, self.notice, self.recordings, self.embed, self.train,
            self.review, self.map, self.find, self.montage, self.thumbnails, self.stage, self.status,
        )  # fmt: skip
        for view in views:
            view.close_view()
        try:
            self.state.close_session()
        except vp.VPScienceError as error:
            from napari.utils import notifications

            notifications.show_error(str(error))  # the panel is gone, and this names where labels were rescued to
        with suppress(AttributeError, LookupError, RuntimeError):  # the window may be gone already
            self.viewer.window.remove_dock_widget(self.bottom)
