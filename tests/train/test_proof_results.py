"""The proof harness: the split of the footage, cells, spreads, the recipes, and the page of results."""

# ruff: noqa: E402  (the harness is found only after its folder is on the path)
import json
import random
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from scipy import stats

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the harness is beside the package, and not part of it

from benchmarks.proof.arms import UNTRAINED, Arm, all_arms, encoder_config, load_arm, parse_arm
from benchmarks.proof.cells import Cells, plain, read_cells
from benchmarks.proof.footage_split import Row, check_footage, collect, read_split
from benchmarks.proof.footage_split import main as split_main
from benchmarks.proof.spread import paired, spread
from benchmarks.proof.studies import STUDIES, read_labels
from benchmarks.proof.tables import average, select
from benchmarks.proof.trainings import as_toml, parse_change
from benchmarks.proof.write_results import MAP, write
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.encoder.config import EncoderConfig
from vp_science.errors import CheckpointError, SettingsError
from vp_science.train.settings_file import read_settings
from vp_science.train.stages import find_stage

RECIPES = ROOT / "recipes"
MICRO = EncoderConfig(
    patch_size=6, pos_emb_shape=(4, 3, 3), model_dim=16, num_spatial_layers=2, num_temporal_layers=2, num_heads=2,
    mlp_dim=32,
)  # fmt: skip
sys.path.insert(0, str(RECIPES))
import pack_tiny


def test_the_split_names_every_file_and_parts_scenes(footage):
    rows = read_split()
    check_footage(footage, rows)
    by_role = {role: {row.scene for row in rows if row.role == role} for role in ("train", "evaluate")}
    assert not by_role["train"] & by_role["evaluate"]
    evaluating = {row.file for row in rows if row.role == "evaluate"}
    used = {str(path.relative_to(footage)) for study in STUDIES for path in study.recordings(footage)}
    assert used == evaluating  # what evaluates is held out, and everything that is held out evaluates
    assert len([row for row in rows if row.role == "train"]) >= 10


def test_captions_are_of_recordings_that_train(footage, tmp_path):
    from vp_science.train.data.captions import read_captions

    made = collect(footage, tmp_path / "train", "train", read_split())
    named = {caption.recording for caption in read_captions(RECIPES / "footage_captions.csv")}
    assert named == {path.name for path in made}


def test_collecting_again_keeps_and_repairs(footage, tmp_path, capsys):
    split_main(["collect", "--footage", str(footage), "--out", str(tmp_path / "train")])
    assert "12 recordings in" in capsys.readouterr().out
    files = sorted((tmp_path / "train").iterdir())
    stamp = files[0].stat().st_mtime_ns
    files[1].write_bytes(b"half a copy")
    rows = read_split()
    collect(footage, tmp_path / "train", "train", rows)
    assert files[0].stat().st_mtime_ns == stamp
    names = {row.file.replace("/", "__"): row.file for row in rows}
    assert files[1].read_bytes() == (footage / names[files[1].name]).read_bytes()
    (tmp_path / "train" / "mine.mp4").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"expected recordings that train alone, found 'mine.mp4'"):
        collect(footage, tmp_path / "train", "train", rows)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a,train,s,r\nb,test,s2,r\n", "expected a role among train, evaluate, leave out, found 'test'"),
        ("a,train,s,r\na,train,s,r\n", "expected every file once, found a twice"),
        ("a,train,s,r\nb,evaluate,s,r\n", "expected every scene on one side, found 's' on both"),
    ],
)
def test_splits_that_leak_are_refused(tmp_path, lines, message):
    path = tmp_path / "split.csv"
    path.write_text("file,role,scene,reason\n" + lines)
    with pytest.raises(SettingsError, match=message):
        read_split(path)


def test_files_that_nobody_assigned_are_named(tmp_path):
    (tmp_path / "new.mp4").write_bytes(b"")
    with pytest.raises(SettingsError, match=r"found 'new.mp4' in the folder alone"):
        check_footage(tmp_path, [])
    with pytest.raises(SettingsError, match=r"found 'old.mp4' in the table alone"):
        check_footage(tmp_path, [Row("new.mp4", "train", "s", "r"), Row("old.mp4", "train", "s", "r")])


def test_labels_before_a_time_are_left_out(footage):
    study = next(study for study in STUDIES if study.name == "fly")
    time_s = np.arange(3000) / 25
    every = read_labels(footage, study, study.recordings(footage), [time_s])
    late = read_labels(footage, study, study.recordings(footage), [time_s], after_s=60.0)
    assert late.observed["start_s"].min() >= 60.0
    total = (every.observed["stop_s"].clip(lower=60) - every.observed["start_s"].clip(lower=60)).sum()
    assert (late.observed["stop_s"] - late.observed["start_s"]).sum() == pytest.approx(total)
    assert 0 < len(late.bouts) < len(every.bouts)


def test_cells_are_kept_replaced_and_complete(tmp_path):
    path, calls = tmp_path / "deep" / "cells.json", []

    def make(value):
        calls.append(value)
        return {"accuracy": np.float32(value), "none": float("nan"), "list": (1, np.arange(2))}

    cells = Cells(path, "test")
    assert cells.get({"arm": "a"}, {"w": 1}, lambda: make(0.5)) == {"accuracy": 0.5, "none": None, "list": [1, [0, 1]]}
    again = Cells(path, "test")
    again.get({"arm": "a"}, {"w": 1}, lambda: make(0.6))
    assert calls == [0.5]
    again.get({"arm": "a"}, {"w": 2}, lambda: make(0.75))
    again.get({"arm": "b"}, {"w": 2}, lambda: make(1.0))
    found = read_cells(path, "test")
    assert [(cell["key"]["arm"], cell["figures"]["accuracy"]) for cell in found] == [("a", 0.75), ("b", 1.0)]
    assert {"vp-science", "jax", "device", "commit"} <= set(found[0]["made"])
    assert found[0]["seconds"] >= 0
    with pytest.raises(ZeroDivisionError):
        again.get({"arm": "c"}, {}, lambda: 1 / 0)
    assert len(read_cells(path, "test")) == 2
    with pytest.raises(SettingsError, match="expected results of other, found 'test'"):
        Cells(path, "other")


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=30))
def test_spread_is_that_of_scipy(values):
    found = spread([*values, None, float("nan")])
    assert found.count == len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.sd == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    if found.sd > 1e-9:
        error = stats.sem(values)
        low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
        assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_verdicts_promise_no_more_than_the_numbers():
    assert spread([0.1, 0.11, 0.12]).verdict == "shown"
    assert spread([-0.1, -0.11, -0.12]).verdict == "the opposite is shown"
    assert spread([0.1, -0.1, 0.2]).verdict == "not shown (the interval includes zero)"
    assert spread([0.3]).verdict == "not shown (one value)"
    assert spread([]).text() == "n/a"
    assert spread([0.3]).text() == "0.300 (n = 1)"
    assert paired({1: 0.5, 2: 0.7, 3: 1.0}, {1: 0.4, 2: 0.5, 4: 0.0}).mean == pytest.approx(0.15)


def test_cells_become_units():
    cells = [{"key": {"arm": arm, "seed": seed}, "v": 10 * seed + k} for arm in "ab" for seed in (1, 2) for k in (0, 2)]
    found = average(select(cells, arm="a"), lambda cell: cell["key"]["seed"], lambda cell: cell["v"])
    assert found == {1: 11.0, 2: 21.0}
    assert len(select(cells, arm=("a", "b"), seed=1)) == 4
    assert average(cells, lambda cell: 0, lambda cell: None) == {}


def test_arms_of_the_command_line():
    assert parse_arm("full:2=runs/a=b") == Arm("full", 2, "runs/a=b")
    assert parse_arm("stage1=videoprism-tiny") == Arm("stage1", 0, "videoprism-tiny")
    for text in ("stage1", "=x", "a:b=c", f"{UNTRAINED}=x", "a="):
        with pytest.raises(Exception, match="expected NAME=WEIGHTS"):
            parse_arm(text)
    arms = all_arms([Arm("a", 0, "x")], [0, 1])
    assert arms[1:] == [Arm(UNTRAINED, 0), Arm(UNTRAINED, 1)]
    with pytest.raises(SettingsError, match="expected arms that differ in name or seed"):
        all_arms([Arm("a", 0, "x"), Arm("a", 0, "y")], [])


def test_arms_are_video_encoders_of_one_size(tmp_path):
    write_model_folder(load_encoder(MICRO, seed=3), tmp_path / "run", {"seed": 3})
    arms = [Arm("trained", 0, str(tmp_path / "run")), Arm(UNTRAINED, 1)]
    assert encoder_config(arms) == MICRO
    trained, untrained = (load_arm(arm, MICRO) for arm in arms)
    assert not trained.info.untrained
    assert untrained.info.checkpoint == "seed:1 (untrained)"


def test_values_as_toml():
    tree = {"path": 'a "b"', "include": ["x", "y"]}
    assert as_toml([tree]) == '[{path = "a \\"b\\"", include = ["x", "y"]}]'
    assert (as_toml(True), as_toml(0.5), as_toml([1.0, 2]), as_toml(Path("a/b"))) == ("true", "0.5", "[1.0, 2]", "a/b")
    assert parse_change("loop.steps=3") == ("loop.steps", "3")
    with pytest.raises(ValueError, match="expected KEY=VALUE"):
        parse_change("loop.steps")


KINDS = {
    "stage1": "contrastive",
    "text": "contrastive",
    "stage2": "distill",
    "adapt": "distill",
    "finetune": "finetune",
}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("tiny_*.toml")), ids=lambda path: path.stem)
def test_recipes_are_settings(path):
    kind = next(kind for part, kind in KINDS.items() if part in path.stem)
    settings = read_settings(find_stage(kind).settings(), path)
    assert settings.clips.size % 18 == 0
    assert settings.optimizer.warmup_steps < settings.loop.steps / 5 + 1
    assert all((ROOT / ".." / "shared").resolve() not in Path(data.path).resolve().parents for data in settings.data)


def test_the_last_part_fits_the_position_tables():
    for name in ("tiny_stage1_native", "tiny_stage2_native"):
        kind = "contrastive" if "stage1" in name else "distill"
        clips = read_settings(find_stage(kind).settings(), RECIPES / f"{name}.toml").clips
        assert (clips.num_frames, clips.size) == (16, 288)


def test_the_script_wants_a_profile():
    script = RECIPES / "train_tiny.sh"
    subprocess.run(["sh", "-n", str(script)], check=True)
    result = subprocess.run(["sh", str(script)], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "expected gpu or cpu" in result.stderr


def test_packing_rounds_and_tells_where_from(tmp_path, capsys):
    encoder = load_encoder(MICRO, seed=3)
    write_model_folder(encoder, tmp_path / "run", {"seed": 3, "stage": "distill"})
    out = tmp_path / "tiny.safetensors"
    pack_tiny.main([str(tmp_path / "run"), "--out", str(out)])
    assert f"{out.stat().st_size} bytes, sha256" in capsys.readouterr().out
    with safe_open(out, framework="numpy") as file:
        metadata = file.metadata()
        assert {file.get_tensor(name).dtype for name in file.keys()} == {np.dtype(np.float16)}  # noqa: SIM118
    assert metadata["seed"] == "3"
    assert json.loads(metadata["provenance"])["stage"] == "distill"
    assert json.loads(metadata["config"])["model_dim"] == 16
    assert metadata["recipe_sha256"] == pack_tiny.hash_recipes()
    back = load_encoder(MICRO, out)
    for kept, full in zip(jax.tree.leaves(nnx.state(back)), jax.tree.leaves(nnx.state(encoder)), strict=True):
        np.testing.assert_array_equal(np.asarray(kept), np.asarray(full).astype(np.float16).astype(np.float32))


def test_packing_refuses_what_does_not_fit(tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="w: expected values that fit into float16"):
        pack_tiny.to_half("w", np.array([1e6], np.float32))
    write_model_folder(load_encoder(MICRO, seed=3), tmp_path / "run", {})
    monkeypatch.setattr(pack_tiny, "MOST_BYTES", 1000)
    with pytest.raises(CheckpointError, match="expected at most 1000 bytes"):
        pack_tiny.pack(tmp_path / "run", tmp_path / "tiny.safetensors")
    assert not (tmp_path / "tiny.safetensors").exists()
    (tmp_path / "run" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(CheckpointError, match=r"expected the weights that .* describes, found others"):
        pack_tiny.pack(tmp_path / "run", tmp_path / "tiny.safetensors")


def put(folder, name, what, cells):
    made = {"vp-science": "1", "jax": "2", "device": "cpu", "commit": "abc"}
    rows = [{"key": key, "inputs": {}, "figures": figures, "seconds": 60.0, "made": made} for key, figures in cells]
    (folder / f"{name}.json").write_text(json.dumps({"format": "vp_science.proof", "what": what, "cells": plain(rows)}))


def test_the_page_says_what_is_shown_and_what_is_not(tmp_path):
    rng = random.Random(0)
    put(tmp_path, "probes_on_footage", "probes_on_footage", [
        ({"study": study.name, "arm": arm, "seed": seed, "head": "logistic", "probe_seed": 0},
         {"folds": [{MAP: level + 0.01 * rng.random()}, {MAP: level + 0.1}, {MAP: None}]})
        for study in STUDIES for arm, level in (("trained", 0.7), (UNTRAINED, 0.5), ("pixels", 0.7)) for seed in (0, 1)
    ])  # fmt: skip
    levels = {"stage1": 0.6, "full": 0.8, "no_shuffling": 0.9, "no_global": 0.8}
    noise = {"stage1": (0.0, 0.01, 0.0), "full": (0.0, 0.01, 0.02), "no_shuffling": (0.0, 0.01, 0.02),
             "no_global": (0.1, -0.1, 0.02)}  # fmt: skip
    put(tmp_path, "ablation", "motion_probes", [
        ({"kind": "motion", "question": question, "arm": arm, "seed": seed, "readout": "logistic", "clip_seed": 0},
         {"accuracy": level + noise[arm][seed] + (0.001 * seed if arm == "no_shuffling" else 0)})
        for arm, level in levels.items() for seed in range(3) for question in ("a / b", "c / d")
    ])  # fmt: skip
    put(tmp_path, "adaptation", "adaptation", [
        ({"scene": "kabr", "fold": fold, "arm": arm, "seed": seed, "head": "logistic"},
         {"mean": {MAP: level}, "folds": []})
        for fold in (0, 1) for arm, level in (("before", 0.5), ("adapted", 0.5 + 0.1 * fold)) for seed in (0, 1)
    ])  # fmt: skip
    put(tmp_path, "finetune_vs_probe", "finetune_vs_probe", [
        ({"study": "bsoid", "fold": None, "arm": "probe, logistic", "seed": 0}, {"folds": [{MAP: 0.3}, {MAP: 0.4}]}),
        *(({"study": "bsoid", "fold": fold, "arm": "lora", "seed": seed}, {MAP: 0.5 + 0.1 * fold + 0.01 * seed})
          for fold in (0, 1) for seed in (0, 1)),
    ])  # fmt: skip
    run = tmp_path / "runs" / "stage1"
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    (run / "settings.toml").write_text("seed = 0\n")
    out = write(tmp_path, tmp_path / "docs" / "results.md", tmp_path / "docs" / "images", tmp_path / "runs")
    page = out.read_text()
    assert "trained minus untrained, over studies: +0.20" in page
    assert "n = 9: shown" in page.partition("trained minus untrained")[2].partition("\n")[0]
    assert "not shown" in page.partition("trained minus pixels")[2].partition("\n")[0]
    assert "| 0.755 ± 0.0" in page.partition("(KABR)")[2]  # seeds first, then mean and spread over the folds that exist
    stage2 = page.partition("stage 2 beats stage 1, motion only")[2].partition("\n")[0]
    assert stage2.startswith(": +0.207")
    assert stage2.endswith(": shown; better in 6 of 6 pairs of seed and question")
    assert "the opposite is shown" in page.partition("shuffling helps, motion only")[2].partition("\n")[0]
    assert "not shown" in page.partition("global distillation helps")[2].partition("\n")[0]
    assert "adapted minus before, over scenes and folds: +0.050 [" in page
    assert "bsoid: lora minus probe, logistic, over folds and seeds: +0.205" in page
    assert "Not measured yet: probes_on_footage_144.json, motion_probes.json, motion_probes_arena.json." in page
    assert "on cpu; vp-science 1, jax 2; commit abc." in page
    pictures = [line.partition("](")[2].rstrip(")") for line in page.splitlines() if line.startswith("![")]
    assert pictures
    assert all((out.parent / picture).exists() for picture in pictures)
    assert (tmp_path / "logs" / "stage1" / "metrics.jsonl").exists()
    again = write(tmp_path, tmp_path / "docs" / "results.md", tmp_path / "docs" / "images", None)
    assert again.read_text() == page  # the logs were kept beside the results
