"""Keys of the window: the table, clashes, fields that keep their keys, keys that are held."""

import os
from pathlib import Path

import pytest
from label_parts import TIMES, FakeTimeline, make_state, spans
from napari_vp_science.labels.keys import (
    BY_NAME,
    COMMANDS,
    GROUPS,
    KeyMap,
    free_key,
    key_map_from,
    read_key_map,
    tidy,
    write_key_map,
)
from napari_vp_science.labels.labeller import Labeller
from napari_vp_science.labels.shortcuts import LabelKeys, digit_key, is_typing, key_names, main_window
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QDockWidget,
    QLineEdit,
    QMainWindow,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

import vp_science as vp


def test_defaults_do_not_clash_and_are_keys_of_laptops():
    assert KeyMap().conflicts() == []
    for command in COMMANDS:
        assert command.group in GROUPS
        assert command.keys
        for key in command.keys:
            assert tidy(key), key
            assert not {"home", "end", "pgup", "pgdown", "ins", "num"} & set(key.lower().split("+")), key


def test_defaults_leave_napari_its_keys():
    from napari.utils.shortcuts import default_shortcuts

    # What belongs to kinds of layers (labels, points, shapes) is not needed while the video is labelled.
    general = [name for name in default_shortcuts if "dims" in name or "pan_zoom" in name or "axes" in name]
    general += ["napari:toggle_ndisplay", "napari:toggle_grid", "napari:reset_view", "napari:delete_selected_layers"]
    theirs = {tidy(str(key).replace("Arrow", "")) for name in general for key in default_shortcuts[name]}
    assert {"Left", "Right", "Space", "Alt+Up", "Ctrl+Y"} <= theirs
    taken = {tidy(key) for command in COMMANDS for key in command.keys}
    assert not taken & theirs


def test_every_command_does_something(tmp_path):
    state = make_state(tmp_path)
    labeller = Labeller(state, FakeTimeline())
    of_other_pages = {"next_recording", "previous_recording"}
    assert set(labeller._actions()) == set(BY_NAME) - of_other_pages
    done = []
    labeller.others["next_recording"] = lambda: done.append("next")
    labeller.run("next_recording")
    assert done == ["next"]
    labeller.close_view()
    state.close_session()


def test_a_page_may_claim_the_key_of_a_behavior(tmp_path):
    state = make_state(tmp_path)
    labeller = Labeller(state, FakeTimeline())
    claimed = []
    labeller.claim = lambda behavior: claimed.append(behavior) or True
    name = state.labels.behaviors.names[0]
    labeller.switch(True)
    labeller.press(name)
    assert claimed == [name]
    assert labeller.strokes == []
    labeller.press(name, erase=True)
    assert claimed == [name]
    labeller.close_view()
    state.close_session()


def test_keys_are_changed_kept_and_taken_back():
    keys = KeyMap().with_keys("play", ["K", "k", ""])
    assert keys.keys("play") == ("K",)
    assert keys.keys("delete") == BY_NAME["delete"].keys
    write_key_map(keys)
    assert read_key_map() == keys
    assert keys.with_keys("play", BY_NAME["play"].keys) == KeyMap()
    assert key_map_from({"play": ["K"], "gone": ["X"], "undo": "Z", "redo": [1]}) == keys


def test_damaged_settings_of_keys_are_named():
    (Path(os.environ["VP_SCIENCE_CONFIG"]) / "keys.json").write_text("[]")
    with pytest.raises(vp.VPScienceError, match=r"keys.json: expected settings as JSON"):
        read_key_map()


def test_clashes_are_named():
    keys = KeyMap().with_keys("play", ["I"])
    assert keys.conflicts() == ["I is used for “Play or pause” and “Range starts here”"]
    assert KeyMap().conflicts([("groom", "g"), ("gallop", "G"), ("investigate", "i"), ("rest", "")]) == [
        "I is used for “Range starts here” and investigate",
        "G is used for groom and gallop",
        "Shift+G is used for erasing groom and erasing gallop",
    ]


def test_new_behaviors_get_keys_that_are_free():
    assert free_key([], "Groom") == "g"
    assert free_key(["g", "R"], "groom") == "m"  # not o, which marks the end of a range
    assert free_key([], "io") == "1"
    assert free_key("abcdefghjklmnpqrstuvwxyz123456789", "x") == ""


def test_digits_are_known_by_their_place():
    def press(key, text, scan_code, virtual=0):
        none = Qt.KeyboardModifier.NoModifier
        return QKeyEvent(QEvent.Type.KeyPress, key, none, scan_code, virtual, 0, text)

    assert digit_key(press(Qt.Key.Key_Exclam, "!", 10), "xcb") == "1"
    assert digit_key(press(Qt.Key.Key_ParenRight, ")", 19), "wayland") == "0"
    assert digit_key(press(Qt.Key.Key_Ampersand, "&", 2), "windows") == "1"
    assert digit_key(press(Qt.Key.Key_G, "g", 42), "xcb") == ""
    assert digit_key(press(Qt.Key.Key_G, "g", 0), "xcb") == ""
    assert digit_key(press(Qt.Key.Key_Percent, "%", 1, 23), "cocoa") == "5"
    assert key_names(press(Qt.Key.Key_Exclam, "!", 10), "xcb") == ["!", "1"]
    assert key_names(press(Qt.Key.Key_G, "G", 42), "xcb") == ["g"]
    assert key_names(press(Qt.Key.Key_F5, "", 71), "xcb") == ["f5"]


@pytest.mark.parametrize("make", [QLineEdit, QSpinBox, QPlainTextEdit])
def test_fields_keep_their_keys(qtbot, make):
    field = make()
    qtbot.addWidget(field)
    assert is_typing(field)
    assert not is_typing(None)


def test_lists_and_texts_to_read_do_not(qtbot):
    choice, text = QComboBox(), QPlainTextEdit()
    qtbot.addWidget(choice)
    qtbot.addWidget(text)
    text.setReadOnly(True)
    assert not is_typing(choice)
    assert not is_typing(text)
    choice.setEditable(True)
    assert is_typing(choice)


class Window:
    """A window with a dock, a button and a field, and keys that label."""

    def __init__(self, qtbot, folder, keys=None):
        self.qtbot, self.state, self.timeline = qtbot, make_state(folder), FakeTimeline()
        self.main, self.button, self.field = QMainWindow(), QPushButton("video"), QLineEdit()
        inside = QWidget()
        self.dock = QDockWidget()
        self.dock.setWidget(self.field)
        self.main.setCentralWidget(inside)
        self.button.setParent(inside)
        self.main.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.dock)
        qtbot.addWidget(self.main)
        self.labeller = Labeller(self.state, self.timeline)
        self.keys = LabelKeys(self.labeller, keys or KeyMap())
        self.keys.set_behaviors({"g": "groom", "1": "rear", "j": "jump"})
        self.keys.bind(self.main)
        with qtbot.waitExposed(self.main):
            self.main.show()
        self.main.activateWindow()
        self.focus(self.button)
        self.labeller.switch(True)

    def focus(self, widget):
        widget.setFocus()
        self.qtbot.waitUntil(lambda: QApplication.focusWidget() is widget)

    def down(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyPress(self.main, key, modifier)

    def up(self, key, modifier=Qt.KeyboardModifier.NoModifier):
        self.qtbot.keyRelease(self.main, key, modifier)
        self.qtbot.waitUntil(lambda: not self.keys._ending)

    def close(self):
        self.keys.close_view()
        self.labeller.close_view()
        self.state.close_session()


@pytest.fixture
def window(qtbot, tmp_path):
    made = Window(qtbot, tmp_path)
    yield made
    made.close()


def labelling(window):
    return [(stroke.behavior, stroke.erase) for stroke in window.labeller.strokes]


def test_keys_of_behaviors_go_down_and_up(window):
    window.state.link.go(5)
    window.down(Qt.Key.Key_G)
    assert labelling(window) == [("groom", False)]
    window.up(Qt.Key.Key_G)
    assert labelling(window) == [("groom", False)]
    window.state.link.go(9)
    window.down(Qt.Key.Key_G)
    window.up(Qt.Key.Key_G)
    assert spans(window.state) == [("groom", 5, 10)]


def test_shift_erases(window):
    window.state.labels.add("fly_1", "rear", TIMES[0], TIMES[20])
    window.state.link.go(5)
    window.down(Qt.Key.Key_1, Qt.KeyboardModifier.ShiftModifier)
    assert labelling(window) == [("rear", True)]
    window.state.link.go(9)
    window.up(Qt.Key.Key_1)
    window.down(Qt.Key.Key_1, Qt.KeyboardModifier.ShiftModifier)
    window.up(Qt.Key.Key_1)
    assert spans(window.state) == [("rear", 0, 5), ("rear", 10, 20)]


def test_keys_repeat_while_they_are_held(window):
    window.down(Qt.Key.Key_G)
    for kind in (QEvent.Type.KeyRelease, QEvent.Type.KeyPress) * 3:
        event = QKeyEvent(kind, Qt.Key.Key_G, Qt.KeyboardModifier.NoModifier, "g", True)
        QApplication.sendEvent(window.main, event)
    assert labelling(window) == [("groom", False)]


def test_a_key_that_seems_to_be_let_go_for_an_instant_is_held(window):
    """As X11 reports keys that repeat, now and then."""
    window.labeller._clock = iter(range(100)).__next__
    window.down(Qt.Key.Key_G)
    window.state.link.go(5)
    window.qtbot.keyRelease(window.main, Qt.Key.Key_G)
    window.down(Qt.Key.Key_G)
    assert labelling(window) == [("groom", False)]
    window.state.link.go(9)
    window.up(Qt.Key.Key_G)
    assert spans(window.state) == [("groom", 0, 10)]


def test_a_key_is_let_go_at_the_frame_at_which_it_was(window):
    window.labeller._clock = iter(range(100)).__next__
    window.down(Qt.Key.Key_G)
    window.state.link.go(5)
    window.qtbot.keyRelease(window.main, Qt.Key.Key_G)
    window.state.link.go(6)
    window.qtbot.waitUntil(lambda: len(window.state.labels) > 0)
    assert spans(window.state) == [("groom", 0, 6)]


def test_other_modifiers_and_other_keys_go_on(window):
    window.down(Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    window.down(Qt.Key.Key_H)
    assert labelling(window) == []


def test_nothing_labels_while_the_switch_is_off(window):
    window.labeller.switch(False)
    window.down(Qt.Key.Key_G)
    window.down(Qt.Key.Key_I)
    assert labelling(window) == []
    assert window.labeller.marks == (None, None)


def test_fields_of_the_window_keep_their_keys_and_return(window, qtbot):
    entered = []
    window.field.returnPressed.connect(lambda: entered.append(window.field.text()))
    window.focus(window.field)
    qtbot.keyClicks(window.field, "gi,")
    qtbot.keyClick(window.field, Qt.Key.Key_Return)
    assert entered == ["gi,"]
    assert labelling(window) == []
    assert not window.state.link.playing
    window.focus(window.button)
    window.down(Qt.Key.Key_G)
    assert labelling(window) == [("groom", False)]


@pytest.mark.parametrize(
    ("key", "modifier", "seen"),
    [
        (Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier, lambda w: w.state.link.playing),
        (Qt.Key.Key_I, Qt.KeyboardModifier.NoModifier, lambda w: w.labeller.marks == (0, None)),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier, lambda w: w.state.link.steps == [("seconds", 1.0)]),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier, lambda w: ("next", 1, None) in w.timeline.calls),
        (Qt.Key.Key_Backspace, Qt.KeyboardModifier.NoModifier, lambda w: "delete" in w.timeline.calls),
        (Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier, lambda w: w.state.labels.redo_name == "edit behaviors"),
    ],
)
def test_commands(window, qtbot, key, modifier, seen):
    assert not seen(window)
    qtbot.keyClick(window.button, key, modifier)
    assert seen(window)


def test_the_question_mark_shows_the_keys(window, qtbot):
    with qtbot.waitSignal(window.labeller.help_wanted):
        qtbot.keyClick(window.button, Qt.Key.Key_Question)


def test_other_keys_are_bound_at_once(window, qtbot):
    window.keys.set_keys(KeyMap().with_keys("mark_in", ["Q"]))
    qtbot.keyClick(window.button, Qt.Key.Key_I)
    assert window.labeller.marks == (None, None)
    qtbot.keyClick(window.button, Qt.Key.Key_Q)
    assert window.labeller.marks == (0, None)


def test_a_window_that_loses_the_keyboard_lets_go_of_keys(window):
    window.down(Qt.Key.Key_G)
    window.labeller._clock = lambda: 1e9
    window.state.link.go(6)
    QApplication.sendEvent(window.main, QEvent(QEvent.Type.WindowDeactivate))
    assert spans(window.state) == [("groom", 0, 7)]
    window.up(Qt.Key.Key_G)
    assert labelling(window) == []


def test_a_floating_dock_still_belongs_to_its_window(window):
    window.dock.setFloating(True)
    assert main_window(window.field) is window.main
    assert main_window(QWidget()) is None


def test_nothing_is_left_when_the_keys_are_closed(qtbot, tmp_path):
    made = Window(qtbot, tmp_path)
    made.close()
    qtbot.keyClick(made.button, Qt.Key.Key_I)
    made.down(Qt.Key.Key_G)
    assert made.labeller.marks == (None, None)
    assert made.labeller.strokes == []
