"""What somebody decided in a review, as it is remembered."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from vp_science.sessions.review_items import KINDS, ReviewItem
from vp_science.typing import JSON

Verdict = Literal["accepted", "rejected", "relabelled"]
VERDICTS: tuple[Verdict, ...] = ("accepted", "rejected", "relabelled")


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about one question.

    Attributes:
        item: the question.
        verdict: ``accepted`` (perhaps with other borders), ``rejected`` or ``relabelled``.
        seconds: how long it took.
    """

    item: ReviewItem
    verdict: Verdict
    seconds: float

    def to_json(self) -> dict[str, JSON]:
        """As plain JSON; a score that is not known is null."""
        record = asdict(self.item) | {"verdict": self.verdict, "seconds": round(self.seconds, 2)}
        return record | {"score": None if np.isnan(self.item.score) else self.item.score}

    @classmethod
    def from_json(cls, record: Any) -> "Decision":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: when it is something else.
        """
        try:
            names = ("recording", "behavior", "subject", "probe_id")
            texts = {name: record[name] for name in names if isinstance(record[name], str)}
            score = np.nan if record["score"] is None else float(record["score"])
            start, stop, until, seconds = (float(record[n]) for n in ("start_s", "stop_s", "until_s", "seconds"))
            kind, verdict = KINDS[KINDS.index(record["kind"])], VERDICTS[VERDICTS.index(record["verdict"])]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"expected a decision of a review, found {record!r}") from error
        if len(texts) < len(names) or not -np.inf < start <= stop <= until < np.inf or not 0 <= seconds < np.inf:
            raise ValueError(f"expected a decision of a review, found {record!r}")
        item = ReviewItem(
            kind, texts["recording"], texts["behavior"], start, stop, until, score, texts["subject"], texts["probe_id"]
        )
        return cls(item, verdict, seconds)


def read_decisions(records: Any) -> list[Decision]:
    """The decisions in the settings of a session; what is none is left out, for only estimates rest on it."""
    found = []
    for record in records if isinstance(records, list) else []:
        try:
            found.append(Decision.from_json(record))
        except ValueError:
            continue
    return found
