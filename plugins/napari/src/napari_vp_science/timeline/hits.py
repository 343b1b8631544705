"""What is under the pointer."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_vp_science.timeline.rows import Row
from napari_vp_science.timeline.scene import Scene

Zone = Literal["overview", "ruler", "moments", "names", "row", "header", "empty"]
Part = Literal["", "start", "stop", "body"]
_GRIP_PX = 5.0


@dataclass(frozen=True)
class Hit:
    """One place of the timeline.

    Attributes:
        zone: which part of it.
        time_s: the time there (in the overview: of the whole recording).
        row: the row, in rows and names.
        bout: number of the bout there.
        part: which part of the bout.
        predicted: index of the predicted bout there, in the table of the prediction.
        subject: of the header there.
    """

    zone: Zone
    time_s: float
    row: Row | None = None
    bout: int | None = None
    part: Part = ""
    predicted: int | None = None
    subject: str = ""


def hit_test(scene: Scene, x: float, y: float) -> Hit:
    """What is at a pixel of the widget."""
    places, axis = scene.places, scene.axis
    time_s = axis.time(x)
    if y < places.ruler.top():
        return Hit("overview", axis.fitted().time(x))
    if y < places.rows_top:
        return Hit("ruler" if y <= places.ruler.bottom() else "moments", time_s)
    inside = y - places.rows_top + scene.scroll
    header, row = scene.layout.header_at(inside), scene.layout.row_at(inside)
    if header is not None:
        return Hit("header", time_s, subject=header.subject)
    if row is None:
        return Hit("empty", time_s)
    if x < places.left:
        return Hit("names", time_s, row)
    if row.scores_height and inside >= row.scores_top - 1:
        return Hit("row", time_s, row, predicted=_predicted_at(scene, row, time_s))
    bout, part = _bout_at(scene, row, x)
    return Hit("row", time_s, row, bout, part)


def bouts_between(scene: Scene, first_s: float, last_s: float, top: float, bottom: float) -> set[int]:
    """Numbers of the bouts in a box of time and of pixels of the widget."""
    table, found = scene.table, set()
    inside = (table.start_s <= last_s) & (table.stop_s >= first_s)
    for row in scene.layout.rows:
        if scene.y(row.top) + row.height > top and scene.y(row.top) < bottom:
            found |= set(table.id[inside & _of_row(scene, row)].tolist())
    return found


def _of_row(scene: Scene, row: Row) -> np.ndarray:
    table = scene.table
    if row.behavior not in table.names or row.subject not in table.subjects:
        return np.zeros(len(table), bool)
    own = table.behavior == table.names.index(row.behavior)
    return own & (table.subject == table.subjects.index(row.subject))


def _bout_at(scene: Scene, row: Row, x: float) -> tuple[int | None, Part]:
    table, axis = scene.table, scene.axis
    near = (table.start_s <= axis.time(x + _GRIP_PX)) & (table.stop_s >= axis.time(x - _GRIP_PX))
    found = np.flatnonzero(near & _of_row(scene, row))
    if not len(found):
        return None, ""
    start, stop = axis.x(table.start_s[found]), axis.x(table.stop_s[found])
    outside = np.maximum(np.maximum(start - x, x - stop), 0.0)
    chosen = np.isin(table.id[found], list(scene.chosen))
    # The one under the pointer; a chosen one before others, a short one before a long one.
    best = int(np.lexsort((stop - start, ~chosen, outside))[0])
    return int(table.id[found[best]]), _part(x, float(start[best]), float(stop[best]))


def _part(x: float, start: float, stop: float) -> Part:
    if start == stop:
        return "body"
    inner = min(_GRIP_PX, (stop - start) / 4)
    if x <= start + inner:
        return "start"
    return "stop" if x >= stop - inner else "body"


def _predicted_at(scene: Scene, row: Row, time_s: float) -> int | None:
    if scene.scores is None or row.behavior not in scene.scores.prediction.behaviors:
        return None
    bouts = scene.scores.prediction.bouts
    if not len(bouts):
        return None
    index = scene.scores.prediction.behaviors.index(row.behavior)
    found = np.flatnonzero((bouts[:, 0] == index) & (bouts[:, 1] <= time_s) & (time_s < bouts[:, 2]))
    return int(found[0]) if len(found) else None
