"""The bundled recording as a study of many short ones: for trying what works on batches."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vp_science.errors import SettingsError
from vp_science.files import write_atomically
from vp_science.samples import sample_annotations, sample_recording
from vp_science.typing import StrPath

if TYPE_CHECKING:
    from vp_science.timeline.annotations import Annotations

PART_S = 10
"""Seconds between the key frames of the bundled recording, where it can be cut without encoding anything anew."""

MOST_PARTS = 12
_DIGITS = 6  # of seconds: differences of binary fractions would show 7.280000000000001


def sample_parts(folder: StrPath, count: int = MOST_PARTS) -> tuple[list[Path], "Annotations"]:
    """Cut ``sample_recording`` into recordings of ten seconds, ``fly_01.mp4``, ``fly_02.mp4`` and so on, with labels.

    Compressed pictures are copied, so every frame has the pixels that it has in the whole. All parts show one animal in
    one arena: they stand for many recordings where a batch is tried out, never for many animals where something is
    measured.

    Args:
        folder: where to; made when it is not there. Files of these names are replaced.
        count: how many, from the beginning of the recording.

    Returns:
        The files in order, and what the fly does in each (``sample_annotations``, cut and counted from the start of the
        part).

    Raises:
        SettingsError: when there are not so many parts.
        OSError: when a file cannot be written.
    """
    if not 1 <= count <= MOST_PARTS:
        raise SettingsError(f"count: expected 1 to {MOST_PARTS} parts of {PART_S} s, found {count}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = [target / f"fly_{number:02d}.mp4" for number in range(1, count + 1)]
    for number, path in enumerate(paths):
        start_s = number * PART_S
        write_atomically(path, lambda file, start_s=start_s: _copy_part(file, start_s))  # type: ignore[misc]
    return paths, _cut_annotations([path.stem for path in paths])


def _copy_part(file: BinaryIO, start_s: int) -> None:
    import av

    with av.open(str(sample_recording())) as source, av.open(file, "w", format="mp4") as part:
        video = source.streams.video[0]
        copy: Any = part.add_stream_from_template(video)
        assert video.time_base is not None
        ticks = int(Fraction(1) / video.time_base)
        first, stop = start_s * ticks, (start_s + PART_S) * ticks
        for packet in source.demux(video):
            if packet.pts is not None and packet.dts is not None and first <= packet.pts < stop:
                packet.pts, packet.dts = packet.pts - first, packet.dts - first
                packet.stream = copy
                part.mux(packet)


def _cut_annotations(names: list[str]) -> "Annotations":
    from vp_science.timeline.annotations import Annotations

    whole = sample_annotations()
    bouts: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        start_s = number * PART_S
        for bout in whole.bouts.to_dict("records"):
            times = [min(max(bout[key] - start_s, 0.0), float(PART_S)) for key in ("start_s", "stop_s")]
            if times[0] < times[1]:
                cut = {"start_s": round(times[0], _DIGITS), "stop_s": round(times[1], _DIGITS)}
                bouts.append(bout | cut | {"recording": name})
    observed = [{"recording": name, "start_s": 0.0, "stop_s": float(PART_S)} for name in names]
    return Annotations.of(bouts, observed, whole.behaviors)
