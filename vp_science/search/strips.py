"""Pictures of what a search found, for people to judge."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from vp_science.errors import SettingsError
from vp_science.files import write_atomically
from vp_science.montage import contact_sheet, time_span
from vp_science.pictures import PictureBook
from vp_science.search.query import format_seconds
from vp_science.search.results import Results
from vp_science.typing import StrPath

_MAX_NAME = 80
_LEAST_S = 0.4
_MAX_EXAMPLES = 6


def save_strips(
    results: Results, book: PictureBook, folder: StrPath, *, num_frames: int = 6, height: int = 96
) -> list[Path]:
    """Write a strip of frames for every result, and one contact sheet: some of the examples first, then the results.

    They go to a folder of their own, named by the query, so that searches do not mix.

    Args:
        results: of a search.
        book: has the frames of the recordings.
        folder: in which ``<query id>/001_<recording>_<start>-<stop>.png``, ... and ``contact_sheet.png`` are written.
        num_frames: per strip, evenly spread over the event.
        height: of a strip in pixels.

    Returns:
        The contact sheet, then the strips in the order of the results.

    Raises:
        SettingsError: when there are no results, or the sheet would be too large.
        RecordingError, ProbeError, PoseError: when frames cannot be read (see ``PictureBook``).
    """
    if not len(results):
        raise SettingsError("expected results to show, found none: search for something else, or lower min_score")
    where = Path(folder) / results.id
    where.mkdir(parents=True, exist_ok=True)
    rows = list(results.to_pandas().itertuples(index=False))
    likes = results.query.like[:_MAX_EXAMPLES]
    captions = [f"looked for   {one.recording}   {time_span(one.start_s, one.stop_s)}" for one in likes]
    captions += [
        f"{row.rank}   {row.score:.4f}   {row.recording}   {time_span(row.start_s, row.stop_s)}"
        + f"   (example: {row.example})" * bool(row.example)
        for row in rows
    ]
    index = results.index
    sheet = contact_sheet(
        book,
        [(results.track_name(one.recording), one.start_s, one.stop_s) for one in likes]
        + [(row.recording, row.start_s, row.stop_s) for row in rows],
        where / "contact_sheet.png",
        captions=captions,
        title=results.query.describe(),
        note=f"rank, score, recording, time; searched {index.seconds / 3600:.3g} h in {len(index.recordings)} tracks"
        + "; UNTRAINED model" * index.untrained,
        num_frames=num_frames,
        height=height,
        least_s=_LEAST_S,
    )
    files = []
    for row in rows:
        strip = book.strip(row.recording, row.start_s, row.stop_s, num_frames=num_frames, height=height)
        path = where / strip_name(row.rank, row.recording, row.start_s, row.stop_s)
        _save(strip, path)
        files.append(path)
    return [sheet, *files]


def strip_name(rank: int, recording: str, start_s: float, stop_s: float) -> str:
    """A file name on any system: letters, digits and a few signs of the name of the recording."""
    plain = re.sub(r"[^\w.@+-]+", "_", recording)[-_MAX_NAME:]
    return f"{rank:03d}_{plain}_{format_seconds(start_s)}-{format_seconds(stop_s)}.png"


def _save(picture: np.ndarray, path: Path) -> None:
    image = Image.fromarray(np.ascontiguousarray(picture))
    write_atomically(path, lambda file: image.save(file, "PNG"))
