"""What must be equal for a probe to be used on a track: everything that changes what an embedding means."""

from collections.abc import Sequence
from typing import Any

from vp_science.errors import ProbeError
from vp_science.store.provenance import Provenance, json_differences
from vp_science.store.tables import EmbeddingTable

_FOLLOW = ("settings", "turned")


def track_settings(provenance: Provenance) -> dict[str, Any]:
    """The settings of a track without what belongs to one recording.

    Left out: length and pixel facts of the recording, the region of interest, the number type and arithmetic (which
    change the last digits), software versions, and which animal was followed.
    """
    follow = provenance.source.get("follow")
    preprocess = {name: value for name, value in provenance.preprocess.items() if name != "crop"}
    return {
        "model": provenance.model,
        "checkpoint": provenance.checkpoint,
        "encoder_config": provenance.encoder_config,
        "preprocess": preprocess,
        "sample_fps": provenance.grid.get("sample_fps"),
        "num_frames": provenance.num_frames,
        "stride": provenance.stride,
        "spatial_pool": provenance.spatial_pool,
        "follow": {name: follow.get(name) for name in _FOLLOW} if isinstance(follow, dict) else None,
    }


def check_settings(expected: dict[str, Any], tracks: Sequence[EmbeddingTable], whose: str) -> None:
    """Refuse tracks that were made in another way.

    Args:
        expected: what ``track_settings`` gives for a fitting track.
        tracks: to compare.
        whose: what the expected settings belong to, for the message.

    Raises:
        ProbeError: naming every setting that differs, with both values.
    """
    for track in tracks:
        found = json_differences(expected, track_settings(track.provenance))
        if found:
            shown = "; ".join(found).replace(" here,", f" for {whose},").replace(" in the file", " in the track")
            raise ProbeError(
                f"the track of {track.recording_id!r} was made with other settings: {shown}. Embed the recording with "
                f"the settings of {whose}, or train a probe on tracks like this one"
            )
