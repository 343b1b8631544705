"""NWB files with bouts (``ndx-ethogram``).

``EthogramBouts`` holds the bouts of one labelling method (manual, automated, curated), ``Ethogram`` the catalogue,
``observation_intervals`` the time that was scored: inside it no bout means absent, outside it unknown; a table without
them was assessed throughout. Point events are core ``EventsTable``.

Reading needs h5py only and follows no link into another file. Times count from the start of the session, as those of a
recording within the same file do. Bouts that align to an external video (``source_video``) belong to that video and are
moved to its clock: by the time of its first frame, or frame by frame where the times of both are known.

* ``labeling_method`` and ``annotator`` (or ``source_software``) are the source: ``manual:anna``, ``model:<software>``.
* Columns ``subject``, ``target``, ``score`` (or ``confidence``, ``probability``), ``modifiers``, ``comment`` are read.
* What predictions were made on does not count as observed where the file has labels of people as well.
* An ``EventsTable`` is read when its name or its ``label`` column names point behaviors of the catalogue; others are
  measurements.

``write_nwb`` makes a new small file beside the recording, which it links: recordings are large, and are not copied. The
background's name is not kept. Give it the animal (``subject_id``, species, sex, age) and the start of the session when
you mean to publish: we do not invent them, and nwbinspector asks for them.
"""

from pathlib import Path

from vp_science.annotations.formats import ReadOptions, WriteOptions, one_file_per_recording
from vp_science.annotations.nwb_reading import NwbReader, open_nwb
from vp_science.annotations.nwb_writing import write_nwb
from vp_science.timeline.annotations import Annotations

__all__ = ["matches", "read", "write", "write_nwb"]

_HDF5 = b"\x89HDF\r\n\x1a\n"


def matches(path: Path, head: bytes) -> bool:
    """An HDF5 file whose name ends in ``.nwb``."""
    return head.startswith(_HDF5) and path.suffix.lower() == ".nwb"


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read all bouts of one file."""
    with open_nwb(path) as file:
        return NwbReader(path, file, options).annotations()


def write(annotations: Annotations, path: Path, options: WriteOptions) -> list[Path]:
    """Write one file per recording; where ``options.media`` names its video and the clock its times, it is linked."""
    files = one_file_per_recording(annotations, path, ".nwb")
    for recording, file in files:
        times = options.clock.times(recording)
        write_nwb(file, annotations, recording, media=options.media.get(recording), time_s=times)
    return [file for _, file in files]
