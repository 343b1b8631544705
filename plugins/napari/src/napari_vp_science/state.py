"""The state of one viewer's panel: what is open, what is shown, what is chosen. Views read it and listen to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

import vp_science as vp

if TYPE_CHECKING:
    from napari_vp_science.video.link import TimeLink

Moment = tuple[str, float, float]
"""Recording id, start and stop in seconds."""


@dataclass(eq=False)
class Prediction:
    """What the probe of the panel says about one recording.

    Attributes:
        recording: its id.
        probe_id: of the probe.
        behaviors: names, in the order of the columns.
        time_s: ``(frame,)`` times of the rows in seconds.
        scores: ``(frame, behavior)`` 0 to 1, NaN unknown.
        states: ``(frame, behavior)`` after thresholds and rules: 1, 0, -1 unknown.
        bouts: ``(behavior index, start_s, stop_s, mean score)`` as columns of ``(bout, 4)`` float64, sorted by start.
        subject: whose behavior; "" for the whole frame.
        thresholds: score by behavior from which it is taken to happen, where the rules have such a thing.
    """

    recording: str
    probe_id: str
    behaviors: tuple[str, ...]
    time_s: np.ndarray
    scores: np.ndarray
    states: np.ndarray
    bouts: np.ndarray
    subject: str = ""
    thresholds: dict[str, float] = field(default_factory=dict)


@dataclass(eq=False)
class PanelState:
    """One per viewer, owned by the workbench.

    Attributes:
        viewer: napari's viewer.
        session: the open session, None before there is one.
        link: the current frame, playback and seeking (``video/link.py``); None before a recording is shown.
        current: id of the recording that is shown, "" for none.
        time_s: presentation times of the frames of that recording, in seconds.
        subject: whose behavior is labelled, "" for nobody in particular.
        annotator: who labels; goes into the source of bouts.
        bout: number of the chosen bout, None for none.
        predictions: by recording id.
        moments: chosen moments of any recording (lasso, search hits), for montage, timeline and labelling.
        hide_predictions: nobody shall see predictions now (ground truth is being labelled).
        shower: what ``show`` does; the workbench sets it, and the next two.
        session_opener: what ``open_session`` does.
        recordings_opener: what ``open_recordings`` does.
    """

    viewer: Any
    session: "vp.sessions.Session | None" = None
    link: "TimeLink | None" = None
    current: str = ""
    time_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    subject: str = ""
    annotator: str = ""
    bout: int | None = None
    predictions: dict[str, Prediction] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    hide_predictions: bool = False
    shower: Callable[[str, float | None], None] | None = None
    session_opener: Callable[[Path], None] | None = None
    recordings_opener: Callable[[list[Path]], None] | None = None

    _stop_listening: Callable[[], object] = field(default=lambda: None, repr=False)

    session_changed = Signal()
    """Another session, or recordings were added or removed."""
    recording_changed = Signal(str)
    """Another recording is shown; its id."""
    labels_changed = Signal(object)
    """An edit of the label book happened (``vp.sessions.Edit``)."""
    tracks_changed = Signal(str)
    """The track of a recording was finished; its id."""
    predictions_changed = Signal()
    """Predictions, thresholds or rules are new, or are hidden or shown."""
    moments_changed = Signal()
    """Other moments are chosen."""
    bout_changed = Signal(object)
    """Another bout is chosen: its number or None."""
    subject_changed = Signal(str)
    """Somebody else is labelled."""
    message = Signal(str)
    """Something to tell: shown in the status line."""

    @property
    def labels(self) -> "vp.sessions.LabelBook | None":
        """The label book of the session."""
        return None if self.session is None else self.session.labels

    def open_session(self, folder: Path) -> None:
        """Open a session folder instead of the present one: in the background when there is a workbench."""
        if self.session_opener is not None:
            self.session_opener(folder)
        else:
            self.use_session(vp.sessions.open_session(folder))

    def open_recordings(self, paths: Sequence[Path]) -> None:
        """Add recordings to the session (made beside the first one if there is none) and show the first of them."""
        if self.recordings_opener is not None:
            self.recordings_opener(list(paths))
            return
        if self.session is None:
            self.open_session(vp.sessions.session_folder(paths[0]))
        self.add_recordings(paths)

    def add_recordings(self, paths: Sequence[Path]) -> None:
        """Add recordings to the open session and show the first of them."""
        if self.session is None or not paths:
            return
        before = self.session.recordings
        added = [self.session.add(path) for path in paths]
        if self.session.recordings != before:
            self.session.save()
            self.session_changed.emit()
        self.show(added[0].id)

    def use_session(self, session: "vp.sessions.Session") -> None:
        """Work with an open session instead of the present one."""
        self.close_session()
        self.session = session
        self._stop_listening = session.labels.subscribe(self.labels_changed.emit)
        annotator = session.settings.get("annotator", "")
        self.annotator = annotator if isinstance(annotator, str) else ""
        self.session_changed.emit()

    def close_session(self) -> None:
        """Save and close the session; the views let go of it when they hear ``session_changed``."""
        session, self.session = self.session, None
        self.current, self.bout, self.predictions, self.moments = "", None, {}, []
        if session is not None:
            self._stop_listening()
            session.close()

    def show(self, recording_id: str, time_s: float | None = None) -> None:
        """Show a recording of the session, at a time if one is given."""
        if self.shower is not None:
            self.shower(recording_id, time_s)

    def choose_bout(self, bout: int | None) -> None:
        """Choose a bout."""
        if bout != self.bout:
            self.bout = bout
            self.bout_changed.emit(bout)

    def choose_moments(self, moments: Sequence[Moment]) -> None:
        """Choose moments."""
        self.moments = list(moments)
        self.moments_changed.emit()

    def choose_subject(self, subject: str) -> None:
        """Label somebody else."""
        if subject != self.subject:
            self.subject = subject
            self.subject_changed.emit(subject)
