"""Benchmarks: a published protocol that was followed, and the number beside the published ones."""

from collections.abc import Mapping
from typing import Any

from vp_science.bench.registry import NAMES, find_dataset
from vp_science.reporting.facts.encoding import UNTRAINED, encoder_facts
from vp_science.reporting.facts.values import clean, count, mapping, number, records, text, texts
from vp_science.reporting.section import Facts, Section


def benchmark_sections(content: Mapping[str, Any]) -> list[Section]:
    """The section of a benchmark's ``report.json``."""
    encoder, counts = encoder_facts(content), mapping(content.get("counts"))
    clip, head = mapping(content.get("clip")), mapping(content.get("head"))
    name = text(content.get("benchmark"))
    protocol = find_dataset(name).protocol if name in NAMES else None
    facts: Facts = {
        "benchmark": name,
        "dataset": text(content.get("dataset")),
        "view": text(content.get("view")) or None,
        "metric": text(content.get("metric")),
        "value_percent": number(content.get("value")),
        "chance_percent": number(content.get("chance")),
        "per_behavior_percent": clean(mapping(content.get("per_behavior"))),
        "comparable": content.get("comparable") is True,
        "deviations": texts(content.get("deviations")),
        "differs": texts(content.get("differs")),
        "notes": texts(content.get("notes")),
        "encoder": encoder,
        "num_frames": count(clip.get("num_frames")),
        "frame_step": count(clip.get("frame_step")),
        "stride": count(clip.get("stride")),
        "spatial_pool": count(clip.get("spatial_pool")),
        "preprocess": clean(mapping(content.get("preprocess"))),
        "head": text(head.get("head")),
        "head_settings": clean(head),
        "seed": count(content.get("seed")),
        "counts": {split: _counts(counts.get(split)) for split in ("train", "val", "test") if split in counts},
        "published": clean(records(content.get("published"))),
        "training": clean(mapping(content.get("training"))),
        "software": clean(mapping(mapping(content.get("training")).get("software"))),
    }
    own = () if protocol is None else (f"{protocol.citation}. {protocol.url}",)
    return [Section("benchmark", facts, tuple(_warnings(facts)), ("videoprism", "jax"), own)]


def _counts(split: object) -> Facts:
    record = mapping(split)
    return {"recordings": count(record.get("recordings")), "frames": count(record.get("frames"))}


def _warnings(facts: Facts) -> list[str]:
    found, encoder = [], facts["encoder"]
    if encoder["untrained"]:
        found.append(UNTRAINED.format(model=encoder["model"], checkpoint=encoder["checkpoint"]))
    found += [f"Not comparable with the published numbers: {why}" for why in facts["deviations"]]
    return found
