"""Cells become tables and differences: which values belong together, and over what they are averaged."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence

from benchmarks.proof.spread import Spread, paired, spread

Cell = Mapping
Values = dict[Hashable, float]


def average(cells: Sequence[Cell], unit: Callable[[Cell], Hashable], value: Callable[[Cell], float | None]) -> Values:
    """The mean value of every unit, over all that differs inside of it (seeds, folds)."""
    found: dict[Hashable, list[float]] = defaultdict(list)
    for cell in cells:
        if (number := value(cell)) is not None:
            found[unit(cell)].append(number)
    return {name: sum(values) / len(values) for name, values in found.items()}


def select(cells: Sequence[Cell], **key: object) -> list[Cell]:
    """Cells with these entries of the key; a tuple stands for any of its values."""
    return [
        cell
        for cell in cells
        if all(cell["key"].get(name) in (want if isinstance(want, tuple) else (want,)) for name, want in key.items())
    ]


def difference(first: Values, second: Values) -> Spread:
    """Paired difference over the units that both have."""
    return paired(first, second)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table."""
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows), ""]


def text(values: Values) -> str:
    """Mean and spread of some units."""
    return spread(list(values.values())).text()
