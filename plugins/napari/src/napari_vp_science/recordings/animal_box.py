"""The part of the embed page about animals: pose files, who is in them, and how pictures around them are cut."""

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QFileDialog, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

import vp_science as vp
from napari_vp_science.background import Background
from napari_vp_science.recordings.animals import CropOverlay
from napari_vp_science.recordings.words import breakable, shortened
from napari_vp_science.state import PanelState
from napari_vp_science.style import GAP, button, form, heading, hint

_FOLDER = "pose_folder"
_FILES = "Pose files (*.slp *.h5 *.hdf5 *.csv *.xml)"
_WHY = (
    "With a pose file (SLEAP, DeepLabCut, JABS, CVAT) every animal gets a track of its own, made from pictures cut "
    "around it."
)


class AnimalBox(QWidget):
    """Follow animals, or not.

    Attributes:
        changed: something was set to another value, or another pose file is used.
    """

    changed = Signal()

    def __init__(self, state: PanelState, background: Background) -> None:
        super().__init__()
        self._state, self._background = state, background
        self._overlay = CropOverlay(state, background)
        self._poses: Path | None = None
        self._animals: list[vp.sessions.Animal] = []
        self._left_out: set[str] = set()
        self._asked = 0
        self._build()
        self._connect()
        self._tell()

    # ---- widgets

    def _build(self) -> None:
        self.follow = _check("Follow each animal", "Every animal of the pose file gets a track of its own")
        self.file = hint()
        self.choose = button("Choose pose file...", "The pose file of the recording on screen")
        self.who = QWidget()
        self.who_layout = QVBoxLayout(self.who)
        self.who_layout.setContentsMargins(0, 0, 0, 0)
        self.who_layout.setSpacing(2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(heading("Animals"))
        layout.addWidget(hint(_WHY))
        row = QHBoxLayout()
        row.addWidget(self.follow, 1)
        row.addWidget(self.choose)
        layout.addLayout(row)
        layout.addWidget(self.file)
        layout.addWidget(self.who)
        layout.addWidget(self._options())

    def _options(self) -> QWidget:
        defaults = vp.FollowSettings()
        self.body_lengths = QDoubleSpinBox()
        self.body_lengths.setRange(0.1, 20.0)
        self.body_lengths.setSingleStep(0.1)
        self.body_lengths.setValue(float(defaults.size_body_lengths) + 2 * float(defaults.margin))
        self.body_lengths.setSuffix(" body lengths")
        self.in_pixels = _check("size in pixels:", "For boxes and single points, which have no body length")
        self.pixels = QSpinBox()
        self.pixels.setRange(16, 10000)
        self.pixels.setValue(200)
        self.rotate = _check("turn pictures so that the animal looks up", "Needs a front and a back point of the body")
        self.pairs = _check("also pairs of animals", "Pictures that hold two animals, turned with the first one")
        self.whole = _check("also whole frames", "A track of the whole frame beside those of the animals")
        self.whole.setChecked(True)
        self.overlay = _check("show the pictures on the video", "Rectangles that follow the animals while it plays")
        pixels = QHBoxLayout()
        pixels.addWidget(self.in_pixels)
        pixels.addWidget(self.pixels, 1)
        self.options = QWidget()
        rows = form()
        self.options.setLayout(rows)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addRow("Side of a picture", self.body_lengths)
        rows.addRow("", pixels)
        for one in (self.rotate, self.pairs, self.whole, self.overlay):
            rows.addRow(one)
        return self.options

    def _connect(self) -> None:
        for one in (self.follow, self.in_pixels, self.rotate, self.pairs, self.whole):
            one.toggled.connect(self._edited)
        for spin in (self.body_lengths, self.pixels):
            spin.valueChanged.connect(self._edited)
        self.overlay.toggled.connect(lambda _: self._show_overlay())
        self.choose.clicked.connect(lambda: self.ask_for_poses())

    # ---- values

    @property
    def following(self) -> bool:
        """Whether animals are to be followed."""
        return self.follow.isChecked()

    def values(self) -> dict[str, Any]:
        """What is set, as a request to the worker has it."""
        if not self.following:
            return {"follow": None, "subjects": None, "pairs": False, "whole_frame": True}
        chosen = [one.name for one in self._animals if one.name not in self._left_out and one.seen_share > 0]
        return {
            "follow": self._follow_settings(),
            "subjects": chosen if self._left_out else None,
            "pairs": self.pairs.isChecked() and self.rotate.isChecked(),
            "whole_frame": self.whole.isChecked(),
        }

    def load(self, settings: dict[str, Any]) -> None:
        """Set what was set before."""
        follow = settings.get("follow")
        self.follow.setChecked(isinstance(follow, dict))
        if isinstance(follow, dict):
            self.rotate.setChecked(bool(follow.get("rotate", False)))
            pixels = follow.get("size_px")
            self.in_pixels.setChecked(type(pixels) is int)
            if type(pixels) is int:
                self.pixels.setValue(pixels)
            size, margin = follow.get("size_body_lengths", 1.5), follow.get("margin", 0.25)
            if isinstance(size, int | float) and isinstance(margin, int | float):
                self.body_lengths.setValue(size + 2 * margin)
            self.pairs.setChecked(bool(settings.get("pairs", False)))
            self.whole.setChecked(bool(settings.get("whole_frame", True)))
        self._tell()

    def _follow_settings(self) -> dict[str, Any]:
        """The margin is a quarter of a body length on every side, as long as there is room for it."""
        margin = min(0.25, max(0.0, (self.body_lengths.value() - 0.1) / 2))
        size = round(self.body_lengths.value() - 2 * margin, 4)
        given: dict[str, Any] = {"size_body_lengths": size, "margin": margin, "rotate": self.rotate.isChecked()}
        return given | {"size_px": self.pixels.value() if self.in_pixels.isChecked() else None}

    # ---- pose files

    def folder(self) -> Path | None:
        """Where pose files are looked for first: where one was chosen last."""
        session = self._state.session
        known = None if session is None else session.settings.get(_FOLDER)
        return Path(known) if isinstance(known, str) else None

    def recording_changed(self) -> None:
        """Another recording is on screen: look for its pose file."""
        self._asked += 1
        self._poses, self._animals, self._left_out = None, [], set()
        self._overlay.hide()
        session, current = self._state.session, self._state.current
        if session is None or current not in session or session.recording(current).path is None:
            self._tell()
            return
        asked, one, folder = self._asked, session.recording(current), self.folder()

        def look() -> tuple[Path | None, list[Any]]:
            poses = one.poses or vp.sessions.find_poses(one.path, folder)
            return poses, [] if poses is None else vp.sessions.look_at_poses(poses, video=one.name)

        def done(found: tuple[Path | None, list[Any]]) -> None:
            if asked == self._asked:
                self._poses, self._animals = found
                self._tell()
                self._show_overlay()
                self.changed.emit()

        def failed(why: str) -> None:
            if asked == self._asked:
                self._tell(why)

        self._background.run(look, done, failed)

    def ask_for_poses(self) -> None:
        """Choose the pose file of the recording on screen."""
        path, _ = QFileDialog.getOpenFileName(self, "Pose file of this recording", str(self.folder() or ""), _FILES)
        if path:
            self.set_poses(Path(path))

    def set_poses(self, path: Path) -> None:
        """Use a pose file for the recording on screen, and look for those of others in its folder."""
        session = self._state.session
        if session is None or self._state.current not in session:
            self._state.message.emit("Show a recording first: a pose file belongs to one.")
            return
        session.set_poses(self._state.current, path)
        session.settings[_FOLDER] = str(path.parent)
        try:
            session.save()
        except vp.VPScienceError as error:
            self._state.message.emit(str(error))
        self.follow.setChecked(True)
        self.recording_changed()

    def close_view(self) -> None:
        """Take the rectangles away."""
        self._asked += 1
        self._overlay.close()

    # ---- showing

    def _edited(self, *_: Any) -> None:
        self._tell()
        self._show_overlay()
        self.changed.emit()

    def _tell(self, problem: str = "") -> None:
        on = self.following
        self.options.setVisible(on)
        self.who.setVisible(on)
        self.pixels.setEnabled(self.in_pixels.isChecked())
        self.body_lengths.setEnabled(not self.in_pixels.isChecked())
        self.pairs.setEnabled(self.rotate.isChecked())
        if problem:
            self.file.setText(breakable(problem))
        elif self._poses is not None:
            self.file.setText(breakable(f"Pose file: {self._poses.name}"))
        else:
            self.file.setText("No pose file was found for this recording." if self._state.current else "")
        self.file.setVisible(bool(self.file.text()) and (on or self._poses is not None))
        self._list_animals()

    def _list_animals(self) -> None:
        while (item := self.who_layout.takeAt(0)) is not None:
            item.widget().deleteLater()
        for one in self._animals:
            length = "" if one.length_px is None else f", {one.length_px:.0f} pixels long"
            box = _check(
                f"{shortened(one.name)}: seen in {100 * one.seen_share:.0f} % of the frames{length}",
                f"Follow {one.name}",
            )
            box.setChecked(one.name not in self._left_out and one.seen_share > 0)
            box.setEnabled(one.seen_share > 0)
            box.toggled.connect(lambda on, name=one.name: self._take(name, on))
            self.who_layout.addWidget(box)

    def _take(self, name: str, on: bool) -> None:
        (self._left_out.discard if on else self._left_out.add)(name)
        self._show_overlay()
        self.changed.emit()

    def _show_overlay(self) -> None:
        session, current = self._state.session, self._state.current
        if not self.following or not self.overlay.isChecked() or self._poses is None or session is None:
            self._overlay.hide()
            return
        values = self.values()
        self._overlay.show(self._poses, session.recording(current).name, values["follow"], values["subjects"])


def _check(words: str, tip: str) -> QCheckBox:
    made = QCheckBox(words)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return made
