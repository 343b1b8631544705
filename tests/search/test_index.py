import itertools
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
from search_study import DIM, dancing, make_track, write_track

from vp_science.errors import SettingsError, StoreError
from vp_science.points import PointSettings
from vp_science.search import build, build_index, find, open_index
from vp_science.store.reader import open_embeddings


@pytest.fixture
def path(tmp_path):
    return tmp_path / "study.search.h5"


def test_rows_are_unit_vectors(path):
    index = build_index(dancing(), path)
    np.testing.assert_allclose(np.linalg.norm(index.rows, axis=1), 1, atol=1e-6)
    assert isinstance(index.rows, np.memmap)
    assert not index.rows.flags.writeable


def test_a_file_gives_what_memory_gives(path):
    tracks = dancing()
    memory, file = build_index(tracks), build_index(tracks, path)
    for common in ("all", "recording", "none"):
        one, other = find(memory, "a@4-6", common=common), find(file, "a@4-6", common=common)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
        assert one.to_pandas().round(5).equals(other.to_pandas().round(5))
        assert one.id == other.id
    assert file.settings == memory.settings
    assert file.recordings == memory.recordings
    assert repr(file).startswith(f"SearchIndex in {path}: ")
    assert not list(path.parent.glob("*.partial"))


def test_chunks_do_not_change_an_index(monkeypatch):
    whole = build_index(dancing())
    monkeypatch.setattr(build, "_CHUNK", 50)
    parts = build_index(dancing())
    for name in ("rows", "mean", "recording_mean", "norm", "recording_norm"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-6)


def test_an_index_is_made_once(path):
    tracks = dancing()
    told = []
    build_index(tracks, path, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0
    assert all(one[0] <= other[0] for one, other in itertools.pairwise(told))
    made = path.stat()
    told.clear()
    build_index(tracks, path, progress=lambda done, total: told.append((done, total)))
    assert not told
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


def test_it_is_made_again_when_a_track_changed_or_came(path):
    tracks = dancing()
    before = build_index(tracks, path).rows[:5].copy()
    changed = [make_track("a", np.asarray(tracks[0].track)[:, 0] + 1), *tracks[1:]]
    assert not np.allclose(build_index(changed, path).rows[:5], before)
    more = [*changed, make_track("d", np.ones((40, DIM)))]
    assert len(build_index(more, path).recordings) == 4


def test_a_track_that_was_made_again_in_the_same_way_is_the_same(tmp_path, path):
    for folder in ("one", "two"):
        with open_embeddings(write_track(dancing()[0], tmp_path / folder)) as track:
            index = build_index([track], path)
    assert path.stat().st_mtime_ns <= (tmp_path / "two" / "a.embeddings.h5").stat().st_mtime_ns
    assert index.recordings[0].recording_id == "a"


def test_an_index_of_something_else_is_not_replaced(path):
    tracks = dancing()
    build_index(tracks, path, points=PointSettings(pool_s=1))
    with pytest.raises(SettingsError, match=r"to be an index of PointSettings\(unit='windows', pool_s=None"):
        build_index(tracks, path, points=PointSettings())
    assert build_index(tracks, path).settings == PointSettings(pool_s=1)
    with pytest.raises(SettingsError, match=r"the tracks of all recordings in .*, found none for b, c: name them too"):
        build_index(tracks[:1], path)


def test_two_tracks_of_a_recording_are_refused():
    with pytest.raises(SettingsError, match="one track per recording, found 'a' twice"):
        build_index([dancing()[0], dancing()[0]])


def test_what_does_not_fit_into_memory_is_sent_to_a_file(monkeypatch, path):
    monkeypatch.setattr(build, "MAX_MEMORY_BYTES", 1000)
    with pytest.raises(SettingsError, match=r"897 moments of 24 numbers take .* name a file for the index \(--index\)"):
        build_index(dancing())
    assert len(build_index(dancing(), path)) == 897


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {helpers!r})
    from pathlib import Path
    from search_study import dancing
    from vp_science.search import build, build_index

    build._CHUNK = 100

    def kill(done, total):
        if done >= {share} * total:
            print("now", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    build_index(dancing(seed=1), Path({path!r}), progress=kill)
"""


@pytest.mark.parametrize(("share", "before"), [(0.05, False), (1.0, False), (1.0, True)])
def test_a_kill_leaves_the_old_index_or_none(path, share, before):
    if before:
        old = build_index(dancing(), path).rows[:5].copy()
    code = textwrap.dedent(KILLED).format(helpers=str(Path(__file__).parent), path=str(path), share=share)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout == "now\n"
    if before:
        np.testing.assert_array_equal(open_index(path).rows[:5], old)
    else:
        assert not path.exists()
    made = build_index(dancing(seed=1), path)
    np.testing.assert_allclose(made.rows, build_index(dancing(seed=1)).rows, atol=1e-6)
    assert os.listdir(path.parent) == [path.name]


def test_a_failure_leaves_nothing(path):
    with pytest.raises(ZeroDivisionError):
        build_index(dancing(), path, progress=lambda done, total: 1 // 0)
    assert not os.listdir(path.parent)


def edit(path, change):
    build_index(dancing(), path)
    with h5py.File(path, "r+") as file:
        change(file)


def replace(name, make):
    def change(file):
        values = file[name][()]
        del file[name]
        file.create_dataset(name, data=make(values))

    return change


def chunked(file):
    values = file["rows"][()]
    del file["rows"]
    file.create_dataset("rows", data=values, chunks=(10, DIM))


def linked(file):
    del file["rows"]
    file["rows"] = h5py.ExternalLink("/etc/passwd", "/rows")


def external(file):
    shape = file["rows"].shape
    del file["rows"]
    file.create_dataset("rows", shape, "<f4", external=[("elsewhere.bin", 0, h5py.h5f.UNLIMITED)])


def record(old, new):
    return replace("record", lambda raw: np.frombuffer(raw.tobytes().replace(old, new), np.uint8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda file: file.attrs.update(format="other"),
            "expected format=\"vp_science.search_index\" in .*, found 'other'",
        ),
        (lambda file: file.attrs.update(schema=9), "expected schema 1 in .*, found 9: upgrade"),
        (lambda file: file.attrs.update(complete=False), "not marked as complete"),
        (lambda file: file.__delitem__("norm"), "/norm is missing"),
        (linked, "/rows of .* to lie in the file, found a link elsewhere: refused for safety"),
        (external, "/rows of .* to lie in the file, found outside storage: refused for safety"),
        (chunked, "/rows does not lie in it in one piece"),
        (replace("rows", lambda rows: rows.astype(np.float64)), "type float64"),
        (replace("rows", lambda rows: rows[:-1]), "/recording has shape \\(897,\\), expected \\(896,\\)"),
        (replace("mean", lambda mean: mean[:-1]), "/mean has shape \\(23,\\), expected \\(24,\\)"),
        (replace("norm", lambda norm: norm * np.nan), "/norm holds something else than numbers"),
        (replace("recording", lambda number: number + 1), "its moments are not those of its recordings"),
        (replace("stop_s", lambda stop: stop - 100), "a moment ends before it starts"),
        (record(b'"num_points": 297', b'"num_points": 9999999999999'), "its moments are not those of its recordings"),
        (record(b'"num_points"', b'"points"'), "is no recording"),
        (record(b'"settings"', b'"setting"'), "'settings'"),
        (record(b'"stride": 2', b'"stride": "2"'), "expected stride in the provenance to be of type int"),
        (record(b"{", b""), "damaged"),
    ],
)
def test_a_file_that_is_something_else_is_refused(path, change, message):
    edit(path, change)
    with pytest.raises(StoreError, match=message):
        open_index(path)
    with pytest.raises(StoreError, match=message):
        build_index(dancing(), path)


def test_rows_that_are_no_numbers_are_noticed(path):
    edit(path, lambda file: file["rows"].__setitem__((5, 3), np.nan))
    with pytest.raises(
        StoreError, match=r"expected numbers in .*study\.search\.h5, found others: make the index again"
    ):
        find(open_index(path), "a@4-6")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_was_cut_short_is_refused(path, share):
    build_index(dancing(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StoreError, match="complete search index; it is damaged, cut short or something else"):
        open_index(path)


def test_a_missing_file_is_named(path, tmp_path):
    with pytest.raises(StoreError, match="expected a search index, found no file at"):
        open_index(path)
    with pytest.raises(StoreError, match="expected a search index, found no file at"):
        open_index(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="something else"):
        build_index(dancing(), tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"
