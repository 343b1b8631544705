"""A button that opens the list of behaviors: for views that give a label to many moments at once."""

from collections.abc import Callable

from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QMenu, QPushButton

import vp_science as vp
from napari_vp_science.state import PanelState
from napari_vp_science.style import button

_SIDE = 12


def behavior_button(state: PanelState, text: str, tip: str, chosen: Callable[[str], None]) -> QPushButton:
    """A button with a menu of the behaviors, each with its color and key.

    Args:
        state: has the catalogue.
        text: on the button.
        tip: what it does.
        chosen: told the name that somebody chose.
    """
    made = button(text, tip)
    menu = QMenu(made)
    menu.aboutToShow.connect(lambda: fill_behavior_menu(menu, state, chosen))
    made.setMenu(menu)
    return made


def fill_behavior_menu(menu: QMenu, state: PanelState, chosen: Callable[[str], None]) -> None:
    """The behaviors of the catalogue as they are now."""
    menu.clear()
    behaviors = vp.Behaviors(()) if state.labels is None else state.labels.behaviors
    looks = vp.plots.behavior_looks(behaviors)
    for entry in behaviors:
        text = entry.name.replace("&", "&&") + (f"\t{entry.key}" if entry.key else "")
        action = menu.addAction(_swatch(looks[entry.name].color), text)
        action.triggered.connect(lambda _=False, name=entry.name: chosen(name))
    if not len(behaviors):
        menu.addAction("Add behaviors on the Label page first").setEnabled(False)


def _swatch(color: str) -> QIcon:
    picture = QPixmap(_SIDE, _SIDE)
    picture.fill(QColor(color))
    return QIcon(picture)
