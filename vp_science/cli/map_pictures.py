"""Contact sheets and montages of clusters."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from vp_science.errors import MapError

if TYPE_CHECKING:
    from vp_science.maps.map import Map


def draw_clusters(
    map_file: Path,
    tracks: Sequence[str],
    recordings: Sequence[str],
    out: Path,
    only: Sequence[int] | None,
    count: int,
    poses: Path | None,
    kind: Literal["sheet", "montage"],
) -> list[Path]:
    """A file per cluster.

    Raises:
        MapError: when a cluster does not exist, there are none, or a recording of the map has no track.
    """
    from vp_science.maps.map_file import open_map
    from vp_science.maps.moments import captions_of, moments_of, representatives
    from vp_science.montage import contact_sheet, write_montage
    from vp_science.pictures import PictureBook
    from vp_science.probes.open_tracks import open_tracks
    from vp_science.timeline.names import listed

    made = open_map(map_file)
    wanted = list(dict.fromkeys(only)) if only else [int(number) for number in made.clusters.index]
    for number in wanted:
        made.check_cluster(number)
    if not wanted:
        raise MapError("expected a map with clusters, found none: make it with another --min-cluster-size, or kmeans")
    chosen = {number: representatives(made, number, count) for number in wanted}
    out.mkdir(parents=True, exist_ok=True)
    written = []
    with open_tracks(tracks) as opened:
        needed = {made.recordings[made.recording[point]] for points in chosen.values() for point in points}
        mine = [track for track in opened if track.recording_id in needed]
        if missing := sorted(needed - {track.recording_id for track in mine}):
            raise MapError(
                f"expected the tracks of all recordings shown, found none of {listed(missing)}: add --tracks"
            )
        with PictureBook(recordings, mine, poses=poses) as book:
            for number, points in chosen.items():
                if not len(points):
                    typer.echo(f"cluster {number} has no points in this map, left out", err=True)
                    continue
                name = made.clusters["name"][number] if number >= 0 else ""
                stem = re.sub(r"[^\w-]+", "_", f"cluster_{number:03d}_{name}" if number >= 0 else "no_cluster").strip(
                    "_"
                )
                moments, captions = moments_of(made, points), captions_of(made, points)
                title = _title(made, number)
                if kind == "sheet":
                    path = out / f"{stem}.png"
                    contact_sheet(book, moments, path, captions=captions, title=title, note=_note(made, number))
                else:
                    path = write_montage(book, moments, out / f"{stem}.mp4", captions=captions, title=title).path
                written.append(path)
    return written


def _title(made: "Map", number: int) -> str:
    if number < 0:
        return "no cluster"
    name = made.clusters["name"][number]
    return f"cluster {number}: {name}" if name else f"cluster {number}"


def _note(made: "Map", number: int) -> str:
    warning = "; UNTRAINED: random weights" if made.untrained else ""
    if number < 0:
        return f"{int((made.cluster < 0).sum()):,} points{warning}"
    row = made.clusters.loc[number]
    stability = "" if row["stability"] != row["stability"] else f", stability {row['stability']:.2f}"
    return f"{row['size']:,} points, {row['seconds']:.1f} s{stability}; the most typical moment first{warning}"
