"""Which recordings train the encoder and which evaluate it: checks the table, and collects one side of it.

    python -m benchmarks.proof.footage_split check
    python -m benchmarks.proof.footage_split collect --out runs/footage      # copies of what may be trained on

The table is ``recipes/footage_split.csv``. A recording that evaluates never trains, and neither does another file of
the same scene: the same video, animals or camera.
"""

import argparse
import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

from vp_science.errors import SettingsError
from vp_science.files import hash_file

ROOT = Path(__file__).parents[2]
SPLIT = ROOT / "recipes" / "footage_split.csv"
FOOTAGE = ROOT.parent / "shared" / "footage"
ROLES = ("train", "evaluate", "leave out")
_NO_RECORDING = (".csv", ".md", ".tsv", "")


@dataclass(frozen=True)
class Row:
    """One file of the footage.

    Attributes:
        file: path below the footage folder.
        role: ``train``, ``evaluate`` or ``leave out``.
        scene: files of one scene show the same video, animals or camera.
        reason: why this role.
    """

    file: str
    role: str
    scene: str
    reason: str


def read_split(path: Path = SPLIT) -> list[Row]:
    """The table.

    Raises:
        SettingsError: when a role is unknown, a file stands twice, or a scene is on both sides.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [Row(**row) for row in csv.DictReader(file)]
    for row in rows:
        if row.role not in ROLES:
            raise SettingsError(f"{path}: {row.file}: expected a role among {', '.join(ROLES)}, found {row.role!r}")
    names = [row.file for row in rows]
    if len(set(names)) < len(names):
        raise SettingsError(f"{path}: expected every file once, found {max(names, key=names.count)} twice")
    scenes = {role: {row.scene for row in rows if row.role == role} for role in ROLES}
    if both := scenes["train"] & scenes["evaluate"]:
        raise SettingsError(f"{path}: expected every scene on one side, found {sorted(both)[0]!r} on both: move it")
    return rows


def check_footage(footage: Path, rows: list[Row]) -> None:
    """Refuse a table that does not name exactly the files that are there.

    Raises:
        SettingsError: naming what is missing in the table or in the folder.
    """
    there = {
        str(path.relative_to(footage))
        for path in Path(footage).rglob("*")
        if path.is_file() and path.suffix not in _NO_RECORDING
    }
    named = {row.file for row in rows}
    for where, lost in (("folder", there - named), ("table", named - there)):
        if lost:
            raise SettingsError(
                f"{footage}: expected the files of the table, found {sorted(lost)[0]!r} in the {where} alone"
            )


def collect(footage: Path, out: Path, role: str, rows: list[Row]) -> list[Path]:
    """Copy the recordings of one role into one folder, flat; a folder that is complete stays as it is."""
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for row in rows:
        if row.role != role:
            continue
        target = out / row.file.replace("/", "__")
        if not target.exists() or hash_file(target) != hash_file(footage / row.file):
            partial = target.with_name(target.name + ".part")
            shutil.copyfile(footage / row.file, partial)
            partial.replace(target)
        made.append(target)
    known = {path.name for path in made}
    if others := [path.name for path in out.iterdir() if path.name not in known and path.suffix != ".part"]:
        raise SettingsError(f"{out}: expected recordings that {role} alone, found {sorted(others)[0]!r}: move it away")
    return made


def main(arguments: list[str] | None = None) -> None:
    """Check the table; ``collect`` also copies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("check", "collect"))
    parser.add_argument("--footage", type=Path, default=FOOTAGE)
    parser.add_argument("--split", type=Path, default=SPLIT)
    parser.add_argument("--role", choices=ROLES[:2], default="train")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    rows = read_split(given.split)
    check_footage(given.footage, rows)
    for role in ROLES:
        print(f"{role}: {sum(row.role == role for row in rows)} files")
    if given.what == "collect":
        if given.out is None:
            parser.error("collect needs --out")
        print(f"{len(collect(given.footage, given.out, given.role, rows))} recordings in {given.out}")


if __name__ == "__main__":
    main()
