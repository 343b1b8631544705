import csv
import os
import shutil
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from video_synthetic import bars, number_of, write_video

from vp_science.errors import RecordingError
from vp_science.recordings import Recording, RecordingWarning
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess
from vp_science.video.pyav import VideoRecording

VFR = np.cumsum([0, *[1, 1, 5, 2, 1, 40, 3] * 9])[:60]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "cfr": ("a.mp4", {}),
    "no_b_frames": ("a.mp4", {"b_frames": 0}),
    "vfr": ("a.mp4", {"pts": VFR, "time_base": Fraction(1, 90)}),
    "late_start": ("a.mkv", {"pts": 45 + np.arange(60)}),
    "one_gop": ("a.mp4", {"gop": 250}),
    "open_gop": ("a.mp4", {"options": {"x264-params": "open-gop=1:bframes=3:b-pyramid=2"}, "b_frames": 3}),
    "open_gop_ts": ("a.ts", {"options": {"x264-params": "open-gop=1:bframes=3"}, "b_frames": 3}),
    "h264_in_avi": ("a.avi", {}),
    "mjpeg_avi": ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "mpeg4_avi": ("a.avi", {"codec": "mpeg4"}),
    "mpeg2_mpg": ("a.mpg", {"codec": "mpeg2video"}),
    "hevc10": ("a.mp4", {"codec": "libx265", "pix_fmt": "yuv420p10le"}),
    "grey": ("a.mp4", {"pix_fmt": "gray"}),
    "odd_size": ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuv420p", "width": 161, "height": 49}),
    "raw": ("a.avi", {"codec": "rawvideo", "pix_fmt": "yuv420p"}),
    "gif": ("a.gif", {"codec": "gif", "pix_fmt": "rgb8", "time_base": Fraction(1, 25)}),
    "vp8": ("a.webm", {"codec": "libvpx", "time_base": Fraction(1, 30)}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "time_base": Fraction(1, 30)}),
    "wmv": ("a.wmv", {"codec": "wmv2"}),
}

Clip = tuple[Recording, np.ndarray]


@pytest.fixture(scope="module", params=sorted(CASES))
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    name, settings_ = CASES[request.param]
    path = tmp_path_factory.mktemp(request.param) / name
    ticks = write_video(path, **settings_)
    seconds = (ticks - ticks[0]) * float(settings_.get("time_base", Fraction(1, 30)))
    return open_recording(path), seconds


def test_every_frame_is_there_at_its_time(clip: Clip) -> None:
    recording, seconds = clip
    assert recording.num_frames == len(seconds)
    np.testing.assert_allclose(recording.time_s, seconds, atol=1.1e-3)  # Matroska and ASF store milliseconds
    assert recording.time_s[0] == 0
    assert np.all(np.diff(recording.time_s) > 0)
    frames = list(recording.decode(np.arange(60)))
    assert [number_of(frame.pixels) for frame in frames] == list(range(60))
    assert not any(frame.damaged for frame in frames)
    assert all(frame.shown_index == frame.frame_index for frame in frames)


@settings(max_examples=8, deadline=None)
@given(wanted=st.sets(st.integers(0, 59), min_size=1, max_size=12))
def test_any_subset_decodes_to_the_right_frames(clip: Clip, wanted: set[int]) -> None:
    recording, _ = clip
    index = np.array(sorted(wanted))
    frames = list(recording.decode(index))
    assert [frame.frame_index for frame in frames] == index.tolist()
    assert [number_of(frame.pixels) for frame in frames] == index.tolist()


@settings(max_examples=6, deadline=None)
@given(order=st.lists(st.integers(0, 59), min_size=1, max_size=6))
def test_read_is_exact_in_any_order(clip: Clip, order: list[int]) -> None:
    recording, _ = clip
    assert [number_of(recording.read(i)) for i in order] == order


def test_pixels_do_not_depend_on_what_was_skipped(clip: Clip) -> None:
    recording, _ = clip
    spec = Preprocess(24, 36)
    all_frames = [frame.pixels for frame in recording.decode(np.arange(60), spec)]
    for wanted in (np.array([59]), np.array([3, 30, 31]), np.arange(1, 60, 13)):
        for frame in recording.decode(wanted, spec):
            np.testing.assert_array_equal(frame.pixels, all_frames[frame.frame_index])
    for i in (0, 17, 59):
        whole = next(iter(recording.decode(np.array([i])))).pixels
        np.testing.assert_array_equal(recording.read(i), whole)


def test_a_bare_stream_needs_a_rate(tmp_path: Path) -> None:
    path = tmp_path / "camera.h264"
    write_video(path)
    with pytest.raises(RecordingError, match=r"camera\.h264.*bare stream.*--source-fps"):
        open_recording(path)
    with open_recording(path, source_fps=25) as recording:
        assert recording.num_frames == 60
        assert recording.time_s[50] == 2.0
        assert [number_of(recording.read(i)) for i in (40, 3, 59)] == [40, 3, 59]


def test_the_user_can_replace_the_times(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, num_frames=10)
    times = 100 + np.arange(10) ** 2.0
    np.testing.assert_array_equal(open_recording(path, timestamps=times).time_s, times)
    assert open_recording(path, source_fps=5).time_s[-1] == 1.8
    with pytest.raises(RecordingError, match=r"found 3\.0 s at frame 4 after 3\.0 s"):
        open_recording(path, timestamps=[0, 1, 2, 3, 3, 4, 5, 6, 7, 8])
    with pytest.raises(RecordingError, match="expected 10 frame times"):
        open_recording(path, timestamps=[0.0, 1.0])


# Damage -------------------------------------------------------------------------------------------------------------


def _packets(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(container.streams.video[0]) if p.size]


def _noisy(path: Path, codec: str, suffix_options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 60, (48, 160), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = 160, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = 12
        stream.codec_context.options = suffix_options
        for number in range(60):
            grey = bars(number) // 2 + np.roll(texture, number, axis=1)
            frame = av.VideoFrame.from_ndarray(grey, format="gray").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "mpeg4"), ("a.mp4", "libx265")])
@pytest.mark.parametrize("hit", [3, 12, 20, 31, 59])
def test_what_is_not_marked_as_damaged_is_bit_identical(tmp_path: Path, name: str, codec: str, hit: int) -> None:
    path = tmp_path / name
    _noisy(path, codec, {"bf": "2", "x265-params": "log-level=none:pools=1:keyint=12"} if codec != "mpeg4" else {})
    sound = [frame.pixels for frame in open_recording(path).decode(np.arange(60))]
    position, size = _packets(path)[hit]
    data = bytearray(path.read_bytes())
    kept = 0 if codec == "libx265" else size // 4  # FFmpeg's HEVC decoder notices missing data, not all altered data
    data[position + kept : position + size] = bytes(size - kept)
    path.write_bytes(data)
    recording = open_recording(path)
    assert recording.num_frames == 60
    frames = list(recording.decode(np.arange(60)))
    assert [frame.frame_index for frame in frames] == list(range(60))
    marked = {frame.frame_index for frame in frames if frame.damaged}
    for frame in frames:
        if frame.frame_index not in marked:
            np.testing.assert_array_equal(frame.pixels, sound[frame.frame_index])
    assert marked
    assert len(marked) <= 18, "damage ends at the next key frame"
    for frame in recording.decode(np.arange(1, 60, 5)):
        assert frame.damaged == (frame.frame_index in marked)
        if not frame.damaged:
            np.testing.assert_array_equal(frame.pixels, sound[frame.frame_index])


def test_a_removed_packet_shows_the_last_good_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, b_frames=0)
    position, size = _packets(path)[20]
    data = bytearray(path.read_bytes())
    data[position : position + size] = bytes(size)
    path.write_bytes(data)
    recording = open_recording(path)
    frames = list(recording.decode(np.arange(60)))
    assert (frames[20].shown_index, frames[20].damaged) == (19, True)
    assert number_of(frames[20].pixels) == 19
    lone = list(recording.decode(np.array([20])))
    assert (lone[0].shown_index, lone[0].damaged) == (19, True)
    with pytest.raises(RecordingError, match="frame 20 to decode, found it damaged"):
        recording.read(20)
    assert not frames[24].damaged  # the next key frame
    assert [frame.damaged for frame in frames[21:24]] == [True] * 3


def test_a_removed_first_packet_shows_the_first_good_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    write_video(path, codec="mjpeg", pix_fmt="yuvj420p")
    position, size = _packets(path)[0]
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xd8", position)
    data[at : at + size - 8] = bytes(size - 8)
    path.write_bytes(data)
    first = next(iter(open_recording(path).decode(np.arange(3))))
    assert (first.frame_index, first.shown_index, first.damaged) == (0, 1, True)
    assert number_of(first.pixels) == 1


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.ts"])
def test_a_truncated_file_keeps_what_is_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_video(path, b_frames=0, codec="mpeg4" if name == "a.avi" else "libx264")
    sound = [frame.pixels for frame in open_recording(path).decode(np.arange(60))]
    data = path.read_bytes()
    position, size = _packets(path)[40]
    path.write_bytes(data[: position + size // 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordingWarning)
        recording = open_recording(path)
    assert 38 <= recording.num_frames <= 41
    for frame in recording.decode(np.arange(recording.num_frames)):
        if not frame.damaged:
            np.testing.assert_array_equal(frame.pixels, sound[frame.frame_index])
        else:
            assert frame.frame_index >= 39


def test_a_file_that_vanishes_or_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, num_frames=20)
    recording = open_recording(path)
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(RecordingError, match=r"a\.mp4: expected a recording, found no such file"):
        list(recording.decode(np.arange(3)))
    path.write_bytes(data + b"more")
    with pytest.raises(RecordingError, match="found it changed"):
        recording.read(0)


# Geometry -----------------------------------------------------------------------------------------------------------


def _quadrants(path: Path, angle: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        stream.codec_context.options = {"crf": "5"}
        stream.set_display_rotation(angle)
        rgb = np.zeros((64, 128, 3), np.uint8)
        rgb[:32, :64], rgb[:32, 64:], rgb[32:, :64], rgb[32:, 64:] = 200, (200, 0, 0), (0, 200, 0), (0, 0, 200)
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("angle", [0, 90, 180, -90])
def test_rotation_metadata_is_applied(tmp_path: Path, angle: int) -> None:
    _quadrants(tmp_path / "upright.mp4", 0)
    _quadrants(tmp_path / "turned.mp4", angle)
    upright = open_recording(tmp_path / "upright.mp4").read(0)
    recording = open_recording(tmp_path / "turned.mp4")
    expected = np.rot90(upright, angle // 90)
    assert (recording.height, recording.width) == expected.shape[:2]
    np.testing.assert_array_equal(recording.read(0), expected)
    crop = Preprocess(16, 16, crop=(0, 0, 16, 24))
    corner = next(iter(recording.decode(np.array([0]), crop))).pixels
    assert np.abs(corner.astype(int) - expected[4, 4]).max() <= 3


@pytest.mark.parametrize("spec", [
    Preprocess(20, 30, crop=(4, 6, 80, 40)), Preprocess(20, 30, crop=(5, 7, 81, 39)), Preprocess(20, 30, fit="crop"),
    Preprocess(48, 48, fit="pad"), Preprocess(60, 200),
])  # fmt: skip
def test_cut_and_fit_equal_the_same_on_the_rgb_frame(tmp_path: Path, spec: Preprocess) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, codec="ffv1", pix_fmt="yuv444p", num_frames=5)
    recording = open_recording(path)
    whole = np.stack([recording.read(i) for i in range(5)])
    array = open_recording(whole, source_fps=30)
    for a, b in zip(recording.decode(np.arange(5), spec), array.decode(np.arange(5), spec), strict=True):
        assert a.pixels.shape == (spec.height, spec.width, 3)
        assert np.abs(a.pixels.astype(int) - b.pixels).max() <= 3


def test_full_range_and_limited_range_give_the_same_grey(tmp_path: Path) -> None:
    write_video(tmp_path / "full.avi", codec="mjpeg", pix_fmt="yuvj420p", num_frames=3)
    write_video(tmp_path / "limited.mkv", codec="ffv1", pix_fmt="yuv420p", num_frames=3)
    expected = bars(2)
    for name in ("full.avi", "limited.mkv"):
        grey = open_recording(tmp_path / name).read(2)[8, ::BAR_STEP].mean(axis=1)
        assert np.abs(grey - expected[8, ::BAR_STEP]).max() <= 3, name


BAR_STEP = 5

# Bad input ----------------------------------------------------------------------------------------------------------


def _text(path: Path) -> None:
    path.write_text("this is not a video\n" * 50)


def _no_moov(path: Path) -> None:
    write_video(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])


def _no_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _nothing_decodes(path: Path) -> None:
    write_video(path, b_frames=0)
    packets = _packets(path)
    data = bytearray(path.read_bytes())
    for position, size in packets:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)


@pytest.mark.parametrize(("make", "message"), [
    (_text, "expected a video that FFmpeg can read"),
    (lambda path: path.write_bytes(b""), "found an empty file"),
    (_no_moov, "without its index"),
    (_no_video, "expected a video stream, found none"),
    (_nothing_decodes, "expected frames that decode, found none among 60"),
    (lambda path: path.mkdir(), "expected a folder of pictures"),
    (lambda path: None, "found no such file"),
    (lambda path: path.symlink_to("/gone/drive/a.mp4"), "found a link to /gone/drive/a.mp4, where nothing is: connect"),
])  # fmt: skip
def test_bad_input_is_one_clear_error(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "bad.mp4"
    make(path)
    with pytest.raises(RecordingError, match=message) as caught:
        open_recording(path)
    assert str(path) in str(caught.value)


def test_absurd_sizes_are_refused_before_they_are_allocated(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gif"
    path.write_bytes(b"GIF89a" + b"\xff\xff" * 2 + b"\0\0\0" + b",\0\0\0\0" + b"\xff\xff" * 2 + b"\0\x02\x02L\x01\0;")
    with pytest.raises(RecordingError, match=r"bomb\.gif"):
        open_recording(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, num_frames=3)
    path.chmod(0)
    with pytest.raises(RecordingError, match="no permission to read it"):
        open_recording(path)


def test_options_that_do_not_apply_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", num_frames=3)
    for option in ({"dataset": "x"}, {"value_range": (0, 1)}, {"timestamps": "x"}):
        with pytest.raises(Exception, match=r"does not apply|found the name"):
            open_recording(tmp_path / "a.mp4", **option)
    with pytest.raises(RecordingError, match="expected frames 0 to 2"):
        open_recording(tmp_path / "a.mp4").read(3)


@pytest.mark.parametrize("name", [
    "it's \"quoted\".mp4", "Grüße 日本.mp4", "-dash.mp4", "concat:a.mp4|b.mp4", "http:x.mp4", "a%03d.mp4",
    "x y*[1].mp4",
])  # fmt: skip
def test_odd_names_are_plain_files(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "plain.mp4", num_frames=3)
    shutil.move(tmp_path / "plain.mp4", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with open_recording(name) as recording:
        assert number_of(recording.read(2)) == 2


@pytest.mark.parametrize(("name", "text"), [
    ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n"),
    ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\nfile:secret.ts\n#EXT-X-ENDLIST\n"),
    ("list.txt", "ffconcat version 1.0\nfile secret.ts\n"),
    ("list.mpd", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
     '<Representation id="0" mimeType="video/mp4"><BaseURL>secret.ts</BaseURL></Representation></AdaptationSet>'
     '</Period></MPD>'),
])  # fmt: skip
def test_playlists_reach_no_other_file(tmp_path: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "secret.ts")
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordingError, match=r"expected a video"):
        open_recording(name)
    with pytest.raises(RecordingError, match=r"expected a video"):
        open_recording(tmp_path / name)


# Real footage -------------------------------------------------------------------------------------------------------

PROBE = Path(__file__).resolve().parents[3] / "shared" / "footage" / "PROBE.tsv"
ROWS = list(csv.DictReader(PROBE.open(), delimiter="\t")) if PROBE.is_file() else []


def test_the_footage_is_listed(footage: Path) -> None:
    assert ROWS, footage


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_footage_opens_with_its_decoded_frames(footage: Path, row: dict[str, str]) -> None:
    recording = VideoRecording(footage / row["file"])
    decoded = int(row["decoded_frames"])
    if row["file"] == "formats/corrupted.mp4":
        frames = list(recording.decode(np.arange(recording.num_frames), Preprocess(36, 36)))
        assert len(frames) == 50
        assert frames[30].shown_index == 28
        assert sum(frame.shown_index == frame.frame_index for frame in frames) == decoded
        assert [frame.damaged for frame in frames] == [False] * 29 + [True] * 21
        return
    assert recording.num_frames == decoded
    assert np.all(np.diff(recording.time_s) > 0)
    last = list(recording.decode(np.array([0, decoded - 1]) if decoded > 1 else np.array([0]), Preprocess(36, 36)))
    assert not any(frame.damaged for frame in last)


def test_phone_clips_come_out_upright(footage: Path) -> None:
    sizes = {}
    for angle in (0, 90, 180, 270):
        recording = open_recording(footage / f"formats/video_{angle}.mov")
        sizes[angle] = recording.read(1).shape
    assert sizes == {0: (320, 568, 3), 90: (568, 320, 3), 180: (320, 568, 3), 270: (568, 320, 3)}


def test_variable_rate_times_follow_the_container(footage: Path) -> None:
    recording = open_recording(footage / "formats/chimp_vfr.mp4")
    expected = np.concatenate([np.arange(150), np.arange(150, 300, 3), np.arange(300, 450, 2)]) / 30
    np.testing.assert_allclose(recording.time_s, expected, atol=1e-3)


def test_a_jump_into_4_4_4_video_of_an_old_encoder_is_not_green(footage: Path) -> None:
    """Only the first packet says which x264 wrote it; the decoder needs to know for every other one."""
    small = Preprocess(24, 32, "squash", None)
    with VideoRecording(footage / "mouse" / "m3v1mp4.mp4") as recording:
        passed = list(recording.decode(np.arange(900), small))[890]
    with VideoRecording(footage / "mouse" / "m3v1mp4.mp4") as recording:
        (jumped,) = recording.decode(np.array([890]), small)
    np.testing.assert_array_equal(jumped.pixels, passed.pixels)
    assert not jumped.damaged
