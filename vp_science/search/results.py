"""What a search found: a table, bouts for people to check, and the way to a better search."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from vp_science.errors import SettingsError
from vp_science.search.events import Event
from vp_science.search.index import Common, SearchIndex
from vp_science.search.query import Example, ExampleLike, Query, query_id, read_examples
from vp_science.search.scoring import Scorer
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "rank", "score", "recording", "start_s", "stop_s", "peak_start_s", "peak_stop_s", "example"
)  # fmt: skip
"""Columns of the table of results; see ``Results.to_pandas``."""

Answer = int | ExampleLike
"""A rank in the table of results, or a moment."""


@dataclass(frozen=True)
class SearchOptions:
    """How a search was made; see ``find``."""

    limit: int
    per_recording: int | None
    min_score: int | float | None
    merge_gap_s: int | float
    include_examples: bool
    common: Common
    recordings: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("limit", "per_recording"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"expected {name} to be at least 1, found {value}")
        if not 0 <= self.merge_gap_s < np.inf:
            raise SettingsError(f"expected merge_gap_s to be seconds from 0 on, found {self.merge_gap_s}")
        if self.recordings == ():
            raise SettingsError("expected recordings to search, found none: name some, or leave them out for all")

    def only_in(self, index: SearchIndex) -> tuple[int, ...] | None:
        """Positions in the index of the recordings to search; None for all.

        Raises:
            SettingsError: when a name means none.
        """
        return None if self.recordings is None else tuple(index.find_recording(name) for name in self.recordings)


@dataclass(frozen=True, eq=False)
class Results:
    """Events that a search found, best first.

    Attributes:
        index: what was searched.
        query: what was looked for.
        options: how.
        scorer: what gives a moment its score.
        scores: of every moment of the index.
        events: what was found.
        seconds: that the search took, without loading.
    """

    index: SearchIndex
    query: Query
    options: SearchOptions
    scorer: Scorer
    scores: Float32[np.ndarray, " point"]
    events: tuple[Event, ...]
    seconds: float

    def __len__(self) -> int:
        return len(self.events)

    @cached_property
    def id(self) -> str:
        """Names the query: the same query of the same tracks has the same id, however many results are wanted."""
        index, options = self.index, asdict(self.options)
        del options["limit"]
        if options["recordings"] is None:
            del options["recordings"]
        tracks = [entry.fingerprint for entry in index.recordings]
        return query_id(self.query, {"options": options, "points": index.settings.to_json(), "tracks": tracks})

    def to_pandas(self) -> "pd.DataFrame":
        """The results as a table.

        Returns:
            One row per event: ``rank`` from 1; ``score``, a cosine (-1 to 1) or, after many answers, a probability;
            ``recording`` (of the track); ``start_s`` and ``stop_s``, where the score stays near its peak;
            ``peak_start_s`` and ``peak_stop_s``, the best moment; ``example``, ``like`` or ``unlike`` where the event
            is one of the examples, else "".
        """
        import pandas as pd

        return pd.DataFrame(self._rows(self.events), columns=list(COLUMNS)).astype({"rank": int})

    def to_annotations(self, behavior: str) -> Annotations:
        """The results as bouts of the source ``model:<query id>``, with their scores.

        They are suggestions: they count as labels only when somebody has looked and changed the source to
        ``curated:``. Nothing is observed by a search. Events that are examples of something else are left out.

        Args:
            behavior: what the bouts are called.

        Raises:
            AnnotationError: when the behavior has no name.
        """
        behaviors = Behaviors.of([behavior])
        bouts = []
        for event, row in zip(self.events, self._rows(self.events), strict=True):
            if row["example"] == "unlike":
                continue
            where = self.index.recordings[event.recording]
            bouts.append(
                {
                    "recording": where.recording,
                    "subject": where.subject,
                    "target": where.target,
                    "behavior": behavior,
                    "start_s": event.start_s,
                    "stop_s": event.stop_s,
                    "score": event.score,
                    "source": f"model:{self.id}",
                }
            )
        return Annotations.of(bouts, behaviors=behaviors)

    def to_json(self) -> dict[str, Any]:
        """The results, what was looked for and what was searched, as plain JSON."""
        return {
            "query": self.query.to_json() | {"id": self.id, "method": self.scorer.method},
            "options": asdict(self.options),
            "searched": {
                "recordings": len(self.index.recordings),
                "hours": self.index.seconds / 3600,
                self.index.settings.unit: len(self.index),
                "seconds": self.seconds,
                "model": self.index.model,
                "untrained": self.index.untrained,
            },
            "results": self._rows(self.events),
        }

    def refine(self, yes: Answer | Sequence[Answer] = (), no: Answer | Sequence[Answer] = ()) -> "Results":
        """Search again, with answers about results or other moments.

        Args:
            yes: what is right: ranks of the table, or moments as ``"recording@start-stop"``.
            no: what is wrong.

        Returns:
            New results. Moments that were answered are left out (or marked, as the examples are).

        Raises:
            SettingsError: when a rank is not in the table, or a moment in no track.
        """
        from vp_science.search.finding import search

        return search(self.index, self.query.answered(self.moments(yes), self.moments(no)), self.options)

    def suggest(self, number: int = 5) -> "pd.DataFrame":
        """Moments whose answer would help most: what the score is least sure of, and different from each other.

        Args:
            number: how many.

        Returns:
            A table as ``to_pandas`` gives; ``rank`` is the order in which to ask.
        """
        import pandas as pd

        from vp_science.search.suggestion import suggest_events

        return pd.DataFrame(self._rows(suggest_events(self, number)), columns=list(COLUMNS)).astype({"rank": int})

    def moments(self, answers: Answer | Sequence[Answer]) -> tuple[Example, ...]:
        """The moments that answers are about.

        Raises:
            SettingsError: when a rank is not in the table, or a text is no moment.
        """
        found: list[Example] = []
        for answer in [answers] if isinstance(answers, int | str | Example) else answers:
            if not isinstance(answer, int | np.integer):
                found += read_examples(answer)
                continue
            if not 1 <= answer <= len(self.events):
                raise SettingsError(f"expected a rank from 1 to {len(self.events)}, found {answer}: see the table")
            found.append(self.example_of(self.events[answer - 1]))
        return tuple(found)

    def track_name(self, recording: str) -> str:
        """The id of the track that a name of a recording means.

        Raises:
            SettingsError: when it means none.
        """
        return self.index.recordings[self.index.find_recording(recording)].recording_id

    def example_of(self, event: Event) -> Example:
        """An event as an example, from where to where the score stays near its peak."""
        return Example(self.index.recordings[event.recording].recording_id, event.start_s, event.stop_s)

    def _rows(self, events: Sequence[Event]) -> list[dict[str, Any]]:
        return [
            {
                "rank": rank,
                "score": event.score,
                "recording": self.index.recordings[event.recording].recording_id,
                "start_s": event.start_s,
                "stop_s": event.stop_s,
                "peak_start_s": round(float(self.index.start_s[event.peak]), 6),
                "peak_stop_s": round(float(self.index.stop_s[event.peak]), 6),
                "example": self._role(event),
            }
            for rank, event in enumerate(events, start=1)
        ]

    def _role(self, event: Event) -> str:
        """Whether the event is an example, and of what."""
        if not self.options.include_examples:
            return ""
        for role, examples in (("like", self.query.like), ("unlike", self.query.unlike)):
            for example in examples:
                same = self.index.find_recording(example.recording) == event.recording
                if same and example.start_s <= event.stop_s and example.stop_s >= event.start_s:
                    return role
        return ""

    def __repr__(self) -> str:
        index = self.index
        best = f", best {self.events[0].score:.3f}" if self.events else ""
        return (
            f"Results {self.id}: {len(self)} events{best}; {self.query.describe()}; {len(index)} "
            f"{index.settings.unit} of {len(index.recordings)} tracks ({index.seconds / 3600:.3g} h) in "
            f"{self.seconds:.3g} s" + (", UNTRAINED model: for testing only" * index.untrained)
        )
