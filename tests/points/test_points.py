"""Points: rows of many tracks, read in pieces, and what pooling, context and speed make of them."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vp_science.errors import ProbeError, SettingsError
from vp_science.points import PointSettings, PointWarning, open_points
from vp_science.store.provenance import Provenance
from vp_science.store.tables import EmbeddingTable
from vp_science.timeline.grid import plan_windows

FPS = 10.0

pytestmark = pytest.mark.filterwarnings("ignore::vp_science.points.PointWarning")


def make_track(name="a", rows=40, dim=5, *, seed=0, unseen=(), stride=4, pool=1, first_s=0.0):
    rng = np.random.default_rng([seed, rows])
    windows = plan_windows(rows, 8, stride)
    shown = np.arange(rows)
    shown[list(unseen)] = -1
    return EmbeddingTable(
        recording_id=name,
        num_frames=rows,
        provenance=Provenance(
            model="videoprism-tiny",
            checkpoint="sha256:ab",
            encoder_config={},
            preprocess={"height": 36, "width": 36, "fit": "squash", "crop": None},
            source={"backend": "test"},
            grid={"sample_fps": None, "num_grid": rows},
            num_frames=8,
            stride=stride,
            spatial_pool=pool,
            dtype="float32",
            precision="float32",
            software="test",
        ),
        first_grid=0,
        track=rng.normal(size=(rows, pool**2, dim)).astype(np.float32),
        window=rng.normal(size=(len(windows), dim)).astype(np.float32),
        time_s=first_s + np.arange(rows) / FPS,
        frame_index=np.arange(rows),
        shown_index=shown,
        damaged_frames=np.zeros(0, np.int64),
        window_start=windows.start,
        window_stop=windows.stop,
    )


def test_windows_are_points_with_their_times():
    a, b = make_track("a", 40), make_track("b", 23, seed=1, first_s=100.0)
    points = open_points([a, b])
    assert len(points) == len(a.window) + len(b.window)
    np.testing.assert_array_equal(points.read(slice(None)), np.concatenate([a.window, b.window]))
    assert points.recordings == ("a", "b")
    assert list(np.bincount(points.recording)) == [len(a.window), len(b.window)]
    np.testing.assert_allclose(points.start_s[: len(a.window)], a.window_start / FPS)
    np.testing.assert_allclose(points.stop_s[len(a.window) :], 100 + b.window_stop / FPS)


def test_frames_are_the_mean_of_their_patches():
    track = make_track(pool=2)
    points = open_points([track], PointSettings("frames"))
    np.testing.assert_allclose(points.read(slice(None)), track.track.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(points.stop_s - points.start_s, 1 / FPS)


def test_moments_in_which_the_animal_was_not_seen_are_no_points():
    track = make_track(unseen=range(10, 30))
    frames = open_points([track], PointSettings("frames"))
    np.testing.assert_allclose(frames.start_s * FPS, [*range(10), *range(30, 40)])
    windows = open_points([track])
    seen = [
        (b > 30) * (b - max(a, 30)) + (a < 10) * (min(b, 10) - a)
        for a, b in zip(track.window_start, track.window_stop, strict=True)
    ]
    assert len(windows) == sum(count > 4 for count in seen)
    pooled = open_points([track], PointSettings("frames", pool_s=2.5))
    assert all(
        stop <= 1.0 + 1e-9 or start >= 3.0 - 1e-9 for start, stop in zip(pooled.start_s, pooled.stop_s, strict=True)
    )
    with pytest.raises(SettingsError, match="the followed animal is seen, found none"):
        open_points([make_track(unseen=range(40))])


def test_pooling_averages_spans():
    track = make_track(rows=45)
    points = open_points([track], PointSettings("frames", pool_s=1.0))
    np.testing.assert_allclose(points.start_s, [0, 1, 2, 3, 4], atol=1e-9)
    np.testing.assert_allclose(points.stop_s, [1, 2, 3, 4, 4.5], atol=1e-9)
    expected = [track.track[i * 10 : i * 10 + 10].mean(axis=(0, 1)) for i in range(5)]
    np.testing.assert_allclose(points.read(slice(None)), expected, rtol=1e-5, atol=1e-6)


def test_context_stacks_neighbours_and_repeats_the_ends():
    track = make_track(rows=30)
    points = open_points([track], PointSettings("frames", context=3, context_step_s=0.2))
    rows, values = np.arange(30), track.track[:, 0]
    expected = np.concatenate([values[np.clip(rows - 2, 0, 29)], values, values[np.clip(rows + 2, 0, 29)]], axis=1)
    assert points.dim == 15
    np.testing.assert_allclose(points.read(slice(None)), expected, rtol=1e-6)


def test_speed_is_distance_over_time():
    track = make_track(rows=30)
    track.track[:, 0] = np.outer(np.arange(30) * 0.3, [1, 0, 0, 0, 0])  # 3 a second along one axis
    points = open_points([track], PointSettings("frames", speed=True))
    np.testing.assert_allclose(points.read(slice(None))[:, -1], 3.0, rtol=1e-5)


@given(
    rows=st.lists(st.integers(0, 2**20), min_size=1, max_size=60),
    unit=st.sampled_from(["windows", "frames"]),
    pool_s=st.sampled_from([None, 0.35, 2]),
    context=st.sampled_from([1, 3, 5]),
    speed=st.booleans(),
)
def test_reading_in_pieces_gives_what_reading_all_gives(rows, unit, pool_s, context, speed):
    tracks = [make_track("a", 40), make_track("b", 9, seed=1), make_track("c", 61, seed=2, unseen=range(20, 33))]
    points = open_points(tracks, PointSettings(unit, pool_s, context, 0.3, speed))
    whole = points.read(slice(None))
    assert whole.shape == (len(points), points.dim)
    asked = np.array(rows) % len(points)
    np.testing.assert_array_equal(points.read(asked), whole[asked])
    pieces = list(points.chunks(7))
    np.testing.assert_array_equal(np.concatenate([piece for _, piece in pieces]), whole)
    assert (points.start_s < points.stop_s).all()


def test_a_selected_stretch_gives_points_inside_it():
    track = make_track(rows=40)
    part = EmbeddingTable(
        **{name: getattr(track, name) for name in ("recording_id", "num_frames", "provenance", "damaged_frames")},
        first_grid=10,
        track=track.track[10:20],
        window=track.window[1:5],
        time_s=track.time_s[10:20],
        frame_index=track.frame_index[10:20],
        shown_index=track.shown_index[10:20],
        window_start=track.window_start[1:5],
        window_stop=track.window_stop[1:5],
    )
    points = open_points([part])
    assert points.start_s.min() >= 1.0
    assert points.stop_s.max() <= 2.0 + 1e-9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unit": "clips"}, 'unit: expected "windows" or "frames", found \'clips\''),
        ({"pool_s": 0}, "pool_s: expected seconds above 0, found 0"),
        ({"context": 2}, "context: expected an odd number from 1 to 101, found 2"),
        ({"context_step_s": -1}, "context_step_s: expected seconds above 0"),
    ],
)
def test_settings_are_checked(settings, message):
    if settings.get("unit") == "clips":
        settings = PointSettings().to_json() | settings
        with pytest.raises(Exception, match="unit"):
            PointSettings.from_json(settings)
        return
    with pytest.raises(SettingsError, match=message):
        PointSettings(**settings)


def test_settings_survive_json():
    settings = PointSettings("frames", 2.0, 3, 0.25, True)
    assert PointSettings.from_json(settings.to_json()) == settings
    with pytest.raises(SettingsError, match=r"missing \['speed'\], unexpected \['sped'\]"):
        PointSettings.from_json({**{k: v for k, v in settings.to_json().items() if k != "speed"}, "sped": True})


def test_tracks_of_different_makes_are_refused():
    with pytest.raises(ProbeError, match="stride: 4 for the track of 'a', 2 in the track"):
        open_points([make_track("a"), make_track("b", stride=2)])
    with pytest.raises(SettingsError, match="at least one track, found none"):
        open_points([])


def test_frames_that_show_their_place_in_the_window_are_warned_about():
    with pytest.warns(PointWarning, match=r"a pattern that repeats every 4 frames .* take windows, or pool"):
        open_points([make_track()], PointSettings("frames"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_points([make_track()], PointSettings("frames", pool_s=0.4))
        open_points([make_track(stride=1)], PointSettings("frames"))
        open_points([make_track()])
