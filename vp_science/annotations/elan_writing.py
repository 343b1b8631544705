"""Writing ``.eaf`` files: a tier for each behavior, subject, target and source (see ``elan``)."""

import json
import mimetypes
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from vp_science.annotations.formats import WriteOptions
from vp_science.errors import AnnotationError, require_extra
from vp_science.timeline.annotations import Annotations

PROPERTY = "vp_science"
OBSERVED = "observed"
POINT = "point event"
STATE = "behavior"
SOURCES = ("manual:", "model:", "curated:")
_NOT_XML = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def eaf_bytes(part: Annotations, recording: str, file: Path, options: WriteOptions) -> bytes:
    """The document as XML."""
    pympi = require_extra("pympi", "formats")
    eaf = pympi.Eaf(author="vp_science")
    eaf.remove_tier("default")
    for name in (STATE, POINT, OBSERVED):
        eaf.add_linguistic_type(name)
    eaf.remove_linguistic_type("default-lt")
    tiers: dict[str, dict[str, str]] = {}
    for key, rows in part.bouts.groupby(["behavior", "subject", "target", "source"], sort=False):
        behavior, subject, target, source = key
        kind = POINT if part.behaviors[behavior].kind == "point" else STATE
        annotator = source.removeprefix("manual:")
        annotator = source if annotator.startswith(SOURCES) or not source.startswith("manual:") else annotator
        name = behavior + (f"@{subject}" if subject else "")
        tier = _unique(f"{name} -> {target}" if target else name, annotator, tiers)
        tiers[tier] = {"behavior": behavior, "target": target}
        eaf.add_tier(tier, kind, part=subject or None, ann=annotator or None)
        _add(eaf, tier, rows, [_value(row) for row in rows.itertuples()], file, point=kind == POINT)
    for (subject, behavior), rows in part.observed.groupby(["subject", "behavior"], sort=False):
        name = OBSERVED + (f" {behavior}" if behavior else "") + (f"@{subject}" if subject else "")
        tier = _unique(name, "", tiers)
        tiers[tier] = {"behavior": behavior, "target": ""}
        eaf.add_tier(tier, OBSERVED, part=subject or None)
        joined = _joined(rows)
        _add(eaf, tier, joined, [behavior] * len(joined), file, point=False)
    _check_texts(
        [*part.recordings, *part.behaviors.names, *(t for row in tiers.items() for t in (row[0], *row[1].values()))]
    )
    ours = {"recording": recording, "behaviors": part.behaviors.to_json(), "tiers": tiers}
    eaf.properties = [(PROPERTY, json.dumps(ours))]
    eaf.header = {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    if media := options.media.get(recording):
        eaf.add_linked_file(**_medium(media))
    return _serialised(pympi, eaf)


def _serialised(pympi: Any, eaf: Any) -> bytes:
    elan = require_extra("pympi.Elan", "formats")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + bytes(elan.to_string(eaf, encoding="utf-8"))


def _unique(name: str, annotator: str, taken: Mapping[str, object]) -> str:
    if name in taken and annotator:
        name = f"{name} [{annotator}]"
    number, unique = 2, name
    while unique in taken:
        unique, number = f"{name} ({number})", number + 1
    return unique


def _value(row: Any) -> str:
    """Modifiers in brackets, then the comment."""
    if "]" in row.modifiers:
        raise AnnotationError(f"ELAN files hold modifiers in brackets, found {row.modifiers!r}: rename the modifier")
    if not row.modifiers and not row.comment.startswith("["):
        return str(row.comment)
    return f"[{row.modifiers}] {row.comment}" if row.comment else f"[{row.modifiers}]"


def _add(eaf: Any, tier: str, rows: pd.DataFrame, values: list[str], file: Path, *, point: bool) -> None:
    """Annotations of one tier, which may neither overlap nor vanish."""
    end_ms = -1
    _check_texts(values)
    for row, value in zip(rows.itertuples(), values, strict=True):
        start_ms = round(row.start_s * 1000)
        stop_ms = start_ms + 1 if point else round(row.stop_s * 1000)
        place = f"{file}, tier {tier!r}: expected "
        if start_ms < 0:
            raise AnnotationError(f"{place}times from 0 s on, found {row.start_s:.6g} s: shift the annotations")
        if stop_ms == start_ms:
            raise AnnotationError(
                f"{place}bouts of at least a millisecond, because ELAN counts whole ones, found {row.start_s:.9g} to "
                f"{row.stop_s:.9g} s, which would vanish: leave it out, or write another format"
            )
        if start_ms < end_ms:
            raise AnnotationError(
                f"{place}bouts that do not overlap, because ELAN has no overlaps within a tier, found one at "
                f"{row.start_s:.6g} s before the last one ends: merge them"
            )
        end_ms = stop_ms
        eaf.add_annotation(tier, start_ms, stop_ms, value)


def _joined(rows: pd.DataFrame) -> pd.DataFrame:
    """Observed intervals as their union, because a tier has no overlaps."""
    joined: list[list[float]] = []
    for start_s, stop_s in sorted(zip(rows["start_s"], rows["stop_s"], strict=True)):
        if joined and start_s <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], stop_s)
        else:
            joined.append([start_s, stop_s])
    return pd.DataFrame(joined, columns=["start_s", "stop_s"])


def _check_texts(texts: list[str]) -> None:
    for text in texts:
        if _NOT_XML.search(text):
            raise AnnotationError(
                f"ELAN files cannot hold control characters or line breaks, found {text!r}: rename it"
            )


def _medium(media: str) -> dict[str, Any]:
    """Attributes of the medium: an absolute path as a URL, and a path beside the file."""
    kind = mimetypes.guess_type(media)[0] or "video/*"
    if os.path.isabs(media):
        return {"file_path": Path(media).as_uri(), "relpath": f"./{Path(media).name}", "mimetype": kind}
    relative = str(PurePosixPath(media.replace("\\", "/")))
    return {"file_path": relative, "relpath": f"./{relative}", "mimetype": kind}
