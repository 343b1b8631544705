"""Only what is trained is differentiated, changes, and is written; adapters merge into plain weights."""

import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.encoder.fine_tuned import assemble, encoder_shapes
from vp_science.errors import SettingsError
from vp_science.train.finetune.merge import merged_encoder
from vp_science.train.finetune.parts import to_parts
from vp_science.train.finetune.settings import LoraSettings
from vp_science.train.functional import flat_names, split_model

sys.path.insert(0, str(Path(__file__).parent))
from finetune_micro import (
    BASE,
    MICRO,
    micro_batch,
    micro_encoder,
    micro_settings,
    micro_stage,
    on_device,
    train_micro,
)

KINDS = {
    "readout": {"train": "readout"},
    "lora": {"train": "lora", "lora": LoraSettings(rank=2, alpha=4.0)},
    "lora of three": {"train": "lora", "lora": LoraSettings(rank=2, layers=3, targets=("value", "mlp"))},
    "top 1": {"train": "top", "blocks": 1},
    "top 3": {"train": "top", "blocks": 3},
    "full": {"train": "full"},
}
TEMPORAL, SPATIAL = (f"{name}_encoder/transformers_stack/x_layers/" for name in ("temporal", "spatial"))


class Trained:
    """A few steps of one kind, with rates at which everything moves."""

    def __init__(self, kind):
        self.stage = micro_stage(micro_settings(**KINDS[kind]))
        self.params, self.losses, _ = train_micro(self.stage, micro_batch(), steps=4)
        self.flat = {name: np.asarray(value) for name, value in flat_names(self.params).items()}
        self.frozen = flat_names(self.stage.frozen())
        self.base = {name: np.asarray(value) for name, value in flat_names(split_model(micro_encoder())[1]).items()}

    @property
    def parts(self):
        return to_parts(self.stage.trainee, self.stage.config, BASE, self.flat, self.frozen)


@pytest.fixture(scope="module", params=[kind for kind in KINDS if kind != "lora"])
def trained(request):
    return request.param, Trained(request.param)


def changed_layers(before, after):
    """Numbers of the layers of a stacked parameter that differ."""
    return [index for index in range(len(before)) if not np.array_equal(before[index], after[index])]


def test_only_what_should_change_changes(trained):
    kind, run = trained
    made = flat_names(split_model(assemble(run.parts, micro_encoder()).encoder)[1])
    assert set(made) == set(encoder_shapes(MICRO))
    for name, after in made.items():
        before, after = run.base[name], np.asarray(after)
        layers = changed_layers(before, after) if "/x_layers/" in name else None
        expected = {
            "readout": [],
            "lora of three": ([0, 1] if name.startswith(TEMPORAL) else [1])
            if "/value/w" in name or "/kernel" in name
            else [],
            "top 1": [1] if name.startswith(TEMPORAL) else [],
            "top 3": [0, 1] if name.startswith(TEMPORAL) else [1],
            "full": [0, 1],
        }[kind]
        if layers is not None:
            # Keys add a constant to all logits of a query, so their bias alone moves by rounding only.
            assert layers == expected or name.endswith("key/b"), name
        else:
            above = {
                "top 1": ("temporal_ln",),
                "top 3": ("temporal_ln", "temporal_pos_emb", "spatial_ln"),
                "full": ("",),
            }
            moves = name.startswith(above.get(kind, ("nothing",)))
            assert moves == (not np.array_equal(before, after)), name


def test_what_is_written_is_what_was_trained(trained):
    kind, run = trained
    parts = run.parts
    trained_numbers = sum(value.size for value in run.flat.values())
    measured = sum(value.size for name, value in run.frozen.items() if name.startswith("readout/"))
    written = sum(value.size for group in (parts.readout, parts.tensors) for value in group.values())
    written += sum(a.size + b.size for a, b in parts.lora.values())
    assert written == trained_numbers + measured
    assert bool(parts.lora) == kind.startswith("lora")
    assert bool(parts.tensors) == kind.startswith(("top", "full"))


def test_the_written_model_computes_what_was_trained(trained):
    _, run = trained
    video = jnp.asarray(micro_batch(5)["video"]) / 255.0
    under_training = run.stage.trainee.bind(run.params, run.stage.frozen())(video)
    np.testing.assert_allclose(assemble(run.parts, micro_encoder())(video), under_training, atol=1e-5)


def test_the_merged_encoder_is_a_plain_checkpoint(trained, tmp_path):
    kind, run = trained
    encoder = merged_encoder(run.stage.trainee, run.stage.config, run.flat, run.frozen)
    assembled = assemble(run.parts, micro_encoder()).encoder
    for name, value in flat_names(split_model(encoder)[1]).items():
        np.testing.assert_allclose(value, flat_names(split_model(assembled)[1])[name], atol=1e-6, err_msg=name)
    if kind == "lora of three":
        folder = write_model_folder(encoder, tmp_path / "merged", {})
        video = jnp.asarray(micro_batch(5)["video"]) / 255.0
        np.testing.assert_array_equal(load_encoder(folder, precision="float32")(video), encoder(video))


def test_the_start_is_the_encoder_as_it_was(trained):
    """Adapters begin at zero, cut stacks hold the layers they were cut from: to the bit."""
    stage = micro_stage(micro_settings(**KINDS[trained[0]]))
    model = stage.trainee.bind(stage.init(), stage.frozen())
    video = jnp.asarray(micro_batch(5)["video"]) / 255.0
    np.testing.assert_array_equal(model.encoder(video), micro_encoder()(video))
    again = micro_stage(micro_settings(**KINDS[trained[0]]))
    for a, b in zip(jax.tree.leaves(stage.init()), jax.tree.leaves(again.init()), strict=True):
        np.testing.assert_array_equal(a, b)


def test_depths_count_from_the_readout_and_rates_follow_the_settings(trained):
    kind, run = trained
    depths, factors = flat_names(run.stage.depths(run.params)), flat_names(run.stage.rate_factors(run.params))
    assert set(depths) == set(factors) == set(run.flat)
    share = {"readout": 1.0, "lora of three": 0.5, "top 1": 0.1, "top 3": 0.1, "full": 0.03}[kind]
    for name, depth in depths.items():
        inside = name.removeprefix("encoder/")
        if name.startswith("readout/"):
            assert depth == 0
            assert factors[name] == 1
            continue
        assert factors[name] == np.float32(share)
        last = {"temporal_encoder": [2, 1], "spatial_encoder": [4, 3]}.get(inside.split("/")[0])
        if last:
            assert depth.tolist() == last[-len(run.flat[name]) :], name
        else:
            expected = {"temporal_ln": 1, "temporal_pos_emb": 2, "spatial_ln": 3, "spatial_pos_emb": 5}
            assert depth == expected.get(inside.split("/")[0], 5), name


def kept_bytes(stage):
    """What a step keeps for its backward pass."""
    frozen, batch = stage.frozen(), on_device(micro_batch())

    def backward(params):
        return jax.vjp(lambda params: stage.loss(params, frozen, batch, jax.random.key(0))[0], params)[1]

    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(backward, stage.init())))


def test_what_is_frozen_takes_no_memory_for_gradients():
    """What a step keeps does not grow with the frozen depth; with the trained depth it does."""
    kept = {}
    for depth in (2, 6):
        for kind in KINDS:
            encoder = micro_encoder(replace(MICRO, num_spatial_layers=depth))
            kept[kind, depth] = kept_bytes(micro_stage(micro_settings(**KINDS[kind]), encoder))
    for kind in ("readout", "top 1", "top 3", "lora of three"):
        assert kept[kind, 6] == kept[kind, 2], kind
    assert kept["lora", 6] > 1.5 * kept["lora", 2]
    assert kept["full", 6] > 1.5 * kept["full", 2]
    assert kept["full", 2] > 3 * kept["top 1", 2] > 9 * kept["readout", 2]


def test_a_step_on_a_frozen_encoder_needs_the_memory_of_its_forward_pass():
    stage = micro_stage(micro_settings(**KINDS["readout"]))
    args = (stage.init(), stage.frozen(), micro_batch(), jax.random.key(0))

    def temporary_bytes(function):
        return jax.jit(function).lower(*args).compile().memory_analysis().temp_size_in_bytes

    assert temporary_bytes(stage.value_and_grad) < 1.3 * temporary_bytes(stage.loss) + kept_bytes(stage)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "top", "blocks": 5}, "blocks: expected at most 4 layers .2 temporal and 2 spatial ones., found 5"),
        ({"train": "lora", "lora": LoraSettings(layers=9)}, "lora.layers: expected at most 4 layers"),
    ],
)
def test_more_layers_than_there_are_is_an_error(changes, message):
    with pytest.raises(SettingsError, match=message):
        micro_stage(micro_settings(**changes))


def test_costs_grow_with_what_is_trained():
    costs = [micro_stage(micro_settings(**KINDS[kind])).flops_per_clip() for kind in KINDS]
    readout, lora, three, top, more, full = costs
    assert readout < top < more < full
    assert three < lora < full
    forward = MICRO.count_flops(4, 18, 18)
    assert forward < readout < 1.6 * forward
    assert 2.8 * forward < full < 3.4 * forward
