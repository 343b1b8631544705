"""From scores to bouts: a threshold per behavior and three rules, to be moved while looking at what they do."""

from collections.abc import Mapping

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

import vp_science as vp
from napari_vp_science.style import GAP, button, hint
from napari_vp_science.training.choices import Choices

_STEPS = 100
_SQUARE = 10
_RULES = (
    ("median_s", "Smooth scores over", "Scores become their running median over so much time: flicker goes away."),
    ("fill_gap_s", "Fill gaps up to", "Two bouts of a behavior with a shorter gap between them become one."),
    ("min_bout_s", "Drop bouts under", "Shorter bouts do not count."),
)


class ThresholdRow:
    """Name, slider, number and reset of one behavior; they stand in the columns of a grid."""

    def __init__(self, grid: QGridLayout, row: int, name: str, color: str, panel: "ThresholdsPanel") -> None:
        self.name, self._panel, self.default = name, panel, 0.5
        self.label = ElidedLabel(name, color)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider.setAccessibleName(f"Threshold of {name}")
        self.slider.setToolTip("Further right: fewer, surer bouts. Further left: more bouts, more of them wrong.")
        self.number = _spin(1.0, 0.01, 2)
        self.reset = _reset_button()
        for column, widget in enumerate((self.label, self.slider, self.number, self.reset)):
            grid.addWidget(widget, row, column)
        self.slider.valueChanged.connect(lambda value: self.number.setValue(value / _STEPS))
        self.number.valueChanged.connect(self._moved)
        self.reset.clicked.connect(lambda: self.number.setValue(self.default))

    def show(self, value: float, default: float) -> None:
        """Show a value without telling anybody."""
        self.default = round(default, 2)
        for widget in (self.slider, self.number):
            widget.blockSignals(True)
        self.number.setValue(value)
        self.slider.setValue(round(value * _STEPS))
        for widget in (self.slider, self.number):
            widget.blockSignals(False)
        self._mark()

    @property
    def is_default(self) -> bool:
        """Whether it stands where the probe wants it."""
        return abs(self.number.value() - self.default) < 0.005

    def _moved(self, value: float) -> None:
        self.slider.blockSignals(True)
        self.slider.setValue(round(value * _STEPS))
        self.slider.blockSignals(False)
        self._mark()
        self._panel.row_moved(self)

    def _mark(self) -> None:
        self.reset.setEnabled(not self.is_default)
        self.reset.setToolTip(f"Back to {self.default:.2f}, which the probe chose.")


class ThresholdsPanel(QWidget):
    """Thresholds and rules of the present probe.

    Attributes:
        changed: somebody moved something; ``thresholds`` and ``rules`` say how it stands now.
        apply_asked: somebody wants a probe with these, and predictions of all recordings by it.
    """

    changed = Signal()
    apply_asked = Signal()

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        self.choices = choices
        self._card: vp.sessions.ProbeCard | None = None
        self.rows: dict[str, ThresholdRow] = {}
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        self.note = hint("Move a threshold and watch the predictions in the ethogram: it takes effect at once.")
        self.rules: dict[str, QDoubleSpinBox] = {}
        self._resets: dict[str, QToolButton] = {}
        rules = QGridLayout()
        rules.setContentsMargins(0, 0, 0, 0)
        rules.setHorizontalSpacing(GAP)
        rules.setVerticalSpacing(2)
        rules.setColumnStretch(0, 1)
        for row, (name, words, tip) in enumerate(_RULES):
            self._add_rule(rules, row, name, words, tip)
        self.apply = button(
            "Apply to all recordings",
            "Keep these thresholds and rules in the probe, and write the predictions of all recordings anew with it.",
        )
        self.reset = button("Reset all", "Back to the thresholds and rules that the probe chose.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(GAP)
        layout.addWidget(self.note)
        layout.addLayout(self._grid)
        layout.addLayout(rules)
        buttons = QHBoxLayout()
        buttons.addWidget(self.apply)
        buttons.addWidget(self.reset)
        buttons.addStretch(1)
        layout.addLayout(buttons)
        self.apply.clicked.connect(self.apply_asked.emit)
        self.reset.clicked.connect(self.reset_all)

    def _add_rule(self, grid: QGridLayout, row: int, name: str, words: str, tip: str) -> None:
        spin, back = _spin(60.0, 0.05, 2), _reset_button()
        spin.setSuffix(" s")
        spin.setSpecialValueText("off")
        spin.setAccessibleName(words)
        label = QLabel(words)
        for widget in (label, spin):
            widget.setToolTip(tip)
        grid.addWidget(label, row, 0)
        grid.addWidget(spin, row, 1)
        grid.addWidget(back, row, 2)
        spin.valueChanged.connect(lambda _: self._rule_moved(name))
        back.clicked.connect(lambda: spin.setValue(self._default_rule(name)))
        self.rules[name], self._resets[name] = spin, back

    # ---- showing

    def show_card(self, card: "vp.sessions.ProbeCard | None") -> None:
        """Show the thresholds of a probe, and over them what people chose."""
        self._card = card
        self._forget_rows()
        self.setVisible(card is not None)
        if card is None:
            return
        looks = vp.plots.behavior_looks(card.behaviors)
        for row, name in enumerate(card.behaviors.names):
            made = ThresholdRow(self._grid, row, name, looks[name].color, self)
            default = card.training.tuned.get(name, card.thresholds[name])
            made.show(self.choices.thresholds.get(name, default), default)
            self.rows[name] = made
        for name, spin in self.rules.items():
            spin.blockSignals(True)
            spin.setValue(self.choices.rules.get(name, self._default_rule(name)))
            spin.blockSignals(False)
        self._mark()

    def _forget_rows(self) -> None:
        self.rows.clear()
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()

    # ---- how it stands

    @property
    def thresholds(self) -> dict[str, float]:
        """By behavior, as they stand now."""
        if self._card is None:
            return {}
        defaults: Mapping[str, float] = {**self._card.thresholds, **self._card.training.tuned}
        return {name: self.choices.thresholds.get(name, defaults[name]) for name in self.rows}

    @property
    def postprocess(self) -> "vp.PostProcess":
        """The rules as they stand now."""
        if self._card is None:
            return vp.PostProcess()
        return _with(self._card.rules, self.choices.rules)

    @property
    def differs(self) -> bool:
        """Whether the predictions on disk were made with others."""
        card = self._card
        if card is None:
            return False
        moved = any(abs(value - card.thresholds[name]) > 1e-6 for name, value in self.thresholds.items())
        return moved or self.postprocess != card.rules

    def reset_all(self) -> None:
        """Back to what the probe chose."""
        self.choices.thresholds.clear()
        self.choices.rules.clear()
        self.show_card(self._card)
        self.changed.emit()

    def set_busy(self, busy: bool) -> None:
        """Whether the probe is being made or used just now."""
        self.apply.setEnabled(not busy and self.differs)

    # ---- moving

    def row_moved(self, row: ThresholdRow) -> None:
        """Somebody moved the threshold of a behavior."""
        if row.is_default:
            self.choices.thresholds.pop(row.name, None)
        else:
            self.choices.thresholds[row.name] = round(row.number.value(), 4)
        self._mark()
        self.changed.emit()

    def _rule_moved(self, name: str) -> None:
        value = round(self.rules[name].value(), 4)
        if abs(value - self._default_rule(name)) < 1e-9:
            self.choices.rules.pop(name, None)
        else:
            self.choices.rules[name] = value
        self._mark()
        self.changed.emit()

    def _default_rule(self, name: str) -> float:
        return 0.0 if self._card is None else float(getattr(self._card.rules, name))

    def _mark(self) -> None:
        for name, back in self._resets.items():
            back.setEnabled(name in self.choices.rules)
            back.setToolTip(f"Back to {self._default_rule(name):g} s.")
        self.reset.setEnabled(bool(self.choices.thresholds or self.choices.rules))
        self.apply.setEnabled(self.differs)


def _with(rules: "vp.PostProcess", chosen: Mapping[str, float]) -> "vp.PostProcess":
    return vp.PostProcess.from_json({**rules.to_json(), **chosen})


def _spin(most: float, step: float, decimals: int) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setRange(0.0, most)
    spin.setSingleStep(step)
    spin.setDecimals(decimals)
    spin.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    spin.setKeyboardTracking(False)
    spin.setFixedWidth(104)
    return spin


def _reset_button() -> QToolButton:
    made = QToolButton()
    made.setText("↺")
    made.setAutoRaise(True)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.setAccessibleName("Reset")
    return made


class ElidedLabel(QWidget):
    """A square in the color of a behavior and its name, cut where there is no room; the tooltip has all of it."""

    def __init__(self, name: str, color: str) -> None:
        super().__init__()
        self._name, self._color = name, QColor(color)
        self.setToolTip(name)
        self.setAccessibleName(name)
        wide = self.fontMetrics().horizontalAdvance(name) + _SQUARE + 8
        self.setFixedSize(min(130, max(60, wide)), self.fontMetrics().height() + 6)

    def paintEvent(self, event: object) -> None:
        """Square and name."""
        painter, side = QPainter(self), _SQUARE
        painter.fillRect(0, (self.height() - side) // 2, side, side, self._color)
        room = self.rect().adjusted(side + 6, 0, 0, 0)
        text = self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideRight, room.width())
        painter.setPen(self.palette().windowText().color())
        painter.drawText(room, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), text)
        painter.end()


def color_icon(color: str, side: int = 12) -> QIcon:
    """A square in a color."""
    picture = QPixmap(side, side)
    picture.fill(QColor(color))
    return QIcon(picture)
