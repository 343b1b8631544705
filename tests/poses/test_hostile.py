"""Files that were made to do harm: nothing in them is run, nothing outside is read, no memory is taken on trust."""

import pickle
import tracemalloc

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pose_files import dlc_header, dlc_values, make_points, write_dlc_table, write_jabs

from vp_science.errors import PoseError
from vp_science.poses.load import read_points
from vp_science.poses.pytables import column_labels


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_are_never_run(tmp_path, protocol):
    trace = tmp_path / "ran"
    data = pickle.dumps([("s", "nose", Bomb(trace))], protocol=protocol)
    with pytest.raises(
        PoseError, match=r"expected the names of columns as plain text, found the instruction .* run prog"
    ):
        column_labels(data, "m.h5")
    values = dlc_values(make_points(4, 1), np.ones((4, 1, 3)))
    columns = dlc_header(["a", "b", "c"])
    if protocol == 0:  # as PyTables stores it
        path = write_dlc_table(tmp_path / "m.h5", columns, values, labels=data)
        with pytest.raises(PoseError, match=r"m.h5: /df_with_missing/table, values_block_0: expected the names"):
            read_points(path)
    assert not trace.exists()


@given(
    names=st.lists(st.tuples(st.text(), st.text(max_size=30), st.sampled_from("xy")), max_size=6),
    protocol=st.integers(0, 5),
)
def test_harmless_names_read_back(names, protocol):
    assert column_labels(pickle.dumps(names, protocol=protocol), "m.h5") == names


@given(st.binary(max_size=60), st.integers(0, 200))
@settings(max_examples=300)
def test_any_bytes_are_read_or_refused(noise, place):
    data = pickle.dumps([("scorer", "nose", "x"), ("scorer", "nose", "y")], protocol=0)
    for bad in (noise, data[:place] + noise + data[place:], data[:place]):
        try:
            found = column_labels(bad, "m.h5")
        except PoseError:
            continue
        assert all(isinstance(name, str) for item in found for name in item)


class TestHdf5:
    def base(self, path):
        with h5py.File(path, "w") as file:
            file["node_names"] = np.array([b"nose", b"tail"])
            file["track_names"] = np.array([b"a"])
        return path

    def test_links_to_other_files(self, tmp_path):
        secret = self.base(tmp_path / "secret.h5")
        with h5py.File(secret, "a") as file:
            file["tracks"] = np.zeros((1, 2, 2, 5))
        path = self.base(tmp_path / "m.analysis.h5")
        with h5py.File(path, "a") as file:
            file["tracks"] = h5py.ExternalLink(str(secret), "/tracks")
        with pytest.raises(PoseError, match=r"expected /tracks to lie in the file, found a link .* refused for safety"):
            read_points(path)

    def test_outside_and_virtual_storage(self, tmp_path):
        (tmp_path / "raw.bin").write_bytes(b"\0" * 4000)
        path = self.base(tmp_path / "m.analysis.h5")
        with h5py.File(path, "a") as file:
            file.create_dataset("tracks", (1, 2, 2, 5), "<f8", external=[(str(tmp_path / "raw.bin"), 0, 4000)])
        with pytest.raises(PoseError, match=r"found a link or storage elsewhere: refused for safety"):
            read_points(path)
        layout = h5py.VirtualLayout((1, 2, 2, 5), "<f8")
        layout[:] = h5py.VirtualSource("secret.h5", "tracks", (1, 2, 2, 5))
        path = self.base(tmp_path / "v.analysis.h5")
        with h5py.File(path, "a") as file:
            file.create_virtual_dataset("tracks", layout)
        with pytest.raises(PoseError, match=r"found a link or storage elsewhere: refused for safety"):
            read_points(path)

    @pytest.mark.parametrize("kind", ["slp", "dlc"])
    def test_links_in_files_that_a_library_would_read(self, tmp_path, kind):
        path = tmp_path / "m.h5"
        with h5py.File(path, "w") as file:
            if kind == "slp":
                for name in ("metadata", "frames", "instances"):
                    file[name] = h5py.ExternalLink("/etc/passwd", "/x")
            else:
                file["df_with_missing/axis1"] = h5py.ExternalLink("/etc/passwd", "/x")
        with pytest.raises(PoseError, match=r"found a link or storage elsewhere|found .* another layout"):
            read_points(path)

    def test_claims_of_size(self, tmp_path):
        path = self.base(tmp_path / "m.analysis.h5")
        with h5py.File(path, "a") as file:
            file.create_dataset("tracks", (1, 2, 2, 30_000_000), "<f8", chunks=(1, 2, 2, 1000), compression="gzip")
        tracemalloc.start()
        with pytest.raises(PoseError, match=r"/tracks claims 960000000 bytes, and 0 are in the file"):
            read_points(path)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
        tracemalloc.stop()
        with h5py.File(path, "a") as file:
            del file["tracks"]
            file.create_dataset("tracks", (1, 2, 2, 1 << 40), "<f8", chunks=(1, 2, 2, 1000), compression="gzip")
        with pytest.raises(PoseError, match=r"claims|expected at most"):
            read_points(path)

    def test_frame_numbers_that_ask_for_memory(self, tmp_path):
        columns, values = dlc_header(["a"]), dlc_values(make_points(2, 1, 1), np.ones((2, 1, 1)))
        path = write_dlc_table(tmp_path / "m.h5", columns, values)
        with h5py.File(path, "a") as file:
            rows = file["df_with_missing/table"][()]
            rows["index"] = [0, 1 << 60]
            file["df_with_missing/table"][...] = rows
        with pytest.raises(PoseError, match=r"expected at most .* numbers in a pose file"):
            read_points(path)

    def test_identities_that_ask_for_memory(self, tmp_path):
        identity = np.array([[1], [2_000_000_000]], np.uint32)
        path = write_jabs(
            tmp_path / "m_pose_est_v4.h5", np.ones((2, 1, 12, 2)), np.ones((2, 1, 12)), 4,
            instance_embed_id=identity, id_mask=np.zeros((2, 1), bool),
        )  # fmt: skip
        with pytest.raises(PoseError, match=r"expected 1 to 1000 animals, found 2000000000"):
            read_points(path)

    def test_shapes_that_do_not_fit(self, tmp_path):
        path = self.base(tmp_path / "m.analysis.h5")
        with h5py.File(path, "a") as file:
            file["tracks"] = np.zeros((3, 2, 2, 5))
        with pytest.raises(PoseError, match=r"expected 1 tracks of 2 points with x and y, found /tracks of shape"):
            read_points(path)

    def test_repeated_names(self, tmp_path):
        path = tmp_path / "m.analysis.h5"
        with h5py.File(path, "w") as file:
            file["node_names"], file["track_names"] = np.array([b"nose"]), np.array([b"a", b"a"])
            file["tracks"] = np.zeros((2, 2, 1, 5))
        with pytest.raises(PoseError, match=r'expected track names that differ, found "a" twice'):
            read_points(path)

    def test_cut_short(self, tmp_path, footage):
        data = (footage / "fly" / "20190128_113421.120s.predictions.analysis.h5").read_bytes()
        path = tmp_path / "m.analysis.h5"
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(PoseError, match=r"m.analysis.h5: expected a readable HDF5 pose file, found it damaged"):
            read_points(path)
