"""Pictures of a session's moments: the frames that the careful way gives, few recordings open, a bounded cache."""

import os
import sys
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "pictures"))

from picture_tools import counting_frames, numbers, track_of, write_dlc, write_lossless

import vp_science as vp
from vp_science.animals import follow_animals
from vp_science.errors import RecordingError, SettingsError, StoreError
from vp_science.sessions import (
    PictureSource,
    SessionPictures,
    ThumbnailCache,
    open_session,
    picture_source,
    session_pictures,
    thumbnail_cache,
)
from vp_science.sessions.peek import peek
from vp_science.sessions.viewing import viewing_copy_path
from vp_science.store.plan import RecordingFacts
from vp_science.store.writer import EmbeddingWriter
from vp_science.timeline.grid import SampleGrid, plan_windows
from vp_science.video.preprocess import Preprocess

SMALL = Preprocess(16, 16)


@pytest.fixture(scope="module")
def clip():
    return vp.sample_recording()


@pytest.fixture(scope="module")
def careful(clip):
    with vp.open_recording(clip) as recording:
        yield recording


@pytest.fixture(scope="module")
def peeked(clip):
    found = peek(clip)
    yield found
    found.close()


def write_h264(path, num_frames=60, gop=20, fps=10, start_s=0.0):
    """Frames that differ, with key frames far apart and B-frames between; the first one may be late."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"g": str(gop), "bf": "2", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(num_frames):
            pixels = rng.integers(0, 255, (32, 32, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number + round(start_s * fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class TestPeek:
    @settings(max_examples=30, deadline=None)
    @given(places=st.lists(st.floats(0, 1), min_size=1, max_size=4))
    def test_a_look_shows_what_the_careful_way_shows(self, careful, peeked, places):
        times = np.sort(np.array(places)) * float(careful.time_s[-1])
        index = np.searchsorted(careful.time_s, times + 1e-6, side="right") - 1
        shown = dict(zip(np.unique(index), careful.decode(np.unique(index), SMALL), strict=True))
        for row, pixels in zip(index, peeked.pictures(times, SMALL), strict=True):
            np.testing.assert_array_equal(pixels, shown[row].pixels)

    @pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.mov"])
    @pytest.mark.parametrize("start_s", [0.0, 2.0])
    def test_every_frame_in_any_order_of_any_container(self, tmp_path, name, start_s):
        path = write_h264(tmp_path / name, start_s=start_s)
        look = peek(path)
        with vp.open_recording(path) as recording:
            assert (look.width, look.height) == (recording.width, recording.height)
            expected = [frame.pixels for frame in recording.decode(np.arange(recording.num_frames), SMALL)]
            for row in np.random.default_rng(1).permutation(recording.num_frames).tolist():
                (pixels,) = look.pictures(recording.time_s[[row]], SMALL)
                np.testing.assert_array_equal(pixels, expected[row], err_msg=str(row))
            in_order = list(look.pictures(recording.time_s, SMALL))
            np.testing.assert_array_equal(in_order, expected)
        look.close()

    def test_beyond_the_ends_are_the_first_and_the_last_frame(self, careful, peeked):
        first, last = peeked.pictures(np.array([-5.0, 1e6]), SMALL)
        ends = [frame.pixels for frame in careful.decode(np.array([0, careful.num_frames - 1]), SMALL)]
        np.testing.assert_array_equal([first, last], ends)

    def test_turned_videos_stand_upright(self, footage):
        turned = sorted((footage / "formats").glob("video_*.mov"))
        assert len(turned) == 4
        for path in turned:
            look = peek(path)
            with vp.open_recording(path) as recording:
                assert (look.width, look.height) == (recording.width, recording.height)
                (expected,) = recording.decode(np.array([1]), SMALL)
                (pixels,) = look.pictures(recording.time_s[[1]], SMALL)
            np.testing.assert_array_equal(pixels, expected.pixels)
            look.close()

    @pytest.mark.parametrize("content", [b"", b"no video at all", None])
    def test_what_is_no_video_is_left_to_the_careful_way(self, tmp_path, content):
        path = tmp_path / "v.mp4"
        if content is not None:
            path.write_bytes(content)
        assert peek(path) is None

    def test_containers_without_honest_times_are_left_to_the_careful_way(self, tmp_path):
        assert peek(write_lossless(tmp_path / "v.avi", counting_frames(5))) is None

    def test_damage_in_the_middle_still_shows_something(self, tmp_path):
        path = write_h264(tmp_path / "v.mkv", num_frames=100)
        content = bytearray(path.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 3000] = bytes(3000)
        path.write_bytes(content)
        look = peek(path)
        shown = list(look.pictures(np.arange(0, 10, 0.5), SMALL))
        assert {pixels.shape for pixels in shown} == {(16, 16, 3)}
        look.close()


@pytest.fixture
def session(tmp_path):
    made = open_session(tmp_path / "vp_science_session", places=tmp_path / "places.json")
    yield made
    made.close()


def write(table, recording, folder):
    """The track as a file."""
    made = table.provenance
    grid = SampleGrid(np.asarray(table.time_s), np.asarray(table.frame_index), None)
    windows = plan_windows(len(grid), made.num_frames, made.stride)
    facts = RecordingFacts.of(table.recording_id, None, recording.fingerprint())
    path = folder / f"{table.recording_id}.embeddings.h5"
    with EmbeddingWriter.open(path, made, facts, grid, windows, table.dim, len(windows)) as writer:
        writer.write_segment(0, table.track, table.window, table.shown_index, table.damaged_frames)
        writer.finish()


def add(session, name, frames=None):
    return session.add(write_lossless(session.root / name, counting_frames(30) if frames is None else frames))


class TestSessionPictures:
    @pytest.mark.parametrize("name", ["v.mkv", "v.avi"])
    def test_the_frame_on_screen(self, session, name):
        add(session, name)
        with SessionPictures() as pictures:
            source = picture_source(session, "v")
            assert numbers(pictures.picture(source, 1.25, 24)) == 12
            several = list(pictures.pictures(source, np.array([-1.0, 0.0, 0.05, 1.0, 99.0]), 24))
            assert [numbers(one) for one in several] == [0, 0, 0, 10, 29]
            assert several[0].shape == (24, 32, 3)

    def test_hdf5_recordings_keep_their_clock(self, session):
        path = session.root / "w.h5"
        with h5py.File(path, "w") as file:
            file["mask"] = counting_frames(5)[..., 0]
            file["timestamp/time"] = np.array([100.0, 100.1, 100.2, 105.0, 105.1])
            file["timestamp/time"].attrs["unit"] = "s"
        session.add(path)
        with SessionPictures() as pictures:
            shown = pictures.pictures(picture_source(session, "w"), np.array([0.0, 104.0, 105.0]), 24)
            assert [numbers(one) for one in shown] == [0, 2, 3]

    def test_few_are_open_at_once(self, session, monkeypatch):
        opened, closed = [], []
        real = session_pictures._open

        def watched(source):
            found = real(source)
            opened.append(source.path.stem)
            close = found.close
            monkeypatch.setattr(found, "close", lambda: (closed.append(source.path.stem), close()))
            return found

        monkeypatch.setattr(session_pictures, "_open", watched)
        for name in "abcd":
            add(session, f"{name}.mkv")
        pictures = SessionPictures(max_open=2)
        for name in "abacdd":
            pictures.picture(picture_source(session, name), 0.5, 24)
        assert opened == ["a", "b", "c", "d"]
        assert closed == ["b", "a"]
        pictures.close()
        assert sorted(closed) == ["a", "b", "c", "d"]

    def test_a_recording_that_changed_is_opened_again(self, session):
        add(session, "v.mkv")
        with SessionPictures() as pictures:
            assert numbers(pictures.picture(picture_source(session, "v"), 1.0, 24)) == 10
            write_lossless(session.root / "v.mkv", counting_frames(30)[::-1])
            assert numbers(pictures.picture(picture_source(session, "v"), 1.0, 24)) == 19

    def test_a_copy_for_viewing_is_looked_into_instead(self, session, tmp_path, monkeypatch):
        monkeypatch.setenv("VP_SCIENCE_CONFIG", str(tmp_path / "config"))
        recording = add(session, "v.mkv")
        copy = viewing_copy_path(recording.path)
        write_lossless(copy.with_suffix(".mkv"), counting_frames(30) + np.uint8(40)).rename(copy)
        with SessionPictures() as pictures:
            assert numbers(pictures.picture(picture_source(session, "v"), 1.0, 24)) == 20
        write_lossless(copy.with_suffix(".mkv"), counting_frames(30, height=12, width=16)).rename(copy)
        with SessionPictures() as pictures:  # of another size: a region of interest would lie elsewhere in it
            assert numbers(pictures.picture(picture_source(session, "v"), 1.0, 24)) == 10
            assert pictures.picture(picture_source(session, "v"), 0.0, 24).shape == (24, 32, 3)

    def test_the_region_of_interest_is_shown(self, session):
        frames = np.zeros((6, 24, 32, 3), np.uint8)
        frames[:, 4:12, 8:24] = 200
        recording = add(session, "v.mkv", frames)
        with vp.open_recording(recording.path) as opened:
            write(track_of(opened, crop=[8, 4, 16, 8]), opened, session.subfolder("tracks"))
        with SessionPictures() as pictures:
            shown = pictures.picture(picture_source(session, "v"), 0.2, 20)
        assert shown.shape == (20, 40, 3)
        assert shown.min() > 190

    def test_followed_animals_are_cut_out_where_poses_are_known(self, session):
        frames = np.zeros((12, 64, 96, 3), np.uint8)
        place = np.column_stack([20 + 4 * np.arange(12), np.full(12, 30)])
        for frame, (x, y) in zip(frames, place, strict=True):
            frame[y - 6 : y + 6, x - 6 : x + 6] = 220
        recording = add(session, "v.mkv", frames)
        poses = write_dlc(session.root / "v.csv", np.ones(12, bool), place)
        session.add(recording.path, poses)
        with vp.open_recording(recording.path) as opened:
            (animal,) = follow_animals(opened, poses, vp.FollowSettings(size_px=24, smooth_s=0, max_gap_s=0))
            track = track_of(animal)
            write(track, opened, session.subfolder("tracks"))
        with SessionPictures() as pictures:
            source = picture_source(session, track.recording_id)
            assert (source.poses, source.track.name) == (poses, f"{track.recording_id}.embeddings.h5")
            for time_s in (0.0, 0.6, 1.1, 50.0):
                shown = pictures.picture(source, time_s, 24)
                assert shown.shape == (24, 24, 3)
                assert shown[12, 12, 0] > 150  # the animal is in the middle, wherever it is in the frame

    def test_without_poses_the_whole_frame_is_shown(self, session):
        add(session, "v.mkv")
        source = picture_source(session, "v@m1")
        assert source == PictureSource(session.recording("v").path)

    def test_what_is_not_there_says_so(self, session, tmp_path):
        recording = add(session, "v.mkv")
        source = picture_source(session, "v")
        recording.path.unlink()
        with SessionPictures() as pictures, pytest.raises(RecordingError, match=r"v\.mkv: expected a recording, found"):
            pictures.picture(source, 0.0, 24)
        with pytest.raises(StoreError, match="expected a recording of the session"):
            picture_source(session, "w")

    def test_a_recording_that_was_moved_says_so(self, session):
        path = add(session, "v.mkv").path
        session.save()
        path.unlink()
        folder = session.folder
        session.close()
        again = open_session(folder, places=session.root / "places.json")
        with pytest.raises(StoreError, match="v: expected a recording, found that it was moved"):
            picture_source(again, "v")
        again.close()

    def test_senseless_settings_are_refused(self, session):
        add(session, "v.mkv")
        with pytest.raises(SettingsError, match="at least 1 open recording, found max_open=0"):
            SessionPictures(0)
        with SessionPictures() as pictures, pytest.raises(SettingsError, match="a height of 1 to 2160 pixels, found 0"):
            pictures.picture(picture_source(session, "v"), 0.0, 0)


class TestCache:
    def test_pictures_come_back_nearly_the_same(self, tmp_path):
        cache = ThumbnailCache(tmp_path / "c")
        ramp = np.repeat(np.arange(0, 240, 4, dtype=np.uint8)[None, :, None], 48, 0).repeat(3, 2)
        assert cache.get("a", 1) is None
        cache.put(ramp, "a", 1)
        assert cache.get("a", 2) is None
        again = ThumbnailCache(tmp_path / "c").get("a", 1)
        assert np.abs(again.astype(int) - ramp).max() <= 4

    def test_it_stays_within_its_bounds_and_the_oldest_go_first(self, tmp_path, monkeypatch):
        monkeypatch.setattr(thumbnail_cache, "_CHECK_EVERY", 1)
        cache = ThumbnailCache(tmp_path / "c", max_bytes=6000)
        noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
        for number in range(30):
            cache.put(noise, number)
            os.utime(cache._path((number,)), (number, number))
        files = list((tmp_path / "c").rglob("*.jpg"))
        assert sum(path.stat().st_size for path in files) <= 6000
        assert cache.get(29) is not None
        assert cache.get(0) is None

    @pytest.mark.parametrize("spoil", ["empty", "text", "png", "huge", "wide"])
    def test_strange_files_are_as_if_they_were_not_there(self, tmp_path, spoil):
        cache = ThumbnailCache(tmp_path / "c")
        cache.put(np.zeros((8, 8, 3), np.uint8), "k")
        (path,) = (tmp_path / "c").rglob("*.jpg")
        if spoil == "png":
            Image.new("RGB", (8, 8)).save(path, "PNG")
        elif spoil == "wide":
            Image.new("L", (20000, 200)).save(path, "JPEG")
        else:
            path.write_bytes({"empty": b"", "text": b"hello", "huge": bytes(3 << 20)}[spoil])
        assert cache.get("k") is None

    def test_a_disk_that_refuses_costs_only_time(self, tmp_path, monkeypatch):
        def refuse(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(thumbnail_cache, "write_atomically", refuse)
        cache = ThumbnailCache(tmp_path / "c")
        cache.put(np.zeros((8, 8, 3), np.uint8), "k")
        assert cache.get("k") is None
