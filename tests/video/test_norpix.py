"""Norpix sequences, written as StreamPix and Piotr's toolbox lay them out."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from vp_science.batch import find_inputs
from vp_science.errors import RecordingError, SettingsError
from vp_science.video.norpix import MAGIC, NorpixRecording
from vp_science.video.open import open_recording

WIDTH, HEIGHT = 40, 24


def pictures(count: int, channels: int) -> list[np.ndarray]:
    """Smooth pictures that differ in brightness, so that JPEG keeps them apart."""
    ramp = np.linspace(0, 60, WIDTH)[None, :, None] + np.zeros((HEIGHT, 1, channels))
    tint = np.array([0, 20, 40][:channels])
    return [(ramp + tint + 15 * i).astype(np.uint8) for i in range(count)]


def write_seq(path, frames, kind, *, padding=0, stamps=None, fps=25.0, count=None):
    """Pictures as they are stored: raw (100 grey, 200 colour), JPEG (102, 201) or PNG (1, 2)."""
    channels = frames[0].shape[2]
    raw = kind in (100, 200)
    image_bytes = WIDTH * HEIGHT * channels
    step = image_bytes + 8 + padding
    head = MAGIC.ljust(28, b"\0") + struct.pack("<iI", 5 if padding else 3, 1024) + b"\0" * 512
    number = len(frames) if count is None else count
    head += struct.pack("<9Id", WIDTH, HEIGHT, 8 * channels, 8, image_bytes, kind, number, 0, step, fps)
    with path.open("wb") as file:
        file.write(head.ljust(1024, b"\0"))
        for i, frame in enumerate(frames):
            seconds = 1_200_000_000 + (i / fps if stamps is None else stamps[i])
            stamp = struct.pack("<IHH", int(seconds), int(seconds % 1 * 1000 + 0.5), 0)
            if raw:
                file.write(frame[:, :, ::-1].tobytes() + stamp + b"\0" * padding)
                continue
            data = io.BytesIO()
            image = Image.fromarray(frame[:, :, 0] if channels == 1 else frame)
            image.save(data, "JPEG" if kind in (102, 201) else "PNG", **({"quality": 95} if kind in (102, 201) else {}))
            file.write(struct.pack("<I", len(data.getvalue()) + 4) + data.getvalue() + stamp + b"\0" * padding)
    return path


@pytest.mark.parametrize("padding", [0, 8])
@pytest.mark.parametrize("kind", [100, 200, 102, 201, 1, 2])
def test_every_kind_of_picture(tmp_path, kind, padding):
    frames = pictures(5, 3 if kind in (200, 201, 2) else 1)
    path = write_seq(tmp_path / "mouse_t.seq", frames, kind, padding=padding)
    with open_recording(path) as recording:
        assert isinstance(recording, NorpixRecording)
        assert (recording.id, recording.num_frames) == ("mouse_t", 5)
        assert (recording.width, recording.height) == (WIDTH, HEIGHT)
        assert recording.time_s == pytest.approx(np.arange(5) / 25)
        assert recording.source["times"] == "stored with the pictures"
        for i, frame in enumerate(frames):
            shown = np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame
            assert np.abs(recording.read(i).astype(int) - shown).mean() < 3
        wanted = np.array([1, 4])
        assert [(f.frame_index, f.damaged) for f in recording.decode(wanted)] == [(1, False), (4, False)]


def test_times_that_jitter_are_kept(tmp_path):
    path = write_seq(tmp_path / "a.seq", pictures(4, 1), 102, stamps=[0, 0.04, 0.2, 0.24])
    with open_recording(path) as recording:
        assert recording.time_s == pytest.approx([0, 0.04, 0.2, 0.24], abs=1e-6)


def test_empty_times_give_the_rate_of_the_header_and_given_ones_win(tmp_path):
    path = write_seq(tmp_path / "a.seq", pictures(3, 1), 102, stamps=[0, 0, 0], fps=30.0)
    with open_recording(path) as recording:
        assert recording.time_s == pytest.approx(np.arange(3) / 30)
        assert recording.source["times"] == "30 frames per second in the header"
    with open_recording(path, source_fps=10) as recording:
        assert recording.time_s == pytest.approx([0, 0.1, 0.2])
    with open_recording(path, timestamps=[1.0, 2.0, 4.0]) as recording:
        assert recording.time_s == pytest.approx([1, 2, 4])
    path = write_seq(tmp_path / "b.seq", pictures(3, 1), 102, stamps=[0, 0, 0], fps=0.0)
    with pytest.raises(RecordingError, match=r"expected a frame rate above 0, found 0\.0"):
        open_recording(path)


def test_a_damaged_picture_is_replaced_and_marked(tmp_path):
    path = write_seq(tmp_path / "a.seq", pictures(4, 1), 102)
    with open_recording(path) as recording:
        start, length = int(recording._start[2]), int(recording._length[2])
    data = bytearray(path.read_bytes())
    data[start : start + length] = b"\0" * length
    path.write_bytes(data)
    with open_recording(path) as recording:
        found = [(f.shown_index, f.damaged) for f in recording.decode(np.arange(4))]
    assert found == [(0, False), (1, False), (1, True), (3, False)]


def test_folders_find_sequences(tmp_path):
    write_seq(tmp_path / "mouse_t.seq", pictures(2, 1), 100)
    assert [item.recording_id for item in find_inputs([tmp_path])] == ["mouse_t"]


def test_files_that_are_not_whole_or_not_readable_are_refused(tmp_path):
    path = write_seq(tmp_path / "a.seq", pictures(4, 1), 102)
    whole = path.read_bytes()
    path.write_bytes(whole[:-900])
    with pytest.raises(RecordingError, match=r"expected 4 pictures as the header says, found [123]: the file is cut"):
        open_recording(path)
    path.write_bytes(whole[:500])
    with pytest.raises(
        RecordingError, match=r"expected a Norpix sequence, found another kind of file, or only its beg"
    ):
        open_recording(path)
    for field, value, message in (
        (548, 1 << 30, r"expected pictures of at most \d+ pixels, found 1073741824 x 24"),
        (568, 101, r"found the Norpix format 101 \(Bayer patterns"),
    ):
        changed = bytearray(whole)
        struct.pack_into("<I", changed, field, value)
        path.write_bytes(changed)
        with pytest.raises(RecordingError, match=message):
            open_recording(path)
    write_seq(path, pictures(2, 1), 100)
    changed = bytearray(path.read_bytes())
    struct.pack_into("<I", changed, 580, 5)
    path.write_bytes(changed)
    with pytest.raises(RecordingError, match=r"expected 8 bits per pixel in pictures of 960 bytes, found 8 bits"):
        open_recording(path)
    path.write_bytes(whole)
    with pytest.raises(SettingsError, match=r"value_range"):
        open_recording(path, value_range=(0, 1))


def test_a_lying_length_reads_no_more_than_the_file(tmp_path):
    path = write_seq(tmp_path / "a.seq", pictures(2, 1), 102, count=0)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 1024, 0xFFFFFFF0)
    path.write_bytes(data)
    with pytest.raises(RecordingError, match=r"expected some pictures as the header says, found 0"):
        open_recording(path)
    write_seq(path, pictures(3, 1), 102, count=0)
    with open_recording(path) as recording:
        assert recording.num_frames == 3
