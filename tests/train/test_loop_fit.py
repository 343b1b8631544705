"""What a training writes and tells: metrics, checkpoints, results; and what it refuses."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vp_science.errors import SettingsError, TrainError
from vp_science.train import metrics_log
from vp_science.train.failure import repeat_step
from vp_science.train.loop import fit
from vp_science.train.mesh import make_mesh
from vp_science.train.metrics_log import MetricsLog
from vp_science.train.run_checkpoints import RunCheckpoints
from vp_science.train.run_folder import to_toml
from vp_science.train.settings import HostSettings, OptimizerSettings
from vp_science.train.settings_file import describe_settings, read_settings
from vp_science.train.signals import TrainingStopped
from vp_science.train.state import make_training

sys.path.insert(0, str(Path(__file__).parent))
from loop_toy import BATCH, Told, Toy, ToySettings, ToyStream, read_lines, read_result, send, settings


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run that nothing stopped, and what it told."""
    folder, told = tmp_path_factory.mktemp("straight") / "run", Told()
    return fit(Toy(), ToyStream(), settings(folder), report=told), told


def without_speed(lines):
    return [{name: x for name, x in line.items() if name not in ("clips_per_s", "mfu", "data_wait")} for line in lines]


def checkpoints_of(folder):
    return sorted(int(path.name) for path in (folder / "checkpoints").iterdir() if path.name.isdecimal())


def same_result(folder, other):
    one, two = read_result(folder), read_result(other)
    return all(np.array_equal(one[name], two[name]) for name in one) and one.keys() == two.keys()


def test_a_run_learns_and_says_where_its_result_is(straight):
    result, told = straight
    assert result.steps == 12
    assert result.result == result.folder / "result.npz"
    assert [moment.step for moment in told.moments] == list(range(1, 13))
    assert told.facts.steps == 12
    assert told.facts.trained == 64 * 64 + 64 + 64
    assert "measured" in told.facts.peak
    last = told.moments[-1]
    assert last.clips_per_s > 0
    assert 0 < last.mfu < 1
    assert 0 <= last.data_wait <= 1
    assert last.seconds_left == 0


def test_metrics_are_means_since_the_line_before(straight):
    result, told = straight
    lines = read_lines(result.folder)
    assert [line["step"] for line in lines] == [3, 4, 6, 8, 9, 12]
    losses = [moment.metrics["loss"] for moment in told.moments]
    assert lines[0]["loss"] == pytest.approx(np.mean(losses[:3]))
    assert lines[1]["loss"] == pytest.approx(losses[3])
    assert lines[-1]["loss"] == pytest.approx(np.mean(losses[9:12]))
    assert set(lines[0]) >= {"mean_output", "grad_norm", "learning_rate", "clips_per_s", "mfu", "data_wait"}
    assert result.metrics["loss"] == lines[-1]["loss"]
    # The warm-up has two steps.
    assert told.moments[0].metrics["learning_rate"] == pytest.approx(5e-3)
    assert told.moments[1].metrics["learning_rate"] == pytest.approx(1e-2)


def test_tensorboard_reads_the_same_figures(straight):
    result, _ = straight
    events = EventAccumulator(str(result.folder / "tensorboard"))
    events.Reload()
    found = {scalar.step: scalar.value for scalar in events.Scalars("loss")}
    expected = {line["step"]: line["loss"] for line in read_lines(result.folder)}
    assert found == pytest.approx(expected)


def test_the_best_and_the_last_checkpoints_stay(straight):
    result, told = straight
    losses = [moment.metrics["loss"] for moment in told.moments]
    means = {step: np.mean(losses[step - 3 : step]) for step in (3, 6, 9, 12)}
    best = min(means, key=means.get)
    assert checkpoints_of(result.folder) == sorted({9, 12, best})


def test_settings_of_a_run_can_be_read_back(straight):
    path = straight[0].folder / "settings.toml"
    assert read_settings(ToySettings, path) == settings(straight[0].folder)
    assert path.read_text().startswith("# settings of a run of vp-science; repeat it with: vp-science train toy ")


def test_texts_survive_toml(tmp_path):
    odd = dataclasses.replace(settings('a\\b "c"\n\x7f\x01 é \U0001f600'), names=("x,y", "", "#"))
    (tmp_path / "s.toml").write_text(to_toml(describe_settings(odd)), encoding="utf-8")
    assert read_settings(ToySettings, tmp_path / "s.toml") == odd


@pytest.mark.parametrize("signals", [("SIGTERM",), ("SIGTERM", "SIGTERM"), ("SIGINT", "SIGTERM")])
def test_a_signal_saves_and_the_rest_gives_the_same_bits(straight, tmp_path, signals):
    def several(batch):
        for name in signals:
            os.kill(os.getpid(), getattr(signal, name))

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingStopped, match=rf"stopped by {signals[0]} after step 8 of 12.*--resume goes on") as stop:
        fit(Toy(), ToyStream(before={7: several}), settings(tmp_path))
    assert (stop.value.signal.name, stop.value.step) == (signals[0], 8)
    assert signal.getsignal(signal.SIGTERM) == before
    assert 8 in checkpoints_of(tmp_path)
    told = Told()
    result = fit(Toy(), ToyStream(), settings(tmp_path), resume=True, report=told)
    assert "resumed after step 8 of 12" in told.lines
    assert [moment.step for moment in told.moments] == [9, 10, 11, 12]
    assert same_result(result.folder, straight[0].folder)
    assert without_speed(read_lines(tmp_path)) == without_speed(read_lines(straight[0].folder))


def test_a_signal_that_ends_the_readers_too_saves_what_there_is(straight, tmp_path):
    def die(batch):
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError("the process that reads was ended")

    with pytest.raises(TrainingStopped, match="stopped by SIGTERM after step 7 of 12"):
        fit(Toy(), ToyStream(before={7: die}), settings(tmp_path))
    assert same_result(fit(Toy(), ToyStream(), settings(tmp_path), resume=True).folder, straight[0].folder)


def test_the_process_that_watches_shared_memory_survives_what_schedulers_send():
    code = (
        "from pathlib import Path\nfrom multiprocessing import resource_tracker\n"
        "from vp_science.train.signals import start_helper_processes\nimport signal\n"
        "start_helper_processes()\n"
        "lines = Path(f'/proc/{resource_tracker._resource_tracker._pid}/status').read_text().splitlines()\n"
        "ignored = int(next(line for line in lines if line.startswith('SigIgn')).split()[1], 16)\n"
        "print(bool(ignored >> signal.SIGUSR1 - 1 & 1), signal.getsignal(signal.SIGUSR1).name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["True", "SIG_DFL"]


def test_a_second_interrupt_ends_at_once_and_older_checkpoints_stay(straight, tmp_path):
    def twice(batch):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(Toy(), ToyStream(before={7: twice}), settings(tmp_path))
    assert 7 not in checkpoints_of(tmp_path)
    result = fit(Toy(), ToyStream(), settings(tmp_path), resume=True)
    assert same_result(result.folder, straight[0].folder)


def test_a_run_without_checkpoint_begins_anew(straight, tmp_path):
    def fail(batch):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        fit(Toy(), ToyStream(before={2: fail}), settings(tmp_path))
    told = Told()
    result = fit(Toy(), ToyStream(), settings(tmp_path), resume=True, report=told)
    assert told.lines == ["there is no checkpoint yet: begins anew"]
    assert same_result(result.folder, straight[0].folder)
    assert without_speed(read_lines(tmp_path)) == without_speed(read_lines(straight[0].folder))


def test_resume_of_nothing_begins_and_of_a_complete_run_writes_its_result_again(straight, tmp_path):
    told = Told()
    result = fit(Toy(), ToyStream(), settings(tmp_path / "new"), resume=True, report=told)
    assert told.lines == [f"nothing to resume in {tmp_path / 'new'}: begins anew"]
    content = result.result.read_bytes()
    result.result.unlink()
    stream = ToyStream(before={12: send(signal.SIGKILL)})
    assert fit(Toy(), stream, settings(tmp_path / "new"), resume=True).result.read_bytes() == content


def test_a_complete_run_can_go_on_for_more_steps(straight, tmp_path):
    chosen = dataclasses.replace(settings(tmp_path), optimizer=OptimizerSettings(schedule="constant"))
    fit(Toy(), ToyStream(), dataclasses.replace(chosen, loop=dataclasses.replace(chosen.loop, steps=6)))
    longer = fit(Toy(), ToyStream(), chosen, resume=True)
    other = fit(Toy(), ToyStream(), dataclasses.replace(chosen, out=str(tmp_path / "straight")))
    assert same_result(longer.folder, other.folder)


def test_a_folder_with_a_run_is_not_taken_by_another(straight, tmp_path):
    folder = straight[0].folder
    with pytest.raises(SettingsError, match=r"out: expected a new folder, found a run in .*--resume.*--out"):
        fit(Toy(), ToyStream(), settings(folder))
    other = dataclasses.replace(settings(folder, accumulation=2, log_every=1), seed=3, shift=1.0)
    with pytest.raises(SettingsError) as refused:
        fit(Toy(), ToyStream(), other, resume=True)
    message = str(refused.value)
    assert "found 3 that differ" in message
    for part in ("seed: 0 before, 3 now", "loop.accumulation: 1 before, 2 now", "shift: 0.0 before, 1.0 now"):
        assert part in message
    stage = Toy()
    stage.name = "another"
    with pytest.raises(SettingsError, match="expected a run of the stage another, found another one"):
        fit(stage, ToyStream(), settings(folder), resume=True)


def test_two_trainings_do_not_share_a_folder(tmp_path):
    def intrude(batch):
        fit(Toy(), ToyStream(), settings(tmp_path), resume=True)

    with pytest.raises(TrainError, match="found another training at work in it"):
        fit(Toy(), ToyStream(before={1: intrude}), settings(tmp_path))


def test_folders_that_cannot_be_written_are_told(tmp_path):
    with pytest.raises(TrainError, match=r"/sys/.*: expected a folder that can be written.*--out"):
        fit(Toy(), ToyStream(), settings("/sys/vp_science_run"))
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainError, match="expected a folder that can be written, found"):
        fit(Toy(), ToyStream(), settings(tmp_path / "file" / "run"))
    with pytest.raises(SettingsError, match="out: expected the name of a folder"):
        fit(Toy(), ToyStream(), settings(" "))


def test_not_a_number_stops_with_everything_needed_to_repeat_it(tmp_path):
    def spoil(batch):
        batch["video"][5] = np.inf
        return batch

    chosen = settings(tmp_path, accumulation=2)
    with pytest.raises(TrainError, match=r"step 5: expected a finite loss.*newest checkpoint is of step 3") as stopped:
        fit(Toy(), ToyStream(before={4: spoil}), chosen)
    folder = tmp_path / "failures" / "step_5"
    assert f"vp.train.repeat_failure('{folder}')" in str(stopped.value)
    with np.load(folder / "batch.npz", allow_pickle=False) as batch:
        assert not np.isfinite(batch["video"][5]).any()
        assert batch["row"].dtype == np.int64
        assert len(batch["target"]) == BATCH
    assert json.loads((folder / "failure.json").read_text())["step"] == 5
    again = repeat_step(folder, Toy(), chosen)
    assert not np.isfinite(again.loss)
    assert again.bad_parameters == []
    assert "first/kernel" in again.bad_gradients
    # The parameters are those before the step: with the batch as it should be, the step is the one of a healthy run.
    stream, told = ToyStream(), Told()
    stream.number = 4
    np.savez(folder / "batch.npz", **next(stream))
    fit(Toy(), ToyStream(), settings(tmp_path / "healthy", accumulation=2), report=told)
    healthy = told.moments[4].metrics
    repeated = repeat_step(folder, Toy(), chosen)
    assert repeated.loss == pytest.approx(healthy["loss"], rel=1e-5)
    assert repeated.grad_norm == pytest.approx(healthy["grad_norm"], rel=1e-4)
    assert repeated.bad_gradients == []
    with pytest.raises(TrainError, match="expected what is kept of a step that failed"):
        repeat_step(tmp_path, Toy(), chosen)


def test_without_guard_what_is_not_a_number_is_null(tmp_path):
    def spoil(batch):
        batch["video"][:] = np.nan
        return batch

    fit(Toy(), ToyStream(before={3: spoil}), settings(tmp_path, steps=6, nan_guard=False, tensorboard=False))
    assert [line["loss"] is None for line in read_lines(tmp_path)] == [False, True, True]
    assert not (tmp_path / "tensorboard").exists()


class Judged(Toy):
    """Held-out data like the second checkpoint best."""

    def evaluate(self, params, frozen):
        size = float(abs(params["first"]["bias"]).max())
        self.asked.append(size)
        return {"score": 1.0 if len(self.asked) == 2 else 0.5, "held_out": size}

    asked: list


def test_held_out_data_choose_the_result(tmp_path, straight):
    stage, told = Judged(), Told()
    stage.asked = []
    result = fit(stage, ToyStream(), settings(tmp_path, keep_last=1), report=told)
    assert len(stage.asked) == 4
    assert checkpoints_of(tmp_path) == [6, 12]
    assert "the result is that of step 6, which held-out data like best" in told.lines
    assert {line["step"]: line.get("score") for line in read_lines(tmp_path)} == {
        3: 0.5, 4: None, 6: 1.0, 8: None, 9: 0.5, 12: 0.5
    }  # fmt: skip
    # The mean of the parameters after six steps of the same run.
    with pytest.raises(TrainingStopped):
        fit(Toy(), ToyStream(before={5: send(signal.SIGTERM)}), settings(tmp_path / "six"))
    at_six = RunCheckpoints(tmp_path / "six", 2, 1)
    training = make_training(Toy(), settings(tmp_path), make_mesh(1), Toy().init(), {})
    state = at_six.restore_step(6, training.abstract)
    at_six.close()
    np.testing.assert_array_equal(read_result(result.folder)["first"], state["mean"]["first"]["kernel"])


def test_a_log_line_is_whole_or_not_there(tmp_path, monkeypatch):
    log = MetricsLog(tmp_path, 0, tensorboard=False)
    log.write(1, {"loss": 1.0})
    write = os.write
    monkeypatch.setattr(metrics_log.os, "write", lambda file, line: write(file, line[: len(line) // 2]))
    with pytest.raises(TrainError, match=r"metrics.jsonl: expected to write metrics, found No space left"):
        log.write(2, {"loss": 2.0})
    monkeypatch.undo()
    log.write(3, {"loss": None})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    assert [line["step"] for line in map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines()[:2])] == [
        1,
        3,
    ]
    MetricsLog(tmp_path, 3, tensorboard=False).close()
    assert [line["step"] for line in read_lines(tmp_path)] == [1, 3]
    MetricsLog(tmp_path, 1, tensorboard=False).close()
    assert [line["step"] for line in read_lines(tmp_path)] == [1]


def test_devices_and_batches_must_fit(tmp_path):
    with pytest.raises(SettingsError, match=r"loop.fsdp: expected a divisor of the number of devices \(1\), found 2"):
        fit(Toy(), ToyStream(), settings(tmp_path, fsdp=2))
    with pytest.raises(SettingsError, match="index: expected 0 to 1, found 2"):
        HostSettings("localhost:1", 2, 2)
    with pytest.raises(SettingsError, match="count: expected 2 or more behind an address"):
        HostSettings("localhost:1")
    with pytest.raises(SettingsError, match="coordinator: expected none, auto, or an address with a port"):
        HostSettings("somewhere", 2)
