"""Pictures around animals: where they are cut, what is unknown, and the whole job on a recording of two flies."""

from dataclasses import replace

import av
import h5py
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pipeline_tools import PREPROCESS, make_encoder, read_manifest, sha256, write_video

from vp_science.animals import file_name_part, follow_animals, followed_id
from vp_science.embedding.outcome import BatchError
from vp_science.embedding.run import embed
from vp_science.errors import PoseError, RecordingError, SettingsError
from vp_science.poses.load import find_pose_file
from vp_science.recordings import DecodedFrame
from vp_science.store.reader import open_embeddings
from vp_science.timeline.animals import AnimalTrack
from vp_science.video.array import ArrayRecording
from vp_science.video.crop_path import CropPath, FollowSettings, pair_path, single_path, smooth
from vp_science.video.follow import CropCutter, FollowedRecording
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

STILL = FollowSettings(smooth_s=0, max_gap_s=0, size_px=40)
FLY = "20190128_113421.120s"


def make_track(centre, axis=0.0, length=20.0, name="a") -> AnimalTrack:
    centre = np.asarray(centre, np.float64)
    seen = np.isfinite(centre).all(axis=1)
    return AnimalTrack(
        name, centre, np.where(seen, axis, np.nan), np.where(seen, length, np.nan), seen.astype(np.int64) * 3
    )  # fmt: skip


def times(count, fps=25.0):
    return np.arange(count) / fps


def blob(width, height, x, y, sigma=3.0) -> np.ndarray:
    """A frame with one bright spot at a place between the pixels."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    value = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(value.round().astype(np.uint8)[..., None], 3, axis=2)


def spot(pixels) -> tuple[float, float]:
    """Centre of brightness, x and y."""
    weight = pixels[..., 0].astype(float)
    rows, columns = np.indices(weight.shape)
    return float((weight * columns).sum() / weight.sum()), float((weight * rows).sum() / weight.sum())


def one_path(x, y, angle=-np.pi / 2, side=40, turned=False):
    return CropPath(np.array([[x, y]], float), np.array([angle]), np.array([side]), np.array([True]), turned)


class TestGeometry:
    @given(x=st.floats(35, 85), y=st.floats(35, 65), angle=st.floats(-np.pi, np.pi), out=st.sampled_from([36, 54, 90]))
    @settings(max_examples=40, deadline=None)
    def test_the_animal_is_in_the_middle(self, x, y, angle, out):
        """Upright within half a pixel of the recording, turned within a twentieth."""
        frame = blob(120, 100, x, y)
        for turned, tolerance in ((False, 0.5), (True, 0.05)):
            cutter = CropCutter(one_path(x, y, angle, 40, turned), 120, 100, Preprocess(out, out), 40)
            found = spot(cutter(frame, 0))
            scale = out / 40
            assert abs(found[0] - (out - 1) / 2) <= (tolerance + 0.02) * scale
            assert abs(found[1] - (out - 1) / 2) <= (tolerance + 0.02) * scale

    @given(angle=st.floats(-np.pi, np.pi), fit=st.sampled_from(["squash", "crop", "pad"]))
    @settings(max_examples=40, deadline=None)
    def test_the_animal_looks_up(self, angle, fit):
        """What lies in front of it is straight above the middle, within one degree; what lies right of it is right."""
        size = Preprocess(72, 108, fit)
        for ahead, expected in ((0.0, -90.0), (np.pi / 2, 0.0)):
            x, y = 60 + 7 * np.cos(angle + ahead), 50 + 7 * np.sin(angle + ahead)
            cutter = CropCutter(one_path(60, 50, angle, 44, True), 120, 100, size, 44)
            found = spot(cutter(blob(120, 100, x, y, 2.0), 0))
            geometry = size.geometry(44, 44)
            left, top, wide, high = geometry.source
            dx = left + (found[0] - geometry.offset[0] + 0.5) * wide / geometry.scaled[0] - 22
            dy = top + (found[1] - geometry.offset[1] + 0.5) * high / geometry.scaled[1] - 22
            assert np.degrees(np.arctan2(dy, dx)) == pytest.approx(expected, abs=1)
            assert np.hypot(dx, dy) == pytest.approx(7, abs=0.2)

    def test_upright_pictures_are_the_pixels_of_the_frame(self):
        frame = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
        cutter = CropCutter(one_path(50.0, 40.0, side=21), 120, 100, Preprocess(21, 21), 21)
        np.testing.assert_array_equal(cutter(frame, 0), frame[30:51, 40:61])

    def test_turned_by_a_right_angle_is_numpys(self):
        frame = np.random.default_rng(0).integers(0, 256, (100, 120, 3), dtype=np.uint8)
        cutter = CropCutter(one_path(50.0, 40.0, 0.0, 21, True), 120, 100, Preprocess(21, 21), 21)
        found = cutter(frame, 0).astype(int)
        np.testing.assert_allclose(found, np.rot90(frame[30:51, 40:61]), atol=1)

    def test_reduced_pictures_do_not_alias(self):
        """Stripes finer than the output become grey instead of other stripes."""
        frame = np.zeros((200, 200, 3), np.uint8)
        frame[:, ::2] = 255
        for turned in (False, True):
            cutter = CropCutter(one_path(100, 100, -np.pi / 2, 120, turned), 200, 200, Preprocess(20, 20), 120)
            assert cutter(frame, 0)[4:-4, 4:-4].std() < 8

    @pytest.mark.parametrize("turned", [False, True])
    @pytest.mark.parametrize("crop", [None, (20, 10, 60, 50)])
    def test_beyond_the_border_is_black(self, turned, crop):
        """Also beyond the region of interest."""
        left, bottom = (0, 80) if crop is None else (20, 60)
        frame = np.full((80, 100, 3), 200, np.uint8)
        path = one_path(left + 4.5, bottom - 5.5, -np.pi / 2, 40, turned)
        found = CropCutter(path, 100, 80, Preprocess(40, 40, crop=crop), 40)(frame, 0)[..., 0]
        np.testing.assert_array_equal(found[:25, 15:], 200)
        np.testing.assert_array_equal(found[:, :14], 0)
        np.testing.assert_array_equal(found[27:], 0)
        far = one_path(-500.0, 900.0, 0.3, 40, turned)
        assert CropCutter(far, 100, 80, Preprocess(40, 40, crop=crop), 40)(frame, 0).max() == 0

    def test_the_region_must_lie_in_the_frame(self):
        with pytest.raises(SettingsError, match="does not lie inside the frame"):
            CropCutter(one_path(5, 5), 100, 80, Preprocess(40, 40, crop=(0, 0, 200, 10)), 40)


class TestPath:
    def test_one_size_for_the_whole_recording(self):
        length = np.array([20.0] * 6 + [5.0] * 4)
        track = replace(make_track(np.full((10, 2), 50.0)), length=length)
        path = single_path(track, times(10), (100, 100), FollowSettings(size_body_lengths=2, margin=0.5))
        assert path.side.tolist() == [60] * 10

    def test_gaps(self):
        """Short ones are bridged evenly in time, long ones are unknown, and nothing is smoothed across them."""
        centre = np.stack([np.arange(40.0), np.full(40, 30.0)], axis=1)
        centre[20:] += 50
        centre[5:8] = np.nan
        centre[14:22] = np.nan
        now = times(40)
        now[7:] += 0.02
        path = single_path(make_track(centre), now, (100, 100), FollowSettings(max_gap_s=0.2, smooth_s=0))
        assert np.flatnonzero(~path.shown).tolist() == list(range(14, 22))
        speed = (centre[8, 0] - centre[4, 0]) / (now[8] - now[4])
        np.testing.assert_allclose(path.centre[5:8, 0], 4 + speed * (now[5:8] - now[4]))
        smoothed = single_path(make_track(centre), now, (100, 100), FollowSettings(max_gap_s=0.2, smooth_s=0.4))
        assert smoothed.centre[13, 0] < 15
        assert smoothed.centre[22, 0] > 70

    @given(st.lists(st.booleans(), min_size=2, max_size=60), st.floats(0, 1), st.floats(0, 1))
    def test_nothing_seen_is_lost_and_nothing_far_from_it_is_invented(self, seen, smooth_s, max_gap_s):
        values = np.where(np.array(seen)[:, None], np.arange(len(seen))[:, None] * [1.0, 2.0], np.nan)
        found = smooth(values, times(len(seen)), FollowSettings(smooth_s=smooth_s, max_gap_s=max_gap_s))
        shown = np.isfinite(found).all(axis=1)
        assert shown[np.array(seen)].all()
        known = np.flatnonzero(seen)
        for frame in np.flatnonzero(shown & ~np.array(seen)):
            before, after = known[known < frame].max(), known[known > frame].min()
            assert (after - before) / 25 <= max_gap_s + 1e-6
        if shown.any():
            assert np.nanmin(found) >= np.nanmin(values) - 1e-9
            assert np.nanmax(found) <= np.nanmax(values) + 1e-9

    def test_smoothing_removes_jumps_and_jitter(self):
        rng = np.random.default_rng(0)
        true = np.stack([np.linspace(20, 80, 100), np.full(100, 50.0)], axis=1)
        noisy = true + rng.normal(0, 1, (100, 2))
        noisy[40] = (5, 95)
        found = single_path(make_track(noisy), times(100), (100, 100), FollowSettings(smooth_s=0.3)).centre
        inside = slice(5, -5)
        assert np.abs(found - true)[inside].max() < 2
        assert np.diff(found, axis=0)[inside].std(axis=0).max() < 0.5 * np.diff(true + 0, axis=0).max()

    def test_turning_through_the_half_circle(self):
        """Angles are smoothed as directions: no spin where they pass from pi to -pi."""
        angle = np.linspace(np.pi - 0.5, np.pi + 0.5, 50)
        track = make_track(np.full((50, 2), 50.0), (angle + np.pi) % (2 * np.pi) - np.pi)
        found = single_path(track, times(50), (100, 100), FollowSettings(rotate=True)).angle
        off = (found - angle + np.pi) % (2 * np.pi) - np.pi
        assert np.abs(off)[3:-3].max() < np.radians(1)

    def test_short_swaps_of_front_and_back(self):
        angle = np.full(50, 0.4)
        angle[20:25] += np.pi
        angle[35:] += np.pi  # turned over for good
        path = single_path(
            make_track(np.full((50, 2), 50.0), angle), times(50), (100, 100), FollowSettings(rotate=True, smooth_s=0)
        )
        np.testing.assert_allclose(np.cos(path.angle), np.cos(np.where(np.arange(50) < 35, 0.4, 0.4 + np.pi)))

    def test_no_direction(self):
        track = replace(make_track(np.full((10, 2), 50.0)), axis=np.full(10, np.nan))
        with pytest.raises(PoseError, match='"a": expected a direction to turn its pictures by, found none'):
            single_path(track, times(10), (100, 100), FollowSettings(rotate=True))
        known = replace(track, axis=np.r_[np.zeros(4), np.full(6, np.nan)])
        path = single_path(known, times(10), (100, 100), FollowSettings(rotate=True, max_gap_s=0))
        assert path.shown.tolist() == [True] * 4 + [False] * 6

    @pytest.mark.parametrize(
        ("track", "settings", "message"),
        [
            (make_track(np.full((12, 2), 50.0)), {}, 'expected poses of the 10 frames .* found "a" in frame 11'),
            (make_track(np.full((10, 2), 500.0)), {}, r'frames of 100 x 100 pixels, found "a" outside in 100% of them'),
            (make_track(np.full((10, 2), np.nan)), {}, '"a": expected an animal that is seen in some frame, found'),
            (make_track(np.full((10, 2), 50.0), length=1e9), {}, '"a": expected a picture of at most 200 pixels'),
            (make_track(np.full((10, 2), 50.0), length=np.nan), {}, '"a": expected two points of its body .*size_px'),
        ],
    )  # fmt: skip
    def test_poses_that_do_not_fit(self, track, settings, message):
        with pytest.raises(PoseError, match=message):
            single_path(track, times(10), (100, 100), FollowSettings(**settings))

    def test_poses_may_end_early(self):
        path = single_path(make_track(np.full((6, 2), 50.0)), times(10), (100, 100), FollowSettings())
        assert path.shown.tolist() == [True] * 6 + [False] * 4

    def test_a_pair_is_whole_in_its_picture(self):
        one, other = make_track(np.full((20, 2), 40.0)), make_track([[60.0 + i, 40.0] for i in range(20)], name="b")
        settings = FollowSettings(rotate=True, size_body_lengths=1, margin=0, smooth_s=0)
        path = pair_path(one, other, times(20), (100, 100), settings)
        np.testing.assert_allclose(path.centre[:, 0], (40 + 60 + np.arange(20)) / 2)
        np.testing.assert_array_equal(path.side, 20 + np.arange(20) + 20)
        with pytest.raises(SettingsError, match="pairs: expected rotate=True, found False"):
            pair_path(one, other, times(20), (100, 100), replace(settings, rotate=False))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"size_body_lengths": 0}, "size_body_lengths: expected a number from 0.1 on, found 0"),
            ({"margin": -1}, "margin: expected a number from 0 on"),
            ({"smooth_s": float("nan")}, "smooth_s: expected a number"),
            ({"max_gap_s": float("inf")}, "max_gap_s: expected a number"),
            ({"min_points": 0}, "min_points: expected at least 1, found 0"),
            ({"size_px": 1}, "size_px: expected at least 2 pixels, found 1"),
            ({"axis": ("nose", "nose")}, "axis: expected the names of a front and another"),
        ],
    )
    def test_settings(self, options, message):
        with pytest.raises(SettingsError, match=message):
            FollowSettings(**options)


class TestFollowedRecording:
    def follow(self, recording, centre, **changes):
        settings = replace(STILL, **changes)
        path = single_path(make_track(centre), recording.time_s, (recording.width, recording.height), settings)
        return FollowedRecording(recording, "r@a", path, subject="a", settings=settings, pose={"sha256": "00"})

    def recording(self, count=6):
        frames = np.stack([blob(120, 100, 30 + 5 * i, 50) for i in range(count)])
        return ArrayRecording(frames, source_fps=25, recording_id="r")

    def test_frames_without_the_animal(self):
        centre = np.array([[30.0 + 5 * i, 50] for i in range(6)])
        centre[2:4] = np.nan
        followed = self.follow(self.recording(), centre)
        assert (followed.width, followed.height, followed.num_frames) == (40, 40, 6)
        found = list(followed.decode(np.arange(6), PREPROCESS))
        assert [frame.shown_index for frame in found] == [0, 1, -1, -1, 4, 5]
        assert [frame.frame_index for frame in found] == list(range(6))
        for frame in found:
            assert frame.pixels.shape == (36, 36, 3)
            if frame.shown_index < 0:
                assert frame.pixels.max() == 0
            else:
                np.testing.assert_allclose(spot(frame.pixels), 17.5, atol=0.5)
        np.testing.assert_allclose(spot(followed.read(4)), 19.5, atol=0.51)
        with pytest.raises(RecordingError, match='r@a: expected "a" in frame 2, found none there'):
            followed.read(2)

    def test_damage_shows_the_animal_where_it_was(self):
        recording = self.recording()

        def damaged(frame_index, preprocess=None):
            for frame in ArrayRecording.decode(recording, frame_index, preprocess):
                bad = frame.frame_index in (3, 5)
                shown = frame.frame_index - 1 if bad else frame.frame_index
                yield DecodedFrame(frame.frame_index, shown, recording.read(shown), bad)

        recording.decode = damaged
        centre = np.array([[30.0 + 5 * i, 50] for i in range(6)])
        centre[4] = np.nan
        found = list(self.follow(recording, centre).decode(np.arange(6), PREPROCESS))
        assert [(frame.shown_index, frame.damaged) for frame in found] == [
            (0, False), (1, False), (2, False), (2, True), (-1, False), (-1, True),
        ]  # fmt: skip
        np.testing.assert_allclose(spot(found[3].pixels), 17.5, atol=0.5)

    def test_source_names_everything_that_determines_the_pictures(self):
        source = self.follow(self.recording(), np.full((6, 2), 50.0)).source
        assert source["backend"] == "array"
        assert source["follow"] == {
            "subject": "a",
            "target": "",
            "of_recording": "r",
            "pose": {"sha256": "00"},
            "settings": {
                "size_body_lengths": 1.5, "margin": 0.25, "rotate": False, "smooth_s": 0.0, "max_gap_s": 0.0,
                "min_points": 1, "min_score": None, "axis": None, "size_px": 40,
            },
            "side_px": 40,
            "turned": None,
        }  # fmt: skip


class TestNames:
    @given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
    def test_names_stay_in_the_folder_and_apart(self, one, other):
        assume(one.strip() and other.strip())
        parts = file_name_part(one), file_name_part(other)
        assert (one == other) == (parts[0] == parts[1])
        for part in parts:
            assert not set(part) & set('/\\\0:*?"<>|@+\n')

    def test_ids(self):
        assert followed_id("day1/m1", "Weibchen ♀", "b") == "day1/m1@Weibchen %E2%99%80+b"
        assert followed_id("m", "../../etc") == "m@..%2F..%2Fetc"
        with pytest.raises(SettingsError, match="expected the name of an animal of at most 100 bytes, found ' '"):
            file_name_part(" ")


def write_poses(path, num_frames=20, names=("a", "b"), seen=lambda name, frame: True):
    """Two points a frame and animal, in DeepLabCut's layout: a looks right at height 10, b up at x = 30."""
    ends = {"a": ((20, 10), (8, 10)), "b": ((30, 12), (30, 24))}
    rows = [["scorer"], ["individuals"], ["bodyparts"], ["coords"]] + [[str(frame)] for frame in range(num_frames)]
    for name in names:
        for node, (x, y) in zip(("nose", "tailbase"), ends.get(name, ends["a"]), strict=True):
            for coord, value in (("x", x), ("y", y), ("likelihood", None)):
                for row, text in zip(rows, ("s", name, node, coord), strict=False):
                    row.append(text)
                for frame, row in enumerate(rows[4:]):
                    row.append(str((0.99 if seen(name, frame) else 0.01) if value is None else value))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


QUICK = {"num_frames": 4, "stride": 2, "preprocess": PREPROCESS}


class TestJob:
    def batch(self, tmp_path, count=2):
        videos = [write_video(tmp_path / "in" / f"m{i}.avi", num_frames=20) for i in range(count)]
        for i in range(count):
            write_poses(tmp_path / "poses" / f"m{i}DLC_x.csv", seen=lambda name, frame: name == "a" or frame < 12)
        return videos

    def test_one_file_per_animal_beside_the_whole_frames(self, tmp_path, encoder):
        self.batch(tmp_path)
        results = embed(tmp_path / "in", encoder, out=tmp_path / "out", poses=tmp_path / "poses", **QUICK)
        ids = ["m0", "m0@a", "m0@b", "m1", "m1@a", "m1@b"]
        assert [(result.recording_id, result.status) for result in results] == [(name, "done") for name in ids]
        assert sorted(path.name for path in (tmp_path / "out").glob("*.h5")) == [
            f"{name}.embeddings.h5" for name in ids
        ]
        assert [line["recording_id"] for line in read_manifest(tmp_path / "out")] == ids
        with (
            open_embeddings(tmp_path / "out" / "m1@b.embeddings.h5") as found,
            open_embeddings(results[3].output) as whole,
        ):
            assert (found.subject, found.target, found.bout_recording) == ("b", "", "m1")
            assert found.present.tolist() == [True] * 12 + [False] * 8
            np.testing.assert_array_equal(found.time_s, whole.time_s)
            assert (whole.subject, whole.bout_recording, whole.present.all()) == ("", "m1", True)
            assert np.abs(np.asarray(found.track)[:12] - np.asarray(whole.track)[:12]).max() > 0.01
            follow = found.provenance.source["follow"]
            assert follow["pose"] == {
                "format": "DeepLabCut", "sha256": sha256(tmp_path / "poses" / "m1DLC_x.csv"), "animals": ["b"],
            }  # fmt: skip
        again = embed(tmp_path / "in", encoder, out=tmp_path / "out", poses=tmp_path / "poses", **QUICK)
        assert {result.status for result in again} == {"skipped"}

    def test_the_pictures_of_the_job_are_those_of_the_recording(self, tmp_path, encoder):
        """A row of the track is what the encoder makes of the pictures around the animal."""
        [video] = self.batch(tmp_path, 1)
        pose = tmp_path / "poses" / "m0DLC_x.csv"
        [result] = embed(video, encoder, out=tmp_path / "out", poses=pose, subjects=["a"], whole_frame=False, **QUICK)
        with open_recording(video) as recording:
            [followed] = follow_animals(recording, pose, subjects=["a"])
            clip = np.stack([frame.pixels for frame in followed.decode(np.arange(4), PREPROCESS)]) / np.float32(255)
        expected = np.asarray(encoder(clip[None]))[0].reshape(4, 4, -1).mean(axis=1)
        with open_embeddings(result.output) as found:
            np.testing.assert_allclose(np.asarray(found.track)[0, 0], expected[0], atol=2e-3)

    def test_other_poses_or_settings_are_another_track(self, tmp_path, encoder):
        [video] = self.batch(tmp_path, 1)
        job = {"out": tmp_path / "out", "poses": tmp_path / "poses", "whole_frame": False, **QUICK}
        embed(video, encoder, **job)
        with pytest.raises(BatchError, match=r"source.follow.settings.rotate: true here, false in the file"):
            embed(video, encoder, follow=FollowSettings(rotate=True), **job)
        write_poses(tmp_path / "poses" / "m0DLC_x.csv")
        with pytest.raises(BatchError, match=r"source.follow.pose.sha256: \w+ here, \w+ in the file"):
            embed(video, encoder, **job)

    def test_recordings_without_poses_fail_alone(self, tmp_path, encoder):
        self.batch(tmp_path)
        (tmp_path / "poses" / "m0DLC_x.csv").rename(tmp_path / "poses" / "x.csv")
        results = embed(
            tmp_path / "in", encoder, out=tmp_path / "out", poses=tmp_path / "poses", raise_failures=False, **QUICK
        )
        assert [(result.recording_id, result.status) for result in results] == [
            ("m0", "failed"), ("m1", "done"), ("m1@a", "done"), ("m1@b", "done"),
        ]  # fmt: skip
        assert "expected a pose file of m0.avi" in results[0].error

    def test_names_and_pairs(self, tmp_path, encoder):
        [video] = self.batch(tmp_path, 1)
        with open_recording(video, recording_id="day/m0") as recording:
            results = embed(
                recording, encoder, out=tmp_path / "out", poses={"day/m0": tmp_path / "poses" / "m0DLC_x.csv"},
                subjects={"b": "male", "a": "female/1"}, follow=FollowSettings(rotate=True), pairs=True,
                whole_frame=False, **QUICK,
            )  # fmt: skip
        names = ["male", "female%2F1", "male+female%2F1", "female%2F1+male"]
        assert [result.recording_id for result in results] == [f"day/m0@{name}" for name in names]
        with open_embeddings(results[2].output) as found:
            assert (found.subject, found.target, found.bout_recording) == ("male", "female/1", "day/m0")
            assert found.present.tolist() == [True] * 12 + [False] * 8
            assert found.provenance.source["follow"]["pose"]["animals"] == ["b", "a"]

    def test_wrong_names(self, tmp_path, encoder):
        [video] = self.batch(tmp_path, 1)
        job = {"out": tmp_path / "out", "poses": tmp_path / "poses", **QUICK}
        with pytest.raises(BatchError, match='expected the animal "c", found a, b'):
            embed(video, encoder, subjects=["c"], **job)
        with pytest.raises(BatchError, match="subjects: expected names that differ, found x, x"):
            embed(video, encoder, subjects={"a": "x", "b": "x"}, **job)
        with pytest.raises(BatchError, match="expected names that differ not only in capitals"):
            embed(video, encoder, subjects={"a": "x", "b": "X"}, **job)
        with pytest.raises(SettingsError, match="pairs: expected rotate=True"):
            embed(video, encoder, pairs=True, **job)
        with pytest.raises(SettingsError, match="expected poses, which say where the animals are"):
            embed(video, encoder, out=tmp_path / "out", whole_frame=False, **QUICK)

    def test_animals_that_are_never_seen_give_no_file(self, tmp_path, encoder):
        video = write_video(tmp_path / "m.avi", num_frames=20)
        pose = write_poses(tmp_path / "m.csv", seen=lambda name, frame: name == "a")
        results = embed(video, encoder, out=tmp_path / "out", poses=pose, whole_frame=False, **QUICK)
        assert [result.recording_id for result in results] == ["m@a"]
        with pytest.raises(BatchError, match='"b": expected an animal that is seen in some frame, found none'):
            embed(video, encoder, out=tmp_path / "out", poses=pose, subjects=["b"], **QUICK)

    def test_the_recording_changes_under_way_and_resumes(self, tmp_path, encoder):
        """Interrupted and resumed, a file of an animal has the same bytes."""
        [video] = self.batch(tmp_path, 1)
        job = {"poses": tmp_path / "poses", "whole_frame": False, "subjects": ["b"], **QUICK}

        class Stop:
            def start(self, *facts):
                pass

            def finish(self, result):
                pass

            def advance(self, grid_frames):
                raise KeyboardInterrupt

        embed(video, encoder, out=tmp_path / "one", **job)
        with pytest.raises(KeyboardInterrupt):
            embed(video, encoder, out=tmp_path / "two", progress=Stop(), **job)
        embed(video, encoder, out=tmp_path / "two", **job)
        assert sha256(tmp_path / "one" / "m0@b.embeddings.h5") == sha256(tmp_path / "two" / "m0@b.embeddings.h5")


def shorten(video, poses, folder, num_frames):
    """The first frames of a recording and of its SLEAP analysis file."""
    with open_recording(video) as recording, av.open(str(folder / "flies.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 1024, 1024, "yuv420p", 8_000_000
        for frame in recording.decode(np.arange(num_frames)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.pixels, format="rgb24")))
        container.mux(stream.encode(None))
    with h5py.File(poses) as source, h5py.File(folder / "flies.analysis.h5", "w") as file:
        file["node_names"], file["track_names"] = source["node_names"][()], source["track_names"][()]
        file["tracks"] = source["tracks"][..., :num_frames]


def test_two_flies(tmp_path, footage):
    """The recording with two tracked flies: turned pictures along it, then the whole job on its first 60 frames."""
    video, poses = footage / "fly" / f"{FLY}.mp4", footage / "fly" / f"{FLY}.predictions.analysis.h5"
    with open_recording(video) as recording:
        flies = follow_animals(recording, find_pose_file(video, footage / "fly"), FollowSettings(rotate=True))
        assert [(fly.id, fly.width) for fly in flies] == [(f"{FLY}@track_0", 136), (f"{FLY}@track_1", 153)]
        for fly in flies:
            for frame in fly.decode(np.array([100, 2400]), Preprocess(90, 90)):
                light = frame.pixels[..., 0].astype(float)  # the fly is bright on black, and upright
                assert light[20:70, 38:52].mean() > 2.5 * light[20:70, [*range(20), *range(70, 90)]].mean()
    shorten(video, poses, tmp_path, 60)
    results = embed(
        tmp_path / "flies.mp4", make_encoder(), out=tmp_path / "out", poses=tmp_path, num_frames=8, stride=4,
        preprocess=PREPROCESS, follow=FollowSettings(rotate=True),
    )  # fmt: skip
    assert [result.recording_id for result in results] == ["flies", "flies@track_0", "flies@track_1"]
    tracks = []
    for result, subject in zip(results, ("", "track_0", "track_1"), strict=True):
        with open_embeddings(result.output) as found:
            assert (len(found), found.subject, found.bout_recording) == (60, subject, "flies")
            assert found.present.all()
            tracks.append(np.asarray(found.track, np.float32))
    assert np.abs(tracks[1] - tracks[2]).max() > 0.05


def test_the_figure_of_a_followed_animal(tmp_path, encoder):
    """Frames without the animal are black thumbnails."""
    from vp_science.plots import strip_frames

    video = write_video(tmp_path / "m.avi", num_frames=20)
    pose = write_poses(tmp_path / "m.csv", seen=lambda name, frame: frame < 10)
    [result] = embed(video, encoder, out=tmp_path, poses=pose, subjects=["a"], whole_frame=False, **QUICK)
    with open_embeddings(result.output) as found, open_recording(video) as recording:
        [followed] = follow_animals(recording, pose, subjects=["a"])
        first, last = strip_frames(found, followed, 2)
    assert first.shape == last.shape
    assert first.max() > 0
    assert last.max() == 0
