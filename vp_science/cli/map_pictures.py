"""Contact sheets and montages of clusters."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from vp_science.errors import MapError
from vp_science.timeline.names import listed

if TYPE_CHECKING:
    from vp_science.maps.map import Map
    from vp_science.store.reader import Embeddings


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

    made = open_map(map_file)
    wanted = list(dict.fromkeys(only)) if only else [int(number) for number in made.clusters.index]
    if not wanted:
        raise MapError("expected a map with clusters, found none: make it with another --min-cluster-size, or kmeans")
    chosen = {number: representatives(made, number, count) for number in wanted}
    for number in [number for number, points in chosen.items() if not len(points)]:
        typer.echo(f"cluster {number} has no points in this map, left out", err=True)
        del chosen[number]
    written = []
    with open_tracks(tracks) as opened:
        mine = _tracks_of(
            made, opened, sorted({made.recordings[made.recording[p]] for ps in chosen.values() for p in ps})
        )
        with PictureBook(recordings, mine, poses=poses) as book:
            out.mkdir(parents=True, exist_ok=True)
            for number, points in chosen.items():
                moments, title, path = moments_of(made, points), _title(made, number), out / _file_name(made, number)
                if kind == "sheet":
                    path = path.with_name(f"{path.name}.png")
                    words = captions_of(made, points)
                    contact_sheet(book, moments, path, captions=words, title=title, note=_note(made, number))
                else:
                    path = path.with_name(f"{path.name}.mp4")
                    write_montage(book, moments, path, title=title)  # its tiles are too narrow for more words
                written.append(path)
    return written


def _tracks_of(made: "Map", tracks: "Sequence[Embeddings]", needed: Sequence[str]) -> "list[Embeddings]":
    """The tracks of these recordings of a map, which must be those that it was made from."""
    mine = [track for track in tracks if track.recording_id in needed]
    if missing := sorted(set(needed) - {track.recording_id for track in mine}):
        raise MapError(f"expected the tracks of all recordings shown, found none of {listed(missing)}: add --tracks")
    known = {record["recording"]: record.get("sha256") for record in made.provenance["tracks"]}
    if others := [t.recording_id for t in mine if known[t.recording_id] not in (None, t.recording.sha256)]:
        raise MapError(
            f"expected the tracks that the map was made from, found those of other recordings called {listed(others)}: "
            "give the original ones"
        )
    return mine


def _file_name(made: "Map", number: int) -> str:
    name = made.clusters["name"][number] if number >= 0 else ""
    text = f"cluster_{number:03d}_{name}" if number >= 0 else "no_cluster"
    return re.sub(r"[^\w-]+", "_", text)[:60].strip("_")


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
