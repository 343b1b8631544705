"""Probes: what they were trained on, how thresholds were chosen, which rules make bouts of scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vp_science.errors import VPScienceError
from vp_science.probes.bundle import read_card
from vp_science.reporting.facts.encoding import encoding_section
from vp_science.reporting.facts.values import clean, count, mapping, number, records, text, texts, total
from vp_science.reporting.section import Facts, Section
from vp_science.timeline.postprocess import PostProcess

_HEADS = {
    "logistic": ("scikit-learn",),
    "prototype": ("prototypes",),
    "attentive": ("adamw",),
    "temporal": ("adamw",),
}


def probe_sections(path: Path) -> list[Section]:
    """The tracks that a probe reads, and the probe.

    Raises:
        ProbeError: when the bundle is damaged or something else.
    """
    return card_sections(read_card(path))


def card_sections(card: Mapping[str, Any]) -> list[Section]:
    """The same of the content of ``probe.json``, which stands in every file that a probe annotated."""
    return [encoding_section(mapping(card.get("tracks"))), probe_section(card)]


def probe_section(card: Mapping[str, Any]) -> Section:
    """How a probe was trained."""
    parameters, training = mapping(card.get("parameters")), mapping(card.get("training"))
    behaviors, rules = mapping(card.get("behaviors")), mapping(card.get("postprocess"))
    entries = records(training.get("recordings"))
    catalogue = records(behaviors.get("entries"))
    names = [text(entry.get("name")) or "" for entry in catalogue]
    head, settings = text(parameters.get("head")), mapping(card.get("tracks"))
    facts: Facts = {
        "id": text(card.get("id")),
        "head": head,
        "head_settings": _head_settings(head, mapping(training.get("settings"))),
        "exclusive": behaviors.get("exclusive") is True,
        "background": mapping(card.get("objective")).get("background") is True,
        "loss": text(parameters.get("loss")),
        "weighting": text(parameters.get("weighting")),
        "label_smoothing": number(parameters.get("label_smoothing")),
        "seed": count(parameters.get("random_state")),
        "num_recordings": len({text(entry.get("recording")) for entry in entries}) or None,
        "num_animals": len({text(entry.get("subject")) for entry in entries} - {"", None}),
        "labelled_s": total([number(entry.get("labelled_s")) for entry in entries]),
        "behaviors": [_behavior(entry, entries) for entry in catalogue],
        "without_examples": texts(training.get("behaviors_without_examples")),
        "thresholds": _thresholds(names, card.get("thresholds")),
        "validation": text(training.get("validation")),
        "postprocess_steps": explain_rules(rules),
        "postprocess": clean(rules),
        "tuned": parameters.get("postprocess") == "tune",
        "base": clean(training.get("base")),
        "num_validation_recordings": len(records(training.get("validation_recordings"))),
        "validation_map": number(mapping(training.get("log")).get("validation_map")),
        "evaluation": _card_figures(card.get("evaluation")),
        "software": clean(mapping(training.get("software"))),
        "training": clean(training),
        "settings": clean(settings),
    }
    idle = {
        "base": head != "fine-tuned",
        "validation_map": head != "fine-tuned",
        "evaluation": facts["evaluation"] is None,
    }
    facts["not_applicable"] = [name for name, there_is_none in idle.items() if there_is_none]
    cite = ("videoprism", *_HEADS.get(head or "", ()), *fine_tuning_cited(training))
    return Section("probe", facts, tuple(_warnings(facts)), cite)


def _head_settings(head: str | None, settings: Mapping[str, Any]) -> Facts:
    """Those that concern the head; the others are there and have no effect."""
    from vp_science.probes.registry import HEADS

    used = HEADS[head].settings_used if head in HEADS else tuple(settings)
    return {name: clean(settings.get(name)) for name in used}


def _behavior(entry: Mapping[str, Any], entries: list[dict[str, Any]]) -> Facts:
    name = text(entry.get("name")) or ""
    seconds = [number(mapping(one.get("behavior_s")).get(name)) for one in entries]
    bouts = [count(mapping(one.get("bouts")).get(name)) for one in entries]
    return {"name": name, "kind": text(entry.get("kind")), "bouts": total([*bouts]), "seconds": total([*seconds])}


def _thresholds(names: list[str], values: object) -> dict[str, int | float | None]:
    given = values if isinstance(values, list) and len(values) == len(names) else [None] * len(names)
    return {name: number(value) for name, value in zip(names, given, strict=True)}


def explain_rules(rules: Mapping[str, Any]) -> list[str] | None:
    """The rules from scores to states in sentences; None where they are not recorded."""
    try:
        return PostProcess.from_json(rules).explain()
    except VPScienceError:
        return None


def _card_figures(evaluation: object) -> Facts | None:
    """The figures of an evaluation that was attached to the card."""
    if not isinstance(evaluation, dict):
        return None
    rows = [row for row in records(evaluation.get("figures")) if row.get("method") == "probe"]
    overall = {str(row.get("metric")): number(row.get("pooled")) for row in rows if row.get("behavior") == ""}
    return {
        "num_folds": len(records(evaluation.get("folds"))),
        "overall": overall,
        "notes": texts(evaluation.get("notes")),
    }


def fine_tuning_cited(training: Mapping[str, Any]) -> tuple[str, ...]:
    """What to cite for the training of an encoder: the optimiser, and adapters where there were any."""
    settings = mapping(training.get("settings"))
    optimizer = text(mapping(settings.get("optimizer")).get("name"))
    lora = ("lora",) if settings.get("train") == "lora" else ()
    return ((optimizer,) if optimizer in ("adamw", "adafactor") else ()) + lora


def _warnings(facts: Facts) -> list[str]:
    found = []
    if facts["evaluation"] is None:
        found.append(
            f"No evaluation belongs to the probe {facts['id']}: without one nobody knows how well it finds the "
            "behaviors (vp-science probe evaluate, then probe train --evaluation, or name the evaluation folder too)"
        )
    elif leaks := [note for note in facts["evaluation"]["notes"] if note.startswith("NOT INDEPENDENT")]:
        found += [f"Evaluation of the probe {facts['id']}: {leak}" for leak in leaks]
    if facts["without_examples"]:
        found.append(
            f"The probe {facts['id']} had no example of {', '.join(facts['without_examples'])}: it cannot find them"
        )
    return found
