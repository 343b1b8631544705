"""The map of a session: the job, its points beside recordings, and what labels and scores say about them."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import probe_study
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import MapError, ProbeError, VPScienceError
from vp_science.maps import make_map, open_map, save_map
from vp_science.points import PointSettings
from vp_science.sessions import (
    LabelBook,
    compare_map,
    edited_points,
    load_map,
    map_path,
    open_session,
    point_behaviors,
    point_scores,
    preview_path,
    session_tracks,
)
from vp_science.sessions.mapping import make_session_map
from vp_science.sessions.point_labels import NOT_SCORED
from vp_science.sessions.worker import CancelledError, Reporter, run_job
from vp_science.timeline.behaviors import Behaviors

FRAMES = {"unit": "frames"}
QUICK = {"method": "pca", "num_pca": 6, "cluster": "kmeans", "num_clusters": 4, "stability_repeats": 0}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Four tracks on disk."""
    folder = tmp_path_factory.mktemp("study")
    tracks, annotations = probe_study.make_study(4, 120, noise=0.25)
    (folder / "tracks").mkdir()
    paths = [probe_study.write_track(track, folder / "tracks") for track in tracks]
    return folder, tracks, annotations, paths


@pytest.fixture(scope="module")
def points(study, tmp_path_factory):
    """A map of them."""
    path = tmp_path_factory.mktemp("map") / "map.h5"
    save_map(make_map(study[1], settings=PointSettings("windows"), **QUICK), path)
    return load_map(path, ["rec0", "rec1", "rec3"])


def request(study, folder, **changes):
    return {
        "tracks": [str(path) for path in study[3]],
        "into": str(folder / "maps" / "map.map.h5"),
        "preview": str(folder / "cache" / "map.map.h5"),
        "points": FRAMES,
        "map": QUICK,
    } | changes


def test_the_preview_comes_first_and_has_the_points_of_the_map_in_their_order(study, tmp_path):
    events = []
    result = run_job("map", request(study, tmp_path), Reporter(events.append))
    shown = [event for event in events if "preview" in event]
    assert [Path(event["preview"]) for event in shown] == [tmp_path / "cache" / "map.map.h5"]
    preview, made = open_map(shown[0]["preview"]), open_map(result["path"])
    for name in ("recording", "start_s", "stop_s"):
        np.testing.assert_array_equal(getattr(preview, name), getattr(made, name))
    assert preview.recordings == made.recordings == ("rec0", "rec1", "rec2", "rec3")
    whole = np.corrcoef(np.abs(preview.coordinates[:, 0]), np.abs(made.coordinates[:, 0]))[0, 1]
    assert whole > 0.99  # both start from the same first component
    assert result == {
        "path": str(tmp_path / "maps" / "map.map.h5"),
        "num_points": len(made),
        "num_recordings": 4,
        "num_clusters": 4,
        "untrained": False,
    }
    stages = list(dict.fromkeys(event["stage"] for event in events))
    assert stages.index("reading tracks") < stages.index("principal components") < stages.index("writing the map")


def test_cancelled_after_the_preview_there_is_no_map_and_the_preview_stays(study, tmp_path):
    report = Reporter(lambda event: report.control("cancel") if "preview" in event else None)
    with pytest.raises(CancelledError):
        make_session_map(request(study, tmp_path), report)
    assert not (tmp_path / "maps").exists()
    assert len(open_map(tmp_path / "cache" / "map.map.h5")) == sum(map(len, study[1]))


def test_recordings_are_added_without_moving_what_is_there(study, tmp_path):
    some = request(study, tmp_path, tracks=[str(path) for path in study[3][:3]])
    make_session_map(some, Reporter(lambda event: None))
    before = open_map(some["into"])
    added = request(study, tmp_path, tracks=[str(study[3][3])], add=True)
    result = make_session_map(added, Reporter(lambda event: None))
    after = open_map(some["into"])
    assert after.recordings == ("rec0", "rec1", "rec2", "rec3")
    assert result["num_points"] == len(after) > len(before)
    np.testing.assert_array_equal(after.coordinates[: len(before)], before.coordinates)


def test_what_cannot_be_mapped_is_said(study, tmp_path):
    quiet = Reporter(lambda event: None)
    with pytest.raises(MapError, match="expected recordings that are embedded, found none"):
        make_session_map(request(study, tmp_path, tracks=[]), quiet)
    with pytest.raises(MapError, match="expected options among method"):
        make_session_map(request(study, tmp_path, map=QUICK | {"neighbours": 3}), quiet)
    with pytest.raises(VPScienceError, match="missing"):
        make_session_map(request(study, tmp_path, tracks=[str(tmp_path / "missing.embeddings.h5")]), quiet)
    other = probe_study.make_track("other", np.ones((60, 12)), checkpoint="sha256:other")
    path = probe_study.write_track(other, tmp_path)
    with pytest.raises(ProbeError, match="checkpoint"):
        make_session_map(request(study, tmp_path, tracks=[str(study[3][0]), str(path)]), quiet)
    assert not (tmp_path / "maps").exists()


def test_places_of_maps(tmp_path):
    assert map_path(tmp_path) == tmp_path / "maps" / "map.map.h5"
    assert map_path(tmp_path, "map") == tmp_path / "maps" / "recordings" / "map.map.h5"
    assert preview_path(tmp_path, "a") == tmp_path / "cache" / "maps" / "recordings" / "a.map.h5"


def test_tracks_of_a_session_are_those_of_whole_frames_or_of_its_animals(tmp_path):
    session = open_session(tmp_path / "session", tmp_path / "places.json")
    try:
        for name in ("fly", "flying", "mouse"):
            (tmp_path / f"{name}.mp4").write_bytes(b"")
            session.add(tmp_path / f"{name}.mp4")
        folder = session.subfolder("tracks")
        for name in ("fly@a", "fly@b", "mouse", "mouse@a", "stranger"):
            (folder / f"{name}.embeddings.h5").write_bytes(b"")
        assert list(session_tracks(session)) == ["fly@a", "fly@b", "mouse"]
        assert list(session_tracks(session, "fly")) == ["fly@a", "fly@b"]
        assert session_tracks(session, "flying") == {}
    finally:
        session.close()


def test_a_map_is_compared_with_the_tracks_that_there_are(study, points, tmp_path):
    tracks = {path.name.removesuffix(".embeddings.h5"): path for path in study[3]}
    now = max(path.stat().st_mtime for path in study[3])
    assert compare_map(points.made, tracks, now).fresh
    assert compare_map(points.made, tracks, now - 1000).fresh  # younger tracks, made in the same way
    some = {name: path for name, path in tracks.items() if name != "rec2"}
    status = compare_map(points.made, some | {"new": study[3][0]}, now)
    assert (status.new, status.changed, status.gone) == (("new",), (), ("rec2",))
    other = probe_study.make_track("rec1", np.random.default_rng(0).normal(size=(124, 12)), checkpoint="sha256:other")
    path = probe_study.write_track(other, tmp_path)
    os.utime(path, (now + 10, now + 10))
    assert compare_map(points.made, tracks | {"rec1": path}, now).changed == ("rec1",)


# ---- points beside recordings


def test_recordings_are_those_of_the_session(points):
    assert points.made.recordings == ("rec0", "rec1", "rec2", "rec3")
    assert points.recordings == ("rec0", "rec1", "", "rec3")
    assert points.subjects == ("", "", "", "")


@given(st.sampled_from(["rec0", "rec1", "rec3"]), st.floats(-1, 6))
def test_the_point_of_a_time_is_the_one_to_which_it_belongs(points, recording, time_s):
    found = points.at(recording, time_s)
    track = points.recordings.index(recording)
    own = np.flatnonzero((points.track == track) & (points.start_s <= time_s) & (time_s <= points.stop_s))
    if found is None:
        assert not len(own)
    else:
        assert found in own


def test_nothing_is_found_in_recordings_that_are_not_in_the_map(points):
    assert points.at("elsewhere", 1.0) is None
    assert points.at("rec2", 1.0) is None  # not in the session
    assert not points.inside([("elsewhere", 0.0, 100.0)]).any()


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_moments_of_points_light_up_exactly_these_points(points, seed, share):
    chosen = np.random.default_rng(seed).random(len(points)) < share
    chosen[points.track == points.recordings.index("")] = False
    moments = points.moments(chosen)
    np.testing.assert_array_equal(points.inside(moments), chosen)
    seconds = (points.stop_s - points.start_s)[chosen].sum()
    assert sum(stop - start for _, start, stop in moments) == pytest.approx(seconds, abs=1e-6 * len(chosen))
    for recording in ("rec0", "rec1", "rec3"):
        own = [(start, stop) for name, start, stop in moments if name == recording]
        assert all(a[1] < b[0] for a, b in pairwise(own))


def test_the_trail_leads_to_the_point(points):
    rows = points.rows(1)
    trail = points.trail(int(rows[9]), seconds=1.0)
    assert trail[-1] == rows[9]
    assert (np.diff(points.start_s[trail]) > 0).all()
    assert points.start_s[trail[0]] >= points.start_s[rows[9]] - 1.0
    assert list(points.trail(int(rows[0]))) == [rows[0]]
    assert len(points.trail(int(rows[-1]), seconds=100.0, most=5)) == 6


# ---- labels and scores


def slow_behavior(labels, points, point, step=0.004):
    """What takes most of a point, instant by instant; None where two take nearly the same."""
    recording = points.recordings[points.track[point]]
    if not recording:
        return NOT_SCORED
    at = np.arange(points.start_s[point] + step / 2, points.stop_s[point], step)
    names = labels.behaviors.names
    on = np.array([[any(b.behavior == n and b.start_s <= t < b.stop_s for b in labels.bouts(recording)) for n in names]
                   for t in at])  # fmt: skip
    scored = np.array([all(any(o.behavior in (n, "") and o.start_s <= t < o.stop_s for o in labels.observed(recording))
                           for n in names) for t in at])  # fmt: skip
    nothing = scored & ~on.any(axis=1)
    sums = np.array([*on.sum(axis=0), nothing.sum(), (~scored & ~on.any(axis=1)).sum()])
    order = np.argsort(-sums)
    if sums[order[0]] - sums[order[1]] < 4:
        return None
    return NOT_SCORED if order[0] == len(names) + 1 else int(order[0])


SPANS = st.lists(
    st.tuples(st.sampled_from(["rec0", "rec3"]), st.sampled_from(["walk", "groom", ""]), st.floats(0, 4.5),
              st.floats(0.05, 2)),
    max_size=5,
)  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(SPANS, SPANS, st.booleans())
def test_points_take_the_behavior_that_takes_most_of_their_time(points, bouts, observed, exclusive):
    labels = LabelBook()
    labels.set_behaviors(Behaviors.of(("walk", "groom"), exclusive=exclusive))
    for recording, name, start, length in bouts:
        labels.add(recording, name or "walk", start, start + length)
    for recording, name, start, length in observed:
        labels.observe(recording, start, start + length, behavior=name)
    found = point_behaviors(labels, points)
    for point in range(0, len(points), 9):
        expected = slow_behavior(labels, points, point)
        assert expected is None or found[point] == expected


@settings(max_examples=40, deadline=None)
@given(SPANS, SPANS)
def test_an_edit_changes_only_the_points_it_names(points, first, second):
    labels = LabelBook()
    labels.set_behaviors(Behaviors.of(("walk", "groom")))
    for recording, name, start, length in first:
        labels.add(recording, name or "walk", start, start + length)
    before = point_behaviors(labels, points)
    edits = []
    labels.subscribe(edits.append)
    with labels.step("several"):
        for recording, name, start, length in second:
            labels.paint(recording, name or "groom", start, start + length)
    if labels.last_edit is not None and second:
        labels.undo()
        labels.redo()
    for edit in edits:
        rows = edited_points(points, edit)
        before[rows] = point_behaviors(labels, points, rows)
    np.testing.assert_array_equal(before, point_behaviors(labels, points))


def test_a_changed_catalogue_concerns_all_points(points):
    labels, edits = LabelBook(), []
    labels.subscribe(edits.append)
    labels.set_behaviors(Behaviors.of(("walk",)))
    assert edited_points(points, edits[0]) is None


def test_labelling_chosen_points_gives_exactly_these_points_the_label(points):
    from vp_science.sessions import label_moments

    labels = LabelBook()
    labels.set_behaviors(Behaviors.of(("walk", "groom"), exclusive=True))
    chosen = np.zeros(len(points), dtype=bool)
    chosen[points.rows(0)[[2, 3, 7]]] = True
    chosen[points.rows(3)[4]] = True
    label_moments(labels, points.moments(chosen), "groom")
    np.testing.assert_array_equal(point_behaviors(labels, points) == 1, chosen)


def test_without_behaviors_nothing_is_scored(points):
    assert (point_behaviors(LabelBook(), points) == NOT_SCORED).all()


def test_scores_of_points_are_means_over_their_time():
    time_s = np.arange(10) / 10
    scores = np.column_stack([np.arange(10) / 10, np.where(np.arange(10) < 5, np.nan, 1.0)])
    start, stop = np.array([0.0, 0.2, 0.42, 0.31, 3.0]), np.array([0.2, 0.6, 0.48, 0.34, 4.0])
    found = point_scores(time_s, scores, start, stop)
    np.testing.assert_allclose(found[:, 0], [0.05, 0.35, 0.4, 0.3, np.nan])
    np.testing.assert_allclose(found[:, 1], [np.nan, 1.0, np.nan, np.nan, np.nan])
