"""V-TRACE annotations and predictions: one CSV file per video, times in seconds.

V-TRACE reads ``labelId, timestamp, endTimestamp``; its annotation page adds ``subject, type, startFrame, endFrame,
score, source, review`` and a first line ``# trace-meta: {json}``. We add ``target, modifiers, comment, origin`` (the
annotator or probe) behind these, and our catalogue and observed intervals under the key ``vp_science`` of that line;
both programs of V-TRACE pass over what they do not know (its page drops it when a person saves there).

What a model predicted (``source`` model) is ``model:`` until a person accepts or corrects it, then ``curated:``. A
rejected prediction is no bout: somebody looked and said no, so its time counts as observed for that behavior.

V-TRACE treats a saved video as scored throughout. So the whole video is observed when its duration is known (from the
first line or the recording) and no prediction waits for review; otherwise only what a person accepted, corrected or
rejected is. ``NAME.pred.csv`` is a file of predictions: nothing is observed in it.
"""

import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd

from vp_science.annotations.capacity import refuse_all_but
from vp_science.annotations.clock import recording_name
from vp_science.annotations.formats import ReadOptions, WriteOptions, one_file_per_recording
from vp_science.annotations.sniffing import table_header
from vp_science.annotations.text_tables import Row, TextTable, bad, number_text, parse_table, read_text
from vp_science.errors import AnnotationError
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import frame_edges

_REQUIRED = ("labelId", "timestamp", "endTimestamp")
_COLUMNS = (*_REQUIRED, "subject", "type", "startFrame", "endFrame", "score", "source", "review")
_OURS = ("target", "modifiers", "comment", "origin")
_PREDICTION_COLUMNS = (*_REQUIRED, "score", "predictionId")
_PREDICTIONS = ".pred.csv"
_META = re.compile(r"#\s*trace-meta:\s*(.*)", re.IGNORECASE)
_NO_SUBJECT = "subject_animal"
"""What the page of V-TRACE writes for its one animal."""

_REVIEWS = {"pending": "model", "accepted": "curated", "corrected": "curated", "rejected": ""}


def matches(path: Path, head: bytes) -> bool:
    """A CSV file with the three columns of V-TRACE, perhaps below comment lines."""
    names = {name.casefold() for name in table_header(head, comment="#")}
    return {name.casefold() for name in _REQUIRED} <= names


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read one file of annotations or predictions."""
    text = read_text(path)
    meta = _meta(path, text)
    table = parse_table(path, "".join(_without_comments(text)))
    names = {name.casefold(): name for name in table.columns}
    _require(table, names)
    predictions = path.name.lower().endswith(_PREDICTIONS) or "predictionid" in names
    recording = options.recording or _recording(path, meta)
    rows, reviewed, waiting = [], [], False
    for row in table:
        cells = {name.casefold(): value for name, value in row.cells.items()}
        bout = _bout(table, row, names, cells, recording)
        source = _source(table, row, cells, options, model=predictions)
        behavior = bout["behavior"]
        if source is None or source.startswith("curated:"):
            span = {key: bout[key] for key in ("recording", "subject", "behavior", "start_s", "stop_s")}
            reviewed += [span] if bout["stop_s"] > bout["start_s"] else []
        waiting |= source is not None and source.startswith("model:")
        rows.append({**bout, "source": source, "line": row.line, "behavior": behavior})
    ours = meta.get("vp_science")
    behaviors = _catalogue(path, ours, meta, rows)
    observed: list[dict[str, Any]]
    if isinstance(ours, Mapping) and "observed" in ours:
        observed = _our_observed(path, ours, recording)
    elif predictions or waiting:
        observed = reviewed
    else:
        observed = _whole(recording, meta, options) or reviewed
    kept = [{key: value for key, value in row.items() if key != "line"} for row in rows if row["source"] is not None]
    try:
        return Annotations.of(kept, observed, behaviors)
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from error


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write one file per recording.

    A name that ends in ``.pred.csv`` gives a prediction file, for review in V-TRACE.
    """
    predictions = path.name.lower().endswith(_PREDICTIONS)
    files = one_file_per_recording(annotations, path, ".csv")
    if predictions:
        what = f"{path} (V-TRACE predictions)"
        refuse_all_but(annotations, what, ("subject", "target", "modifiers"), predictions=True)
        human = annotations.bouts[~annotations.bouts["source"].str.startswith("model:")]
        if len(human):
            raise AnnotationError(
                f"{path}: expected predictions only (source model:), found the source {human.iloc[0]['source']!r}: "
                "give a name that ends in .csv and not in .pred.csv"
            )
    _check_cells(annotations)
    for recording, file in files:
        part = annotations.select(recordings=[recording])
        text = _prediction_text(part, recording) if predictions else _annotation_text(part, recording, options)
        write_atomically(file, lambda out, text=text: out.write(text.encode()))  # type: ignore[misc]
    return [file for _, file in files]


def _check_cells(annotations: Annotations) -> None:
    """Refuse text that V-TRACE would read as something else: it strips cells and skips lines that begin with ``#``."""
    tables = (annotations.bouts, annotations.observed)
    cells = {str(text) for table in tables for name in table for text in table[name] if isinstance(text, str)}
    cells |= set(annotations.behaviors.names)
    for text in sorted(cells):
        if text != text.strip() or re.search(r"(?:^|[\r\n])\s*#", text):
            raise AnnotationError(
                f"V-TRACE skips lines that begin with '#' and blanks around a text, found {text!r}: rename it"
            )


def _without_comments(text: str) -> Iterable[str]:
    """The lines, comment lines emptied, so that line numbers stay."""
    quoted = False
    for line in io.StringIO(text):
        comment = line.lstrip().startswith("#") and not quoted
        quoted ^= not comment and line.count('"') % 2 == 1
        yield "\n" if comment else line


def _meta(path: Path, text: str) -> dict[str, Any]:
    """What the comment line says: JSON, or in old files ``behaviors=name:key,name:key`` in URL escapes."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.lstrip().startswith("#"):
            if line.strip():
                break
            continue
        if found := _META.match(line.strip()):
            body = found.group(1)
            if not body.startswith("{"):
                return {"shortcuts": _old_shortcuts(body)}
            try:
                meta = json.loads(body)
            except (ValueError, RecursionError) as error:
                raise bad(
                    path, "JSON behind '# trace-meta:'", str(error), line=number, fix="remove the line"
                ) from error
            return dict(meta)
    return {}


def _old_shortcuts(body: str) -> dict[str, str]:
    pairs = [
        part.partition(":") for word in body.split() if word.startswith("behaviors=") for part in word[10:].split(",")
    ]
    return {unquote(name): unquote(key) for name, _, key in pairs if name}


def _require(table: TextTable, names: Mapping[str, str]) -> None:
    for name in _REQUIRED:
        if name.casefold() not in names:
            raise bad(table.path, f"a column {name!r}", ", ".join(table.columns), line=table.header_line)


def _recording(path: Path, meta: Mapping[str, Any]) -> str:
    video = meta.get("video")
    if isinstance(video, str) and video.strip():
        return recording_name(video)
    return path.name[: -len(_PREDICTIONS)] if path.name.lower().endswith(_PREDICTIONS) else path.stem


def _bout(
    table: TextTable, row: Row, names: Mapping[str, str], cells: Mapping[str, str], recording: str
) -> dict[str, Any]:
    if not cells["labelid"]:
        raise bad(table.path, "a behavior", "an empty cell", line=row.line, column=names["labelid"])
    start, stop = table.number(row, names["timestamp"]), table.number(row, names["endtimestamp"])
    if stop < start:
        raise bad(
            table.path,
            f"endTimestamp not before timestamp = {start:g}",
            stop,
            line=row.line,
            column=names["endtimestamp"],
        )
    score = table.optional_number(row, names["score"]) if "score" in names else None
    subject = cells.get("subject", "") or cells.get("animal", "")
    return {
        "recording": recording,
        "subject": "" if subject == _NO_SUBJECT else subject,
        "target": cells.get("target", ""),
        "behavior": cells["labelid"],
        "start_s": start,
        "stop_s": stop,
        "kind": "point" if stop == start else "state",
        "score": math.nan if score is None else score,
        "modifiers": cells.get("modifiers", ""),
        "comment": cells.get("comment", ""),
    }


def _source(table: TextTable, row: Row, cells: Mapping[str, str], options: ReadOptions, *, model: bool) -> str | None:
    """Who says so; None for a rejected prediction."""
    origin = cells.get("origin", "")
    if not model and cells.get("source", "").casefold() != "model":
        if cells.get("review", "").casefold() == "rejected":
            return None
        return f"manual:{origin or options.annotator}"
    review = cells.get("review", "").casefold() or "pending"
    if review not in _REVIEWS:
        expected = f"a review of {', '.join(_REVIEWS)}"
        raise bad(table.path, expected, cells["review"], line=row.line, column="review")
    kind = _REVIEWS[review]
    if not kind:
        return None
    return f"model:{origin or 'v-trace'}" if kind == "model" else f"curated:{origin or options.annotator}"


def _catalogue(path: Path, ours: object, meta: Mapping[str, Any], rows: list[dict[str, Any]]) -> Behaviors:
    """Our own catalogue if the file carries it, then the classes of the model, then what the rows name."""
    given = Behaviors(())
    if isinstance(ours, Mapping) and "behaviors" in ours:
        try:
            given = Behaviors.from_json(ours["behaviors"])
        except AnnotationError as error:
            raise AnnotationError(f"{path}, '# trace-meta:': {error}") from error
    shortcuts = meta.get("shortcuts", {})
    kinds: dict[str, str] = {entry.name: entry.kind for entry in given}
    for row in rows:
        kind = kinds.setdefault(row["behavior"], row["kind"])
        if kind != row["kind"]:
            raise bad(
                path,
                f"a {kind} as in the other rows of {row['behavior']!r} (with a duration: state, without: point)",
                f"{row['start_s']:g} to {row['stop_s']:g} s",
                line=row["line"],
                fix="give it a duration, or another name",
            )
    classes = meta.get("class_map")
    for name in classes if isinstance(classes, list) else []:
        kinds.setdefault(str(name), "state")
    new = [
        Behavior(name, kind, key=shortcuts.get(name, ""))  # type: ignore[arg-type]
        for name, kind in kinds.items()
        if name not in given
    ]
    return Behaviors((*given.entries, *new), given.exclusive, given.background)


def _our_observed(path: Path, ours: Mapping[str, Any], recording: str) -> list[dict[str, Any]]:
    try:
        return [
            {"recording": recording, "subject": str(who), "behavior": str(what), "start_s": start, "stop_s": stop}
            for who, what, start, stop in ours["observed"]
        ]
    except (TypeError, ValueError) as error:
        raise bad(path, "observed intervals in '# trace-meta:'", str(error), fix="remove the line") from error


def _whole(recording: str, meta: Mapping[str, Any], options: ReadOptions) -> list[dict[str, Any]]:
    times = options.clock.times(recording)
    duration = meta.get("duration")
    if times is not None:
        edges = frame_edges(times)
        return [{"recording": recording, "start_s": float(edges[0]), "stop_s": float(edges[-1])}]
    if isinstance(duration, int | float) and not isinstance(duration, bool) and 0 < duration < math.inf:
        return [{"recording": recording, "start_s": 0.0, "stop_s": float(duration)}]
    return []


def _annotation_text(part: Annotations, recording: str, options: WriteOptions) -> str:
    observed = [[row.subject, row.behavior, row.start_s, row.stop_s] for row in part.observed.itertuples()]
    meta: dict[str, Any] = {"annotation_version": "behavioral-annotator-v1"}
    if options.clock.fps is not None:
        meta["fps"] = options.clock.fps
    ends = part.observed["stop_s"] if len(part.observed) else part.bouts["stop_s"]
    times = options.clock.times(recording)
    meta["duration"] = float(ends.max() if times is None else frame_edges(times)[-1])
    meta["vp_science"] = {"behaviors": part.behaviors.to_json(), "observed": observed}
    rows = [_annotation_row(row, options) for row in part.bouts.itertuples()]
    return _text(meta, (*_COLUMNS, *_OURS), rows)


def _annotation_row(row: Any, options: WriteOptions) -> list[object]:
    who, _, origin = row.source.partition(":")
    frames: tuple[object, object] = ("", "")
    if options.clock.knows(row.recording):
        first, stop = options.clock.frames(row.recording, np.array([row.start_s, row.stop_s]))
        frames = (int(first), max(int(first), int(stop) - 1))
    review = {"model": "pending", "curated": "accepted", "manual": ""}[who]
    return [
        row.behavior,
        number_text(row.start_s),
        number_text(row.stop_s),
        row.subject,
        row.kind,
        *frames,
        number_text(row.score),
        "" if who == "manual" else "model",
        review,
        row.target,
        row.modifiers,
        row.comment,
        origin,
    ]


def _prediction_text(part: Annotations, recording: str) -> str:
    meta = {"trace_prediction_version": 1, "video": recording, "class_map": list(part.behaviors.names)}
    rows = [
        [
            row.behavior,
            number_text(row.start_s),
            number_text(row.stop_s),
            number_text(row.score),
            f"{recording}::{index}",
        ]
        for index, row in enumerate(part.bouts.itertuples())
    ]
    return _text(meta, _PREDICTION_COLUMNS, rows)


def _text(meta: Mapping[str, Any], columns: Iterable[str], rows: list[list[object]]) -> str:
    body = pd.DataFrame(rows, columns=list(columns)).to_csv(index=False, lineterminator="\n")
    return f"# trace-meta: {json.dumps(meta)}\n{body}"
