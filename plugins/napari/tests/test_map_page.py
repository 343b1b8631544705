"""The map page: making maps, following the video, colors, choosing and labelling."""

import numpy as np
import panel_map_study
import pytest
from napari_vp_science.map.coloring import Classes, Scale
from napari_vp_science.map.making import MapChoices, MapMaker
from napari_vp_science.map.page import MapPage
from qtpy.QtCore import QObject, QPoint, Signal
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QInputDialog

import vp_science as vp

LONG = 60_000  # scikit-learn is loaded in between, on a busy machine
CHOICES = MapChoices(method="pca", cluster="kmeans", num_clusters=3)


class Thumbnails(QObject):
    """Gives a red picture when it is told to."""

    ready = Signal(str, float, object)

    def __init__(self):
        super().__init__()
        self.asked = []

    def request(self, recording, time_s, height=96):
        self.asked.append((recording, time_s, height))

    def cached(self, recording, time_s, height=96):
        return None


@pytest.fixture
def state(tmp_path):
    made = panel_map_study.study_state(tmp_path)
    yield made
    made.close_session()


@pytest.fixture
def open_page(qtbot, state):
    pages = []

    def make(runner=None, thumbnails=None):
        page = MapPage(state, thumbnails, MapMaker(panel_map_study.NearRunner() if runner is None else runner))
        qtbot.addWidget(page)
        page.resize(380, 700)
        page.show()
        pages.append(page)
        qtbot.waitUntil(lambda: not page.background.busy, timeout=LONG)
        return page

    yield make
    for page in pages:
        page.close_view()


@pytest.fixture
def page(state, open_page, qtbot):
    """A page with a map."""
    panel_map_study.write_map(state)
    made = open_page()
    qtbot.waitUntil(lambda: made.points is not None and made.shelf.status is not None, timeout=LONG)
    return made


def color_by(page, name):
    page.by.setCurrentIndex(page.by.findData(name))


# ---- making


def test_a_map_is_made_shown_at_once_and_found_again(open_page, state, qtbot):
    page = open_page()
    assert page.make.text() == "Make map"
    assert page.status.text() == "There is no map of this yet."
    page.form.set_choices(CHOICES)
    previews = []
    page.maker.preview.connect(previews.append)
    page.make.click()
    qtbot.waitUntil(lambda: page.points is not None and page.shelf.status is not None, timeout=LONG)
    assert page.points.path == vp.sessions.map_path(state.session.folder)
    assert [path.endswith("map.map.h5") for path in previews] == [True]
    assert page.status.text().startswith("90 windows of 3 recordings, principal components, 3 clusters.")
    assert page.make.text() == "Make again"
    assert not page.maker.isVisible()
    again = open_page()
    qtbot.waitUntil(lambda: again.points is not None, timeout=LONG)
    assert again.form.choices() == CHOICES
    np.testing.assert_array_equal(again.points.coordinates, page.points.coordinates)


def test_stopped_in_the_layout_the_principal_components_stay(open_page, state, qtbot):
    page = open_page(panel_map_study.NearRunner(cancel=True))
    page.form.set_choices(CHOICES)
    with qtbot.waitSignal(state_message(state), timeout=LONG) as told:
        page.make.click()
    assert told.args == ["Stopped making the map."]
    qtbot.waitUntil(lambda: page.points is not None and not page.background.busy, timeout=LONG)
    assert page.points.path == vp.sessions.preview_path(state.session.folder)
    assert "was stopped: make it again to go on." in page.status.text()
    assert page.make.isEnabled()
    assert not vp.sessions.map_path(state.session.folder).exists()


def test_stopped_where_there_was_a_map_that_map_comes_back(open_page, state, qtbot):
    path = panel_map_study.write_map(state)
    page = open_page(panel_map_study.NearRunner(cancel=True))
    qtbot.waitUntil(lambda: page.points is not None, timeout=LONG)
    with qtbot.waitSignal(state_message(state), timeout=LONG):
        page.make.click()
    qtbot.waitUntil(lambda: page.points is not None and not page.background.busy, timeout=LONG)
    assert page.points.path == path


def test_what_a_job_cannot_do_is_said(open_page, state, qtbot):
    page = open_page()
    for path in (state.session.folder / "tracks").iterdir():
        path.write_bytes(b"no track")
    with qtbot.waitSignal(state_message(state), timeout=LONG) as told:
        page.make.click()
    assert "rec0.embeddings.h5" in told.args[0]
    qtbot.waitUntil(page.make.isEnabled, timeout=LONG)


def state_message(state):
    """The message signal of the state for qtbot."""

    class Bridge(QObject):
        told = Signal(str)

    bridge = Bridge()
    state.message.connect(bridge.told.emit)
    state._bridge = bridge
    return bridge.told


def test_without_tracks_it_says_to_embed(tmp_path, qtbot):
    state = panel_map_study.study_state(tmp_path, tracks=())
    page = MapPage(state, None, MapMaker(panel_map_study.NearRunner()))
    qtbot.addWidget(page)
    with qtbot.waitSignal(state_message(state), timeout=LONG) as told:
        page.make_map()
    assert told.args == ["No recording is embedded yet: embed one on the Embed page, then make the map."]
    page.close_view()
    state.close_session()


def test_new_recordings_can_be_added_and_a_changed_one_asks_for_a_new_map(tmp_path, open_page, state, qtbot):
    track = state.session.folder / "tracks" / "rec2.embeddings.h5"
    aside = track.rename(tmp_path / "aside.h5")
    panel_map_study.write_map(state)
    aside.rename(track)
    page = open_page()
    qtbot.waitUntil(lambda: page.shelf.status is not None, timeout=LONG)
    assert "1 recording not in it yet." in page.status.text()
    assert page.add.isVisible()
    before = page.points.coordinates
    page.add.click()
    qtbot.waitUntil(lambda: page.points is not None and len(page.points.recordings) == 3, timeout=LONG)
    np.testing.assert_array_equal(page.points.coordinates[: len(before)], before)
    qtbot.waitUntil(lambda: page.shelf.status is not None, timeout=LONG)
    assert not page.add.isVisible()


def test_the_map_of_one_recording_is_another_one(page, state, qtbot):
    panel_map_study.show(state, "rec1", panel_map_study.FakeLink())
    panel_map_study.write_map(state, "rec1")
    page.scope.setCurrentIndex(page.scope.findData("this"))
    qtbot.waitUntil(lambda: page.points is not None and page.points.recordings == ("rec1",), timeout=LONG)
    panel_map_study.show(state, "rec2", state.link)
    qtbot.waitUntil(lambda: page.points is None, timeout=LONG)
    page.scope.setCurrentIndex(page.scope.findData("all"))
    qtbot.waitUntil(lambda: page.points is not None and len(page.points.recordings) == 3, timeout=LONG)


def test_a_damaged_map_is_said_and_can_be_made_anew(state, open_page, qtbot):
    panel_map_study.write_map(state).write_bytes(b"nothing")
    with qtbot.waitSignal(state_message(state), timeout=LONG) as told:
        page = open_page()
    assert "map.map.h5" in told.args[0]
    assert page.points is None
    assert page.make.isEnabled()


# ---- following


def test_the_marker_is_the_moment_on_screen(page, state):
    link = panel_map_study.FakeLink()
    panel_map_study.show(state, "rec1", link)
    for frame in (0, 17, 64, 119):
        link.go(frame)
        expected = page.points.at("rec1", frame / panel_map_study.FPS)
        np.testing.assert_array_equal(page.scatter._marker, page.points.coordinates[expected])
    panel_map_study.show(state, "elsewhere", link)
    assert page.scatter._marker is None


def test_a_click_on_a_point_shows_its_moment(page, state):
    shown = []
    state.shower = lambda recording, time_s: shown.append((recording, time_s))
    point = int(page.points.rows(1)[5])
    page.scatter.picked.emit(point)
    [(recording, time_s)] = shown
    assert recording == "rec1"
    assert page.points.at(recording, time_s) == point


def test_hovering_shows_a_picture_with_place_time_and_label(state, open_page, qtbot):
    panel_map_study.write_map(state)
    thumbnails = Thumbnails()
    page = open_page(thumbnails=thumbnails)
    qtbot.waitUntil(lambda: page.points is not None, timeout=LONG)
    point = int(page.points.rows(1)[5])
    middle = float(page.points.start_s[point] + page.points.stop_s[point]) / 2
    state.labels.add("rec1", "groom", middle - 0.2, middle + 0.2)
    page.scatter.hovered.emit(point)
    assert thumbnails.asked == [("rec1", middle, 120)]
    assert page.card.isVisible()
    lines = page.card.text.text().splitlines()
    assert lines[0] == f"rec1  0:{middle:04.1f}"
    assert lines[1].startswith("Cluster ")
    assert lines[2] == "groom"
    picture = QImage(40, 30, QImage.Format.Format_RGB32)
    thumbnails.ready.emit("rec0", middle, picture)
    assert page.card.picture.pixmap().isNull()
    thumbnails.ready.emit("rec1", middle, picture)
    assert page.card.picture.pixmap().width() == 40
    page.scatter.hovered.emit(-1)
    assert not page.card.isVisible()


# ---- colors


def test_labels_color_points_and_an_edit_only_changes_its_own(page, state, monkeypatch):
    color_by(page, "labels")
    assert (page._coloring.index == -1).all()
    counted = []
    real = vp.sessions.point_behaviors
    monkeypatch.setattr(
        vp.sessions, "point_behaviors", lambda book, points, rows=None: counted.append(rows) or real(book, points, rows)
    )
    number = state.labels.add("rec1", "groom", 1.0, 2.0)
    assert [rows is not None and len(rows) < 12 for rows in counted] == [True]
    np.testing.assert_array_equal(page._coloring.index, real(state.labels, page.points))
    assert (page._coloring.index == 1).any()
    state.labels.delete([number])
    assert not (page._coloring.index == 1).any()
    state.labels.set_behaviors(vp.Behaviors.of(("walk", "groom", "rear")))
    assert page._coloring.names == ("walk", "groom", "rear", "none of these")


def test_while_nobody_looks_colors_wait(page, state):
    color_by(page, "labels")
    page.hide()
    state.labels.add("rec1", "groom", 1.0, 2.0)
    assert not (page._coloring.index == 1).any()
    page.show()
    assert (page._coloring.index == 1).any()


def test_predictions_scores_and_doubt_color_points(page, state):
    model = page.by.model()
    assert not model.item(page.by.findData("predictions")).isEnabled()
    state.predictions = {"rec1": panel_map_study.prediction("rec1")}
    state.predictions_changed.emit()
    assert model.item(page.by.findData("predictions")).isEnabled()
    color_by(page, "predictions")
    rows = page.points.rows(1)
    early, middle, late = (page.points.at("rec1", t) for t in (1.0, 3.0, 4.5))
    assert isinstance(page._coloring, Classes)
    assert [page._coloring.names[page._coloring.index[p]] for p in (early, middle, late)] == [
        "walk", "groom", "none of these",
    ]  # fmt: skip
    assert (page._coloring.index[page.points.rows(0)] == -1).all()
    color_by(page, "score")
    assert page.behavior.isVisible()
    assert isinstance(page._coloring, Scale)
    assert (np.diff(page._coloring.index[rows[:12]]) <= 0).all()
    page.behavior.setCurrentText("groom")
    assert page._coloring.index[middle] > 50 > page._coloring.index[early]
    color_by(page, "uncertainty")
    unsure = page._coloring.index
    assert unsure[page.points.at("rec1", 2.3)] > 55
    assert unsure[page.points.at("rec1", 0.05)] < 10
    state.hide_predictions = True
    state.predictions_changed.emit()
    assert (page._coloring.index == -1).all()


def test_clusters_recordings_and_time_color_points(page):
    color_by(page, "cluster")
    np.testing.assert_array_equal(page._coloring.index, page.points.made.cluster)
    assert [note.text for note in page.scatter._notes] == ["0", "1", "2"]
    page.legend.set_hidden(frozenset({1}))
    assert [note.text for note in page.scatter._notes] == ["0", "2"]
    color_by(page, "recording")
    assert page._coloring.names == ("rec0", "rec1", "rec2")
    assert page.legend.hidden == frozenset()
    color_by(page, "time")
    first = page.points.rows(2)
    assert (np.diff(page._coloring.index[first]) >= 0).all()


# ---- choosing


def test_a_lasso_chooses_moments_that_can_be_added_to_and_taken_from(page, state):
    chosen = np.zeros(len(page.points), dtype=bool)
    chosen[page.points.rows(0)[3:6]] = True
    page.scatter.lassoed.emit(chosen, "set")
    assert state.moments == page.points.moments(chosen)
    assert page.selection.text.text() == "Chosen: 1 moment in 1 recording, 0.5 s"
    more = np.zeros(len(page.points), dtype=bool)
    more[page.points.rows(1)[[2, 9]]] = True
    page.scatter.lassoed.emit(more, "add")
    assert state.moments == page.points.moments(chosen | more)
    page.scatter.lassoed.emit(chosen, "remove")
    assert state.moments == page.points.moments(more)
    page.selection.invert.click()
    assert state.moments == page.points.moments(~more)
    page.selection.clear.click()
    assert state.moments == []
    assert page.scatter._chosen is None


def test_moments_chosen_elsewhere_light_up_and_a_new_map_keeps_them(page, state, qtbot):
    state.choose_moments([("rec1", 1.0, 2.0), ("elsewhere", 0.0, 9.0)])
    np.testing.assert_array_equal(page.scatter._chosen, page.points.inside([("rec1", 1.0, 2.0)]))
    panel_map_study.write_map(state, seed=3, num_pca=3)
    page.shelf.look()
    old = page.points
    qtbot.waitUntil(lambda: page.points is not None and page.points is not old, timeout=LONG)
    np.testing.assert_array_equal(page.scatter._chosen, page.points.inside([("rec1", 1.0, 2.0)]))
    assert len(state.moments) == 2


def test_the_selection_takes_a_label_as_one_step(page, state, qtbot):
    color_by(page, "labels")
    state.annotator = "me"
    state.labels.add("rec0", "walk", 0.0, 4.0)
    page.choose(page.points.inside([("rec0", 1.0, 2.0), ("rec2", 3.0, 3.5)]))
    count = len(state.labels)
    page.selection.menu.aboutToShow.emit()
    walk, groom = page.selection.menu.actions()
    assert (walk.text(), groom.text()) == ("walk", "groom")
    groom.trigger()
    assert (page._coloring.index[page.scatter._chosen] == 1).all()
    assert {bout.source for bout in state.labels.bouts("rec2")} == {"manual:me"}
    assert state.labels.undo_name.startswith("label 2 moments in 2 recordings")
    state.labels.undo()
    assert len(state.labels) == count


def test_borders_snap_to_the_frames_of_the_recording_on_screen(page, state):
    panel_map_study.show(state, "rec0", panel_map_study.FakeLink())
    state.choose_moments([("rec0", 1.013, 2.029)])
    assert page.label_selection("groom")
    [bout] = state.labels.bouts("rec0")
    assert (bout.start_s, bout.stop_s) == pytest.approx((1.0, 2.04))


def test_nothing_chosen_labels_nothing_and_an_error_is_said(page, state, qtbot):
    assert not page.label_selection("groom")
    state.choose_moments([("rec0", 1.0, 2.0)])
    with qtbot.waitSignal(state_message(state), timeout=LONG) as told:
        assert not page.label_selection("fly")
    assert told.args[0].startswith("expected one of the behaviors walk, groom, found 'fly'")
    assert len(state.labels) == 0


def test_points_of_a_followed_animal_label_that_animal(page, state):
    object.__setattr__(page.points, "subjects", ("anna", "", ""))
    page.choose(page.points.inside([("rec0", 1.0, 2.0), ("rec1", 1.0, 2.0)]))
    state.choose_subject("bert")
    assert page.label_selection("groom")
    assert {(bout.recording, bout.subject) for bout in state.labels.bouts()} == {("rec0", "anna"), ("rec1", "bert")}


# ---- clusters


def test_a_cluster_is_chosen_and_named_in_the_file(page, state, qtbot, monkeypatch):
    color_by(page, "cluster")
    page.choose_cluster(1)
    np.testing.assert_array_equal(page.scatter._chosen, page.points.made.cluster == 1)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("rearing", True))
    menu = page._menu(1)
    [naming] = [action for action in menu.actions() if action.text().startswith("Name")]
    assert naming.text() == "Name Cluster 1…"
    naming.trigger()
    qtbot.waitUntil(lambda: page.points.made.names()[1] == "rearing", timeout=LONG)
    assert vp.maps.open_map(page.points.path).names()[1] == "rearing"
    assert "rearing" in [note.text for note in page.scatter._notes]
    assert "rearing" in page._coloring.names


def test_the_menu_offers_labels_only_when_something_is_chosen(page, state):
    labels = next(action for action in page._menu(-1).actions() if "Label" in action.text())
    assert not labels.isEnabled()
    state.choose_moments([("rec0", 1.0, 2.0)])
    labels = next(action for action in page._menu(-1).actions() if "Label" in action.text())
    assert labels.isEnabled()


# ---- the rest


def test_another_session_and_none(page, state, tmp_path, qtbot):
    page.choose_cluster(0)
    state.use_session(vp.sessions.open_session(tmp_path / "other", tmp_path / "places.json"))
    qtbot.waitUntil(lambda: page.points is None, timeout=LONG)
    assert state.moments == []
    assert page.scatter._chosen is None
    state.close_session()
    state.session_changed.emit()
    assert not page.isEnabled()


def test_themes(page, state):
    dark = page.scatter.grab().toImage().pixelColor(QPoint(2, 2)).lightness()
    state.viewer.theme = "light"
    assert page.scatter.grab().toImage().pixelColor(QPoint(2, 2)).lightness() > dark + 100


def test_closed_it_hears_nothing_any_more(page, state):
    page.close_view()
    page.close_view = lambda: None
    state.moments = [("rec0", 0.0, 1.0)]
    state.moments_changed.emit()
    state.recording_changed.emit("rec0")
    assert page.scatter._chosen is None
    assert page.maker.runner.closed


def test_remembered_choices_that_do_not_fit_are_as_usual():
    assert MapChoices.from_settings({"method": 3, "num_neighbors": 30, "what": 1}) == MapChoices(num_neighbors=30)
    assert MapChoices.from_settings("nonsense") == MapChoices()
    assert MapChoices(method="umap", num_neighbors=5, pool_s=2.0).request() == {
        "points": {"unit": "windows", "pool_s": 2.0},
        "map": {
            "method": "umap", "cluster": "hdbscan", "center_recordings": False, "stability_repeats": 0,
            "num_neighbors": 5,
        },
    }  # fmt: skip
