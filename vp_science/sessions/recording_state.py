"""What is known of every recording of a session, for the list: embedded, labelled, predicted, reviewed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vp_science.sessions.bout import Status
from vp_science.sessions.labelbook import LabelBook
from vp_science.sessions.quick_look import QuickLook, quick_look
from vp_science.sessions.scored_time import scored_time
from vp_science.sessions.session import SessionRecording
from vp_science.sessions.tracks import FoundTrack, Listings, Unfinished, find_tracks, find_unfinished

_PREDICTION = ".ethogram.h5"

Filter = Literal[
    "all", "not embedded", "partly embedded", "embedded", "no labels", "has labels", "predicted", "to review",
    "reviewed", "missing", "problems",
]  # fmt: skip

RECORDING_FILTERS: Mapping[Filter, str] = {
    "all": "All states",
    "not embedded": "Not embedded",
    "partly embedded": "Partly embedded",
    "embedded": "Embedded",
    "no labels": "Nothing scored",
    "has labels": "With scored time",
    "predicted": "With predictions",
    "to review": "To review",
    "reviewed": "Reviewed",
    "missing": "File missing",
    "problems": "With problems",
}
"""Filters of the list, in words."""


@dataclass(frozen=True)
class DiskState:
    """What files say about one recording.

    Attributes:
        look: length and size.
        tracks: finished ones, whole frames first.
        unfinished: begun ones.
        predicted: a probe has written an ethogram of it.
        problems: files that should be tracks of it and are not used, with the reason.
    """

    look: QuickLook = field(default_factory=QuickLook)
    tracks: tuple[FoundTrack, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    predicted: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelState:
    """What the label book says about one recording.

    Attributes:
        num_bouts: bouts of people.
        scored_s: time that somebody scored, for any behavior, in seconds.
        to_review: bouts of a model that nobody has looked at.
        reviewed: bouts of a model that a person has confirmed or corrected.
    """

    num_bouts: int = 0
    scored_s: float = 0.0
    to_review: int = 0
    reviewed: int = 0

    @property
    def labelled(self) -> bool:
        """Somebody has labelled in it."""
        return self.scored_s > 0 or self.num_bouts > 0

    @property
    def reviewed_share(self) -> float | None:
        """Which part of a model's bouts a person has looked at; None when there are none."""
        whole = self.to_review + self.reviewed
        return self.reviewed / whole if whole else None


@dataclass(frozen=True)
class RecordingState:
    """One row of the list of recordings.

    Attributes:
        recording: id, name and place.
        disk: what files say; None while nobody has looked.
        labels: what the label book says.
        predicted_now: the panel holds predictions of it that are in no file yet.
        reviewed_share: as the review counts it; None leaves it to ``labels``.
    """

    recording: SessionRecording
    disk: DiskState | None = None
    labels: LabelState = field(default_factory=LabelState)
    predicted_now: bool = False
    reviewed_share: float | None = None

    @property
    def id(self) -> str:
        """Id of the recording."""
        return self.recording.id

    @property
    def missing(self) -> bool:
        """Nobody knows where the file is."""
        return self.recording.path is None

    @property
    def embedded(self) -> bool:
        """It has a track, of whole frames or of an animal in it."""
        return self.disk is not None and bool(self.disk.tracks)

    @property
    def embedded_share(self) -> float | None:
        """How far unfinished work is; None when there is none."""
        work = () if self.disk is None else self.disk.unfinished
        return sum(one.share for one in work) / len(work) if work else None

    @property
    def predicted(self) -> bool:
        """A probe has said something about it."""
        return self.predicted_now or (self.disk is not None and self.disk.predicted)

    @property
    def review(self) -> float | None:
        """Which part of the predictions was reviewed; None when there is nothing to review."""
        return self.labels.reviewed_share if self.reviewed_share is None else self.reviewed_share

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it."""
        if self.missing:
            return (f"{self.recording.name}: nobody knows where this file is now: locate it",)
        if self.disk is None:
            return ()
        return (*((self.disk.look.error,) if self.disk.look.error else ()), *self.disk.problems)

    def passes(self, chosen: Filter) -> bool:
        """Whether a filter shows it."""
        review = self.review
        answers = {
            "all": True,
            "not embedded": not self.embedded,
            "partly embedded": self.embedded_share is not None,
            "embedded": self.embedded,
            "no labels": not self.labels.labelled,
            "has labels": self.labels.labelled,
            "predicted": self.predicted,
            "to review": (self.predicted and review is None) or (review is not None and review < 1),
            "reviewed": review is not None and review >= 1,
            "missing": self.missing,
            "problems": bool(self.problems),
        }
        return answers[chosen]


def look_at_disk(
    session_folder: Path,
    recording: SessionRecording,
    others: Collection[str] = (),
    listings: Listings | None = None,
    look: QuickLook | None = None,
) -> DiskState:
    """What files say about a recording; takes milliseconds, so it belongs into a thread.

    Args:
        session_folder: of the session.
        recording: the recording.
        others: ids of the other recordings of the session.
        listings: shared by the recordings of one survey.
        look: length and size, when they are known already.
    """
    if look is None:
        look = QuickLook() if recording.path is None else quick_look(recording.path)
    tracks, problems = find_tracks(session_folder, recording.id, recording.path, others, listings)
    unfinished = find_unfinished(session_folder, recording.id, others, listings)
    predicted = (session_folder / "predictions" / f"{recording.id}{_PREDICTION}").is_file()
    return DiskState(look, tuple(tracks), tuple(unfinished), predicted, tuple(problems))


def label_state(book: LabelBook, recording_id: str) -> LabelState:
    """What the label book says about a recording."""
    status = book.table(recording_id).status
    reviewed, to_review = (int((status == kind).sum()) for kind in (Status.CURATED, Status.MODEL))
    scored = scored_time(book, recording_id)
    return LabelState(len(status) - to_review, float((scored[:, 1] - scored[:, 0]).sum()), to_review, reviewed)
