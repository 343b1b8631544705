"""The settings of an embedding: model, frames, windows; each with a sentence that says what it does."""

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

import vp_science as vp
from napari_vp_science.recordings.words import size
from napari_vp_science.style import GAP, button, form, heading, hint

DEFAULTS: dict[str, Any] = {
    "model": "videoprism-base", "weights": None, "precision": "auto", "fps": None, "num_frames": 16, "stride": 4,
    "spatial_pool": 1, "dtype": "float16", "fit": "squash",
}  # fmt: skip
_POOLS = {1: "1 (whole frame)", 2: "2 x 2 (by quarter)", 4: "4 x 4 (by sixteenth)"}
_FITS = {"squash": "Squash to a square", "crop": "Cut the middle square", "pad": "Add black bars"}
_DTYPES = {"float16": "16 bit", "float32": "32 bit"}
_PRECISIONS = {"auto": "Fast and exact enough", "float32": "32 bit", "bfloat16": "16 bit (bfloat16)"}
_FPS = 10.0


class EmbedForm(QWidget):
    """Model and settings.

    Attributes:
        changed: something was set to another value.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[str, vp.sessions.ModelChoice] = {}
        self._weights: Path | None = None
        self._build()
        self.load(DEFAULTS)
        self._connect()

    # ---- widgets

    def _build(self) -> None:
        self.model = _box("Which network looks at the frames")
        self.model.addItem(DEFAULTS["model"], DEFAULTS["model"])
        self.about = hint()
        self.own = button("Own weights...", "Use a weights file of your own with this model")
        self.released = button("Use the released ones", "Forget your own weights file")
        weights = QHBoxLayout()
        weights.addWidget(self.own)
        weights.addWidget(self.released)
        weights.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(heading("Model"))
        layout.addWidget(self.model)
        layout.addWidget(self.about)
        layout.addLayout(weights)
        layout.addWidget(heading("Settings"))
        layout.addLayout(self._settings_rows())
        layout.addWidget(self._more())

    def _settings_rows(self) -> QFormLayout:
        self.every = QCheckBox("every frame")
        self.every.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.fps = QDoubleSpinBox()
        self.fps.setRange(0.01, 1000.0)
        self.fps.setDecimals(2)
        self.fps.setValue(_FPS)
        rate = QHBoxLayout()
        rate.addWidget(self.every)
        rate.addWidget(self.fps, 1)
        self.num_frames, self.stride = _spin(1, 64), _spin(1, 64)
        self.spatial_pool = _box("How many vectors are stored for a frame", _POOLS)
        rows = form()
        _explained(rows, "Frames per second", rate, "Every frame finds the briefest behaviors; fewer are faster.")
        _explained(rows, "Frames per window", self.num_frames, "What the model sees together; it was made for 16 or 8.")
        _explained(rows, "Step", self.stride, "Frames between two windows. Smaller steps see more around each frame.")
        _explained(
            rows, "Vectors per frame", self.spatial_pool, "More than one tells where in the frame; larger files."
        )
        return rows

    def _more(self) -> QCollapsible:
        self.fit = _box("How frames become square", _FITS)
        self.dtype = _box("Number type of the stored vectors", _DTYPES)
        self.precision = _box("Arithmetic of the model", _PRECISIONS)
        inside = QWidget()
        rows = form()
        inside.setLayout(rows)
        _explained(rows, "Shape of frames", self.fit, "Squashing loses nothing; cutting keeps shapes as they are.")
        _explained(rows, "Stored numbers", self.dtype, "16 bit is half the size and enough for probes.")
        _explained(rows, "Arithmetic", self.precision, "Probes need tracks of one kind; leave it unless you know.")
        more = QCollapsible("More settings")
        more.addWidget(inside)
        more.collapse(animate=False)
        return more

    def _connect(self) -> None:
        for box in (self.model, self.spatial_pool, self.fit, self.dtype, self.precision):
            box.currentIndexChanged.connect(self._edited)
        for spin in (self.fps, self.num_frames, self.stride):
            spin.valueChanged.connect(self._edited)
        self.every.toggled.connect(self._edited)
        self.model.currentIndexChanged.connect(self._model_changed)
        self.own.clicked.connect(lambda: self.ask_for_weights())
        self.released.clicked.connect(lambda: self.set_weights(None))

    # ---- models

    def set_models(self, models: "list[vp.sessions.ModelChoice]") -> None:
        """Which models there are."""
        chosen = self.model.currentData()
        self._models = {one.name: one for one in models}
        self.model.blockSignals(True)
        self.model.clear()
        for one in sorted(models, key=lambda one: (one.reads_text, not one.released, -one.num_parameters)):
            self.model.addItem(f"{one.name} ({_state_words(one)})", one.name)
        self._choose_model(chosen)
        self.model.blockSignals(False)
        self._tell_model()

    @property
    def choice(self) -> "vp.sessions.ModelChoice | None":
        """The chosen model; None until the models are known."""
        return self._models.get(self.model.currentData())

    @property
    def needs_download(self) -> bool:
        """The chosen model has weights to download, and none here."""
        choice = self.choice
        return choice is not None and not choice.ready and self._weights is None and choice.released

    @property
    def unusable(self) -> str:
        """Why the chosen model cannot be used, "" when it can."""
        choice = self.choice
        if choice is None or choice.released or self._weights is not None:
            return ""
        return f"The weights of {choice.name} were never released: choose another model, or a file of your own."

    def ask_for_weights(self) -> None:
        """Choose a weights file."""
        path, _ = QFileDialog.getOpenFileName(self, "Weights of the model", "", "Weights (*.npz *.safetensors)")
        if path:
            self.set_weights(Path(path))

    def set_weights(self, path: Path | None) -> None:
        """Use a weights file of one's own; None uses the released ones."""
        self._weights = path
        self._tell_model()
        self.changed.emit()

    def _choose_model(self, name: str) -> None:
        self.model.setCurrentIndex(max(0, self.model.findData(name)))

    def _model_changed(self, *_: Any) -> None:
        choice = self.choice
        if choice is not None:
            self.num_frames.setValue(choice.num_frames)
        self._weights = None
        self._tell_model()

    def _tell_model(self) -> None:
        self.released.setVisible(self._weights is not None)
        choice = self.choice
        if choice is None:
            self.about.setText("Looking for models on this computer...")
            return
        facts = [f"{choice.num_parameters / 1e6:,.0f} million parameters, {choice.dim} numbers per vector."]
        if choice.reads_text:
            facts.append("Its recordings can be searched by text.")
        if self._weights is not None:
            facts.append(f"Weights: {self._weights.name}")
        elif choice.untrained:
            facts.append("Its weights are random numbers: for trying things out, not for science.")
        elif choice.included:
            facts.append("Comes with the program, trained on drawn animals: for trying things out, not for science.")
        elif choice.weights is not None:
            facts.append("Its weights are on this computer.")
        elif choice.download_bytes is not None:
            facts.append(f"Its weights must be downloaded first (about {size(choice.download_bytes)}).")
        else:
            facts.append(self.unusable)
        self.about.setText(" ".join(facts))

    # ---- values

    def _edited(self, *_: Any) -> None:
        self.fps.setEnabled(not self.every.isChecked())
        self.stride.setMaximum(self.num_frames.value())
        self.changed.emit()

    def settings(self) -> dict[str, Any]:
        """What is set, as a request to the worker has it."""
        return {
            "model": self.model.currentData(),
            "weights": None if self._weights is None else str(self._weights),
            "precision": self.precision.currentData(),
            "fps": None if self.every.isChecked() else self.fps.value(),
            "num_frames": self.num_frames.value(),
            "stride": self.stride.value(),
            "spatial_pool": self.spatial_pool.currentData(),
            "dtype": self.dtype.currentData(),
            "fit": self.fit.currentData(),
        }

    def load(self, settings: dict[str, Any]) -> None:
        """Set what was set before; values that make no sense are left as they are."""
        wanted = {**DEFAULTS, **{name: value for name, value in settings.items() if name in DEFAULTS}}
        if self.model.findData(wanted["model"]) < 0 and isinstance(wanted["model"], str) and not self._models:
            self.model.addItem(wanted["model"], wanted["model"])
        for box, name in (
            (self.model, "model"), (self.spatial_pool, "spatial_pool"), (self.fit, "fit"), (self.dtype, "dtype"),
            (self.precision, "precision"),
        ):  # fmt: skip
            if (place := box.findData(wanted[name])) >= 0:
                box.setCurrentIndex(place)
        weights = wanted["weights"]
        self._weights = Path(weights) if isinstance(weights, str) and weights else None
        for spin, name in ((self.num_frames, "num_frames"), (self.stride, "stride")):
            if type(wanted[name]) is int:
                spin.setValue(wanted[name])
        fps = wanted["fps"]
        self.every.setChecked(not isinstance(fps, int | float))
        if isinstance(fps, int | float):
            self.fps.setValue(float(fps))
        self.fps.setEnabled(not self.every.isChecked())
        self._tell_model()


def _state_words(one: "vp.sessions.ModelChoice") -> str:
    if one.untrained:
        return "untrained"
    if one.included:
        return "included, to try things out"
    if one.weights is not None:
        return "ready"
    return f"download {size(one.download_bytes)}" if one.download_bytes is not None else "not released"


def _box(tip: str, items: dict[Any, str] | None = None) -> QComboBox:
    made = QComboBox()
    made.setToolTip(tip)
    made.setMinimumContentsLength(12)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the wheel scrolls the page, and changes nothing by accident
    for key, words in (items or {}).items():
        made.addItem(words, key)
    return made


def _spin(low: int, high: int) -> QSpinBox:
    made = QSpinBox()
    made.setRange(low, high)
    return made


def _explained(rows: QFormLayout, name: str, field: Any, words: str) -> None:
    rows.addRow(name, field)
    rows.addRow(hint(f"<small>{words}</small>"))
