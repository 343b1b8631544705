"""Who is labelled, and who labels."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QLineEdit, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.labels.labeller import subjects
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, button, form

_NOBODY = "Not named"


class WhoFields(QWidget):
    """Chooser of the subject, with names to add and change, and the name of the annotator."""

    def __init__(self, state: PanelState) -> None:
        super().__init__()
        self._state = state
        self.subject = QComboBox()
        self.subject.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.subject.setMinimumContentsLength(8)
        self.subject.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.subject.setToolTip("Whose behavior you label")
        self.subject.activated.connect(lambda _index: state.choose_subject(self.subject.currentData()))
        self._add = button("Add...", "Name another animal, or group")
        self._add.clicked.connect(lambda _checked=False: self._ask_to_add())
        self._rename = button("Rename...", "Give this subject another name, in all recordings")
        self._rename.clicked.connect(lambda _checked=False: self._ask_to_rename())
        self.annotator = QLineEdit()
        self.annotator.setPlaceholderText("your name, for the labels")
        self.annotator.setMaxLength(80)
        self.annotator.editingFinished.connect(self._name_annotator)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self.subject, 1)
        row.addWidget(self._add)
        row.addWidget(self._rename)
        fields = form()
        fields.addRow("Subject", row)
        fields.addRow("Labelled by", self.annotator)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(fields)
        self.refresh()

    def refresh(self) -> None:
        """Show what the state says."""
        names = ["", *subjects(self._state)]
        if [self.subject.itemData(row) for row in range(self.subject.count())] != names:
            self.subject.clear()
            for name in names:
                self.subject.addItem(name or _NOBODY, name)
        self.subject.setCurrentIndex(max(self.subject.findData(self._state.subject), 0))
        if not self.annotator.hasFocus():
            self.annotator.setText(self._state.annotator)
        self._rename.setEnabled(bool(self._state.subject))
        self.setEnabled(self._state.session is not None)

    def add(self, name: str) -> None:
        """Add a subject and choose it."""
        session, name = self._state.session, name.strip()
        if session is None or not name:
            return
        session.settings["subjects"] = sorted({*subjects(self._state), name})
        self._state.choose_subject(name)
        self.refresh()
        self._save()

    def rename(self, new: str) -> None:
        """Give the chosen subject another name."""
        session, old, new = self._state.session, self._state.subject, new.strip()
        if session is None or not new or new == old:
            return
        try:
            session.labels.rename_subject(old, new)
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))
            return
        session.settings["subjects"] = sorted(({*subjects(self._state)} - {old}) | {new})
        self._state.choose_subject(new)
        self.refresh()
        self._save()

    def _ask_to_add(self) -> None:
        name, given = QInputDialog.getText(self, "Add a subject", "Name")
        if given:
            self.add(name)

    def _ask_to_rename(self) -> None:
        name, given = QInputDialog.getText(self, "Rename the subject", "Name", text=self._state.subject)
        if given:
            self.rename(name)

    def _name_annotator(self) -> None:
        self._state.annotator = self.annotator.text().strip()
        self.annotator.clearFocus()
        if self._state.session is not None and self._state.session.settings.get("annotator") != self._state.annotator:
            self._state.session.settings["annotator"] = self._state.annotator
            self._save()

    def _save(self) -> None:
        try:
            if self._state.session is not None:
                self._state.session.save()
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))
