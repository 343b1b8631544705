"""The result of a training as a folder: written once, read wherever a model is named, refused when it is not whole."""

import json

import numpy as np
import pytest

from vp_science.checkpoints.layout import flatten_parameters, make_abstract_encoder
from vp_science.checkpoints.load import initialise, load_encoder
from vp_science.checkpoints.model_folder import (
    CARD,
    WEIGHTS,
    find_trained,
    list_trained,
    read_model_folder,
    write_model_folder,
)
from vp_science.checkpoints.weights import load_into
from vp_science.encoder.config import VideoTextConfig
from vp_science.encoder.video import VideoEncoder
from vp_science.encoder.video_text import VideoTextModel
from vp_science.errors import CheckpointError, SettingsError
from vp_science.files import hash_file
from vp_science.sessions.embedding_job import loaded_encoder
from vp_science.sessions.embedding_request import EmbeddingRequest
from vp_science.sessions.models import list_models
from vp_science.sessions.worker import Reporter

PROVENANCE = {"stage": "distill", "seed": 3, "settings": {"steps": 10}}
LVT = VideoTextConfig(
    patch_size=2, pos_emb_shape=(2, 2, 3), model_dim=8, num_spatial_layers=1, num_temporal_layers=1, num_heads=2,
    mlp_dim=12, num_auxiliary_layers=1, num_unimodal_layers=1, vocabulary_size=11,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path, kit):
    return write_model_folder(kit.encoder, tmp_path / "adapted", PROVENANCE)


def test_a_folder_is_a_model(folder, kit):
    encoder = load_encoder(folder)
    assert isinstance(encoder, VideoEncoder)
    assert encoder.config == kit.config
    for name, values in flatten_parameters(encoder).items():
        np.testing.assert_array_equal(values, kit.tensors[name])
    info = encoder.info
    assert (info.name, info.untrained, info.licence) == ("adapted", False, "")
    assert info.checkpoint == f"sha256:{hash_file(folder / WEIGHTS)} ({WEIGHTS})"
    assert load_encoder(str(folder / CARD)).info == info
    assert load_encoder(kit.config, folder).info == info  # as weights it is the same model
    assert read_model_folder(folder).provenance == PROVENANCE


def test_the_name_moves_with_the_folder(folder):
    moved = folder.rename(folder.with_name("elsewhere"))
    assert load_encoder(moved).info.name == "adapted"


def test_the_same_model_gives_the_same_bytes(folder, tmp_path, kit):
    again = write_model_folder(kit.encoder, tmp_path / "again", PROVENANCE, name="adapted")
    assert all((again / name).read_bytes() == (folder / name).read_bytes() for name in (CARD, WEIGHTS))
    assert sorted(path.name for path in again.iterdir()) == [CARD, WEIGHTS]


def test_names_of_released_models_are_not_given_again(tmp_path, kit):
    folder = write_model_folder(kit.encoder, tmp_path / "videoprism-base", {})
    assert load_encoder(folder).info.name == "videoprism-base-trained"


def test_video_text_models_and_the_encoder_inside(tmp_path):
    model = make_abstract_encoder(LVT)
    load_into(model, initialise(LVT, 1))
    folder = write_model_folder(model, tmp_path / "lvt", {})
    assert isinstance(load_encoder(folder), VideoTextModel)
    inside = load_encoder(LVT.encoder, folder)
    assert isinstance(inside, VideoEncoder)
    assert inside.info.name == "custom"
    assert inside.info.source == "video encoder of a video-text model"


def test_a_new_result_replaces_the_old_one(folder, kit):
    (folder / "metrics.jsonl").write_text("kept\n")
    other = kit.make_encoder(kit.config, kit.random_tensors(kit.config, seed=5))
    write_model_folder(other, folder, PROVENANCE)
    found = flatten_parameters(load_encoder(folder))
    np.testing.assert_array_equal(next(iter(found.values())), next(iter(flatten_parameters(other).values())))
    assert (folder / "metrics.jsonl").read_text() == "kept\n"


def test_weights_of_another_run_are_refused(folder, tmp_path, kit):
    other = write_model_folder(
        kit.make_encoder(kit.config, kit.random_tensors(kit.config, seed=5)), tmp_path / "other", {}
    )
    (folder / WEIGHTS).write_bytes((other / WEIGHTS).read_bytes())
    with pytest.raises(CheckpointError, match="do not belong together; let the training write its result again"):
        load_encoder(folder)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"found a folder without model\.json"):
        load_encoder(tmp_path)
    with pytest.raises(SettingsError, match="or the folder of a trained model, found 'runs/no'"):
        load_encoder("runs/no")
    with pytest.raises(SettingsError, match="found ''"):
        load_encoder("")


def test_a_folder_says_all_there_is_to_say(folder):
    with pytest.raises(SettingsError, match=r"found .*adapted and seed 0"):
        load_encoder(folder, seed=0)
    with pytest.raises(SettingsError, match="and weights"):
        load_encoder(folder, folder / WEIGHTS)


def _change(folder, change):
    card = json.loads((folder / CARD).read_text())
    change(card)
    (folder / CARD).write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card["config"].update(model_dim=1e30), "model_dim: expected sizes"),
        (lambda card: card["config"].update(model_dim=True), "model_dim: expected sizes"),
        (lambda card: card["config"].update(model_dim="8"), "expected the sizes of a model"),
        (lambda card: card["config"].update(num_heads=3), "expected a divisor of model_dim"),
        (lambda card: card["config"].update(mlp_dim=13), "wrong shape"),
        (lambda card: card["config"].update(extra=1), r"unexpected \['extra'\]"),
        (lambda card: card["config"].update(pos_emb_shape=[2, [2], 3]), "expected sizes"),
        (lambda card: card.update(config=[1]), "expected a mapping"),
        (lambda card: card.update(schema=2), "expected schema 1, found 2: upgrade"),
        (lambda card: card.update(format="other"), "found something else"),
        (lambda card: card.update(name="videoprism-base"), "damaged"),
        (lambda card: card.update(name="a\nb"), "damaged"),
        (lambda card: card["weights"].update(file="../../secret"), "damaged"),
        (lambda card: card.pop("provenance"), "damaged"),
    ],
)
def test_cards_are_not_believed(folder, change, message):
    _change(folder, change)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(folder)


@pytest.mark.parametrize("content", [b"", b"[1]", b"[" * 100_000, b"{\xff"])
def test_damaged_cards(folder, content):
    (folder / CARD).write_bytes(content)
    with pytest.raises(CheckpointError, match="found something else"):
        load_encoder(folder)


def test_provenance_must_be_json(tmp_path, kit):
    for wrong in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises(SettingsError, match="provenance: expected"):
            write_model_folder(kit.encoder, tmp_path / "x", wrong)
    assert not (tmp_path / "x").exists()


def test_a_failed_write_leaves_the_old_model(folder, kit, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vp_science.checkpoints.save.write_atomically", full)
    with pytest.raises(CheckpointError, match="No space left"):
        write_model_folder(kit.encoder, folder, {"new": True})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_dropped_in_models_are_found_by_name_and_by_their_weights(folder, kit, monkeypatch, tmp_path):
    monkeypatch.setenv("VP_SCIENCE_WEIGHTS", str(tmp_path))
    monkeypatch.chdir("/")
    assert load_encoder("adapted").info.name == "adapted"
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / CARD).write_text("{")
    assert [model.name for model in list_trained()] == ["adapted"]
    assert find_trained(f"sha256:{hash_file(folder / WEIGHTS)}") == folder
    assert find_trained("sha256:" + "0" * 64) is None
    [choice] = [one for one in list_models() if one.source == str(folder)]
    assert (choice.name, choice.ready, choice.untrained, choice.dim) == ("adapted", True, False, kit.config.model_dim)


def test_the_weights_inside_are_the_model_too(folder, kit):
    assert load_encoder(kit.config, folder / WEIGHTS).info == load_encoder(folder).info
    (folder / CARD).unlink()
    assert load_encoder(kit.config, folder / WEIGHTS).info.name == "custom"


def test_the_panel_asks_for_a_trained_model_as_for_any(folder, kit, tmp_path):
    asked = {"out": str(tmp_path), "recordings": [{"id": "a", "path": "a.avi"}]}
    by_folder = EmbeddingRequest.from_json(asked | {"model": str(folder)})
    assert by_folder.spec.config == kit.config
    assert by_folder.files == folder
    assert by_folder.wanted(None)["model"] == "adapted"
    report = Reporter(lambda event: None)
    assert loaded_encoder(by_folder, report).info.name == "adapted"
    plain = EmbeddingRequest.from_json(asked | {"model": "videoprism-base", "weights": str(folder)})
    assert plain.recorded_name == "videoprism-base"  # other sizes: loading says so
    with pytest.raises(CheckpointError, match="wrong shape"):
        loaded_encoder(plain, report)
