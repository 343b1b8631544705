"""Labels of a data set: whose they are, the states of the frames of a clip, and where behaviors are to be found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int8, Int64

from vp_science.animals import FollowedItem
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import read_annotations
from vp_science.batch import BatchItem
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import to_ethogram
from vp_science.timeline.names import listed, match_names
from vp_science.train.data.settings import SYNTHETIC, DataSettings
from vp_science.train.data.sources import find_sources, recording_of
from vp_science.train.data.survey import Surveyed, survey


@dataclass(frozen=True, eq=False)
class RecordingLabels:
    """What people saw in one recording, or of one animal in it.

    Attributes:
        annotations: of this recording only.
        name: of the recording in them.
        subject: whose behavior; None: of all subjects together.
        columns: for every behavior that is learned its place in the annotations' catalogue, -1 where it has none: then
            nobody scored it, and its state is unknown.
    """

    annotations: Annotations
    name: str
    subject: str | None
    columns: Int64[np.ndarray, " c"]

    def states(self, time_s: Float64[np.ndarray, " t"]) -> Int8[np.ndarray, "t c"]:
        """States at frames of these times: 1, 0, -1 unknown; by the rules of ``to_ethogram``."""
        found = to_ethogram(self.annotations, self.name, time_s, subject=self.subject).states
        known = np.concatenate([found, np.full((len(found), 1), -1, np.int8)], axis=1)
        return np.asarray(known[:, self.columns])

    def states_of_clip(self, time_s: Float64[np.ndarray, " t"]) -> Int8[np.ndarray, "t c"]:
        """States at the frames of a clip, which is a piece of a regular grid that goes on before and after it."""
        step = (time_s[-1] - time_s[0]) / (len(time_s) - 1) if len(time_s) > 1 else 1 / 30
        return self.states(np.concatenate([[time_s[0] - step], time_s, [time_s[-1] + step]]))[1:-1]


def read_data_annotations(data: DataSettings, clock: FrameClock | None = None) -> Annotations:
    """What people saw in the recordings of a data set; what models found is no label until somebody reviewed it.

    Args:
        data: with annotations.
        clock: when frames are shown, for formats that count them.

    Raises:
        AnnotationError: when the file cannot be read.
    """
    if data.annotations is None:
        raise AnnotationError(f"{data.path}: expected annotations for fine-tuning, found none: give data.annotations")
    return read_annotations(Path(data.annotations), clock=clock).select(sources=("manual", "curated"))


def match_labels(
    annotations: Annotations, items: Sequence[BatchItem], data: DataSettings, behaviors: Behaviors
) -> list[RecordingLabels | None]:
    """The labels of every recording or animal; None for those that nobody scored.

    An animal has the bouts of its name; where it is the only one of its recording and bouts name nobody, those.

    Raises:
        AnnotationError: when no recording is named, or no behavior that is learned is in the catalogue.
    """
    names = [recording_of(item) for item in items]
    given = match_names(annotations.recordings, names)
    if not any(given):
        raise AnnotationError(
            f"{data.annotations}: expected labels of the recordings {listed(sorted(set(names)))}, found labels of "
            f"{listed(annotations.recordings) or 'none'}: rename one of them"
        )
    own = annotations.behaviors
    columns = np.array([own.index(name) if name in own else -1 for name in behaviors.names], np.int64)
    if not (columns >= 0).any():
        raise AnnotationError(
            f"{data.annotations}: expected some of the behaviors {listed(behaviors.names)}, found {listed(own.names)}"
        )
    followed = Counter(recording_of(item) for item in items if isinstance(item, FollowedItem))
    labels: list[RecordingLabels | None] = []
    for item, name, meant in zip(items, names, given, strict=True):
        if not meant:
            labels.append(None)
            continue
        part = annotations.select(recordings=[meant])
        animal = item.subjects[0][1] if isinstance(item, FollowedItem) else ""
        nameless = followed[name] == 1 and not part.subjects(meant)
        labels.append(RecordingLabels(part, meant, None if nameless or not animal else animal, columns))
    return labels


def clock_of(items: Sequence[BatchItem], surveyed: Sequence[Surveyed]) -> FrameClock:
    """When the frames of the recordings are shown."""
    return FrameClock(None, {recording_of(item): seen.time_s for item, seen in zip(items, surveyed, strict=True)})


def find_behaviors(data: Sequence[DataSettings]) -> Behaviors:
    """The behaviors of all data sets that have annotations, in the order of the files.

    Recordings are opened only where a format counts frames.

    Raises:
        AnnotationError: when there are none, or files contradict each other.
    """
    catalogue: Behaviors | None = None
    for one in data:
        found = _catalogue(one)
        if found is not None:
            catalogue = found if catalogue is None else catalogue.merged(found)
    if catalogue is None or not len(catalogue):
        raise AnnotationError("data: expected annotations with behaviors, found none: give data.annotations")
    return catalogue


def _catalogue(data: DataSettings) -> Behaviors | None:
    if data.path == SYNTHETIC:
        from vp_science.samples.synthetic import SYNTHETIC_BEHAVIORS

        drawn = data.draw.behaviors
        entries = tuple(SYNTHETIC_BEHAVIORS[name] for name in drawn)
        return replace(SYNTHETIC_BEHAVIORS, entries=entries) if drawn else SYNTHETIC_BEHAVIORS
    if data.annotations is None:
        return None
    try:
        return read_data_annotations(data).behaviors
    except AnnotationError:  # perhaps only because frames are counted
        items, _ = find_sources(data)
        return read_data_annotations(data, clock_of(items, survey(items, data))).behaviors
