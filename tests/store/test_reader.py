import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from vp_science import errors
from vp_science.errors import MissingExtraError, SettingsError, StoreError
from vp_science.store.reader import open_embeddings


@pytest.fixture
def path(jobs, tmp_path):
    path = tmp_path / "mouse_01.embeddings.h5"
    jobs.run_job(path)
    return path


def test_lazy_arrays(jobs, path):
    with open_embeddings(path) as found:
        whole = np.asarray(found.track)
        assert whole.dtype == np.float16
        assert found.track.shape == whole.shape == (41, 1, 6)
        assert (len(found.track), found.track.ndim, found.track.dtype) == (41, 3, np.float16)
        np.testing.assert_array_equal(found.track[3:7], whole[3:7])
        np.testing.assert_array_equal(found.track[-1], whole[-1])
        np.testing.assert_array_equal(found.track[[1, 5], 0, 2], whole[[1, 5], 0, 2])
        assert np.asarray(found.window, dtype=np.float64).dtype == np.float64
        with pytest.raises(ValueError, match="cannot be read without a copy"):
            found.track.__array__(copy=False)
        assert repr(found.track) == "LazyArray(shape=(41, 1, 6), dtype=float16)"


def test_closed(path):
    found = open_embeddings(path)
    found.close()
    for read in (lambda: found.track[0], lambda: np.asarray(found.window), lambda: found.select(0, 1)):
        with pytest.raises(StoreError, match=r"is closed: open it again with open_embeddings, or read before closing"):
            read()
    assert found.grid_size == 41
    assert "closed" in repr(found.track)
    assert "mouse_01" in repr(found)
    found.close()


def test_facts(jobs, path):
    with open_embeddings(path) as found:
        assert (found.recording_id, found.num_frames, found.grid_size, len(found)) == ("mouse_01", 41, 41, 41)
        assert (found.dim, found.spatial_pool, found.untrained, found.first_grid) == (6, 1, False, 0)
        assert found.recording == jobs.make_recording()
        assert found.damaged_frames.tolist() == [7]
        assert np.flatnonzero(found.shown_index != found.frame_index).tolist() == [7]
        assert found.path == path


def test_repr(jobs, tmp_path, path):
    with open_embeddings(path) as found:
        assert repr(found) == (
            'Embeddings of "mouse_01"\n'
            "  41 grid frames, 0.000 to 1.600 s, one vector of 6 float16 each\n"
            "  10 windows of 8 frames, stride 4\n"
            "  model videoprism_public_v1_base\n"
            "  1 damaged source frames"
        )
    other = tmp_path / "b.embeddings.h5"
    jobs.run_job(other, provenance=jobs.make_provenance(checkpoint="seed:0 (untrained)", spatial_pool=2))
    with open_embeddings(other) as found:
        assert "2x2 vectors of 6" in repr(found)
        assert "UNTRAINED: random weights, for testing only" in repr(found)


def test_select(path):
    with open_embeddings(path) as found:
        part = found.select(0.4, 0.8)
        inside = (found.time_s >= 0.4) & (found.time_s < 0.8)
        assert part.grid_size == inside.sum() == 10
        assert part.first_grid == 10
        assert isinstance(part.track, np.ndarray)
        np.testing.assert_array_equal(part.track, np.asarray(found.track)[inside])
        for name in ("time_s", "frame_index", "shown_index"):
            np.testing.assert_array_equal(getattr(part, name), getattr(found, name)[inside])
        overlap = (found.window_start < 20) & (found.window_stop > 10)
        np.testing.assert_array_equal(part.window_start, found.window_start[overlap])
        np.testing.assert_array_equal(part.window, np.asarray(found.window)[overlap])
        assert part.damaged_frames.tolist() == []
        assert found.select(0, 1).damaged_frames.tolist() == [7]
        assert found.select(-np.inf, np.inf).grid_size == 41
        empty = found.select(99, 100)
        assert (empty.grid_size, len(empty.window), empty.dim) == (0, 0, 6)
        assert "no time" in repr(empty)
        assert found.select(0.4, 0.4).grid_size == 0
        for start_s, stop_s in ((2, 1), (float("nan"), 1)):
            with pytest.raises(SettingsError, match=r"expected start_s <= stop_s in seconds, found .*: swap them"):
                found.select(start_s, stop_s)
    assert part.track.shape == (10, 1, 6)  # after closing


def test_pandas(jobs, tmp_path, path):
    with open_embeddings(path) as found:
        table = found.to_pandas()
        assert list(table.columns) == ["frame_index", *(f"e00{feature}" for feature in range(6))]
        assert table.index.name == "time_s"
        np.testing.assert_array_equal(table.index, found.time_s)
        np.testing.assert_array_equal(table["frame_index"], found.frame_index)
        np.testing.assert_array_equal(table["e002"], np.asarray(found.track)[:, 0, 2].astype(np.float32))
        assert (table.dtypes.iloc[1:] == np.float32).all()
        assert found.select(0, 0.2).to_pandas().shape == (5, 7)
    other = tmp_path / "b.embeddings.h5"
    jobs.run_job(other, provenance=jobs.make_provenance(spatial_pool=2))
    with open_embeddings(other) as found:
        table = found.to_pandas()
        assert list(table.columns[:8]) == ["frame_index", *(f"p00_e00{feature}" for feature in range(6)), "p01_e000"]
        np.testing.assert_array_equal(table["p03_e005"], np.asarray(found.track)[:, 3, 5].astype(np.float32))


def test_xarray(path, monkeypatch):
    pytest.importorskip("xarray")
    with open_embeddings(path) as found:
        array = found.to_xarray()
        assert array.dims == ("time_s", "patch", "feature")
        np.testing.assert_array_equal(array.values, np.asarray(found.track))
        np.testing.assert_array_equal(array.coords["frame_index"], found.frame_index)
        np.testing.assert_array_equal(array.coords["time_s"], found.time_s)
        assert array.attrs["recording_id"] == "mouse_01"
        assert array.attrs["untrained"] == 0
        assert '"fit": "squash"' in array.attrs["provenance"]

        def missing(name):
            raise ImportError(name)

        monkeypatch.setattr(errors.importlib, "import_module", missing)
        with pytest.raises(MissingExtraError, match=r"xarray.*pip install \"vp-science\[xarray\]\""):
            found.to_xarray()


def test_missing_and_folder(tmp_path):
    with pytest.raises(StoreError, match=r"expected an embedding file, found nothing at .*: check the name, or embed"):
        open_embeddings(tmp_path / "no.h5")
    with pytest.raises(StoreError, match=r"expected an embedding file, found the folder .*: give the .embeddings.h5"):
        open_embeddings(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(StoreError, match=r"expected an embedding file, found a device or pipe at .*: give the"):
            open_embeddings(tmp_path / "pipe")
    with pytest.raises(StoreError):
        open_embeddings(tmp_path / ("x" * 300))


def test_permission(path, monkeypatch):
    def deny(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", deny)
    with pytest.raises(StoreError, match=r"cannot read .*: permission denied; ask"):
        open_embeddings(path)


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.9, 0.9999])
def test_truncated(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        StoreError, match=r"to be a complete embedding file; it is damaged, cut short or something else"
    ):
        open_embeddings(path)


def test_a_flipped_bit_in_the_track_is_noticed(jobs, tmp_path):
    path = tmp_path / "big.embeddings.h5"
    jobs.run_job(path, dim=512)
    with h5py.File(path) as file:
        place = file["track"].id.get_chunk_info(0).byte_offset + 1000
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    with open_embeddings(path) as found, pytest.raises(StoreError, match=r"cannot read /track of .*: the file is dam"):
        np.asarray(found.track)


def test_random_damage_never_escapes_as_another_error(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        broken = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            broken[place] = int(rng.integers(256))
        path.write_bytes(broken)
        try:
            with open_embeddings(path) as found:
                np.asarray(found.track)
                np.asarray(found.window)
        except StoreError:
            refused += 1
    assert refused > 20


def replace(file, name, data, **options):
    del file[name]
    file.create_dataset(name, data=data, **options)


def claim_much(file):
    del file["track"]
    file.create_dataset("track", shape=(2**40, 1, 6), dtype=np.float16, chunks=(1024, 1, 6))


def claim_much_compressed(file):
    del file["track"]
    file.create_dataset("track", shape=(2**40, 1, 6), dtype=np.float16, chunks=(1024, 1, 6), compression="gzip")


def external_link(file):
    del file["track"]
    file["track"] = h5py.ExternalLink("/etc/passwd", "/track")


def soft_link(file):
    del file["time_s"]
    file["time_s"] = h5py.SoftLink("/track")


def external_storage(file):
    del file["time_s"]
    file.create_dataset("time_s", shape=(41,), dtype=np.float64, external=[("/etc/passwd", 0, 41 * 8)])


def virtual(file):
    del file["time_s"]
    virtual_layout = h5py.VirtualLayout(shape=(41,), dtype=np.float64)
    virtual_layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(41,))
    file.create_virtual_dataset("time_s", virtual_layout)


def group(file):
    del file["track"]
    file.create_group("track")


def attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


def without(name):
    return lambda file: file.attrs.__delitem__(name)


PROBLEMS = {
    "format": (
        attribute("format", "other"),
        r'expected format="vp_science.embeddings" in .*, found \'other\': give an',
    ),
    "no format": (without("format"), "found None: give an embedding file, not another HDF5 file"),
    "format is an array": (attribute("format", [1, 2]), "give an embedding file, not another HDF5 file"),
    "schema": (attribute("schema", 2), "expected schema 1 in .*, found 2: upgrade vp-science"),
    "no schema": (without("schema"), "the attribute schema is None and not a whole number"),
    "incomplete": (attribute("complete", False), "it is not marked as complete"),
    "no complete": (without("complete"), "it is not marked as complete"),
    "provenance": (attribute("provenance", "{"), "its provenance is not JSON"),
    "provenance list": (attribute("provenance", "[]"), "its provenance is not a JSON object"),
    "provenance deep": (attribute("provenance", "[" * 60_000), "its provenance is not JSON"),
    "provenance keys": (attribute("provenance", "{}"), "expected a provenance with the keys model"),
    "provenance number": (attribute("provenance", 3), "the attribute provenance is .* and not text"),
    "claims": (claim_much, r"/track claims 13194139533312 bytes and 0 are there"),
    "claims compressed": (claim_much_compressed, r"/track claims"),
    "external link": (external_link, "expected /track of .* to lie in the file, found a link elsewhere: refused"),
    "soft link": (soft_link, "expected /time_s of .* found a link elsewhere"),
    "external storage": (external_storage, "expected /time_s of .* found outside storage: refused for safety"),
    "virtual": (virtual, "expected /time_s of .* found outside storage"),
    "missing": (lambda file: file.__delitem__("track"), "/track is missing"),
    "group": (group, "/track is not an array"),
    "type": (lambda file: replace(file, "time_s", np.zeros(41, np.float32)), "/time_s has shape .* and type float32"),
    "shape": (lambda file: replace(file, "frame_index", np.arange(40)), r"/frame_index has shape \(40,\), the other"),
    "empty": (lambda file: replace(file, "window", np.zeros((0, 6), np.float32)), "have|has shape|empty"),
    "dtype": (lambda file: replace(file, "track", np.zeros((41, 1, 6), np.float32)), "/track is float32, the prov"),
    "range": (lambda file: replace(file, "frame_index", np.arange(41) + 1), "/frame_index leaves the 41 source frames"),
    "times": (lambda file: replace(file, "time_s", np.zeros(41)), "/time_s does not increase"),
    "windows": (lambda file: replace(file, "window_stop", np.arange(10) + 99), "/window_start and /window_stop leave"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_what_is_not_an_embedding_file_is_refused(path, problem):
    change, message = PROBLEMS[problem]
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(StoreError, match=message):
        open_embeddings(path)


def test_all_arrays_empty(path):
    with h5py.File(path, "r+") as file:
        for name in list(file):
            replace(file, name, np.zeros((0, *file[name].shape[1:]), file[name].dtype))
    with pytest.raises(StoreError, match="an array is empty"):
        open_embeddings(path)


def test_the_recorded_path_is_never_opened(jobs, tmp_path):
    pipe = tmp_path / "trap"
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    os.mkfifo(pipe)  # opening it would block for ever
    path = tmp_path / "a.embeddings.h5"
    jobs.run_job(path, recording=jobs.make_recording(path=str(pipe)))
    with open_embeddings(path) as found:
        assert found.recording.path == str(pipe)
        np.asarray(found.track)


def test_imports_stay_light():
    code = (
        "import sys, vp_science.store.writer, vp_science.store.reader, vp_science.timeline.grid; "
        "heavy = {'jax', 'flax', 'av', 'pandas', 'xarray', 'matplotlib', 'qtpy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_followed_animal(jobs, tmp_path):
    """What an embedding file says of a followed animal; rows in which it was not there are NaN in tables."""
    path = tmp_path / "m@b.embeddings.h5"
    follow = {"subject": "b", "of_recording": "mouse_01"}
    provenance = jobs.make_provenance(source={"backend": "test", "follow": follow})
    with jobs.open_job(path, provenance=provenance) as writer:
        for segment in writer.segments:
            track, window, shown, damaged = jobs.content(writer, segment.index)
            writer.write_segment(segment.index, track, window, np.where(shown % 5 == 3, -1, shown), damaged)
        writer.finish()
    with open_embeddings(path) as found:
        absent = found.shown_index == -1
        assert 0 < absent.sum() < 41
        np.testing.assert_array_equal(found.present, ~absent)
        assert (found.subject, found.target, found.bout_recording) == ("b", "", "mouse_01")
        np.testing.assert_array_equal(np.isnan(found.to_pandas().iloc[:, 1:]).all(axis=1), absent)
        assert np.isfinite(found.to_xarray().values[~absent]).all()
        assert "33 of these grid frames show the animal, the others nothing" in repr(found)
        part = found.select(0.0, 0.3)
        np.testing.assert_array_equal(part.present, ~absent[: len(part)])


def test_whole_frames_have_no_subject(path):
    with open_embeddings(path) as found:
        assert found.present.all()
        assert (found.subject, found.target, found.bout_recording) == ("", "", "mouse_01")
