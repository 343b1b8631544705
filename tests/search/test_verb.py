import json
import subprocess
import sys

import numpy as np
import pytest
from search_study import DANCE, DIM, FPS, SECONDS, dancing, is_dance, write_track

from vp_science.annotations.formats import read_annotations


@pytest.fixture
def tracks(tmp_path):
    for track in dancing():
        write_track(track, tmp_path / "tracks")
    return tmp_path / "tracks"


def test_it_prints_what_it_found_and_what_it_searched(run, tracks):
    code, out, err = run(tracks, "--like", "a@0:04-0:06", "--limit", 5)
    assert code == 0, err
    assert "looked for like a@4-6" in out
    assert "897 windows of 3 tracks" in out
    rows = [line.split("│")[1:-1] for line in out.splitlines() if line.startswith("│")]
    assert [row[0].strip() for row in rows] == ["1", "2", "3", "4", "5"]
    assert all(is_dance(row[2].strip(), (float(row[3]) + float(row[4])) / 2) for row in rows)
    assert f'answer: --yes "{rows[0][2].strip()}@' in out
    assert not err


def test_json_is_what_the_library_gives(run, tracks):
    code, out, _ = run(tracks, "--like", "a@4-6", "--unlike", "b@1-2", "--limit", 4, "--suggest", 2, "--json")
    assert code == 0
    record = json.loads(out)
    assert record["query"]["like"] == ["a@4-6"]
    assert record["query"]["unlike"] == ["b@1-2"]
    assert [row["rank"] for row in record["results"]] == [1, 2, 3, 4]
    assert len(record["suggested"]) == 2
    yes = run(tracks, "--yes", "a@4-6", "--no", "b@1-2", "--limit", 4, "--json")[1]
    assert json.loads(yes)["results"] == record["results"]


def test_options_reach_the_search(run, tracks):
    def results(*options):
        code, out, err = run(tracks, "--like", "a@4-6", "--json", *options)
        assert code == 0, err
        return json.loads(out)

    assert len(results("--limit", 7)["results"]) == 7
    one_each = results("--per-recording", 1)["results"]
    assert sorted(row["recording"] for row in one_each) == ["a", "b", "c"]
    assert len(results("--min-score", 0.5)["results"]) == 5
    assert results("--common", "recording")["options"]["common"] == "recording"
    assert results("--merge-gap", 2.5)["options"]["merge_gap_s"] == 2.5
    assert "like" in {row["example"] for row in results("--include-examples")["results"]}
    assert results("--unit", "frames")["searched"]["frames"] > 1700
    assert results("--pool", 1)["searched"]["windows"] < 100


def test_an_index_is_kept_and_enough(run, tracks, tmp_path):
    where = tmp_path / "deep" / "study.search.h5"
    code, first, err = run(tracks, "--like", "a@4-6", "--index", where, "--json")
    assert code == 0
    assert f"making {where}: 897 moments" in err
    code, second, err = run("--like", "a@4-6", "--index", where, "--json")
    assert code == 0
    assert not err
    assert json.loads(second)["results"] == json.loads(first)["results"]
    code, _, err = run("--like", "a@4-6", "--index", where, "--unit", "frames")
    assert code == 1
    assert "error: expected the points of the index" in err


def test_bouts_are_written_only_on_request(run, tracks, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert run(tracks, "--like", "a@4-6")[0] == 0
    assert sorted(tmp_path.rglob("*")) == before
    where = tmp_path / "bouts.csv"
    code, out, _ = run(tracks, "--like", "a@4-6", "--limit", 5, "--export", where, "--behavior", "dance")
    assert code == 0
    assert f"wrote {where}" in out
    bouts = read_annotations(where).bouts
    assert len(bouts) == 5
    assert set(bouts["behavior"]) == {"dance"}
    assert bouts["source"].str.startswith("model:search-").all()


def test_without_results_there_are_no_pictures(run, tracks, tmp_path):
    code, out, err = run(
        tracks, "--like", "a@4-6", "--min-score", 2, "--strips", tmp_path / "p", "--recordings", tmp_path / "none"
    )
    assert code == 0, err
    assert "found nothing" in out
    assert not (tmp_path / "p").exists()


def test_nothing_heavy_is_loaded_for_help():
    code = (
        "import sys, vp_science.search, vp_science.cli.search\n"
        "print([name for name in ('jax', 'av', 'sklearn', 'matplotlib', 'pandas', 'h5py') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_a_vector_comes_from_a_file(run, tracks, tmp_path):
    where = tmp_path / "dance.npy"
    np.save(where, (3 * np.eye(DIM)[0] + 2 * np.eye(DIM)[1]).astype(np.float32))
    code, out, _ = run(tracks, "--vector", where, "--limit", 6, "--json")
    assert code == 0
    found = json.loads(out)["results"]
    assert all(is_dance(row["recording"], (row["peak_start_s"] + row["peak_stop_s"]) / 2) for row in found)


@pytest.mark.parametrize("content", ["pickle", "text", "huge", "archive", "missing"])
def test_a_vector_file_is_not_trusted(run, tracks, tmp_path, content):
    where = tmp_path / "vector.npy"
    if content == "pickle":
        np.save(where, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif content == "text":
        where.write_text("1 2 3")
    elif content == "huge":
        np.lib.format.open_memmap(where, mode="w+", dtype=np.float32, shape=(1 << 23,))
    elif content == "archive":
        with where.open("wb") as file:
            np.savez(file, a=np.ones(DIM))
    code, _, err = run(tracks, "--vector", where)
    assert code == 1
    assert "expected a vector of numbers in" in err


def test_nothing_found_is_said(run, tracks):
    code, out, _ = run(tracks, "--like", "a@4-6", "--min-score", 2)
    assert code == 0
    assert "found nothing: lower --min-score" in out


def test_when_everything_is_from_one_recording_it_says_what_helps(run, tracks):
    out = run(tracks, "--like", "a@1-1.5", "--common", "none", "--limit", 1)[1]
    assert "--common recording" not in out
    out = run(tracks, "--like", "c@2-3.5", "--limit", 2)[1]
    assert ("all results are from the recording of the example" in out) == (out.count(" c ") == 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "something to look for, found nothing"),
        (["--like", "a"], 'an example as "recording@start-stop"'),
        (
            ["--like", "a@4-6", "--export", "x.csv"],
            "a name for the exported bouts, found none: give it with --behavior",
        ),
        (["--like", "a@4-6", "--behavior", "x"], "expected --export for --behavior"),
        (["--like", "a@4-6", "--strips", "x"], "expected --recordings with --strips"),
        (["--like", "a@4-6", "--recordings", "x"], "expected --strips with --recordings"),
        (["--text", "dancing"], "windows of a video-text model to compare with a text"),
        (["--like", "a@4-6", "--offline"], "expected --text with --weights, --tokenizer or --offline"),
        (["--like", "a@4-6", "--poses", "x"], "expected --strips for --poses"),
    ],
)
def test_what_does_not_go_together_is_refused(run, tracks, options, message):
    code, out, err = run(tracks, *options)
    assert code == 1
    assert not out
    assert message in err


def test_without_tracks_an_index_is_needed(run, tmp_path):
    assert "expected tracks to search, found none" in run("--like", "a@4-6")[2]
    code, _, err = run("--like", "a@4-6", "--index", tmp_path / "none.h5")
    assert code == 1
    assert "expected tracks to search, found none: name embedding files, or a complete --index" in err


def test_help_is_honest_about_text(run):
    code, out, _ = run("--help")
    words = " ".join(out.split())
    assert code == 0
    for fact in ("11 to 18 %", "Something-Something", "capuchins", "69 %", "Nothing is labelled"):
        assert fact in words


def test_strips_show_every_result(run, tracks, tmp_path, monkeypatch):
    """Frames brighten while the animal dances: strips of dances are brighter than the example of the opposite."""
    from PIL import Image
    from search_study import write_video

    for name, bouts in DANCE.items():
        bright = np.full(int(SECONDS * FPS) + 4 * "abc".index(name), 60, np.uint8)
        for start, stop in bouts:
            bright[round(start * FPS) : round(stop * FPS)] = 200
        write_video(tmp_path / "videos" / f"{name}.mkv", bright)
    monkeypatch.setattr("vp_science.probes.sources._check_same_recording", lambda recording, track: None)
    out_folder = tmp_path / "pictures"
    code, out, err = run(
        tracks, "--like", "a@4-6", "--limit", 5, "--strips", out_folder, "--recordings", tmp_path / "videos"
    )
    assert code == 0, err
    (folder,) = out_folder.iterdir()
    assert folder.name.startswith("search-")
    assert f"wrote {folder / 'contact_sheet.png'}" in out
    strips = sorted(folder.glob("0*.png"))
    assert len(strips) == 5
    assert strips[0].name.startswith("001_")
    for strip in strips:
        pixels = np.asarray(Image.open(strip))
        middle = pixels[:, pixels.shape[1] // 3 : 2 * pixels.shape[1] // 3]
        assert np.median(middle) > 150
    sheet = Image.open(folder / "contact_sheet.png")
    assert sheet.width > 300
    assert sheet.height > 5 * 96
