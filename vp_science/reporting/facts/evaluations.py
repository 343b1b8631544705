"""Evaluations of probes: how recordings were held out, and what was found, beside guessing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vp_science.probes.evaluation_file import read_evaluation_json
from vp_science.reporting.facts.encoding import encoding_section
from vp_science.reporting.facts.values import clean, count, mapping, number, records, text, texts, total
from vp_science.reporting.section import Facts, Section

_OVERALL = (
    "macro_average_precision",
    "macro_f1",
    "segment_f1@0.5",
    "macro_balanced_accuracy",
    "ece",
    "time_budget_error",
)
_PER_BEHAVIOR = ("average_precision", "chance", "f1", "precision", "recall", "segment_f1@0.5", "bouts_true")
_LEAKS, _NO_GROUPS = "NOT INDEPENDENT", "no table of recordings"


def evaluation_sections(path: Path) -> list[Section]:
    """The tracks that were evaluated on, and the evaluation.

    Args:
        path: ``evaluation.json``.

    Raises:
        ProbeError: when it is something else.
    """
    content = read_evaluation_json(path)
    return [encoding_section(mapping(mapping(content.get("settings")).get("tracks"))), _section(content)]


def _section(content: Mapping[str, Any]) -> Section:
    settings, folds = mapping(content.get("settings")), records(content.get("folds"))
    probe, behaviors = mapping(settings.get("probe")), mapping(content.get("behaviors"))
    table = records(content.get("table"))
    names = [text(entry.get("name")) or "" for entry in records(behaviors.get("entries"))]
    notes = texts(content.get("notes"))
    facts: Facts = {
        "fitted": text(settings.get("fitted")),
        "head": text(probe.get("head")),
        "probe": clean({name: value for name, value in probe.items() if value is not None}),
        "exclusive": behaviors.get("exclusive") is True,
        "folds": text(settings.get("folds")) or count(settings.get("folds")),
        "groups": texts(settings.get("groups")),
        "num_folds": len(folds),
        "num_groups": len({name for fold in folds for name in texts(fold.get("test_groups"))}),
        "num_recordings": len({name for fold in folds for name in texts(fold.get("test_recordings"))}),
        "tested_s": total([number(fold.get("test_s")) for fold in folds]),
        "leakage": sorted({text(fold.get("leakage")) or "" for fold in folds} - {""}),
        "validation": sorted({text(fold.get("validation")) or "" for fold in folds} - {""}),
        "overall": _figures(table, "probe", "", _OVERALL),
        "behaviors": [
            {"name": name, "bouts": _bouts(folds, name)} | _figures(table, "probe", name, _PER_BEHAVIOR)
            for name in names
        ],
        "baselines": [_baseline(method, table) for method in records(content.get("methods"))[1:]],
        "fold_facts": clean(folds),
        "notes": notes,
        "software": text(content.get("software")),
        "settings": clean(mapping(settings.get("tracks"))),
    }
    return Section("evaluation", facts, tuple(_warnings(facts)), ("videoprism", *_heads(facts["head"])))


def _figures(table: Sequence[Mapping[str, Any]], method: str, behavior: str, metrics: Sequence[str]) -> Facts:
    """Figures of all test parts together, and mean and spread over the folds."""
    found: Facts = dict.fromkeys(metrics)
    for row in table:
        if (row.get("method"), row.get("behavior")) == (method, behavior) and row.get("metric") in metrics:
            found[str(row["metric"])] = {
                name: number(row.get(name)) for name in ("pooled", "mean", "sd", "min", "max", "folds")
            }
    return found


def _bouts(folds: Sequence[Mapping[str, Any]], name: str) -> int | float | None:
    return total([count(mapping(fold.get("test_bouts")).get(name)) for fold in folds])


def _baseline(method: Mapping[str, Any], table: Sequence[Mapping[str, Any]]) -> Facts:
    name = text(method.get("name")) or ""
    figure = _figures(table, name, "", ("macro_average_precision",))
    return {"name": name, "title": text(method.get("title")), "note": text(method.get("note")) or "", **figure}


def _heads(head: str | None) -> tuple[str, ...]:
    return {"logistic": ("scikit-learn",), "prototype": ("prototypes",)}.get(head or "", ())


def _warnings(facts: Facts) -> list[str]:
    notes = [note for first in (_LEAKS, _NO_GROUPS) for note in facts["notes"] if note.startswith(first)]
    found = [note[:1].upper() + note[1:] for note in notes]
    if few := [entry["name"] for entry in facts["behaviors"] if entry["bouts"] is not None and entry["bouts"] < _FEW]:
        found.append(
            f"Figures of {', '.join(few)} rest on fewer than {_FEW} bouts each: say so, and give no figure beyond the "
            "first digit"
        )
    return found


_FEW = 10
