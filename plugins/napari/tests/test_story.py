"""The whole story in a real window on a real recording: open, embed, label by keys, train, predict, review, choose on
the map, find, export, close, open again and find everything."""

import shutil
from itertools import pairwise

import numpy as np
import pytest
from napari_vp_science.commands import open_workbench
from qtpy.QtCore import QPoint, QPointF, Qt

import vp_science as vp

LONG = 300_000
STUDY_FPS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("study")
    shutil.copy(vp.sample_recording(), made / "fly.mp4")
    return made


@pytest.fixture
def bench(make_napari_viewer_proxy, qtbot, folder):
    """The workbench with the recording open, as napari opens files that are dropped on it."""
    viewer = make_napari_viewer_proxy(show=True)
    workbench = open_workbench(viewer)
    viewer.open(str(folder / "fly.mp4"), plugin="napari-vp-science")
    qtbot.waitUntil(lambda: workbench.state.current == "fly", timeout=LONG)
    qtbot.waitUntil(lambda: workbench.state.link.exact, timeout=LONG)
    yield workbench
    workbench.close_view()


def press(qtbot, workbench, key, modifier=Qt.KeyboardModifier.NoModifier):
    """A key that goes down and up in the window (it is up only when it stays up for a moment)."""
    qtbot.keyClick(workbench.window(), key, modifier)
    qtbot.waitUntil(lambda: not workbench.labels.keys._down, timeout=LONG)


def label_by_keys(qtbot, workbench, key, start_s, stop_s):
    """Tap the key of a behavior where it starts, and again in the last frame of it."""
    link = workbench.state.link
    link.go_s(start_s)
    press(qtbot, workbench, key)
    link.go_s(stop_s)
    press(qtbot, workbench, key)


@pytest.mark.timeout(900)
def test_the_whole_story(bench, qtbot, folder, tmp_path):
    state = bench.state
    embed(bench, qtbot)
    label(bench, qtbot)
    train_and_predict(bench, qtbot)
    review_one(bench, qtbot)
    choose_on_the_map(bench, qtbot)
    find_more(bench, qtbot)
    before = state.labels.annotations()
    export(bench, qtbot, tmp_path / "labels.boris", before)
    predictions = state.predictions["fly"]
    bench.close_view()
    assert state.session is None

    again = vp.sessions.open_session(folder / "vp_science_session")
    try:
        assert again.labels.annotations().equals(before)
        assert [one.path for one in again.recordings] == [folder / "fly.mp4"]
        assert vp.sessions.find_track(again, "fly") is not None
        assert (again.folder / "maps" / "map.map.h5").is_file()
        (saved,) = vp.sessions.read_predictions(vp.sessions.prediction_path(again.folder, "fly"), predictions.probe_id)
        assert np.array_equal(saved.scores, predictions.scores, equal_nan=True)
    finally:
        again.close()


@pytest.mark.timeout(900)
def test_recordings_from_the_list_are_drawn_and_switched(make_napari_viewer_proxy, qtbot, tmp_path):
    for name in ("one", "two"):
        shutil.copy(vp.sample_recording(), tmp_path / f"{name}.mp4")
    viewer = make_napari_viewer_proxy(show=True)
    bench = open_workbench(viewer)
    state = bench.state
    state.open_recordings([tmp_path / "one.mp4", tmp_path / "two.mp4"])
    for name, frame in (("one", 100), ("two", 200)):
        state.show(name)
        qtbot.waitUntil(lambda name=name: state.current == name and state.link.exact, timeout=LONG)
        state.link.go(frame)
        qtbot.waitUntil(lambda: state.link.exact, timeout=LONG)
        (layer,) = viewer.layers
        assert layer.name == name
        assert viewer.screenshot(canvas_only=True, flash=False)[..., :3].max() > 150
    state.show("one")
    assert state.link.frame == 100
    viewer.open(str(tmp_path / "two.mp4"), plugin="napari-vp-science")
    qtbot.waitUntil(lambda: state.current == "two" and len(viewer.layers) == 1, timeout=LONG)
    assert [one.id for one in state.session.recordings] == ["one", "two"]
    told: list[str] = []
    state.message.connect(told.append)
    (tmp_path / "one.mp4").rename(tmp_path / "moved.mp4")
    state.show("one")
    assert told[-1] == "one is not where it was: use Locate on the Recordings page"
    bench.close_view()


def embed(bench, qtbot):
    page = bench.embed
    bench.pages.setCurrentWidget(page)
    page.form.load(page.form.settings() | {"model": "videoprism-tiny", "fps": STUDY_FPS})
    with qtbot.waitSignal(bench.state.tracks_changed, timeout=LONG) as made:
        page.start()
    assert made.args == ["fly"]
    qtbot.waitUntil(lambda: not page.running, timeout=LONG)
    with vp.open_embeddings(vp.sessions.find_track(bench.state.session, "fly")) as track:
        assert len(track) == 240
        assert not track.provenance.untrained


def label(bench, qtbot):
    state, book = bench.state, bench.state.labels
    bench.pages.setCurrentWidget(bench.labels)
    behaviors = (vp.sessions.Behavior("walking", key="w"), vp.sessions.Behavior("standing", key="s"))
    book.set_behaviors(vp.Behaviors(behaviors, exclusive=True))
    bench.labels.set_labelling(True)
    qtbot.waitUntil(lambda: bench.labels.list.rowCount() == 2, timeout=LONG)
    bench.window().activateWindow()
    qtbot.waitUntil(bench.window().isActiveWindow, timeout=LONG)
    for second in range(0, 40, 8):
        label_by_keys(qtbot, bench, Qt.Key.Key_W, second, second + 3.96)
        label_by_keys(qtbot, bench, Qt.Key.Key_S, second + 4, second + 7.96)
    table = book.table("fly")
    assert len(table) == 10
    np.testing.assert_allclose(table.start_s, np.arange(0, 40, 4), atol=1e-6)
    np.testing.assert_allclose(table.stop_s, np.arange(4, 44, 4), atol=1e-6)
    press(qtbot, bench, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(book.table("fly")) == 9
    press(qtbot, bench, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert len(book.table("fly")) == 10
    assert sum(o.stop_s - o.start_s for o in book.observed("fly")) == pytest.approx(40, abs=1e-6)
    bench.labels.set_labelling(False)
    assert state.session.log.flush()


def train_and_predict(bench, qtbot):
    page, state = bench.train, bench.state
    bench.pages.setCurrentWidget(page)
    qtbot.waitUntil(lambda: page.train.isEnabled(), timeout=LONG)
    qtbot.mouseClick(page.train, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "fly" in state.predictions and not page.trainer.busy, timeout=LONG)
    prediction = state.predictions["fly"]
    assert prediction.behaviors == ("walking", "standing")
    assert prediction.scores.shape[1] == 2
    assert set(np.unique(prediction.states)) <= {-1, 0, 1}
    assert len(prediction.bouts) > 0


def review_one(bench, qtbot):
    page, book = bench.review.review, bench.state.labels
    bench.pages.setCurrentWidget(bench.review)
    qtbot.waitUntil(lambda: page.queue is not None and page.queue.current is not None, timeout=LONG)
    question, before = page.queue.current, len(book)
    page.accept()
    (curated,) = [bout for bout in book.bouts("fly") if bout.status == vp.sessions.Status.CURATED]
    assert (curated.behavior, curated.start_s) == (question.behavior, pytest.approx(question.start_s))
    assert len(book) == before + 1
    assert page.queue.current != question


def choose_on_the_map(bench, qtbot):
    page, state = bench.map, bench.state
    bench.pages.setCurrentWidget(page)
    qtbot.waitUntil(lambda: page.make.isEnabled(), timeout=LONG)
    page.make_map()
    qtbot.waitUntil(lambda: (state.session.folder / "maps" / "map.map.h5").is_file(), timeout=LONG)
    qtbot.waitUntil(lambda: page.points is not None and not page.maker.runner.running, timeout=LONG)
    lasso_everything(qtbot, page.scatter)
    assert state.moments
    assert {recording for recording, _, _ in state.moments} == {"fly"}
    state.choose_moments([("fly", 100.0, 104.0)])
    assert page.label_selection("standing")
    assert any(bout.start_s == 100.0 and bout.behavior == "standing" for bout in state.labels.bouts("fly"))


def lasso_everything(qtbot, scatter):
    width, height = scatter.width(), scatter.height()
    corners = [(2, 2), (width - 3, 2), (width - 3, height - 3), (2, height - 3), (2, 2)]
    qtbot.mousePress(scatter, Qt.MouseButton.LeftButton, pos=QPoint(*corners[0]))
    for start, stop in pairwise(corners):
        for step in (0.5, 1.0):
            at = QPointF(*(a + (b - a) * step for a, b in zip(start, stop, strict=True)))
            qtbot.mouseMove(scatter, at.toPoint())
    qtbot.mouseRelease(scatter, Qt.MouseButton.LeftButton, pos=QPoint(*corners[-1]))


def find_more(bench, qtbot):
    page = bench.find
    bench.pages.setCurrentWidget(page)
    bench.state.link.go_s(10)
    page.find()
    qtbot.waitUntil(lambda: page.model.rowCount() > 0, timeout=LONG)


def export(bench, qtbot, path, expected):
    bench.labels.export_labels()
    dialog = bench.labels.dialog
    dialog.format.setCurrentIndex([dialog.format.itemData(i).name for i in range(dialog.format.count())].index("boris"))
    dialog.export(path)
    qtbot.waitUntil(path.is_file, timeout=LONG)
    dialog.close()
    written = vp.read_annotations(path)
    assert len(written.bouts) == len(expected.bouts)
    assert set(written.behaviors.names) == set(expected.behaviors.names)
