import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from video_synthetic import write_video

from vp_science.errors import MissingExtraError, RecordingError
from vp_science.video.images import natural_key
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

RNG = np.random.default_rng(1)
COLOUR = RNG.integers(0, 256, (12, 20, 24, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 4096, (12, 20, 24), dtype=np.uint16)


def save(folder: Path, frames: np.ndarray, suffix: str) -> Path:
    folder.mkdir(exist_ok=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"frame{i}{suffix}")
    return folder


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_a_folder_in_natural_order(tmp_path: Path, suffix: str) -> None:
    folder = save(tmp_path / "run1", COLOUR, suffix)
    (folder / "notes.txt").write_text("x")
    recording = open_recording(folder, source_fps=10)
    assert (recording.id, recording.num_frames) == ("run1", 12)
    frames = list(recording.decode(np.arange(12)))
    np.testing.assert_array_equal(np.stack([frame.pixels for frame in frames]), COLOUR)
    np.testing.assert_array_equal(recording.read(10), COLOUR[10])
    assert recording.fingerprint().num_bytes == sum(p.stat().st_size for p in folder.glob(f"*{suffix}"))
    pattern = open_recording(str(folder / f"frame1*{suffix}"), source_fps=10)
    assert pattern.num_frames == 3


def test_natural_order() -> None:
    assert sorted(["frame10", "frame2", "Frame1", "a"], key=natural_key) == ["a", "Frame1", "frame2", "frame10"]


def test_sixteen_bit_pictures(tmp_path: Path) -> None:
    recording = open_recording(save(tmp_path / "d", DEEP, ".png"), source_fps=10, value_range=(0, 4095))
    np.testing.assert_array_equal(recording.read(4)[..., 0], np.rint(DEEP[4] / 4095 * 255))


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR[0])
    exif = image.getexif()
    exif[0x0112] = 6
    (tmp_path / "d").mkdir()
    image.save(tmp_path / "d/a.jpg", exif=exif, quality=95)
    recording = open_recording(tmp_path / "d", source_fps=1)
    assert (recording.height, recording.width) == (24, 20)
    assert recording.read(0).shape == (24, 20, 3)


def test_bad_folders(tmp_path: Path) -> None:
    folder = save(tmp_path / "d", COLOUR, ".png")
    with pytest.raises(RecordingError, match=r"holds no frame times.*--source-fps"):
        open_recording(folder)
    Image.fromarray(COLOUR[0, :10]).save(folder / "frame5.png")
    with pytest.raises(RecordingError, match=r"found 24 x 10 in frame5\.png"):
        open_recording(folder, source_fps=1)
    (folder / "frame5.png").write_text("text")
    with pytest.raises(RecordingError, match=r"frame5\.png: expected a picture"):
        open_recording(folder, source_fps=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match="expected a folder of pictures"):
        open_recording(tmp_path / "empty")
    write_video(tmp_path / "empty/a.mp4", num_frames=3)
    with pytest.raises(RecordingError, match="a folder of 1 videos"):
        open_recording(tmp_path / "empty")
    with pytest.raises(RecordingError, match="a single picture: pass the folder"):
        open_recording(folder / "frame1.png")


def test_a_picture_that_is_cut_off_or_removed(tmp_path: Path) -> None:
    folder = save(tmp_path / "d", COLOUR, ".png")
    cut = folder / "frame6.png"
    recording = open_recording(folder, source_fps=1)
    cut.write_bytes(cut.read_bytes()[:-900])
    frames = list(recording.decode(np.array([4, 6, 7])))
    assert [(frame.shown_index, frame.damaged) for frame in frames] == [(4, False), (5, True), (7, False)]
    np.testing.assert_array_equal(frames[1].pixels, COLOUR[5])
    cut.unlink()
    with pytest.raises(RecordingError, match="it was removed"):
        recording.read(6)


@pytest.mark.parametrize("data", [COLOUR, DEEP, COLOUR[..., 0], DEEP.astype(np.float32)])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_multi_page_tiff(tmp_path: Path, data: np.ndarray, compression: str | None) -> None:
    path = tmp_path / "stack.tif"
    photometric = "rgb" if data.ndim == 4 else "minisblack"
    tifffile.imwrite(path, data, photometric=photometric, compression=compression)
    scale = None if data.dtype == np.uint8 else (0, 4095)
    recording = open_recording(path, source_fps=10, value_range=scale)
    assert (recording.num_frames, recording.height, recording.width) == (12, 20, 24)
    expected = data[7] if data.dtype == np.uint8 else np.rint(data[7] / 4095 * 255)
    np.testing.assert_array_equal(recording.read(7), expected if expected.ndim == 3 else np.stack([expected] * 3, -1))
    assert next(iter(recording.decode(np.array([3]), Preprocess(8, 8)))).pixels.shape == (8, 8, 3)


def test_tiff_compression_that_needs_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imagecodecs")
    tifffile.imwrite(tmp_path / "a.tif", COLOUR, photometric="rgb", compression="lzw")
    np.testing.assert_array_equal(open_recording(tmp_path / "a.tif", source_fps=1).read(3), COLOUR[3])
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(MissingExtraError, match=r"LZW.*vp-science\[tiff\]"):
        open_recording(tmp_path / "a.tif", source_fps=1)


def test_tiff_of_two_sizes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(COLOUR[0, ..., 0])
        file.write(COLOUR[1, :10, :, 0])
    with pytest.raises(RecordingError, match=r"pages of one size.*page 1"):
        open_recording(tmp_path / "a.tif", source_fps=1)


# Arrays -------------------------------------------------------------------------------------------------------------


def test_arrays() -> None:
    for array in (COLOUR, np.moveaxis(COLOUR, -1, 1)):
        recording = open_recording(array, source_fps=4)
        np.testing.assert_array_equal(recording.read(3), COLOUR[3])
        assert recording.source["backend"] == "array"
    grey = open_recording(COLOUR[..., 1], timestamps=np.arange(12.0) + 3, recording_id="x")
    np.testing.assert_array_equal(grey.read(3)[..., 2], COLOUR[3, ..., 1])
    assert (grey.time_s[0], grey.id) == (3, "x")
    deep = open_recording(DEEP, source_fps=4, value_range=(0, 4095))
    np.testing.assert_array_equal(deep.read(2)[..., 0], np.rint(DEEP[2] / 4095 * 255))


@pytest.mark.parametrize("array", [
    np.zeros((5, 20)), np.zeros((5, 20, 20, 7)), np.zeros((5, 20, 20), bool), np.zeros((0, 20, 20)),
    np.zeros((5, 2, 20)),
    np.full((5, 20, 20), None),
])  # fmt: skip
def test_arrays_that_are_no_frames(array: np.ndarray) -> None:
    with pytest.raises(RecordingError, match=r"expected frames \[t h w\]"):
        open_recording(array, source_fps=1)


def test_npy_files_hold_no_pickles(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", COLOUR)
    np.testing.assert_array_equal(open_recording(tmp_path / "a.npy", source_fps=1).read(5), COLOUR[5])
    np.save(tmp_path / "b.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(RecordingError, match=r"b\.npy: expected an array of numbers"):
        open_recording(tmp_path / "b.npy", source_fps=1)


def test_wanted_frames_are_checked() -> None:
    recording = open_recording(COLOUR, source_fps=1)
    with pytest.raises(RecordingError, match="frame 12 asked for"):
        list(recording.decode(np.array([12])))
    with pytest.raises(RecordingError, match="out of order"):
        list(recording.decode(np.array([3, 3])))
    assert list(recording.decode(np.array([], np.int64))) == []
