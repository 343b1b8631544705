"""``vp-science annotate`` and ``probe predict|evaluate|card`` with a fine-tuned bundle; trained models by folder."""

import json

import pytest
from fine_tuned_micro import BEHAVIORS, make_probe
from pipeline_tools import SMALL, make_encoder, write_video

from vp_science.annotations.formats import read_annotations, write_annotations
from vp_science.checkpoints.load import load_encoder
from vp_science.checkpoints.model_folder import write_model_folder
from vp_science.probes.bundle import save_probe
from vp_science.store.reader import open_embeddings
from vp_science.timeline.annotations import Annotations


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Videos, labels, the folder of an adapted encoder, and a bundle that stands on it."""
    folder = tmp_path_factory.mktemp("lab")
    for number in range(3):
        write_video(folder / f"m{number}.avi", num_frames=20 + 4 * number)
    write_model_folder(make_encoder(), folder / "adapted", {"stage": "distill"})
    adapted = load_encoder(folder / "adapted", precision="float32")
    save_probe(make_probe(adapted, name="mouse"), folder / "mouse.zip")
    bouts = [
        {"recording": name, "behavior": behavior, "start_s": start, "stop_s": start + 0.6}
        for name in ("m0", "m1", "m2")
        for behavior, start in (("walk", 0.2), ("groom", 1.0))
    ]
    observed = [{"recording": name, "start_s": 0.0, "stop_s": 2.0} for name in ("m0", "m1", "m2")]
    write_annotations(Annotations.of(bouts, observed, BEHAVIORS), folder / "labels.csv")
    return folder


@pytest.fixture
def base(lab):
    return ("--model", lab / "adapted", "--precision", "float32")


def test_annotate_then_predict_and_evaluate_on_its_logits(run, lab, base, tmp_path):
    code, out, err = run("annotate", lab, "--probe", lab / "mouse.zip", "--out", tmp_path / "a", *base)
    assert code == 0, err
    assert "3 of 3 recordings are annotated" in out
    logits, bundle = tmp_path / "a" / "logits", lab / "mouse.zip"
    code, out, err = run("probe", "predict", logits, "--probe", bundle, "--out", tmp_path / "b.csv", "--json")
    assert code == 0, err
    assert json.loads(out)["recordings"] == 3
    labels = ("--labels", lab / "labels.csv")
    code, out, err = run("probe", "evaluate", logits, *labels, "--probe", bundle, "--out", tmp_path / "e", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert [fold["name"] for fold in report["folds"]] == ["m1", "m2"]  # it learned from a recording called m0
    assert report["settings"]["folds"] == "recordings that it never saw"
    text = (tmp_path / "e" / "evaluation.md").read_text()
    assert f"predicted by the probe `{report['settings']['fitted']}` as it is" in text
    assert "the probe learned from these recordings, left out: m0" in text
    assert "What it must beat" not in text
    assert (tmp_path / "e" / "evaluation.md").stat().st_size > 1000


def test_predict_and_evaluate_look_at_recordings_themselves(run, lab, base, tmp_path):
    code, out, err = run(
        "probe",
        "predict",
        lab / "m1.avi",
        lab / "m2.avi",
        "--probe",
        lab / "mouse.zip",
        "--out",
        tmp_path / "b.csv",
        *base,
    )
    assert code == 0, err
    assert "2 recordings, probe mouse-" in out
    assert read_annotations(tmp_path / "b.csv").observed["recording"].nunique() == 2
    kept = sorted((tmp_path / "logits").glob("*.logits.h5"))
    assert len(kept) == 2
    held_out = (lab / "m1.avi", "--labels", lab / "labels.csv", "--probe", lab / "mouse.zip", "--out", tmp_path)
    code, out, err = run("probe", "evaluate", *held_out, *base)
    assert code == 0, err
    assert "skipped m1: complete already" in err
    assert "walk" in out
    code, _, err = run(
        "probe", "evaluate", kept[0], "--labels", lab / "labels.csv", "--probe", lab / "mouse.zip", "--head", "knn"
    )
    assert code == 1
    assert "--probe measures a bundle as it is, and --head would train another: leave it out" in err


def test_a_probe_that_reads_tracks_takes_no_encoder(run, lab, tmp_path):
    code, _, err = run("probe", "evaluate", lab, "--labels", lab / "labels.csv", "--model", "videoprism-base")
    assert code == 1
    assert "--model is about the encoder of a fine-tuned probe" in err


def test_only_recordings_that_it_learned_from(run, lab, base, tmp_path):
    arguments = (lab / "m0.avi", "--labels", lab / "labels.csv", "--probe", lab / "mouse.zip", "--out", tmp_path, *base)
    code, _, err = run("probe", "evaluate", *arguments)
    assert code == 1
    assert "expected labelled recordings that mouse-" in err
    code, out, err = run("probe", "evaluate", *arguments, "--allow-leakage")
    assert code == 0, err
    assert "NOT INDEPENDENT: the probe learned from m0" in out + (tmp_path / "evaluation.md").read_text()


def test_the_card(run, lab):
    code, out, err = run("probe", "card", lab / "mouse.zip")
    assert code == 0, err
    assert "fine-tuned from adapted, readout frames, one behavior at a time" in out
    assert "stands on     adapted sha256:" in out
    assert "vp-science probe evaluate --probe" in out
    code, out, _ = run("probe", "card", lab / "mouse.zip", "--json")
    assert json.loads(out)["model"]["base"] == "adapted"


def test_a_base_that_is_not_found_is_asked_for(run, lab, tmp_path):
    code, _, err = run("annotate", lab / "m1.avi", "--probe", lab / "mouse.zip", "--out", tmp_path)
    assert code == 3
    assert "expected the model 'adapted'" in " ".join(err.split())


def test_embedding_with_the_folder_of_a_training(run, lab, tmp_path):
    code, _, err = run(
        "embed",
        lab / "m0.avi",
        "--model",
        lab / "adapted",
        "--out",
        tmp_path,
        "--num-frames",
        4,
        "--stride",
        2,
        "--fps",
        5,
    )
    assert code == 0, err
    assert "adapted" in err
    with open_embeddings(tmp_path / "m0.embeddings.h5") as track:
        assert track.provenance.model == "adapted"
        assert track.provenance.encoder_config == SMALL.to_json()
        assert not track.untrained
