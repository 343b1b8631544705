"""Requests to the worker, put together in a thread: which recordings have no track yet, and where their poses are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vp_science as vp
from napari_vp_science.recordings.region import Region


@dataclass(frozen=True, eq=False)
class Asked:
    """What somebody wants to embed.

    Attributes:
        session: of the recordings.
        recordings: of the session, as they are now.
        ids: which of them; None for those without a track.
        settings: of the form.
        regions: by recording.
        pose_folder: where pose files are looked for first.
    """

    session: "vp.sessions.Session"
    recordings: "Sequence[vp.sessions.SessionRecording]"
    ids: Sequence[str] | None
    settings: Mapping[str, Any]
    regions: Mapping[str, Region | None]
    pose_folder: Path | None = None


def build_request(asked: Asked) -> dict[str, Any]:
    """The request to the worker. Looks at files, so it belongs into a thread.

    Raises:
        PoseError: when a recording has several pose files.
    """
    follow = asked.settings["follow"] is not None
    wanted = None if asked.ids is None else set(asked.ids)
    chosen = []
    for one in asked.recordings:
        if one.path is None or (wanted is not None and one.id not in wanted):
            continue
        # With animals a recording may lack some tracks and have others: the worker skips those that are there.
        if wanted is None and not follow and vp.sessions.find_track(asked.session, one.id) is not None:
            continue
        poses = (one.poses or vp.sessions.find_poses(one.path, asked.pose_folder)) if follow else None
        chosen.append(
            {
                "id": one.id,
                "path": str(one.path),
                "poses": None if poses is None else str(poses),
                "region": asked.regions.get(one.id),
            }
        )
    return {**asked.settings, "out": str(asked.session.folder / "tracks"), "recordings": chosen}


def left_over(session_folder: Path, recordings: "Sequence[vp.sessions.SessionRecording]") -> dict[str, float]:
    """How far recordings are that were to be embedded and are not; looks at files, so it belongs into a thread."""
    left = {}
    for one in recordings:
        if one.path is None:
            continue
        begun = vp.sessions.find_unfinished(session_folder, one.id)
        tracks, _ = vp.sessions.find_tracks(session_folder, one.id, one.path)
        if begun or not tracks:
            left[one.id] = max((work.share for work in begun), default=0.0)
    return left
