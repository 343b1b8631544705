"""Dialogs for labels from and to files of other programs."""

from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, button, form, heading, hint, page

_LEAVE_OUT = "Leave out"
_MOST_ASKED = 200


def file_filter(one: "vp.sessions.LabelFormat") -> str:
    """A format as file dialogs list it."""
    return f"{one.title} ({' '.join(f'*{ending}' for ending in one.endings)})"


def choose_label_files(parent: QWidget | None) -> list[Path]:
    """Ask for files to import."""
    endings = sorted({ending for one in vp.sessions.label_formats() for ending in one.endings})
    every = f"Labels ({' '.join(f'*{ending}' for ending in endings)})"
    filters = ";;".join([every, *map(file_filter, vp.sessions.label_formats()), "All files (*)"])
    names, _ = QFileDialog.getOpenFileNames(parent, "Import labels", "", filters)
    return [Path(name) for name in names]


def clocks_of(state: PanelState) -> "vp.sessions.RecordingClocks":
    """Clocks of the recordings of the session; that of the shown one is known already."""
    assert state.session is not None
    paths = {one.id: one.path for one in state.session.recordings}
    return vp.sessions.RecordingClocks(paths, {state.current: state.time_s} if state.current else {})


class ImportDialog(QDialog):
    """Says what taking in files would do, asks what it cannot know, and does it.

    Args:
        state: of the panel; a session is open.
        paths: the files.
    """

    def __init__(self, state: PanelState, paths: list[Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        assert state.session is not None
        self.setWindowTitle("Import labels")
        self._state, self._paths = state, paths
        self._ids = [one.id for one in state.session.recordings]
        self._clocks = clocks_of(state)
        self._background = Background(self)
        self._plan: vp.sessions.ImportPlan | None = None
        self._round = 0
        self._names: dict[str, str] = {}
        self._rows: dict[str, QComboBox] = {}
        layout = QVBoxLayout(self)
        layout.setSpacing(GAP)
        shown = ", ".join(path.name for path in paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")
        layout.addWidget(heading(shown))
        layout.addLayout(self._questions())
        self.said = hint()
        layout.addWidget(self.said)
        self._area, self._matches = page()
        self._area.hide()
        layout.addWidget(self._area, 1)
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.ok = box.button(QDialogButtonBox.StandardButton.Ok)
        self.ok.setText("Import")
        box.accepted.connect(self._import)
        box.rejected.connect(self.reject)
        layout.addStretch(1)
        layout.addWidget(box)
        self.setMinimumWidth(520)
        self.look()

    def look(self) -> None:
        """Read the files in the background and say what would happen."""
        assert self._state.labels is not None
        self._round += 1
        now, book = self._round, self._state.labels.copy()
        settings = vp.sessions.ImportSettings(
            format=self.format.currentData(),
            recording=self.recording.currentData(),
            names=dict(self._names),
            replace=self.replace.isChecked(),
            annotator=self._state.annotator,
        )
        self._plan = None
        self.ok.setEnabled(False)
        self.said.setText("Reading ...")
        paths, clocks, ids = list(self._paths), self._clocks, self._ids
        self._background.run(
            lambda: vp.sessions.plan_import(paths, book, clocks, ids, settings),
            lambda plan: self._planned(now, plan),
            lambda text: self._failed(now, text),
        )

    def done(self, result: int) -> None:
        """Closing: what is still being read is of no interest any more."""
        self._round += 1
        self._background.close()
        super().done(result)

    def _planned(self, now: int, plan: "vp.sessions.ImportPlan") -> None:
        if now != self._round:
            return
        self._plan = plan
        notes = list(plan.notes) if plan.book is not None else [*plan.notes, "Nothing would change."]
        self.said.setText("\n".join(notes))
        self.ok.setEnabled(plan.book is not None)
        self._ask(plan)

    def _failed(self, now: int, text: str) -> None:
        if now == self._round:
            self.said.setText(text)

    def _import(self) -> None:
        if self._plan is None or self._plan.book is None or self._state.labels is None:
            return
        try:
            self._state.labels.adopt(self._plan.book)
        except vp.VPScienceError as error:
            self.look()
            self.said.setText(str(error))
            return
        self.accept()

    def _questions(self) -> QGridLayout:
        fields = form()
        self.format = QComboBox()
        self.format.addItem("Find out", None)
        for one in vp.sessions.label_formats():
            self.format.addItem(one.title, one.name)
        fields.addRow("Format", self.format)
        self.recording = QComboBox()
        self.recording.addItem("As the files say", None)
        for name in self._ids:
            self.recording.addItem(name, name)
        fields.addRow("Recording", self.recording)
        self.add = QRadioButton("Add to the labels that are there")
        self.replace = QRadioButton("Replace the labels of these recordings")
        group = QButtonGroup(self)
        group.addButton(self.add)
        group.addButton(self.replace)
        self.add.setChecked(True)
        fields.addRow("", self.add)
        fields.addRow("", self.replace)
        self.format.currentIndexChanged.connect(lambda _index: self.look())
        self.recording.currentIndexChanged.connect(lambda _index: self.look())
        self.replace.toggled.connect(lambda _on: self.look())
        return fields

    def _ask(self, plan: "vp.sessions.ImportPlan") -> None:
        """A choice for every recording of the files that the session does not have."""
        asked = [name for name in plan.names if name in self._rows or name in plan.unmatched][:_MOST_ASKED]
        if not asked or set(asked) <= set(self._rows):
            return
        self._area.show()
        self._matches.insertWidget(0, heading("These recordings of the files are"))
        for name in asked:
            if name in self._rows:
                continue
            row = form()
            choice = QComboBox()
            choice.addItem(_LEAVE_OUT, "")
            for own in self._ids:
                choice.addItem(own, own)
            choice.currentIndexChanged.connect(lambda _index, name=name: self._match(name))
            label = QLabel(name)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            row.addRow(label, choice)
            self._rows[name] = choice
            self._matches.addLayout(row)

    def choice(self, name: str) -> QComboBox:
        """The choice for a recording of the files."""
        return self._rows[name]

    def _match(self, name: str) -> None:
        self._names[name] = self._rows[name].currentData()
        self.look()


class ExportDialog(QDialog):
    """Asks what to write and in which format, writes it in the background, and says where it went.

    Args:
        state: of the panel; a session is open.
    """

    def __init__(self, state: PanelState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export labels")
        self._state = state
        self._background = Background(self)
        layout = QVBoxLayout(self)
        layout.setSpacing(GAP)
        layout.addLayout(self._questions())
        self.said = hint()
        layout.addWidget(self.said)
        layout.addStretch(1)
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        box.rejected.connect(self.reject)
        self.write = button("Export...", "Choose where", main=True)
        self.write.clicked.connect(lambda _checked=False: self._choose_place())
        box.addButton(self.write, QDialogButtonBox.ButtonRole.ActionRole)
        layout.addWidget(box)
        self.setMinimumWidth(480)
        self._explain()

    @property
    def chosen_format(self) -> "vp.sessions.LabelFormat":
        """What the list says."""
        return self.format.currentData()

    @property
    def chosen_recordings(self) -> list[str]:
        """Ids of the recordings to export."""
        book = self._state.labels
        assert book is not None
        if self.one.isChecked():
            return [self._state.current]
        predicted = list(self._state.predictions) if self.predictions.isChecked() else []
        return sorted({*book.recordings, *predicted})

    def export(self, path: Path) -> None:
        """Write to a file (or a folder) in the background."""
        book, session = self._state.labels, self._state.session
        assert book is not None
        assert session is not None
        copy, recordings, name = book.copy(), self.chosen_recordings, self.chosen_format.name
        predicted = [
            vp.sessions.PredictedBouts(one.recording, one.probe_id, one.behaviors, one.bouts, one.subject)
            for one in (self._state.predictions.values() if self.predictions.isChecked() else ())
        ]
        media = {one.id: one.path for one in session.recordings}
        clocks = clocks_of(self._state)
        self.write.setEnabled(False)
        self.said.setText("Writing ...")

        def work() -> list[Path]:
            labels = vp.sessions.with_predictions(copy, recordings, predicted)
            return vp.sessions.export_labels(labels, path, name, clocks, media)

        self._background.run(work, self._written, self._failed)

    def done(self, result: int) -> None:
        """Closing: files that are being written are finished, but nobody is told."""
        self._background.close()
        super().done(result)

    def _written(self, files: list[Path]) -> None:
        self.write.setEnabled(True)
        where = str(files[0]) if len(files) == 1 else f"{len(files)} files in {files[0].parent}"
        self.said.setText(f"Wrote {where}.")
        self._state.message.emit(f"Labels were exported to {where}")

    def _failed(self, text: str) -> None:
        self.write.setEnabled(True)
        self.said.setText(text)

    def _questions(self) -> QGridLayout:
        fields = form()
        self.format = QComboBox()
        for one in vp.sessions.label_formats():
            self.format.addItem(one.title, one)
        fields.addRow("Format", self.format)
        self.all = QRadioButton("All recordings with labels")
        self.one = QRadioButton("The one that is shown")
        self.one.setEnabled(bool(self._state.current))
        self.all.setChecked(True)
        which = QButtonGroup(self)
        which.addButton(self.all)
        which.addButton(self.one)
        fields.addRow("Recordings", self.all)
        fields.addRow("", self.one)
        self.labels = QRadioButton("Labels only")
        self.predictions = QRadioButton("Labels, and predictions nobody has reviewed")
        self.predictions.setEnabled(bool(self._state.predictions) and not self._state.hide_predictions)
        self.labels.setChecked(True)
        what = QButtonGroup(self)
        what.addButton(self.labels)
        what.addButton(self.predictions)
        fields.addRow("Content", self.labels)
        fields.addRow("", self.predictions)
        for one in (self.all, self.labels):
            one.toggled.connect(lambda _on: self._explain())
        self.format.currentIndexChanged.connect(lambda _index: self._explain())
        return fields

    def _explain(self) -> None:
        words = []
        if self.chosen_format.one_recording and len(self.chosen_recordings) != 1:
            words.append("This format holds one recording per file: choose a folder for all of them.")
        if self.predictions.isChecked():
            words.append("Predictions are marked as those of the probe; time that you scored is left to your labels.")
        self.said.setText(" ".join(words))

    def _choose_place(self) -> None:
        one = self.chosen_format
        if one.one_recording and len(self.chosen_recordings) != 1:
            name = QFileDialog.getExistingDirectory(self, "Export labels to a folder")
        else:
            ending = one.endings[0]
            suggested = f"{self._state.current or 'labels'}{ending}" if ending[0] in "._" else ending
            name, _ = QFileDialog.getSaveFileName(self, "Export labels", suggested, file_filter(one))
        if name:
            path = Path(name)
            fits = path.is_dir() or any(path.name.lower().endswith(ending) for ending in one.endings)
            self.export(path if fits else path.with_name(path.name + one.endings[-1]))
