"""``methods_text``: sections of facts become paragraphs, exact values and references."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vp_science.errors import SettingsError
from vp_science.reporting.details import detail_lines
from vp_science.reporting.facts.find import find_sections
from vp_science.reporting.facts.tracks import merge_encodings
from vp_science.reporting.references import cited
from vp_science.reporting.section import KINDS, Section, canonical
from vp_science.reporting.words.annotation import annotation_words
from vp_science.reporting.words.benchmark import benchmark_words
from vp_science.reporting.words.encoding import encoding_words
from vp_science.reporting.words.evaluation import evaluation_words
from vp_science.reporting.words.map import map_words
from vp_science.reporting.words.phrases import listed
from vp_science.reporting.words.probe import probe_words
from vp_science.reporting.words.search import search_words
from vp_science.reporting.words.training import training_words
from vp_science.store.provenance import json_differences
from vp_science.typing import StrPath

FORMAT, SCHEMA = "vp_science.methods", 1
_ON_TRACKS = {
    "probe": probe_words,
    "evaluation": evaluation_words,
    "annotation": annotation_words,
    "map": map_words,
    "search": search_words,
}


@dataclass(frozen=True)
class MethodsText:
    """What to write in a paper about files and folders; ``str`` gives all of it as Markdown.

    Attributes:
        warnings: reasons not to publish it as it is; to be read first.
        paragraphs: for the methods section, one per thing that was done.
        sections: the facts behind every paragraph, in the same order.
        references: what to cite.
    """

    warnings: tuple[str, ...]
    paragraphs: tuple[str, ...]
    sections: tuple[Section, ...]
    references: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON; None is what the files do not say."""
        return {
            "format": FORMAT,
            "schema": SCHEMA,
            "warnings": list(self.warnings),
            "paragraphs": list(self.paragraphs),
            "sections": [{"kind": section.kind, "facts": section.facts} for section in self.sections],
            "references": list(self.references),
        }

    def __str__(self) -> str:
        parts = []
        if self.warnings:
            parts.append("\n".join(["## Before you publish", "", *(f"- {warning}" for warning in self.warnings)]))
        parts.append("\n\n".join(["## Methods", *self.paragraphs]))
        parts.append("\n\n".join(["## Exact values", *_details(self.sections)]))
        parts.append("\n".join(["## References", "", *(f"- {reference}" for reference in self.references)]))
        return "\n\n".join(parts) + "\n"


def methods_text(*paths: StrPath) -> MethodsText:
    """What to write in the methods section of a paper about what lies on disk.

    Nothing is guessed: what a file does not say is "not recorded". Files that were made in different ways are told
    apart.

    Args:
        paths: tracks, probes (of ``probe train`` or fine-tuning), folders of annotated recordings or single ethogram
            files, evaluations, maps, search indices, results that ``search --json`` printed, folders of trainings,
            model folders, benchmark reports, session folders; folders are searched for them. Several together make
            one text.

    Raises:
        SettingsError: when a path is none of these.
        VPScienceError: when a file is damaged.
    """
    if not paths:
        raise SettingsError("expected at least one file or folder, found none: name what vp-science wrote")
    sections = _in_order(find_sections(paths))
    encodings = [section for section in sections if section.kind == "encoding"]
    names = _names_of(encodings)
    paragraphs = [_words(section, names, encodings) for section in sections]
    keys = [key for section in sections for key in section.cite]
    own = [reference for section in sections for reference in section.own_references]
    return MethodsText(
        tuple(dict.fromkeys([*_told_apart(encodings), *(w for section in sections for w in section.warnings)])),
        tuple(paragraphs),
        tuple(sections),
        (*cited(keys), *dict.fromkeys(own)),
    )


def _in_order(found: Sequence[Section]) -> list[Section]:
    """In the order of a paper; what several files tell in the same words is told once."""
    encodings = merge_encodings([section for section in found if section.kind == "encoding"])
    others = [section for section in found if section.kind != "encoding"]
    once = {canonical([section.kind, section.facts]): section for section in [*encodings, *others]}
    sections = sorted(once.values(), key=lambda section: KINDS.index(section.kind))
    evaluated = any(section.kind == "evaluation" for section in sections)
    return [_without_advice(section) if evaluated else section for section in sections]


def _without_advice(section: Section) -> Section:
    """An evaluation beside a probe is what the probe was said to lack."""
    kept = tuple(text for text in section.warnings if not text.startswith("No evaluation belongs to"))
    return Section(section.kind, section.facts, kept, section.cite, section.own_references)


def _names_of(encodings: Sequence[Section]) -> dict[str, str]:
    """What the text calls each way of encoding, by its settings; "" where there is only one."""
    numbers: dict[str, list[str]] = {}
    for number, section in enumerate(encodings, start=1):
        numbers.setdefault(section.settings_key, []).append(str(number))
    if len(encodings) < 2:
        return dict.fromkeys(numbers, "")
    return {key: f"encoding{'s' * (len(each) > 1)} {listed(each)}" for key, each in numbers.items()}


def _words(section: Section, names: Mapping[str, str], encodings: Sequence[Section]) -> str:
    if section.kind == "encoding":
        text = encoding_words(section.facts)
        return text if len(encodings) < 2 else f"Encoding {1 + encodings.index(section)}: {text}"
    if section.kind == "training":
        return training_words(section.facts)
    if section.kind == "benchmark":
        return benchmark_words(section.facts)
    return _ON_TRACKS[section.kind](section.facts, _tracks(section, names, encodings))


def _tracks(section: Section, names: Mapping[str, str], encodings: Sequence[Section]) -> str:
    """How a text calls the tracks that something was made of."""
    name = names.get(section.settings_key)
    if not section.settings_key or name is None:
        return "embeddings whose making was not recorded"
    mine = [encoding for encoding in encodings if encoding.settings_key == section.settings_key]
    what = "frames read" if mine[0].facts["encoder"]["fine_tuned"] else "embeddings made"
    return f"{what} as described above{f' ({name})' if name else ''}"


def _told_apart(encodings: Sequence[Section]) -> list[str]:
    """Where files were made in several ways: in what they differ."""
    if len(encodings) < 2:
        return []
    compared = [{name: encoding.facts[name] for name in ("settings", "precision", "dtype")} for encoding in encodings]
    found = []
    for number, other in enumerate(compared[1:], start=2):
        texts = _without_sizes(json_differences(compared[0], other))
        shown = "; ".join(texts).replace(" here,", " in encoding 1,").replace("in the file", f"in encoding {number}")
        found.append(f"Encodings 1 and {number} differ in {shown}")
    return [
        f"These files were made in {len(encodings)} ways, which are told apart below. {'. '.join(found)}. Numbers of "
        "different encodings cannot be compared or joined"
    ]


def _without_sizes(differences: Sequence[str]) -> list[str]:
    """Of other encoders, the sizes are not told one by one."""
    texts = [text.removeprefix("settings.") for text in differences]
    kept = [text for text in texts if not text.startswith("encoder_config.")]
    return kept or texts


def _details(sections: Sequence[Section]) -> list[str]:
    blocks, seen = [], dict[str, int]()
    several = [section.kind for section in sections]
    for section in sections:
        seen[section.kind] = seen.get(section.kind, 0) + 1
        number = f" {seen[section.kind]}" if several.count(section.kind) > 1 else ""
        blocks.append("\n".join([f"### {section.kind.capitalize()}{number}", "", *detail_lines(section)]))
    return blocks
