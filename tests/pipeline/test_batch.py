"""What a batch consists of, what its outputs are called, and its record."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
from PIL import Image
from pipeline_tools import read_manifest

from vp_science.batch import BatchItem, EmbedResult, append_manifest, find_inputs, natural_key
from vp_science.errors import SettingsError, StoreError
from vp_science.files import hash_file


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def ids(*inputs) -> list[str]:
    return [item.recording_id for item in find_inputs(inputs)]


def test_a_folder_gives_all_recordings_below_it_in_natural_order(tmp_path):
    touch(tmp_path, "b10.mp4", "b2.MP4", "a.h5", "day 10/x.avi", "day 2/x.avi", "day 2/deep/er/y.nwb", "notes.txt")
    touch(tmp_path, "labels.csv", "readme.md", "photo.jpg", "z.slp", "stack.tif", "frames.npy")
    expected = ["a", "b2", "b10", "frames", "stack", "z", "day 2/x", "day 2/deep/er/y", "day 10/x"]
    assert ids(tmp_path) == expected
    for item in find_inputs([tmp_path]):
        assert item.path.is_file()
        assert item.output(Path("out")) == Path(f"out/{item.recording_id}.embeddings.h5")


def test_hidden_files_and_our_own_results_are_not_recordings(tmp_path):
    touch(tmp_path, ".hidden.mp4", ".cache/x.mp4", "._resource.mp4", "a.mp4", "a.embeddings.h5", "a.ethogram.h5")
    touch(tmp_path, "manifest.jsonl", "b.embeddings.partial/segment-000000.npz", "b.embeddings.partial/inside.h5")
    assert ids(tmp_path) == ["a"]
    assert ids(tmp_path / "*.h5", tmp_path / "a.mp4") == ["a"]


def test_patterns(tmp_path):
    touch(tmp_path, "day1/a2.avi", "day1/a10.avi", "day2/b.avi", "day2/b.txt", "deep/er/c.avi")
    assert ids(f"{tmp_path}/day1/*.avi") == ["a2", "a10"]
    assert ids(f"{tmp_path}/day[12]/*.avi") == ["a2", "a10", "b"]
    assert ids(f"{tmp_path}/**/*.avi") == ["a2", "a10", "b", "c"]
    assert ids(f"{tmp_path}/day?") == ["a2", "a10", "b"], "a pattern may match folders"
    with pytest.raises(
        SettingsError, match=r'the pattern ".*\*\.mkv" matches no file: expected at least one recording'
    ):
        find_inputs([f"{tmp_path}/*.mkv"])


def test_names_with_pattern_characters_are_files_first(tmp_path):
    touch(tmp_path, "take [1].mp4", "take 1.mp4", "what?.mp4")
    assert ids(tmp_path / "take [1].mp4") == ["take [1]"]
    assert ids(tmp_path / "what?.mp4") == ["what?"]


@pytest.mark.parametrize(
    "name", ["Taï cam 61", 'it\'s "quoted"', "音声 видео", "a\tb", "new\nline", "-dash", "x" * 200]
)
def test_difficult_names(tmp_path, name):
    touch(tmp_path, f"{name}.mp4", f"{name}/{name}.avi")
    assert ids(tmp_path) == [name, f"{name}/{name}"]
    assert ids(tmp_path / f"{name}.mp4") == [name]


def test_each_recording_once(tmp_path, monkeypatch):
    touch(tmp_path, "a.mp4", "b.mp4")
    monkeypatch.chdir(tmp_path)
    assert ids("b.mp4", tmp_path, f"{tmp_path}/*.mp4", "./a.mp4") == ["b", "a"]


def test_the_same_name_with_another_ending_keeps_its_ending(tmp_path):
    touch(tmp_path, "a.mp4", "a.avi", "b.mp4", "sub/a.mp4")
    assert ids(tmp_path) == ["a.avi", "a.mp4", "b", "sub/a"]


def test_names_that_collide_are_refused(tmp_path):
    touch(tmp_path, "day1/a.mp4", "day2/a.mp4")
    with pytest.raises(SettingsError, match=r"day1/a\.mp4 and .*day2/a\.mp4 would both be written to a\.mp4\.emb") as e:
        find_inputs([tmp_path / "day1" / "a.mp4", tmp_path / "day2" / "a.mp4"])
    assert "give the folder that holds both" in str(e.value)
    assert ids(tmp_path) == ["day1/a", "day2/a"]


def test_a_name_that_a_longer_one_takes_is_refused(tmp_path):
    touch(tmp_path, "a.mp4", "a.avi", "a.mp4.mkv")
    with pytest.raises(SettingsError, match=r"would both be written to a\.mp4\.embeddings\.h5"):
        find_inputs([tmp_path])


def test_a_missing_file_goes_on_to_fail_by_itself(tmp_path):
    assert find_inputs([tmp_path / "gone.mp4"]) == [BatchItem(tmp_path / "gone.mp4", "gone")]


@pytest.mark.parametrize("names", [(), ("notes.txt", "labels.csv"), (".hidden.mp4",), ("a.embeddings.h5",)])
def test_a_folder_without_recordings_is_an_error(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(SettingsError, match=r"expected recordings in .*, found none: looked for .*mp4.* pictures"):
        find_inputs([tmp_path])


def test_an_empty_name_is_not_the_current_folder(tmp_path, monkeypatch):
    touch(tmp_path, "a.mp4")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="found an empty one"):
        find_inputs([""])


def pictures(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(folder / f"frame{number}.png")
    return folder


def test_a_folder_of_pictures_is_one_recording(tmp_path):
    pictures(tmp_path / "mouse 1")
    pictures(tmp_path / "deep" / "mouse 2")
    touch(tmp_path / "mouse 1", "times.txt")
    assert ids(tmp_path) == ["deep/mouse 2", "mouse 1"]
    assert find_inputs([tmp_path / "mouse 1"]) == [BatchItem(tmp_path / "mouse 1", "mouse 1")]


def test_the_current_folder_of_pictures_has_its_own_name(tmp_path, monkeypatch):
    folder = pictures(tmp_path / "mouse 1")
    monkeypatch.chdir(folder)
    assert ids(".") == ["mouse 1"]
    (folder / "sub").mkdir()
    monkeypatch.chdir(folder / "sub")
    assert ids("..") == ["mouse 1"]


def test_results_below_a_folder_of_pictures_do_not_hide_it(tmp_path):
    """The second run of ``vp-science embed . `` in a folder of pictures finds them again."""
    folder = pictures(tmp_path / "mouse 1")
    touch(folder, "embeddings/mouse 1.embeddings.h5", "embeddings/manifest.jsonl")
    assert ids(folder) == ["mouse 1"]
    touch(folder, "work/mouse 1.embeddings.partial/plan.json")
    assert ids(folder) == ["mouse 1"]


def test_pictures_beside_recordings_are_not_a_recording(tmp_path):
    pictures(tmp_path)
    touch(tmp_path, "a.mp4")
    pictures(tmp_path / "sub")
    touch(tmp_path, "sub/deeper/b.mp4")
    assert ids(tmp_path) == ["a", "sub/deeper/b"]


def test_natural_order():
    names = ["a10", "a2", "a", "10", "9", "a2b1", "a²", ""]
    assert sorted(names, key=natural_key) == ["", "9", "10", "a", "a2", "a2b1", "a10", "a²"]


# The manifest


def result(number: int = 0, **changes) -> EmbedResult:
    values = {"recording_id": f"r{number}", "input": "in.mp4", "output": Path("out.h5"), "status": "done"}
    return EmbedResult(**{**values, **changes})


def test_the_manifest_is_one_line_per_result(tmp_path):
    append_manifest(tmp_path / "new", result(error='two\nlines and "quotes"', seconds=1.23456), {"model": "m"})
    append_manifest(tmp_path / "new", result(output=None, status="failed", recording_id="Taï"), {"model": "m"})
    first, second = read_manifest(tmp_path / "new")
    assert (first["error"], first["seconds"], first["output"], first["model"]) == (
        'two\nlines and "quotes"',
        1.235,
        "out.h5",
        "m",
    )
    assert (second["output"], second["status"], second["recording_id"]) == (None, "failed", "Taï")


def test_names_that_are_not_unicode_get_into_the_manifest(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    append_manifest(tmp_path, result(recording_id=name), {})
    [line] = (tmp_path / "manifest.jsonl").read_bytes().decode("utf-8").splitlines()
    assert os.fsencode(json.loads(line)["recording_id"]) == b"caf\xe9"


def test_half_a_line_does_not_swallow_the_next(tmp_path):
    path = tmp_path / "manifest.jsonl"
    append_manifest(tmp_path, result(recording_id="a"), {})
    path.write_bytes(path.read_bytes() + b'{"recording_id": "cut by a pow')
    append_manifest(tmp_path, result(recording_id="b"), {})
    first, half, last = path.read_text().splitlines()
    assert half == '{"recording_id": "cut by a pow'
    assert [json.loads(line)["recording_id"] for line in (first, last)] == ["a", "b"]


def test_a_full_disk_leaves_no_half_line(tmp_path):
    resource = pytest.importorskip("resource")  # not on Windows
    append_manifest(tmp_path, result(recording_id="a"), {})
    before = (tmp_path / "manifest.jsonl").read_bytes()
    # What a file of this size may hold is limited: the system writes what fits, and reports no error.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
        with pytest.raises(StoreError, match=r"cannot write .*manifest\.jsonl: the disk is full.*same command again"):
            append_manifest(tmp_path, result(recording_id="b"), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (tmp_path / "manifest.jsonl").read_bytes() == before


def test_a_manifest_that_cannot_be_written(tmp_path):
    (tmp_path / "manifest.jsonl").mkdir()
    with pytest.raises(StoreError, match=r"cannot write .*manifest\.jsonl: expected a file .*Is a directory.*Move it"):
        append_manifest(tmp_path, result(), {})


def append_many(folder: Path, process: int) -> None:
    for number in range(40):
        append_manifest(folder, result(1000 * process + number, error="x" * 3000), {"process": process})


def test_several_processes_append_whole_lines(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=append_many, args=(tmp_path, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    lines = read_manifest(tmp_path)
    assert len(lines) == 160
    assert {line["recording_id"] for line in lines} == {f"r{1000 * p + n}" for p in range(4) for n in range(40)}
    for process in range(4):
        own = [int(line["recording_id"][1:]) for line in lines if line["process"] == process]
        assert own == sorted(own)


def test_hash_of_a_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_linked_folders_are_followed_once(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "a.mp4").touch()
    study = tmp_path / "study"
    study.mkdir()
    (study / "day1").symlink_to(disk)
    (disk / "loop").symlink_to(study)
    assert [item.recording_id for item in find_inputs([study])] == ["day1/a"]
