"""What accepting, rejecting or relabelling does to the labels: each is one step of undo."""

import math
from collections.abc import Iterable

from vp_science.sessions.edits import Edit
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.review_items import ReviewItem

UNSEEN = "accepted by its confidence"
"""Comment of bouts that were accepted without being looked at."""

_TOUCH_S = 1e-6


def accept(
    book: LabelBook,
    item: ReviewItem,
    annotator: str,
    *,
    subject: str = "",
    span: tuple[float, float] | None = None,
    behavior: str | None = None,
    comment: str = "",
) -> None:
    """The prediction is right, perhaps with other borders or another behavior: its bout becomes a label.

    The time of the question, and of the bout where its borders were moved outwards, counts as scored. Bouts of the same
    behavior that it touches become one with it. Where the prediction missed a label, the label goes: the prediction is
    right that nothing is there.

    Args:
        book: the labels.
        item: the question.
        annotator: who decides.
        subject: whose behavior where the prediction names nobody.
        span: other borders.
        behavior: another behavior.
        comment: goes into the bout.

    Raises:
        AnnotationError: when the catalogue does not have the behavior.
    """
    who = item.subject or subject
    name = behavior or item.behavior
    start, stop = span or (item.start_s, item.stop_s)
    shown_until = stop if stop > start else max(stop, item.until_s)
    state = book.behaviors[name].kind == "state"
    with book.step(f"accept {name}" if name == item.behavior else f"relabel {item.behavior} as {name}"):
        begin, end = min(start, item.start_s), max(shown_until, item.until_s)
        book.observe(item.recording, begin, end, behavior=item.behavior, subject=who)
        if item.kind == "missed":
            book.erase(item.recording, start, shown_until, behavior=item.behavior, subject=who or None)
            if name == item.behavior:
                return
        everything = "" if book.behaviors.exclusive and state else name
        book.observe(item.recording, start, shown_until, behavior=everything, subject=who)
        source = f"curated:{annotator}"
        made = book.paint(item.recording, name, start, shown_until, subject=who, source=source, join_s=_TOUCH_S)
        bout = book.bout(made)
        if math.isnan(bout.score) and not bout.comment:
            book.change(made, observe=False, score=item.score, comment=comment)


def reject(book: LabelBook, item: ReviewItem, *, subject: str = "") -> None:
    """The prediction is wrong: its time is scored for this behavior, and nothing is there.

    Where a label contradicts the prediction, the label stays as it is.
    """
    if item.kind == "predicted":
        with book.step(f"reject {item.behavior}"):
            who = item.subject or subject
            book.observe(item.recording, item.start_s, item.until_s, behavior=item.behavior, subject=who)


def accept_all(book: LabelBook, items: Iterable[ReviewItem], annotator: str, *, subject: str = "") -> Edit | None:
    """Accept many predictions that nobody looked at, as one step; their bouts say so in the comment.

    Of thousands this takes a moment: do it on a copy of the labels in a thread, and let the labels ``adopt`` the copy.

    Returns:
        The edit; None when there was nothing to accept.
    """
    chosen, before = list(items), book.last_edit
    with book.step(f"accept {len(chosen)} bouts"):
        for item in chosen:
            accept(book, item, annotator, subject=subject, comment=UNSEEN)
    return None if book.last_edit is before else book.last_edit
