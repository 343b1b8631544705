"""``vp-science embed``: every option changes something, and what is printed."""

import io
import json
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from pipeline_tools import make_encoder, make_frames, write_video
from rich.console import Console

from vp_science.batch import EmbedResult
from vp_science.checkpoints.save import save_weights
from vp_science.cli.progress import BatchProgress, format_seconds
from vp_science.store.provenance import Provenance
from vp_science.store.reader import open_embeddings

pytestmark = pytest.mark.usefixtures("small_models")

QUICK = ("--model", "videoprism-tiny", "--num-frames", "4", "--stride", "2", "--precision", "float32")


@pytest.fixture
def video(tmp_path) -> Path:
    return write_video(tmp_path / "in" / "mouse [1].avi", num_frames=20)


@pytest.fixture
def embedded(run, tmp_path):
    """Run the verb on one recording: the provenance of its only result."""

    def embed_one(*arguments: object) -> Provenance:
        out = tmp_path / "out"
        code, _, err = run("embed", *arguments, "--out", out)
        assert code == 0, err
        [output] = out.glob("**/*.h5")
        with open_embeddings(output) as embeddings:
            return embeddings.provenance

    return embed_one


@pytest.mark.parametrize(
    ("option", "field", "expected"),
    [
        (("--fps", 5), ("grid", "sample_fps"), 5.0),
        (("--num-frames", 3), ("num_frames",), 3),
        (("--stride", 4), ("stride",), 4),
        (("--spatial-pool", 2), ("spatial_pool",), 2),
        (("--size", 54), ("preprocess", "height"), 54),
        (("--size", 54), ("preprocess", "width"), 54),
        (("--fit", "pad"), ("preprocess", "fit"), "pad"),
        (("--crop", 1, 2, 30, 20), ("preprocess", "crop"), [1, 2, 30, 20]),
        (("--dtype", "float32"), ("dtype",), "float32"),
        (("--precision", "bfloat16"), ("precision",), "bfloat16"),
        (("--source-fps", 50), ("source", "times"), "source_fps=50"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else str(value),
)
def test_options_reach_the_result(embedded, video, option, field, expected):
    found = embedded(video, *QUICK, *option).to_json()
    for name in field:
        found = found[name]
    assert found == expected


def test_defaults(embedded, video):
    provenance = embedded(video, "--model", "videoprism-tiny")
    assert (provenance.num_frames, provenance.stride, provenance.spatial_pool) == (16, 4, 1)
    assert (provenance.dtype, provenance.grid["sample_fps"]) == ("float16", None)
    assert provenance.preprocess == {"height": 36, "width": 36, "fit": "squash", "crop": None}
    assert (provenance.model, provenance.checkpoint) == ("videoprism-tiny", "seed:0 (untrained)")


def test_range_and_dataset_reach_the_reader(embedded, tmp_path):
    path = tmp_path / "depth.h5"
    with h5py.File(path, "w") as file:
        file["one"] = make_frames(6)[..., 0].astype(np.uint16) * 50
        file["two"] = make_frames(6, seed=1)[..., 0].astype(np.uint16) * 50
    provenance = embedded(path, *QUICK, "--dataset", "two", "--range", 100, 9000.5, "--source-fps", 20)
    source = json.dumps(provenance.source)
    assert '"two"' in source
    assert "9000.5" in source
    assert "source_fps=20" in source


def test_timestamps_reach_the_reader(embedded, tmp_path):
    path = tmp_path / "frames.h5"
    with h5py.File(path, "w") as file:
        file["frames"] = make_frames(6)
        file["other/clock"] = np.arange(6) * 250
    options = ("--timestamps", "other/clock", "--timestamps-unit", "ms", "--fps", 4)
    provenance = embedded(path, *QUICK, *options)
    assert "other/clock" in provenance.source["times"]
    assert provenance.grid == {"sample_fps": 4.0, "num_grid": 6}


def test_every_option_is_tested(run):
    """A new option needs a test that it does something."""
    _, out, _ = run("embed", "--help")
    source = Path(__file__).read_text(encoding="utf-8")
    options = set(re.findall(r"--[a-z][a-z-]+", out)) - {"--help"}
    assert len(options) > 15
    assert {option for option in options if f'"{option}"' not in source} == set()


def test_weights(embedded, video, tmp_path):
    save_weights(make_encoder(seed=3), tmp_path / "mine.npz")
    provenance = embedded(video, *QUICK, "--weights", tmp_path / "mine.npz")
    assert provenance.checkpoint.startswith("sha256:")
    assert not provenance.untrained


def test_offline_does_not_download(run, video, tmp_path, monkeypatch):
    """The released model is not here: without --offline this would go to the network."""
    from vp_science.checkpoints import load

    asked: list[bool] = []

    def fetch(spec, *, offline):
        asked.append(offline)
        from vp_science.errors import CheckpointError

        raise CheckpointError(f"{spec.name}: not here")

    monkeypatch.setattr(load, "fetch_weights", fetch)
    for option in ((), ("--offline",)):
        code, _, err = run("embed", video, "-o", tmp_path / "out", *option)
        assert (code, err) == (1, "error: videoprism-base: not here\n")
    assert asked == [False, True]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--size", 50), "error: height: expected a multiple of 18 pixels, found 50: use 54"),
        (("--size", 0), "error: height: expected a multiple of 18 pixels, found 0: use 18"),
        (("--stride", 9), "error: expected a stride from 1 to num_frames = 4, found 9"),
        (("--spatial-pool", 3), "error: spatial_pool: expected one of [1, 2]"),
        (("--cluster", "nonsense"), "error: cluster: expected one of local:4 (four workers on this machine)"),
        (("--cluster", "local:1", "--size", 50), "error: height: expected a multiple of 18 pixels, found 50: use 54"),
        (("--retries", 1), "error: expected --cluster with --retries, found --retries alone"),
    ],
)
def test_settings_that_cannot_work(run, video, tmp_path, option, message):
    code, _, err = run("embed", video, *QUICK, *option, "-o", tmp_path / "out")
    assert code == 1
    assert err.splitlines()[-1].startswith(message)
    assert not (tmp_path / "out").exists()


def test_the_second_run_skips_and_overwrite_replaces(run, video, tmp_path):
    arguments = ("embed", video, *QUICK, "--out", tmp_path / "out")
    code, out, err = run(*arguments)
    assert code == 0, err
    assert out == f"1 of 1 recordings are embedded in {tmp_path / 'out'}\n"
    assert "[1/1] mouse [1]: 20 frames\n" in err
    assert "done    mouse [1]: 20 frames in " in err
    assert "UNTRAINED" in err
    code, _, err = run(*arguments)
    assert code == 0
    assert "skipped mouse [1]: complete already" in err
    code, _, err = run(*arguments, "--dtype", "float32")
    assert code == 3
    assert "dtype: float32 here, float16 in the file" in err.replace("\n", "")
    code, _, err = run(*arguments, "--dtype", "float32", "--overwrite")
    assert code == 0
    assert "done    mouse [1]" in err


def test_some_failed(run, video, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "in" / "bad [bold].mp4").write_bytes(b"no video" * 99)
    arguments = ("embed", tmp_path / "in", tmp_path / "gone.mp4", *QUICK, "--out", tmp_path / "out")
    code, out, err = run(*arguments)
    assert code == 3
    assert out.startswith("1 of 3 recordings are embedded in ")
    assert "2 failed" in err
    table = err[err.index("2 failed") :]
    for text in ("bad [bold]", "gone", "found no such file: check the path", "run the same command again"):
        assert text in table
    assert "mouse [1]" not in table


def test_json_lines(run, video, tmp_path):
    code, out, err = run("embed", video, tmp_path / "gone.mp4", *QUICK, "--out", tmp_path / "out", "--json")
    assert code == 3
    done, failed = [json.loads(line) for line in out.splitlines()]
    assert (done["recording_id"], done["status"], done["grid_frames"]) == ("mouse [1]", "done", 20)
    assert (failed["recording_id"], failed["status"], failed["output"]) == ("gone", "failed", None)
    assert "gone" in err


def test_names_that_are_not_unicode(run, tmp_path):
    plain = write_video(tmp_path / "in" / "a.avi", num_frames=8)
    try:
        plain.rename(os.fsdecode(os.fsencode(plain.parent) + b"/caf\xe9.avi"))
    except OSError:
        pytest.skip("this file system wants Unicode")
    for option in ((), ("--json",)):
        code, out, err = run("embed", tmp_path / "in", *QUICK, "--out", tmp_path / "out", *option)
        assert code == 0, err
    assert os.fsencode(json.loads(out)["recording_id"]) == b"caf\xe9"


def test_ctrl_c(run, video, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(BatchProgress, "advance", stop)
    code, out, err = run("embed", video, *QUICK, "--out", tmp_path / "out")
    assert (code, out) == (130, "")
    expected = f"stopped: finished recordings and segments are kept in {tmp_path / 'out'}; run the same command again"
    assert err.splitlines()[-1].startswith(expected)


# Progress


def made(number: int, status: str = "done", **changes) -> EmbedResult:
    values = {"recording_id": f"cage [red]{number}[/red]", "input": "", "output": None, "status": status}
    return EmbedResult(**{**values, "grid_frames": 100, "seconds": 3.0, **changes})


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_names_as_they_are(terminal):
    text = io.StringIO()
    console = Console(force_terminal=terminal, file=text, width=160, color_system=None)
    with BatchProgress(console) as progress:
        progress.finish(made(0, "failed", error="[/oops] expected a recording"))
        for number in (1, 2, 3):
            progress.start(f"cage [red]{number}[/red]", number, 5, 100, 20 if number == 2 else 0, 10.0)
            progress.advance(30)
            progress.advance(30)
            progress.finish(made(number, damaged_frames=number - 1))
        progress.start("cage [x]", 4, 5, 100, 100, 10.0)
        progress.finish(made(4, "skipped"))
    lines = text.getvalue()
    for expected in (
        "failed  cage [red]0[/red]: [/oops] expected a recording",
        "done    cage [red]1[/red]: 100 frames in 3.0 s",
        "done    cage [red]2[/red]: 100 frames in 3.0 s, 1 damaged source frames",
        "skipped cage [red]4[/red]: complete already",
    ):
        assert expected in lines
    if terminal:
        assert "all recordings" in lines
    else:
        assert "[2/5] cage [red]1[/red]: 100 frames\n" in lines
        assert "[3/5] cage [red]2[/red]: 100 frames, resuming at frame 20\n" in lines
        assert "\x1b" not in lines


def test_plain_lines_tell_the_time_left(monkeypatch):
    from vp_science.cli import progress as module

    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    text = io.StringIO()
    progress = BatchProgress(Console(force_terminal=False, file=text, width=160))
    progress.start("a", 0, 1, 1000, 0, 40.0)
    progress._pace.since = 0.0
    for second in (5, 11, 12, 23):
        now[0] = float(second)
        progress.advance(100)
    lines = text.getvalue().splitlines()
    assert lines[0] == "[1/1] a: 1000 frames"
    assert [line.split(",")[0] for line in lines[1:]] == ["  a: 20 %", "  a: 40 %"]
    assert "18 frames/s, 0.73x real time, 0:44 left" in lines[1]


@pytest.mark.parametrize(("seconds", "text"), [(0.0, "0:00"), (59.6, "1:00"), (185.0, "3:05"), (3723.0, "1:02:03")])
def test_seconds(seconds, text):
    assert format_seconds(seconds) == text


@pytest.fixture
def poses(tmp_path) -> Path:
    """Two animals in DeepLabCut's layout; b is seen in the first half."""
    names = [("a", "n1"), ("a", "n2"), ("b", "n1"), ("b", "n2")]
    places = {("a", "n1"): (20, 10), ("a", "n2"): (8, 12), ("b", "n1"): (30, 12), ("b", "n2"): (30, 24)}
    columns = [(*name, coord) for name in names for coord in ("x", "y", "likelihood")]
    lines = [["scorer", *["s"] * len(columns)]]
    lines += [[kind, *(c[level] for c in columns)] for level, kind in enumerate(("individuals", "bodyparts", "coords"))]
    for frame in range(20):
        likelihood = {"a": 0.9, "b": 0.9 if frame < 10 else 0.1}
        lines.append([frame, *(value for name in names for value in (*places[name], likelihood[name[0]]))])
    path = tmp_path / "poses" / "mouse [1].csv"
    path.parent.mkdir()
    path.write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("option", "name", "expected"),
    [
        (("--follow-size", 2), "size_body_lengths", 2.0),
        (("--follow-margin", 0.5), "margin", 0.5),
        (("--follow-size-px", 30), "size_px", 30),
        (("--follow-rotate",), "rotate", True),
        (("--follow-axis", "n2", "n1"), "axis", ["n2", "n1"]),
        (("--follow-smooth", 0.25), "smooth_s", 0.25),
        (("--follow-max-gap", 1), "max_gap_s", 1.0),
        (("--follow-min-points", 2), "min_points", 2),
        (("--follow-min-score", 0.05), "min_score", 0.05),
    ],
)
def test_options_about_animals_reach_the_result(embedded, video, poses, option, name, expected):
    arguments = ("--poses", poses, "--subject", "a", "--no-whole-frame", *option)
    follow = embedded(video, *QUICK, *arguments).source["follow"]
    assert follow["settings"][name] == expected
    assert (follow["subject"], follow["of_recording"]) == ("a", "mouse [1]")


def test_animals(run, video, poses, tmp_path):
    out = tmp_path / "out"
    arguments = ("--poses", poses.parent, "--subject", "b=Elsa", "--subject", "a", "--follow-rotate", "--pairs")
    code, printed, err = run("embed", video, *QUICK, *arguments, "--out", out)
    assert (code, printed) == (0, f"5 of 5 recordings are embedded in {out}\n"), err
    names = ["mouse [1]", "mouse [1]@Elsa+a", "mouse [1]@Elsa", "mouse [1]@a+Elsa", "mouse [1]@a"]
    assert sorted(path.name for path in out.glob("*.h5")) == [f"{name}.embeddings.h5" for name in names]
    with open_embeddings(out / "mouse [1]@Elsa.embeddings.h5") as embeddings:
        assert embeddings.present.tolist() == [True] * 10 + [False] * 10


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--follow-rotate",), 1, "error: expected poses, which say where the animals are, with options about"),
        (("--poses", "x", "--pairs"), 1, "error: pairs: expected rotate=True, found False"),
        (("--poses", "x", "--follow-smooth", -1), 1, "error: smooth_s: expected a number from 0 on, found -1.0"),
        (("--poses", "x", "--subject", "a", "--subject", "a=b"), 2, "expected each animal once, found a, a"),
        (("--poses", "x", "--follow-size", 1, "--follow-size-px", 9), 2, "in pixels or in body lengths, found both"),
    ],
)
def test_wrong_options_about_animals(run, video, tmp_path, options, code, message):
    found, _, err = run("embed", video, *QUICK, "--out", tmp_path / "out", *options)
    assert found == code
    assert message in re.sub(r"[\s│]+", " ", err)
