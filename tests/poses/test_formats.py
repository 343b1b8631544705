"""Every format, read from files as the tool writes them."""

import warnings

import h5py
import numpy as np
import pytest
import sleap_io
from pose_files import (
    cvat_box,
    cvat_track,
    cvat_xml,
    dlc_header,
    dlc_values,
    make_points,
    write_dlc_csv,
    write_dlc_fixed,
    write_dlc_table,
    write_jabs,
)

from vp_science.errors import PoseError
from vp_science.poses.load import load_animal_tracks, read_points

NODES = ["nose", "back", "tail base"]
HEAD = "scorer,s,s\nbodyparts,nose,nose\ncoords,x,y\n"


def labels_of(xy, tracks=("a", "b"), frames=None, nodes=NODES, video="clip.mp4"):
    skeleton = sleap_io.Skeleton(list(nodes))
    videos = [sleap_io.Video(filename=video, open_backend=False)]
    made = [sleap_io.Track(name) for name in tracks]
    rows = []
    for frame, animals in zip(frames if frames is not None else range(len(xy)), xy, strict=True):
        instances = [
            sleap_io.PredictedInstance.from_numpy(points, skeleton=skeleton, point_scores=np.full(len(points), 0.5),
                                                  score=0.5, track=track)
            for points, track in zip(animals, made or [None] * len(animals), strict=True)
            if np.isfinite(points).any()
        ]  # fmt: skip
        rows.append(sleap_io.LabeledFrame(video=videos[0], frame_idx=frame, instances=instances))
    return sleap_io.Labels(rows, videos=videos, tracks=made, skeletons=[skeleton])


class TestSleap:
    def test_project_and_analysis_hold_what_was_written(self, tmp_path):
        xy = make_points()
        xy[3, 1] = np.nan
        xy[5, 0, 2] = np.nan
        labels = labels_of(xy)
        sleap_io.save_slp(labels, str(tmp_path / "clip.slp"), verbose=False)
        sleap_io.save_analysis_h5(labels, str(tmp_path / "clip.analysis.h5"))
        for name in ("clip.slp", "clip.analysis.h5"):
            points = read_points(tmp_path / name)
            assert (points.animals, points.nodes) == (["a", "b"], NODES)
            np.testing.assert_allclose(points.xy, xy, err_msg=name)
            assert np.nanmin(points.score) == np.nanmax(points.score) == pytest.approx(0.5)

    @pytest.mark.parametrize("preset", ["matlab", "standard"])
    def test_analysis_in_both_axis_orders(self, tmp_path, preset):
        xy = make_points()
        sleap_io.save_analysis_h5(labels_of(xy), str(tmp_path / "m.analysis.h5"), preset=preset)
        np.testing.assert_allclose(read_points(tmp_path / "m.analysis.h5").xy, xy)

    def test_frames_keep_their_numbers_and_animals_their_columns(self, tmp_path):
        """Predictions that begin late, and two animals that are never seen together."""
        xy = make_points(6)
        xy[:3, 1], xy[3:, 0] = np.nan, np.nan
        sleap_io.save_slp(labels_of(xy, frames=range(10, 16)), str(tmp_path / "late.slp"), verbose=False)
        tracks = load_animal_tracks(tmp_path / "late.slp")
        assert np.flatnonzero(tracks["a"].present).tolist() == [10, 11, 12]
        assert np.flatnonzero(tracks["b"].present).tolist() == [13, 14, 15]

    def test_a_person_wins_over_predictions(self, tmp_path):
        xy = make_points(4, 1)
        labels = labels_of(xy, tracks=("a",))
        corrected = sleap_io.Instance.from_numpy(xy[2, 0] + 5, skeleton=labels.skeletons[0], track=labels.tracks[0])
        labels.labeled_frames[2].instances.append(corrected)
        sleap_io.save_slp(labels, str(tmp_path / "m.slp"), verbose=False)
        found = read_points(tmp_path / "m.slp").xy[:, 0]
        np.testing.assert_allclose(found[2], xy[2, 0] + 5)
        np.testing.assert_allclose(found[1], xy[1, 0])

    def test_one_untracked_animal_needs_no_track(self, tmp_path):
        sleap_io.save_slp(labels_of(make_points(4, 1), tracks=()), str(tmp_path / "m.slp"), verbose=False)
        assert list(load_animal_tracks(tmp_path / "m.slp")) == ["animal"]

    def test_several_untracked_animals(self, tmp_path):
        sleap_io.save_slp(labels_of(make_points(), tracks=()), str(tmp_path / "m.slp"), verbose=False)
        with pytest.raises(PoseError, match=r"several animals without tracks in frame 0: run SLEAP's tracker"):
            read_points(tmp_path / "m.slp")

    def test_a_track_twice_in_a_frame(self, tmp_path):
        labels = labels_of(make_points(4, 1), tracks=("a",))
        labels.labeled_frames[2].instances *= 2
        sleap_io.save_slp(labels, str(tmp_path / "m.slp"), verbose=False)
        with pytest.raises(PoseError, match=r'found the track "a" twice in frame 2'):
            read_points(tmp_path / "m.slp")

    def test_the_video_is_chosen_by_its_name(self, tmp_path):
        one, two = (
            labels_of(make_points(4), video="day1/m1.mp4"),
            labels_of(make_points(5, seed=1), video="C:\\d\\m2.avi"),
        )
        one.merge(two, frame="keep_both", track="name", video="basename")
        sleap_io.save_slp(one, str(tmp_path / "all.slp"), verbose=False)
        found = read_points(tmp_path / "all.slp", video="m2.mp4")
        np.testing.assert_allclose(found.xy, make_points(5, seed=1))
        with pytest.raises(PoseError, match=r"called like the recording \(m3.mp4\), found 2 videos: m1, m2"):
            read_points(tmp_path / "all.slp", video="m3.mp4")

    def test_the_fly_recording(self, footage):
        """An analysis file of an older SLEAP: no point scores."""
        tracks = load_animal_tracks(footage / "fly" / "20190128_113421.120s.predictions.analysis.h5")
        assert list(tracks) == ["track_0", "track_1"]
        for track, length in zip(tracks.values(), (67.8, 76.3), strict=True):
            assert len(track) == 3000
            assert track.present.all()
            assert np.nanmedian(track.length) == pytest.approx(length, abs=0.1)
            assert np.isfinite(track.axis).mean() > 0.99


class TestDeepLabCut:
    xy = make_points(9, 1)
    score = np.random.default_rng(1).uniform(0, 1, (9, 1, 3)).round(4)

    def check(self, points, animals=("animal",)):
        assert (points.animals, points.nodes, points.usual_score) == (list(animals), NODES, 0.6)
        np.testing.assert_allclose(points.xy, self.xy)
        np.testing.assert_allclose(points.score, self.score)

    def test_single_animal(self, tmp_path):
        columns, values = dlc_header(NODES), dlc_values(self.xy, self.score)
        self.check(read_points(write_dlc_csv(tmp_path / "m.csv", columns, values)))
        self.check(read_points(write_dlc_table(tmp_path / "m.h5", columns, values)))
        self.check(read_points(write_dlc_fixed(tmp_path / "f.h5", columns, values)))

    @pytest.mark.parametrize("write", [write_dlc_csv, write_dlc_table, write_dlc_fixed])
    def test_several_animals_and_points_that_are_no_animal(self, tmp_path, write):
        """DeepLabCut files corners of the arena and the like under the individual "single"."""
        xy, score = make_points(7, 2), np.ones((7, 2, 3))
        columns = dlc_header(NODES, ("Mäuschen", "b")) + dlc_header(["corner"], ("single",))
        values = np.concatenate([dlc_values(xy, score), np.ones((7, 3))], axis=1)
        path = write(tmp_path / ("m.csv" if write is write_dlc_csv else "m.h5"), columns, values)
        points = read_points(path)
        assert (points.animals, points.nodes) == (["Mäuschen", "b"], NODES)
        np.testing.assert_allclose(points.xy, xy)

    def test_rows_in_any_order_and_columns_in_any_order(self, tmp_path):
        columns, values = dlc_header(NODES), dlc_values(self.xy, self.score)
        order = np.random.default_rng(2).permutation(9)
        shuffled = write_dlc_csv(tmp_path / "m.csv", columns[::-1], values[order][:, ::-1], frames=order)
        points = read_points(shuffled)
        np.testing.assert_allclose(points.xy[:, :, ::-1], self.xy)

    def test_missing_rows_are_frames_without_the_animal(self, tmp_path):
        values = dlc_values(self.xy, np.ones_like(self.score))
        path = write_dlc_csv(tmp_path / "m.csv", dlc_header(NODES), values[[1, 4]], frames=[1, 4])
        assert load_animal_tracks(path)["animal"].present.tolist() == [False, True, False, False, True]

    def test_likelihood(self, tmp_path):
        score = np.full((9, 1, 3), 0.9)
        score[2], score[4, 0, 0] = 0.1, 0.59
        path = write_dlc_csv(tmp_path / "m.csv", dlc_header(NODES), dlc_values(self.xy, score))
        assert load_animal_tracks(path)["animal"].num_points.tolist() == [3, 3, 0, 3, 2, 3, 3, 3, 3]
        assert load_animal_tracks(path, min_score=0)["animal"].present.all()
        assert load_animal_tracks(path, min_points=3)["animal"].present.tolist() == [i not in (2, 4) for i in range(9)]

    def test_the_mouse_recordings(self, footage):
        """One in pandas' table format (one mouse), one in its fixed format (three, whole numbers, no likelihood)."""
        name = "m3v1mp4DLC_resnet50_openfieldOct30shuffle1_100000.h5"
        points = read_points(footage / "mouse" / name)
        assert points.nodes == ["snout", "leftear", "rightear", "tailbase"]
        assert points.xy.shape == (2330, 1, 4, 2)
        assert (points.score >= 0).all()
        tracks = load_animal_tracks(footage / "mouse" / "EGS8X2MN4SSUGFWAV976.h5")
        assert list(tracks) == ["mouse1", "mouse2", "mouse3"]
        assert [round(track.present.mean(), 2) for track in tracks.values()] == [0.80, 0.98, 0.91]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("frame,x,y\n0,1,2\n", "expected the header lines scorer, .*found frame, 0"),
            (HEAD + "0,1,2\n0,3,4\n", "expected each frame once, found frame 0 twice"),
            (HEAD + "0,1,zwei\n", "line 4, column 3: expected a number, found 'zwei'"),
            (HEAD + "0,1\n", "line 4: expected 3 columns as in the header, found 2"),
            (HEAD + "img/1.png,1,2\n", "line 4, column 1: expected the number of a f"),
            ("scorer,s,s\nbodyparts,nose,nose\ncoords,x,x\n0,1,2\n", "expected every point once, found a column twice"),
            ("scorer,s\nbodyparts,nose\ncoords,x\n0,1\n", "expected x and y of animal, nose; y is missing"),
            ("scorer,s,t\nbodyparts,nose,nose\ncoords,x,y\n0,1,2\n", "expected one scorer, found s, t"),
            (HEAD, "expected a line per frame below the header, found none"),
            (HEAD + "999999999,1,2\n", "expected at most .* numbers"),
        ],
    )  # fmt: skip
    def test_bad_tables(self, tmp_path, text, message):
        path = tmp_path / "m.csv"
        path.write_text(text)
        with pytest.raises(PoseError, match=message):
            read_points(path)


class TestJabs:
    xy = np.random.default_rng(3).integers(10, 200, (6, 2, 12, 2)).astype(float)

    def test_identities_of_version_4_on(self, tmp_path):
        """Identities count from 1 and change slots; masked instances are nobody; x and y are swapped on disk."""
        identity = np.array([[1, 2], [2, 1], [1, 0], [2, 1], [1, 2], [1, 2]])
        mask = np.zeros((6, 2), bool)
        mask[2, 1] = mask[4, 0] = True
        path = write_jabs(
            tmp_path / "m_pose_est_v6.h5", self.xy, np.ones((6, 2, 12)), 6, instance_embed_id=identity, id_mask=mask
        )
        points = read_points(path)
        assert (points.animals, points.format) == (["0", "1"], "JABS v6")
        np.testing.assert_array_equal(points.xy[1, 0], self.xy[1, 1])
        np.testing.assert_array_equal(points.xy[0, 0], self.xy[0, 0])
        tracks = load_animal_tracks(path)
        assert tracks["0"].present.tolist() == [True, True, True, True, False, True]
        assert tracks["1"].present.tolist() == [True, True, False, True, True, True]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = sleap_io.load_jabs(str(path))
        np.testing.assert_array_equal(other[1].instances[0].numpy(), points.xy[1, 1])

    def test_version_2_and_confidence(self, tmp_path):
        confidence = np.full((6, 1, 12), 0.9)
        confidence[2, 0] = 0.2
        path = write_jabs(tmp_path / "m_pose_est_v2.h5", self.xy[:, :1], confidence, 2)
        track = load_animal_tracks(path)["0"]
        assert track.present.tolist() == [True, True, False, True, True, True]
        np.testing.assert_allclose(track.centre[0], (self.xy[0, 0, 0] + self.xy[0, 0, 9]) / 2)  # nose and tail base

    def test_pieces_of_version_3_take_the_lowest_free_identity(self, tmp_path):
        piece = np.array([[7, 9], [7, 9], [9, 0], [9, 11], [11, 0], [11, 12]])
        path = write_jabs(
            tmp_path / "m_pose_est_v3.h5", self.xy, np.ones((6, 2, 12)), 3,
            instance_count=np.array([2, 2, 1, 2, 1, 2]), instance_track_id=piece,
        )  # fmt: skip
        tracks = load_animal_tracks(path)
        assert tracks["0"].present.tolist() == [True, True, False, True, True, True]  # piece 7, then 11
        assert tracks["1"].present.tolist() == [True, True, True, True, False, True]  # piece 9, then 12

    def test_an_identity_twice(self, tmp_path):
        path = write_jabs(
            tmp_path / "m_pose_est_v4.h5", self.xy, np.ones((6, 2, 12)), 4,
            instance_embed_id=np.ones((6, 2), int), id_mask=np.zeros((6, 2), bool),
        )  # fmt: skip
        with pytest.raises(PoseError, match=r"expected each animal once per frame, found identity 0 twice in frame 0"):
            read_points(path)

    def test_unknown_version(self, tmp_path):
        path = write_jabs(tmp_path / "m_pose_est_v9.h5", self.xy, np.ones((6, 2, 12)), 9)
        with pytest.raises(PoseError, match=r"expected a JABS pose file of version 2 to 8, found version 9"):
            read_points(path)


class TestCvat:
    def write(self, tmp_path, *tracks):
        path = tmp_path / "drone.xml"
        path.write_text(cvat_xml(*tracks))
        return path

    def test_boxes_outside_and_between(self, tmp_path):
        zebra = cvat_track(
            3, "zebra", cvat_box(2, (10, 20, 30, 60)), cvat_box(6, (18, 20, 38, 60)),
            cvat_box(7, (20, 20, 40, 60), outside=1), cvat_box(9, (50, 50, 70, 90)),
        )  # fmt: skip
        giraffe = cvat_track(4, "giraffe", cvat_box(0, (0, 0, 4, 9)))
        tracks = load_animal_tracks(self.write(tmp_path, zebra, giraffe))
        assert list(tracks) == ["zebra_3", "giraffe_4"]
        track = tracks["zebra_3"]
        assert np.flatnonzero(track.present).tolist() == [2, 3, 4, 5, 6, 9]
        np.testing.assert_allclose(track.centre[[2, 4, 6]], [[19.5, 39.5], [23.5, 39.5], [27.5, 39.5]])
        assert track.length[4] == 40
        assert np.isnan(track.axis).all()

    @pytest.mark.parametrize(
        ("track", "message"),
        [
            (cvat_track(1, "z", cvat_box(0, (1, 1, 2, 2)), cvat_box(0, (1, 1, 2, 2))), "track 1: .* frame 0 twice"),
            (cvat_track(1, "z", cvat_box(0, (5, 1, 2, 2))), "track 1, frame 0: expected a box of some width"),
            (cvat_track(1, "z", cvat_box(0, ("nan", 1, 2, 2))), "track 1, frame 0: expected a box of some width"),
            (cvat_track(1, "z", cvat_box("x", (1, 1, 2, 2))), "track 1: expected the number of a frame, found 'x'"),
            (cvat_track(1, "z", '<polygon frame="0" points="1,2;3,4"/>'), "expected boxes, found <polygon>"),
            (cvat_track(1, "z"), "track 1: expected boxes, found none"),
            (cvat_track(1, "", cvat_box(0, (1, 1, 2, 2))), "expected a label and an id for every track"),
            (cvat_track(1, "z", cvat_box(0, (1, 1, 2, 2))) * 2, 'expected track names that differ, found "z_1" twice'),
            (
                '<image id="0" name="a.png"></image>',
                'expected tracks, found single pictures: export as "CVAT for video',
            ),
            ("", 'expected tracks, found none: export as "CVAT for video 1.1"'),
            ("<track>", "expected XML that CVAT wrote, found ParseError"),
        ],
    )
    def test_bad_files(self, tmp_path, track, message):
        with pytest.raises(PoseError, match=message):
            read_points(self.write(tmp_path, track))

    def test_entities_are_refused(self, tmp_path):
        path = tmp_path / "bomb.xml"
        entity = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY e SYSTEM "file:///etc/passwd">]>'
        path.write_text(f"<?xml version='1.0'?>{entity}<annotations>&lol;&e;</annotations>")
        with pytest.raises(PoseError, match=r"expected XML that CVAT wrote, found DTDForbidden"):
            read_points(path)


def test_other_files(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("the mouse slept")
    with pytest.raises(PoseError, match=r"expected a pose file of SLEAP .* found none of these"):
        read_points(text)
    with pytest.raises(PoseError, match=r"expected a pose file, found no such file"):
        read_points(tmp_path / "missing.slp")
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        file["frames"] = np.zeros((3, 4, 4), np.uint8)
    with pytest.raises(PoseError, match=r"expected poses of SLEAP, DeepLabCut or JABS, found an HDF5 file with frames"):
        read_points(tmp_path / "frames.h5")
