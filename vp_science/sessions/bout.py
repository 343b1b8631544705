"""One bout and one observed interval, as a label book keeps them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any

from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import BOUT_COLUMNS


class Status(IntEnum):
    """How a bout came to be, by the first word of its source."""

    MANUAL = 0
    MODEL = 1
    CURATED = 2


STATUS_OF = {"manual": Status.MANUAL, "model": Status.MODEL, "curated": Status.CURATED}

_TEXTS = tuple(name for name in BOUT_COLUMNS if name not in ("start_s", "stop_s", "score", "kind"))


@dataclass(frozen=True, slots=True)
class Bout:
    """One bout; a row of a bout table with a number of its own.

    Attributes:
        id: names the bout in this label book, for as long as the session lives.
        recording: id of the recording.
        behavior: a name of the catalogue.
        start_s: in seconds on the clock of the recording.
        stop_s: its end (not part of it); equal to ``start_s`` for a point event.
        subject: who, "" for nobody in particular.
        target: to whom.
        score: of the model that found it; NaN for none.
        source: ``manual:<annotator>``, ``model:<probe id>`` or ``curated:<annotator>``.
        modifiers: free text, as other programs have it.
        comment: free text.
    """

    id: int
    recording: str
    behavior: str
    start_s: int | float
    stop_s: int | float
    subject: str = ""
    target: str = ""
    score: int | float = math.nan
    source: str = "manual:"
    modifiers: str = ""
    comment: str = ""

    @property
    def is_point(self) -> bool:
        """Whether it is an instant."""
        return self.stop_s == self.start_s

    @property
    def status(self) -> Status:
        """How it came to be."""
        return STATUS_OF[self.source.split(":")[0]]

    def row(self) -> dict[str, Any]:
        """As a row of a bout table."""
        values = {name: getattr(self, name) for name in BOUT_COLUMNS if name != "kind"}
        return values | {"kind": "point" if self.is_point else "state"}

    @property
    def who(self) -> str:
        """Who made it or found it: the source without its first word."""
        return self.source.partition(":")[2]

    @classmethod
    def from_row(cls, number: int, row: Mapping[str, Any]) -> "Bout":
        """From a row of a bout table, which was checked before."""
        values = {name: row[name] for name in BOUT_COLUMNS if name != "kind"}
        if math.isnan(values["score"]):
            values["score"] = math.nan  # one object, so that equal bouts compare equal
        return cls(number, **values)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON: what is empty is left out."""
        values = asdict(self)
        if math.isnan(self.score):
            del values["score"]
        return {name: value for name, value in values.items() if value != ""}

    @classmethod
    def from_json(cls, record: object) -> "Bout":
        """Read what ``to_json`` wrote.

        Raises:
            AnnotationError: when it is something else.
        """
        names = {field.name for field in fields(cls)}
        if not isinstance(record, Mapping) or not set(record) <= names:
            raise AnnotationError(f"expected a bout as JSON, found {record!r}")
        try:
            bout = cls(**record)
        except TypeError as error:
            raise AnnotationError(f"expected a bout as JSON, found {record!r}") from error
        return checked_bout(bout)


@dataclass(frozen=True, slots=True, order=True)
class Observed:
    """Time that somebody scored: inside it "no bout" means that the behavior did not happen.

    Attributes:
        start_s: in seconds.
        stop_s: its end.
        behavior: which one was looked for; "" for all of them.
        subject: whose; "" for everybody.
    """

    start_s: int | float
    stop_s: int | float
    behavior: str = ""
    subject: str = ""


def checked_bout(bout: Bout) -> Bout:
    """Refuse what no bout can be.

    Raises:
        AnnotationError: when times, texts or the source are not what they should be.
    """
    numbers = (bout.start_s, bout.stop_s, bout.score)
    if type(bout.id) is not int or any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers):
        raise AnnotationError(f"expected a bout with a number and times, found {bout!r}")
    if any(not isinstance(getattr(bout, name), str) for name in _TEXTS) or not bout.recording or not bout.behavior:
        raise AnnotationError(f"expected a bout with a recording and a behavior, found {bout!r}")
    if not -math.inf < bout.start_s <= bout.stop_s < math.inf:
        raise AnnotationError(f"expected start_s <= stop_s in seconds, found {bout.start_s} and {bout.stop_s}")
    if bout.source.split(":")[0] not in STATUS_OF:
        raise AnnotationError(f"expected a source such as manual:<annotator>, found {bout.source!r}")
    return bout
