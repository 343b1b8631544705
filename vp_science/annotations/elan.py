"""ELAN ``.eaf`` files, read and written through pympi-ling. Times are whole milliseconds.

People use tiers in two ways, and both are read. Tier by tier:

1. A tier called "observed" (or of a type called so), also "observed@animal", marks the time that was scored. Without
   one nothing is known to be absent.
2. The type of the tier has a controlled vocabulary, and not all values are empty: the values are the behaviors, the
   participant (or else the name of the tier) is the subject.
3. Some or all annotations of the tier have no value, or each has the tier's own name: the tier is the behavior, the
   participant the subject, values are comments. "grooming@mouse1" of participant mouse1 is "grooming". Tiers called
   "notes", "comments" or "remarks" are read so as well, whatever their values.
4. All have values and some value occurs twice in the file: as in 2. If every value is different, a file does not tell
   behaviors from remarks, and is refused with the two ways to say it.

Reference annotations have the times of what they refer to. Annotations that are not aligned, and several that share one
parent, have no times of their own; ELAN draws them at equal distances, which nobody measured: they are refused.

We write a tier for each behavior, subject, target and source: ELAN has no overlaps within a tier. Types of tiers are
``behavior``, ``point event`` and ``observed``; the annotator is ``ANNOTATOR``; modifiers stand in brackets before the
comment, ``[left|fast] unsure``. ELAN has no instants: a point event is one millisecond long, the shortest that it has,
and is known by its type. What tiers cannot say (targets, the catalogue) is the property ``vp_science`` of the header,
which ELAN keeps. Scores are not kept, nor what times have below a millisecond; a bout that would vanish is refused.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from vp_science.annotations.clock import recording_name
from vp_science.annotations.eaf_document import AlignedTier, Document, load_document
from vp_science.annotations.elan_writing import OBSERVED, POINT, PROPERTY, SOURCES, eaf_bytes
from vp_science.annotations.formats import ReadOptions, WriteOptions, one_file_per_recording
from vp_science.annotations.text_tables import bad
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors, Kind

_EMPTY = "default"
"""The tier that ELAN makes for every new document."""

_NOTES = ("note", "notes", "comment", "comments", "remark", "remarks")
_VALUE = re.compile(r"\[(?P<modifiers>[^\]]*)\](?: (?P<comment>.*))?", re.DOTALL)


def matches(path: Path, head: bytes) -> bool:
    """An XML document of ELAN."""
    return b"<ANNOTATION_DOCUMENT" in head


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read one file; it belongs to its first medium, or if it names none, to the recording of its own name."""
    document = load_document(path)
    return _Reader(path, document, options).annotations()


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write one file per recording."""
    files = one_file_per_recording(annotations, path, ".eaf")
    for recording, file in files:
        data = eaf_bytes(annotations.select(recordings=[recording]), recording, file, options)
        write_atomically(file, lambda out, data=data: out.write(data))  # type: ignore[misc]
    return [file for _, file in files]


@dataclass(frozen=True)
class _Meaning:
    """What a tier stands for; an empty behavior means that the values are the behaviors."""

    behavior: str = ""
    subject: str = ""
    target: str = ""
    kind: Kind = "state"
    source: str = ""
    observed: bool = False
    bracketed: bool = False


class _Reader:
    """What the tiers of one document mean."""

    def __init__(self, path: Path, document: Document, options: ReadOptions) -> None:
        self.path, self.document, self.options = path, document, options
        self.ours = self._property()
        media = document.media
        named = str(self.ours.get("recording") or (recording_name(unquote(media[0].url)) if media else ""))
        self.recording = options.recording or named or path.stem
        self.offset_s = media[0].origin_ms / 1000 if media else 0.0
        values = (entry.value for tier in document.tiers if not _is_named(tier) for entry in tier.entries)
        self.repeated = any(count > 1 for count in Counter(values).values())

    def annotations(self) -> Annotations:
        """Bouts, observed intervals and catalogue."""
        meanings = [(tier, self._meaning(tier)) for tier in self.document.tiers]
        behaviors = self._catalogue(meanings)
        bouts, observed = [], []
        for tier, meaning in meanings:
            for entry in tier.entries:
                start_s = self.offset_s + entry.start_ms / 1000
                stop_s = self.offset_s + entry.stop_ms / 1000
                span: dict[str, Any] = {"recording": self.recording, "subject": meaning.subject}
                span |= {"start_s": start_s, "stop_s": stop_s}
                if meaning.observed:
                    which = meaning.behavior or entry.value
                    observed.append({**span, "behavior": which if which in behaviors else ""})
                    continue
                name = meaning.behavior or entry.value
                if not name:
                    found = f"an empty one at {start_s:g} s"
                    raise bad(
                        self.path, "a behavior as value", found, place=f"tier {tier.id!r}", fix="choose it in ELAN"
                    )
                kind = behaviors[name].kind
                span |= {"stop_s": start_s} if kind == "point" else {}
                text = _text(entry.value, meaning)
                bouts.append({**span, **text, "behavior": name, "target": meaning.target, "source": meaning.source})
                bouts[-1]["kind"] = kind
        try:
            return Annotations.of(bouts, observed, behaviors)
        except AnnotationError as error:
            raise AnnotationError(f"{self.path}: {error}") from error

    def _property(self) -> Mapping[str, Any]:
        text = self.document.properties.get(PROPERTY)
        if text is None:
            return {}
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise bad(self.path, "JSON", str(error), place=f"property {PROPERTY}", fix="remove the property") from error
        if not isinstance(value, Mapping) or not isinstance(value.get("tiers", {}), Mapping):
            raise bad(self.path, "an object with tiers", value, place=f"property {PROPERTY}", fix="remove the property")
        return value

    def _meaning(self, tier: AlignedTier) -> _Meaning:
        """The rules of the module, in order; what we wrote ourselves is listed in the header."""
        source = _source(tier.annotator or self.options.annotator)
        subject, own = tier.participant, _own_name(tier)
        observed = _is_observed(tier)
        kind: Kind = "point" if tier.type.casefold() == POINT else "state"
        listed = self.ours.get("tiers", {}).get(tier.id)
        if isinstance(listed, Mapping):
            target, behavior = str(listed.get("target", "")), str(listed.get("behavior", ""))
            return _Meaning(behavior, subject, target, kind, source, observed, bracketed=True)
        if observed:
            who = subject or own.partition("@")[2]
            return _Meaning("", who, source=source, observed=True)
        named = _Meaning(own, subject, kind=kind, source=source)
        valued = _Meaning("", subject or tier.id, kind=kind, source=source)
        if tier.entries and _is_named(tier):
            return named
        if tier.vocabulary is not None or self.repeated or tier.id == _EMPTY:
            return valued
        if not tier.entries:
            return named
        raise bad(
            self.path,
            "values that tell behaviors from remarks",
            f"{tier.entries[0].value!r} and no value twice",
            place=f"tier {tier.id!r}",
            fix="in ELAN, give the type of the tier a controlled vocabulary (its values are then the behaviors), or "
            "empty the values (the tier is then the behavior)",
        )

    def _catalogue(self, meanings: list[tuple[AlignedTier, _Meaning]]) -> Behaviors:
        """What we wrote into the header, then vocabularies and tiers in the order of the file."""
        try:
            given = Behaviors.from_json(self.ours["behaviors"]) if "behaviors" in self.ours else Behaviors(())
        except AnnotationError as error:
            raise AnnotationError(f"{self.path}, property {PROPERTY}: {error}") from error
        entries = {entry.name: entry for entry in given}
        for tier, meaning in meanings:
            if meaning.observed:
                continue
            names = dict.fromkeys([meaning.behavior], "") if meaning.behavior else dict(tier.vocabulary or {})
            values = [] if meaning.behavior else [entry.value for entry in tier.entries if entry.value]
            for name in (*names, *values):
                known = entries.setdefault(name, Behavior(name, meaning.kind, names.get(name, "")))
                if known.kind != meaning.kind:
                    expected = f"tiers of one type for {name!r}"
                    found = f"a {known.kind} in one and a {meaning.kind} in another"
                    raise bad(self.path, expected, found, place=f"tier {tier.id!r}", fix="rename one of them")
        return Behaviors(tuple(entries.values()), given.exclusive, given.background)


def _own_name(tier: AlignedTier) -> str:
    """Its name without the participant behind "@"."""
    return tier.id.removesuffix(f"@{tier.participant}") if tier.participant else tier.id


def _is_observed(tier: AlignedTier) -> bool:
    return OBSERVED in (tier.type.casefold(), tier.id.casefold().partition("@")[0])


def _is_named(tier: AlignedTier) -> bool:
    """Whether its values cannot be behaviors, so that its name is (rule 3)."""
    values = {entry.value for entry in tier.entries}
    own = _own_name(tier)
    if tier.vocabulary is not None:
        return values == {""}
    return "" in values or values <= {tier.id, own} or own.casefold() in _NOTES or _is_observed(tier)


def _text(value: str, meaning: _Meaning) -> dict[str, str]:
    """Modifiers and comment in the value of an annotation of a tier that is a behavior."""
    if not meaning.behavior:
        return {}
    if meaning.bracketed and (found := _VALUE.fullmatch(value)):
        return {"modifiers": found.group("modifiers"), "comment": found.group("comment") or ""}
    return {"comment": value} if meaning.bracketed or value != meaning.behavior else {}


def _source(annotator: str) -> str:
    return annotator if annotator.startswith(SOURCES) else f"manual:{annotator}"
