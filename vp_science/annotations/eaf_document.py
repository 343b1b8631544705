"""What an ``.eaf`` file says, with a time for every annotation: tiers, media, vocabularies, properties."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vp_science.annotations.text_tables import bad, read_bytes
from vp_science.errors import require_extra

_MAX_BYTES = 128 << 20
_MAX_DEPTH = 64
_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
"""An attribute of the document that pympi expects, and that programs other than ELAN leave out."""


@dataclass(frozen=True)
class Entry:
    """One annotation, in whole milliseconds."""

    start_ms: int
    stop_ms: int
    value: str


@dataclass(frozen=True)
class AlignedTier:
    """One tier.

    Attributes:
        id: its name.
        type: name of its linguistic type.
        participant: whom it is about, "" if that is not said.
        annotator: who made it, "" if that is not said.
        vocabulary: descriptions by value, where the type has a controlled vocabulary.
        entries: its annotations.
    """

    id: str
    type: str
    participant: str
    annotator: str
    vocabulary: Mapping[str, str] | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Medium:
    """One medium; its own time is ``origin_ms`` more than that of the annotations."""

    url: str
    origin_ms: int


@dataclass(frozen=True)
class Document:
    """One file."""

    media: tuple[Medium, ...]
    properties: Mapping[str, str]
    tiers: tuple[AlignedTier, ...]


def load_document(path: Path) -> Document:
    """Parse a file that nobody trusts: no entities, no document type, bounded size.

    Raises:
        AnnotationError: naming the line, tier or annotation.
    """
    data = _checked_xml(path)
    pympi = require_extra("pympi", "formats")
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "checked.eaf"
            copy.write_bytes(data)
            eaf = pympi.Eaf(str(copy), suppress_version_warning=True)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        found = f"something else ({type(error).__name__}: {error})"
        raise bad(path, "a complete document of ELAN", found, fix="open and save it in ELAN") from error
    units = eaf.header.get("TIME_UNITS", "milliseconds")
    if units != "milliseconds":
        raise bad(path, "times in milliseconds", units, place="HEADER TIME_UNITS", fix="save it with a newer ELAN")
    media = tuple(_medium(path, attributes) for attributes in eaf.media_descriptors)
    properties = {str(name): text or "" for name, text in eaf.properties}
    return Document(media, properties, tuple(_tier(path, eaf, name) for name in eaf.tiers))


def _checked_xml(path: Path) -> bytes:
    """The document without anything that a parser could expand or fetch, and with what pympi relies on."""
    data = read_bytes(path)
    if len(data) > _MAX_BYTES:
        raise bad(path, f"an ELAN file of at most {_MAX_BYTES >> 20} MiB", f"{len(data) >> 20} MiB")
    xml = require_extra("defusedxml.ElementTree", "formats")
    common = require_extra("defusedxml.common", "formats")
    try:
        root = xml.fromstring(data, forbid_dtd=True)
    except common.DefusedXmlException as error:
        fix = "ELAN writes neither: save the file with ELAN again"
        raise bad(path, "XML without document type and entities", str(error), fix=fix) from error
    except xml.ParseError as error:
        line, column = error.position
        found = f"{error} (column {column})"
        raise bad(path, "XML", found, line=line, fix="the file is damaged or cut off: copy it again") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise bad(path, "an ANNOTATION_DOCUMENT of ELAN", root.tag)
    root.attrib.setdefault(_SCHEMA, "")
    return bytes(xml.tostring(root))


def _medium(path: Path, attributes: Mapping[str, str]) -> Medium:
    origin = attributes.get("TIME_ORIGIN") or "0"
    if not origin.lstrip("-").isdecimal():
        raise bad(path, "whole milliseconds", origin, place="MEDIA_DESCRIPTOR TIME_ORIGIN")
    url = attributes.get("MEDIA_URL") or attributes.get("RELATIVE_MEDIA_URL") or ""
    return Medium(url, int(origin))


def _tier(path: Path, eaf: Any, name: str) -> AlignedTier:
    aligned, references, attributes, _ = eaf.tiers[name]
    entries = [_aligned(path, eaf, name, id, *annotation[:3]) for id, annotation in aligned.items()]
    shared: dict[str, str] = {}
    for id, (parent, value, _, _) in references.items():
        if parent in shared:
            raise bad(
                path,
                "annotations with times of their own",
                f"{shared[parent]!r} and {id!r}, which divide {parent!r} without saying where",
                place=f"tier {name!r}",
                fix="align them in ELAN, or delete the tier from a copy",
            )
        shared[parent] = id
        start_ms, stop_ms = _times_of(path, eaf, name, id)
        entries.append(Entry(start_ms, stop_ms, value))
    kind = attributes.get("LINGUISTIC_TYPE_REF") or ""
    vocabulary_id = eaf.linguistic_types.get(kind, {}).get("CONTROLLED_VOCABULARY_REF")
    return AlignedTier(
        name,
        kind,
        attributes.get("PARTICIPANT") or "",
        attributes.get("ANNOTATOR") or "",
        None if vocabulary_id is None else _vocabulary(eaf, vocabulary_id),
        tuple(sorted(entries, key=lambda entry: (entry.start_ms, entry.stop_ms))),
    )


def _vocabulary(eaf: Any, id: str) -> dict[str, str]:
    """Description by value, in the first language; empty for a vocabulary that lies in another file."""
    entries = eaf.controlled_vocabularies.get(id, ((), {}, None))[1]
    firsts = [values[0] for values, _ in entries.values() if values]
    return {value: description or "" for value, _, description in firsts if value}


def _times_of(path: Path, eaf: Any, tier: str, id: str) -> tuple[int, int]:
    """Start and stop of an annotation, through all that it refers to."""
    first = id
    for _ in range(_MAX_DEPTH):
        owner = eaf.tiers.get(eaf.annotations.get(id), ({}, {}, {}, 0))
        if id in owner[0]:
            entry = _aligned(path, eaf, tier, id, *owner[0][id][:3])
            return entry.start_ms, entry.stop_ms
        if id not in owner[1]:
            break
        id = owner[1][id][0]
    found = f"{first!r}, which refers to {id!r}"
    raise bad(path, "a reference to an annotation with times", found, place=f"tier {tier!r}", fix="repair it in ELAN")


def _aligned(path: Path, eaf: Any, tier: str, id: str, start: str, stop: str, value: str) -> Entry:
    times = [eaf.timeslots.get(slot) for slot in (start, stop)]
    if times[0] is None or times[1] is None:
        slot = start if times[0] is None else stop
        raise bad(
            path,
            "a time for every annotation",
            f"{id!r} ({value!r}) with the time slot {slot!r}, which has none",
            place=f"tier {tier!r}",
            fix="align it in ELAN, or delete it from a copy",
        )
    if times[1] <= times[0]:
        found = f"{id!r} from {times[0]} to {times[1]} ms"
        raise bad(path, "annotations that end after they start", found, place=f"tier {tier!r}", fix="repair it in ELAN")
    return Entry(times[0], times[1], value)
