"""Frames of recordings by time: the right ones, cut as the encoder saw them, from few open files."""

from itertools import pairwise

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_tools import counting_frames, numbers, study, track_of, write_dlc, write_lossless

import vp_science.pictures as pictures
from vp_science.animals import follow_animals
from vp_science.errors import PoseError, ProbeError, RecordingError, SettingsError, StoreError
from vp_science.pictures import PictureBook
from vp_science.video.array import ArrayRecording
from vp_science.video.crop_path import FollowSettings
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def tracks(folder):
    return study(folder)


@pytest.fixture
def book(folder, tracks):
    with PictureBook(folder, tracks) as opened:
        yield opened


class TestTimes:
    @given(time_s=st.floats(0, 4.9))
    @settings(max_examples=30, deadline=None)
    def test_the_frame_on_screen_then(self, folder, tracks, time_s):
        with PictureBook(folder, tracks) as book:
            shown = numbers(book.frame("b", time_s, 24))
        assert shown == min(39, np.floor(round(time_s + 1e-6, 9) * 10))

    def test_times_that_were_computed_stay_on_their_frame(self, book):
        assert [numbers(book.frame("a", index * 0.1, 24)) for index in range(40)] == list(range(40))

    def test_the_clock_of_the_recording(self, tmp_path):
        """HDF5 recordings keep their own clock, here with a pause in it."""
        times = np.array([100.0, 100.1, 100.2, 105.0, 105.1])
        with h5py.File(tmp_path / "w.h5", "w") as file:
            file["mask"] = counting_frames(5)[..., 0]
            file["timestamp/time"] = times
            file["timestamp/time"].attrs["unit"] = "s"
        with open_recording(tmp_path / "w.h5") as recording:
            track = track_of(recording)
        with PictureBook(tmp_path, [track]) as book:
            asked = [100.05, 100.2, 104.9, 105.0, 105.15]
            assert [numbers(book.frame("w", time, 24)) for time in asked] == [0, 2, 2, 3, 4]
            assert book.extent_s("w") == pytest.approx((100, 105.2))
            with pytest.raises(RecordingError, match=r"expected times from 100\.000 to 105\.200 s, found 3\.000"):
                book.frame("w", 3, 24)

    def test_a_strip_spreads_its_frames(self, book):
        strip = book.strip("a", 1.0, 3.0, num_frames=5, height=12)
        assert strip.shape == (12, 5 * 16 + 4 * 2, 3)
        parts = [strip[:, left : left + 16] for left in range(0, 88, 18)]
        assert [numbers(part) for part in parts] == [12, 16, 20, 24, 28]
        assert (strip[:, 16:18] == 255).all()

    def test_a_strip_of_an_instant_shows_it(self, book):
        strip = book.strip("a", 1.0, 1.0, num_frames=2, height=12)
        assert numbers(strip[:, :16]) == numbers(strip[:, 18:]) == 10

    def test_frames_at_a_constant_rate(self, book):
        assert [numbers(f) for f in book.frames("c", 1.0, 2.0, fps=5, height=24)] == [10, 12, 14, 16, 18]
        twice = [numbers(f) for f in book.frames("c", 1.0, 1.5, fps=20, height=24)]
        assert twice == [10, 10, 11, 11, 12, 12, 13, 13, 14, 14]
        assert len(list(book.frames("c", 1.0, 1.0, fps=5, height=24))) == 1

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda b: b.frame("a", 7.0, 24), r"a: expected times from 0\.000 to 4\.000 s, found 7\.000"),
            (lambda b: b.frame("a", float("nan"), 24), "expected times from"),
            (lambda b: b.frame("z", 1.0, 24), "expected a recording among a, b, c, d, found 'z'"),
            (lambda b: b.frame("a", 1.0, 0), "expected a height of 1 to 4320 pixels, found 0"),
            (lambda b: b.strip("a", 2.0, 1.0), "expected start_s <= stop_s in seconds, found 2.0 and 1.0"),
            (lambda b: b.strip("a", 1.0, 2.0, num_frames=0), "a strip of 1 to 64 frames, found num_frames=0"),
            (lambda b: list(b.frames("a", 1.0, 2.0, fps=0, height=9)), "frames per second, found fps=0"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, book, call, message):
        with pytest.raises((SettingsError, RecordingError), match=message):
            call(book)


class TestOpenFiles:
    def test_few_are_open_at_once_and_none_afterwards(self, folder, tracks, monkeypatch):
        opened, now, most = [], set(), 0
        real = pictures.open_source

        def spy(source, track):
            nonlocal most
            recording = real(source, track)
            opened.append(recording.id)
            now.add(recording.id)
            most = max(most, len(now))
            close = recording.close
            recording.close = lambda: (now.discard(recording.id), close())
            return recording

        monkeypatch.setattr(pictures, "open_source", spy)
        with PictureBook(folder, tracks, max_open=2) as book:
            assert not opened, "nothing is opened before it is needed"
            for name in ("a", "a", "b", "a", "c", "a", "d", "b"):
                book.frame(name, 1.0, 12)
        assert opened == ["a", "b", "c", "d", "b"]
        assert most == 3, "the new one is opened before the oldest is closed"
        assert not now

    def test_what_is_being_read_stays_open(self, folder, tracks):
        with PictureBook(folder, tracks, max_open=1) as book:
            readers = [book.frames(name, 0.0, 4.0, fps=10, height=12) for name in ("a", "b", "c")]
            shown = [[numbers(next(reader)) for reader in readers] for _ in range(40)]
            assert shown == [[index] * 3 for index in range(40)]

    def test_open_recordings_that_are_given_stay_open(self, folder, tracks):
        recording = open_recording(folder / "a.mkv")
        with PictureBook([recording], tracks[:1]) as book:
            assert numbers(book.frame("a", 2.0, 24)) == 20
        assert recording.read(3)[0, 0, 0] == 12
        recording.close()

    def test_recordings_that_are_missing_are_named(self, folder, tracks, tmp_path):
        write_lossless(tmp_path / "a.mkv", counting_frames(40))
        with pytest.raises(ProbeError, match="expected the recordings of all tracks, found none for b, c, d"):
            PictureBook(tmp_path, tracks)

    def test_another_recording_of_the_same_name_is_refused(self, tracks, tmp_path):
        write_lossless(tmp_path / "a.mkv", counting_frames(39))
        with (
            PictureBook(tmp_path, tracks[:1]) as book,
            pytest.raises(ProbeError, match="expected the recording that the track of 'a' was made from"),
        ):
            book.frame("a", 1.0, 12)


class TestWhatTheEncoderSaw:
    @staticmethod
    def halves():
        """Left half dark, right half bright, 60 wide and 20 high."""
        frames = np.zeros((5, 20, 60, 3), np.uint8)
        frames[:, :, 30:] = 200
        return ArrayRecording(frames, source_fps=10, recording_id="x")

    @pytest.mark.parametrize(
        ("preprocess", "shape", "left", "right"),
        [
            ({}, (40, 120), 0, 200),
            ({"crop": [30, 0, 20, 20]}, (40, 40), 200, 200),
            ({"fit": "crop"}, (40, 40), 0, 200),
            ({"fit": "pad"}, (40, 120), 0, 200),
            ({"crop": [10, 10, 20, 10], "fit": "pad"}, (40, 80), 0, 0),
        ],
    )
    def test_its_part_of_the_frame_in_natural_proportions(self, preprocess, shape, left, right):
        recording = self.halves()
        with PictureBook([recording], [track_of(recording, **preprocess)]) as book:
            picture = book.frame("x", 0.2, 40)
            assert book.width("x", 40) == shape[1]
        assert picture.shape == (*shape, 3)
        assert (picture[20, 2, 0], picture[20, -3, 0]) == (left, right)

    def test_a_strange_shape_is_squeezed(self):
        recording = ArrayRecording(np.zeros((3, 6, 4000, 3), np.uint8), source_fps=10, recording_id="x")
        with PictureBook([recording], [track_of(recording)]) as book:
            assert book.frame("x", 0.0, 10).shape == (10, 80, 3)


class TestFollowedAnimals:
    @pytest.fixture
    def followed(self, tmp_path):
        """A bright square that wanders, followed; not seen in the last ten frames."""
        frames = np.full((40, 48, 64, 3), 20, np.uint8)
        place = np.stack([np.linspace(14, 48, 40).round(), np.full(40, 24)], axis=1)
        for frame, (x, y) in zip(frames, place.astype(int), strict=True):
            frame[y - 3 : y + 3, x - 3 : x + 3] = 240
        video = write_lossless(tmp_path / "videos" / "m.mkv", frames)
        poses = write_dlc(tmp_path / "poses" / "mDLC_resnet50.csv", np.arange(40) < 30, place)
        with open_recording(video) as recording:
            [animal] = follow_animals(recording, poses, FollowSettings(size_px=20, smooth_s=0, max_gap_s=0))
            return tmp_path, track_of(animal), [f.pixels for f in animal.decode(np.arange(40), Preprocess(40, 40))]

    def test_they_are_cut_out_as_the_encoder_saw_them(self, followed):
        folder, track, seen = followed
        with PictureBook(folder / "videos", [track], poses=folder / "poses") as book:
            shown = list(book.frames(track.recording_id, 0.0, 4.0, fps=10, height=40))
        assert all((a == b).all() for a, b in zip(shown, seen, strict=True))
        assert shown[5][20, 20, 0] > 200, "the animal is in the middle"
        assert not shown[35].any(), "black where it was not seen"

    def test_without_poses_the_whole_frame_is_shown(self, followed):
        folder, track, _ = followed
        with PictureBook(folder / "videos", [track]) as book:
            picture = book.frame(track.recording_id, 0.0, 48)
        assert picture.shape == (48, 64, 3)
        assert picture[24, 14, 0] == 240

    def test_other_poses_are_refused(self, followed):
        folder, track, _ = followed
        file = folder / "poses" / "mDLC_resnet50.csv"
        file.write_text(file.read_text().replace("0.99", "0.98"))
        with (
            PictureBook(folder / "videos", [track], poses=folder / "poses") as book,
            pytest.raises(PoseError, match=r"expected the pose file that the track of .* was made with"),
        ):
            book.frame(track.recording_id, 0.0, 48)

    def test_a_damaged_record_is_refused(self, followed):
        folder, track, _ = followed
        del track.provenance.source["follow"]["settings"]["axis"]
        with (
            PictureBook(folder / "videos", [track], poses=folder / "poses") as book,
            pytest.raises(StoreError, match="expected its track to say how the animal was followed"),
        ):
            book.frame(track.recording_id, 0.0, 48)

    def test_an_animal_and_its_recording_share_one_open_file(self, followed):
        folder, track, _ = followed
        with open_recording(folder / "videos" / "m.mkv") as recording:
            whole = track_of(recording)
        with PictureBook(folder / "videos", [whole, track], poses=folder / "poses", max_open=1) as book:
            assert book.frame("m", 0.0, 48).shape == (48, 64, 3)
            assert book.frame(track.recording_id, 0.0, 40).shape == (40, 40, 3)
            assert len(book._open) == 1


def test_real_footage_opens_and_moves(footage):
    with open_recording(footage / "fly" / "flies_20190128_male_crop.mp4") as recording:
        track = track_of(recording)
    with PictureBook(footage / "fly", [track]) as book:
        shown = [frame.astype(int) for frame in book.frames(track.recording_id, 51.6, 53.4, fps=10, height=64)]
    assert len(shown) == 18
    assert all(np.abs(b - a).mean() > 0.5 for a, b in pairwise(shown))
