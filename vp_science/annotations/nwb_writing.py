"""A new NWB file with the bouts of one recording."""

import io
import os
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from jaxtyping import Float64

from vp_science.annotations.nwb_columns import to_session_id
from vp_science.annotations.nwb_reading import OUR_SOFTWARE
from vp_science.errors import AnnotationError, require_extra
from vp_science.files import write_atomically
from vp_science.timeline.annotations import Annotations
from vp_science.typing import StrPath

_METHODS = {"manual": "manual", "model": "automated", "curated": "curated"}
_EXTRA = {
    "subject": "Who does it; empty for the whole frame.",
    "target": "To whom it is done.",
    "score": "Score of the bout, between 0 and 1; NaN where there is none.",
    "modifiers": "What else was noted of the bout.",
    "comment": "Remark of the annotator.",
}
_UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)
_REGULAR_S = 1e-6


def write_nwb(
    path: StrPath,
    annotations: Annotations,
    recording: str,
    *,
    session_start_time: datetime | None = None,
    subject_id: str | None = None,
    subject: Mapping[str, str] | None = None,
    session: Mapping[str, str | list[str]] | None = None,
    media: StrPath | None = None,
    time_s: Float64[np.ndarray, " frame"] | None = None,
    parameters: str = "",
) -> Path:
    """Write the annotations of one recording to a new NWB file; an existing file is replaced when the new one is whole.

    Args:
        path: the file.
        annotations: may hold other recordings too.
        recording: which recording; ``session_id`` of the file, where ``/`` is ``%2F``. Times are those of its
            own clock.
        session_start_time: when its clock began, with a time zone; None writes 1970-01-01 and says that it is unknown.
        subject_id: the animal of the session; archives such as DANDI want one per file. None takes the only subject
            that the annotations name, or none. Who does what is in the column ``subject`` in any case.
        subject: more about it, as fields of ``pynwb.file.Subject``: ``species``, ``sex``, ``age``.
        session: more about the session, as fields of ``pynwb.NWBFile``: ``experimenter``, ``institution``, ``lab``,
            ``experiment_description``.
        media: the video, to be linked by a path relative to the new file; needs ``time_s``.
        time_s: presentation times of the frames of the video.
        parameters: how predictions were made, as JSON; goes into the tables of automated labels.

    Returns:
        The file.

    Raises:
        AnnotationError: when a text cannot be stored, or the times of a linked video are not known.
        MissingExtraError: without pynwb and ndx-ethogram.
    """
    pynwb = require_extra("pynwb", "nwb")
    path = Path(path)
    part = annotations.select(recordings=[recording])
    _check_texts(part, recording)
    names = part.subjects()
    subject_id = names[0] if subject_id is None and len(names) == 1 else subject_id
    about = {**({} if subject_id is None else {"subject_id": subject_id}), **(subject or {})}
    document = _Document(pynwb, part, recording, session_start_time, about, session or {})
    if media is not None:
        document.link_video(_relative(path, media), time_s)
    document.add_catalogue()
    document.add_observed()
    document.add_bouts(parameters)
    document.add_events()
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file, pynwb.NWBHDF5IO(file=file, mode="w") as output:
        output.write(document.file)
    write_atomically(path, lambda out: out.write(memory.getbuffer()))
    return path


class _Document:
    """The NWB file while it is built."""

    def __init__(
        self,
        pynwb: Any,
        part: Annotations,
        recording: str,
        start: datetime | None,
        subject: Mapping[str, str],
        session: Mapping[str, str | list[str]],
    ) -> None:
        self.part, self.pynwb = part, pynwb
        self.ndx = require_extra("ndx_ethogram", "nwb")
        self.hdmf = require_extra("hdmf.common", "nwb")
        if start is not None and start.tzinfo is None:
            raise AnnotationError(f"expected session_start_time with a time zone, found {start.isoformat()}: add it")
        when = "" if start is not None else " The start of the session is not known; 1970-01-01 stands for it."
        table = part.bouts.to_csv() + part.observed.to_csv()
        self.file = pynwb.NWBFile(
            session_description=f"Behavior in the recording {recording}.{when}",
            identifier=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{recording}\n{table}")),
            session_start_time=start or _UNKNOWN_START,
            session_id=to_session_id(recording),
            was_generated_by=[[OUR_SOFTWARE, version("vp-science")]],
            keywords=["behavior", "ethogram"],
            **session,
        )
        if subject:
            self.file.subject = pynwb.file.Subject(**subject)
        self.module = self.file.create_processing_module("behavior", "Behavior as scored or predicted from video.")
        self.links: dict[str, Any] = {}

    def link_video(self, path: str, time_s: Float64[np.ndarray, " frame"] | None) -> None:
        """Name the video and say when its frames are shown."""
        if time_s is None or not len(time_s):
            raise AnnotationError(
                f"expected the times of the frames of {path!r}, because NWB wants them of a video that is linked, "
                "found none: give the recording (--recordings DIR), or leave out its path"
            )
        image = require_extra("pynwb.image", "nwb")
        rate = _rate(time_s)
        timing: dict[str, Any] = {"timestamps": np.asarray(time_s, np.float64)}
        if rate:
            timing = {"starting_time": float(time_s[0]), "rate": rate, "num_samples": len(time_s)}
        series = image.ImageSeries(
            name="video",
            description="The recording in which behavior was scored.",
            external_file=[path],
            starting_frame=[0],
            format="external",
            unit="n.a.",
            **timing,
        )
        self.file.add_acquisition(series)
        self.links["source_video"] = series

    def add_catalogue(self) -> None:
        """The behaviors, also those that never happen."""
        entries = list(self.part.behaviors)
        columns: list[tuple[str, str, Any]] = [
            ("behavior", "Name of the behavior.", [entry.name for entry in entries]),
            ("definition", "What counts as this behavior.", [entry.description for entry in entries]),
            ("behavior_type", "state (has a duration) or point (an instant).", [entry.kind for entry in entries]),
            ("category", "Group of behaviors.", [entry.category for entry in entries]),
            ("key", "Key that marks it in an annotation program.", [entry.key for entry in entries]),
            ("color", "Color as #rrggbb.", [entry.color for entry in entries]),
        ]
        kept = [
            column for column in columns if column[0] in ("behavior", "definition", "behavior_type") or any(column[2])
        ]
        ethogram = self.ndx.Ethogram(
            name="ethogram",
            description="Catalogue of the behaviors that were looked for.",
            exclusive=self.part.behaviors.exclusive,
            **self._table(kept),
        )
        self.module.add(ethogram)
        self.links["ethogram"] = ethogram

    def add_observed(self) -> None:
        """The time that was scored; an empty table says that nothing was, while none would say that all was."""
        rows = self.part.observed.drop_duplicates()
        columns: list[tuple[str, str, Any]] = [
            ("start_time", "Start of the interval, in seconds.", rows["start_s"].to_numpy(np.float64)),
            ("stop_time", "End of the interval, in seconds.", rows["stop_s"].to_numpy(np.float64)),
            ("subject", "Who was observed; empty for all.", list(rows["subject"])),
            ("behavior", "Which behavior was looked for; empty for all.", list(rows["behavior"])),
        ]
        epoch = require_extra("pynwb.epoch", "nwb")
        observed = epoch.TimeIntervals(
            name="observed",
            description="Time that was scored: inside it no bout means absent, outside it means unknown.",
            **self._table(columns),
        )
        self.module.add(observed)
        self.links["observation_intervals"] = observed

    def add_bouts(self, parameters: str) -> None:
        """A table per source, so that labels and predictions never mix."""
        bouts = self.part.bouts
        taken: set[str] = set()
        for source in dict.fromkeys([*bouts["source"]]) or ["manual:"]:
            rows = bouts[(bouts["source"] == source) & (bouts["kind"] == "state")]
            kind, _, who = source.partition(":")
            method = _METHODS[kind]
            said: dict[str, str] = {}
            if who:
                said["source_software" if kind == "model" else "annotator"] = who
            if parameters and kind == "model":
                said["parameters"] = parameters
            columns: list[tuple[str, str, Any]] = [
                ("start_time", "Start of the bout, in seconds.", rows["start_s"].to_numpy(np.float64)),
                ("stop_time", "End of the bout, in seconds.", rows["stop_s"].to_numpy(np.float64)),
                ("label", "The behavior.", list(rows["behavior"])),
            ]
            table = self.ndx.EthogramBouts(
                name=_unique(f"bouts_{method}" + (f"_{who}" if who else ""), taken),
                description=f"Bouts of behavior, {method} labels" + (f" of {who}." if who else "."),
                labeling_method=method,
                **said,
                **self.links,
                **self._table(columns + self._extra(rows)),
            )
            self.module.add(table)

    def add_events(self) -> None:
        """Point events: a table per behavior and source."""
        points = self.part.bouts[self.part.bouts["kind"] == "point"]
        if not len(points):
            return
        event = require_extra("pynwb.event", "nwb")
        if not hasattr(event, "EventsTable"):
            raise AnnotationError(f"point events need pynwb 4, found {self.pynwb.__version__}: pip install -U pynwb")
        taken: set[str] = set()
        for key, rows in points.groupby(["behavior", "source"], sort=False):
            behavior, source = key
            columns = [("label", "The behavior.", list(rows["behavior"])), *self._extra(rows)]
            table = self._table(columns)
            times = event.TimestampVectorData(
                name="timestamp",
                description="Time of the event, in seconds.",
                data=rows["start_s"].to_numpy(np.float64),
            )
            self.file.add_events_table(
                event.EventsTable(
                    name=_unique(behavior, taken),
                    description=f"Instants of the behavior {behavior}.",
                    source_description=source,
                    columns=[times, *table["columns"]],
                    colnames=["timestamp", *table["colnames"]],
                )
            )

    def _extra(self, rows: pd.DataFrame) -> list[tuple[str, str, Any]]:
        """Columns beyond the standard that say something; the subject always."""
        columns: list[tuple[str, str, Any]] = []
        for name, description in _EXTRA.items():
            values = rows[name]
            if name == "subject" or (values.notna().any() if name == "score" else (values != "").any()):
                data = values.to_numpy(np.float64) if name == "score" else list(values)
                columns.append((name, description, data))
        return columns

    def _table(self, columns: Sequence[tuple[str, str, Any]]) -> dict[str, Any]:
        """Columns of a table; empty ones need a type."""
        data = [
            self.hdmf.VectorData(name=name, description=about, data=values if len(values) else _empty(values))
            for name, about, values in columns
        ]
        return {"columns": data, "colnames": [name for name, _, _ in columns]}


def _empty(values: Any) -> np.ndarray:
    return values if isinstance(values, np.ndarray) else np.empty(0, "U1")


def _rate(time_s: Float64[np.ndarray, " frame"]) -> float:
    """Frames per second if they come regularly, else 0."""
    if len(time_s) < 2:
        return 0.0
    rate = (len(time_s) - 1) / float(time_s[-1] - time_s[0])
    regular = time_s[0] + np.arange(len(time_s)) / rate
    return rate if float(np.abs(regular - time_s).max()) < _REGULAR_S else 0.0


def _relative(path: Path, media: StrPath) -> str:
    """Path of the video from the folder of the file, as NWB wants it."""
    if os.path.isabs(media):
        media = os.path.relpath(media, path.absolute().parent)
    text = str(media).replace("\\", "/")
    return text if text.startswith(".") else f"./{text}"


def _unique(name: str, taken: set[str]) -> str:
    """A name that HDF5 and NWB allow and that is not taken."""
    base = re.sub(r"[/:\s]+", "_", name).strip("._") or "events"
    number, unique = 2, base
    while unique in taken:
        unique, number = f"{base}_{number}", number + 1
    taken.add(unique)
    return unique


def _check_texts(part: Annotations, recording: str) -> None:
    cells = [text for table in (part.bouts, part.observed) for name in table for text in table[name]]
    entries = [text for entry in part.behaviors.to_json()["entries"] for text in entry.values()]
    for text in (recording, *cells, *entries):
        if isinstance(text, str) and ("\0" in text or re.search("[\ud800-\udfff]", text)):
            raise AnnotationError(f"HDF5 cannot store the character in {text!r}: rename it")
