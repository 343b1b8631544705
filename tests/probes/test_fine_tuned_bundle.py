"""Fine-tuned probes on disk: the same bytes, the same model, and nothing that is damaged, forged or another's."""

import io
import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from fine_tuned_micro import BEHAVIORS, SETTINGS, make_config, make_parts, make_probe
from pipeline_tools import make_encoder
from sklearn.base import clone

from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.checkpoints.save import hash_parameters, save_weights
from vp_science.embedding.identity import checkpoint_identity
from vp_science.encoder.fine_tuned import FineTunedModel
from vp_science.errors import CheckpointError, ProbeError, VPScienceError
from vp_science.probes.bundle import CARD, WEIGHTS, describe, load_probe, read_card, save_probe
from vp_science.probes.fine_tuned import build_model, fine_tuned_probe, load_base, own_model
from vp_science.probes.fine_tuned_parts import needs_base
from vp_science.probes.objective import Objective
from vp_science.probes.probe import Probe


@pytest.fixture(scope="module")
def base():
    return make_encoder(num_spatial_layers=2, num_temporal_layers=2)


@pytest.fixture(scope="module")
def probe(base):
    return make_probe(base, name="mouse")


@pytest.fixture(scope="module")
def written(probe, tmp_path_factory):
    return save_probe(probe, tmp_path_factory.mktemp("bundle") / "mouse")


@pytest.fixture
def bundle(written, tmp_path):
    return shutil.copytree(written, tmp_path / "mouse")


@pytest.mark.parametrize(
    ("trained", "kind"), [("readout", "attention"), ("lora", "frames"), ("top", "mlap"), ("full", "frames")]
)
def test_a_bundle_is_the_same_model(trained, kind, base, tmp_path):
    probe = make_probe(base, trained, kind)
    for name in ("a", "b.zip"):
        read = load_probe(save_probe(probe, tmp_path / name))
        assert read.id == probe.id
        assert describe(read) == describe(probe)
        assert own_model(read).config == own_model(probe).config
        again = save_probe(read, tmp_path / f"again{name}")
        for path in [again / CARD, again / WEIGHTS] if again.is_dir() else [again]:
            first = tmp_path / name if again.is_file() else tmp_path / name / path.name
            assert path.read_bytes() == first.read_bytes()
    models = [build_model(one.head_, base) for one in (probe, read)]
    assert hash_parameters(models[0]) == hash_parameters(models[1])
    assert models[1].info.name == f"{base.info.name}, fine-tuned"
    assert checkpoint_identity(models[1]) == probe.track_settings_["checkpoint"]
    assert needs_base(own_model(probe)) == (trained != "full")
    assert models[1].info.untrained == (trained != "full")  # the base is random numbers


def test_only_what_was_trained_is_in_the_bundle(base, tmp_path):
    sizes = {}
    for trained in ("readout", "lora", "top", "full"):
        folder = save_probe(make_probe(base, trained), tmp_path / trained)
        sizes[trained] = (folder / WEIGHTS).stat().st_size
    assert sizes["readout"] < sizes["lora"] < sizes["top"] < sizes["full"]


def test_the_id_is_of_all_that_determines_predictions(base, probe):
    def changed(**more):
        return make_probe(base, name="mouse", **more).id

    assert changed() == probe.id
    different = {
        changed(seed=1),
        changed(thresholds=np.array([0.4, 0.31], np.float32)),
        make_probe(make_encoder(seed=1, num_spatial_layers=2, num_temporal_layers=2), name="mouse").id,
        make_probe(base, "full", name="mouse").id,
        fine_tuned_probe(
            own_model(probe), BEHAVIORS, probe.objective_, probe.thresholds_, replace(SETTINGS, stride=1), {},
            name="mouse",
        ).id,
        probe.id,
    }  # fmt: skip
    assert len(different) == 6


def test_thresholds_do_not_change_the_model(base, probe):
    other = make_probe(base, thresholds=np.array([0.9, 0.9], np.float32))
    assert other.track_settings_["checkpoint"] == probe.track_settings_["checkpoint"]


def test_the_card_says_what_it_stands_on(written, base, probe):
    card = read_card(written)
    assert card["parameters"]["head"] == "fine-tuned"
    assert card["model"]["base"] == base.info.name
    assert card["model"]["base_checkpoint"] == checkpoint_identity(base)
    assert card["training"]["recordings"][0]["recording"] == "m0"
    assert card["training"]["untrained_encoder"] is True
    assert card["training"]["behaviors_without_examples"] == []
    assert card["tracks"]["encoder_config"]["readout"] == "frames"
    assert card["id"] == probe.id


def test_it_is_not_fitted_on_tracks(probe):
    for one in (probe, clone(probe), Probe("fine-tuned")):
        with pytest.raises(ProbeError, match="vp-science train finetune"):
            one.fit([], [])
    with pytest.raises(ProbeError, match="has no setting 'width': it has none"):
        Probe("fine-tuned", width=3).fit([], [])


def _edit(bundle, change):
    card = json.loads((bundle / CARD).read_text())
    change(card)
    (bundle / CARD).write_text(json.dumps(card))


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card["model"].update(base="other"),
        lambda card: card["model"].update(base_checkpoint="sha256:" + "0" * 64),
        lambda card: card["model"]["config"].update(num_queries=3),
        lambda card: card["model"]["config"].update(model_dim=10**9),
        lambda card: card["model"]["config"].update(readout_width="8"),
        lambda card: card["model"]["config"].update(readout="none"),
        lambda card: card["model"].pop("config"),
        lambda card: card.pop("model"),
        lambda card: card.update(model=[1]),
        lambda card: card["tracks"].update(checkpoint="sha256:" + "0" * 64),
        lambda card: card["parameters"].update(head="logistic"),
        lambda card: card["thresholds"].append(0.5),
        lambda card: card["objective"]["weights"].append(1.0),
        lambda card: card["objective"].update(background=False, weights=[1.0, 1.0], frequency=[0.5, 0.5]),
    ],
)
def test_cards_that_were_changed_are_refused(bundle, change):
    _edit(bundle, change)
    with pytest.raises(ProbeError, match="damaged"):
        load_probe(bundle)


def _rewrite(bundle, change):
    with np.load(bundle / WEIGHTS) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(bundle / WEIGHTS, **arrays)


def _first(arrays, kind):
    return next(name for name in sorted(arrays) if name.startswith(kind))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop(_first(a, "lora_a/")), "both factors"),
        (lambda a: a.pop(_first(a, "readout/")), "readout: expected the parameters"),
        (lambda a: a.update({"encoder/no/such": np.zeros(3, np.float32)}), "expected parameters of the encoder"),
        (lambda a: a.update({"other/x": np.zeros(3, np.float32)}), "found other/x"),
        (lambda a: a[_first(a, "readout/")].fill(np.nan), "NaN or infinity"),
        (lambda a: a.update({_first(a, "readout/"): np.zeros(3)}), "float64"),
        (lambda a: a.update({_first(a, "readout/"): np.zeros((2, 9), np.float32)}), "expected the shape"),
        (lambda a: a.update({_first(a, "lora_b/"): np.zeros((), np.float32)}), "expected the shape"),
        (lambda a: a[_first(a, "lora_a/")].__setitem__(0, 1.5), "tracks of this very model"),
    ],
)
def test_tensors_that_were_changed_are_refused(bundle, change, message):
    _rewrite(bundle, change)
    with pytest.raises(ProbeError, match=message):
        load_probe(bundle)


@pytest.mark.parametrize("keep", [0, 100, 0.5, -1])
def test_bundles_that_were_cut_off_are_refused(bundle, keep):
    content = (bundle / WEIGHTS).read_bytes()
    end = int(keep * len(content)) if isinstance(keep, float) else keep if keep >= 0 else len(content) + keep
    (bundle / WEIGHTS).write_bytes(content[:end])
    with pytest.raises(ProbeError, match="damaged"):
        load_probe(bundle)


def test_a_forged_header_allocates_nothing(bundle):
    with zipfile.ZipFile(bundle / WEIGHTS) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (1 << 45,)})
    members[next(iter(members))] = header.getvalue()
    with zipfile.ZipFile(bundle / WEIGHTS, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ProbeError, match="claims shape"):
        load_probe(bundle)


def test_another_base_is_refused(probe, base, tmp_path):
    other = make_encoder(seed=1, num_spatial_layers=2, num_temporal_layers=2)
    with pytest.raises(ProbeError, match=r"stands on custom, found custom that is another one: checkpoint: .*seed:1"):
        build_model(probe.head_, other)
    with pytest.raises(ProbeError, match=r"encoder_config\.num_spatial_layers: 2 in its training, 1 now"):
        build_model(probe.head_, make_encoder())
    with pytest.raises(ProbeError, match="expected the weights of custom, found none"):
        build_model(probe.head_, None)
    weights = save_weights(other, tmp_path / "other.npz")
    with pytest.raises(ProbeError, match="another one"):
        build_model(probe.head_, load_base(own_model(probe), weights=weights))


def test_the_base_is_found_by_its_seed_its_file_or_its_folder(base, tmp_path, monkeypatch):
    seeded = make_probe(base)
    assert hash_parameters(load_base(own_model(seeded))) == hash_parameters(base)
    folder = write_model_folder(base, tmp_path / "adapted", {})
    from vp_science.checkpoints.load import load_encoder

    adapted = load_encoder(folder, precision="float32")
    probe = make_probe(adapted)
    with pytest.raises(CheckpointError, match=r"expected the model 'adapted' \(sha256:.* say where its folder"):
        load_base(own_model(probe))
    monkeypatch.setenv("VP_SCIENCE_WEIGHTS", str(tmp_path))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "model.json").write_text("{")
    assert load_base(own_model(probe)).info.name == "adapted"
    monkeypatch.delenv("VP_SCIENCE_WEIGHTS")
    for where in ({"model": folder}, {"weights": folder}, {"weights": folder / "model.safetensors"}):
        model = build_model(probe.head_, load_base(own_model(probe), **where))
        assert isinstance(model, FineTunedModel)
        assert model.info.untrained is False


def test_a_name_in_a_bundle_is_no_path(base, tmp_path, monkeypatch):
    write_model_folder(base, tmp_path / "adapted", {})
    monkeypatch.chdir(tmp_path)
    parts = make_parts(base)
    parts = replace(parts, base=replace(base.info, name="adapted", checkpoint="sha256:" + "0" * 64, untrained=False))
    with pytest.raises(CheckpointError, match="expected the model 'adapted'"):
        load_base(parts)


def test_pieces_that_do_not_belong_together(base):
    parts = make_parts(base)
    ones = np.ones(3, np.float32)
    objective = Objective(True, 2, True, ones, ones)
    levels = np.array([0.5, 0.5], np.float32)

    def refused(message, parts=parts, behaviors=BEHAVIORS, objective=objective, levels=levels, settings=SETTINGS):
        with pytest.raises(VPScienceError, match=message):
            fine_tuned_probe(parts, behaviors, objective, levels, settings, {})

    refused("expected 2 thresholds, found", levels=np.array([0.5], np.float32))
    refused("thresholds that are numbers", levels=np.array([0.5, np.nan], np.float32))
    refused(
        "expected a model with 2 logits per frame, found 3", objective=Objective(True, 2, False, ones[:2], ones[:2])
    )
    refused("expected an objective for 2 behaviors", objective=Objective(True, 3, False, ones, ones))
    refused("spatial_pool: expected 1", settings=replace(SETTINGS, spatial_pool=2))
    refused("readout: expected the parameters", parts=replace(parts, readout={}))
    refused("expected the shape", parts=replace(parts, config=make_config("frames", 4, base.config)))
