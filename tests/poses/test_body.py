"""From points to the middle, the direction and the length of an animal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vp_science.errors import PoseError
from vp_science.poses.body import animal_tracks, usual_ends
from vp_science.poses.points import PosePoints


def walking(nodes, offsets, heading, speed=2.0, num_frames=40, start=(100.0, 80.0)):
    """A rigid animal that walks where it looks; offsets are (along, to its right) of every point."""
    turn = np.broadcast_to(np.asarray(heading, float), num_frames)
    forward = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    right = np.stack([-np.sin(turn), np.cos(turn)], axis=1)
    centre = np.array(start) + np.cumsum(speed * forward, axis=0)
    xy = centre[:, None] + np.asarray(offsets)[:, :1] * forward[:, None] + np.asarray(offsets)[:, 1:] * right[:, None]
    return PosePoints("test", ["a"], list(nodes), xy[:, None], np.full((num_frames, 1, len(nodes)), np.nan)), centre


def difference(a, b):
    return np.abs((np.asarray(a) - np.asarray(b) + np.pi) % (2 * np.pi) - np.pi)


@given(st.floats(-np.pi, np.pi), st.floats(5, 80))
def test_named_ends(heading, length):
    points, centre = walking(["Tail_Base", "ear", "Nose"], [(-length / 2, 0), (3, 4), (length / 2, 0)], heading)
    track = animal_tracks(points, "m.h5")["a"]
    np.testing.assert_allclose(track.centre, centre, atol=1e-9)
    np.testing.assert_allclose(track.length, length)
    assert difference(track.axis, heading).max() < 1e-9


@given(st.floats(-np.pi, np.pi))
def test_unnamed_points_look_where_they_walk(heading):
    """The longest direction of the cloud, without 180 degree flips, its front ahead."""
    points, _ = walking(["p1", "p2", "p3", "p4"], [(-20, 1), (-5, -4), (8, 4), (17, -1)], heading)
    track = animal_tracks(points, "m.h5")["a"]
    assert difference(track.axis, heading).max() < np.radians(5)
    assert track.length[0] == pytest.approx(37, abs=0.5)


def test_unnamed_points_never_flip_while_turning():
    heading = np.linspace(0, 6 * np.pi, 200)
    points, _ = walking(["p1", "p2", "p3"], [(-20, 2), (3, -3), (17, 1)], heading, num_frames=200)
    track = animal_tracks(points, "m.h5")["a"]
    assert difference(track.axis[1:], track.axis[:-1]).max() < np.radians(10)
    assert difference(track.axis, heading).max() < np.radians(6)


def test_missing_ends_fall_back_to_the_other_points():
    points, centre = walking(["nose", "tailbase", "ear left", "ear right", "tail tip"],
                             [(15, 0), (-15, 0), (4, 5), (4, -5), (-60, 9)], 0.7)  # fmt: skip
    points.xy[7, 0, 0] = np.nan
    points.xy[9, 0, :4] = np.nan
    points.xy[11, 0] = np.nan
    track = animal_tracks(points, "m.h5")["a"]
    assert np.isnan(track.axis[[7, 9, 11]]).all()
    assert np.isfinite(np.delete(track.axis, [7, 9, 11])).all()
    assert np.hypot(*(track.centre[7] - centre[7])) < 5  # a loose tail does not pull the middle away ...
    np.testing.assert_allclose(track.centre[9], points.xy[9, 0, 4])  # ... unless nothing else was seen
    assert track.num_points[[6, 7, 9, 11]].tolist() == [5, 4, 1, 0]
    assert np.flatnonzero(~track.present).tolist() == [11]


def test_one_point_has_a_place_and_no_length():
    points, centre = walking(["centroid"], [(0, 0)], 0.3)
    track = animal_tracks(points, "m.h5")["a"]
    np.testing.assert_allclose(track.centre, centre)
    assert np.isnan(track.axis).all()
    assert np.isnan(track.length).all()


def test_the_axis_can_be_told():
    points, _ = walking(["x1", "x2", "x3"], [(10, 0), (0, 3), (-10, 0)], 1.0)
    assert difference(animal_tracks(points, "m.h5", axis=("x3", "x1"))["a"].axis, 1.0 + np.pi).max() < 1e-9
    with pytest.raises(PoseError, match=r'm.h5: expected a point called "nose" .* found x1, x2, x3'):
        animal_tracks(points, "m.h5", axis=("nose", "x1"))


@pytest.mark.parametrize(
    ("nodes", "ends"),
    [
        (["NOSE", "LEFT_EAR", "BASE_NECK", "BASE_TAIL", "MID_TAIL", "TIP_TAIL"], (0, 3)),
        (["head", "thorax", "abdomen", "wingL"], (0, 2)),
        (["snout", "leftear", "rightear", "tailbase"], (0, 3)),
        (["center back", "neck", "nose", "tail base", "tail tip"], (2, 3)),
        (["head1", "p2"], None),
    ],
)
def test_usual_names(nodes, ends):
    assert usual_ends(nodes) == ends
