"""Embedding tracks: how each was made, and which recordings they are of."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vp_science.batch import LOGITS_ENDING, OUTPUT_ENDING, natural_key
from vp_science.probes.tracks import track_settings
from vp_science.reporting.facts.encoding import encoding_section
from vp_science.reporting.facts.values import clean, mapping, number, text, total, unique
from vp_science.reporting.section import Facts, Section, canonical
from vp_science.store.provenance import Provenance
from vp_science.store.reader import Embeddings, open_embeddings

ENDINGS = (OUTPUT_ENDING, LOGITS_ENDING)


@dataclass(frozen=True)
class Made:
    """One track, closed.

    Attributes:
        provenance: how it was made.
        facts: of the recording; what is not known is None.
    """

    provenance: Provenance
    facts: Facts


def find_tracks_in(folder: Path) -> list[Path]:
    """The tracks in a folder and below it."""
    return sorted((path for ending in ENDINGS for path in folder.rglob(f"*{ending}")), key=natural_key)


def track_sections(paths: Iterable[Path]) -> list[Section]:
    """A section for every way in which tracks were made.

    Raises:
        StoreError: when a file is damaged or no embedding file.
    """
    return sections_of([_read(path) for path in paths])


def sections_of(made: Sequence[Made]) -> list[Section]:
    """A section for every way in which tracks were made: settings, arithmetic and number type tell them apart."""
    groups: dict[str, list[Made]] = {}
    for one in made:
        key = canonical([track_settings(one.provenance), one.provenance.precision, one.provenance.dtype])
        groups.setdefault(key, []).append(one)
    return [_section(group[0].provenance, [one.facts for one in group]) for group in groups.values()]


def _section(provenance: Provenance, tracks: Sequence[Facts]) -> Section:
    how = {"precision": text(provenance.precision), "dtype": text(provenance.dtype)}
    return encoding_section(track_settings(provenance), how, material_facts(tracks))


def merge_encodings(sections: Sequence[Section]) -> list[Section]:
    """One section for every way of encoding, however many files tell of it.

    A recording that several files tell of counts once; what only names the settings adds nothing where tracks that
    were made with them are there.
    """
    groups: dict[str, list[Section]] = {}
    for section in sections:
        facts = section.facts
        groups.setdefault(canonical([facts["settings"], facts["precision"], facts["dtype"]]), []).append(section)
    merged = [_merged(group) for group in groups.values()]
    told = {section.settings_key for section in merged if section.facts["material"] is not None}
    return [s for s in merged if s.facts["material"] is not None or s.settings_key not in told]


def _merged(group: Sequence[Section]) -> Section:
    first = group[0].facts
    tracks: dict[str, Facts] = {}
    for section in group:
        for track in (section.facts["material"] or {}).get("recordings", []):
            key = canonical([track[name] for name in ("of_recording", "subject", "target", "recording_sha256_of_ends")])
            if key not in tracks or tracks[key]["seconds"] is None:
                tracks[key] = track
    how = {name: first[name] for name in ("precision", "dtype")}
    return encoding_section(first["settings"], how, material_facts(list(tracks.values())) if tracks else None)


def material_facts(tracks: Sequence[Facts]) -> Facts:
    """The recordings that tracks are of; one with several animals counts once."""
    recordings = {entry["of_recording"]: entry for entry in reversed(tracks)}
    animals = {(entry["of_recording"], entry["subject"], entry["target"]) for entry in tracks if entry["subject"]}
    return {
        "num_recordings": len(recordings),
        "num_tracks": len(tracks),
        "num_animals": len(animals),
        "seconds": total([entry["seconds"] for entry in recordings.values()]),
        "num_grid_frames": total([entry["num_grid_frames"] for entry in tracks]),
        "num_damaged_frames": total([entry["num_damaged_frames"] for entry in recordings.values()]),
        "num_short": sum(bool(entry["shorter_than_a_window"]) for entry in tracks),
        "stated_times": unique([entry["times"] for entry in tracks if "source_fps=" in (entry["times"] or "")]),
        "value_ranges": unique([entry["value_range"] for entry in tracks]),
        "resize": unique([entry["resize"] for entry in tracks]),
        "pose_formats": unique([entry["pose_format"] for entry in tracks]),
        "software": unique([entry["software"] for entry in tracks]),
        "recordings": sorted(tracks, key=lambda entry: natural_key(Path(entry["recording"] or ""))),
    }


def _read(path: Path) -> Made:
    with open_embeddings(path) as track:
        step = float(np.median(np.diff(track.time_s))) if len(track) > 1 else None
        span = float(track.time_s[-1] - track.time_s[0]) + (step or 0.0)
        facts = provenance_facts(track.provenance) | {
            "recording": text(track.recording_id),
            "of_recording": text(track.bout_recording),
            "subject": text(track.subject),
            "target": text(track.target),
            "seconds": round(span, 6),
            "frame_step_s": None if step is None else round(step, 9),
            "num_frames": track.num_frames,
            "num_grid_frames": len(track),
            "num_damaged_frames": len(track.damaged_frames),
            "shorter_than_a_window": len(track) < track.provenance.num_frames,
            "recording_sha256_of_ends": text(track.recording.sha256),
            "recording_bytes": track.recording.num_bytes,
            "software": _software(track),
        }
    return Made(track.provenance, facts)


def _software(track: Embeddings) -> str | None:
    """Of the embedding; a file may have been completed by another version later."""
    return text(track.provenance.software)


def provenance_facts(provenance: Provenance) -> Facts:
    """What a provenance says of one recording; what only the file or its maker knows is None."""
    source, follow = provenance.source, mapping(provenance.source.get("follow"))
    return {
        "recording": None,
        "of_recording": None,
        "subject": text(follow.get("subject")) or "",
        "target": text(follow.get("target")) or "",
        "seconds": None,
        "frame_step_s": _regular_step(provenance),
        "num_frames": None,
        "num_grid_frames": number(provenance.grid.get("num_grid")),
        "num_damaged_frames": None,
        "shorter_than_a_window": None,
        "recording_sha256_of_ends": None,
        "recording_bytes": None,
        "software": text(provenance.software),
        "crop": clean(provenance.preprocess.get("crop")),
        "times": text(source.get("times")),
        "value_range": clean(source.get("value_range")),
        "resize": text(source.get("resize")),
        "pose_format": text(mapping(follow.get("pose")).get("format")),
        "source": clean(_without_follow(source)),
    }


def _regular_step(provenance: Provenance) -> float | None:
    fps = number(provenance.grid.get("sample_fps"))
    return round(1 / fps, 9) if fps else None


def _without_follow(source: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in source.items() if name != "follow"}
