"""The job that makes a copy for viewing of a recording whose key frames lie far apart."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vp_science.errors import RecordingError
from vp_science.sessions.viewing import open_viewing, viewing_copy_path
from vp_science.sessions.worker import Reporter
from vp_science.video.open import open_recording
from vp_science.video.reencode import reencode

_SAY_EVERY = 8


def make_viewing_copy(request: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """Make the copy, read it back and keep it only when its frames and times are those of the recording.

    Args:
        request: ``path`` of the recording; ``cache_folder`` that holds the copy, "" for the user's own.
        report: hears ``done`` of ``total`` frames.

    Returns:
        ``path`` of the copy, ``num_bytes`` that it takes, ``jump_frames``: frames from one key frame to the next.

    Raises:
        RecordingError: when the recording cannot be read, or its copy would not be the same frames at the same times.
    """
    path, folder = Path(request["path"]), request.get("cache_folder") or None
    target = viewing_copy_path(path, folder)
    name = path.name

    def watch(done: int, total: int) -> None:
        report.checkpoint()
        if done % _SAY_EVERY == 0 or done == total:
            report.progress(f"copying {name}", done, total)

    report.progress(f"copying {name}", 0, 0)
    if not target.is_file():
        with open_recording(path) as recording:
            reencode(recording, target, watch)
    viewed = open_viewing(path, folder)
    try:
        shows_copy = viewed.shows_copy
        distance = viewed.key_distance()
    finally:
        viewed.close()
    if not shows_copy:
        target.unlink(missing_ok=True)
        raise RecordingError(
            f"{path}: expected a copy with the same frames at the same times, found that it differs: the recording "
            f"stays as it is, with slow jumps"
        )
    return {"path": str(target), "num_bytes": target.stat().st_size, "jump_frames": distance}
