"""``vp-science bench``."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))


@pytest.fixture(scope="module")
def calms21(tmp_path_factory):
    import downloads

    return downloads.make_calms21(tmp_path_factory.mktemp("calms21"))


def test_without_data_the_protocol_is_printed(run):
    code, out, err = run("bench", "chimpact")
    assert (code, err) == (0, "")
    assert "labels/<clip>.json (COCO style)" in out
    assert "As published:" in out
    assert "Not as published:" in out
    assert " 31.5  VideoPrism-g, frozen" in out


def test_the_protocol_as_json(run):
    code, out, _ = run("bench", "crim13", "--json")
    assert code == 0
    protocol = json.loads(out)
    assert protocol["metric"] == "frame mAP"
    assert {key: value for key, value in protocol["published"][3].items() if key != "source"} == {
        "method": "VideoPrism-B, frozen, side view",
        "value": 64.5,
    }


def test_an_unknown_name_is_an_error(run):
    code, _, err = run("bench", "calms")
    assert code == 1
    assert "expected one of the benchmarks calms21, fly-vs-fly, kabr, crim13, chimpact, found 'calms'" in err


def test_a_missing_download_says_what_is_expected_and_where_it_is(run, tmp_path, small_models):
    code, _, err = run("bench", "kabr", "--data", tmp_path, "--model", "videoprism-tiny", "--out", tmp_path / "out")
    assert code == 1
    assert "annotation: expected the annotation folder, found nothing there: download KABR (https://huggingface" in err
    assert not (tmp_path / "out").exists()


def test_a_whole_benchmark(run, tmp_path, small_models, calms21):
    out = tmp_path / "out"
    options = ["--model", "videoprism-tiny", "--size", 36, "--spatial-pool", 1, "--stride", 8, "--train-every", 1]
    options += ["--head", "logistic", "--seed", 3, "--max-recordings", 2, "--out", out]
    code, text, err = run("bench", "calms21", "--data", calms21, *options)
    assert code == 0, err
    assert "VideoPrism-g, frozen" in text
    assert "NOT comparable with the published numbers:" in text
    assert "The encoder is untrained" in text
    code, text, _ = run("bench", "calms21", "--data", calms21, *options, "--json")
    assert code == 0
    report = json.loads(text)
    assert report == json.loads((out / "report.json").read_text()) | {"seconds": report["seconds"]}
    assert (report["seed"], report["clip"]["stride"], report["head"]) == (3, 8, {"head": "logistic"})
    assert {
        "stride 8 instead of 1",
        "spatial pool 1 instead of 2",
        "train every 1 instead of 16",
        "head logistic instead of attentive",
        "a quick look: at most 2 recordings of every split",
    } <= {*report["deviations"]}


def test_other_options_reach_the_benchmark(run, tmp_path, small_models, calms21):
    model = ["--model", "videoprism-tiny", "--out", tmp_path / "out"]
    for options, message in (
        (["--view", "side"], "view: the benchmark calms21 has one camera, found side"),
        (["--epochs", 0], "epochs: expected a whole number above 0, found 0"),
        (["--width", 0], "width: expected a whole number above 0, found 0"),
        (["--length-tolerance", -1], "length_tolerance: expected 0 or more frames, found -1"),
        (["--split", tmp_path / "none.csv"], "none.csv: expected an annotation file, found nothing there"),
        (["--head", "logistic", "--epochs", 3], "the head 'logistic' has no setting 'epochs'"),
        (["--head", "forest"], "expected a head of logistic, knn, prototype, attentive, temporal, found 'forest'"),
    ):
        code, _, err = run("bench", "calms21", "--data", calms21, *model, *options)
        assert code == 1
        assert message in err
    assert not (tmp_path / "out").exists()
