"""Facts as lines: every exact value, one to a line."""

from collections.abc import Iterator
from typing import Any

from vp_science.reporting.section import Facts, Section

_MOST_ROWS = 20
_LEFT_OUT = ("settings", "not_applicable")
_AS_RECORDED = frozenset(
    {
        "config", "follow", "crops", "source", "head_settings", "postprocess", "base", "log", "training", "probe",
        "fold_facts", "notes", "point_settings", "map_settings", "options", "results", "run_settings", "preprocess",
        "published",
    }
)  # fmt: skip
"""What is told as the file has it: there null is a setting (none), and not a gap."""


def detail_lines(section: Section) -> list[str]:
    """``name: value`` for every fact of a section; long lists are cut, and say so."""
    facts: Facts = {name: value for name, value in section.facts.items() if name not in _LEFT_OUT}
    idle = set(section.facts.get("not_applicable", ()))
    return [f"- {name}: {'none' if name in idle else value}" for name, value in _flat(facts, "")]


def _flat(value: Any, name: str, missing: str = "not recorded") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, entry in value.items():
            gap = "none" if key in _AS_RECORDED and entry is not None else missing
            yield from _flat(entry, f"{name}.{key}" if name else str(key), gap)
    elif isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
        for position, entry in enumerate(value[:_MOST_ROWS], start=1):
            yield f"{name}[{position}]", _inline(entry, missing)
        if len(value) > _MOST_ROWS:
            yield name, f"{len(value) - _MOST_ROWS} more, which --json prints"
    else:
        yield name, _inline(value, missing)


def _inline(value: Any, missing: str) -> str:
    """One value on one line."""
    if value is None:
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        known = {key: entry for key, entry in value.items() if entry not in (None, "", {}, [])}
        return "; ".join(f"{key} {_nested(entry, missing)}" for key, entry in known.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_nested(entry, missing) for entry in value) or "none"
    return str(value) if value != "" else "none"


def _nested(value: Any, missing: str) -> str:
    line = _inline(value, missing)
    return f"({line})" if isinstance(value, dict | list) and value else line
