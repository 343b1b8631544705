"""Copies for viewing: the same frames at the same times, and never in the way of anything."""

from fractions import Fraction
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from video_synthetic import bars, number_of, write_video

from vp_science.errors import RecordingError
from vp_science.sessions.reencoding import make_viewing_copy
from vp_science.sessions.viewing import find_viewing_copy, open_viewing, user_cache_folder, viewing_copy_path
from vp_science.sessions.worker import CancelledError, Reporter, run_job
from vp_science.video.open import open_recording
from vp_science.video.reencode import KEY_FRAME_EVERY, reencode

VFR = np.cumsum([0, *[1, 1, 5, 2, 1, 40, 3] * 9])[:60]


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A video with a single key frame and a variable rate."""
    path = tmp_path / "slow.mp4"
    write_video(path, gop=250, pts=VFR, time_base=Fraction(1, 90))
    return path


@pytest.fixture
def report() -> Reporter:
    return Reporter(lambda event: None)


def test_a_copy_has_the_same_frames_and_times_and_key_frames(slow: Path, tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    with open_recording(slow) as recording:
        reencode(recording, tmp_path / "copy.mp4", lambda done, total: said.append((done, total)))
        times = recording.time_s
    copy = open_recording(tmp_path / "copy.mp4")
    np.testing.assert_allclose(copy.time_s, times, rtol=0, atol=1e-9)
    assert [number_of(frame.pixels) for frame in copy.decode(np.arange(60))] == list(range(60))
    assert copy.packets_to_decode.max() <= KEY_FRAME_EVERY
    assert said == [(number, 60) for number in range(1, 61)]


@pytest.mark.parametrize("size", [(160, 48), (161, 49)])
def test_motion_jpeg_where_there_is_no_h264(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr("av.codecs_available", av.codecs_available - {"libx264"})
    frames = np.stack([bars(number, *size) for number in range(25)])
    with open_recording(frames, timestamps=VFR[:25] / 90) as recording:
        reencode(recording, tmp_path / "copy.mp4")
        expected = recording.read(7)
    copy = open_recording(tmp_path / "copy.mp4")
    assert copy.source["codec"] == "mjpeg"
    assert copy.packets_to_decode.max() == 1
    assert [number_of(frame.pixels) for frame in copy.decode(np.arange(25))] == list(range(25))
    np.testing.assert_allclose(copy.time_s, VFR[:25] / 90, atol=1e-5)
    assert np.abs(copy.read(7).astype(int) - expected).mean() < 3


def test_odd_sizes_and_recordings_that_are_no_videos(tmp_path: Path) -> None:
    frames = np.stack([bars(number, 161, 49) for number in range(25)])
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=frames)
        file.create_dataset("timestamps", data=50 + np.arange(25) / 7).attrs["unit"] = "s"
    with open_recording(path) as recording:
        reencode(recording, tmp_path / "copy.mp4")
    copy = open_recording(tmp_path / "copy.mp4")
    assert (copy.width, copy.height) == (161, 49)
    assert [number_of(frame.pixels) for frame in copy.decode(np.arange(25))] == list(range(25))
    np.testing.assert_allclose(copy.time_s, np.arange(25) / 7, atol=1e-5)


def test_a_turned_video_stays_turned(footage: Path, tmp_path: Path) -> None:
    with open_recording(footage / "formats" / "video_90.mov") as recording:
        reencode(recording, tmp_path / "copy.mp4")
        expected = recording.read(1)
    assert np.abs(open_recording(tmp_path / "copy.mp4").read(1).astype(int) - expected).mean() < 4


def test_nothing_is_overwritten(slow: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.mp4").write_bytes(b"mine")
    with open_recording(slow) as recording, pytest.raises(RecordingError, match="expected a name for a new file"):
        reencode(recording, tmp_path / "copy.mp4")
    assert (tmp_path / "copy.mp4").read_bytes() == b"mine"


def test_the_job_makes_a_copy_that_is_shown(slow: Path, tmp_path: Path) -> None:
    before = slow.read_bytes()
    events: list[dict] = []
    result = run_job("reencode", {"path": str(slow), "cache_folder": str(tmp_path / "cache")}, Reporter(events.append))
    copy = find_viewing_copy(slow, tmp_path / "cache")
    assert result["path"] == str(copy)
    assert result["num_bytes"] == copy.stat().st_size
    assert 1 < result["jump_frames"] <= KEY_FRAME_EVERY
    assert (events[-1]["done"], events[-1]["total"]) == (60, 60)
    assert slow.read_bytes() == before
    shown = open_viewing(slow, tmp_path / "cache")
    assert shown.shows_copy
    assert shown.path == slow
    np.testing.assert_array_equal(shown.time_s, open_recording(slow).time_s)
    assert [number_of(shown.exact(frame).pixels) for frame in (59, 3, 31)] == [59, 3, 31]


def test_cancelling_leaves_nothing(slow: Path, tmp_path: Path) -> None:
    reporter = Reporter(lambda event: reporter.control("cancel") if event["done"] == 24 else None)
    with pytest.raises(CancelledError):
        make_viewing_copy({"path": str(slow), "cache_folder": str(tmp_path / "cache")}, reporter)
    assert list((tmp_path / "cache" / "viewing").iterdir()) == []
    assert not open_viewing(slow, tmp_path / "cache").shows_copy


def test_a_copy_belongs_to_one_state_of_a_recording(slow: Path, tmp_path: Path, report: Reporter) -> None:
    make_viewing_copy({"path": str(slow), "cache_folder": str(tmp_path / "cache")}, report)
    write_video(slow, num_frames=30)
    assert find_viewing_copy(slow, tmp_path / "cache") is None
    assert open_viewing(slow, tmp_path / "cache").num_frames == 30


@pytest.mark.parametrize("wrong", ["fewer frames", "other times", "other size", "damaged"])
def test_a_copy_that_differs_is_not_shown(slow: Path, tmp_path: Path, report: Reporter, wrong: str) -> None:
    copy = viewing_copy_path(slow, tmp_path / "cache")
    copy.parent.mkdir(parents=True)
    if wrong == "damaged":
        copy.write_bytes(b"nothing")
    elif wrong == "fewer frames":
        write_video(copy, num_frames=59, pts=VFR[:59], time_base=Fraction(1, 90))
    elif wrong == "other times":
        write_video(copy, pts=np.arange(60), time_base=Fraction(1, 90))
    else:
        write_video(copy, pts=VFR, time_base=Fraction(1, 90), width=176)
    shown = open_viewing(slow, tmp_path / "cache")
    assert not shown.shows_copy
    assert number_of(shown.exact(40).pixels) == 40
    with pytest.raises(RecordingError, match="expected a copy with the same frames at the same times"):
        make_viewing_copy({"path": str(slow), "cache_folder": str(tmp_path / "cache")}, report)
    assert not copy.exists()


def test_no_recording(tmp_path: Path, report: Reporter) -> None:
    with pytest.raises(RecordingError, match="expected a recording, found none"):
        make_viewing_copy({"path": str(tmp_path / "none.mp4"), "cache_folder": str(tmp_path)}, report)
    assert find_viewing_copy(tmp_path / "none.mp4", tmp_path) is None


def test_the_users_own_cache(slow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VP_SCIENCE_CONFIG", str(tmp_path / "mine"))
    assert user_cache_folder() == tmp_path / "mine" / "cache"
    open_viewing(slow)
    assert len(list((tmp_path / "mine" / "cache" / "video_index").iterdir())) == 1
    monkeypatch.delenv("VP_SCIENCE_CONFIG")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert user_cache_folder() == tmp_path / "xdg" / "vp-science"
