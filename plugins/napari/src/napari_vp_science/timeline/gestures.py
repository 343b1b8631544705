"""What a press of the mouse begins: every gesture follows the pointer, and ends by doing something or by nothing."""

from typing import TYPE_CHECKING, Any, Protocol

import vp_science as vp
from napari_vp_science.timeline import changes
from napari_vp_science.timeline.dragging import Span, created, giving_way, moved, resized
from napari_vp_science.timeline.hits import Hit, bouts_between
from napari_vp_science.timeline.overlay import Preview

if TYPE_CHECKING:
    from napari_vp_science.timeline.view import TimelineView

_STILL_PX = 4.0
"""A press that moves less is a click."""


class Gesture(Protocol):
    """Between press and release."""

    def move(self, x: float, y: float, time_s: float) -> None:
        """The pointer is here; ``time_s`` is the time of the visible part there."""

    def finish(self) -> None:
        """The button was released."""

    def cancel(self) -> None:
        """Everything as before."""


class Seek:
    """The video follows the pointer on the ruler."""

    def __init__(self, view: "TimelineView") -> None:
        self._view, self._frame = view, view.frame

    def move(self, x: float, y: float, time_s: float) -> None:
        """Show the frame there."""
        self._view.seek(self._view.scene.frames.at(time_s))

    def finish(self) -> None:
        """The video is there already."""

    def cancel(self) -> None:
        """Back to where it was."""
        self._view.seek(self._frame)


class Pan:
    """The visible time follows the pointer."""

    def __init__(self, view: "TimelineView", x: float) -> None:
        self._view, self._x, self._axis = view, x, view.scene.axis

    def move(self, x: float, y: float, time_s: float) -> None:
        """What was under the pointer stays there."""
        self._view.show_axis(self._axis.panned((self._x - x) / self._axis.px_per_s))

    def finish(self) -> None:
        """It is there already."""

    def cancel(self) -> None:
        """Back to where it was."""
        self._view.show_axis(self._axis)


class PanOverview:
    """The visible range is moved in the overview; a press beside it brings its middle there."""

    def __init__(self, view: "TimelineView", time_s: float) -> None:
        self._view, self._axis = view, view.scene.axis
        inside = self._axis.start_s <= time_s <= self._axis.stop_s
        self._grip_s = time_s - self._axis.start_s if inside else self._axis.length_s / 2

    def move(self, x: float, y: float, time_s: float) -> None:
        """Its grip follows the pointer."""
        there = self._axis.fitted().time(x) - self._grip_s
        self._view.show_axis(self._axis.panned(there - self._axis.start_s))

    def finish(self) -> None:
        """It is there already."""

    def cancel(self) -> None:
        """Back to where it was."""
        self._view.show_axis(self._axis)


class Create:
    """A new bout grows on the empty part of a row; without moving, it is a click that seeks."""

    def __init__(self, view: "TimelineView", hit: Hit, x: float) -> None:
        assert hit.row is not None
        self._view, self._row, self._x, self._anchor_s = view, hit.row, x, hit.time_s
        self._frame = view.frame
        book = view.state.labels
        self._is_point = hit.row.known and book is not None and book.behaviors[hit.row.behavior].kind == "point"
        self._span: Span | None = None

    def move(self, x: float, y: float, time_s: float) -> None:
        """The bout ends at the frame there, which the video shows."""
        if self._span is None and abs(x - self._x) < _STILL_PX:
            return
        self._span = created(self._view.scene.frames, self._anchor_s, time_s, is_point=self._is_point)
        self._view.seek(self._span.frame)
        row, span = self._row, self._span
        new = Preview(row.behavior, row.subject, span.start_s, span.stop_s)
        self._view.show_previews([*_gives_way(self._view, new, None), new])

    def finish(self) -> None:
        """Make it."""
        self._view.show_previews([])
        if self._span is None:
            self._view.choose(None)
            self._view.seek(self._view.scene.frames.at(self._anchor_s))
            return
        row, span = self._row, self._span
        self._view.state.choose_subject(row.subject)
        changes.create(self._view.state, row.behavior, row.subject, span.start_s, span.stop_s)

    def cancel(self) -> None:
        """No bout."""
        self._view.show_previews([])
        self._view.seek(self._frame)


class Reshape:
    """An edge of a bout, or all of it, follows the pointer; the video shows the edge."""

    def __init__(self, view: "TimelineView", hit: Hit, x: float) -> None:
        assert hit.bout is not None
        assert view.state.labels is not None
        self._view, self._hit, self._x = view, hit, x
        self._bout: vp.sessions.Bout = view.state.labels.bout(hit.bout)
        self._frame = view.frame
        self._span: Span | None = None

    def move(self, x: float, y: float, time_s: float) -> None:
        """Show what it would be."""
        if self._span is None and abs(x - self._x) < _STILL_PX:
            return
        frames, bout, part = self._view.scene.frames, self._bout, self._hit.part
        if part == "body":
            self._span = moved(frames, bout, time_s - self._hit.time_s)
        else:
            # The edge keeps its distance from the pointer, so that it does not jump when it is gripped beside.
            edge_s = bout.start_s if part == "start" else bout.stop_s
            self._span = resized(frames, bout, part, time_s + edge_s - self._hit.time_s)
        self._view.seek(self._span.frame)
        new = Preview(bout.behavior, bout.subject, self._span.start_s, self._span.stop_s)
        old = Preview(bout.behavior, bout.subject, bout.start_s, bout.stop_s, gives_way=True)
        self._view.show_previews([old, *_gives_way(self._view, new, bout.id), new])

    def finish(self) -> None:
        """Make it so."""
        self._view.show_previews([])
        if self._span is not None:
            changes.reshape(self._view.state, self._bout.id, self._span.start_s, self._span.stop_s)

    def cancel(self) -> None:
        """As before."""
        self._view.show_previews([])
        self._view.seek(self._frame)


class Box:
    """A box around several bouts chooses them."""

    def __init__(self, view: "TimelineView", x: float, y: float, time_s: float) -> None:
        self._view, self._from = view, (x, y, time_s)
        self._before = frozenset(view.chosen)
        self._moved = False

    def move(self, x: float, y: float, time_s: float) -> None:
        """Choose what is in the box now."""
        if not self._moved and max(abs(x - self._from[0]), abs(y - self._from[1])) < _STILL_PX:
            return
        self._moved = True
        first_s, last_s = sorted((self._from[2], time_s))
        top, bottom = sorted((self._from[1], y))
        self._view.show_box(first_s, last_s, top, bottom)
        self._view.choose_several(self._before | bouts_between(self._view.scene, first_s, last_s, top, bottom))

    def finish(self) -> None:
        """They are chosen already."""
        self._view.hide_box()

    def cancel(self) -> None:
        """Choose what was chosen before."""
        self._view.hide_box()
        self._view.choose_several(self._before)


def _gives_way(view: "TimelineView", new: Preview, skip: int | None) -> list[Preview]:
    """In an exclusive catalogue: which parts of other bouts would go."""
    scene: Any = view.scene
    if not scene.behaviors.exclusive or new.start_s == new.stop_s:
        return []
    table = scene.table
    return [
        Preview(
            table.names[table.behavior[at]],
            new.subject,
            max(float(table.start_s[at]), new.start_s),
            min(float(table.stop_s[at]), new.stop_s),
            gives_way=True,
        )
        for at in giving_way(table, new.subject, new.start_s, new.stop_s, skip).tolist()
    ]
