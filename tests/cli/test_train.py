"""``vp-science train``: keys as options, help, dry runs, what is printed, exit codes."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vp_science.cli import train_options
from vp_science.cli.train_progress import TrainProgress, describe_moment
from vp_science.errors import SettingsError
from vp_science.train.progress import Moment, RunFacts
from vp_science.train.settings_keys import SettingKey, list_keys
from vp_science.train.stages import STAGES, StageEntry

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))
from loop_toy import Toy, ToySettings, ToyStream, read_lines, send


@pytest.fixture
def streams(monkeypatch):
    """The stage "distill" becomes the toy; its streams, and what they do before a batch."""
    made, before = [], {}

    def make_stream(settings, stage, host):
        made.append(ToyStream(before=before, host=host))
        return made[-1]

    module, settings = ModuleType("toy_stage"), ModuleType("toy_stage.settings")
    module.make_stage, module.make_stream = lambda settings: Toy(), make_stream
    settings.ToySettings = ToySettings
    monkeypatch.setitem(sys.modules, "toy_stage", module)
    monkeypatch.setitem(sys.modules, "toy_stage.settings", settings)
    entry = StageEntry("toy_stage", "ToySettings", "A toy.", "look at {result} in {folder}")
    monkeypatch.setitem(STAGES, "distill", entry)
    return made, before


@pytest.fixture
def train(run, tmp_path):
    def run_verb(*arguments, ok=0):
        short = [
            "--loop.steps",
            6,
            "--loop.batch-size",
            16,
            "--loop.checkpoint-every",
            3,
            "--loop.tensorboard",
            "false",
        ]
        code, out, err = run("train", "distill", "--out", tmp_path / "run", *short, *arguments)
        assert code == ok, (out, err)
        return out, err

    return run_verb


def test_trains_says_where_the_result_is_and_what_comes_next(train, streams, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("seed = 3\n[optimizer]\nlearning_rate = 0.01\nclip_norm = 0.5\n")
    out, err = train("--config", config, "--optimizer.learning_rate", "2e-3", "--names", "a,b")
    folder = tmp_path / "run"
    assert out == f"result of 6 steps: {folder / 'result.npz'}\nnext: look at {folder / 'result.npz'} in {folder}\n"
    assert "toy: 4,224 parameters trained, on 1 x cpu" in err
    # Which of the two is a matter of the processor: ``precision_for`` takes bfloat16 where it has it.
    assert re.search(
        r"share of the peak \(MFU\) is measured against: (b?float(32|16)) products of this CPU, measured", err
    )
    assert "step 6/6: loss " in err
    settings = (folder / "settings.toml").read_text()
    for line in ("seed = 3", "learning_rate = 0.002", "clip_norm = 0.5", 'names = ["a", "b"]', "steps = 6"):
        assert line in settings
    assert [stream.closed for stream in streams[0]] == [True]


def test_a_stop_has_its_own_exit_code_and_resume_goes_on(train, streams, tmp_path):
    _, before = streams
    before[3] = send(signal.SIGTERM)
    _, err = train(ok=75)
    assert "stopped by SIGTERM after step 4 of 6" in err
    assert "Traceback" not in err
    before.clear()
    before[4] = send(signal.SIGINT)
    _, err = train("--resume", ok=130)
    assert "resumed after step 4 of 6" in err
    assert "stopped by SIGINT after step 5 of 6" in err
    before.clear()
    out, _ = train("--resume", "--json")
    record = json.loads(out)
    assert (record["steps"], record["folder"]) == (6, str(tmp_path / "run"))
    assert record["metrics"]["loss"] == read_lines(tmp_path / "run")[-1]["loss"]
    _, err = train(ok=1)
    assert "found a run in" in err


def test_a_second_interrupt_is_said(train, streams):
    def twice(batch):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    streams[1][4] = twice
    _, err = train(ok=130)
    assert "interrupted: checkpoints so far are whole; --resume goes on from the newest" in err


def test_a_step_that_is_not_finite_can_be_repeated(train, streams, tmp_path, monkeypatch):
    from vp_science.train.running import repeat_failure

    def spoil(batch):
        batch["target"][2] = float("nan")
        return batch

    streams[1][4] = spoil
    _, err = train(ok=1)
    folder = tmp_path / "run" / "failures" / "step_5"
    assert f"repeat_failure('{folder}')" in err
    monkeypatch.setitem(STAGES, "toy", STAGES["distill"])  # the name that is in its settings
    repeated = repeat_failure(folder)
    assert repeated.step == 5
    assert "second/kernel" in repeated.bad_gradients
    with pytest.raises(SettingsError, match="expected the settings of a run, found none"):
        repeat_failure(tmp_path / "elsewhere" / "failures" / "step_5")


def test_a_dry_run_writes_nothing(train, streams, tmp_path):
    out, _ = train("--dry-run", "--optimizer.ema-decay", "0.9")
    assert not (tmp_path / "run").exists()
    assert "parameters: 4,224 trained, 0 frozen" in out
    assert "a batch of this host: video float32 [16, 64], target float32 [16], row int64 [16]" in out
    for part in ("parameters", "optimizer", "running mean", "gradients", "together"):
        assert part in out
    assert "a step of 16 clips:" in out
    assert "6 steps: about 0:0" in out
    found = json.loads(train("--dry-run", "--json")[0])
    four = 4 * 4224
    assert found["memory"]["parameters"] == found["memory"]["gradients"] == four
    assert found["memory"]["optimizer"] == 2 * four + 8  # two moments, and two counts of steps
    assert found["flops"] == 16 * 6 * 64 * 65
    assert 0 < found["least_seconds"] < found["seconds"]
    assert [stream.closed for stream in streams[0]] == [True, True]


def test_unknown_keys_are_wrong_usage_and_name_the_nearest(train, streams):
    _, err = train("--optimizer.learning-rat", "1", ok=2)
    assert "--optimizer.learning-rat" in err
    assert "--optimizer.learning-rate" in err
    _, err = train("--optimizer.learning-rate", "fast", ok=1)
    assert "optimizer.learning_rate: expected a number, found 'fast'" in err
    _, err = train("--loop.steps", "0", ok=1)
    assert "loop: steps: expected 1 or more, found 0" in err


@pytest.mark.parametrize("stage", list(STAGES))
def test_help_lists_every_key_with_its_default_and_meaning(run, monkeypatch, stage):
    monkeypatch.setenv("COLUMNS", "400")
    code, out, _ = run("train", stage, "--help")
    assert code == 0
    keys = list_keys(STAGES[stage].settings())
    assert len(keys) > 40
    for key in keys:
        assert f"--{key.name.replace('_', '-')} " in out, key
        assert key.help, f"{key.name} has no description"
        assert "``" not in key.help
        if key.default:
            assert f"[default: {key.default}]" in out, key
    assert "--resume" in out


def test_help_loads_neither_jax_nor_video():
    code = (
        "import sys\nfrom vp_science.cli.train import build_command\nfrom vp_science.train.stages import STAGES\n"
        "for name in STAGES: build_command(name)\n"
        "print([name for name in ('jax', 'av', 'pandas', 'grain') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_stages_are_listed(run):
    code, out, _ = run("train", "--help")
    assert code == 0
    for name in STAGES:
        assert name in out
    assert run("train", "pretrain")[0] == 2


def test_lists_of_tables_are_given_as_paths_tables_or_keys():
    data = SettingKey("data", "", "", "", "", repeated=True)
    captions = SettingKey("data.captions", "data", "", "", "")
    give = train_options.as_overrides
    assert give([(data, ["a, b", "c"])]) == [("data", '["a, b", "c"]')]
    assert give([(data, ['{path = "a", weight = 2}', "b"])]) == [("data", '[{path = "a", weight = 2}, "b"]')]
    assert give([(data, ["a"]), (captions, "c.csv")]) == [("data.path", "a"), ("data.captions", "c.csv")]
    with pytest.raises(SettingsError, match=r"--data: expected one path beside --data.captions, found 2"):
        give([(data, ["a", "b"]), (captions, "c.csv")])


def test_keys_know_defaults_of_their_table():
    @dataclasses.dataclass(frozen=True)
    class Inner:
        """Inner.

        Attributes:
            rate: of ``something``;
                None means all.
        """

        rate: float | None = None

    @dataclasses.dataclass(frozen=True)
    class Outer(ToySettings):
        """Outer.

        Attributes:
            inner: a table.
            also: how many.
        """

        inner: Inner = dataclasses.field(default_factory=lambda: Inner(0.5))
        also: int | Inner = 3

    keys = {key.name: key for key in list_keys(Outer)}
    assert (keys["inner.rate"].default, keys["also.rate"].default) == ("0.5", "none")
    assert keys["inner.rate"].help == "of something; none means all."
    assert "inner" not in keys
    assert (keys["also"].values, keys["also"].default) == ("INT", "3")
    assert keys["out"].help.startswith("folder of the run")


def test_progress_is_plain_lines_without_a_terminal(capfd):
    facts = RunFacts("toy", "run", 100, 10, "1 x new", 2_900_000, 1_234, "no share of the peak: no figure for new")
    with TrainProgress() as progress:
        progress.begin(facts)
        for step in range(11, 101):
            progress.advance(Moment(step, 100, {"loss": 0.5}, 12.0, None, 0.25, 60.0))
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "toy: 2.9 million parameters trained, 1,234 frozen, on 1 x new"
    assert lines[1] == "no share of the peak: no figure for new"
    assert lines[2] == "steps 11 to 100, in run; the first one is compiled first"
    assert lines[3] == "  step 11/100: loss 0.5, 12 clips/s, 25% waiting for data, 1:00 left"
    assert lines[-1].startswith("  step 100/100")
    assert len(lines) < 10
    assert describe_moment(Moment(1, 2, {"loss": 1.0}, 1234.0, 0.31, 0.0, 0.0)) == (
        "loss 1, 1,234 clips/s, MFU 31.0%, 0:00 left"
    )
