"""A search with its answers: what was asked for, what was found, what people said about it, labels made of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from jaxtyping import Float64

from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.moments import Moment, label_moments
from vp_science.sessions.session import Session
from vp_science.typing import JSON

MAX_EXAMPLES = 300
"""More examples than this make a search slower, and no better."""


@dataclass(frozen=True)
class Hit:
    """Something that a search found; a suggestion, not a label.

    Attributes:
        rank: 1 is the best.
        score: how near it is; see ``SearchRound.method``.
        track: in which it lies.
        recording: the recording of that track.
        subject: the animal that the track follows, "" for whole frames.
        target: the other animal of a pair, "" for none.
        start_s: from here the score stays near that of the best moment.
        stop_s: up to here.
        peak_start_s: begin of the best moment.
        peak_stop_s: its end.
        why: what it is near to, in words.
    """

    rank: int
    score: float
    track: str
    recording: str
    subject: str
    target: str
    start_s: float
    stop_s: float
    peak_start_s: float
    peak_stop_s: float
    why: str

    @property
    def key(self) -> tuple[str, float]:
        """Names the moment, also when it is found again with another score."""
        return self.track, self.peak_start_s

    @property
    def peak_s(self) -> float:
        """The middle of the best moment."""
        return (self.peak_start_s + self.peak_stop_s) / 2

    @property
    def moment(self) -> Moment:
        """Recording, start and stop."""
        return self.recording, self.start_s, self.stop_s

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Hit":
        """A row of the job ``search``."""
        return cls(**{one.name: one.type(record[one.name]) for one in fields(cls)})  # type: ignore[operator]

    def to_example(self) -> dict[str, JSON]:
        """As an example of another search."""
        return {
            "recording": self.recording,
            "subject": self.subject,
            "track": self.track,
            "start_s": self.start_s,
            "stop_s": self.stop_s,
        }


def search_example(recording: str, start_s: int | float, stop_s: int | float, subject: str = "") -> dict[str, JSON]:
    """A moment that shows what is looked for; an instant means the window around it."""
    return {"recording": recording, "subject": subject, "start_s": float(start_s), "stop_s": float(stop_s)}


def search_examples(moments: Sequence[Moment], subject: str = "") -> list[dict[str, JSON]]:
    """Chosen moments as examples: all of them, or as many as a search takes, evenly spread over them."""
    rows = np.unique(np.linspace(0, len(moments) - 1, min(len(moments), MAX_EXAMPLES)).round().astype(int))
    chosen = (moments[row] for row in rows.tolist())
    return [search_example(recording, start_s, stop_s, subject) for recording, start_s, stop_s in chosen]


@dataclass
class SearchRound:
    """A search, again and again with more answers.

    Attributes:
        like: examples that it began with.
        texts: or a description.
        only_in: recordings to search, None for all.
        common: what is ignored: ``"all"`` what all moments have in common, ``"recording"`` what those of each have.
        hits: best first.
        ask: what to answer next, because the search is unsure of it.
        yes: answered hits, in the order of the answers.
        no: likewise.
        method: ``prototype``: scores are similarities from -1 to 1; ``logistic``: probabilities.
        facts: the rest of what the job told, see ``search_session``.
        unheard: there are answers that the hits do not know yet.
    """

    like: list[dict[str, JSON]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    only_in: list[str] | None = None
    common: str = "all"
    hits: list[Hit] = field(default_factory=list)
    ask: list[Hit] = field(default_factory=list)
    yes: dict[tuple[str, float], Hit] = field(default_factory=dict)
    no: dict[tuple[str, float], Hit] = field(default_factory=dict)
    method: str = "prototype"
    facts: dict[str, Any] = field(default_factory=dict)
    unheard: bool = False

    def request(self, session: Session, *, limit: int = 60, suggest: int = 6) -> dict[str, JSON]:
        """What the job ``search`` takes."""
        return session_request(session) | {
            "like": [*self.like, *(hit.to_example() for hit in self.yes.values())],
            "unlike": [hit.to_example() for hit in self.no.values()],
            "texts": list(self.texts),
            "only_in": None if self.only_in is None else list(self.only_in),
            "common": None if self.texts else self.common,
            "limit": limit,
            "suggest": suggest,
        }

    def take(self, result: Mapping[str, Any]) -> None:
        """What the job found."""
        self.hits = [Hit.from_json(row) for row in result["hits"]]
        self.ask = [Hit.from_json(row) for row in result["ask"]]
        self.method = str(result["method"])
        self.facts = {name: value for name, value in result.items() if name not in ("hits", "ask", "method")}
        self.unheard = False

    def answer(self, hit: Hit, right: bool | None) -> None:
        """Say that a hit is right or wrong; None takes the answer back."""
        before = self.answer_of(hit)
        if before == right:
            return
        self.yes.pop(hit.key, None)
        self.no.pop(hit.key, None)
        if right is not None:
            (self.yes if right else self.no)[hit.key] = hit
        self.unheard = True

    def answer_of(self, hit: Hit) -> bool | None:
        """What was said about a hit."""
        return True if hit.key in self.yes else False if hit.key in self.no else None

    def find(self, moment: Moment) -> Hit | None:
        """The hit that a moment is, None when it is none of this search."""
        everything = (*self.hits, *self.ask, *self.yes.values(), *self.no.values())
        return next((hit for hit in everything if hit.moment == moment), None)


def session_request(session: Session) -> dict[str, JSON]:
    """The part of the request that says which session is searched."""
    recordings: list[JSON] = [
        {"id": one.id, "path": None if one.path is None else str(one.path)} for one in session.recordings
    ]
    return {"folder": str(session.folder), "recordings": recordings}


def label_hits(
    book: LabelBook,
    search: SearchRound,
    behavior: str,
    *,
    subject: str = "",
    source: str = "curated:",
    absent: bool = False,
    edges: Mapping[str, Float64[np.ndarray, " edge"]] | None = None,
) -> tuple[int, ...]:
    """Make labels of the hits that people said yes to, as one step of undo.

    Args:
        book: the labels.
        search: with its answers.
        behavior: a name of the catalogue.
        subject: who does it, where the track does not say that.
        source: of the bouts: found by the computer, seen by somebody.
        absent: the time of the hits that people said no to counts as scored: this behavior did not happen there.
        edges: borders of the frames of recordings where they are known.

    Returns:
        The numbers of the bouts.

    Raises:
        AnnotationError: when the behavior is not in the catalogue.
    """
    book.behaviors[behavior]  # an unknown one is refused before anything is changed
    who: dict[str, list[Moment]] = {}
    for hit in search.yes.values():
        who.setdefault(hit.subject or subject, []).append(hit.moment)
    numbers: list[int] = []
    with book.step(f"label {len(search.yes)} {'hit' if len(search.yes) == 1 else 'hits'} {behavior}"):
        for name, moments in who.items():
            numbers += label_moments(book, moments, behavior, subject=name, source=source, edges=edges)
        for hit in search.no.values() if absent else ():
            whose = hit.subject or subject
            book.observe(hit.recording, hit.start_s, hit.stop_s, behavior=behavior, subject=whose)
    return tuple(numbers)


def labelled_as(book: LabelBook, hit: Hit) -> str:
    """The behavior that a hit is labelled with already (that with the longest overlap), "" for none."""
    table = book.table(hit.recording)
    overlap = np.minimum(table.stop_s, hit.stop_s) - np.maximum(table.start_s, hit.start_s)
    if hit.subject:
        mine = [number for number, name in enumerate(table.subjects) if name in ("", hit.subject)]
        overlap = np.where(np.isin(table.subject, mine), overlap, -np.inf)
    if not len(overlap) or overlap.max() < 0:
        return ""
    return table.names[int(table.behavior[int(np.argmax(overlap))])]
