"""The scripts of the proof end to end, with an encoder of 16 channels: figures go where they should."""

# ruff: noqa: E402  (the harness is found only after its folder is on the path)
import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import vp_science as vp
from benchmarks.proof import ablation, adaptation, finetune_vs_probe, motion_probes, probes_on_footage, trainings
from benchmarks.proof.cells import read_cells
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.encoder.config import EncoderConfig

MICRO = EncoderConfig(
    patch_size=6, pos_emb_shape=(4, 3, 3), model_dim=16, num_spatial_layers=1, num_temporal_layers=1, num_heads=2,
    mlp_dim=32,
)  # fmt: skip
MAP = "macro_average_precision"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model_folder(load_encoder(MICRO, seed=3), tmp_path_factory.mktemp("models") / "base", {"seed": 3})


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def cells_of(path, what):
    return {tuple(cell["key"].values()): cell for cell in read_cells(path, what)}


def test_probes_on_footage(model, work, footage, tmp_path, capsys):
    arguments = ["--arm", f"trained={model}", "--quick", "--heads", "logistic", "--work", str(work)]
    arguments += ["--out", str(tmp_path / "probes.json"), "--footage", str(footage)]
    probes_on_footage.main(arguments)
    cells = cells_of(tmp_path / "probes.json", "probes_on_footage")
    assert {key[1] for key in cells} == {"trained", "untrained", "pixels", "majority"}
    trained = cells["larva", "trained", 0, "logistic", 0]
    assert trained["inputs"]["checkpoint"].startswith("sha256:")
    assert len(trained["figures"]["folds"]) == 4
    assert any(fold[MAP] is None for fold in trained["figures"]["folds"])  # a block of time with one behavior
    values = [fold[MAP] for fold in trained["figures"]["folds"] if fold[MAP] is not None]
    assert trained["figures"]["mean"][MAP] == pytest.approx(np.mean(values))
    assert all(0 < value <= 1 for value in values)
    majority = cells["larva", "majority", 0, "logistic", 0]["figures"]
    assert majority["mean"][MAP] == pytest.approx(0.5, abs=0.05)  # guessing between two behaviors
    capsys.readouterr()
    probes_on_footage.main(arguments)
    said = capsys.readouterr().out.strip().splitlines()
    assert len(said) == len(cells)
    assert all(line.endswith(": kept") for line in said)


class DrawnClips:
    """Clips of which a readout can tell one behavior by its brightness, the other by nothing."""

    def __init__(self, video, states):
        self.video, self.states = video, states


@pytest.fixture
def drawn(monkeypatch):
    """In the place of the generator: squares that are bright for one behavior of a pair and dark for the other."""
    import vp_science.samples.synthetic as package
    from vp_science.samples.synthetic.behaviors import SYNTHETIC_BEHAVIORS

    class Settings:
        def __init__(self, num_frames, size, behaviors, species):
            self.num_frames, self.size, self.behaviors = num_frames, size, behaviors
            assert species

    def draw(seed, rows, settings):
        which = np.asarray(rows) % len(settings.behaviors)
        noise = np.random.default_rng([seed, *map(int, rows)]).integers(0, 30, (len(rows), 1, 1, 1, 1))
        level = (60 + 120 * which[:, None, None, None, None] + noise).astype(np.uint8)
        video = np.broadcast_to(level, (len(rows), settings.num_frames, settings.size, settings.size, 3))
        states = np.zeros((len(rows), settings.num_frames, len(SYNTHETIC_BEHAVIORS)), np.int8)
        for clip, behavior in enumerate(which):
            states[clip, :, SYNTHETIC_BEHAVIORS.names.index(settings.behaviors[behavior])] = 1
        return DrawnClips(np.ascontiguousarray(video), states)

    monkeypatch.setattr(package, "SyntheticSettings", Settings, raising=False)
    monkeypatch.setattr(package, "draw_clips", draw, raising=False)
    monkeypatch.setattr(package, "SYNTHETIC_BEHAVIORS", SYNTHETIC_BEHAVIORS, raising=False)


SMALL = ("--num-frames", "4", "--size", "18", "--pool", "1", "--quick")


def test_motion_probes(model, drawn, tmp_path):
    out = tmp_path / "motion.json"
    motion_probes.main(["--arm", f"stage2={model}", "--out", str(out), *SMALL])
    cells = read_cells(out, "motion_probes")
    assert {(cell["key"]["kind"], cell["key"]["arm"]) for cell in cells} == {
        (kind, arm) for kind in ("motion", "appearance") for arm in ("stage2", "untrained")
    }
    for cell in cells:
        assert cell["figures"] == {"accuracy": 1.0, "chance": 0.5, "clips": 16}  # brightness tells them apart
        assert cell["inputs"]["clips"] == [32, 16]


def test_questions_are_of_animals_that_show_every_answer():
    from vp_science.samples.synthetic.behaviors import shown_table
    from vp_science.samples.synthetic.settings import SyntheticSettings
    from vp_science.samples.synthetic.species import SPECIES

    asked = motion_probes.questions()
    assert {question.kind for question in asked} == {"motion", "appearance", "all"}
    for question in asked[:-1]:
        [(settings, seed, rows), (_, _, others)] = motion_probes.Clips(question, 3, (4, 5), 36, 4).sides
        assert isinstance(settings, SyntheticSettings)
        assert seed == motion_probes.CLIP_SEED + 3
        assert not set(rows) & set(others)
        drawn = settings.shown()
        able = [kind.name in question.species() for kind in SPECIES]
        assert len(question.species()) >= 3
        assert (drawn.sum(axis=0)[able] == len(question.behaviors)).all()
        assert not (drawn & ~shown_table()).any()


def test_a_readout_of_nothing_guesses():
    rng = np.random.default_rng(0)
    behaviors = vp.Behaviors.of(("a", "b"), exclusive=True)
    sides = [(rng.normal(size=(count, 4, 1, 6)).astype(np.float32), rng.integers(0, 2, count)) for count in (64, 400)]

    class Pair:
        pass

    pair = Pair()
    pair.behaviors = behaviors
    found = motion_probes.answer("logistic", 0, pair, *sides, pool=1)
    assert abs(found["accuracy"] - 0.5) < 0.1


def test_regions_of_a_grid():
    tokens = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4, 1)
    np.testing.assert_array_equal(motion_probes.pool_grid(tokens, 2).ravel(), [2.5, 4.5, 10.5, 12.5])
    np.testing.assert_array_equal(motion_probes.pool_grid(tokens, 1).ravel(), [7.5])


class Trainer:
    """In the place of ``trainings.train``: notes what was asked for and gives back the model it should start from."""

    def __init__(self, model):
        self.model, self.asked = model, []

    def __call__(self, kind, recipe, changes, folder):
        self.asked.append((kind, Path(recipe).name, dict(changes), folder))
        if not folder.exists():
            seed = 100 + len(self.asked)
            write_model_folder(load_encoder(MICRO, seed=seed), folder, {"seed": seed})
        return folder


def test_the_ablation_trains_every_variant_from_one_stage_1(model, drawn, tmp_path, monkeypatch):
    trainer = Trainer(model)
    monkeypatch.setattr(ablation, "train", trainer)
    variants = ["full", "no_shuffling", "no_global", "tube_masks", "stage1_longer"]
    ablation.main(["--runs", str(tmp_path / "runs"), "--seeds", "0", "1", "--variants", *variants,
                   "--set", "loop.steps=4", "--set2", "loop.batch_size=2", "--out", str(tmp_path / "ablation.json"),
                   "--probe", " ".join(SMALL)])  # fmt: skip
    of_seed = {
        folder.name: (kind, changes) for kind, _, changes, folder in trainer.asked if folder.parent.name == "seed1"
    }
    assert set(of_seed) == {"stage1", *variants}
    first = tmp_path / "runs" / "seed1" / "stage1"
    assert all(changes["init"] == first for name, (_, changes) in of_seed.items() if name != "stage1")
    assert of_seed["no_shuffling"][1]["shuffle"] is False
    assert of_seed["no_global"][1]["global_loss"] == 0
    assert of_seed["full"] == ("distill", {"seed": 1, "init": first, "loop.steps": "4", "loop.batch_size": "2"})
    assert of_seed["stage1_longer"][0] == "contrastive"
    cells = read_cells(tmp_path / "ablation.json", "motion_probes")
    arms = {(cell["key"]["arm"], cell["key"]["seed"]) for cell in cells}
    assert {(name, seed) for name in ("stage1", *variants) for seed in (0, 1)} <= arms
    assert ("untrained", 0) in arms


def test_variants_are_settings(tmp_path):
    from vp_science.train.settings_file import read_settings
    from vp_science.train.stages import find_stage

    for changes in ablation.VARIANTS.values():
        overrides = [(key, trainings.as_toml(value)) for key, value in changes.items()]
        read_settings(find_stage("distill").settings(), trainings.RECIPES / "tiny_ablation_stage2.toml", overrides)


def test_adaptation_never_sees_what_is_tested(model, work, footage, tmp_path, monkeypatch):
    trainer = Trainer(model)
    monkeypatch.setattr(adaptation, "train", trainer)
    common = [
        "--init",
        str(model),
        "--known",
        str(footage / "ant"),
        "--runs",
        str(tmp_path / "runs"),
        "--work",
        str(work),
    ]
    common += ["--footage", str(footage), "--out", str(tmp_path / "adaptation.json")]
    common += ["--seeds", "0", "--heads", "logistic", "--quick"]
    adaptation.main([*common, "--scenes", "kabr", "--arms", "before", "adapted"])
    adaptation.main([*common, "--scenes", "fly"])
    seen = {folder.name: [Path(data["path"]) for data in changes["data"]] for _, _, changes, folder in trainer.asked}
    folds = [seen[f"kabr-fold{fold}-adapted-seed0"] for fold in (0, 1)]
    assert set(folds[0]) | set(folds[1]) == set((footage / "kabr").glob("*.gif"))
    scenes = [{path.stem.split("-")[0] for path in fold} for fold in folds]
    assert not scenes[0] & scenes[1]
    [half] = seen["fly-foldNone-adapted-seed0"]
    assert vp.open_recording(half).num_frames == 1500  # of 3000
    assert seen["continued-seed0"] == [footage / "ant"]
    cells = cells_of(tmp_path / "adaptation.json", "adaptation")
    assert {key[:3] for key in cells} == {
        *(("kabr", fold, arm) for fold in (0, 1) for arm in ("before", "adapted")),
        *(("fly", None, arm) for arm in ("before", "adapted", "continued")),
    }
    before, adapted = cells["kabr", 0, "before", 0, "logistic"], cells["kabr", 0, "adapted", 0, "logistic"]
    assert before["inputs"]["checkpoint"] != adapted["inputs"]["checkpoint"]
    assert before["figures"]["mean"] != adapted["figures"]["mean"]


def test_the_first_half_looks_the_same(footage, tmp_path):
    source = footage / "hdf5" / "fish_compressed.h5"
    half = adaptation.cut_first_half(source, tmp_path / "half.mp4")
    one, two = vp.open_recording(source), vp.open_recording(half)
    assert two.num_frames == one.num_frames // 2
    size = vp.Preprocess(two.height, two.width)
    for a, b in zip(one.decode(np.arange(5), size), two.decode(np.arange(5)), strict=True):
        assert np.abs(a.pixels.astype(int) - b.pixels).mean() < 4
    stamp = half.stat().st_mtime_ns
    adaptation.cut_first_half(source, half)
    assert half.stat().st_mtime_ns == stamp


def test_fine_tuning_gets_the_labels_of_the_training_side_alone(model, work, footage, tmp_path, monkeypatch):
    asked = []

    def train(kind, recipe, changes, folder):
        table = Path(changes["data"][0]["annotations"])
        copy = tmp_path / f"{len(asked)}.csv"
        for path in table.parent.glob(f"{table.stem}*"):
            shutil.copy(path, copy.with_name(path.name.replace(table.stem, copy.stem)))
        asked.append((kind, dict(changes), vp.read_annotations(copy)))
        return folder

    monkeypatch.setattr(finetune_vs_probe, "train", train)
    monkeypatch.setattr(finetune_vs_probe, "score_model", lambda *given: {MAP: 0.5})
    finetune_vs_probe.main(["--init", str(model), "--runs", str(tmp_path / "runs"), "--work", str(work),
                            "--footage", str(footage), "--out", str(tmp_path / "finetune.json"), "--seeds", "0",
                            "--studies", "kabr", "worm", "--modes", "lora", "--heads", "logistic",
                            "--quick"])  # fmt: skip
    kabr = [changes["data"][0] for _, changes, _ in asked if "kabr" in changes["data"][0]["path"]]
    assert len(kabr) == 2
    assert not set(kabr[0]["include"]) & set(kabr[1]["include"])
    assert len(set(kabr[0]["include"]) | set(kabr[1]["include"])) == 17
    for _, changes, labels in asked:
        assert set(labels.recordings) <= set(changes["data"][0].get("include", ["worm_wormpose_public"]))
    worm = [labels for _, changes, labels in asked if "worm" in changes["data"][0]["path"]]
    total = sum((labels.observed["stop_s"] - labels.observed["start_s"]).sum() for labels in worm)
    with (footage / "labels" / "segments.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["video"].endswith("worm_wormpose_public.hdf5")]
    frames = sum(int(row["end_frame"]) - int(row["start_frame"]) for row in rows)
    # Every block of four is left out once, with gaps beside it.
    assert 2 * frames / 15 < total < 3.01 * frames / 15
    cells = cells_of(tmp_path / "finetune.json", "finetune_vs_probe")
    assert {key[2] for key in cells} == {"probe, logistic", "lora"}


def test_a_training_is_done_once_and_goes_on(monkeypatch, tmp_path):
    import vp_science.train.running as running

    calls = []
    monkeypatch.setattr(
        running, "run", lambda settings, resume: calls.append((settings.out, settings.loop.steps, resume))
    )
    recipe, out = trainings.RECIPES / "tiny_adapt.toml", tmp_path / "run"
    out.mkdir()
    for steps in (5, 5, 6):
        trainings.train("distill", recipe, {"loop.steps": steps, "data": [{"path": "a, b"}]}, out)
    assert calls == [(str(out), 5, True), (str(out), 6, True)]
    assert json.loads(json.dumps(trainings.as_toml([{"path": "a"}]))) == '[{path = "a"}]'
