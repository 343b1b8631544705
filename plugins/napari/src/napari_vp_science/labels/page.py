"""The Label page: behaviors and their keys, who labels whom, files, and whether everything is saved."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QDialog, QGridLayout, QHBoxLayout, QLayout, QPushButton, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.labels.behavior_list import BehaviorList, totals
from napari_vp_science.labels.catalogue import CatalogueDialog
from napari_vp_science.labels.files import ExportDialog, ImportDialog, choose_label_files
from napari_vp_science.labels.help import HelpWindow
from napari_vp_science.labels.keys import KeyMap, free_key, read_key_map, write_key_map
from napari_vp_science.labels.keys_dialog import KeysDialog
from napari_vp_science.labels.labeller import Labeller, Timeline
from napari_vp_science.labels.saved import RecoveryNotice, SaveState
from napari_vp_science.labels.shortcuts import LabelKeys, main_window
from napari_vp_science.labels.subjects import WhoFields
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, button, heading, hint, page

_HOW = "Tap a key to start a behavior and again to stop it, or hold it while the video plays. ? shows all keys."
_WATCHED = "Where you played the video and labelled nothing, nothing happened. Time you did not play stays unknown."


class LabelPage(QWidget):
    """Labels by keyboard.

    Attributes:
        labelling_changed: keys label now, or no longer.
    """

    title = "Label"
    labelling_changed = Signal(bool)

    def __init__(self, state: PanelState, timeline: Timeline) -> None:
        super().__init__()
        self.state, self.timeline = state, timeline
        self.labeller = Labeller(state, timeline)
        self.labeller.setParent(self)  # Qt ends it with the page; Python might do so in any thread
        self._key_map = KeyMap()
        try:
            self._key_map = read_key_map()
        except vp.VPScienceError as error:
            state.message.emit(str(error))
        self.keys = LabelKeys(self.labeller, self._key_map)
        self.dialog: QDialog | None = None
        self._shown: tuple[Any, ...] = ()
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self.refresh)
        self._build()
        self._connections: list[tuple[Any, Any]] = [
            (state.session_changed, self._on_session),
            (state.recording_changed, self._refresh_soon),
            (state.labels_changed, self._refresh_soon),
            (state.subject_changed, self._refresh_soon),
        ]
        for signal, slot in self._connections:
            signal.connect(slot)
        self.labeller.changed.connect(self._show_live)
        self.labeller.help_wanted.connect(self.show_keys)
        self.refresh()

    def close_view(self) -> None:
        """Finish what is being labelled and let go of keys and signals."""
        for signal, slot in self._connections:
            signal.disconnect(slot)
        self._connections = []
        self._soon.stop()
        self.saved.close_view()
        if self.dialog is not None:
            self.dialog.close()
        self.labeller.close_view()
        self.keys.close_view()

    # ---- what menus and other pages call

    def set_labelling(self, on: bool) -> None:
        """Label with keys, or no longer."""
        self.switch.setChecked(on)

    def import_labels(self, paths: list[Path] | None = None) -> None:
        """Take in labels; without paths people choose files."""
        if self.state.session is None:
            self.state.message.emit("Open a recording first: labels belong to recordings")
            return
        paths = choose_label_files(self) if paths is None else paths
        if paths:
            self._open(ImportDialog(self.state, paths, self))

    def export_labels(self) -> None:
        """Write labels for other programs."""
        if self.state.session is None:
            self.state.message.emit("Open a recording first: there are no labels yet")
            return
        self.labeller.finish()
        self._open(ExportDialog(self.state, self))

    def edit_behaviors(self) -> None:
        """Open the catalogue editor."""
        book = self.state.labels
        if book is None:
            self.state.message.emit("Open a recording first: behaviors are kept in its session")
            return
        self.labeller.finish()
        count = dict.fromkeys(book.behaviors.names, 0)
        for name in book.recordings:
            for behavior, number in zip(book.behaviors.names, totals(book.table(name))[0].tolist(), strict=True):
                count[behavior] += number
        dialog = CatalogueDialog(book.behaviors, count, self._key_map, self)
        dialog.accepted.connect(lambda: self._set_behaviors(dialog))
        self._open(dialog)

    def show_keys(self) -> None:
        """List all keys."""
        dialog = HelpWindow(self._key_map, self._behavior_keys(), self)
        dialog.change.clicked.connect(lambda _checked=False: self.change_keys())
        self._open(dialog, modal=False)

    def change_keys(self) -> None:
        """Let people choose other keys."""
        dialog = KeysDialog(self._key_map, self._behavior_keys(), self)
        dialog.accepted.connect(lambda: self._set_keys(dialog.keys))
        self._open(dialog)

    # ---- building

    def _build(self) -> None:
        area, layout = page()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)
        self.notice = RecoveryNotice(self.state)
        layout.addWidget(self.notice)
        layout.addLayout(self._build_switch())
        self.how = hint(_HOW)
        layout.addWidget(self.how)
        self.watched = QCheckBox("Time I watch counts as scored")
        self.watched.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.watched.setChecked(True)
        self.watched.toggled.connect(self.labeller.set_score_watched)
        self.watched.setToolTip(_WATCHED)
        layout.addWidget(self.watched)
        layout.addWidget(hint(_WATCHED))
        self.who = WhoFields(self.state)
        layout.addWidget(self.who)
        layout.addLayout(self._build_heading())
        self.list = BehaviorList()
        self.list.wanted.connect(self._go_to_next)
        layout.addWidget(self.list)
        self.live = hint()
        layout.addWidget(self.live)
        self.clash = hint()
        layout.addWidget(self.clash)
        layout.addLayout(self._build_buttons())
        self.saved = SaveState(self.state)
        layout.addWidget(self.saved)
        layout.addStretch(1)

    def _build_switch(self) -> QLayout:
        row = QHBoxLayout()
        self.switch = QCheckBox("Label with keys")
        self.switch.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.switch.setToolTip("Keys of behaviors label the video; the other keys move through it")
        font = self.switch.font()
        font.setBold(True)
        self.switch.setFont(font)
        self.switch.toggled.connect(self._switch)
        row.addWidget(self.switch, 1)
        shown = button("Keys...", "All keys, and how to change them")
        shown.clicked.connect(lambda _checked=False: self.show_keys())
        row.addWidget(shown)
        return row

    def _build_heading(self) -> QLayout:
        row = QHBoxLayout()
        row.addWidget(heading("Behaviors"), 1)
        self.edit = button("Edit behaviors...", "Add, rename, order, color: which behaviors there are")
        self.edit.clicked.connect(lambda _checked=False: self.edit_behaviors())
        row.addWidget(self.edit)
        return row

    def _build_buttons(self) -> QLayout:
        grid = QGridLayout()
        grid.setSpacing(GAP)
        self.undo = self._small("Undo", "Take back the last step", self.labeller.undo)
        self.redo = self._small("Redo", "Do the undone step again", self.labeller.redo)
        self.take = self._small("Import...", "Labels from other programs", self.import_labels)
        self.give = self._small("Export...", "Labels for other programs", self.export_labels)
        for place, made in enumerate((self.undo, self.redo, self.take, self.give)):
            grid.addWidget(made, place // 2, place % 2)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        return grid

    @staticmethod
    def _small(text: str, tip: str, action: Any) -> QPushButton:
        made = button(text, tip)
        made.clicked.connect(lambda _checked=False: action())
        return made

    # ---- showing

    def refresh(self) -> None:
        """Show what the labels say now."""
        book = self.state.labels
        behaviors = vp.Behaviors(()) if book is None else book.behaviors
        if self._shown != (id(book), behaviors):
            self._shown = (id(book), behaviors)
            self.list.show_behaviors(behaviors)
            self.keys.set_behaviors({entry.key: entry.name for entry in behaviors if entry.key})
            self._show_clashes()
        if book is not None and self.state.current:
            self.list.show_totals(*totals(book.table(self.state.current)))
        self.list.setVisible(len(behaviors) > 0)
        for made, word, name in (
            (self.undo, "Undo", None if book is None else book.undo_name),
            (self.redo, "Redo", None if book is None else book.redo_name),
        ):
            text = word if name is None else f"{word} {name}"
            made.setText(made.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, 150))
            made.setToolTip(text)
            made.setEnabled(name is not None)
        for one in (self.switch, self.watched, self.edit, self.take, self.give):
            one.setEnabled(book is not None)
        self.who.refresh()
        self.saved.look()
        self._show_live()

    def _refresh_soon(self, *_: Any) -> None:
        self._soon.start()

    def _show_live(self) -> None:
        strokes = self.labeller.strokes
        self.list.show_live(frozenset(stroke.behavior for stroke in strokes))
        first, last = self.labeller.marks
        if self.state.labels is None:
            text = "Open a recording to label it."
        elif not len(self.state.labels.behaviors):
            text = "Which behaviors are there? Begin with Edit behaviors, or import labels."
        elif strokes:
            words = [f"{'Erasing' if stroke.erase else 'Labelling'} {stroke.behavior}" for stroke in strokes]
            text = f"{' and '.join(words)} ..."
        elif first is not None and last is not None:
            text = f"Range of {last - first + 1} frames is marked: press the key of a behavior to label it."
        elif first is not None or last is not None:
            text = f"The range {'starts' if last is None else 'ends'} at frame {first if last is None else last}."
        else:
            text = ""
        if text != self.live.text():
            self.live.setText(text)
        self.live.setVisible(bool(text))

    def _show_clashes(self) -> None:
        clashes = self._key_map.conflicts(self._behavior_keys())
        self.clash.setText("\n".join(f"{words}: change one of them." for words in clashes))
        self.clash.setVisible(bool(clashes))

    def _on_session(self) -> None:
        if self.state.session is None:
            self.switch.setChecked(False)
        self.notice.refresh()
        self._refresh_soon()

    def showEvent(self, event: QShowEvent) -> None:
        """The page knows its window once it is shown there."""
        super().showEvent(event)
        self.keys.bind(main_window(self))

    # ---- acting

    def _switch(self, on: bool) -> None:
        if on:
            self.keys.bind(main_window(self))
            self._give_keys()
        self.labeller.switch(on)
        self.labelling_changed.emit(on)

    def _give_keys(self) -> None:
        """Behaviors that came without a key get one, as a step that can be undone."""
        book = self.state.labels
        if book is None or all(entry.key for entry in book.behaviors):
            return
        taken = [entry.key for entry in book.behaviors if entry.key]
        taken += [key for own in self._key_map.changed.values() for key in own]
        entries, given = [], []
        for entry in book.behaviors:
            key = entry.key or free_key(taken, entry.name)
            if key and not entry.key:
                taken.append(key)
                given.append(f"{entry.name} {key.upper()}")
            entries.append(replace(entry, key=key))
        behaviors = book.behaviors
        book.set_behaviors(vp.Behaviors(tuple(entries), behaviors.exclusive, behaviors.background))
        if given:
            self.state.message.emit(f"New keys: {', '.join(given)}")

    def _go_to_next(self, behavior: str) -> None:
        if self.timeline.next_bout(1, behavior) is None:
            self.state.message.emit(f"There is no further bout of {behavior} in this recording")

    def _behavior_keys(self) -> list[tuple[str, str]]:
        book = self.state.labels
        return [] if book is None else [(entry.name, entry.key) for entry in book.behaviors]

    def _set_behaviors(self, dialog: CatalogueDialog) -> None:
        book = self.state.labels
        if book is None:
            return
        try:
            behaviors = dialog.draft.behaviors()
            if behaviors != book.behaviors:
                book.set_behaviors(behaviors, dialog.draft.renamed)
        except vp.VPScienceError as error:
            self.state.message.emit(str(error))

    def _set_keys(self, keys: KeyMap) -> None:
        self._key_map = keys
        self.keys.set_keys(keys)
        self._show_clashes()
        try:
            write_key_map(keys)
        except vp.VPScienceError as error:
            self.state.message.emit(str(error))

    def _open(self, dialog: QDialog, *, modal: bool = True) -> None:
        """One dialog at a time; the window goes on working behind it."""
        if self.dialog is not None:
            self.dialog.close()
        self.dialog = dialog
        dialog.finished.connect(lambda _result: self._closed(dialog))
        if modal:
            dialog.open()
        else:
            dialog.show()

    def _closed(self, dialog: QDialog) -> None:
        if self.dialog is dialog:
            self.dialog = None
        dialog.deleteLater()
