"""Fine-tuning learns, from arrays and from recordings on disk; its result is a bundle that says what it is."""

import sys
from dataclasses import replace
from pathlib import Path

import av
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vp_science.annotations.formats import read_annotations
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.errors import SettingsError
from vp_science.probes.bundle import describe, load_probe
from vp_science.probes.fine_tuned import own_model
from vp_science.train.data.settings import DataSettings
from vp_science.train.finetune.measure import measure_features
from vp_science.train.finetune.settings import LabelSettings, LoraSettings, ReadoutSettings, ValidationSettings
from vp_science.train.finetune.start import make_stage, make_stream
from vp_science.train.functional import flat_names
from vp_science.train.running import run
from vp_science.train.settings import LoopSettings, OptimizerSettings

sys.path.insert(0, str(Path(__file__).parent))
from finetune_micro import micro_batch, micro_encoder, micro_settings, micro_stage, on_device, train_micro

RECORDINGS = ("one", "two", "three")
TONES = {"one": 50, "two": 60, "three": 70}
"""Grey of what is not bright, by which a clip says where it is from."""
NUM_FRAMES, FPS = 40, 10


@pytest.mark.parametrize(
    ("changes", "rate"),
    [
        ({"train": "readout", "readout": ReadoutSettings("mlap", 8, 2, 2, dropout=0.0)}, 3e-3),
        (
            {
                "train": "lora",
                "lora": LoraSettings(rank=2),
                "readout": ReadoutSettings("attention", 8, 2, dropout=0.0),
            },
            3e-3,
        ),
    ],
)
def test_labels_that_can_be_seen_are_learned(changes, rate):
    stage = micro_stage(micro_settings(**changes))
    _, losses, metrics = train_micro(stage, micro_batch(), 80, rate)
    assert losses[-1] < 0.15 * losses[0]
    assert metrics["accuracy"] == 1.0


def test_a_step_is_the_same_when_it_is_repeated_and_differs_by_its_key():
    stage = micro_stage(micro_settings(readout=ReadoutSettings(width=8, heads=2, dropout=0.5)))
    batch = on_device(micro_batch())

    def step(seed):
        (loss, _), gradient = jax.jit(stage.value_and_grad)(stage.init(), stage.frozen(), batch, jax.random.key(seed))
        return float(loss), flat_names(gradient)

    (first, gradient), (again, same), (other, _) = step(0), step(0), step(1)
    assert first == again != other
    for name in gradient:
        np.testing.assert_array_equal(gradient[name], same[name])


def test_features_are_measured_over_what_is_there():
    batches = [micro_batch(seed) for seed in range(2)]
    batches[0]["valid"][:, 2:] = False
    batches[0]["video"][:, 2:] = 255  # held frames say nothing
    stage = micro_stage()
    model = stage.trainee.bind(stage.init(), stage.frozen())
    measure_features(model, iter(batches))
    rows = []
    for batch in batches:
        valid = jnp.asarray(batch["valid"])
        tokens = model.encoder(jnp.asarray(batch["video"]) / 255.0, valid).reshape(8, 4, 9, 16)
        rows.append(np.asarray(tokens, np.float64)[batch["valid"]].reshape(-1, 16))
    rows = np.concatenate(rows)
    np.testing.assert_allclose(model.readout.input.features.centre[...], rows.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(model.readout.input.features.inverse[...], 1 / rows.std(axis=0), rtol=1e-4)


def write_recording(path, bright, tone):
    """A grey recording that is bright on the left where a behavior happens."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 36, 36, "yuv420p"
        for on in bright:
            pixels = np.full((36, 36, 3), tone, np.uint8)
            pixels[:, :12] += np.uint8(150 * on)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three labelled recordings and the folder of a micro encoder."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "videos").mkdir()
    rows, observed = ["recording,behavior,start_s,stop_s,kind"], ["recording,start_s,stop_s,behavior"]
    for index, name in enumerate(RECORDINGS):
        first = 8 + 6 * index
        bright = (np.arange(NUM_FRAMES) >= first) & (np.arange(NUM_FRAMES) < first + 14)
        write_recording(folder / "videos" / f"{name}.mp4", bright, TONES[name])
        rows.append(f"{name},bright,{first / FPS},{(first + 14) / FPS},state")
        observed.append(f"{name},0,{NUM_FRAMES / FPS},")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (folder / "labels.observed.csv").write_text("\n".join(observed) + "\n")
    assert read_annotations(folder / "labels.csv").behaviors.names == ("bright",)
    write_model_folder(micro_encoder(), folder / "model", {"stage": "none"}, name="micro")
    return folder


def settings_of(study, out, **changes):
    data = (DataSettings(str(study / "videos"), annotations=str(study / "labels.csv")),)
    settings = micro_settings(
        out=str(out),
        init=str(study / "model"),
        data=data,
        train="lora",
        merged=True,
        name="bright-finder",
        optimizer=OptimizerSettings(learning_rate=1e-2, ema_decay=0.5),
        loop=LoopSettings(
            steps=40, batch_size=4, precision="float32", checkpoint_every=20, log_every=10, tensorboard=False
        ),
        encoder_rate=1.0,
    )
    return replace(settings, **changes)


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return out, run(settings_of(study, out))


def test_a_run_from_recordings_to_a_bundle(study, finished):
    out, result = finished
    assert result.result == out / "probe.zip"
    assert result.metrics["score"] > 0.9
    assert result.metrics["score"] == result.metrics["ap/bright"]
    probe = load_probe(result.result)
    assert probe.id.startswith("bright-finder-")
    card = describe(probe)
    assert card["training"]["validation"].startswith("held-out recording ")
    held = card["training"]["validation"].split()[-1]
    assert sorted([held, *(entry["recording"] for entry in card["training"]["recordings"])]) == sorted(RECORDINGS)
    assert card["training"]["log"]["validation_map"] > 0.9
    assert 0 < card["thresholds"][0] < 1
    assert card["tracks"]["num_frames"] == 4
    assert card["tracks"]["stride"] == 1
    assert str(study) not in (out / "probe.zip").read_bytes().decode("latin-1")


def test_the_bundle_and_the_merged_encoder_are_of_one_model(study, finished):
    """The probe's model is its base with what was trained; ``encoder/`` is that encoder by itself."""
    from vp_science.probes.fine_tuned import build_model

    out, result = finished
    probe = load_probe(result.result)
    assert own_model(probe).base.name == "micro"
    model = build_model(probe.head_, load_encoder(study / "model", precision="float32"))
    merged = load_encoder(out / "encoder", precision="float32")
    video = jnp.asarray(micro_batch(3)["video"]) / 255.0
    np.testing.assert_allclose(merged(video), model.encoder(video), atol=1e-5)
    assert np.abs(np.asarray(merged(video) - micro_encoder()(video))).max() > 1e-3


def test_what_is_held_out_is_never_drawn(study, tmp_path):
    settings = settings_of(study, tmp_path / "run", validation=ValidationSettings(recordings=("two",)))
    stage = make_stage(settings)
    assert [one.recording for one in stage.task.split.held] == ["two"]
    stream = make_stream(settings, stage)
    try:
        batches = [next(stream) for _ in range(6)]
    finally:
        stream.close()
    assert all(batch["states"].shape == (4, 4, 1) for batch in batches)
    tones = {round(batch["video"][clip, 0, 9, 15].mean() / 10) * 10 for batch in batches for clip in range(4)}
    assert tones == {TONES["one"], TONES["three"]}


def test_a_label_per_window_comes_from_its_middle(study, tmp_path):
    settings = settings_of(
        study,
        tmp_path / "run",
        readout=ReadoutSettings("attention", 8, 2, dropout=0.0),
        labels=LabelSettings(smoothing=0.0, central=2),
    )
    stage = make_stage(settings)
    batch = on_device(micro_batch())
    batch["states"] = jnp.zeros((8, 4, 1), jnp.int8).at[:, 1:3].set(1)
    loss = jax.jit(stage.loss)
    middle, metrics = loss(stage.init(), stage.frozen(), batch, jax.random.key(0))
    assert float(metrics["labels"]) == 8
    ends = batch | {"states": jnp.full((8, 4, 1), -1, jnp.int8).at[:, 1:3].set(1)}
    np.testing.assert_array_equal(middle, loss(stage.init(), stage.frozen(), ends, jax.random.key(0))[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init": "videoprism-huge"}, "videoprism-huge"),
        ({"clips": micro_settings().clips.__class__(4, 20)}, "clips.size: expected a multiple of the patch size 6"),
        ({"validation": ValidationSettings(recordings=("four",))}, "validation.recordings: .* found 'four'"),
    ],
)
def test_settings_that_do_not_fit_stop_before_training(study, tmp_path, changes, message):
    with pytest.raises(SettingsError, match=message):
        make_stage(settings_of(study, tmp_path / "run", **changes))
