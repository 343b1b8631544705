"""Where the rows of the timeline stand: one per behavior, grouped by subject when there are several."""

from collections.abc import Sequence
from dataclasses import dataclass

HEADER_PX = 17
_LOWEST, _HIGHEST = 20, 42
_LOWEST_WITH_SCORES, _HIGHEST_WITH_SCORES = 27, 56
_SCORES_SHARE = 0.42
_PAD = 2


@dataclass(frozen=True)
class Row:
    """One behavior of one subject; pixels count from the first row, before scrolling.

    Attributes:
        behavior: its name.
        subject: whose; "" for nobody in particular.
        known: whether the catalogue has it (otherwise only the model does).
        top: upper border.
        height: of all of it.
        scores_height: of the lower part, for predictions; 0 for none.
    """

    behavior: str
    subject: str
    known: bool
    top: int
    height: int
    scores_height: int

    @property
    def labels_top(self) -> int:
        """Upper border of the bouts."""
        return self.top + _PAD

    @property
    def labels_height(self) -> int:
        """Height of the bouts."""
        return self.height - 2 * _PAD - self.scores_height

    @property
    def scores_top(self) -> int:
        """Upper border of the predictions."""
        return self.top + self.height - _PAD - self.scores_height + 1


@dataclass(frozen=True)
class Header:
    """The name of a subject above its rows."""

    subject: str
    top: int
    height: int = HEADER_PX


@dataclass(frozen=True)
class RowLayout:
    """All rows.

    Attributes:
        rows: from top to bottom.
        headers: of subjects; none when there is only one.
        height: of all of them together.
    """

    rows: tuple[Row, ...]
    headers: tuple[Header, ...]
    height: int

    def row_at(self, y: float) -> Row | None:
        """The row at a height."""
        return next((row for row in self.rows if row.top <= y < row.top + row.height), None)

    def header_at(self, y: float) -> Header | None:
        """The header at a height."""
        return next((header for header in self.headers if header.top <= y < header.top + header.height), None)

    def find(self, behavior: str, subject: str) -> Row | None:
        """The row of a behavior and a subject."""
        return next((row for row in self.rows if (row.behavior, row.subject) == (behavior, subject)), None)


NO_ROWS = RowLayout((), (), 0)


def lay_out(
    behaviors: Sequence[str], predicted: Sequence[str], subjects: Sequence[str], scores_of: str | None, room: int
) -> RowLayout:
    """Distribute rows over a height; where there is not enough, rows keep a readable height and are scrolled.

    Args:
        behaviors: names of the catalogue.
        predicted: further names that only the model knows; they get rows for the subject that it is about.
        subjects: in order, at least one.
        scores_of: the subject that predictions are about; None without predictions.
        room: pixels that there are.
    """
    groups = [(who, [*behaviors, *(predicted if who == scores_of else ())]) for who in subjects]
    headers_px = HEADER_PX * len(subjects) if len(subjects) > 1 else 0
    plain = sum(len(names) for who, names in groups if who != scores_of)
    scored = sum(len(names) for who, names in groups if who == scores_of)
    # Rows with predictions are half as high again; both share the room in that relation.
    unit = (room - headers_px) / max(plain + 1.5 * scored, 1)
    plain_px = int(min(max(unit, _LOWEST), _HIGHEST))
    scored_px = int(min(max(1.5 * unit, _LOWEST_WITH_SCORES), _HIGHEST_WITH_SCORES))
    rows: list[Row] = []
    headers: list[Header] = []
    top = 0
    for who, names in groups:
        if headers_px:
            headers.append(Header(who, top))
            top += HEADER_PX
        for name in names:
            height = scored_px if who == scores_of else plain_px
            lane = round(height * _SCORES_SHARE) if who == scores_of else 0
            rows.append(Row(name, who, name in behaviors, top, height, lane))
            top += height
    return RowLayout(tuple(rows), tuple(headers), top)


def subjects_shown(current: str, *others: Sequence[str]) -> tuple[str, ...]:
    """Everybody who has something to show: "" first, then by name; the current one is always there."""
    return tuple(sorted({current, *(name for names in others for name in names)}))
