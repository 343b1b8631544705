"""The map beside the video: which moments are alike, which one is on screen, and choosing many at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPoint, Qt, Signal
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.map.card import PICTURE_HEIGHT, PointCard, time_text
from napari_vp_science.map.coloring import NAMED, Classes, Coloring, coloring, relabelled
from napari_vp_science.map.legend import LegendView
from napari_vp_science.map.making import ChoicesForm, MapChoices, MapMaker, remembered
from napari_vp_science.map.scatter import Note, PointColors, ScatterView
from napari_vp_science.map.selection import SelectionBar
from napari_vp_science.map.shelf import MapShelf, Shelved
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, button, hint, mixed, page, theme_colors

if TYPE_CHECKING:
    from napari_vp_science.thumbnails import ThumbnailService

_EMPTY = (
    "A map puts moments that look alike near each other.\n\nEmbed recordings, then press Make map. Click a point to "
    "see its moment; draw around points to choose them."
)
_TRAIL_S = 2.0
_METHODS = {"umap": "UMAP", "tsne": "t-SNE", "pacmap": "PaCMAP", "pca": "principal components"}


class MapPage(QWidget):
    """The map of the session, or of the recording that is shown."""

    title = "Map"
    map_changed = Signal()
    """Another map is shown, or none."""

    def __init__(
        self, state: PanelState, thumbnails: "ThumbnailService | None" = None, maker: MapMaker | None = None
    ) -> None:
        super().__init__()
        self._state, self._thumbnails = state, thumbnails
        self.points: vp.sessions.MapPoints | None = None
        self._coloring: Coloring | None = None
        self._chosen: np.ndarray | None = None
        self._telling = False
        self._unpainted = False
        self._over = -1
        self._link: Any = None
        self._marked: int | None = None
        self.background = Background(self)
        self.shelf = MapShelf(state, self.background)
        self.maker = MapMaker() if maker is None else maker
        self._build()
        self._connect()
        self._theme_changed()
        self._session_changed()

    # ---- building

    def _build(self) -> None:
        self.make = button("Make map", "Lay out all windows of the embedded recordings.", main=True)
        self.settings = QToolButton()
        self.settings.setText("Settings")
        self.settings.setCheckable(True)
        self.settings.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.settings.setToolTip("How the map is made.")
        self.scope = _combo({"all": "All recordings", "this": "This recording"}, "Which recordings are on the map.")
        self.by = _combo(NAMED, "What the colors show.")
        self.behavior = _combo({}, "Whose score is shown.")
        self.behavior.hide()
        self.form = ChoicesForm()
        self.form.hide()
        self.scatter = ScatterView()
        self.scatter.empty_text = _EMPTY
        self.scatter.setMinimumHeight(300)
        colors = theme_colors(self._state.viewer)
        self.legend = LegendView(colors.faint)
        self.selection = SelectionBar(self._state)
        self.status = hint()
        self.add = button("Add them", "Place the new recordings in this map; what is there stays where it is.")
        self.add.hide()
        self.card = PointCard(self)
        area, layout = page()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        layout.addLayout(_row(self.make, self.settings, self.scope))
        layout.addWidget(self.form)
        layout.addWidget(self.maker)
        layout.addLayout(_row(QLabel("Color by"), self.by, self.behavior))
        layout.addWidget(self.scatter, 1)
        layout.addWidget(self.legend)
        layout.addWidget(self.selection)
        layout.addLayout(_row(self.status, self.add, first_grows=True))

    def _connect(self) -> None:
        state = self._state
        self._heard = (
            (state.session_changed, self._session_changed),
            (state.recording_changed, self._recording_changed),
            (state.labels_changed, self._labels_changed),
            (state.tracks_changed, self._tracks_changed),
            (state.predictions_changed, self._predictions_changed),
            (state.moments_changed, self._moments_changed),
            (state.subject_changed, self._mark),
            (state.viewer.events.theme, self._theme_changed),
        )
        for signal, listener in self._heard:
            signal.connect(listener)
        self.make.clicked.connect(lambda: self.make_map())
        self.add.clicked.connect(lambda: self.make_map(add=True))
        self.settings.toggled.connect(self.form.setVisible)
        self.scope.currentIndexChanged.connect(self._scope_changed)
        self.by.currentIndexChanged.connect(self._by_changed)
        self.behavior.currentIndexChanged.connect(self._recolor)
        self.scatter.picked.connect(self._picked)
        self.scatter.lassoed.connect(self._lassoed)
        self.scatter.hovered.connect(self._hovered)
        self.scatter.asked.connect(self._menu_of_point)
        self.legend.hidden_changed.connect(self._hidden_changed)
        self.legend.asked.connect(self._menu_of_class)
        self.selection.label_asked.connect(self.label_selection)
        self.selection.invert_asked.connect(self.invert_selection)
        self.selection.clear_asked.connect(self.clear_selection)
        self.maker.preview.connect(lambda path: self.shelf.load(Path(path)))
        self.maker.made.connect(lambda result: self.shelf.look())
        self.maker.stopped.connect(self._stopped)
        self.maker.failed.connect(self._failed)
        self.shelf.found.connect(self._show_map)
        self.shelf.compared.connect(self._show_status)
        self.shelf.failed.connect(self._failed)
        if self._thumbnails is not None:
            self._thumbnails.ready.connect(self._picture_ready)

    # ---- the map

    def make_map(self, *, add: bool = False) -> None:
        """Make the map anew, or add the recordings that are not in it yet."""
        session = self._state.session
        if session is None or self.maker.busy:
            return
        choices = self.form.choices()
        self._remember(choice=remembered(choices))
        self.form.hide()
        self.settings.setChecked(False)
        self.make.setEnabled(False)
        self.add.setEnabled(False)
        new = self.shelf.status.new if add and self.shelf.status is not None else None

        def start(tracks: dict[str, Path]) -> None:
            wanted = [path for name, path in tracks.items() if new is None or name in new]
            if not wanted:
                self._failed("No recording is embedded yet: embed one on the Embed page, then make the map.")
                return
            self.maker.start(wanted, self.shelf.path, self.shelf.preview, choices, add=add)

        recording = self.shelf.recording
        self.background.run(lambda: vp.sessions.session_tracks(session, recording), start, self._failed)

    def _show_map(self, shelved: Shelved | None) -> None:
        """Another map from the disk, or none."""
        self.points = None if shelved is None else shelved.points
        self._coloring, self._chosen, self._marked = None, None, None
        self.scatter.set_points(np.zeros((0, 2)) if self.points is None else self.points.coordinates)
        self._offer_colors()
        self._recolor()
        self._moments_changed()
        self._mark()
        self._show_status()
        self.map_changed.emit()

    def _show_status(self) -> None:
        has_session = self._state.session is not None
        self.make.setEnabled(has_session and not self.maker.busy)
        self.make.setText("Make map" if self.points is None else "Make again")
        status = self.shelf.status
        self.add.setEnabled(not self.maker.busy)
        self.add.setVisible(bool(status is not None and status.new and not status.changed and self._complete))
        self.status.setText(" ".join(self._sentences()))

    @property
    def _complete(self) -> bool:
        """Whether the map is there, and not only its principal components while the rest is made."""
        return self.points is not None and self.points.path == self.shelf.path

    def _sentences(self) -> list[str]:
        if self.points is None:
            return [] if self._state.session is None else ["There is no map of this yet."]
        made, status = self.points.made, self.shelf.status
        unit = "spans" if made.settings.pool_s else made.settings.unit
        told = [
            f"{len(made):,} {unit} of {_count(len(made.recordings), 'recording')}, "
            f"{_METHODS[made.model.settings.method]}"
            + (f", {_count(len(made.clusters), 'cluster')}." if len(made.clusters) else ".")
        ]
        if not self._complete and not self.maker.busy:
            told.append("Making this map was stopped: make it again to go on.")
        if made.untrained:
            told.append("Random weights: for testing only.")
        if status is not None and status.changed:
            told.append(
                f"{_count(len(status.changed), 'recording')} embedded in another way since: make the map again."
            )
        elif status is not None and status.new:
            told.append(f"{_count(len(status.new), 'recording')} not in it yet.")
        return told

    def _stopped(self) -> None:
        self._state.message.emit("Stopped making the map.")
        self.shelf.look()  # the map that there was, or else the principal components

    def _failed(self, text: str) -> None:
        self._state.message.emit(text)
        self._show_status()

    # ---- what others say

    def _session_changed(self) -> None:
        self.setEnabled(self._state.session is not None)
        settings = self._settings()
        self.form.set_choices(MapChoices.from_settings(settings.get("choice")))
        by = self.by.findData(settings.get("color"))
        self.by.setCurrentIndex(max(by, 0))
        self._listen()
        self._scope_changed()

    def _recording_changed(self, recording: str) -> None:
        self._listen()
        if self.scope.currentData() == "this":
            self._scope_changed()
        self._mark()

    def _scope_changed(self) -> None:
        one = self.scope.currentData() == "this"
        self.shelf.choose(self._state.current or None if one else None)

    def _tracks_changed(self, recording: str) -> None:
        self.shelf.compare()

    def _labels_changed(self, edit: "vp.sessions.Edit") -> None:
        if self.points is None or self.by.currentData() != "labels":
            return
        rows = vp.sessions.edited_points(self.points, edit)
        if rows is None or not isinstance(self._coloring, Classes) or not self.isVisible():
            self._recolor()
        elif len(rows):
            self._show_coloring(relabelled(self._coloring, self.points, self._state, rows), keep_hidden=True)

    def _predictions_changed(self) -> None:
        self._offer_colors()
        if self.by.currentData() in ("predictions", "score", "uncertainty"):
            self._recolor()

    def _theme_changed(self, *_: Any) -> None:
        colors = theme_colors(self._state.viewer)
        grey = mixed(colors.text, colors.background, 0.62)
        self.scatter.set_theme(colors.background, colors.text, grey, colors.cursor)
        self.legend.set_grey(grey)
        if self._coloring is not None:
            self.legend.show_coloring(self._coloring, keep_hidden=True)

    def _settings(self) -> dict[str, Any]:
        known = {} if self._state.session is None else self._state.session.settings.get("map", {})
        return known if isinstance(known, dict) else {}

    def _remember(self, **facts: Any) -> None:
        if self._state.session is not None:
            self._state.session.settings["map"] = self._settings() | facts

    # ---- colors

    def _offer_colors(self) -> None:
        """Switch off what there is nothing to show of."""
        shown = {} if self._state.hide_predictions else self._state.predictions
        predicted = bool(shown)
        clustered = self.points is not None and len(self.points.made.clusters) > 0
        possible = dict.fromkeys(("predictions", "score", "uncertainty"), predicted) | {"cluster": clustered}
        for number in range(self.by.count()):
            self.by.model().item(number).setEnabled(possible.get(self.by.itemData(number), True))
        names = tuple(dict.fromkeys(name for one in shown.values() for name in one.behaviors))
        if names != tuple(self.behavior.itemText(number) for number in range(self.behavior.count())):
            self.behavior.blockSignals(True)
            self.behavior.clear()
            self.behavior.addItems(names)
            self.behavior.blockSignals(False)

    def _by_changed(self) -> None:
        self.behavior.setVisible(self.by.currentData() == "score")
        self._remember(color=self.by.currentData())
        self._recolor()

    def _recolor(self) -> None:
        """Color all points anew; while nobody sees them, later."""
        if not self.isVisible():
            self._unpainted = True
            return
        self._unpainted = False
        if self.points is None:
            self._coloring = None
            self.legend.show_coloring(None)
            return
        new = coloring(self.by.currentData(), self.points, self._state, self.behavior.currentText())
        same = isinstance(new, Classes) and isinstance(self._coloring, Classes) and new.names == self._coloring.names
        self._show_coloring(new, keep_hidden=same)

    def _show_coloring(self, new: Coloring, *, keep_hidden: bool) -> None:
        self._coloring = new
        self.legend.show_coloring(new, keep_hidden)
        self.scatter.set_colors(PointColors(new.index, new.table, self.legend.hidden))
        self._show_notes()

    def _hidden_changed(self, hidden: frozenset[int]) -> None:
        if self._coloring is not None:
            self.scatter.set_colors(PointColors(self._coloring.index, self._coloring.table, hidden))
            self._show_notes()

    def _show_notes(self) -> None:
        """The names of clusters, at their most typical points."""
        notes = []
        if self.points is not None and self.by.currentData() == "cluster":
            made = self.points.made
            for number, name in made.names("{}").items():
                medoid = int(made.clusters["medoid"][number])
                if medoid >= 0 and number not in self.legend.hidden:
                    notes.append(Note(*made.coordinates[medoid].tolist(), name))
        self.scatter.set_notes(notes)

    def showEvent(self, event: Any) -> None:
        """Do what was put off."""
        super().showEvent(event)
        if self._unpainted:
            self._recolor()

    # ---- the moment on screen

    def _listen(self) -> None:
        link = self._state.link
        if link is self._link:
            return
        if self._link is not None:
            self._link.moved.disconnect(self._mark)
        self._link = link
        if link is not None:
            link.moved.connect(self._mark)

    def _mark(self, *_: Any) -> None:
        state, points = self._state, self.points
        if points is None or state.link is None or not len(state.time_s):
            point = None
        else:
            frame = min(max(state.link.frame, 0), len(state.time_s) - 1)
            point = points.at(state.current, float(state.time_s[frame]), state.subject)
        if point == self._marked:
            return
        self._marked = point
        trail = () if point is None or points is None else points.trail(point, _TRAIL_S)
        self.scatter.set_marker(point, trail)

    def _picked(self, point: int) -> None:
        assert self.points is not None
        recording = self.points.recordings[int(self.points.track[point])]
        if recording:
            middle = (self.points.start_s[point] + self.points.stop_s[point]) / 2
            self._state.show(recording, float(middle))
        else:
            self._state.message.emit("This recording is not in the session: add it on the Recordings page.")

    # ---- hovering

    def _hovered(self, point: int) -> None:
        self._over = point
        if point < 0 or self.points is None:
            self.card.hide()
            return
        recording, time_s = self._place(point)
        image = None
        if self._thumbnails is not None and recording:
            image = self._thumbnails.cached(recording, time_s, PICTURE_HEIGHT)
            if image is None:
                self._thumbnails.request(recording, time_s, PICTURE_HEIGHT)
        self.card.show_point(self._words(point), image, QCursor.pos())

    def _picture_ready(self, recording: str, time_s: float, image: Any) -> None:
        if self._over >= 0 and self.card.isVisible() and self._place(self._over) == (recording, time_s):
            self.card.set_picture(image)

    def _place(self, point: int) -> tuple[str, float]:
        assert self.points is not None
        track = int(self.points.track[point])
        return self.points.recordings[track], float((self.points.start_s[point] + self.points.stop_s[point]) / 2)

    def _words(self, point: int) -> str:
        assert self.points is not None
        recording, time_s = self._place(point)
        track = int(self.points.track[point])
        lines = [f"{recording or self.points.made.recordings[track]}  {time_text(time_s)}"]
        if self.points.subjects[track]:
            lines.append(self.points.subjects[track])
        cluster = int(self.points.made.cluster[point])
        if cluster >= 0:
            lines.append(self.points.made.names("Cluster {}")[cluster])
        if self._state.labels is not None:
            names = (*self._state.labels.behaviors.names, "none of the behaviors")
            found = int(vp.sessions.point_behaviors(self._state.labels, self.points, np.array([point]))[0])
            lines.append(names[found] if found >= 0 else "not scored")
        return "\n".join(lines)

    # ---- choosing

    def _lassoed(self, inside: np.ndarray, mode: str) -> None:
        chosen = np.zeros(len(inside), dtype=bool) if self._chosen is None else self._chosen
        self.choose({"set": inside, "add": chosen | inside, "remove": chosen & ~inside}[mode])

    def choose(self, chosen: np.ndarray) -> None:
        """Choose points: their moments become those of the panel."""
        assert self.points is not None
        self._chosen = chosen if chosen.any() else None
        self.scatter.set_chosen(self._chosen)
        self._telling = True
        try:
            self._state.choose_moments(self.points.moments(chosen))
        finally:
            self._telling = False
        self.selection.show_moments(self._state.moments)

    def select_class(self, number: int) -> None:
        """Choose all points of one class of the legend."""
        if isinstance(self._coloring, Classes):
            self.choose(self._coloring.index == number)

    def invert_selection(self) -> None:
        """Choose the others instead, as far as they are drawn."""
        if self.points is not None and self._chosen is not None and self._coloring is not None:
            shown = PointColors(self._coloring.index, self._coloring.table, self.legend.hidden).shown
            self.choose(~self._chosen & shown)

    def clear_selection(self) -> None:
        """Choose nothing."""
        self._state.choose_moments([])

    def _moments_changed(self) -> None:
        """Somebody else chose moments: their points light up."""
        if self._telling:
            return
        moments = self._state.moments
        chosen = self.points.inside(moments) if self.points is not None and moments else None
        self._chosen = chosen if chosen is not None and chosen.any() else None
        self.scatter.set_chosen(self._chosen)
        self.selection.show_moments(moments)

    def label_selection(self, behavior: str) -> bool:
        """Label the chosen moments, as one step of undo; points of followed animals label these animals.

        Returns:
            Whether there was something to label.
        """
        state, book = self._state, self._state.labels
        if book is None or not state.moments:
            return False
        edges = {state.current: vp.sessions.frame_edges(state.time_s)} if len(state.time_s) else {}
        source = f"manual:{state.annotator}"
        try:
            with book.step(f"label {vp.sessions.moments_text(state.moments)} {behavior}"):
                for subject, moments in self._moments_by_subject():
                    vp.sessions.label_moments(book, moments, behavior, subject=subject, source=source, edges=edges)
        except vp.VPScienceError as error:
            state.message.emit(str(error))
            return False
        state.message.emit(f"Labelled {vp.sessions.moments_text(state.moments)}: {behavior}. Undo takes it back.")
        return True

    def _moments_by_subject(self) -> list[tuple[str, list[tuple[str, float, float]]]]:
        points, chosen = self.points, self._chosen
        if points is None or chosen is None or not any(points.subjects):
            return [(self._state.subject, self._state.moments)]
        found = []
        for subject in dict.fromkeys(points.subjects):
            if moments := points.moments(chosen, subject):
                found.append((subject or self._state.subject, moments))
        return found

    # ---- menus and names

    def _menu_of_point(self, point: int, at: QPoint) -> None:
        cluster = int(self.points.made.cluster[point]) if point >= 0 and self.points is not None else -1
        self._menu(cluster).exec(at)

    def _menu_of_class(self, number: int, at: QPoint) -> None:
        menu = QMenu(self)
        menu.addAction("Choose these points").triggered.connect(lambda: self.select_class(number))
        menu.addAction("Show only these").triggered.connect(lambda: self.legend.show_only(number))
        if self.by.currentData() == "cluster" and number >= 0:
            menu.addAction("Name this cluster…").triggered.connect(lambda: self._ask_name(number))
        menu.exec(at)

    def _menu(self, cluster: int) -> QMenu:
        menu = QMenu(self)
        if cluster >= 0 and self.points is not None:
            name = self.points.made.names("Cluster {}")[cluster].replace("&", "&&")
            menu.addAction(f"Choose {name}").triggered.connect(lambda: self.choose_cluster(cluster))
            menu.addAction(f"Name {name}…").triggered.connect(lambda: self._ask_name(cluster))
            menu.addSeparator()
        labels = menu.addMenu("Label chosen moments as")
        self.selection.fill_menu(labels)
        labels.setEnabled(bool(self._state.moments))
        for text, action in (
            ("Invert the choice", self.invert_selection),
            ("Choose nothing", self.clear_selection),
        ):
            entry = menu.addAction(text)
            entry.setEnabled(bool(self._state.moments))
            entry.triggered.connect(lambda _=False, action=action: action())
        menu.addSeparator()
        menu.addAction("See everything").triggered.connect(lambda: self.scatter.fit())
        return menu

    def choose_cluster(self, cluster: int) -> None:
        """Choose all points of a cluster."""
        if self.points is not None:
            self.choose(self.points.made.cluster == cluster)

    def _ask_name(self, cluster: int) -> None:
        assert self.points is not None
        old = str(self.points.made.clusters["name"][cluster])
        name, ok = QInputDialog.getText(self, "Name a cluster", f"What is cluster {cluster}?", text=old)
        if ok:
            self.name_cluster(cluster, name)

    def name_cluster(self, cluster: int, name: str) -> None:
        """Give a cluster a name; it is written into the map."""
        if self.points is None or self.maker.busy or not self._complete:
            self._state.message.emit("Wait until the map is made, then name its clusters.")
            return
        self.shelf.rename(self.points, {cluster: name})

    # ---- the end

    def close_view(self) -> None:
        """Stop listening, end threads and the process."""
        for signal, listener in self._heard:
            signal.disconnect(listener)
        if self._link is not None:
            self._link.moved.disconnect(self._mark)
            self._link = None
        if self._thumbnails is not None:
            self._thumbnails.ready.disconnect(self._picture_ready)
        self.background.close()
        self.scatter.close_view()
        self.maker.close_view()
        self.card.hide()


def _combo(entries: dict[str, str], tip: str) -> QComboBox:
    combo = QComboBox()
    for key, text in entries.items():
        combo.addItem(text, key)
    combo.setToolTip(tip)
    combo.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(10)
    return combo


def _row(*widgets: QWidget, first_grows: bool = False) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(GAP)
    for number, widget in enumerate(widgets):
        grows = number == 0 if first_grows else isinstance(widget, QComboBox)
        row.addWidget(widget, int(grows))
    return row


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
