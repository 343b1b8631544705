"""What the timeline does to labels: every function is one step of undo, and what the labels refuse is told."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import vp_science as vp
from napari_vp_science.state import PanelState


@contextmanager
def _told(state: PanelState) -> Iterator[None]:
    """Tell why something was refused."""
    try:
        yield
    except vp.VPScienceError as error:
        state.message.emit(str(error))


def create(state: PanelState, behavior: str, subject: str, start_s: float, stop_s: float) -> int | None:
    """Draw a bout in the shown recording and choose it; it becomes one with those of the same row that it touches.

    Returns:
        Its number.
    """
    book = state.labels
    if book is None:
        return None
    if behavior not in book.behaviors:
        state.message.emit(f"Add {behavior} to the behaviors on the Label page first")
        return None
    source = f"manual:{state.annotator}"
    try:
        number = book.paint(state.current, behavior, start_s, stop_s, subject=subject, source=source)
    except vp.VPScienceError as error:
        state.message.emit(str(error))
        return None
    state.choose_bout(number)
    return number


def keep_predicted(
    state: PanelState, behavior: str, subject: str, start_s: float, stop_s: float, score: float
) -> int | None:
    """Make a curated bout of what the model found, and choose it; its number."""
    book = state.labels
    if book is None:
        return None
    source = f"curated:{state.annotator}"
    try:
        number = book.add(state.current, behavior, start_s, stop_s, subject=subject, source=source, score=score)
    except vp.VPScienceError as error:
        state.message.emit(str(error))
        return None
    state.choose_bout(number)
    return number


def reshape(state: PanelState, number: int, start_s: float, stop_s: float) -> None:
    """Give a bout other borders; what the model had drawn counts as curated then."""
    book = state.labels
    if book is None or number not in book:
        return
    bout = book.bout(number)
    if (bout.start_s, bout.stop_s) != (start_s, stop_s):
        with _told(state), book.step(f"adjust {bout.behavior}"):
            book.change(number, start_s=start_s, stop_s=stop_s, source=_by_hand(state, bout))


def relabel(state: PanelState, numbers: Iterable[int], behavior: str) -> None:
    """Call bouts something else; what the model had called counts as curated then."""
    book = state.labels
    if book is None:
        return
    kind = book.behaviors[behavior].kind
    with _told(state), book.step(f"relabel to {behavior}"):
        for number in _alive(book, numbers):
            # One of them may have given way to another one meanwhile.
            bout = book.bout(number) if number in book else None
            if bout is not None and bout.is_point == (kind == "point"):
                book.change(number, behavior=behavior, source=_by_hand(state, bout))


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


def _by_hand(state: PanelState, bout: "vp.sessions.Bout") -> str:
    """The source of a bout that somebody changes."""
    return f"curated:{state.annotator}" if bout.status == vp.sessions.Status.MODEL else bout.source
