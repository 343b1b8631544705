"""The job ``map``: principal components at once, then the layout and its clusters; or new recordings into a map.

A request says::

    {"tracks": [path, ...], "into": where the map goes, "preview": where the principal components go,
     "points": fields of PointSettings, "map": fields of MapSettings}

or, to add recordings to a map that exists, ``{"tracks": [path, ...], "into": the map, "add": true}``. The preview has
the same points in the same order as the map. It is a complete map file that stays when the rest is cancelled.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vp_science.errors import MapError
from vp_science.points import PointSettings
from vp_science.sessions.tracks import ENDING, Listings, is_track_of, places_of_tracks, track_path
from vp_science.store.reader import Embeddings, open_embeddings

if TYPE_CHECKING:
    from vp_science.sessions.session import Session
    from vp_science.sessions.worker import Reporter

MAP_SUFFIX = ".map.h5"
_WHOLE = "map"
_EVERY_POINT = 10_000_000


def map_path(session_folder: Path, recording: str | None = None) -> Path:
    """Where the map of all recordings of a session lies, or the map of one of them."""
    folder = session_folder / "maps"
    return folder / f"{_WHOLE}{MAP_SUFFIX}" if recording is None else folder / "recordings" / f"{recording}{MAP_SUFFIX}"


def preview_path(session_folder: Path, recording: str | None = None) -> Path:
    """Where the principal components of a map lie while the layout is made; may be deleted at any time."""
    return session_folder / "cache" / map_path(Path(), recording)


def session_tracks(session: "Session", recording: str | None = None) -> dict[str, Path]:
    """The finished tracks of all recordings or of one: of whole frames, or else those that follow its animals.

    None of them is opened: whoever uses a damaged one is told so.
    """
    listings, others = Listings(), {one.id for one in session.recordings}
    found: dict[str, Path] = {}
    for one in session.recordings if recording is None else [session.recording(recording)]:
        own: dict[str, Path] = {}
        for folder in places_of_tracks(session.folder, one.path):
            for name in listings.ids(folder, ENDING, one.id, others):
                path = track_path(folder, name)
                if name not in own and (one.path is None or is_track_of(path, one.path)):
                    own[name] = path
        found |= {one.id: own[one.id]} if one.id in own else own
    return found


def make_session_map(request: Mapping[str, Any], report: "Reporter") -> dict[str, Any]:
    """Make a map, or add recordings to one; see the module.

    Returns:
        ``path``, ``num_points``, ``num_recordings``, ``num_clusters`` and ``untrained``.

    Raises:
        MapError: when there is nothing to map, settings are unknown, or tracks do not belong together.
        ProbeError: when tracks were made with different settings.
        StoreError: when a track is missing or damaged.
    """
    paths = [Path(path) for path in request["tracks"]]
    if not paths:
        raise MapError("expected recordings that are embedded, found none: embed them first")
    into = Path(request["into"])
    with ExitStack() as stack:
        tracks = []
        for number, path in enumerate(paths):
            report.progress("reading tracks", number, len(paths))
            tracks.append(stack.enter_context(open_embeddings(path)))
        made = _added(tracks, into, report) if request.get("add") else _made(tracks, request, into, report)
    return {
        "path": str(into),
        "num_points": len(made),
        "num_recordings": len(made.recordings),
        "num_clusters": len(made.clusters),
        "untrained": made.untrained,
    }


def _made(tracks: Sequence[Embeddings], request: Mapping[str, Any], into: Path, report: "Reporter") -> Any:
    from vp_science.maps.make import make_map
    from vp_science.maps.map_file import save_map

    settings = PointSettings(**request.get("points", {}))
    options = dict(request.get("map", {}))
    shared = {name: options[name] for name in ("unit_length", "center_recordings", "seed") if name in options}
    report.progress("principal components", 0, 0)
    # All points are fitted, so that none has to be placed: the preview is exact, and there in a moment.
    quick = make_map(
        tracks,
        settings=settings,
        method="pca",
        num_pca=2,
        cluster=None,
        fit_points=_EVERY_POINT,
        stability_repeats=0,
        progress=_told(report),
        **shared,
    )
    preview = save_map(quick, Path(request["preview"]), overwrite=True)
    report.progress("principal components", len(quick), len(quick), preview=str(preview))
    made = make_map(tracks, settings=settings, progress=_told(report), **options)
    report.progress("writing the map")
    save_map(made, into, overwrite=True)
    return made


def _added(tracks: Sequence[Embeddings], into: Path, report: "Reporter") -> Any:
    from vp_science.maps.edit import join_maps
    from vp_science.maps.map_file import open_map, save_map

    present = open_map(into)
    report.progress("placing recordings in the map", 0, 0)
    made = join_maps(present, present.transform(tracks, _told(report)))
    report.progress("writing the map")
    save_map(made, into, overwrite=True)
    return made


def _told(report: "Reporter") -> Callable[[str, int, int], None]:
    return lambda stage, done, total: report.progress(stage, done, total)
