import io
import warnings
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from PIL import Image
from video_synthetic import number_of, write_video

from vp_science.errors import RecordingError, SettingsError
from vp_science.recordings import RecordingWarning
from vp_science.video.hdf5 import blocks
from vp_science.video.open import open_recording
from vp_science.video.preprocess import Preprocess

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 20, 24), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 20, 24, 3), dtype=np.uint8)


def write(path: Path, data: dict[str, Any], attrs: dict[str, Any] | None = None, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, value in data.items():
            file.create_dataset(name, data=value, **(options if np.ndim(value) > 1 else {}))
        for where, value in (attrs or {}).items():
            place, _, key = where.rpartition("@")
            file[place or "/"].attrs[key] = value
    return path


def encode(pictures: np.ndarray, kind: str) -> list[np.ndarray]:
    out = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, kind)
        out.append(np.frombuffer(buffer.getvalue(), np.uint8))
    return out


def write_vlen(path: Path, name: str, rows: list[np.ndarray], attrs: dict[str, Any], dtype: type = np.uint8) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_dataset(name, (len(rows),), h5py.vlen_dtype(dtype))
        for i, row in enumerate(rows):
            data[i] = row.view(dtype)
        data.attrs.update(attrs)
    return path


def all_frames(recording: Any) -> np.ndarray:
    return np.stack([frame.pixels for frame in recording.decode(np.arange(recording.num_frames))])


# Layouts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "data"), [
    ("mask", GREY), ("box", GREY[:, None]), ("images", GREY[..., None]), ("frames", COLOUR), ("data_f", GREY),
    ("deep/er/video", np.moveaxis(COLOUR, -1, 1)), ("stuff", np.concatenate([COLOUR, COLOUR[..., :1]], -1)),
])  # fmt: skip
@pytest.mark.parametrize("options", [{}, {"chunks": True, "compression": "gzip"}, {"compression": "lzf"}])
def test_raw_layouts_are_pixel_exact(tmp_path: Path, name: str, data: np.ndarray, options: dict[str, Any]) -> None:
    path = write(tmp_path / "r.h5", {name: data}, {"@fps": 50.0}, **options)
    expected = COLOUR if data.shape[-1] in (3, 4) or data.shape[1] == 3 else np.repeat(GREY[..., None], 3, -1)
    with open_recording(path) as recording:
        assert (recording.num_frames, recording.height, recording.width) == (12, 20, 24)
        np.testing.assert_array_equal(recording.time_s, np.arange(12) / 50)
        np.testing.assert_array_equal(all_frames(recording), expected)
        for i in (11, 0, 5):
            np.testing.assert_array_equal(recording.read(i), expected[i])
        assert recording.id == "r"


@pytest.mark.parametrize("filters", [hdf5plugin.Bitshuffle(), hdf5plugin.Zstd(), hdf5plugin.Blosc(), hdf5plugin.LZ4()])
def test_plugin_filters(tmp_path: Path, filters: Any) -> None:
    path = write(tmp_path / "r.h5", {"frames": GREY}, {"@fps": 50}, chunks=(1, 20, 24), **filters)
    np.testing.assert_array_equal(all_frames(open_recording(path))[..., 0], GREY)


def test_resize_is_the_same_as_for_an_array(tmp_path: Path) -> None:
    path = write(tmp_path / "r.h5", {"frames": COLOUR}, {"@fps": 50})
    spec = Preprocess(9, 11, crop=(1, 1, 20, 17))
    array = open_recording(COLOUR, source_fps=50)
    for a, b in zip(
        open_recording(path).decode(np.array([2, 7]), spec), array.decode(np.array([2, 7]), spec), strict=True
    ):
        np.testing.assert_array_equal(a.pixels, b.pixels)


def test_encoded_frames_as_deepethogram_writes_them(tmp_path: Path) -> None:
    path = write_vlen(tmp_path / "r.h5", "frame", encode(COLOUR, "png"), {})
    np.testing.assert_array_equal(all_frames(open_recording(path, source_fps=30)), COLOUR)
    jpeg = open_recording(write_vlen(tmp_path / "j.h5", "frame", encode(COLOUR, "jpeg"), {}), source_fps=30)
    expected = np.asarray(Image.open(io.BytesIO(encode(COLOUR[3:4], "jpeg")[0].tobytes())))
    np.testing.assert_array_equal(jpeg.read(3), expected)


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_sleap_package(tmp_path: Path, order: str) -> None:
    stored = COLOUR[..., ::-1] if order == "BGR" else COLOUR
    path = write_vlen(
        tmp_path / "labels.v1.pkg.slp", "video0/video", encode(np.ascontiguousarray(stored), "png"),
        {"format": "png", "channel_order": order}, np.int8,
    )  # fmt: skip
    with h5py.File(path, "a") as file:
        file["video0/frame_numbers"] = np.arange(12) ** 2
    with pytest.raises(RecordingError, match="holds no frame times"):
        open_recording(path)
    recording = open_recording(path, source_fps=10)
    np.testing.assert_array_equal(all_frames(recording), COLOUR)
    np.testing.assert_array_equal(recording.time_s, np.arange(12) ** 2 / 10)
    assert recording.id == "labels"


def test_a_broken_picture_shows_the_last_good_one(tmp_path: Path) -> None:
    rows = encode(COLOUR, "png")
    rows[0], rows[5] = rows[0][:30], np.zeros(4, np.uint8)
    recording = open_recording(write_vlen(tmp_path / "r.h5", "frame", rows, {}), source_fps=30)
    frames = list(recording.decode(np.arange(12)))
    assert [frame.shown_index for frame in frames] == [1, 1, 2, 3, 4, 4, 6, 7, 8, 9, 10, 11]
    assert [frame.damaged for frame in frames] == [i in (0, 5) for i in range(12)]
    np.testing.assert_array_equal(frames[5].pixels, COLOUR[4])
    with pytest.raises(RecordingError, match="frame 5 to decode"):
        recording.read(5)


def test_a_broken_chunk_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "r.h5", {"mask": GREY}, {"@fps": 5}, chunks=(1, 20, 24), fletcher32=True)
    with h5py.File(path) as file:
        at = file["mask"].id.get_chunk_info(4).byte_offset
    data = bytearray(path.read_bytes())
    data[at + 7] ^= 255
    path.write_bytes(data)
    frames = list(open_recording(path).decode(np.arange(12)))
    assert [frame.damaged for frame in frames] == [i == 4 for i in range(12)]
    assert frames[4].shown_index == 3


# Times --------------------------------------------------------------------------------------------------------------


def test_tierpsy(tmp_path: Path) -> None:
    times = np.cumsum(np.full(12, 0.04)) + 3
    data = {"mask": GREY, "full_data": GREY[:2], "timestamp/time": times, "timestamp/raw": np.arange(12)}
    recording = open_recording(write(tmp_path / "r.hdf5", data, {"mask@expected_fps": 25.0}))
    np.testing.assert_array_equal(recording.time_s, times)
    assert recording.source["dataset"] == "mask"
    assert recording.source["times"] == "dataset timestamp/time in s"


def test_moseq_depth(tmp_path: Path) -> None:
    depth = (GREY.astype(np.uint16) + 600)[:, :20, :20]
    data = {"frames": depth, "frames_mask": GREY[:, :20, :20] > 9, "timestamps": 1000 + np.arange(12) * 33.3}
    path = write(tmp_path / "results_00.h5", data)
    with pytest.raises(RecordingError, match=r'"timestamps" \(median step 33.3\).*--timestamps-unit'):
        open_recording(path)
    recording = open_recording(path, timestamps_unit="ms", value_range=(600, 855))
    np.testing.assert_allclose(recording.time_s, 1 + np.arange(12) * 0.0333)
    np.testing.assert_array_equal(all_frames(recording)[..., 0], GREY[:, :20, :20])


@pytest.mark.parametrize(("values", "attrs", "unit"), [
    (np.arange(12) * 40, {"timestamps@unit": "ms"}, "ms"), (np.arange(12) * 40, {"@fps": 25}, "ms"),
    (np.arange(12) * 40_000, {"@fps": 25.0}, "us"), (np.arange(12) * 0.04, {}, "s"),
    (np.arange(12) * 40_000_000, {"timestamps@units": "nanoseconds"}, "ns"),
])  # fmt: skip
def test_units_are_known_or_obvious(tmp_path: Path, values: np.ndarray, attrs: dict[str, Any], unit: str) -> None:
    recording = open_recording(write(tmp_path / "r.h5", {"frames": GREY, "timestamps": values}, attrs))
    np.testing.assert_allclose(recording.time_s, np.arange(12) * 0.04)
    assert recording.source["times"] == f"dataset timestamps in {unit}"


def test_bad_times_name_the_frame(tmp_path: Path) -> None:
    times = np.arange(12) * 0.1
    times[7] = times[6]
    path = write(tmp_path / "r.h5", {"frames": GREY, "timestamps": times, "other": np.arange(12.0)})
    with pytest.raises(RecordingError, match=r"strictly increasing.*at frame 7 after"):
        open_recording(path)
    assert open_recording(path, source_fps=4).time_s[4] == 1
    assert open_recording(path, timestamps="other", timestamps_unit="s").time_s[4] == 4
    assert open_recording(path, timestamps=np.arange(12) + 5).time_s[0] == 5
    with pytest.raises(RecordingError, match='a dataset "nope", found none'):
        open_recording(path, timestamps="nope")
    with pytest.raises(RecordingError, match="finite"):
        open_recording(write(tmp_path / "n.h5", {"frames": GREY, "timestamps": times * np.nan}), timestamps_unit="s")


# Which dataset ------------------------------------------------------------------------------------------------------


def test_ambiguity_lists_the_candidates(tmp_path: Path) -> None:
    path = write(tmp_path / "r.h5", {"cam_a": GREY, "cam_b": COLOUR, "tracks": np.zeros((2, 2, 13, 300))}, {"@fps": 9})
    with pytest.raises(
        RecordingError, match=r"found 2 \(cam_a: \(12, 20, 24\) uint8; cam_b: .*--dataset NAME \(dataset=\)"
    ):
        open_recording(path)
    np.testing.assert_array_equal(open_recording(path, dataset="/cam_b").read(1), COLOUR[1])
    with pytest.raises(RecordingError, match=r'dataset "nope", found none of that name.*cam_a, cam_b'):
        open_recording(path, dataset="nope")
    with pytest.raises(RecordingError, match=r'frames in "tracks", found shape \(2, 2, 13, 300\)'):
        open_recording(path, dataset="tracks")


def test_files_without_frames_say_what_they_hold(tmp_path: Path) -> None:
    path = write(tmp_path / "r.h5", {"tracks": np.zeros((2, 2, 13, 300)), "names": np.zeros(13)})
    with pytest.raises(
        RecordingError, match=r"found no frames in this HDF5 file; it holds names \(13,\) float64; tracks"
    ):
        open_recording(path)


@pytest.mark.parametrize("name", [
    "mouse/EGS8X2MN4SSUGFWAV976.h5", "mouse/m3v1mp4DLC_resnet50_openfieldOct30shuffle1_100000.h5",
    "fly/20190128_113421.120s.predictions.analysis.h5",
])  # fmt: skip
def test_key_points_are_no_recording(footage: Path, name: str) -> None:
    with pytest.raises(RecordingError, match="found no frames in this HDF5 file; it holds"):
        open_recording(footage / name)


@pytest.mark.parametrize(("name", "shape", "options"), [
    ("fish_compressed.h5", (220, 70, 148), {}), ("worm_wormpose_public.hdf5", (550, 112, 112), {}),
    ("deepposekit_fly_example_annotation_set.h5", (100, 192, 192), {"source_fps": 25}),
    ("minimal_instance.pkg.slp", (1, 384, 384), {"source_fps": 25}),
])  # fmt: skip
def test_real_hdf5_recordings(footage: Path, name: str, shape: tuple[int, ...], options: dict[str, Any]) -> None:
    recording = open_recording(footage / "hdf5" / name, **options)
    assert (recording.num_frames, recording.height, recording.width) == shape
    frames = list(recording.decode(np.arange(0, recording.num_frames, 50), Preprocess()))
    assert all(frame.pixels.shape == (288, 288, 3) and frame.pixels.max() > 20 for frame in frames)


# Values -------------------------------------------------------------------------------------------------------------


def test_sixteen_bit_needs_a_stated_mapping(tmp_path: Path) -> None:
    data = GREY.astype(np.uint16) * 16 + 100
    path = write(tmp_path / "r.h5", {"frames": data}, {"@fps": 5})
    low, high = np.percentile(data.astype(float), [0.1, 99.9])
    recording = open_recording(path)
    stated: Any = recording.source["value_range"]
    assert (stated["low"], stated["high"]) == (low, high)
    assert stated["origin"] == "percentiles 0.1 and 99.9 of 12 evenly spaced frames"
    expected = np.rint(np.clip((data[3] - low) / (high - low), 0, 1) * 255)
    np.testing.assert_array_equal(recording.read(3)[..., 0], expected)
    given = open_recording(path, value_range=(100, 100 + 255 * 16))
    np.testing.assert_array_equal(all_frames(given)[..., 0], GREY)
    with pytest.raises(RecordingError, match="low < high"):
        open_recording(path, value_range=(5, 5))


def test_floats_and_nan(tmp_path: Path) -> None:
    data = GREY.astype(np.float32) / 255
    data[2, 3, 4], data[2, 3, 5] = np.nan, np.inf
    recording = open_recording(write(tmp_path / "r.h5", {"frames": data}, {"@fps": 5}), value_range=(0, 1))
    out = recording.read(2)[..., 0]
    assert (out[3, 4], out[3, 5]) == (0, 255)
    np.testing.assert_array_equal(recording.read(1)[..., 0], GREY[1])
    constant = write(tmp_path / "c.h5", {"frames": np.full((3, 20, 20), 7.0)}, {"@fps": 5})
    assert open_recording(constant).read(0).max() == 0
    nothing = write(tmp_path / "n.h5", {"frames": np.full((3, 20, 20), np.nan)}, {"@fps": 5})
    assert open_recording(nothing).read(0).max() == 0


# Chunks -------------------------------------------------------------------------------------------------------------


def test_pixel_column_chunks_warn_and_are_read_once(tmp_path: Path) -> None:
    data = RNG.integers(0, 256, (64, 32, 32), dtype=np.uint8)
    path = write(tmp_path / "r.h5", {"frames": data}, {"@fps": 5}, chunks=(64, 8, 8), compression="gzip")
    with pytest.warns(RecordingWarning, match=r"chunks \(64, 8, 8\).*64 times the frame.*CHUNK=1x32x32"):
        recording = open_recording(path)
    np.testing.assert_array_equal(all_frames(recording)[..., 0], data)
    with h5py.File(path) as file:
        assert [list(b) for b in blocks(file["frames"], np.arange(0, 64, 20))] == [[0, 20, 40, 60]]
        small = [list(b) for b in blocks(file["frames"], np.arange(0, 64, 20), limit=32 * 32 * 25)]
        assert small == [[0, 20], [40, 60]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecordingWarning)
        open_recording(write(tmp_path / "f.h5", {"frames": data}, {"@fps": 5}, chunks=(1, 32, 32)))


# NWB ----------------------------------------------------------------------------------------------------------------


def write_nwb(path: Path, fill: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.8.0"
        series = file.create_group("acquisition/camera")
        series.attrs["neurodata_type"] = "ImageSeries"
        fill(series)
    return path


def test_nwb_raw(tmp_path: Path) -> None:
    def timestamps(series: h5py.Group) -> None:
        series["data"], series["timestamps"] = GREY, 7 + np.arange(12) ** 1.5

    def rate(series: h5py.Group) -> None:
        series["data"], series["starting_time"] = COLOUR, 2.5
        series["starting_time"].attrs["rate"] = 20.0

    recording = open_recording(write_nwb(tmp_path / "a.nwb", timestamps))
    np.testing.assert_array_equal(recording.time_s, 7 + np.arange(12) ** 1.5)
    np.testing.assert_array_equal(all_frames(recording)[..., 0], GREY)
    rated = open_recording(write_nwb(tmp_path / "b.nwb", rate), dataset="acquisition/camera")
    np.testing.assert_array_equal(rated.time_s, 2.5 + np.arange(12) / 20)


def external(*files: str, times: np.ndarray | None = None) -> Any:
    def fill(series: h5py.Group) -> None:
        series.create_dataset("external_file", data=list(files), dtype=h5py.string_dtype())
        series["data"] = np.zeros((0, 0, 0), np.uint8)
        if times is not None:
            series["timestamps"] = times
        else:
            series["starting_time"] = 100.0
            series["starting_time"].attrs["rate"] = 31.0

    return fill


def test_nwb_external(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos/cam.mp4", num_frames=20)
    recording = open_recording(write_nwb(tmp_path / "a.nwb", external("videos/cam.mp4", times=np.arange(20) * 0.5)))
    np.testing.assert_array_equal(recording.time_s, np.arange(20) * 0.5)
    assert number_of(recording.read(13)) == 13
    assert recording.id == "a"
    rated = open_recording(write_nwb(tmp_path / "b.nwb", external("./videos/cam.mp4")))
    np.testing.assert_allclose(rated.time_s, 100 + np.arange(20) / 30)
    with pytest.raises(RecordingError, match=r"expected 20 frame times.*shape \(19,\)"):
        open_recording(write_nwb(tmp_path / "c.nwb", external("videos/cam.mp4", times=np.arange(19) * 0.5)))
    with pytest.raises(RecordingError, match=r"one external file.*found 2"):
        open_recording(write_nwb(tmp_path / "d.nwb", external("videos/cam.mp4", "videos/cam.mp4")))
    with pytest.raises(RecordingError, match="found no such file"):
        open_recording(write_nwb(tmp_path / "e.nwb", external("videos/gone.mp4")))


@pytest.mark.parametrize("name", ["../cam.mp4", "videos/../../cam.mp4", "link.mp4", "http://h/cam.mp4", "file:cam.mp4"])
def test_nwb_external_paths_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    write_video(tmp_path / "cam.mp4", num_frames=5)
    inside = tmp_path / "nwb"
    (inside / "videos").mkdir(parents=True)
    (inside / "link.mp4").symlink_to(tmp_path / "cam.mp4")
    for path in (name, str(tmp_path / "cam.mp4")):
        with pytest.raises(RecordingError, match="inside the NWB file's folder"):
            open_recording(write_nwb(inside / "a.nwb", external(path)))


# Attacks and damage -------------------------------------------------------------------------------------------------


def test_nothing_leads_out_of_the_file(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.h5", {"frames": GREY}, {"@fps": 5})
    (tmp_path / "raw.bin").write_bytes(GREY.tobytes())
    path = tmp_path / "r.h5"
    layout = h5py.VirtualLayout(GREY.shape, np.uint8)
    layout[:] = h5py.VirtualSource(str(secret), "frames", GREY.shape)
    with h5py.File(path, "w") as file:
        file.attrs["fps"] = 5
        file["external"] = h5py.ExternalLink("secret.h5", "frames")
        file["soft"] = h5py.SoftLink("/external")
        file["loop"] = h5py.SoftLink("/loop")
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("stored", GREY.shape, np.uint8, external=[(str(tmp_path / "raw.bin"), 0, GREY.size)])
        file["inside"] = GREY
        file["alias"] = h5py.SoftLink("/inside")
        file["group/self"] = file["/"]
    for name, message in {
        "external": "external links are not followed", "soft": "external links are not followed",
        "loop": "circle of soft links", "virtual": "virtual data set of", "stored": "external storage",
        "external/x": "external links are not followed",
    }.items():  # fmt: skip
        with pytest.raises(RecordingError, match=message):
            open_recording(path, dataset=name)
    np.testing.assert_array_equal(open_recording(path, dataset="alias").read(0)[..., 0], GREY[0])
    with pytest.raises(RecordingError, match="found 3"):
        open_recording(path)


def test_objects_and_absurd_shapes_are_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "r.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", (3,), h5py.string_dtype())
        file.create_dataset("video", (10, 1 << 15, 1 << 15), np.uint8, chunks=(1, 64, 64))
        file.create_dataset("empty/frames", (0, 20, 20), np.uint8)
    with pytest.raises(RecordingError, match="found no frames"):
        open_recording(path)
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "png")
    rows = [np.frombuffer(bomb.getvalue(), np.uint8)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RecordingError, match="found none that decode"):
            open_recording(write_vlen(tmp_path / "bomb.h5", "frame", rows, {}), source_fps=1)


def test_truncated_and_foreign_files(tmp_path: Path) -> None:
    path = write(tmp_path / "r.h5", {"frames": GREY}, {"@fps": 5})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(RecordingError, match=r"r\.h5: expected a readable HDF5 file, found it damaged"):
        open_recording(path)
    with pytest.raises(SettingsError, match="does not apply"):
        open_recording(GREY, dataset="x", source_fps=3)


def test_a_file_that_vanished(tmp_path: Path) -> None:
    path = write(tmp_path / "r.h5", {"frames": GREY}, {"@fps": 5})
    recording = open_recording(path)
    path.unlink()
    with pytest.raises(RecordingError, match="found no such file"):
        recording.read(0)
