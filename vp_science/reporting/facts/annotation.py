"""Annotated recordings: the folder of a run, or a single file with ethograms."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vp_science.annotating.results import count_behaviors
from vp_science.batch import MANIFEST, natural_key
from vp_science.errors import StoreError
from vp_science.reporting.facts.encoding import UNTRAINED, encoder_facts
from vp_science.reporting.facts.probes import probe_section
from vp_science.reporting.facts.tracks import Made, provenance_facts, sections_of
from vp_science.reporting.facts.values import clean, count, mapping, number, records, text, texts, total, unique
from vp_science.reporting.section import Facts, Section
from vp_science.store.ethogram import SUFFIX
from vp_science.store.ethogram_reader import EthogramEntry, list_ethograms, read_ethogram
from vp_science.store.provenance import Provenance

_MOST_MANIFEST = 1 << 30


def annotation_sections(path: Path) -> list[Section]:
    """Encodings, probes and what they found, of a run folder or one file.

    Args:
        path: the folder with the manifest, or a file that holds ethograms.

    Raises:
        StoreError: when a file is damaged.
    """
    lines = read_manifest(path / MANIFEST, "probe") if path.is_dir() else []
    files = sorted(path.rglob(f"*{SUFFIX}"), key=natural_key) if path.is_dir() else [path]
    found = [list_ethograms(file) for file in files]
    entries = [entry for held in found for entry in held]
    listed = {(text(line.get("recording_id")), line.get("probe")) for line in lines}
    untold = {entry.recording for entry in entries if (entry.recording, entry.probe_id) not in listed}
    for file, held in zip(files, found, strict=True):
        if any(entry.recording in untold for entry in held):  # counting reads the whole file
            lines += [line for line in _counted(file) if (line["recording_id"], line["probe"]) not in listed]
    probes = unique([entry.probe_id for entry in entries] + [text(line.get("probe")) for line in lines])
    sections: list[Section] = []
    for probe in probes:
        mine = [entry for entry in entries if entry.probe_id == probe]
        sections += _sections(probe, mine, [line for line in lines if line.get("probe") == probe])
    return sections


def _counted(path: Path) -> list[dict[str, Any]]:
    """What a manifest would say of the ethograms in a file."""
    lines = []
    entries = list_ethograms(path)
    for probe, recording in dict.fromkeys((entry.probe_id, entry.recording) for entry in entries):
        mine = [entry for entry in entries if (entry.probe_id, entry.recording) == (probe, recording)]
        ethograms = [read_ethogram(path, probe, entry.subject, entry.target) for entry in mine]
        time_s = ethograms[0].time_s
        lines.append(
            {
                "recording_id": recording,
                "probe": probe,
                "status": "done",
                "duration_s": round(float(time_s[-1] - time_s[0]), 6) if len(time_s) else 0.0,
                "num_frames": len(time_s),
                "behaviors": {name: asdict(found) for name, found in count_behaviors(ethograms).items()},
            }
        )
    return lines


def read_manifest(path: Path, key: str) -> list[dict[str, Any]]:
    """The newest line of every recording (and probe); a run that was resumed adds lines.

    Args:
        path: the manifest; [] when there is none.
        key: what every line that counts has.

    Raises:
        StoreError: when it cannot be read.
    """
    if not path.is_file():
        return []
    if path.stat().st_size > _MOST_MANIFEST:
        raise StoreError(f"{path}: expected a manifest below {_MOST_MANIFEST >> 20} MiB, found more: shorten it")
    newest: dict[tuple[str | None, str | None], dict[str, Any]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue  # cut short by a kill; the next run wrote the recording again
            if isinstance(record, dict) and key in record:
                newest[text(record.get("recording_id")), text(record.get(key))] = record
    return list(newest.values())


def _sections(probe_id: str, entries: Sequence[EthogramEntry], lines: Sequence[Mapping[str, Any]]) -> list[Section]:
    done = [line for line in lines if line.get("status") in ("done", "skipped")]
    failed = [line for line in lines if line.get("status") == "failed"]
    provenances = [entry.provenance for entry in entries]
    first = mapping(provenances[0]) if provenances else {}
    card = mapping(first.get("probe"))
    recordings = {entry.recording for entry in entries} | {text(line.get("recording_id")) or "" for line in done}
    facts: Facts = {
        "probe": probe_id,
        "num_recordings": len(recordings),
        "num_failed": len(failed),
        "num_animals": len({(entry.recording, entry.subject) for entry in entries if entry.subject}),
        "seconds": total([number(line.get("duration_s")) for line in done]) if len(done) == len(recordings) else None,
        "num_frames": total([*{entry.recording: entry.num_frames for entry in entries}.values()]),
        "steps": texts(first.get("steps")) or None,
        "thresholds": clean(mapping(first.get("thresholds"))) or None,
        "behaviors": _behaviors(done, len(recordings)),
        "not_in_folder": sorted(recordings - {entry.recording for entry in entries}),
        "failures": [{name: text(line.get(name)) for name in ("recording_id", "error")} for line in failed],
        "recordings": [_recording(line) for line in done],
        "software": unique([text(mapping(p).get("software")) for p in provenances] or _softwares(lines)),
        "settings": clean(mapping(card.get("tracks"))) or None,
    }
    section = Section("annotation", facts, tuple(_warnings(facts, card)), ("videoprism",) if card else ())
    probes = [probe_section(card)] if card else []
    lengths = {text(line.get("recording_id")): number(line.get("duration_s")) for line in done}
    return [*_encodings(provenances, lengths), *probes, section]


def _softwares(lines: Sequence[Mapping[str, Any]]) -> list[Any]:
    return [text(line.get("software")) for line in lines]


def _encodings(
    provenances: Sequence[Mapping[str, Any]], lengths: Mapping[str | None, int | float | None]
) -> list[Section]:
    """The tracks that ethograms were made from, as the ethograms recorded them."""
    made: dict[str, Made] = {}
    for record in provenances:
        recording = mapping(record.get("recording"))
        name = text(recording.get("id"))
        for track in records(record.get("tracks")):
            given = {key: value for key, value in track.items() if key != "subject"}
            try:
                provenance = Provenance.from_json(given)
            except StoreError:
                continue  # of another version; what stands with the probe is told
            facts = provenance_facts(provenance) | {"recording": name, "of_recording": name}
            facts["seconds"] = lengths.get(name)
            identity = mapping(recording.get("identity"))
            facts["recording_sha256_of_ends"] = text(identity.get("sha256"))
            facts["recording_bytes"] = count(identity.get("num_bytes"))
            facts["num_frames"] = count(identity.get("num_frames"))
            made[json.dumps([name, given], sort_keys=True)] = Made(provenance, facts)
    return sections_of(list(made.values()))


def _behaviors(lines: Sequence[Mapping[str, Any]], num_recordings: int) -> list[Facts]:
    """Bouts and time of every behavior over all recordings; nothing where some recordings have no line."""
    if len(lines) != num_recordings:
        return []
    names = unique([name for line in lines for name in mapping(line.get("behaviors"))])
    return [_total(name, [mapping(mapping(line.get("behaviors")).get(name)) for line in lines]) for name in names]


def _total(name: str, found: Sequence[Mapping[str, Any]]) -> Facts:
    there = [entry for entry in found if entry]
    seconds, observed = (total([number(entry.get(key)) for entry in there]) for key in ("total_s", "observed_s"))
    share = round(100 * seconds / observed, 6) if seconds is not None and observed else None
    return {
        "name": name,
        "bouts": total([count(entry.get("bouts")) for entry in there]),
        "seconds": seconds,
        "observed_s": observed,
        "percent": share,
    }


def _recording(line: Mapping[str, Any]) -> Facts:
    names = ("recording_id", "recording_sha256", "output_sha256")
    numbers = ("duration_s", "num_frames", "grid_frames", "damaged_frames")
    return {name: text(line.get(name)) for name in names} | {name: number(line.get(name)) for name in numbers}


def _warnings(facts: Facts, card: Mapping[str, Any]) -> list[str]:
    found = []
    encoder = encoder_facts(mapping(card.get("tracks")))
    if encoder["untrained"]:
        found.append(UNTRAINED.format(model=encoder["model"], checkpoint=encoder["checkpoint"]))
    if facts["num_failed"]:
        found.append(
            f"{facts['num_failed']} recordings could not be annotated with {facts['probe']} and are not in any figure: "
            f"{', '.join(entry['recording_id'] or '?' for entry in facts['failures'][:5])}"
        )
    if not card:
        found.append(
            f"How the probe {facts['probe']} was made is not recorded in this folder (annotated in place, or tables "
            "only): name its bundle or an annotated recording too"
        )
    return found
