"""What an ethogram shows, whatever it came from: per animal and behavior the time it happens, and the time we know."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64

from vp_science.errors import FigureError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.budget import observed_time, units
from vp_science.timeline.ethogram import Ethogram, frame_edges, spans
from vp_science.timeline.intervals import Intervals, as_union, intersect_intervals
from vp_science.timeline.names import listed, match_names

Source = Annotations | Ethogram | Sequence[Ethogram]
"""Labels or predictions: a bout table of any number of recordings, or ethograms."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one behavior: one per frame, between the borders of the frames in seconds."""

    edges: Float64[np.ndarray, " edge"]
    values: Float32[np.ndarray, " frame"]


@dataclass(frozen=True, eq=False)
class Lane:
    """One behavior of one animal in one recording.

    Attributes:
        on: when it happens, in seconds.
        at_s: instants of point events.
        known: when it is known whether it happens.
        scores: None when there are none.
    """

    on: Intervals
    at_s: Float64[np.ndarray, " event"]
    known: Intervals
    scores: Scores | None = None

    @property
    def times(self) -> Float64[np.ndarray, " n"]:
        """Every instant that it mentions."""
        frames = [] if self.scores is None else [self.scores.edges[[0, -1]]]
        return np.concatenate([self.on.ravel(), self.at_s, self.known.ravel(), *frames])


@dataclass(frozen=True, eq=False)
class Group:
    """The rows of one animal (or of whole frames) in one recording.

    Attributes:
        recording: its id.
        subject: who does it; "" for nobody in particular.
        target: to whom; "" for nobody in particular.
        labels: lanes by behavior; None where there are none.
        predictions: likewise.
    """

    recording: str
    subject: str = ""
    target: str = ""
    labels: dict[str, Lane] | None = None
    predictions: dict[str, Lane] | None = None

    @property
    def sides(self) -> tuple[dict[str, Lane], ...]:
        """Those that there are."""
        return tuple(side for side in (self.labels, self.predictions) if side is not None)

    @property
    def extent(self) -> tuple[float, float]:
        """First and last instant, in seconds."""
        times = np.concatenate([np.zeros(0), *(lane.times for side in self.sides for lane in side.values())])
        return (float(times.min()), float(times.max())) if len(times) else (0.0, 0.0)

    @property
    def title(self) -> str:
        """Recording, and who to whom."""
        who = self.subject + (f" to {self.target}" if self.target else "")
        return ", ".join(part for part in (self.recording, who) if part)


def gather(labels: Source | None, predictions: Source | None) -> tuple[Behaviors, list[Group]]:
    """Labels beside predictions of the same recordings and animals, matched by name as everywhere else.

    Predictions for whole frames stand below the labels of all animals together.

    Raises:
        FigureError: when there is nothing.
        AnnotationError: when catalogues contradict each other, or a name fits two recordings.
    """
    sources = [source for source in (labels, predictions) if source is not None]
    catalogues = [catalogue for source in sources for catalogue in _catalogues(source)]
    if not catalogues:
        raise FigureError("expected labels or predictions to draw, found neither: give bouts or ethograms")
    behaviors = catalogues[0]
    for other in catalogues[1:]:
        behaviors = behaviors.merged(replace(other, background=behaviors.background))
    groups = [replace(group, labels=None, predictions=group.labels) for group in _groups(predictions)]
    joined = _with_labels(groups, labels)
    if not any(len(lane.times) for group in joined for side in group.sides for lane in side.values()):
        raise FigureError("expected bouts or observed time to draw, found none: check which recordings were chosen")
    return behaviors, joined


def choose(behaviors: Behaviors, names: Sequence[str] | None) -> list[str]:
    """The names that were asked for, or all of them.

    Raises:
        FigureError: naming the nearest behavior when one does not exist.
    """
    return pick(names, behaviors.names, "behavior") if names is not None else list(behaviors.names)


def pick(asked: Iterable[str], names: Sequence[str], what: str) -> list[str]:
    """The names that were asked for.

    Raises:
        FigureError: when one does not exist, with the nearest that does.
    """
    chosen = list(dict.fromkeys(asked))
    for name in chosen:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else "check the spelling"
            raise FigureError(f"expected a {what} among {listed(list(names)) or '(none)'}, found {name!r}: {hint}")
    return chosen


def _catalogues(source: Source) -> list[Behaviors]:
    if isinstance(source, Annotations | Ethogram):
        return [source.behaviors]
    return [ethogram.behaviors for ethogram in source]


def _groups(source: Source | None) -> list[Group]:
    """The groups of one source, as its labels."""
    if source is None:
        return []
    if isinstance(source, Annotations):
        return [Group(name, who, "", bout_lanes(source, name, [who], "")) for name, who in units(source)]
    ethograms = [source] if isinstance(source, Ethogram) else list(source)
    return [Group(e.recording, e.subject, e.target, _frame_lanes(e)) for e in ethograms]


def _with_labels(groups: list[Group], labels: Source | None) -> list[Group]:
    if labels is None:
        return groups
    own = _groups(labels)
    names = match_names(list(dict.fromkeys(one.recording for one in own)), [group.recording for group in groups])
    used: set[tuple[str, str]] = set()
    joined = []
    for group, name in zip(groups, names, strict=True):
        theirs = [one for one in own if one.recording == name]
        if isinstance(labels, Annotations):
            found, subjects = _labels_of(labels, name, group)
        else:
            fitting = [one for one in theirs if (one.subject, one.target) == (group.subject, group.target)]
            found, subjects = (fitting[0].labels, [group.subject]) if fitting else (None, [])
        used.update((name, subject) for subject in subjects)
        joined.append(replace(group, labels=found))
    return joined + [one for one in own if (one.recording, one.subject) not in used]


def _labels_of(labels: Annotations, name: str, group: Group) -> tuple[dict[str, Lane] | None, list[str]]:
    """The labels that belong to predictions: of that animal, or of all where nobody is named."""
    if not name:
        return None, []
    there = [subject for recording, subject in units(labels) if recording == name]
    if group.subject and group.subject not in there and labels.subjects(name):
        return None, []
    subjects = [group.subject] if group.subject in there and group.subject else there
    return bout_lanes(labels, name, subjects, group.target), subjects


def bout_lanes(labels: Annotations, recording: str, subjects: Sequence[str], target: str) -> dict[str, Lane]:
    """The bouts of some animals together; known is the time in which all of them were observed."""
    bouts = labels.bouts[(labels.bouts["recording"] == recording) & labels.bouts["subject"].isin(list(subjects))]
    if target:
        bouts = bouts[bouts["target"] == target]
    lanes = {}
    for entry in labels.behaviors:
        times = bouts.loc[bouts["behavior"] == entry.name, ["start_s", "stop_s"]].to_numpy(np.float64).reshape(-1, 2)
        known = observed_time(labels, recording, subjects[0], entry.name)
        for subject in subjects[1:]:
            known = intersect_intervals(known, observed_time(labels, recording, subject, entry.name))
        point = entry.kind == "point"
        lanes[entry.name] = Lane(
            as_union(times[:0] if point else times), times[:, 0] if point else np.zeros(0), as_union(known)
        )
    return lanes


def _frame_lanes(ethogram: Ethogram) -> dict[str, Lane]:
    edges = frame_edges(ethogram.time_s)
    lanes = {}
    for column, entry in enumerate(ethogram.behaviors):
        on, point = ethogram.states[:, column] == 1, entry.kind == "point"
        lanes[entry.name] = Lane(
            edges[spans(on & (not point))],
            np.asarray(ethogram.time_s[on]) if point else np.zeros(0),
            edges[spans(ethogram.known[:, column])],
            None if ethogram.scores is None else Scores(edges, ethogram.scores[:, column]),
        )
    return lanes
