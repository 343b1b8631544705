"""Checkpoints that are damaged, that cannot be written, that come from other devices; a run that is killed."""

import os
import resource
import signal
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vp_science.errors import TrainError
from vp_science.train.loop import fit
from vp_science.train.mesh import make_mesh
from vp_science.train.run_checkpoints import RunCheckpoints, checksums
from vp_science.train.settings_file import describe_settings
from vp_science.train.state import make_training

sys.path.insert(0, str(Path(__file__).parent))
from loop_toy import Told, Toy, ToyStream, read_lines, read_result, run_program, settings


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    stage = Toy()
    return make_training(stage, settings(tmp_path_factory.mktemp("none")), make_mesh(1), stage.init(), {})


@pytest.fixture
def state(training):
    return training.start(Toy().init())


@pytest.fixture
def saved(tmp_path, state):
    """Three checkpoints."""
    checkpoints = RunCheckpoints(tmp_path, 3, 0)
    for step in (5, 10, 15):
        checkpoints.save(moved(state, step), {"loss": 1.0, "said": f"at {step}"})
    checkpoints.wait()
    checkpoints.close()
    return tmp_path


def moved(state, step):
    params = jax.tree.map(lambda leaf: leaf + step, state["params"])
    return state | {"params": params, "step": jnp.int32(step)}


def write(checkpoints, state):
    checkpoints.save(state, {"loss": 1.0})
    checkpoints.wait()


def restore(folder, training):
    checkpoints, told = RunCheckpoints(folder, 3, 0), []
    try:
        return checkpoints.restore(training.abstract, told.append), told
    finally:
        checkpoints.close()


def largest_file(folder):
    return max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def truncate(folder):
    os.truncate(largest_file(folder / "state"), 100)


def empty(folder):
    os.truncate(largest_file(folder / "state"), 0)


def flip(folder):
    path = largest_file(folder / "state")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def lose_state(folder):
    largest_file(folder / "state").unlink()


def lose_note(folder):
    largest_file(folder / "note").unlink()


def break_note(folder):
    path = folder / "note" / "metadata"
    path.write_text(path.read_text()[:-20])


def exchange_note(folder):
    (folder / "note" / "metadata").write_bytes((folder.parent / "10" / "note" / "metadata").read_bytes())


@pytest.mark.parametrize("damage", [truncate, empty, flip, lose_state, lose_note, break_note, exchange_note])
def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(saved, training, state, damage):
    damage(saved / "checkpoints" / "15")
    (found, note), told = restore(saved, training)
    assert int(found["step"]) == 10
    assert note["said"] == "at 10"
    for expected, leaf in zip(jax.tree.leaves(moved(state, 10)), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(leaf, expected)
    assert told[0].startswith("checkpoint of step 15: expected a whole one, found it damaged (")
    assert told[1] == f"damaged checkpoints were moved to {saved / 'checkpoints.damaged'}"
    assert (saved / "checkpoints.damaged" / "15").is_dir()
    # Its step can be written again.
    checkpoints = RunCheckpoints(saved, 3, 0)
    checkpoints.save(moved(state, 15), {"loss": 1.0, "said": "again"})
    checkpoints.wait()
    checkpoints.close()
    (_, note), told = restore(saved, training)
    assert (note["said"], told) == ("again", [])


def test_only_damaged_checkpoints_are_an_error_and_stay(saved, training):
    for step in (5, 10, 15):
        truncate(saved / "checkpoints" / str(step))
    with pytest.raises(TrainError, match=r"expected a checkpoint, found only damaged ones \(steps \[5, 10, 15\]\)"):
        restore(saved, training)
    assert not (saved / "checkpoints.damaged").exists()


def test_what_a_kill_left_half_written_is_not_used(saved, training):
    (saved / "checkpoints" / "15").rename(saved / "checkpoints" / "15.orbax-checkpoint-tmp")
    (found, _), told = restore(saved, training)
    assert (int(found["step"]), told) == (10, [])
    checkpoints = RunCheckpoints(saved, 3, 0)
    checkpoints.save(moved(found, 15), {"loss": 1.0})
    checkpoints.wait()
    checkpoints.close()
    assert not list((saved / "checkpoints").glob("*tmp*"))


def test_no_checkpoint_is_none(tmp_path, training):
    assert restore(tmp_path, training) == (None, [])


def test_best_and_last_stay_by_loss_or_by_score(tmp_path, state):
    def kept(folder, notes):
        checkpoints = RunCheckpoints(folder, 2, 1)
        for step, note in notes.items():
            checkpoints.save(moved(state, step), note)
        checkpoints.wait()
        checkpoints.close()
        again = RunCheckpoints(folder, 2, 1)  # ranks are those of the files, not of memory
        again.save(moved(state, 90), {"loss": 50.0})
        again.wait()
        best = again.best_scored()
        again.close()
        return again.steps(), best

    losses = {1: {"loss": 0.5}, 2: {"loss": None}, 3: {"loss": 0.1}, 4: {"loss": 0.7}, 5: {"loss": 0.2}}
    assert kept(tmp_path / "losses", losses) == ([3, 5, 90], None)
    scores = {1: {"loss": 0.5, "score": 0.2}, 2: {"loss": 9.0, "score": 0.9}, 3: {"loss": 0.1}, 4: {"loss": 0.2}}
    assert kept(tmp_path / "scores", scores) == ([2, 4, 90], 2)


def test_a_file_system_that_refuses_is_told_and_older_checkpoints_stay(saved, training, state):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    checkpoints = RunCheckpoints(saved, 3, 0)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(TrainError, match=r"expected to write a checkpoint, found .*make room or choose another"):
            write(checkpoints, moved(state, 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
        checkpoints.close()
    (found, _), _ = restore(saved, training)
    assert int(found["step"]) == 15


def test_checksums_notice_bits_and_places():
    leaf = jnp.arange(24, dtype=jnp.float32).reshape(2, 3, 4)
    tree = {"a": leaf, "b": jnp.bool_(True), "c": jnp.int32(-3), "d": jnp.float16(2)}
    place = np.arange(24, dtype=np.uint64).reshape(2, 3, 4)
    bits = np.asarray(leaf).view(np.uint32).astype(np.uint64)
    found = np.asarray(checksums(tree))
    assert found[0] == (bits * (2 * place + 1)).sum() % (1 << 32)
    assert found.tolist()[1:] == [1, (1 << 32) - 3, 0x4000]
    others = [leaf.at[1, 2, 3].set(np.nextafter(np.float32(23), np.float32(0))), leaf[::-1], leaf.at[0, 0, 0].set(-0.0)]
    for other in others:
        assert checksums({**tree, "a": other})[0] != found[0]


def test_a_killed_run_goes_on_with_the_same_bits(tmp_path):
    straight = fit(Toy(), ToyStream(), settings(tmp_path / "straight"))
    chosen = settings(tmp_path / "killed")
    order = [{"settings": describe_settings(chosen), "before": {"10": "SIGKILL"}}]
    assert run_program(order).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "result.npz").exists()
    told = Told()
    fit(Toy(), ToyStream(), chosen, resume=True, report=told)
    # Before the checkpoint of step 9 was begun, that of step 6 was whole.
    assert any(line in told.lines for line in ("resumed after step 6 of 12", "resumed after step 9 of 12"))
    expected = read_result(straight.folder)
    for name, found in read_result(tmp_path / "killed").items():
        np.testing.assert_array_equal(found, expected[name])
    lines = [[(x["step"], x["loss"]) for x in read_lines(folder)] for folder in (straight.folder, tmp_path / "killed")]
    assert lines[0] == lines[1]
