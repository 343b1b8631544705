"""Making a map: how, the progress of it, and stopping it."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_vp_science.jobs import JobRunner
from napari_vp_science.style import GAP, button, form

_LAYOUTS = {"umap": "UMAP", "tsne": "t-SNE", "pca": "Principal components"}
_CLUSTERS = {"hdbscan": "Where points are dense", "kmeans": "A fixed number", "": "None"}


@dataclass
class MapChoices:
    """What people choose about a map; the rest is as ``vp.maps.make_map`` has it.

    Attributes:
        method: of the layout.
        num_neighbors: of UMAP.
        pool_s: seconds per point; 0 makes every window a point.
        cluster: how clusters are found; "" for none.
        num_clusters: where their number is fixed.
        center_recordings: leave out what differs between recordings as a whole.
    """

    method: str = "umap"
    num_neighbors: int = 15
    pool_s: float = 0.0
    cluster: str = "hdbscan"
    num_clusters: int = 20
    center_recordings: bool = False

    @classmethod
    def from_settings(cls, record: Any) -> "MapChoices":
        """What a session remembers; what does not fit is as usual."""
        usual = cls()
        kinds = {field.name: type(getattr(usual, field.name)) for field in fields(cls)}
        known = record if isinstance(record, dict) else {}
        fitting = {name: known[name] for name, kind in kinds.items() if type(known.get(name)) is kind}
        return cls(**fitting)

    def request(self) -> dict[str, Any]:
        """For the job ``map``."""
        options: dict[str, Any] = {
            "method": self.method,
            "cluster": self.cluster or None,
            "center_recordings": self.center_recordings,
            "stability_repeats": 0,  # that takes minutes, and the panel has no use for it
        }
        if self.method == "umap":
            options["num_neighbors"] = self.num_neighbors
        if self.cluster == "kmeans":
            options["num_clusters"] = self.num_clusters
        return {"points": {"unit": "windows", "pool_s": self.pool_s or None}, "map": options}


class ChoicesForm(QWidget):
    """The choices as fields."""

    def __init__(self) -> None:
        super().__init__()
        self.method = _combo(_LAYOUTS)
        self.num_neighbors = QSpinBox()
        self.num_neighbors.setRange(2, 200)
        self.num_neighbors.setToolTip("Few show detail, many show the whole.")
        self.pool_s = QDoubleSpinBox()
        self.pool_s.setRange(0.0, 600.0)
        self.pool_s.setSingleStep(0.5)
        self.pool_s.setDecimals(1)
        self.pool_s.setSuffix(" s")
        self.pool_s.setSpecialValueText("Every window")
        self.pool_s.setToolTip("Long recordings: one point for so many seconds.")
        self.cluster = _combo(_CLUSTERS)
        self.num_clusters = QSpinBox()
        self.num_clusters.setRange(2, 500)
        self.center_recordings = QCheckBox("Leave out what differs between recordings")
        self.center_recordings.setToolTip(
            "Cage, camera and light then part recordings less.\nWhat an animal does all the time goes with it."
        )
        rows = form()
        rows.addRow("Layout", self.method)
        rows.addRow("Neighbors", self.num_neighbors)
        rows.addRow("One point for", self.pool_s)
        rows.addRow("Clusters", self.cluster)
        rows.addRow("How many", self.num_clusters)
        rows.addRow(self.center_recordings)
        self.setLayout(rows)
        self._rows = rows
        self.method.currentIndexChanged.connect(self._update_rows)
        self.cluster.currentIndexChanged.connect(self._update_rows)
        self.set_choices(MapChoices())

    def set_choices(self, choices: MapChoices) -> None:
        """Show choices."""
        for combo, value in ((self.method, choices.method), (self.cluster, choices.cluster)):
            combo.setCurrentIndex(max(combo.findData(value), 0))
        self.num_neighbors.setValue(choices.num_neighbors)
        self.pool_s.setValue(choices.pool_s)
        self.num_clusters.setValue(choices.num_clusters)
        self.center_recordings.setChecked(choices.center_recordings)
        self._update_rows()

    def choices(self) -> MapChoices:
        """What is shown."""
        return MapChoices(
            self.method.currentData(),
            self.num_neighbors.value(),
            self.pool_s.value(),
            self.cluster.currentData(),
            self.num_clusters.value(),
            self.center_recordings.isChecked(),
        )

    def _update_rows(self) -> None:
        self._rows.setRowVisible(self.num_neighbors, self.method.currentData() == "umap")
        self._rows.setRowVisible(self.num_clusters, self.cluster.currentData() == "kmeans")


class MapMaker(QWidget):
    """The work on a map: progress, and a button that stops it. Invisible while there is none."""

    preview = Signal(str)
    """The principal components are there, as a map file."""
    made = Signal(object)
    """The map is there: what the job tells about it."""
    stopped = Signal()
    """It was cancelled."""
    failed = Signal(str)
    """Why it did not work."""

    def __init__(self, runner: JobRunner | None = None) -> None:
        super().__init__()
        self.runner = JobRunner(self) if runner is None else runner
        self.stage = QLabel()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMaximumHeight(10)
        self.cancel = button("Cancel", "Stop; the principal components stay.")
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.stage)
        words.addWidget(self.bar)
        row.addLayout(words, 1)
        row.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignBottom)
        self.setLayout(row)
        self.hide()
        self.cancel.clicked.connect(self._cancel)
        self.runner.progress.connect(self._progress)
        self.runner.result.connect(self._result)
        self.runner.cancelled.connect(self._cancelled)
        self.runner.failed.connect(self._failed)
        self._asked_to_stop = False

    @property
    def busy(self) -> bool:
        """Whether a map is being made."""
        return bool(self.runner.running)

    def start(self, tracks: list[Path], into: Path, preview: Path, choices: MapChoices, *, add: bool = False) -> None:
        """Make a map of tracks, or add them to one."""
        request = {"tracks": [str(path) for path in tracks], "into": str(into), "preview": str(preview), "add": add}
        self._asked_to_stop = False
        self.cancel.setEnabled(True)
        self._show("starting", 0, 0)
        self.show()
        self.runner.start("map", request | choices.request())

    def _cancel(self) -> None:
        self._asked_to_stop = True
        self.cancel.setEnabled(False)
        self._show("stopping", 0, 0)
        self.runner.cancel()

    def _progress(self, event: dict[str, Any]) -> None:
        if not self._asked_to_stop:
            self._show(event["stage"], event["done"], event["total"])
        if "preview" in event:
            self.preview.emit(event["preview"])

    def _show(self, stage: str, done: float, total: float) -> None:
        self.stage.setText(stage[:1].upper() + stage[1:])
        self.bar.setRange(0, 1000 if total > 1 else 0)  # a bar that only moves where nobody knows how far it is
        self.bar.setValue(round(1000 * done / total) if total > 1 else 0)

    def _result(self, result: dict[str, Any]) -> None:
        self.hide()
        self.made.emit(result)

    def _cancelled(self) -> None:
        self.hide()
        self.stopped.emit()

    def _failed(self, text: str) -> None:
        self.hide()
        self.failed.emit(text)

    def close_view(self) -> None:
        """End the process."""
        self.runner.close()


def remembered(choices: MapChoices) -> dict[str, Any]:
    """For the settings of a session."""
    return asdict(choices)


def _combo(entries: dict[str, str]) -> QComboBox:
    combo = QComboBox()
    for key, text in entries.items():
        combo.addItem(text, key)
    combo.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return combo
