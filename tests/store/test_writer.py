import dataclasses
import errno
import json
import os

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.errors import SettingsError, StoreError
from vp_science.recordings import Fingerprint
from vp_science.store import files, hdf5
from vp_science.store.plan import RecordingFacts, cut_segments
from vp_science.store.reader import open_embeddings
from vp_science.store.writer import EmbeddingWriter, partial_folder
from vp_science.timeline.grid import plan_windows


@pytest.fixture
def path(tmp_path):
    return hdf5.embeddings_path(tmp_path / "out", "mouse_01")


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_round_trip(jobs, tmp_path_factory, data):
    num_frames = data.draw(st.integers(1, 60))
    window = data.draw(st.integers(1, 12))
    provenance = jobs.make_provenance(
        num_frames=window,
        stride=data.draw(st.integers(1, window)),
        spatial_pool=data.draw(st.sampled_from([1, 2])),
        dtype=data.draw(st.sampled_from(["float16", "float32"])),
        checkpoint=data.draw(st.sampled_from(["ab" * 32, "seed:1 (untrained)"])),
    )
    options = {
        "num_frames": num_frames,
        "dim": data.draw(st.integers(1, 9)),
        "per_segment": data.draw(st.integers(1, 9)),
        "provenance": provenance,
    }
    path = tmp_path_factory.mktemp("round") / "a.embeddings.h5"
    stop = data.draw(st.integers(0, 8))
    with jobs.open_job(path, **options) as writer:
        jobs.write_all(writer, stop=stop)
    with jobs.open_job(path, **options) as writer:
        assert writer.next_segment == min(stop, len(writer.segments))
        jobs.write_all(writer)
        made = [jobs.content(writer, segment.index) for segment in writer.segments]
        grid, windows = writer._grid, writer._windows
        assert writer.finish() == path
    with open_embeddings(path) as found:
        np.testing.assert_array_equal(
            found.track, np.concatenate([piece[0] for piece in made]).astype(provenance.dtype)
        )
        np.testing.assert_array_equal(found.window, np.concatenate([piece[1] for piece in made]))
        np.testing.assert_array_equal(found.shown_index, np.concatenate([piece[2] for piece in made]))
        np.testing.assert_array_equal(found.damaged_frames, [7] if num_frames > 7 else [])
        for name, expected in (("time_s", grid.time_s), ("frame_index", grid.frame_index)):
            np.testing.assert_array_equal(getattr(found, name), expected)
        np.testing.assert_array_equal(found.window_start, windows.start)
        np.testing.assert_array_equal(found.window_stop, windows.stop)
        assert found.provenance == provenance
        assert found.recording == jobs.make_recording(num_frames)
        assert found.untrained == provenance.untrained
    assert list(path.parent.iterdir()) == [path]


@settings(max_examples=60, deadline=None)
@given(num_grid=st.integers(1, 300), num_frames=st.integers(1, 20), per_segment=st.integers(1, 20), data=st.data())
def test_segments_tile_windows_and_grid(num_grid, num_frames, per_segment, data):
    windows = plan_windows(num_grid, num_frames, data.draw(st.integers(1, num_frames)))
    segments = cut_segments(windows, per_segment)
    grid, frames = np.arange(num_grid), np.arange(len(windows))
    assert np.concatenate([grid[segment.grid] for segment in segments]).tolist() == grid.tolist()
    assert np.concatenate([frames[segment.windows] for segment in segments]).tolist() == frames.tolist()
    assert [segment.index for segment in segments] == list(range(len(segments)))


def test_same_content_gives_the_same_bytes(jobs, tmp_path):
    jobs.run_job(tmp_path / "a" / "x.embeddings.h5")
    jobs.run_job(tmp_path / "b" / "y.embeddings.h5")
    assert jobs.sha256(tmp_path / "a" / "x.embeddings.h5") == jobs.sha256(tmp_path / "b" / "y.embeddings.h5")


def test_room_is_reserved_for_all_of_the_file(jobs, path, monkeypatch):
    asked = []
    reserve = hdf5.reserve
    monkeypatch.setattr(hdf5, "reserve", lambda file, size: asked.append(size) or reserve(file, size))
    for options in (
        {},
        {"num_frames": 3000, "per_segment": 500},
        {"dim": 3000},
        {"provenance": jobs.make_provenance(spatial_pool=16)},
    ):
        jobs.run_job(path, **options)
        assert path.stat().st_size <= asked[-1]
        path.unlink()


def test_reserve_without_fallocate(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    files.reserve(file, (2 << 20) + 5)
    assert file.stat().st_size == (2 << 20) + 5
    assert file.read_bytes().rstrip(b"\0") == b"abc"
    files.reserve(file, 10)
    assert file.stat().st_size == (2 << 20) + 5


def test_already_complete(jobs, path):
    jobs.run_job(path)
    before = path.stat()
    with jobs.open_job(path, provenance=jobs.make_provenance(software="vp-science 3")) as writer:
        assert writer.status == "already_complete"
        assert list(writer.segments[writer.next_segment :]) == []
        assert writer.finish() == path
    assert path.stat() == before
    partial_folder(path).mkdir()  # as a kill between the rename and the clean-up leaves it
    (partial_folder(path) / "segment-000000.npz").touch()
    assert jobs.open_job(path).status == "already_complete"
    assert list(path.parent.iterdir()) == [path]


def test_another_recording_is_refused(jobs, path):
    jobs.run_job(path)
    for change in ({"sha256": "00" * 32}, {"num_bytes": 5}):
        with pytest.raises(StoreError, match=r'was made from another recording \("mouse_01": .*--out.*--overwrite'):
            jobs.open_job(path, recording=jobs.make_recording(**change))
    jobs.open_job(path, recording=jobs.make_recording(path="elsewhere.mp4")).close()


def test_other_settings_are_refused(jobs, path):
    jobs.run_job(path)
    with pytest.raises(SettingsError, match=r"was made with other settings: preprocess\.fit: pad here, squash in the"):
        jobs.open_job(path, provenance=jobs.make_provenance(preprocess={"fit": "pad", "size": 288, "region": None}))
    with pytest.raises(
        SettingsError, match=r"other presentation times or another width \(dim: 7 here, 6 in the file\)"
    ):
        jobs.open_job(path, dim=7)


def test_unfinished_work_with_other_settings(jobs, path):
    with jobs.open_job(path) as writer:
        jobs.write_all(writer, stop=2)
    with pytest.raises(SettingsError) as error:
        jobs.open_job(path, provenance=jobs.make_provenance(precision="float32"), execution={"batch": 4})
    assert str(error.value) == (
        f"the unfinished work in {partial_folder(path)} was made with other settings: "
        "precision: float32 here, bfloat16 in the file; execution.batch: 4 here, absent in the file. "
        "Use the settings of the file, write to another place (--out), or replace it (--overwrite)"
    )
    with pytest.raises(SettingsError, match="windows_per_segment: 3 here, 2 in the file"):
        jobs.open_job(path, per_segment=3)
    with pytest.raises(StoreError, match="was made from another recording"):
        jobs.open_job(path, recording=jobs.make_recording(sha256="00"))
    with jobs.open_job(path) as writer:
        assert (writer.status, writer.next_segment) == ("resumed", 2)
    with jobs.open_job(path, overwrite=True) as writer:
        assert (writer.status, writer.next_segment) == ("resumed", 2)
    with jobs.open_job(path, per_segment=3, overwrite=True) as writer:
        assert (writer.status, writer.next_segment) == ("new", 0)
        assert not list(partial_folder(path).glob("segment-*"))


def test_resuming_with_a_newer_version_keeps_the_version_that_began(jobs, path):
    with jobs.open_job(path) as writer:
        jobs.write_all(writer, stop=2)
    jobs.run_job(path, provenance=jobs.make_provenance(software="vp-science 0.2.0"))
    with open_embeddings(path) as found:
        assert found.provenance.software == "vp-science 0.1.0"
        assert found.software == "vp-science 0.2.0"


def damage_cut(file):
    file.write_bytes(file.read_bytes()[:-30])


def damage_flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 1
    file.write_bytes(content)


def damage_empty(file):
    file.write_bytes(b"")


def damage_remove(file):
    file.unlink()


def damage_swap(file):
    file.write_bytes(file.with_name("segment-000000.npz").read_bytes())


def damage_pickle(file):
    with np.load(file) as found:
        arrays = dict(found)
    arrays["damaged_frames"] = np.array([{}], dtype=object)
    np.savez(file, **arrays)


def damage_huge(file):
    with np.load(file) as found:
        arrays = dict(found)
    arrays["track"] = np.zeros((10_000, 1, 6), np.float16)
    np.savez_compressed(file, **arrays)


def damage_values(file):
    with np.load(file) as found:
        arrays = dict(found)
    arrays["track"] = arrays["track"] + np.float16(1)
    np.savez(file, **arrays)


@pytest.mark.parametrize(
    "damage",
    [
        damage_cut,
        damage_flip,
        damage_empty,
        damage_remove,
        damage_swap,
        damage_pickle,
        damage_huge,
        damage_values,
    ],
)
def test_a_bad_segment_and_all_after_it_are_made_again(jobs, tmp_path, path, damage):
    with jobs.open_job(path) as writer:
        jobs.write_all(writer)
    damage(partial_folder(path) / "segment-000002.npz")
    with jobs.open_job(path) as writer:
        assert writer.next_segment == 2
        assert sorted(file.name for file in partial_folder(path).glob("seg*")) == [
            "segment-000000.npz",
            "segment-000001.npz",
        ]
        jobs.write_all(writer)
        writer.finish()
    jobs.run_job(tmp_path / "b.embeddings.h5")
    assert jobs.sha256(path) == jobs.sha256(tmp_path / "b.embeddings.h5")


def test_a_segment_that_goes_bad_before_the_end(jobs, path):
    with jobs.open_job(path) as writer:
        jobs.write_all(writer)
        damage_flip(partial_folder(path) / "segment-000001.npz")
        with pytest.raises(
            StoreError, match=r"segment-000001\.npz to be as it was written, found it missing or altered"
        ):
            writer.finish()
    assert not path.exists()
    assert jobs.open_job(path).next_segment == 1


@pytest.mark.parametrize("text", [b"{", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_bad_plan(jobs, path, text):
    with jobs.open_job(path) as writer:
        jobs.write_all(writer, stop=1)
    (partial_folder(path) / "plan.json").write_bytes(text)
    with pytest.raises(StoreError, match=r"expected a plan .*plan\.json.*, found something else.*delete .*--overwrite"):
        jobs.open_job(path)
    with jobs.open_job(path, overwrite=True) as writer:
        assert writer.status == "new"


def test_plan_is_readable(jobs, path):
    with jobs.open_job(path, execution={"batch_frames": 32}):
        plan = json.loads((partial_folder(path) / "plan.json").read_text())
    assert plan["provenance"]["preprocess"]["fit"] == "squash"
    assert plan["recording"]["sha256"] == "cd" * 32
    assert plan["execution"] == {"batch_frames": 32}


def test_foreign_files_in_the_partial_folder_stay(jobs, path):
    with jobs.open_job(path) as writer:
        (partial_folder(path) / "notes.txt").write_text("mine")
        jobs.write_all(writer)
        writer.finish()
    assert [file.name for file in partial_folder(path).iterdir()] == ["notes.txt"]


def test_links_are_not_followed(jobs, tmp_path, path):
    (tmp_path / "elsewhere").mkdir()
    path.parent.mkdir()
    partial_folder(path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="to be a plain folder, found a link: remove the link"):
        jobs.open_job(path)
    partial_folder(path).unlink()
    partial_folder(path).mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("plan.json.tmp", "segment-000000.npz.tmp", "assembled.h5.tmp"):
        (partial_folder(path) / name).symlink_to(victim)
    jobs.run_job(path)
    partial_folder(path).mkdir()
    (partial_folder(path) / "lock").symlink_to(victim)
    with pytest.raises(StoreError, match="cannot write"):
        jobs.open_job(path)
    assert victim.read_text() == "precious"


def test_output_is_a_folder(jobs, path):
    path.mkdir(parents=True)
    with pytest.raises(StoreError, match=r"expected .* to be a file, found a folder: move it away, or choose another"):
        jobs.open_job(path, overwrite=True)


def test_output_folder_is_a_file(jobs, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(
        StoreError, match=r"expected a file below a folder, found something else in its place \(.*--out"
    ):
        jobs.open_job(tmp_path / "out" / "x.embeddings.h5")
    (tmp_path / "y.embeddings.partial").write_text("")
    with pytest.raises(StoreError, match=r"found something else in its place \(File exists: .*y\.embeddings\.partial"):
        jobs.open_job(tmp_path / "y.embeddings.h5")


def test_name_too_long(jobs, tmp_path):
    with pytest.raises(StoreError, match=r"the name is too long for the file system .* Rename the recording"):
        jobs.open_job(tmp_path / f"{'x' * 300}.embeddings.h5")


def test_wrong_suffix(jobs, tmp_path):
    with pytest.raises(SettingsError, match=r"expected the name of an embedding file to end in \".h5\", found 'x.npz'"):
        jobs.open_job(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.EACCES, r"read-only or belongs to someone else \(Permission denied.*--out"),
        (errno.EROFS, r"read-only or belongs to someone else \(Read-only file system"),
        (errno.ENOSPC, r"the disk is full, or a quota"),
        (errno.EDQUOT, r"the disk is full, or a quota"),
        (errno.EIO, r"Input/output error.*run the same command again"),
    ],
)
def test_refused_writes(jobs, path, monkeypatch, code, message):
    with jobs.open_job(path) as writer:
        jobs.write_all(writer, stop=1)
        with monkeypatch.context() as patch:

            def fail(handle):
                raise OSError(code, os.strerror(code))

            patch.setattr(files.os, "fsync", fail)
            with pytest.raises(StoreError, match=message):
                jobs.write_all(writer)
        assert writer.next_segment == 1
        assert not list(partial_folder(path).glob("*.tmp"))
        jobs.write_all(writer)
        writer.finish()


def test_hdf5_failing_to_close(jobs, path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("Can't decrement id ref count")

    with jobs.open_job(path) as writer:
        jobs.write_all(writer)
        with monkeypatch.context() as patch:
            patch.setattr(hdf5, "_write_segments", fail)
            with pytest.raises(StoreError, match=r"cannot write .*: Can't decrement id ref count.*again"):
                writer.finish()
        writer.finish()


def test_what_is_written_is_verified(jobs, path, monkeypatch):
    def short(file, plan, segments):
        list(segments)
        file.attrs["recording_id"] = "x"
        del file["track"]
        file.create_dataset("track", data=np.zeros((1, 1, 1), np.float16))
        return np.zeros(0, np.int64)

    with jobs.open_job(path) as writer:
        jobs.write_all(writer)
        monkeypatch.setattr(hdf5, "_write_segments", short)
        with pytest.raises(StoreError, match="damaged"):
            writer.finish()
    assert not path.exists()


def test_misuse(jobs, path):
    with jobs.open_job(path) as writer:
        with pytest.raises(ValueError, match="expected segment 0 of 5 next, found 1"):
            writer.write_segment(1, *jobs.content(writer, 1))
        track, window, shown, damaged = jobs.content(writer, 0)
        with pytest.raises(ValueError, match="expected track, window and shown_index of shapes"):
            writer.write_segment(0, track[1:], window, shown[1:], damaged)
        with pytest.raises(ValueError, match="expected shown_index within the 41 source frames"):
            writer.write_segment(0, track, window, shown + 40, damaged)
        with pytest.raises(ValueError, match="expected damaged_frames within the 41 source frames"):
            writer.write_segment(0, track, window, shown, damaged - 8)
        with pytest.raises(ValueError, match="expected all 5 segments before finish, found 0"):
            writer.finish()
    with pytest.raises(ValueError, match="this writer is closed"):
        writer.write_segment(0, track, window, shown, damaged)


def test_embeddings_that_are_not_numbers(jobs, path):
    with jobs.open_job(path) as writer:
        track, window, shown, damaged = jobs.content(writer, 0)
        track[3, 0, 2] = np.nan
        with pytest.raises(
            StoreError, match=r"found NaN or infinity at grid frame 3 \(1 in this segment\): check the we"
        ):
            writer.write_segment(0, track, window, shown, damaged)
        track[3, 0, 2] = 1e5
        with pytest.raises(StoreError, match=r"fit into float16 \(up to 65504\), found 100000: store them as float32"):
            writer.write_segment(0, track, window, shown, damaged)
        track[3, 0, 2] = 1
        window[1] = np.inf
        with pytest.raises(StoreError, match="found NaN or infinity at window 1"):
            writer.write_segment(0, track, window, shown, damaged)


def test_contradictions(jobs, path):
    provenance = jobs.make_provenance()
    grid, windows = jobs.layout(41, provenance)
    recording = jobs.make_recording()

    def attempt(**changes):
        arguments = {
            "provenance": provenance,
            "recording": recording,
            "grid": grid,
            "windows": windows,
            "dim": 6,
            "windows_per_segment": 2,
        }
        EmbeddingWriter.open(path, **{**arguments, **changes})

    with pytest.raises(SettingsError, match="expected windows over 41 grid frames, found 40: plan them anew"):
        attempt(windows=plan_windows(40, 8, 4))
    with pytest.raises(SettingsError, match=r"expected windows of 8 frames with stride 4 .* found 8 and 2: plan"):
        attempt(windows=plan_windows(41, 8, 2))
    with pytest.raises(SettingsError, match="expected dim of at least 1, found 0"):
        attempt(dim=0)
    with pytest.raises(SettingsError, match="expected windows_per_segment of at least 1, found 0"):
        attempt(windows_per_segment=0)
    with pytest.raises(SettingsError, match="expected a grid over 40 source frames, found frame 40 in it: make"):
        attempt(recording=dataclasses.replace(recording, num_frames=40))
    with pytest.raises(SettingsError, match="expected execution to be plain JSON values"):
        attempt(execution={"batch": float("inf")})
    assert not path.parent.exists()


def test_names_that_are_not_unicode(jobs, path):
    fingerprint = jobs.make_recording()
    name = os.fsdecode(b"/lab/m\xe4use.mp4")
    recording = RecordingFacts.of(name, name, fingerprint)
    assert recording.path == "/lab/m\\udce4use.mp4"
    jobs.run_job(path, recording=recording)
    with open_embeddings(path) as found:
        assert found.recording == recording
    assert RecordingFacts.of("array", None, fingerprint).path is None


def test_facts_of_a_recording(tmp_path):
    fingerprint = Fingerprint(10, "ef" * 32, 3)
    facts = RecordingFacts.of("a", tmp_path / "a.mp4", fingerprint)
    assert facts == RecordingFacts("a", str(tmp_path / "a.mp4"), 10, "ef" * 32, 3)


def test_a_long_provenance(jobs, path):
    provenance = jobs.make_provenance(source={"note": "long " * 50_000})
    jobs.run_job(path, provenance=provenance)
    with open_embeddings(path) as found:
        assert found.provenance == provenance


def test_plain_h5py_sees_the_documented_layout(jobs, path):
    jobs.run_job(path)
    with h5py.File(path) as file:
        assert {name: (file[name].shape, str(file[name].dtype)) for name in file} == {
            "track": ((41, 1, 6), "float16"),
            "window": ((10, 6), "float32"),
            "time_s": ((41,), "float64"),
            "frame_index": ((41,), "int64"),
            "shown_index": ((41,), "int64"),
            "window_start": ((10,), "int64"),
            "window_stop": ((10,), "int64"),
            "damaged_frames": ((1,), "int64"),
        }
        attributes = dict(file.attrs)
        assert json.loads(attributes.pop("provenance")) == jobs.make_provenance().to_json()
        assert attributes == {
            "format": "vp_science.embeddings",
            "schema": 1,
            "software": "vp-science 0.1.0",
            "recording_id": "mouse_01",
            "recording_path": "/lab/mouse_01.mp4",
            "fingerprint_num_bytes": 1234,
            "fingerprint_sha256": "cd" * 32,
            "num_frames": 41,
            "complete": True,
        }
