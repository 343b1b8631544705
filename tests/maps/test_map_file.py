"""``map.h5``: what is written comes back, the same bytes every time, and nothing hostile is read."""

import json
import pickle

import h5py
import map_study
import numpy as np
import pandas as pd
import pytest

from vp_science.errors import MapError
from vp_science.maps import open_map, rename_clusters, save_map
from vp_science.maps.map_file import _LAYOUT


@pytest.fixture
def path(small_map, tmp_path):
    return save_map(rename_clusters(small_map, {1: "grüßen\u2028x", 2: " rest "}), tmp_path / "map.h5")


def change(path, name, value):
    """Replace an array."""
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = value


def change_record(path, edit):
    with h5py.File(path, "r+") as file:
        record = json.loads(file["record"][()].tobytes())
        edit(record)
        del file["record"]
        file["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)


def test_a_map_comes_back_as_it_was(small_map, path):
    back = open_map(path)
    for name in ("coordinates", "recording", "start_s", "stop_s", "cluster", "strength"):
        np.testing.assert_array_equal(getattr(back, name), getattr(small_map, name))
        assert getattr(back, name).dtype == getattr(small_map, name).dtype
    assert back.recordings == small_map.recordings
    assert back.provenance == small_map.provenance
    assert back.settings == small_map.settings
    assert back.model.settings == small_map.model.settings
    assert back.id == small_map.id
    assert back.clusters["name"].tolist() == ["", "grüßen\u2028x", "rest", ""]
    others = ["size", "seconds", "stability", "medoid"]
    pd.testing.assert_frame_equal(back.clusters[others], small_map.clusters[others])


def test_the_same_map_gives_the_same_bytes(study, small_map, tmp_path):
    first = save_map(small_map, tmp_path / "a.h5").read_bytes()
    assert save_map(map_study.pca_map(study[0]), tmp_path / "b.h5").read_bytes() == first
    assert save_map(open_map(tmp_path / "a.h5"), tmp_path / "c.h5").read_bytes() == first


def test_a_map_without_clusters_comes_back(study, tmp_path):
    made = map_study.pca_map(study[0], cluster=None, num_clusters=None)
    back = open_map(save_map(made, tmp_path / "map.h5"))
    assert len(back.clusters) == 0
    assert (back.cluster == -1).all()
    assert back.to_pandas()["cluster_name"].unique().tolist() == ["no cluster"]


def test_the_provenance_says_what_it_was_made_of(study, path):
    facts = open_map(path).provenance
    assert [track["recording"] for track in facts["tracks"]] == [track.recording_id for track in study[0]]
    made = facts["track_provenance"][facts["tracks"][0]["made"]]
    assert made == study[0][0].provenance.to_json()
    assert facts["software"].startswith("vp-science ")


def test_files_are_not_replaced_unless_asked(small_map, path):
    before = path.read_bytes()
    with pytest.raises(MapError, match=r"expected no file at .*, found one"):
        save_map(small_map, path)
    assert path.read_bytes() == before
    save_map(small_map, path, overwrite=True)
    assert open_map(path).clusters["name"].tolist() == [""] * 4
    assert [file.name for file in path.parent.iterdir()] == ["map.h5"]
    with pytest.raises(MapError, match=r"expected a map to end in \.h5, found 'map\.pkl'"):
        save_map(small_map, path.with_name("map.pkl"))


def test_what_is_no_map_is_refused(tmp_path, path):
    with pytest.raises(MapError, match=r"expected a map at .*, found nothing"):
        open_map(tmp_path / "none.h5")
    with pytest.raises(MapError, match=r"expected a map at .*, found something else"):
        open_map(tmp_path)
    pickled = tmp_path / "pickled.h5"
    pickled.write_bytes(pickle.dumps({"map": 1}))
    with pytest.raises(MapError, match="damaged, cut short or something else"):
        open_map(pickled)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(MapError, match=r'expected format="vp_science.map" in .*, found None'):
        open_map(tmp_path / "other.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 2
    with pytest.raises(MapError, match=r"expected schema 1 .* found .*2.*upgrade"):
        open_map(path)


@pytest.mark.parametrize("name", list(_LAYOUT))
def test_links_are_not_followed_and_missing_arrays_are_named(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(MapError, match=f"/{name} is missing"):
        open_map(path)
    with h5py.File(path, "r+") as file:
        file[name] = h5py.ExternalLink("/etc/secret.h5", "/x")
    with pytest.raises(MapError, match=f"expected /{name} .* to lie in the file, found a link elsewhere"):
        open_map(path)


def test_outside_storage_is_not_read(path, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(4000))
    with h5py.File(path, "r+") as file:
        length = len(file["strength"])
        del file["strength"]
        file.create_dataset("strength", (length,), "float32", external=[(str(tmp_path / "raw"), 0, 4 * length)])
    with pytest.raises(MapError, match="found outside storage: refused for safety"):
        open_map(path)


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("coordinates", lambda a: a[:-1], "/coordinates has shape|/recording has shape"),
        ("coordinates", lambda a: a.astype(np.float64), "/coordinates has shape .* and type float64"),
        ("coordinates", lambda a: np.full_like(a, np.nan), "/coordinates holds numbers that are not finite"),
        ("pca_mean", lambda a: np.full_like(a, np.inf), "/pca_mean holds numbers that are not finite"),
        ("recording", lambda a: a + 9, "/recording leaves the range from 0 to 3"),
        ("cluster", lambda a: a - 2, "/cluster leaves the range from -1 to 3"),
        ("fit_cluster", lambda a: a + 2, "/fit_cluster leaves the range"),
        ("cluster_medoid", lambda a: a + 10_000, "/cluster_medoid leaves the range"),
        ("stop_s", lambda a: a - 100, "a point ends before it begins"),
        ("strength", lambda a: a + 1, "a strength leaves the range from 0 to 1"),
        ("cluster_size", lambda a: a[:2], "/cluster_seconds has shape"),
        ("pca_components", lambda a: a[:, :3], "/pca_components has shape|wants? "),
        ("record", lambda a: np.frombuffer(b"[" * 100_000, np.uint8), "its record is not JSON"),
        ("record", lambda a: np.frombuffer(b"[1]", np.uint8), "its record is not an object"),
        ("record", lambda a: np.frombuffer(b"\xff\xfe", np.uint8), "its record is not JSON"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(path, name, edit, message):
    with h5py.File(path, "r") as file:
        value = edit(file[name][()])
    change(path, name, value)
    with pytest.raises(MapError, match=message):
        open_map(path)


def test_an_array_that_claims_more_than_is_there_is_refused_before_it_is_allocated(path):
    with h5py.File(path, "r+") as file:
        for name in ("recording", "cluster", "start_s", "stop_s", "strength", "coordinates"):
            shape = (2**44, *file[name].shape[1:])
            dtype = file[name].dtype
            del file[name]
            file.create_dataset(name, shape, dtype, chunks=(1024, *shape[1:]))
    with pytest.raises(MapError, match=r"claims \d+ bytes and 0 are there"):
        open_map(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda r: r.update(recordings=["rec0"] * 4), "a recording is there twice"),
        (lambda r: r.update(recordings=[1, 2, 3, 4]), "its recordings are not a list of texts"),
        (lambda r: r.update(cluster_names=["a"]), "clusters are not as many as names"),
        (lambda r: r.update(provenance=None), "its provenance lacks one of"),
        (lambda r: r["provenance"].pop("tracks"), "its provenance lacks one of"),
        (lambda r: r["provenance"]["tracks"].pop(), "does not say of which tracks"),
        (lambda r: r["provenance"]["tracks"][0].update(subject=7), "does not say of which tracks"),
        (lambda r: r["provenance"]["map_settings"].update(seed=-1), "seed: expected a number"),
        (lambda r: r["provenance"]["map_settings"].update(method="exec"), "method"),
        (lambda r: r["provenance"]["map_settings"].update(unit_length="no"), "unit_length='no'"),
        (lambda r: r["provenance"]["point_settings"].update(unit="pixels"), "unit"),
        (lambda r: r["provenance"]["point_settings"].update(more=1), "more"),
        (lambda r: r.update(more=1), "its record is not an object of"),
    ],
)
def test_records_that_make_no_sense_are_refused(path, edit, message):
    change_record(path, edit)
    with pytest.raises(MapError, match=message):
        open_map(path)


def test_damage_is_seen(path):
    whole = bytearray(path.read_bytes())
    (path.parent / "short.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MapError, match="damaged"):
        open_map(path.parent / "short.h5")
    with h5py.File(path, "r") as file:
        at = file["coordinates"].id.get_chunk_info(0).byte_offset
    whole[at + 5] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(MapError, match="damaged"):
        open_map(path)
