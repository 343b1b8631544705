"""Indexes of videos that are kept: found again, made anew when they do not fit, never trusted blindly."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from video_synthetic import number_of, write_video

from vp_science.errors import RecordingError
from vp_science.video import kept_index
from vp_science.video.kept_index import IndexFolder
from vp_science.video.open import open_recording


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, num_frames=30)
    return path


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which files were read through."""
    calls: list[Path] = []
    build = kept_index.build_index

    def counting(path, watch=None):
        calls.append(path)
        return build(path, watch)

    monkeypatch.setattr(kept_index, "build_index", counting)
    return calls


def _kept(folder: Path) -> Path:
    (found,) = folder.glob("*.index.npz")
    return found


def test_a_file_is_read_through_once(clip: Path, tmp_path: Path, built: list[Path]) -> None:
    folder = tmp_path / "kept"
    first = open_recording(clip, indexer=IndexFolder(folder))
    again = open_recording(clip, indexer=IndexFolder(folder))
    assert built == [clip]
    np.testing.assert_array_equal(first.time_s, again.time_s)
    assert [number_of(again.read(frame)) for frame in (29, 0, 13)] == [29, 0, 13]


def test_a_bare_stream_keeps_that_it_has_no_times(tmp_path: Path, built: list[Path]) -> None:
    path = tmp_path / "bare.h264"
    write_video(path, num_frames=20)
    for _ in range(2):
        recording = open_recording(path, source_fps=10, indexer=IndexFolder(tmp_path / "kept"))
        assert number_of(recording.read(11)) == 11
    assert built == [path]


def test_a_changed_file_is_read_anew(clip: Path, tmp_path: Path, built: list[Path]) -> None:
    folder = tmp_path / "kept"
    IndexFolder(folder)(clip)
    write_video(clip, num_frames=40)
    assert len(IndexFolder(folder)(clip).frame_packet) == 40
    assert len(built) == 2
    assert len(list(folder.iterdir())) == 1


def _garbage(place: Path) -> None:
    place.write_bytes(b"PK\x03\x04 no archive")


def _cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-200])


def _pickled(place: Path) -> None:
    with np.load(place) as stored:
        arrays = dict(stored)
    arrays["packet_id"] = np.array([{"a": 1}], object)
    np.savez(place, **arrays)


def _leads_outside(place: Path) -> None:
    with np.load(place) as stored:
        arrays = dict(stored)
    arrays["frame_packet"] = arrays["frame_packet"] + 10_000
    np.savez(place, **arrays)


def _goes_back(place: Path) -> None:
    with np.load(place) as stored:
        arrays = dict(stored)
    arrays["time_s"] = arrays["time_s"][::-1].copy()
    np.savez(place, **arrays)


def _of_another_file(place: Path) -> None:
    with np.load(place) as stored:
        arrays = dict(stored)
    facts = json.loads(bytes(arrays["facts"])) | {"path": "/elsewhere.mp4"}
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    np.savez(place, **arrays)


@pytest.mark.parametrize("spoil", [_garbage, _cut, _pickled, _leads_outside, _goes_back, _of_another_file])
def test_what_does_not_fit_is_made_anew(clip: Path, tmp_path: Path, built: list[Path], spoil) -> None:
    folder = tmp_path / "kept"
    expected = IndexFolder(folder)(clip)
    spoil(_kept(folder))
    found = IndexFolder(folder)(clip)
    assert len(built) == 2
    np.testing.assert_array_equal(found.frame_packet, expected.frame_packet)
    IndexFolder(folder)(clip)
    assert len(built) == 2  # and what was made anew is kept


def test_a_parser_that_fails_among_threads_costs_an_index(clip: Path, tmp_path: Path, built: list[Path], monkeypatch):
    folder = tmp_path / "kept"
    IndexFolder(folder)(clip)

    def failing(file, **more):
        raise SystemError("AST constructor recursion depth mismatch (before=57, after=54)")

    monkeypatch.setattr(kept_index.np, "load", failing)
    IndexFolder(folder)(clip)
    assert len(built) == 2


def test_nothing_huge_is_loaded(clip: Path, tmp_path: Path, built: list[Path], monkeypatch) -> None:
    folder = tmp_path / "kept"
    IndexFolder(folder)(clip)
    with zipfile.ZipFile(_kept(folder), "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.npy", bytes(1 << 20))
    monkeypatch.setattr(kept_index, "_MOST_BYTES", 1 << 19)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was loaded"))
    IndexFolder(folder)(clip)
    assert len(built) == 2


def test_a_folder_that_cannot_be_written_keeps_nothing(clip: Path, tmp_path: Path) -> None:
    in_the_way = tmp_path / "kept"
    in_the_way.write_text("a file")
    assert len(IndexFolder(in_the_way)(clip).frame_packet) == 30
    assert in_the_way.read_text() == "a file"


def test_old_ones_leave(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(kept_index, "_MOST_FILES", 2)
    for name in "abcd":
        write_video(tmp_path / f"{name}.mp4", num_frames=5)
        IndexFolder(tmp_path / "kept")(tmp_path / f"{name}.mp4")
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_progress_is_told_and_can_end_the_work(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    write_video(path, num_frames=1100, width=160, height=48)
    shares: list[float] = []
    IndexFolder(tmp_path / "kept", shares.append)(path)
    assert len(shares) == 2
    assert 0 < shares[0] <= shares[1] <= 1

    class GivenUpError(Exception):
        pass

    def give_up(share: float) -> None:
        raise GivenUpError

    with pytest.raises(GivenUpError):
        IndexFolder(tmp_path / "other", give_up)(path)
    assert not (tmp_path / "other").exists()


def test_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("x" * 1000)
    with pytest.raises(RecordingError):
        open_recording(path, indexer=IndexFolder(tmp_path / "kept"))
