"""What a data set is, in figures, for the log and for a dry run."""

from collections.abc import Mapping
from typing import Any

from vp_science.train.data.footage import SurveyedFootage
from vp_science.train.data.request import BatchRequest
from vp_science.typing import JSON


def describe_footage(found: SurveyedFootage, request: BatchRequest) -> dict[str, JSON]:
    """The figures of one data set."""
    footage, clips = found.footage, request.clips
    what = "pictures" if footage.picture else "animals" if footage.data.poses is not None else "recordings"
    facts: dict[str, JSON] = {"path": footage.data.path, what: len(found.durations_s)}
    if not footage.picture:
        seconds = sum(found.durations_s)
        span_s = clips.num_frames / clips.fps if clips.fps else clips.num_frames * seconds / max(found.num_frames, 1)
        facts |= {"hours": seconds / 3600, "frames": found.num_frames, "shorter_than_a_clip": found.num_short}
        if clips.cover == "window":
            facts |= {"clip_s": span_s, "clips_without_overlap": int(seconds / span_s)}
    if footage.texts is not None:
        facts |= {
            "captions": sum(len(texts) for texts in footage.texts),
            "captioned_parts": len(footage.texts),
            "without_caption": found.num_left_out,
        }
    if footage.labels:
        shares: dict[str, JSON] = {name: seconds / found.known_s for name, seconds in found.seconds.items()}
        facts |= {"labelled_hours": found.known_s / 3600, "behaviors": shares}
    return facts


def describe_lines(description: Mapping[str, Any]) -> list[str]:
    """The figures of all data sets as lines of text."""
    return [line for facts in description["data"] for line in _lines(facts)]


def _lines(facts: Mapping[str, Any]) -> list[str]:
    parts = [f"{facts[name]} {name}" for name in ("recordings", "animals", "pictures") if name in facts]
    if "hours" in facts:
        parts.append(f"{facts['hours']:.3g} h")
    if "clips_without_overlap" in facts:
        parts.append(f"{facts['clips_without_overlap']} clips of {facts['clip_s']:.3g} s without overlap")
    if facts.get("shorter_than_a_clip"):
        parts.append(f"{facts['shorter_than_a_clip']} shorter than a clip, whose last frame is held")
    if "captions" in facts:
        parts.append(f"{facts['captions']} captions of {facts['captioned_parts']} parts")
    if facts.get("without_caption"):
        parts.append(f"{facts['without_caption']} left out because they have no caption")
    parts.append(f"{facts['share_of_batches']:.0%} of the batches")
    lines = [f"{facts['path']}: {', '.join(parts)}"]
    if "behaviors" in facts:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in facts["behaviors"].items())
        lines.append(f"  {facts['labelled_hours']:.3g} h labelled: {shares}")
    return lines
