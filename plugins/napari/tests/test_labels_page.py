"""The Label page and its dialogs."""

import errno

import numpy as np
import pytest
from label_parts import TIMES, FakeTimeline, make_state, show, spans
from napari_vp_science.labels.behavior_list import time_text, totals
from napari_vp_science.labels.draft import PRESETS, CatalogueDraft
from napari_vp_science.labels.keys import KeyMap, read_key_map, shown
from napari_vp_science.labels.page import LabelPage
from napari_vp_science.labels.saved import recovery_text
from napari_vp_science.state import Prediction
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QApplication, QMainWindow

import vp_science as vp


class Bench:
    """A page in a window of its own."""

    def __init__(self, qtbot, folder, **options):
        self.qtbot, self.folder = qtbot, folder
        self.state, self.timeline = make_state(folder, **options), FakeTimeline()
        self.told = []
        self.state.message.connect(self.told.append)
        self.page = LabelPage(self.state, self.timeline)
        self.window = QMainWindow()
        self.window.setCentralWidget(self.page)
        self.window.resize(380, 640)
        qtbot.addWidget(self.window)
        with qtbot.waitExposed(self.window):
            self.window.show()

    def add(self, behavior, first, last, **options):
        return self.state.labels.add("fly_1", behavior, TIMES[first], TIMES[last], **options)

    def settle(self):
        self.qtbot.waitUntil(lambda: not self.page._soon.isActive())

    def cell(self, row, column):
        return self.page.list.item(row, column).text()

    def reopen(self):
        folder = self.state.session.folder
        self.state.close_session()
        self.state.open_session(folder)

    def close(self):
        self.page.close_view()
        self.state.close_session()


@pytest.fixture
def bench(qtbot, tmp_path):
    made = Bench(qtbot, tmp_path)
    yield made
    made.close()


def test_behaviors_with_keys_counts_and_time(bench):
    bench.add("groom", 0, 100)
    bench.add("groom", 200, 300)
    bench.add("jump", 10, 10)
    bench.settle()
    rows = [[bench.cell(row, column) for column in range(4)] for row in range(3)]
    assert rows == [["groom", "G", "2", "10.0 s"], ["rear", "R", "0", ""], ["jump", "J", "1", ""]]
    show(bench.state, "fly_2")
    bench.settle()
    assert bench.cell(0, 2) == "0"


def test_a_click_goes_to_the_next_bout(bench):
    item = bench.page.list.visualItemRect(bench.page.list.item(1, 0))
    bench.qtbot.mouseClick(bench.page.list.viewport(), Qt.MouseButton.LeftButton, pos=item.center())
    assert bench.timeline.calls == [("next", 1, "rear")]
    assert bench.told == ["There is no further bout of rear in this recording"]


def test_labelling_with_keys_of_the_window(bench):
    seen = []
    bench.page.labelling_changed.connect(seen.append)
    bench.page.set_labelling(True)
    bench.qtbot.keyPress(bench.window, Qt.Key.Key_G)
    assert bench.page.live.text() == "Labelling groom ..."
    bench.state.link.go(4)
    bench.qtbot.keyRelease(bench.window, Qt.Key.Key_G)
    bench.page.set_labelling(False)
    assert spans(bench.state) == [("groom", 0, 5)]
    assert seen == [True, False]
    bench.settle()
    assert bench.page.undo.text() == "Undo add groom"
    bench.qtbot.mouseClick(bench.page.undo, Qt.MouseButton.LeftButton)
    bench.settle()
    assert bench.page.redo.text() == "Redo add groom"
    assert not len(bench.state.labels)


def test_behaviors_without_keys_get_some(bench):
    bench.state.labels.set_behaviors(vp.Behaviors.of(["groom", "gallop", vp.sessions.Behavior("rest", key="a")]))
    bench.page.set_labelling(True)
    assert [entry.key for entry in bench.state.labels.behaviors] == ["g", "l", "a"]
    assert bench.told == ["New keys: groom G, gallop L"]
    assert bench.state.labels.undo_name == "edit behaviors"


def test_the_range_is_told(bench):
    bench.page.set_labelling(True)
    bench.page.labeller.run("mark_in")
    assert bench.page.live.text() == "The range starts at frame 0."
    bench.state.link.go(9)
    bench.page.labeller.run("mark_out")
    assert bench.page.live.text() == "Range of 10 frames is marked: press the key of a behavior to label it."


def test_clashing_keys_are_told(bench):
    bench.state.labels.set_behaviors(vp.Behaviors.of([vp.sessions.Behavior("investigate", key="i")]))
    bench.settle()
    assert bench.page.clash.text() == "I is used for “Range starts here” and investigate: change one of them."


def test_without_a_session_the_page_says_what_to_do(qtbot, tmp_path):
    bench = Bench(qtbot, tmp_path)
    bench.state.close_session()
    bench.state.session_changed.emit()
    bench.settle()
    assert bench.page.live.text() == "Open a recording to label it."
    assert not bench.page.switch.isEnabled()
    for action in (bench.page.import_labels, bench.page.export_labels, bench.page.edit_behaviors):
        action()
        assert "Open a recording first" in bench.told[-1]
    bench.close()


def test_subjects_and_the_annotator_are_kept(bench):
    who = bench.page.who
    who.add("  queen ")
    assert bench.state.subject == "queen"
    bench.page.labeller.press("groom")
    bench.state.link.go(3)
    bench.page.labeller.finish()
    who.rename("worker")
    assert bench.state.labels.bouts("fly_1")[0].subject == "worker"
    assert [who.subject.itemText(row) for row in range(who.subject.count())] == ["Not named", "worker"]
    who.add("queen")
    who.rename("worker")
    assert "expected a name that no subject has" in bench.told[-1]
    who.annotator.setText("Jörg ")
    who.annotator.editingFinished.emit()
    bench.page.labeller.press("rear")
    bench.page.labeller.finish()
    assert bench.state.labels.bouts("fly_1")[-1].source == "manual:Jörg"
    bench.reopen()
    assert (bench.state.annotator, bench.state.session.settings["subjects"]) == ("Jörg", ["queen", "worker"])


# ---- safety


def test_the_state_of_saving_is_shown(bench, monkeypatch):
    from vp_science.sessions import label_log

    write, room = label_log.os.write, [False]

    def refuse(*arguments):
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(*arguments)

    saved = bench.page.saved
    bench.qtbot.waitUntil(lambda: saved.said.text() == "✓ All labels are saved")
    assert saved.again.isHidden()
    monkeypatch.setattr(label_log.os, "write", refuse)
    bench.add("groom", 0, 5)
    bench.qtbot.waitUntil(lambda: "No space left on device" in saved.said.text())
    assert saved.said.text().startswith("Not saved: cannot write")
    room[0] = True
    bench.qtbot.mouseClick(saved.again, Qt.MouseButton.LeftButton)
    bench.qtbot.waitUntil(lambda: saved.said.text() == "✓ All labels are saved")
    assert saved.again.isHidden()


def test_a_crash_is_told_once(bench):
    assert bench.page.notice.isHidden()
    folder = bench.state.session.folder
    log = folder / "labels.log.jsonl"
    bench.add("groom", 0, 5)
    bench.state.close_session()
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-1]) + lines[-1][:12])  # what a kill leaves
    bench.state.open_session(folder)
    bench.settle()
    assert bench.page.notice.isVisible()
    assert "was not closed in order" in bench.page.notice.said.text()
    assert "labels.log.jsonl.torn-1" in bench.page.notice.said.text()
    assert spans(bench.state) == [("groom", 0, 5)]
    bench.qtbot.mouseClick(bench.page.notice.read, Qt.MouseButton.LeftButton)
    bench.state.session_changed.emit()
    assert bench.page.notice.isHidden()
    bench.reopen()
    assert recovery_text(bench.state.session) == ""


# ---- the catalogue


def test_the_catalogue_is_edited(bench):
    bench.add("groom", 0, 5)
    bench.add("rear", 0, 5)
    bench.page.edit_behaviors()
    dialog = bench.page.dialog
    dialog.table.item(0, 1).setText("clean")
    dialog.table.setCurrentCell(1, 1)
    dialog.remove()
    assert dialog.said.text() == "Removing rear also deletes its 1 bout (undo brings them back)."
    dialog.add()
    dialog.table.item(2, 1).setText("sleep")
    dialog.table.setCurrentCell(2, 1)
    dialog.move(-1)
    dialog.exclusive.setChecked(True)
    dialog.accept()
    book = bench.state.labels
    assert (book.behaviors.names, book.behaviors.exclusive) == (("clean", "sleep", "jump"), True)
    assert spans(bench.state) == [("clean", 0, 5)]
    book.undo()
    assert spans(bench.state) == [("groom", 0, 5), ("rear", 0, 5)]


def test_what_cannot_be_is_said_before(bench):
    bench.add("jump", 3, 3)
    bench.page.edit_behaviors()
    dialog = bench.page.dialog
    dialog.table.item(1, 1).setText("groom")
    assert dialog.said.text() == "Two behaviors are called “groom”: rename one."
    assert not dialog.ok.isEnabled()
    dialog.table.item(1, 1).setText("")
    assert "expected every behavior to have a name" in dialog.said.text()
    dialog.table.item(1, 1).setText("rear")
    assert dialog.ok.isEnabled()
    dialog.table.cellWidget(2, 3).setCurrentText("lasts")
    assert dialog.said.text() == "jump has bouts and cannot become lasting: delete them first."
    assert not dialog.ok.isEnabled()


def test_overlapping_bouts_stay_when_behaviors_shall_exclude_each_other(bench):
    bench.add("groom", 0, 5)
    bench.add("rear", 2, 8)
    bench.page.edit_behaviors()
    bench.page.dialog.exclusive.setChecked(True)
    bench.page.dialog.accept()
    assert "expected behaviors that exclude each other" in bench.told[-1]
    assert spans(bench.state) == [("groom", 0, 5), ("rear", 2, 8)]


def test_behaviors_of_presets_and_files(bench, tmp_path):
    rows = [{"recording": "x", "behavior": name, "start_s": 0, "stop_s": 1} for name in ("rear", "hide")]
    vp.write_annotations(vp.Annotations.of(rows), tmp_path / "labels.csv")
    bench.page.edit_behaviors()
    dialog = bench.page.dialog
    dialog._choose_file = lambda: tmp_path / "labels.csv"
    dialog.take_file()
    assert [row.entry.name for row in dialog.draft.rows] == ["groom", "rear", "jump", "hide"]
    dialog._choose_file = lambda: tmp_path / "none.csv"
    dialog.take_file()
    assert "expected an annotation file, found nothing there" in dialog.said.text()
    dialog.take_preset("Birds at a nest")
    assert len(dialog.draft.rows) == 9
    assert dialog.ok.isEnabled()


@pytest.mark.parametrize("title", PRESETS)
def test_presets_make_catalogues_with_keys(title):
    draft = CatalogueDraft(vp.Behaviors(()), {})
    draft.take_preset(title)
    assert draft.problems == []
    assert draft.exclusive == PRESETS[title][1]
    assert all(entry.key for entry in draft.behaviors())


def test_a_draft_keeps_what_other_programs_said():
    behaviors = vp.Behaviors.of(
        [vp.sessions.Behavior("groom", description="licks", category="self")], background="other"
    )
    draft = CatalogueDraft(behaviors, {"groom": 3})
    draft.change(0, name="clean", color="#ff0000")
    assert draft.renamed == {"groom": "clean"}
    assert draft.behaviors().background == "other"
    assert draft.behaviors()["clean"].description == "licks"
    draft.change(draft.add(), name="other")
    assert draft.behaviors().background == ""
    with pytest.raises(vp.VPScienceError, match=r"expected a color such as"):
        draft.change(0, color="red")


# ---- keys


def test_keys_are_changed_in_a_dialog_and_kept(bench):
    bench.page.show_keys()
    bench.page.dialog.change.click()
    dialog = bench.page.dialog
    dialog.field("play").setKeySequence(QKeySequence("I"))
    assert dialog.problem.text() == "I is used for “Play or pause” and “Range starts here”."
    assert not dialog._ok.isEnabled()
    dialog.field("play").setKeySequence(QKeySequence("Q"))
    dialog.accept()
    assert read_key_map() == KeyMap({"play": ("Q",)})
    bench.page.set_labelling(True)
    bench.window.activateWindow()
    bench.qtbot.waitUntil(bench.window.isActiveWindow)
    bench.qtbot.keyClick(bench.window, Qt.Key.Key_Q)
    assert bench.state.link.playing
    bench.page.change_keys()
    bench.page.dialog.reset()
    bench.page.dialog.accept()
    assert read_key_map() == KeyMap()


def test_the_list_of_keys_has_all_of_them(bench):
    bench.page.show_keys()
    from napari_vp_science.labels.keys import COMMANDS
    from qtpy.QtWidgets import QLabel

    words = [label.text() for label in bench.page.dialog.findChildren(QLabel)]
    for command in COMMANDS:
        assert command.title in words
        assert "  or  ".join(shown(key) for key in command.keys) in words
    assert {"groom", "G", "rear", "R", "jump", "J"} <= set(words)


# ---- files


def importing(bench, paths):
    bench.page.import_labels(paths)
    dialog = bench.page.dialog
    bench.qtbot.waitUntil(lambda: dialog.said.text() != "Reading ...")
    return dialog


def wait_for(bench, dialog, words):
    bench.qtbot.waitUntil(lambda: words in dialog.said.text())


def test_labels_come_in(bench, tmp_path):
    rows = [{"recording": name, "behavior": "groom", "start_s": 1, "stop_s": 2} for name in ("fly_1.mp4", "Tuesday")]
    vp.write_annotations(vp.Annotations.of(rows), tmp_path / "labels.csv")
    dialog = importing(bench, [tmp_path / "labels.csv"])
    assert "Left out, because the session has no such recording: Tuesday." in dialog.said.text()
    dialog.choice("Tuesday").setCurrentText("fly_2")
    wait_for(bench, dialog, "Found 2 bouts of 1 behavior (groom) in 2 recordings.")
    bench.qtbot.waitUntil(lambda: "Left out" not in dialog.said.text())
    dialog.ok.click()
    assert bench.page.dialog is None
    assert [bout.recording for bout in bench.state.labels.bouts()] == ["fly_1", "fly_2"]
    assert bench.state.labels.undo_name == "import"


def test_frames_come_in_with_the_clock_of_the_recording(bench, tmp_path):
    table = np.zeros((1000, 2), int)
    table[20:30, 1] = 1
    lines = [",background,groom", *(f"{i},{1 - g},{g}" for i, (_, g) in enumerate(table))]
    path = tmp_path / "fly_1_labels.csv"
    path.write_text("\n".join(lines))
    dialog = importing(bench, [path])
    dialog.ok.click()
    assert spans(bench.state) == [("groom", 20, 30)]


def test_what_cannot_come_in_is_explained(bench, tmp_path):
    (tmp_path / "labels.csv").write_text("a,b\n1,2\n")
    dialog = importing(bench, [tmp_path / "labels.csv"])
    assert "expected" in dialog.said.text()
    assert not dialog.ok.isEnabled()
    dialog.format.setCurrentIndex(dialog.format.findData("boris"))
    bench.qtbot.waitUntil(lambda: dialog.said.text() != "Reading ...")
    assert not dialog.ok.isEnabled()


def test_labels_that_changed_meanwhile_are_read_again(bench, tmp_path):
    rows = [{"recording": "fly_1", "behavior": "groom", "start_s": 1, "stop_s": 2}]
    vp.write_annotations(vp.Annotations.of(rows), tmp_path / "labels.csv")
    bench.add("rear", 0, 5)
    dialog = importing(bench, [tmp_path / "labels.csv"])
    dialog.replace.setChecked(True)
    wait_for(bench, dialog, "The labels of fly_1 are replaced")
    bench.state.labels.undo()
    dialog.ok.click()
    assert "found newer ones: do it again" in dialog.said.text()
    bench.qtbot.waitUntil(dialog.ok.isEnabled)
    dialog.ok.click()
    assert [bout.behavior for bout in bench.state.labels.bouts()] == ["groom"]


def test_labels_go_out_and_it_is_said_where(bench, tmp_path):
    bench.add("groom", 0, 5)
    bench.page.export_labels()
    dialog = bench.page.dialog
    assert not dialog.predictions.isEnabled()
    dialog.export(tmp_path / "out.csv")
    wait_for(bench, dialog, "Wrote 3 files in ")
    dialog.format.setCurrentIndex([f.name for f in vp.sessions.label_formats()].index("boris"))
    dialog.export(tmp_path / "out.boris")
    wait_for(bench, dialog, f"Wrote {tmp_path / 'out.boris'}.")
    assert vp.read_annotations(tmp_path / "out.boris").bouts["behavior"].tolist() == ["groom"]
    assert bench.told[-1] == f"Labels were exported to {tmp_path / 'out.boris'}"


def test_predictions_go_out_as_those_of_the_probe(bench, tmp_path):
    bench.add("groom", 0, 5)
    nothing = np.zeros((0, 3))
    bouts = np.array([[1, 5.0, 6.0, 0.9]])
    names = ("groom", "rear", "jump")
    bench.state.predictions["fly_2"] = Prediction("fly_2", "p7", names, TIMES[:0], nothing, nothing, bouts)
    bench.page.export_labels()
    dialog = bench.page.dialog
    dialog.predictions.setChecked(True)
    assert dialog.chosen_recordings == ["fly_1", "fly_2"]
    dialog.export(tmp_path / "out.csv")
    wait_for(bench, dialog, "Wrote")
    found = vp.read_annotations(tmp_path / "out.csv")
    assert found.bouts["source"].tolist() == ["manual:", "model:p7"]
    dialog.one.setChecked(True)
    assert dialog.chosen_recordings == ["fly_1"]


def test_what_a_format_cannot_hold_is_said(bench, tmp_path):
    bench.add("groom", 0, 5)
    bench.add("rear", 0, 5)
    bench.page.export_labels()
    dialog = bench.page.dialog
    dialog.format.setCurrentIndex([f.name for f in vp.sessions.label_formats()].index("calms21"))
    dialog.export(tmp_path / "out.json")
    wait_for(bench, dialog, "expected")
    assert dialog.write.isEnabled()
    assert not (tmp_path / "out.json").exists()


def test_formats_of_one_recording_per_file_ask_for_a_folder(bench):
    bench.add("groom", 0, 5)
    bench.state.labels.add("fly_2", "groom", 0, 1)
    bench.page.export_labels()
    dialog = bench.page.dialog
    dialog.format.setCurrentIndex([f.name for f in vp.sessions.label_formats()].index("elan"))
    assert dialog.said.text() == "This format holds one recording per file: choose a folder for all of them."
    dialog.one.setChecked(True)
    assert dialog.said.text() == ""


# ---- small things


def test_totals_and_times():
    book = vp.sessions.LabelBook()
    book.set_behaviors(vp.Behaviors.of(["a", "b"]))
    book.add("r", "a", 0, 2)
    book.add("r", "a", 5, 6, subject="x")
    count, seconds = totals(book.table("r"))
    assert (count.tolist(), seconds.tolist()) == ([2, 0], [3.0, 0.0])
    assert totals(book.table("r"), "x")[0].tolist() == [1, 0]
    assert totals(book.table("r"), "y")[0].tolist() == [0, 0]
    assert totals(book.table("nothing"))[0].tolist() == [0, 0]
    assert [time_text(s) for s in (0.04, 99.9, 100, 3599, 7260)] == [
        "0.0 s",
        "99.9 s",
        "1:40 min",
        "59:59 min",
        "2:01 h",
    ]


def test_keys_of_the_panel_do_not_meet_those_of_the_menus(make_napari_viewer_proxy):
    from napari_vp_science.labels.keys import COMMANDS, tidy

    make_napari_viewer_proxy()
    [window] = [
        one for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow) and one.menuBar().actions()
    ]
    theirs = {tidy(key.toString()) for action in actions_of(window.menuBar()) for key in action.shortcuts()}
    assert "Ctrl+O" in theirs
    assert not theirs & {tidy(key) for command in COMMANDS for key in command.keys}


def actions_of(menu):
    for action in menu.actions():
        yield action
        if action.menu() is not None:
            yield from actions_of(action.menu())
