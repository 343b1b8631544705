"""Sessions: the recordings of an experiment and what people make of them, step by step, beside each other.

What the napari panel does, without any window: labels with undo that survive a crash, jobs in a process of their own,
review, suggestions. Names are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from vp_science.lazy import lazy_names

if TYPE_CHECKING:
    from vp_science.sessions.bout import Bout as Bout
    from vp_science.sessions.bout import Observed as Observed
    from vp_science.sessions.bout import Status as Status
    from vp_science.sessions.bout_table import BoutTable as BoutTable
    from vp_science.sessions.edits import Edit as Edit
    from vp_science.sessions.labelbook import LabelBook as LabelBook
    from vp_science.sessions.session import Session as Session
    from vp_science.sessions.session import SessionRecording as SessionRecording
    from vp_science.sessions.session import find_track as find_track
    from vp_science.sessions.session import open_session as open_session
    from vp_science.sessions.session import session_folder as session_folder
    from vp_science.timeline.behaviors import Behavior as Behavior
    from vp_science.timeline.ethogram import frame_edges as frame_edges

_HOME = {
    "Behavior": "vp_science.timeline.behaviors",
    "Bout": "vp_science.sessions.bout",
    "BoutTable": "vp_science.sessions.bout_table",
    "Edit": "vp_science.sessions.edits",
    "LabelBook": "vp_science.sessions.labelbook",
    "Observed": "vp_science.sessions.bout",
    "Session": "vp_science.sessions.session",
    "SessionRecording": "vp_science.sessions.session",
    "Status": "vp_science.sessions.bout",
    "find_track": "vp_science.sessions.session",
    "frame_edges": "vp_science.timeline.ethogram",
    "open_session": "vp_science.sessions.session",
    "session_folder": "vp_science.sessions.session",
}

__all__ = sorted(_HOME)

__getattr__, __dir__ = lazy_names(__name__, _HOME)
