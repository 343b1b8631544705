"""Taking annotations into a label book: what is new, what is there already, and what gives way."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from vp_science.sessions.bout import Bout
from vp_science.sessions.edits import Place
from vp_science.sessions.label_store import CATALOGUE, LabelStore, check_exclusive
from vp_science.sessions.spans import Span, remaining
from vp_science.timeline.annotations import Annotations

if TYPE_CHECKING:
    from vp_science.sessions.labelbook import LabelBook

Setter = Callable[[Place, Any], None]


def merge_into(
    book: "LabelBook", store: LabelStore, put: Setter, annotations: Annotations, replace_recordings: bool
) -> None:
    """See ``LabelBook.merge``; runs inside a step.

    Args:
        book: which takes the annotations.
        store: its elements.
        put: sets an element as part of the step.
        annotations: what comes.
        replace_recordings: what their recordings had before goes.
    """
    grown = book.behaviors.merged(annotations.behaviors) if len(book.behaviors) else annotations.behaviors
    put(CATALOGUE, grown)
    store.expect(len(annotations.bouts))
    if replace_recordings:
        for recording in annotations.recordings:
            _clear(store, put, recording)
    new = _new_bouts(store, annotations.bouts)
    if grown.exclusive:
        check_exclusive(new, "repair the file, or let behaviors overlap")
        _give_way(store, put, new)
    for bout in new:
        put(("bout", bout.id), bout)
    for row in annotations.observed.itertuples(index=False):
        book.observe(row.recording, row.start_s, row.stop_s, behavior=row.behavior, subject=row.subject)


def _clear(store: LabelStore, put: Setter, recording: str) -> None:
    for bout in list(store.of_recording(recording)):
        put(("bout", bout.id), None)
    for one in store.observed(recording).sorted():
        put(("observed", (recording, one)), None)


def _new_bouts(store: LabelStore, table: pd.DataFrame) -> list[Bout]:
    """Bouts of a table that are not there yet, also not with other sources or comments."""
    there = {_what(bout) for bout in store.bouts.values()}
    number, new = store.next_id, []
    for row in table.to_dict("records"):
        bout = Bout.from_row(number, {str(name): value for name, value in row.items()})
        if _what(bout) not in there:
            there.add(_what(bout))
            new.append(bout)
            number += 1
    return new


def _what(bout: Bout) -> tuple[Any, ...]:
    return bout.recording, bout.subject, bout.target, bout.behavior, bout.start_s, bout.stop_s, bout.modifiers


def _give_way(store: LabelStore, put: Setter, new: list[Bout]) -> None:
    """Cut what was there where new bouts of the same subject come."""
    spans: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for bout in new:
        if not bout.is_point:
            spans[bout.recording, bout.subject].append((bout.start_s, bout.stop_s))
    for cut in spans.values():
        cut.sort()
    number = max((bout.id for bout in new), default=0) + 1
    for recording in {recording for recording, _ in spans}:
        for bout in list(store.of_recording(recording)):
            cut = spans.get((recording, bout.subject), [])
            pieces = [] if bout.is_point else remaining(bout.start_s, bout.stop_s, cut)
            if bout.is_point or pieces == [(bout.start_s, bout.stop_s)]:
                continue
            put(("bout", bout.id), None)
            for index, (start, stop) in enumerate(pieces):
                own = bout.id if index == 0 else number
                number += index > 0
                put(("bout", own), replace(bout, id=own, start_s=start, stop_s=stop))
