"""What the timeline does to labels: every function is one step of undo, and what the labels refuse is told."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import vp_science as vp
from napari_vp_science.state import PanelState


@contextmanager
def _told(state: PanelState) -> Iterator[None]:
    """Tell why something was refused."""
    try:
        yield
    except vp.VPScienceError as error:
        state.message.emit(str(error))


def _scored_lane(state: PanelState, behavior: str) -> str:
    """For which behavior a bout makes its time scored: for all of them where they exclude each other."""
    assert state.labels is not None
    return "" if state.labels.behaviors.exclusive else behavior


def create(state: PanelState, behavior: str, subject: str, start_s: float, stop_s: float, **fields: Any) -> int | None:
    """Add a bout to the shown recording and choose it; its number."""
    book = state.labels
    if book is None:
        return None
    if behavior not in book.behaviors:
        state.message.emit(f"Add {behavior} to the behaviors on the Label page first")
        return None
    source = fields.pop("source", f"manual:{state.annotator}")
    with _told(state):
        number = book.add(state.current, behavior, start_s, stop_s, subject=subject, source=source, **fields)
        state.choose_bout(number)
        return number
    return None


def reshape(state: PanelState, number: int, start_s: float, stop_s: float) -> None:
    """Give a bout other borders; what the model had drawn counts as curated then."""
    book = state.labels
    if book is None or number not in book:
        return
    bout = book.bout(number)
    if (bout.start_s, bout.stop_s) == (start_s, stop_s):
        return
    source = f"curated:{state.annotator}" if bout.status == vp.sessions.Status.MODEL else bout.source
    with _told(state), book.step(f"move {bout.behavior}" if bout.is_point else f"adjust {bout.behavior}"):
        book.change(number, start_s=start_s, stop_s=stop_s, source=source)
        if not bout.is_point:
            lane = _scored_lane(state, bout.behavior)
            book.observe(bout.recording, start_s, stop_s, behavior=lane, subject=bout.subject)


def relabel(state: PanelState, numbers: Iterable[int], behavior: str) -> None:
    """Call bouts something else; what the model had called counts as curated then."""
    book = state.labels
    if book is None:
        return
    kind = book.behaviors[behavior].kind
    with _told(state), book.step(f"relabel to {behavior}"):
        for number in _alive(book, numbers):
            bout = book.bout(number)
            if bout.is_point != (kind == "point"):
                continue
            source = f"curated:{state.annotator}" if bout.status == vp.sessions.Status.MODEL else bout.source
            book.change(number, behavior=behavior, source=source)
            if not bout.is_point:
                lane = _scored_lane(state, behavior)
                book.observe(bout.recording, bout.start_s, bout.stop_s, behavior=lane, subject=bout.subject)


def curate(state: PanelState, numbers: Iterable[int]) -> None:
    """Somebody looked at these bouts and agrees."""
    book = state.labels
    if book is None:
        return
    with _told(state), book.step("mark as curated"):
        for number in _alive(book, numbers):
            book.change(number, source=f"curated:{state.annotator}")


def delete(state: PanelState, numbers: Iterable[int]) -> None:
    """Remove bouts; their time stays scored."""
    book = state.labels
    if book is None:
        return
    if alive := _alive(book, numbers):
        with _told(state):
            book.delete(alive)


def mark_scored(state: PanelState, start_s: float, stop_s: float, behavior: str = "") -> None:
    """Somebody looked at this time, for a behavior or all of them ("")."""
    if state.labels is not None:
        with _told(state):
            state.labels.observe(state.current, start_s, stop_s, behavior=behavior, subject=state.subject)


def mark_unscored(state: PanelState, start_s: float, stop_s: float) -> None:
    """Nobody looked at this time, whatever was said before."""
    if state.labels is not None:
        with _told(state):
            state.labels.forget(state.current, start_s, stop_s)


def _alive(book: "vp.sessions.LabelBook", numbers: Iterable[int]) -> list[int]:
    return sorted(number for number in numbers if number in book)
