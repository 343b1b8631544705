"""How the panel looks: colours of napari's theme, spacing, and the few kinds of widgets that all pages use."""

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QFormLayout, QFrame, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

MARGIN = 8
GAP = 6


@dataclass(frozen=True)
class Colors:
    """Colours for views that paint themselves.

    Attributes:
        background: behind everything.
        foreground: of areas that stand out from it.
        line: grid lines and frames.
        text: words.
        faint: words that matter less.
        accent: what is chosen.
        cursor: the current time.
        dark: whether the theme is dark.
    """

    background: QColor
    foreground: QColor
    line: QColor
    text: QColor
    faint: QColor
    accent: QColor
    cursor: QColor
    dark: bool


def theme_colors(viewer: Any) -> Colors:
    """Colours of the viewer's theme (listen to ``viewer.events.theme`` for another one)."""
    from napari.utils.theme import get_theme

    theme = get_theme(viewer.theme)

    def color(name: str) -> QColor:
        return QColor(*(int(part) for part in getattr(theme, name).as_rgb_tuple()[:3]))

    background, text = color("background"), color("text")
    return Colors(
        background=background,
        foreground=color("foreground"),
        line=color("primary"),
        text=text,
        faint=mixed(text, background, 0.4),
        accent=color("current"),
        cursor=QColor("#ff5c5c") if background.lightness() < 128 else QColor("#c00000"),
        dark=background.lightness() < 128,
    )


def mixed(color: QColor, toward: QColor, share: float) -> QColor:
    """A color part of the way toward another one."""
    return QColor.fromRgbF(
        *(a + (b - a) * share for a, b in zip(color.getRgbF()[:3], toward.getRgbF()[:3], strict=True))
    )


def page() -> tuple[QScrollArea, QVBoxLayout]:
    """A page of the workbench: scrolls when the window is low, never sideways. Add to the layout."""
    inside = QWidget()
    layout = QVBoxLayout(inside)
    layout.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
    layout.setSpacing(GAP)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inside)
    return area, layout


def heading(text: str) -> QLabel:
    """A heading inside a page."""
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    label.setContentsMargins(0, GAP, 0, 0)
    return label


def hint(text: str = "") -> QLabel:
    """A sentence that explains; wraps, and can be selected."""
    label = QLabel(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label


def button(text: str, tip: str, *, main: bool = False) -> QPushButton:
    """A button with an explanation; the main one of a page is bold."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys stay with the video
    if main:
        font = made.font()
        font.setBold(True)
        made.setFont(font)
    return made


def form() -> QFormLayout:
    """Rows of a label and a field."""
    layout = QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(GAP)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return layout
