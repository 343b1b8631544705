"""The list of recordings: what it shows, filters and sorts; adding, removing, locating; sessions."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import numpy as np
from footage_for_panel import write_video
from napari.components import ViewerModel
from napari_vp_science.recordings import page as page_module
from napari_vp_science.recordings.delegate import marks
from napari_vp_science.recordings.page import RecordingsPage, session_in
from napari_vp_science.recordings.rows import STATE, explanation
from napari_vp_science.recordings.words import breakable, clock, duration, shortened, size
from napari_vp_science.state import PanelState, Prediction
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QMessageBox
from recordings_for_panel import make_state

import vp_science as vp


@pytest.fixture
def opened(qtbot):
    """Pages that are closed after the test."""
    pages = []

    def open_page(state, thumbnails=None):
        page = RecordingsPage(state, thumbnails)
        qtbot.addWidget(page)
        page.resize(384, 560)
        page.show()
        pages.append((page, state))
        return page

    yield open_page
    for page, state in pages:
        page.close_view()
        state.close_session()


def looked(page) -> bool:
    return all(one.disk is not None for one in page.survey.rows())


def test_rows_tell_what_is_known(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "m2", "m10", "m1")
    page = opened(state)
    qtbot.waitUntil(lambda: looked(page))
    assert page.shown_ids() == ["m2", "m10", "m1"]
    one = page.model.index(0).data(STATE)
    assert one.disk.look.duration_s == pytest.approx(2.0, abs=0.1)
    assert [words for words, _ in marks(one)] == ["not embedded", "not scored", "not predicted", "not reviewed"]
    assert "64 x 48 pixels" in page.model.index(0).data(Qt.ItemDataRole.ToolTipRole)
    assert page.count.text() == "3 recordings, 0 embedded"


def test_labels_tracks_and_predictions_appear_at_once(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b")
    page = opened(state)
    qtbot.waitUntil(lambda: looked(page))
    state.labels.set_behaviors(vp.Behaviors((vp.sessions.Behavior("groom"),)))
    state.labels.add("a", "groom", 0.0, 1.5)
    assert marks(page.survey.row("a"))[1] == ("0:02 scored", 1.0)
    state.labels.undo()
    assert marks(page.survey.row("a"))[1] == ("not scored", 0.0)
    state.predictions["b"] = prediction("b", [(0, 0.0, 1.0, 0.9), (0, 1.2, 1.8, 0.8)])
    state.predictions_changed.emit()
    qtbot.waitUntil(lambda: page.survey.row("b").reviewed_share == 0)
    assert [words for words, _ in marks(page.survey.row("b"))[2:]] == ["predicted", "0 % reviewed"]
    state.labels.observe("b", 0.0, 1.1)
    qtbot.waitUntil(lambda: page.survey.row("b").reviewed_share == 0.5)
    folder = state.session.subfolder("tracks")
    (folder / "a.embeddings.h5").write_bytes(b"no track")
    state.tracks_changed.emit("a")
    qtbot.waitUntil(lambda: page.survey.row("a").disk.problems != ())
    assert page.survey.row("a").passes("problems")


def prediction(name, bouts):
    times = np.arange(40) / 20
    scores = np.zeros((40, 1))
    return Prediction(name, "p", ("groom",), times, scores, scores.astype(np.int8), np.array(bouts))


def test_filter_search_and_order(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "mouse_10", "mouse_2", "fly_1")
    state.labels.set_behaviors(vp.Behaviors((vp.sessions.Behavior("groom"),)))
    page = opened(state)
    qtbot.waitUntil(lambda: looked(page))
    page.order.setCurrentIndex(page.order.findData("name"))
    assert page.shown_ids() == ["fly_1", "mouse_2", "mouse_10"]
    page.search.setText("MOUSE 1")
    assert page.shown_ids() == ["mouse_10"]
    assert page.count.text() == "1 of 3 recordings, 0 embedded"
    page.search.setText("")
    page.filter.setCurrentIndex(page.filter.findData("has labels"))
    assert page.shown_ids() == []
    state.labels.add("fly_1", "groom", 0.0, 1.0)
    assert page.shown_ids() == ["fly_1"]
    state.labels.undo()
    assert page.shown_ids() == []


def test_click_enter_and_neighbours_show_recordings(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b", "c")
    page = opened(state)
    qtbot.waitUntil(lambda: looked(page))

    def centre(row):
        return page.list.visualRect(page.rows.index(row, 0)).center()

    qtbot.mouseClick(page.list.viewport(), Qt.MouseButton.LeftButton, pos=centre(1))
    assert state.shown_for_tests == [("b", None)]
    assert page.selected() == ["b"]
    assert not page.list.hasFocus()
    shift = Qt.KeyboardModifier.ShiftModifier
    qtbot.mouseClick(page.list.viewport(), Qt.MouseButton.LeftButton, shift, centre(2))
    assert page.selected() == ["b", "c"]
    assert len(state.shown_for_tests) == 1
    qtbot.keyClick(page.list, Qt.Key.Key_Return)
    assert state.shown_for_tests[-1] == ("c", None)
    state.current = "b"
    page.next_recording()
    page.next_recording(-1)
    assert [name for name, _ in state.shown_for_tests[-2:]] == ["c", "a"]
    state.current = "c"
    told = []
    state.message.connect(told.append)
    page.next_recording()
    assert told == ["This is the last recording."]


def test_the_recording_on_screen_is_marked(qtbot, tmp_path, opened):
    state = make_state(tmp_path, "a", "b")
    page = opened(state)
    state.current = "b"
    state.recording_changed.emit("b")
    assert page.delegate.current == "b"
    assert page.selected() == ["b"]


def test_files_and_folders_are_added_and_dropped(qtbot, tmp_path, opened):
    state = make_state(tmp_path / "s", "a")
    page = opened(state)
    folder = tmp_path / "more"
    for name in ("x", "y"):
        write_video(folder / f"{name}.mp4", 5)
    (folder / "notes.txt").write_text("no recording")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(folder))])
    page.list.dropEvent(
        QDropEvent(
            QPointF(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        )
    )
    qtbot.waitUntil(lambda: page.survey.ids == ["a", "x", "y"])
    assert state.shown_for_tests == [("x", None)]
    page.add([folder / "x.mp4"])
    qtbot.waitUntil(lambda: len(state.shown_for_tests) == 2)
    assert page.survey.ids == ["a", "x", "y"]


def test_a_folder_without_recordings_is_told(qtbot, tmp_path, opened):
    state = make_state(tmp_path / "s", "a")
    page = opened(state)
    (tmp_path / "empty").mkdir()
    told = []
    state.message.connect(told.append)
    page.add([tmp_path / "empty"])
    qtbot.waitUntil(lambda: any("expected recordings in" in text for text in told))


def test_hundreds_are_added_a_few_at_a_time(qtbot, tmp_path, opened):
    state = make_state(tmp_path / "s", "a")
    page = opened(state)
    for number in range(200):
        path = tmp_path / "many" / f"v{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    page.add([tmp_path / "many"])
    qtbot.waitUntil(lambda: len(page.survey.ids) == 201)
    assert page.survey.ids[-1] == "v199"
    assert vp.sessions.session_folder is not None
    qtbot.waitUntil(lambda: looked(page))
    assert page.survey.row("v7").passes("problems")


def test_the_first_video_makes_a_session_beside_it(qtbot, tmp_path, opened):
    state = PanelState(ViewerModel())
    page = opened(state)
    assert page.place.text() == "No session yet"
    page.add([write_video(tmp_path / "a.mp4", 5)])
    qtbot.waitUntil(lambda: state.session is not None)
    assert state.session.folder == tmp_path / "vp_science_session"
    assert page.survey.ids == ["a"]
    assert "vp_science_session" in page.place.text()


def test_a_session_that_cannot_be_opened_asks_for_another_folder(qtbot, tmp_path, opened, monkeypatch):
    state = PanelState(ViewerModel())
    page = opened(state)
    beside = tmp_path / "vp_science_session"
    beside.write_text("a file where the folder should be")
    told = []
    monkeypatch.setattr(page_module.QMessageBox, "warning", lambda *arguments: told.append(arguments[-1]))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(page_module.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "elsewhere"))
    page.add([write_video(tmp_path / "a.mp4", 5)])
    qtbot.waitUntil(lambda: state.session is not None)
    assert "expected a folder that can be written" in told[0]
    assert state.session.folder == tmp_path / "elsewhere"
    assert page.survey.ids == ["a"]


def test_removing_says_what_stays(qtbot, tmp_path, opened, monkeypatch):
    state = make_state(tmp_path, "a", "b")
    page = opened(state)
    page.list.setCurrentIndex(page.rows.index(0, 0))
    asked = []

    def answer(*arguments):
        asked.append(arguments[-1])
        return answers.pop(0)

    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(page_module.QMessageBox, "question", answer)
    page.ask_to_remove()
    assert page.survey.ids == ["a", "b"]
    page.ask_to_remove()
    assert page.survey.ids == ["b"]
    assert "their tracks and labels stay" in asked[0]
    assert (tmp_path / "a.mp4").exists()


def test_lost_recordings_are_located_together(qtbot, tmp_path, opened, monkeypatch):
    state = make_state(tmp_path, "a", "b")
    folder = state.session.folder
    state.close_session()
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").rename(moved / f"{name}.mp4")
    state.use_session(vp.sessions.open_session(folder))
    page = opened(state)
    assert [one.missing for one in page.survey.rows()] == [True, True]
    monkeypatch.setattr(page_module.QFileDialog, "getOpenFileName", lambda *_: (str(moved / "a.mp4"), ""))
    page.show_recording("a")
    assert [one.missing for one in page.survey.rows()] == [False, False]
    assert state.shown_for_tests == [("a", None)]
    qtbot.waitUntil(lambda: looked(page))


def test_opening_another_session(qtbot, tmp_path, opened, monkeypatch):
    state = make_state(tmp_path / "one", "a")
    other = make_state(tmp_path / "two", "b", "c")
    folder = other.session.folder
    other.close_session()
    page = opened(state)
    monkeypatch.setattr(page_module.QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    page.ask_for_session()
    qtbot.waitUntil(lambda: page.survey.ids == ["b", "c"])
    qtbot.waitUntil(lambda: looked(page))


def test_which_session_a_folder_means(tmp_path):
    assert session_in(tmp_path) == tmp_path
    (tmp_path / "video.mp4").touch()
    assert session_in(tmp_path) == tmp_path / "vp_science_session"
    (tmp_path / "session.json").touch()
    assert session_in(tmp_path) == tmp_path
    assert session_in(tmp_path / "new") == tmp_path / "new" / "vp_science_session"


def test_pictures_are_asked_for_when_rows_are_painted(qtbot, tmp_path, opened):
    from napari_vp_science.thumbnails import ThumbnailService

    state = make_state(tmp_path, "a", "b")
    thumbnails = ThumbnailService(state)
    page = opened(state, thumbnails)
    with qtbot.waitSignal(thumbnails.ready, timeout=10_000):
        qtbot.waitUntil(lambda: looked(page))
        page.grab()
    for theme in ("light", "dark"):
        state.viewer.theme = theme
        assert page.delegate.colors.dark == (theme == "dark")
        assert not page.grab().isNull()
    thumbnails.close_view()


def test_words():
    assert [clock(seconds) for seconds in (0, 0.4, 7, 750, 3723)] == ["0:00", "0.4 s", "0:07", "12:30", "1:02:03"]
    assert [duration(s) for s in (0.2, 8, 200, 7800, 40000, 3e5)] == [
        "1 s", "8 s", "3 min", "2 h 10 min", "11 h", "3.5 days",
    ]  # fmt: skip
    assert [size(n) for n in (12, 1500, 2_500_000, 1.5e9, 3e12)] == ["12 bytes", "1.5 kB", "2.5 MB", "1.5 GB", "3 TB"]
    assert shortened("a" * 10 + "b" * 10) == "aaaaaaaa...bbbbb"
    assert breakable("a_b").replace("\u200b", "") == "a_b"
    assert "\u200b" in breakable("x" * 40)
    assert breakable("65.3 GB") == "65.3 GB"


def test_explanations_name_what_differs(tmp_path):
    one = vp.sessions.RecordingState(vp.sessions.SessionRecording("a", None, "a.mp4"))
    text = explanation(one, ["stride: 4 instead of 2"])
    assert "made with other settings than most: stride: 4 instead of 2" in text
    assert "locate it" in text
