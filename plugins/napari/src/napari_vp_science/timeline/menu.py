"""The context menu of the timeline."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtGui import QActionGroup
from qtpy.QtWidgets import QMenu

import vp_science as vp
from napari_vp_science.timeline import changes
from napari_vp_science.timeline.hits import Hit

if TYPE_CHECKING:
    from napari_vp_science.timeline.view import TimelineView


def build_menu(view: "TimelineView", hit: Hit) -> QMenu:
    """Everything that can be done where the pointer is."""
    menu = QMenu(view)
    menu.setToolTipsVisible(True)
    if hit.bout is not None and view.state.labels is not None:
        _add_bout(menu, view, hit.bout)
    if hit.predicted is not None:
        _add_predicted(menu, view, hit.predicted)
    if view.state.labels is not None:
        _add_scored(menu, view, hit)
    _add_view(menu, view)
    return menu


def _add(menu: QMenu, text: str, do: Callable[[], object], *, enabled: bool = True, tip: str = "") -> None:
    action = menu.addAction(text)
    action.setEnabled(enabled)
    if tip:
        action.setToolTip(tip)
    action.triggered.connect(lambda _checked=False: do())


def _add_bout(menu: QMenu, view: "TimelineView", number: int) -> None:
    book = view.state.labels
    assert book is not None
    bout = book.bout(number)
    numbers = sorted(view.chosen) if number in view.chosen else [number]
    what = f"{len(numbers)} bouts" if len(numbers) > 1 else bout.behavior
    _add(menu, f"Delete {what}", lambda: changes.delete(view.state, numbers))
    others = menu.addMenu(f"Relabel {what} to")
    for entry in book.behaviors:
        if (entry.kind == "point") == bout.is_point and (entry.name != bout.behavior or len(numbers) > 1):
            _add(others, entry.name, lambda name=entry.name: changes.relabel(view.state, numbers, name))
    others.setEnabled(bool(others.actions()))
    new = [one for one in numbers if one in book and book.bout(one).status != vp.sessions.Status.CURATED]
    _add(
        menu,
        f"Mark {what} as curated",
        lambda: changes.curate(view.state, new),
        enabled=bool(new),
        tip="You looked at it and agree: shown with a tick",
    )
    _add(menu, "Zoom to bout", lambda: view.zoom_to(bout.start_s, bout.stop_s))
    menu.addSeparator()


def _add_predicted(menu: QMenu, view: "TimelineView", predicted: int) -> None:
    prediction = view.state.predictions[view.state.current]
    index, start_s, stop_s, score = prediction.bouts[predicted].tolist()
    behavior = prediction.behaviors[int(index)]
    _add(
        menu,
        f"Keep predicted {behavior} as a label",
        lambda: changes.keep_predicted(view.state, behavior, prediction.subject, start_s, stop_s, score),
        enabled=view.state.labels is not None and behavior in view.state.labels.behaviors,
        tip="Makes it a curated bout",
    )
    _add(menu, "Zoom to predicted bout", lambda: view.zoom_to(start_s, stop_s))
    menu.addSeparator()


def _add_scored(menu: QMenu, view: "TimelineView", hit: Hit) -> None:
    marked = view.marked_range
    first_s, last_s = (view.scene.axis.first_s, view.scene.axis.last_s) if marked is None else marked
    where = "whole recording" if marked is None else "range I to O"
    state = view.state
    tip = "Scored: inside it, no bout means that the behavior did not happen"
    _add(menu, f"Mark {where} as scored", lambda: changes.mark_scored(state, first_s, last_s), tip=tip)
    if hit.row is not None and hit.row.known:
        name = hit.row.behavior
        _add(
            menu,
            f"Mark {where} as scored for {name}",
            lambda: changes.mark_scored(state, first_s, last_s, name),
            tip=tip,
        )
    _add(
        menu,
        f"Mark {where} as not scored",
        lambda: changes.mark_unscored(state, first_s, last_s),
        tip="Not scored: nobody knows what happened there; bouts stay",
    )
    menu.addSeparator()


def _add_view(menu: QMenu, view: "TimelineView") -> None:
    _add(menu, "Zoom to fit", view.fit)
    if view.scene.scores is None:
        return
    menu.addSeparator()
    group = QActionGroup(menu)
    for style, text in (("height", "Model score as height"), ("opacity", "Model score as opacity")):
        action = menu.addAction(text)
        action.setCheckable(True)
        action.setChecked(view.score_style == style)
        action.triggered.connect(lambda _checked=False, style=style: view.set_score_style(style))
        group.addAction(action)
