"""Ethogram files: what is written is read, other programs can read it, and hostile files are refused."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from vp_science.annotating.outputs import as_annotations, check_group, read_all
from vp_science.errors import StoreError
from vp_science.store import ethogram as layout
from vp_science.store.ethogram import Annotated, group_name, write_ethogram_file
from vp_science.store.ethogram_reader import find_provenance, list_ethograms, read_ethogram
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import Ethogram
from vp_science.video import original

NAMES = Behaviors((Behavior("wälzen", color="#e69f00"), Behavior("sniff/lick"), Behavior("call", "point")))


def make(num_frames: int = 20, seed: int = 0, subject: str = "", target: str = "", **changes) -> Ethogram:
    rng = np.random.default_rng(seed)
    states = rng.integers(-1, 2, (num_frames, 3)).astype(np.int8)
    scores = np.where(states < 0, np.nan, rng.random((num_frames, 3))).astype(np.float32)
    values = {"time_s": 5 + np.arange(num_frames) / 12.5, "states": states, "scores": scores, **changes}
    return Ethogram(NAMES, recording="cage 1/mouse", subject=subject, target=target, **values)


def annotated(*ethograms: Ethogram, probe: str = "probe-0123abcd", **provenance) -> Annotated:
    return Annotated(probe, "cage 1/mouse", ethograms or (make(),), {"steps": ["a threshold"], **provenance})


def same(a: Ethogram, b: Ethogram) -> bool:
    return (
        (a.behaviors, a.recording, a.subject, a.target) == (b.behaviors, b.recording, b.subject, b.target)
        and np.array_equal(a.time_s, b.time_s)
        and np.array_equal(a.states, b.states)
        and np.array_equal(a.scores, b.scores, equal_nan=True)
    )


@pytest.fixture
def path(tmp_path) -> Path:
    path = tmp_path / "out" / "mouse.ethogram.h5"
    write_ethogram_file(path, annotated(), "vp-science 9")
    return path


def test_the_group_has_one_name():
    """Two modules that may not know each other write and read it."""
    assert layout.GROUP == original.GROUP == "vp_science"


@settings(max_examples=12, deadline=None)
@given(
    npst.arrays(np.int8, st.tuples(st.integers(1, 40), st.just(3)), elements=st.integers(-1, 1)),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12),
)
def test_round_trip(tmp_path_factory, states, subject, probe):
    path = tmp_path_factory.mktemp("files") / "a.ethogram.h5"
    scores = np.where(states < 0, np.nan, 0.25 + states / 2).astype(np.float32)
    ethogram = make(len(states), states=states, scores=scores, subject=subject)
    write_ethogram_file(path, annotated(ethogram, probe=probe), "")
    assert same(read_ethogram(path), ethogram)
    assert same(read_ethogram(path, probe, subject, ""), ethogram)
    [entry] = list_ethograms(path)
    assert (entry.probe_id, entry.subject, entry.num_frames) == (probe, subject, len(states))
    assert entry.num_bouts == len(ethogram.to_bouts())
    assert read_ethogram(path).source == f"model:{probe}"
    assert as_annotations(read_all(path, probe), probe).equals(as_annotations([ethogram], probe))


def test_several_probes_and_animals_share_a_file(path):
    animals = [make(seed=1, subject="m/1"), make(seed=2, subject="."), make(seed=3, subject="a", target="b")]
    write_ethogram_file(path, annotated(*animals, probe="social-00000001"), "")
    write_ethogram_file(path, annotated(make(seed=9)), "")
    found = {(e.probe_id, e.subject, e.target) for e in list_ethograms(path)}
    assert found == {("probe-0123abcd", "", "")} | {("social-00000001", a.subject, a.target) for a in animals}
    for animal in animals:
        assert same(read_ethogram(path, "social-00000001", animal.subject, animal.target), animal)
    assert same(read_ethogram(path, "probe-0123abcd"), make(seed=9))
    expected = (
        r"expected one ethogram with subject='x' in .*, found 0: choose among probe_id='probe-0123abcd', subject=''"
    )
    with pytest.raises(StoreError, match=expected):
        read_ethogram(path, subject="x")
    with pytest.raises(StoreError, match=r"expected one ethogram in .*, found 4: choose among"):
        read_ethogram(path)
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_other_programs_read_it(tmp_path):
    """Plain arrays and fixed-length text: nothing that MATLAB or R cannot read."""
    path = tmp_path / "a.ethogram.h5"
    states = np.zeros((10, 3), np.int8)
    states[2:5, 0] = states[5:10, 1] = states[7, 2] = 1
    write_ethogram_file(path, annotated(make(10, states=states, scores=np.full((10, 3), 0.75, np.float32))), "")
    with h5py.File(path) as file:
        group = file["vp_science/probe-0123abcd"]
        assert list(group["behaviors"].asstr()) == ["wälzen", "sniff/lick", "call"]
        bouts = group["bouts"]
        assert list(bouts["behavior"].asstr()) == ["wälzen", "sniff/lick", "call"]
        assert list(bouts["kind"].asstr()) == ["state", "state", "point"]
        assert bouts["start_frame"][()].tolist() == [2, 5, 7]
        assert bouts["stop_frame"][()].tolist() == [5, 10, 7]
        np.testing.assert_allclose(bouts["start_s"], [5.16, 5.4, 5.56])
        np.testing.assert_allclose(bouts["stop_s"], [5.4, 5.8, 5.56])
        assert bouts["score"][()].tolist() == [0.75] * 3
        kinds = {item.dtype.kind for item in [*group.values(), *bouts.values()] if isinstance(item, h5py.Dataset)}
        assert kinds <= set("fiS")
        assert json.loads(group.attrs["provenance"]) == {"steps": ["a threshold"]}


def test_no_bouts_and_a_long_provenance(tmp_path):
    path = tmp_path / "a.ethogram.h5"
    quiet = make(5, states=np.zeros((5, 3), np.int8), scores=np.zeros((5, 3), np.float32))
    write_ethogram_file(path, annotated(quiet, card="x" * 300_000), "")
    [entry] = list_ethograms(path)
    assert entry.num_bouts == 0
    assert len(entry.provenance["card"]) == 300_000


def test_find_provenance(path):
    assert find_provenance(path, "probe-0123abcd") == {"steps": ["a threshold"]}
    assert find_provenance(path, "other-0123abcd") is None
    assert find_provenance(path.with_name("nothing.h5"), "probe-0123abcd") is None


def test_a_group_that_does_not_read_back_is_noticed(path):
    with h5py.File(path, "r+") as file:
        check_group(file["vp_science"], annotated(), path)
        file["vp_science/probe-0123abcd/states"][3, 1] ^= 1
        with pytest.raises(StoreError, match="does not read back: check the disk"):
            check_group(file["vp_science"], annotated(), path)


def test_something_else_in_its_place(tmp_path):
    path = tmp_path / "a.ethogram.h5"
    path.write_bytes(b"notes of a colleague")
    with pytest.raises(StoreError, match=r"expected .* to be an ethogram file, found .* replace it \(--overwrite\)"):
        write_ethogram_file(path, annotated(), "")
    assert path.read_bytes() == b"notes of a colleague"
    write_ethogram_file(path, annotated(), "", overwrite=True)
    assert same(read_ethogram(path), make())


@pytest.mark.parametrize("content", [b"", b"no HDF5 " * 200], ids=["empty", "text"])
def test_files_that_are_no_ethogram_files(tmp_path, content):
    path = tmp_path / "a.ethogram.h5"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="to hold complete ethograms; it is damaged, cut short or something else"):
        read_ethogram(path)


def test_missing(tmp_path):
    with pytest.raises(StoreError, match=r"expected an ethogram file at .*, found nothing: check the name"):
        list_ethograms(tmp_path / "a.ethogram.h5")
    with pytest.raises(StoreError, match="found something else"):
        list_ethograms(tmp_path)


def test_cut_short(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StoreError, match="it is damaged, cut short or something else"):
        read_ethogram(path)


def replace_member(name: str, **options):
    def change(group: h5py.Group) -> None:
        parent, _, leaf = name.rpartition("/")
        where = group[parent] if parent else group
        del where[leaf]
        where.create_dataset(leaf, **options)

    return change


def set_attribute(name: str, value):
    return lambda group: group.attrs.__setitem__(name, value)


def link(name: str, target):
    def change(group: h5py.Group) -> None:
        del group[name]
        group[name] = target

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            link("states", h5py.ExternalLink("/etc/passwd", "/x")),
            "states of .* to lie in the file, found a link elsewhere: refused",
        ),
        (link("scores", h5py.SoftLink("/x")), "scores of .* to lie in the file, found a link elsewhere: refused"),
        (link("bouts", h5py.SoftLink("/")), "bouts of .* to lie in the file, found a link elsewhere: refused"),
        (replace_member("states", data=np.zeros((20, 3))), "states has shape .* and type float64"),
        (replace_member("states", data=np.full((20, 3), 9, np.int8)), "expected the states -1"),
        (replace_member("states", data=np.zeros((19, 3), np.int8)), r"states has shape \(19, 3\), times and behaviors"),
        (replace_member("scores", data=np.full((20, 3), 1.5, np.float32)), "leaves the range from 0 to 1"),
        (replace_member("time_s", data=np.zeros(20)), "expected strictly increasing frame times"),
        (
            replace_member("states", shape=(10**12, 3), dtype=np.int8, chunks=(1000, 3), compression="gzip"),
            "states claims 3000000000000 bytes and 0 are there",
        ),
        (
            replace_member("states", shape=(20, 3), dtype=np.int8, external=[("/etc/passwd", 0, 60)]),
            "found outside storage: refused",
        ),
        (lambda group: group.__delitem__("scores"), "scores is missing"),
        (lambda group: group.__delitem__("bouts"), "bouts is missing"),
        (lambda group: group.__delitem__("states"), "holds no ethogram"),
        (set_attribute("schema", 2), "expected schema 1 in .*, found (np.int64\\()?2.*: upgrade vp-science"),
        (set_attribute("catalogue", "[" * 100_000), "the attribute catalogue of .* is not JSON"),
        (set_attribute("catalogue", "[1]"), "the attribute catalogue of .* is not a JSON object"),
        (set_attribute("catalogue", '{"entries": 3}'), "expected a catalogue of behaviors as JSON"),
        (set_attribute("subject", 3), "the attribute subject of .* is '3' and not text"),
        (set_attribute("probe_id", "../other"), "says that it belongs to another probe"),
    ],
)
def test_hostile_files(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file["vp_science/probe-0123abcd"])
    with pytest.raises(StoreError, match=message):
        read_everything(path)


def read_everything(path: Path) -> None:
    list_ethograms(path)
    read_ethogram(path)


def test_group_names_are_no_paths():
    for name in ("a/b", "..", ".", "a%2Fb", "x\0y"):
        assert "/" not in group_name(name)
        assert group_name(name) not in (".", "..")
    assert group_name("a/b") != group_name("a%2Fb")
    assert group_name("mouse 1 (ü)") == "mouse 1 (ü)"


def test_a_full_disk_keeps_the_old_file(path, monkeypatch):
    import os

    before = path.read_bytes()

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match=r"cannot write .*mouse.ethogram.h5: the disk is full"):
        write_ethogram_file(path, annotated(make(seed=4)), "")
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]
