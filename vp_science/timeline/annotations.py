"""Annotations: behaviors, bouts, and the time that was observed.

Unknown is never absent: inside an observed interval "no bout" means that the behavior did not happen, outside it means
that nobody looked, and such time counts neither in training nor in evaluation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from vp_science.errors import AnnotationError
from vp_science.timeline.behaviors import KINDS, Behavior, Behaviors

BOUT_COLUMNS = (
    "recording",
    "subject",
    "target",
    "behavior",
    "start_s",
    "stop_s",
    "kind",
    "score",
    "source",
    "modifiers",
    "comment",
)
"""Columns of the bout table. A bout is half-open ``[start_s, stop_s)``; a point event has ``start_s == stop_s``."""

OBSERVED_COLUMNS = ("recording", "subject", "behavior", "start_s", "stop_s")
"""Columns of the observed-interval table; an empty subject or behavior means all of them."""

_TIMES = ("start_s", "stop_s")
_NUMBERS = (*_TIMES, "score")
_SOURCES = ("manual", "model", "curated")


@dataclass(frozen=True, eq=False)
class Annotations:
    """What was seen in one or many recordings; make it with ``Annotations.of``.

    Attributes:
        behaviors: the catalogue.
        bouts: one row per bout, columns ``BOUT_COLUMNS``, sorted by recording and time. Times in seconds on the clock
            of the recording; ``score`` is NaN where there is none; ``source`` is ``manual:<annotator>``,
            ``model:<probe id>`` or ``curated:<annotator>``.
        observed: one row per interval that was scored, columns ``OBSERVED_COLUMNS``, sorted like the bouts.
    """

    behaviors: Behaviors
    bouts: pd.DataFrame
    observed: pd.DataFrame

    @classmethod
    def of(
        cls,
        bouts: pd.DataFrame | Iterable[Mapping[str, Any]],
        observed: pd.DataFrame | Iterable[Mapping[str, Any]] = (),
        behaviors: Behaviors | None = None,
    ) -> "Annotations":
        """Check and complete two tables.

        Args:
            bouts: rows with at least ``recording, behavior, start_s, stop_s``; other columns get their empty value.
                Without ``kind`` it is taken from the catalogue, or else ``state``.
            observed: rows with at least ``recording, start_s, stop_s``.
            behaviors: the catalogue; None makes one from the bouts, in order of first appearance, not exclusive.

        Raises:
            AnnotationError: naming the row, when a column is missing or unknown, a time is not a finite number, a bout
                ends before it starts, a state has no duration or a point has one, or a behavior is not in the
                catalogue.
        """
        kinds = {} if behaviors is None else {entry.name: entry.kind for entry in behaviors}
        table = _completed(bouts, BOUT_COLUMNS, ("recording", "behavior", *_TIMES), "bout")
        if (empty := table["kind"] == "").any():
            table.loc[empty, "kind"] = [kinds.get(name, "state") for name in table.loc[empty, "behavior"]]
        table.loc[table["source"] == "", "source"] = "manual:"
        table = _sorted(table)
        if behaviors is None:
            behaviors = _catalogue(table)
        _check_bouts(table, behaviors)
        seen = _sorted(_completed(observed, OBSERVED_COLUMNS, ("recording", *_TIMES), "observed interval"))
        _check_observed(seen, behaviors)
        return cls(behaviors, table, seen)

    @property
    def recordings(self) -> tuple[str, ...]:
        """Ids of all recordings that have bouts or observed intervals, sorted."""
        return tuple(sorted({*self.bouts["recording"], *self.observed["recording"]}))

    def subjects(self, recording: str | None = None) -> tuple[str, ...]:
        """Names of the subjects (not the empty one), sorted."""
        tables = [self.bouts, self.observed]
        if recording is not None:
            tables = [table[table["recording"] == recording] for table in tables]
        return tuple(sorted({name for table in tables for name in table["subject"] if name}))

    def select(
        self,
        *,
        recordings: Iterable[str] | None = None,
        behaviors: Sequence[str] | None = None,
        sources: Iterable[str] | None = None,
    ) -> "Annotations":
        """The part with these recordings, behaviors (which also orders the catalogue) or kinds of source.

        Args:
            recordings: ids to keep.
            behaviors: names to keep; an exclusive catalogue stays exclusive.
            sources: first words of the source to keep: ``manual``, ``model``, ``curated``. A recording whose bouts are
                all of other sources loses its observed intervals too: it was observed by others.

        Raises:
            AnnotationError: when a behavior is not in the catalogue.
        """
        bouts, observed, catalogue = self.bouts, self.observed, self.behaviors
        if recordings is not None:
            kept = set(recordings)
            bouts, observed = bouts[bouts["recording"].isin(kept)], observed[observed["recording"].isin(kept)]
        if behaviors is not None:
            catalogue = replace(catalogue, entries=tuple(catalogue[name] for name in behaviors))
            bouts = bouts[bouts["behavior"].isin(behaviors)]
            observed = observed[observed["behavior"].isin([*behaviors, ""])]
        if sources is not None:
            kept_rows = bouts["source"].str.split(":").str[0].isin(list(sources))
            others = set(bouts["recording"][~kept_rows]) - set(bouts["recording"][kept_rows])
            bouts, observed = bouts[kept_rows], observed[~observed["recording"].isin(others)]
        return Annotations(catalogue, bouts.reset_index(drop=True), observed.reset_index(drop=True))

    def renamed(self, recordings: Mapping[str, str]) -> "Annotations":
        """The same with other recording ids; ids that are not in the mapping stay."""
        bouts = self.bouts.assign(recording=[recordings.get(name, name) for name in self.bouts["recording"]])
        observed = self.observed.assign(recording=[recordings.get(name, name) for name in self.observed["recording"]])
        return Annotations(self.behaviors, _sorted(bouts), _sorted(observed))

    @classmethod
    def concat(cls, parts: Sequence["Annotations"]) -> "Annotations":
        """Several annotations as one; the catalogues are merged.

        Raises:
            AnnotationError: when the catalogues contradict each other, or there is nothing to join.
        """
        if not parts:
            raise AnnotationError("expected at least one set of annotations, found none")
        behaviors = parts[0].behaviors
        for part in parts[1:]:
            behaviors = behaviors.merged(part.behaviors)
        bouts = pd.concat([part.bouts for part in parts], ignore_index=True)
        return cls.of(bouts, pd.concat([part.observed for part in parts], ignore_index=True), behaviors)

    def equals(self, other: "Annotations") -> bool:
        """Whether catalogue, bouts and observed intervals are the same."""
        return (
            self.behaviors == other.behaviors
            and self.bouts.equals(other.bouts)
            and self.observed.equals(other.observed)
        )

    def __repr__(self) -> str:
        names = ", ".join(self.behaviors.names[:8]) + (", ..." if len(self.behaviors) > 8 else "")
        how = "exclusive" if self.behaviors.exclusive else "may overlap"
        seconds = float((self.observed["stop_s"] - self.observed["start_s"]).sum())
        return (
            f"Annotations: {len(self.bouts)} bouts of {len(self.behaviors)} behaviors ({how}: {names}) in "
            f"{len(self.recordings)} recordings, {len(self.observed)} observed intervals ({seconds:.6g} s)"
        )


def _completed(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]], columns: Sequence[str], required: Sequence[str], what: str
) -> pd.DataFrame:
    """The columns in order and of one type each; missing optional ones are empty."""
    table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    if unknown := [str(name) for name in table.columns if name not in columns]:
        raise AnnotationError(
            f"expected the columns {', '.join(columns)} in the {what} table, found {unknown[0]!r}: rename or remove it"
        )
    if len(table) and (missing := [name for name in required if name not in table]):
        raise AnnotationError(f"expected the column {missing[0]!r} in the {what} table, found none: add it")
    done = pd.DataFrame(index=range(len(table)))
    for name in columns:
        if name in _NUMBERS:
            done[name] = _numbers(table, name, what)
        else:
            done[name] = _texts(table, name)
    return done


def _texts(table: pd.DataFrame, name: str) -> "pd.Series[str]":
    if name not in table:
        return pd.Series([""] * len(table), index=range(len(table))).astype(str)
    values = ["" if value is None or value is pd.NA or value != value else str(value) for value in table[name]]
    return pd.Series(values, index=range(len(table)), dtype=object).astype(str)


def _numbers(table: pd.DataFrame, name: str, what: str) -> np.ndarray:
    if name not in table:
        return np.full(len(table), np.nan)
    numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    given = table[name].notna().to_numpy()
    wrong = ~np.isfinite(numbers) & (given | (name in _TIMES))
    if len(bad := np.flatnonzero(wrong)):
        value = table[name].iloc[bad[0]]
        value = value.item() if isinstance(value, np.generic) else value
        raise AnnotationError(
            f"expected {name} of every {what} to be a finite number, found {value!r} in row {bad[0]}: repair it"
        )
    return np.asarray(numbers)


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    keys = [name for name in ("recording", "start_s", "stop_s", "subject", "target", "behavior") if name in table]
    return table.sort_values(keys, kind="stable", ignore_index=True)


def _catalogue(table: pd.DataFrame) -> Behaviors:
    kinds: dict[str, Any] = {}
    for name, kind in zip(table["behavior"], table["kind"], strict=True):
        kinds.setdefault(name, kind)
    return Behaviors(tuple(Behavior(name, kind) for name, kind in kinds.items()))


def _check_bouts(table: pd.DataFrame, behaviors: Behaviors) -> None:
    start, stop, kind = table["start_s"].to_numpy(), table["stop_s"].to_numpy(), table["kind"].to_numpy()
    wanted = {entry.name: entry.kind for entry in behaviors}
    catalogue_kind = np.array([wanted.get(name, "") for name in table["behavior"]], dtype=object)
    checks = (
        (table["recording"].to_numpy() == "", "a recording"),
        (~np.isin(kind, KINDS), "kind state or point"),
        (catalogue_kind == "", f"one of the behaviors {', '.join(behaviors.names)}"),
        ((catalogue_kind != "") & (catalogue_kind != kind), "the kind that the catalogue gives for this behavior"),
        (stop < start, "start_s <= stop_s"),
        ((kind == "state") & (stop == start), "a state with a duration (stop_s > start_s), or kind point"),
        ((kind == "point") & (stop > start), "a point event without duration (stop_s == start_s), or kind state"),
        (
            ~table["source"].str.split(":").str[0].isin(_SOURCES).to_numpy(),
            "a source such as manual:<annotator>, model:<probe> or curated:<annotator>",
        ),
    )
    for wrong, expected in checks:
        if len(bad := np.flatnonzero(wrong)):
            row = table.iloc[int(bad[0])]
            raise AnnotationError(
                f"expected {expected}, found the bout {row['behavior']!r} of {row['recording']!r} at "
                f"{row['start_s']:.6g} to {row['stop_s']:.6g} s (kind {row['kind']!r}, source {row['source']!r}), "
                f"{len(bad)} such in all: repair it"
            )


def _check_observed(table: pd.DataFrame, behaviors: Behaviors) -> None:
    known = {*behaviors.names, ""}
    for index, row in enumerate(table.itertuples(index=False)):
        if not row.start_s < row.stop_s or not row.recording or row.behavior not in known:
            raise AnnotationError(
                f"expected an observed interval with a recording, start_s < stop_s and a known behavior, found "
                f"{row.recording!r}, {row.start_s:.6g} to {row.stop_s:.6g} s, {row.behavior!r} (number {index}): "
                "repair it"
            )
