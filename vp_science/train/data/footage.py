"""A data set that lies in files, found and checked: where its clips are cut from, and what is known of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from vp_science.animals import FollowedItem
from vp_science.annotations.text_tables import bad
from vp_science.batch import BatchItem
from vp_science.errors import AnnotationError, RecordingError
from vp_science.files import hash_file
from vp_science.timeline.behaviors import Behaviors
from vp_science.timeline.ethogram import frame_edges, spans
from vp_science.train.data.captions import CaptionedPart, match_captions, read_captions
from vp_science.train.data.labels import RecordingLabels, clock_of, match_labels, read_data_annotations
from vp_science.train.data.request import BatchRequest
from vp_science.train.data.settings import ClipSettings, DataSettings
from vp_science.train.data.sources import PictureItem, find_sources
from vp_science.train.data.survey import Surveyed, Watch, survey
from vp_science.train.data.windows import Stretch

Row = tuple[int, int, int, float]
"""Place, first source frame, one past the last one, weight."""

_MOST_GAIN = 12.0
"""A rare behavior is drawn at most this much more often than its share of time."""


@dataclass(frozen=True, eq=False)
class Spans:
    """Frames of recordings to choose from, each with a weight.

    Attributes:
        place: which place they lie in.
        first: first source frame.
        stop: one past the last one.
        total: running sum of the weights.
    """

    place: Int64[np.ndarray, " n"]
    first: Int64[np.ndarray, " n"]
    stop: Int64[np.ndarray, " n"]
    total: Float64[np.ndarray, " n"]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Spans":
        """From rows of place, first frame, stop and weight."""
        place, first, stop = (np.array([row[column] for row in rows], np.int64) for column in range(3))
        return cls(place, first, stop, np.cumsum([row[3] for row in rows], dtype=np.float64))

    def draw(self, rng: np.random.Generator) -> int:
        """Number of one of them, in proportion to its weight."""
        drawn = np.searchsorted(self.total, rng.uniform(0, self.total[-1]), side="right")
        return int(min(drawn, len(self.total) - 1))


@dataclass(frozen=True, eq=False)
class Footage:
    """What worker processes need of a data set: plain data.

    Attributes:
        data: its settings.
        items: recordings, pictures or animals.
        picture: they are pictures: clips have one frame.
        place_item: recording of every place.
        places: stretches that clips lie in, with the weights with which they are drawn.
        texts: captions of every place; None without captions.
        labels: of every item, None for one that nobody scored; empty without labels.
        known: where anything is labelled; None without labels.
        happening: where each behavior happens that does at all, by its number.
        gains: weights of these behaviors.
    """

    data: DataSettings
    items: tuple[BatchItem, ...]
    picture: bool
    place_item: Int64[np.ndarray, " n"]
    places: Spans
    texts: tuple[tuple[str, ...], ...] | None = None
    labels: tuple[RecordingLabels | None, ...] = ()
    known: Spans | None = None
    happening: tuple[tuple[int, Spans], ...] = ()
    gains: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class SurveyedFootage:
    """A data set, and what only the main process needs of it.

    Attributes:
        footage: what goes to worker processes.
        listing: stamp of every recording and table by its name: what the clips depend on.
        durations_s: of the recordings.
        num_frames: source frames of all recordings.
        num_short: recordings shorter than a clip.
        num_left_out: recordings without captions.
        seconds: time that each behavior takes.
        known_s: labelled time.
    """

    footage: Footage
    listing: dict[str, str]
    durations_s: tuple[float, ...]
    num_frames: int
    num_short: int
    num_left_out: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    known_s: float = 0.0


def survey_footage(data: DataSettings, request: BatchRequest, watch: Watch | None = None) -> SurveyedFootage:
    """Find and check a data set.

    Raises:
        VPScienceError: when a recording cannot be opened, or captions, labels or poses do not fit.
    """
    items, left_out = find_sources(data)
    seen = survey(items, data, watch)
    spans_s = [_span_s(one, request.clips) for one in seen]
    texts = None
    if request.text is None:
        rows, place_item = _shown_places(items, seen, spans_s)
        unused = 0
    else:
        rows, place_item, texts = _captioned_places(data, items, seen, left_out)
        unused = len(items) - len(set(place_item))
    picture = all(isinstance(item, PictureItem) for item in items)
    footage = Footage(data, tuple(items), picture, np.array(place_item, np.int64), Spans.of(rows), texts)
    used = [seen[item] for item in sorted(set(place_item))]
    found = SurveyedFootage(
        footage, _listing(data, items, seen), tuple(one.duration_s for one in used),
        sum(len(one.time_s) for one in used),
        sum(one.duration_s < span - 1e-3 for one, span in zip(seen, spans_s, strict=True)) if not picture else 0,
        unused,
    )  # fmt: skip
    return _labelled(found, seen, request.behaviors) if request.behaviors is not None else found


def _span_s(seen: Surveyed, clips: ClipSettings) -> float:
    """How long a clip is, at plain speed."""
    if clips.cover == "whole" or len(seen.time_s) < 2:
        return 0.0
    return clips.num_frames / clips.fps if clips.fps else clips.num_frames * float(np.median(np.diff(seen.time_s)))


def _shown_places(
    items: Sequence[BatchItem], seen: Sequence[Surveyed], spans_s: Sequence[float]
) -> tuple[list[Row], list[int]]:
    """Whole recordings, by their time; of animals the stretches in which they are seen.

    A recording shorter than a clip counts as if it were as long. Of animals, stretches shorter than half a clip are
    left out where there are longer ones: nearly all of such a clip would be one held frame.
    """
    found: list[Row] = []
    for item, (one, span_s) in enumerate(zip(seen, spans_s, strict=True)):
        followed = isinstance(items[item], FollowedItem)
        for first, stop in one.shown.tolist():
            seconds = _seconds(one, Stretch(first, stop))
            found.append((item, first, stop, seconds if followed else max(seconds, span_s)))
    long = [row for row in found if row[3] >= spans_s[row[0]] / 2]
    found = long or found
    if not found:
        raise RecordingError(f"{items[0].recording_id}: expected frames to show, found none: check the poses")
    return [(place, *row[1:]) for place, row in enumerate(found)], [row[0] for row in found]


def _captioned_places(
    data: DataSettings, items: Sequence[BatchItem], seen: Sequence[Surveyed], left_out: Sequence[BatchItem]
) -> tuple[list[Row], list[int], tuple[tuple[str, ...], ...]]:
    """Captioned parts, all drawn equally often: each is one thing to tell from others."""
    assert data.captions is not None
    path = Path(data.captions)
    parts = match_captions(read_captions(path), items, data, path, left_out)
    rows = []
    for place, part in enumerate(parts):
        stretch = _captioned(part, seen[part.item], path)
        rows.append((place, stretch.first, stretch.stop, 1.0))
    return rows, [part.item for part in parts], tuple(part.texts for part in parts)


def _captioned(part: CaptionedPart, seen: Surveyed, path: Path) -> Stretch:
    """The frames of a captioned part."""
    for column, time_s in (("start_s", part.start_s), ("stop_s", part.stop_s)):
        least, most = float(seen.time_s[0]) - 1e-3, seen.stop_s + (1.0 if column == "stop_s" else -1e-6)
        if time_s is not None and not least <= time_s <= most:
            expected = f"a time in the recording ({seen.time_s[0]:.6g} to {seen.stop_s:.6g} s)"
            raise bad(path, expected, time_s, line=part.line, column=column)
    return Stretch.between(seen.time_s, part.start_s, part.stop_s)


def _seconds(seen: Surveyed, stretch: Stretch) -> float:
    stop = seen.stop_s if stretch.stop >= len(seen.time_s) else float(seen.time_s[stretch.stop])
    return stop - float(seen.time_s[stretch.first])


def _listing(data: DataSettings, items: Sequence[BatchItem], seen: Sequence[Surveyed]) -> dict[str, str]:
    """Stamps of everything that determines the clips, by name."""
    listing = {item.recording_id: one.stamp for item, one in zip(items, seen, strict=True)}
    for key in ("captions", "annotations"):
        path = getattr(data, key)
        if path is not None:
            listing[f"{key}:{Path(path).name}"] = hash_file(path)[:12]
    for item in items:
        pose_file = getattr(item, "pose_file", None)
        if pose_file is not None:
            listing.setdefault(f"poses:{pose_file.name}", hash_file(pose_file)[:12])
    return listing


def _labelled(found: SurveyedFootage, seen: Sequence[Surveyed], behaviors: Behaviors) -> SurveyedFootage:
    footage = found.footage
    data, items = footage.data, footage.items
    labels = match_labels(read_data_annotations(data, clock_of(items, seen)), items, data, behaviors)
    known: list[Row] = []
    happening: dict[int, list[Row]] = {}
    for item, (label, one) in enumerate(zip(labels, seen, strict=True)):
        if label is None:
            continue
        states = label.states(one.time_s)
        lasts = np.diff(frame_edges(one.time_s))
        for place in np.flatnonzero(footage.place_item == item).tolist():
            first, stop = int(footage.places.first[place]), int(footage.places.stop[place])
            part, seconds = states[first:stop], lasts[first:stop]
            known += _rows(place, first, np.asarray((part >= 0).any(axis=1)), seconds)
            for column in range(len(behaviors)):
                happening.setdefault(column, []).extend(_rows(place, first, part[:, column] == 1, seconds))
    if not known:
        raise AnnotationError(
            f"{data.annotations}: expected labelled time in the recordings of {data.path}, found none: say what was "
            "observed (observed intervals), or check that times are those of these recordings"
        )
    seconds_of = {column: float(sum(row[3] for row in rows)) for column, rows in happening.items()}
    there = [column for column in sorted(happening) if happening[column]]
    footage = replace(
        footage,
        labels=tuple(labels),
        known=Spans.of(known),
        happening=tuple((column, Spans.of(happening[column])) for column in there),
        gains=_gains([seconds_of[column] for column in there]),
    )
    by_name = {name: seconds_of.get(column, 0.0) for column, name in enumerate(behaviors.names)}
    return replace(found, footage=footage, seconds=by_name, known_s=float(sum(row[3] for row in known)))


def _rows(place: int, offset: int, on: Bool[np.ndarray, " t"], seconds: Float64[np.ndarray, " t"]) -> list[Row]:
    return [
        (place, offset + first, offset + stop, float(seconds[first:stop].sum())) for first, stop in spans(on).tolist()
    ]


def _gains(seconds: Sequence[float]) -> tuple[float, ...]:
    """Weights of behaviors: the root of their time, but no more than ``_MOST_GAIN`` times what their time gives."""
    if not seconds:
        return ()
    most = max(seconds)
    return tuple(one * min((most / one) ** 0.5, _MOST_GAIN) for one in seconds)
