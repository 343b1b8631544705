"""Labels from and to files of other programs: recordings matched by name, frames converted with their own clocks.

Everything here works on copies of a label book, so that it can run in a thread while people go on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64

from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import FORMATS, read_annotations, write_annotations
from vp_science.errors import AnnotationError
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.spans import Span, remaining
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.names import listed, match_names
from vp_science.typing import StrPath

_ONE_RECORDING = frozenset(("deepethogram", "bento", "caltech", "elan", "nwb", "v-trace", "jabs"))


@dataclass(frozen=True)
class LabelFormat:
    """A format of labels, for menus.

    Attributes:
        name: for ``read_annotations`` and ``write_annotations``.
        title: the program or standard.
        endings: how names of such files end; the first is the usual one.
        one_recording: a file holds one recording; several go to a folder.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    one_recording: bool


def label_formats() -> tuple[LabelFormat, ...]:
    """All formats that can be read and written."""
    return tuple(LabelFormat(f.name, f.title, f.endings, f.name in _ONE_RECORDING) for f in FORMATS)


class RecordingClocks(Mapping[str, Float64[np.ndarray, " frame"]]):
    """Presentation times by recording id; a recording is opened when somebody asks for it.

    Args:
        paths: where recordings lie; those without a path are not here.
        known: times that are known already.
    """

    def __init__(
        self, paths: Mapping[str, Path | None], known: Mapping[str, Float64[np.ndarray, " frame"]] | None = None
    ) -> None:
        self._known = {name: times for name, times in (known or {}).items() if len(times)}
        self._paths = {name: path for name, path in paths.items() if path is not None or name in self._known}

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __getitem__(self, name: str) -> Float64[np.ndarray, " frame"]:
        path = self._paths[name]
        if name not in self._known:
            from vp_science.video.open import open_recording

            assert path is not None
            with open_recording(path) as opened:
                self._known[name] = np.asarray(opened.time_s, dtype=np.float64)
        return self._known[name]


@dataclass(frozen=True)
class ImportPlan:
    """What taking in files would do to the labels.

    Attributes:
        names: for every recording in the files the id in the session, "" for none.
        book: the copy with the changes, to be adopted by the label book; None when nothing would change.
        notes: what people should know before, in sentences.
    """

    names: dict[str, str]
    book: LabelBook | None
    notes: tuple[str, ...]

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Recordings of the files that the session does not have, as far as anybody knows."""
        return tuple(name for name, own in self.names.items() if not own)


@dataclass(frozen=True)
class ImportSettings:
    """How files are taken in.

    Attributes:
        format: its name; None finds out.
        recording: id in the session that all of it belongs to; None believes the files.
        names: ids by name in the files, where somebody decided; "" leaves a recording out.
        replace: what these recordings had before goes.
        annotator: who scored, where a file does not say.
    """

    format: str | None = None
    recording: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False
    annotator: str = ""


def plan_import(
    paths: Sequence[StrPath], book: LabelBook, clocks: RecordingClocks, ids: Sequence[str], settings: ImportSettings
) -> ImportPlan:
    """Read files and find out what taking them in would do.

    Args:
        paths: the files.
        book: a copy of the labels; it is changed.
        clocks: of the recordings of the session.
        ids: all recordings of the session.
        settings: how.

    Raises:
        AnnotationError: when a file cannot be read, or contradicts the labels.
    """
    clock = FrameClock(time_s=clocks)
    found = read_annotations(
        list(paths), settings.format, clock=clock, recording=settings.recording, annotator=settings.annotator
    )
    if settings.recording is not None:
        if len(found.recordings) > 1:
            raise AnnotationError(
                f"expected labels of one recording, found those of {listed(found.recordings)}: let the files say which "
                "recordings they belong to"
            )
        found = found.renamed(dict.fromkeys(found.recordings, settings.recording))
    names = _matched(found.recordings, ids) | {n: own for n, own in settings.names.items() if n in found.recordings}
    taken = found.select(recordings=[name for name, own in names.items() if own]).renamed(names)
    before, num_bouts = book.behaviors, len(book)
    notes = _what_is_found(found, names)
    if taken.recordings:
        book.merge(taken, replace_recordings=settings.replace)
    notes += _what_changes(before, taken, book, num_bouts, settings.replace)
    return ImportPlan(names, None if book.last_edit is None else book, tuple(notes))


def _matched(given: Sequence[str], ids: Sequence[str]) -> dict[str, str]:
    """Ids of the session by name in the files; names that could mean several match none."""
    found = {}
    for name in given:
        try:
            [found[name]] = match_names(list(ids), [name])
        except AnnotationError:
            found[name] = ""
    return found


def _what_is_found(found: Annotations, names: Mapping[str, str]) -> list[str]:
    seconds = float((found.observed["stop_s"] - found.observed["start_s"]).sum())
    notes = [
        f"Found {_count(len(found.bouts), 'bout')} of {_count(len(found.behaviors), 'behavior')} "
        f"({listed(found.behaviors.names) or 'none'}) in {_count(len(names), 'recording')}. "
        + (f"{seconds:.6g} s were scored." if seconds else "They do not say which time was scored.")
    ]
    if left := [name for name, own in names.items() if not own]:
        notes.append(f"Left out, because the session has no such recording: {listed(left)}.")
    return notes


def _what_changes(before: Behaviors, taken: Annotations, book: LabelBook, had: int, replace: bool) -> list[str]:
    notes = []
    if replace and taken.recordings:
        notes.append(f"The labels of {listed(taken.recordings)} are replaced; undo brings them back.")
    known = len(taken.bouts) - (len(book) - had)
    if known > 0 and not replace and not book.behaviors.exclusive:
        notes.append(f"{_count(known, 'bout')} of them are here already and are not added again.")
    if len(before) and (new := [name for name in book.behaviors.names if name not in before]):
        notes.append(f"New behaviors: {listed(new)}.")
    if len(before) and before.exclusive and not book.behaviors.exclusive:
        notes.append("Behaviors may overlap from then on, because those of the file may.")
    return notes


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


# ---- out


@dataclass(frozen=True, eq=False)
class PredictedBouts:
    """Bouts that a probe found, for export.

    Attributes:
        recording: id.
        probe_id: of the probe.
        behaviors: names of the columns.
        bouts: position of the behavior, start and stop in seconds, mean score.
        subject: who.
    """

    recording: str
    probe_id: str
    behaviors: tuple[str, ...]
    bouts: Float64[np.ndarray, "bout 4"]
    subject: str = ""


def with_predictions(book: LabelBook, recordings: Iterable[str], predicted: Sequence[PredictedBouts]) -> Annotations:
    """Labels of some recordings, and what probes found in time that nobody scored for the behavior.

    Their source is ``model:<probe id>``; their time does not become scored.
    """
    wanted = list(recordings)
    labels = book.annotations(wanted)
    rows = [row for one in predicted if one.recording in wanted for row in _unscored(book, one)]
    known = set(labels.behaviors.names)
    new = [name for name in dict.fromkeys(row["behavior"] for row in rows) if name not in known]
    entries = (*labels.behaviors.entries, *(Behavior(str(name)) for name in new))
    behaviors = Behaviors(entries, labels.behaviors.exclusive, labels.behaviors.background)
    parts = [part for part in (labels.bouts, pd.DataFrame(rows)) if len(part)]
    bouts = pd.concat(parts, ignore_index=True) if parts else labels.bouts
    return Annotations.of(bouts, labels.observed, behaviors)


def _unscored(book: LabelBook, one: PredictedBouts) -> Iterator[dict[str, str | float]]:
    """Rows of predicted bouts without the time that somebody scored."""
    for place, start_s, stop_s, score in one.bouts.tolist():
        name = one.behaviors[int(place)]
        scored = _union(
            (seen.start_s, seen.stop_s)
            for seen in book.observed(one.recording)
            if seen.behavior in ("", name) and seen.subject in ("", one.subject)
        )
        for start, stop in remaining(start_s, stop_s, scored):
            yield {
                "recording": one.recording,
                "subject": one.subject,
                "behavior": name,
                "start_s": float(start),
                "stop_s": float(stop),
                "kind": "state",
                "score": score,
                "source": f"model:{one.probe_id}",
            }


def _union(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, stop in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def export_labels(
    annotations: Annotations, path: StrPath, format: str, clocks: RecordingClocks, media: Mapping[str, Path | None]
) -> list[Path]:
    """Write labels for another program.

    Args:
        annotations: what to write.
        path: the file; a folder for several recordings in a format of one recording per file.
        format: its name.
        clocks: of the recordings, for formats that count frames.
        media: where the recordings lie, for formats that name them.

    Returns:
        The files that were written.

    Raises:
        AnnotationError: when there is nothing to write, or the format cannot hold what there is.
    """
    if not annotations.recordings:
        raise AnnotationError("expected labels to export, found none: label something, or choose other recordings")
    where = Path(path)
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        paths = {name: str(place) for name, place in media.items() if place is not None}
        return write_annotations(annotations, where, format, clock=FrameClock(time_s=clocks), media=paths)
    except OSError as error:
        raise AnnotationError(f"cannot write {where} ({error.strerror or error}): choose another place") from error
