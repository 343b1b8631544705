"""Camtrap DP ``observations.csv``: what camera traps saw, with dates and times, beside ``media.csv``.

The times are absolute, a recording has its own clock: a bout is placed by the ``timestamp`` at which its medium begins.
A recording is named after the file of the medium; media of one name in several deployments are
``<deployment>/<name>``, and if that is not enough, the ``mediaID``.

* Media-based observations belong to their medium. An observation that began before its medium (the event did) starts
  with it.
* Event-based observations belong to the one medium of the deployment that begins within the event; when there are
  several, nobody said in which of them it happened, and the recording is the deployment, on a clock that starts at
  ``deploymentStart`` (``deployments.csv``).
* ``behavior`` may list several behaviors, separated by ``|``. Rows without behavior are no bouts.
* The standard has whole seconds: an observation that starts and ends in the same second lasts until that second is
  over.
* ``individualID`` is the subject; ``classificationMethod`` and ``classifiedBy`` are the source,
  ``classificationProbability`` the score. Species, life stage, sex and count are kept as modifiers,
  ``scientificName:Canis lupus|sex:female``.
* People write down the dominant behavior, not all they looked for: nothing is observed, except a medium that a person
  found ``blank`` and whose length is known from the recording.

We write media-based observations of the media that ``media.csv`` beside the new file lists, with the exact times, the
target and the kind of source as ``observationTags`` (``start_s:1.25|stop_s:3``; the standard's dates enclose them), and
read these back. Observed intervals and the catalogue are not kept: what was absent becomes unknown.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from vp_science.annotations.clock import recording_name
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.sniffing import table_header
from vp_science.annotations.text_tables import Row, TextTable, bad, number_text, read_table, write_table
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.ethogram import frame_edges

_REQUIRED = ("observationID", "deploymentID", "eventStart", "eventEnd", "observationLevel")
_COLUMNS = (
    *("observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel"),
    *("observationType", "cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior", "individualID"),
    *("individualPositionRadius", "individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth"),
    *("bboxHeight", "classificationMethod", "classifiedBy", "classificationTimestamp", "classificationProbability"),
    *("observationTags", "observationComments"),
)
_TRAITS = ("scientificName", "count", "lifeStage", "sex")
_OUR_ID = "vp_science-"
_SEPARATOR = re.compile(r"\s*\|\s*")
_OUR_TAGS = ("start_s", "stop_s", "target", "source")


def matches(path: Path, head: bytes) -> bool:
    """A table with the required columns of the standard."""
    return table_header(head) >= set(_REQUIRED)


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read the observations of one package."""
    table = read_table(path)
    table.require(_REQUIRED)
    package = _Package(path)
    bouts: list[dict[str, Any]] = []
    observed: list[dict[str, Any]] = []
    for row in table:
        names = [name for name in _SEPARATOR.split(row.cells.get("behavior", "")) if name]
        if names:
            bouts += _bouts(package, table, row, names, options)
        elif (whole := _blank(package, table, row, options)) is not None:
            observed.append(whole)
    if options.recording is not None:
        found = {row["recording"] for row in (*bouts, *observed)}
        if len(found) > 1:
            fix = "leave out the recording, or keep the rows of one medium"
            raise bad(
                path, f"observations of one recording ({options.recording!r})", f"{len(found)} recordings", fix=fix
            )
        for entry in (*bouts, *observed):
            entry["recording"] = options.recording
    try:
        return Annotations.of(bouts, observed)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write the observations of all recordings into the package that ``path`` lies in."""
    _refuse_foreign(path)
    package = _Package(path)
    media = {medium.recording: medium for medium in package.media.values()}
    rows = []
    for number, bout in enumerate(annotations.bouts.itertuples(), start=1):
        if bout.recording not in media:
            fix = "add the medium to media.csv, or rename the recording"
            raise bad(path.with_name("media.csv"), f"a medium named {bout.recording!r}", ", ".join(media), fix=fix)
        _check_texts(bout)
        rows.append(_row(bout, media[bout.recording], number))
    write_table(path, _COLUMNS, rows)
    return [path]


@dataclass(frozen=True)
class _Medium:
    id: str
    deployment: str
    start: datetime
    recording: str


class _Package:
    """The media and deployments beside a file of observations."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.media: dict[str, _Medium] = {}
        self._deployments: dict[str, datetime] | None = None
        file = path.with_name("media.csv")
        if not file.exists():
            expected = "media.csv beside it, which says when each medium begins"
            raise bad(path, expected, "nothing there", fix="keep the files of a package together")
        table = read_table(file)
        table.require(("mediaID", "deploymentID", "timestamp", "filePath"))
        names = _names(table)
        for row in table:
            key = row.cells["mediaID"]
            if not key or key in self.media:
                raise bad(file, "every medium once", key, line=row.line, column="mediaID")
            start = _time(table, row, "timestamp")
            self.media[key] = _Medium(key, row.cells["deploymentID"], start, names[key])

    def medium(self, table: TextTable, row: Row) -> _Medium:
        """The medium of a media-based observation."""
        key = row.cells.get("mediaID", "")
        if key not in self.media:
            fix = "add the medium to media.csv, or correct the row"
            raise bad(table.path, "a mediaID that media.csv lists", key, line=row.line, column="mediaID", fix=fix)
        return self.media[key]

    def within(self, deployment: str, start: datetime, stop: datetime) -> list[_Medium]:
        """Media of a deployment that begin within an event."""
        return [m for m in self.media.values() if m.deployment == deployment and start <= m.start <= stop]

    def deployment_start(self, table: TextTable, row: Row) -> datetime:
        """When the deployment of an observation began."""
        file = self.path.with_name("deployments.csv")
        if self._deployments is None:
            if not file.exists():
                expected = "deployments.csv beside it, because this event comprises several media"
                raise bad(
                    table.path, expected, "nothing there", line=row.line, fix="keep the files of a package together"
                )
            starts = read_table(file)
            starts.require(("deploymentID", "deploymentStart"))
            self._deployments = {r.cells["deploymentID"]: _time(starts, r, "deploymentStart") for r in starts}
        key = row.cells["deploymentID"]
        if key not in self._deployments:
            raise bad(
                table.path, "a deploymentID that deployments.csv lists", key, line=row.line, column="deploymentID"
            )
        return self._deployments[key]


def _names(media: TextTable) -> dict[str, str]:
    """The recording id of every medium: as short as it can be without meaning two."""
    short = {}
    for row in media:
        file = row.cells.get("fileName", "") or row.cells["filePath"]
        short[row.cells["mediaID"]] = recording_name(file)
    deployments = {row.cells["mediaID"]: row.cells["deploymentID"] for row in media}
    long = {key: str(PurePosixPath(deployments[key]) / name) for key, name in short.items()}
    shorts, longs = Counter(short.values()), Counter(long.values())
    return {
        key: name if shorts[name] == 1 else long[key] if longs[long[key]] == 1 else key for key, name in short.items()
    }


def _time(table: TextTable, row: Row, column: str) -> datetime:
    text = row.cells.get(column, "")
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        expected = "a date and time such as 2026-05-30T02:57:37Z"
        raise bad(table.path, expected, text, line=row.line, column=column) from error
    if value.tzinfo is None:
        expected = "a time zone (Z or +02:00) behind the time"
        raise bad(
            table.path, expected, text, line=row.line, column=column, fix="add the time zone of the camera's clock"
        )
    return value.astimezone(UTC)


def _bouts(
    package: _Package, table: TextTable, row: Row, names: Iterable[str], options: ReadOptions
) -> list[dict[str, Any]]:
    recording, start_s, stop_s = _place(package, table, row)
    tags = _tags(row)
    exact = [_tag_number(table, row, tags, name) for name in ("start_s", "stop_s")]
    if exact[0] is not None and exact[1] is not None:
        start_s, stop_s = exact[0], exact[1]
    score = table.optional_number(row, "classificationProbability")
    bout = {
        "recording": recording,
        "subject": row.cells.get("individualID", ""),
        "target": tags.get("target", ""),
        "start_s": start_s,
        "stop_s": stop_s,
        "kind": "point" if start_s == stop_s else "state",
        "score": math.nan if score is None else score,
        "source": _source(table, row, tags, options),
        "modifiers": "|".join(f"{name}:{text}" for name in _TRAITS if (text := row.cells.get(name, ""))),
        "comment": row.cells.get("observationComments", ""),
    }
    return [{**bout, "behavior": name} for name in names]


def _place(package: _Package, table: TextTable, row: Row) -> tuple[str, float, float]:
    """Recording, start and stop on its clock."""
    start, stop = _time(table, row, "eventStart"), _time(table, row, "eventEnd")
    if stop < start:
        raise bad(table.path, "eventEnd not before eventStart", row.cells["eventEnd"], line=row.line, column="eventEnd")
    if stop == start:
        stop += timedelta(seconds=1)
    level = row.cells["observationLevel"]
    if level not in ("media", "event"):
        raise bad(table.path, "media or event", level, line=row.line, column="observationLevel")
    if level == "media":
        medium = package.medium(table, row)
    else:
        media = package.within(row.cells["deploymentID"], start, stop)
        if len(media) != 1:
            zero = package.deployment_start(table, row)
            return row.cells["deploymentID"], (start - zero).total_seconds(), (stop - zero).total_seconds()
        medium = media[0]
    start_s, stop_s = ((time - medium.start).total_seconds() for time in (start, stop))
    if stop_s <= 0:
        expected = f"an observation that ends after its medium began ({medium.start.isoformat()})"
        raise bad(table.path, expected, row.cells["eventEnd"], line=row.line, column="eventEnd")
    return medium.recording, max(0.0, start_s), stop_s


def _blank(package: _Package, table: TextTable, row: Row, options: ReadOptions) -> dict[str, Any] | None:
    """The whole medium as observed, where a person found nothing on it and its length is known."""
    cells = row.cells
    if cells.get("observationType") != "blank" or cells.get("classificationMethod") == "machine":
        return None
    if cells["observationLevel"] != "media":
        return None
    recording = package.medium(table, row).recording
    times = options.clock.times(options.recording or recording)
    if times is None:
        return None
    edges = frame_edges(times)
    return {"recording": recording, "start_s": float(edges[0]), "stop_s": float(edges[-1])}


def _tags(row: Row) -> dict[str, str]:
    pairs = (tag.partition(":") for tag in _SEPARATOR.split(row.cells.get("observationTags", "")))
    return {name: value for name, _, value in pairs if name in _OUR_TAGS}


def _tag_number(table: TextTable, row: Row, tags: Mapping[str, str], name: str) -> float | None:
    if name not in tags:
        return None
    try:
        value = float(tags[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise bad(table.path, f"a number behind {name}:", tags[name], line=row.line, column="observationTags")
    return value


def _source(table: TextTable, row: Row, tags: Mapping[str, str], options: ReadOptions) -> str:
    method, who = row.cells.get("classificationMethod", ""), row.cells.get("classifiedBy", "")
    if method not in ("", "human", "machine"):
        raise bad(table.path, "human or machine", method, line=row.line, column="classificationMethod")
    if method == "machine":
        return f"model:{who or 'unknown'}"
    kind = "curated" if tags.get("source") == "curated" else "manual"
    return f"{kind}:{who or options.annotator}"


def _refuse_foreign(path: Path) -> None:
    """Never replace observations that we did not write."""
    if not path.exists():
        return
    table = read_table(path)
    table.require(("observationID",))
    for row in table:
        if not row.cells["observationID"].startswith(_OUR_ID):
            raise bad(
                path,
                "no observations of others in a file that is replaced",
                row.cells["observationID"],
                line=row.line,
                column="observationID",
                fix="give another name (observations.vp_science.csv), and join the tables after checking",
            )


def _check_texts(bout: Any) -> None:
    for text in (bout.behavior, bout.subject, bout.target, bout.source, bout.comment):
        if text != text.strip():
            raise AnnotationError(f"Camtrap DP: expected text without blanks around it, found {text!r}: rename it")
    for text in (bout.behavior, bout.target):
        if "|" in text:
            raise AnnotationError(
                f"Camtrap DP: expected names without '|', which separates them, found {text!r}: rename"
            )


def _row(bout: Any, medium: _Medium, number: int) -> list[str]:
    kind, _, who = bout.source.partition(":")
    start = medium.start + timedelta(seconds=math.floor(bout.start_s))
    stop = medium.start + timedelta(seconds=math.ceil(bout.stop_s))
    tags = {"start_s": number_text(bout.start_s), "stop_s": number_text(bout.stop_s), "target": bout.target}
    tags["source"] = "curated" if kind == "curated" else ""
    traits = dict(part.partition(":")[::2] for part in bout.modifiers.split("|") if part)
    if not {*_TRAITS} >= {*traits}:
        raise AnnotationError(
            f"Camtrap DP: expected modifiers such as sex:female (of {', '.join(_TRAITS)}), found {bout.modifiers!r}: "
            "leave them out on purpose (vp-science labels convert --drop modifiers)"
        )
    cells = {
        "observationID": f"{_OUR_ID}{number}",
        "deploymentID": medium.deployment,
        "mediaID": medium.id,
        "eventStart": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventEnd": stop.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "observationLevel": "media",
        "observationType": "animal",
        "behavior": bout.behavior,
        "individualID": bout.subject,
        "classificationMethod": "machine" if kind == "model" else "human",
        "classifiedBy": who,
        "classificationProbability": number_text(bout.score),
        "observationTags": "|".join(f"{name}:{text}" for name, text in tags.items() if text),
        "observationComments": bout.comment,
        **traits,
    }
    return [cells.get(name, "") for name in _COLUMNS]
