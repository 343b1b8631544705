"""``vp-science probe``: train, evaluate, predict, card; every option reaches what it names."""

import json
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "probes"))
from probe_study import make_track, write_study, write_track

from vp_science.annotations.formats import read_annotations, write_annotations
from vp_science.annotations.text_tables import read_table
from vp_science.probes.bundle import load_probe
from vp_science.probes.open_tracks import choose_behaviors, clock_of, find_tracks, open_tracks
from vp_science.timeline.annotations import Annotations


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab's folder: embedded recordings and labels."""
    folder = tmp_path_factory.mktemp("lab")
    write_study(folder, num_recordings=3, num_rows=120)
    return folder


@pytest.fixture(scope="module")
def arguments(lab):
    return (lab / "tracks", "--labels", lab / "labels.csv")


@pytest.fixture
def trained(run, arguments, tmp_path):
    """Train with options: the probe."""

    def train(*options: object):
        code, _, err = run("probe", "train", *arguments, "--out", tmp_path / "probe", "--overwrite", *options)
        assert code == 0, err
        return load_probe(tmp_path / "probe")

    return train


def test_train_then_predict_then_read_the_bouts(run, arguments, lab, tmp_path):
    code, out, err = run("probe", "train", *arguments, "--out", tmp_path / "walk.zip", "--name", "flies")
    assert code == 0, err
    assert "logistic on videoprism-tiny, one behavior at a time" in out
    assert "written to" in out
    code, out, err = run(
        "probe", "predict", lab / "tracks", "--probe", tmp_path / "walk.zip", "--out", tmp_path / "b.csv"
    )
    assert code == 0, err
    assert re.search(r"\d+ bouts of groom", out)
    found = read_annotations(tmp_path / "b.csv")
    probe = load_probe(tmp_path / "walk.zip")
    assert set(found.bouts["source"]) == {f"model:{probe.id}"}
    assert probe.id.startswith("flies-")
    assert found.recordings == ("rec0", "rec1", "rec2")
    assert found.observed["stop_s"].sum() == pytest.approx((120 + 124 + 128) / 25)
    with open_tracks([lab / "tracks"]) as tracks:
        by_hand = [probe.predict(track).to_bouts(f"model:{probe.id}") for track in tracks]
    assert len(found.bouts) == sum(map(len, by_hand))


def test_predict_as_json_and_in_other_formats(run, arguments, lab, tmp_path):
    run("probe", "train", *arguments, "--out", tmp_path / "p")
    tracks = lab / "tracks" / "rec*.h5"
    code, out, err = run(
        "probe",
        "predict",
        tracks,
        "--probe",
        tmp_path / "p",
        "--out",
        tmp_path / "dir",
        "--to",
        "deepethogram",
        "--json",
    )
    assert code == 0, err
    result = json.loads(out)
    assert result["recordings"] == len(result["files"]) == 3
    assert set(result["bouts"]) == {"walk", "groom", "rear"}
    table = read_table(Path(result["files"][0]))
    assert len(table.rows) == 120  # the times of the frames are known from the track: no --fps is needed


@pytest.mark.parametrize(
    ("options", "parameter", "expected"),
    [
        (("--head", "knn", "--num-neighbors", 3), "num_neighbors", 3),
        (("--head", "prototype", "--features", "mean"), "features", "mean"),
        (("--regularization", 0.5), "regularization", 0.5),
        (("--weighting", "none"), "weighting", "none"),
        (("--validation", "rec1"), "validation", ["rec1"]),
        (("--seed", 4), "random_state", 4),
        (("--name", "x"), "name", "x"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else str(value),
)
def test_options_reach_the_probe(trained, options, parameter, expected):
    assert trained(*options).get_params()[parameter] == expected


GRADIENT = (
    "--head", "attentive", "--epochs", 2, "--width", 32, "--batch-size", 16, "--dropout", 0.1, "--learning-rate", 0.01,
    "--weight-decay", 0.001, "--patience", 1, "--loss", "focal", "--label-smoothing", 0.1,
)  # fmt: skip


def test_options_of_heads_that_learn_by_gradients(trained):
    found = trained(*GRADIENT).get_params()
    expected = dict(zip((str(name)[2:].replace("-", "_") for name in GRADIENT[::2]), GRADIENT[1::2], strict=True))
    assert {name: found[name] for name in expected} == expected


def test_rules_reach_the_probe(trained):
    rules = trained("--median", 0.12, "--fill-gap", 0.2, "--min-bout", 0.3).postprocess_
    assert (rules.median_s, rules.fill_gap_s, rules.min_bout_s) == (0.12, 0.2, 0.3)
    assert trained("--tune-postprocess").get_params()["postprocess"] == "tune"


def test_behaviors_and_kind_reach_the_probe(trained):
    assert trained("--behaviors", "rear, walk").behaviors_.names == ("rear", "walk")
    assert trained("--behaviors", "rear", "--behaviors", "walk").behaviors_.exclusive
    assert not trained("--multi-label").behaviors_.exclusive


def test_wrong_wishes(run, arguments, lab, tmp_path):
    train = ("probe", "train", *arguments, "--out", tmp_path / "p")
    for options, message in (
        (("--behaviors", "rear,fly"), "expected behaviors among walk, groom, rear, found 'fly'"),
        (("--tune-postprocess", "--min-bout", 1), "expected --tune-postprocess or rules"),
        (("--width", 8), "the head 'logistic' has no setting 'width'"),
        (("--validation", "rec9"), "expected validation recordings among"),
    ):
        code, _, err = run(*train, *options)
        assert code == 1
        assert message in err
    code, _, err = run("probe", "evaluate", *arguments, "--group-by", "cage", "--out", tmp_path / "e")
    assert (code, "expected a table of recordings for --group-by" in err) == (1, True)
    code, _, err = run("probe", "evaluate", *arguments, "--folds", "loo", "--out", tmp_path / "e")
    assert (code, "expected folds to be a number or one of leave-one-out" in err) == (1, True)
    code, _, err = run("probe", "train", *arguments, "--out", tmp_path / "p", "--head", "svm")
    assert code == 2
    assert not (tmp_path / "p").exists()


def test_what_has_no_partner_is_named(run, lab, tmp_path):
    tracks, annotations = lab / "tracks", read_annotations(lab / "labels.csv")
    labels = Annotations.concat(
        [
            annotations.select(recordings=["rec0", "rec2"]),
            Annotations.of(
                [{"recording": "lost", "behavior": "walk", "start_s": 0, "stop_s": 1}],
                [{"recording": "lost", "start_s": 0, "stop_s": 1}],
                annotations.behaviors,
            ),
        ]
    )
    write_annotations(labels, tmp_path / "some.csv")
    code, _, err = run("probe", "train", tracks, "--labels", tmp_path / "some.csv", "--out", tmp_path / "p")
    assert code == 0
    assert "tracks without labels, left out: rec1" in err
    assert "labelled recordings without a track, left out: lost" in err


def test_several_label_files_and_patterns(run, lab, tmp_path):
    annotations = read_annotations(lab / "labels.csv")
    (tmp_path / "l").mkdir()
    for name in annotations.recordings:
        write_annotations(annotations.select(recordings=[name]), tmp_path / "l" / f"{name}.csv")
    probes = []
    for number, labels in enumerate(
        (("--labels", tmp_path / "l" / "*.csv"), [o for i in range(3) for o in ("-l", tmp_path / "l" / f"rec{i}.csv")])
    ):
        code, _, err = run("probe", "train", lab / "tracks", *labels, "--out", tmp_path / str(number))
        assert code == 0, err
        probes.append(load_probe(tmp_path / str(number)))
    assert probes[0].id == probes[1].id
    assert len(probes[0].training_["recordings"]) == 3
    code, _, err = run("probe", "train", lab / "tracks", "-l", tmp_path / "none*.csv", "--out", tmp_path / "x")
    assert (code, "matches no file: expected labels" in err) == (1, True)


def test_evaluate_writes_a_report_and_prints_it(run, arguments, tmp_path):
    table = tmp_path / "recordings.csv"
    table.write_text("recording,cage\nrec0.mp4,1\nrec1.mp4,2\nrec2.mp4,1\n")
    code, out, err = run(
        "probe", "evaluate", *arguments, "--out", tmp_path / "e", "--groups", table, "--group-by", "cage",
        "--baselines", "majority", "--regularization", 0.5, "--seed", 3,
    )  # fmt: skip
    assert code == 0, err
    assert "probe: fold 1 of 2 (cage 1)" in err
    assert re.search(r"^all behaviors +probe +majority$", out, re.M)
    assert re.search(r"^average precision +0\.\d{3} +0\.\d{3}$", out, re.M)
    assert re.search(r"^behavior +bouts +AP +chance +F1 +bout F1 +AP over the folds$", out, re.M)
    content = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert [fold["test_recordings"] for fold in content["folds"]] == [["rec0", "rec2"], ["rec1"]]
    assert content["settings"]["probe"]["regularization"] == 0.5
    assert content["settings"]["probe"]["random_state"] == 3
    assert [method["name"] for method in content["methods"]] == ["probe", "majority"]
    assert (tmp_path / "e" / "ethograms_01.png").exists()
    # The figures go on the card of a probe that is trained with the same settings, and of no other.
    train = ("probe", "train", *arguments, "--evaluation", tmp_path / "e" / "evaluation.json", "--out", tmp_path / "p")
    code, _, err = run(*train, "--seed", 3)
    assert code == 1
    assert "settings.regularization: null here, 0.5 in the file" in err
    code, out, err = run(*train, "--regularization", 0.5, "--seed", 3, "--name", "final")
    assert code == 0, err
    code, out, _ = run("probe", "card", tmp_path / "p", "--json")
    assert json.loads(out)["evaluation"] == content["card"]
    code, out, _ = run("probe", "card", tmp_path / "p")
    assert code == 0
    assert re.search(r"threshold +AP +F1 +bout F1", out)
    assert "every frame, windows of 8 frames, stride 4, 36 x 36 pixels (squash)" in out


def test_baselines_from_the_recordings(run, tmp_path):
    from pipeline_tools import PREPROCESS, make_encoder, write_video

    from vp_science.embedding.run import embed

    for name in ("a", "b"):
        write_video(tmp_path / "videos" / f"{name}.avi", num_frames=48)
    embed(tmp_path / "videos", make_encoder(7), out=tmp_path / "t", num_frames=4, stride=2, preprocess=PREPROCESS)
    for file in (tmp_path / "t").rglob("*.h5"):  # weights of a file, as far as the track tells
        with h5py.File(file, "r+") as track:
            track.attrs["provenance"] = track.attrs["provenance"].replace("seed:7 (untrained)", "sha256:77")
    bouts = [
        {"recording": name, "behavior": "left", "start_s": start, "stop_s": start + 0.6}
        for name in "ab"
        for start in (0.0, 1.2, 2.4, 3.6)  # the block is in the left half
    ]
    labels = Annotations.of(bouts, [{"recording": name, "start_s": 0, "stop_s": 4.8} for name in "ab"])
    write_annotations(labels, tmp_path / "labels.csv")
    code, out, err = run(
        "probe", "evaluate", tmp_path / "t", "--labels", tmp_path / "labels.csv", "--recordings", tmp_path / "videos",
        "--out", tmp_path / "e", "--cache", tmp_path / "cache",
    )  # fmt: skip
    assert code == 0, err
    assert re.search(r"^all behaviors +probe +majority +pixels +untrained$", out, re.M), out
    assert len(list((tmp_path / "cache" / "pixels").iterdir())) == 2
    assert len(list((tmp_path / "cache" / "untrained").glob("*.h5"))) == 2
    content = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    pixels = content["methods"][2]
    assert pixels["pooled"]["overall"]["macro_average_precision"] > 0.9  # a moving block is easy to see


def test_evaluate_inside_one_recording(run, arguments, lab, tmp_path):
    one = (lab / "tracks" / "rec0.embeddings.h5", *arguments[1:], "--out", tmp_path / "e", "--baselines", "none")
    code, _, err = run("probe", "evaluate", *one)
    assert (code, "time-blocks" in err) == (1, True)
    code, _, err = run("probe", "evaluate", *one, "--folds", "time-blocks")
    assert (code, "--allow-leakage" in err) == (1, True)
    code, out, err = run(
        "probe", "evaluate", *one, "--folds", "time-blocks", "--blocks", 2, "--gap", 0.2, "--allow-leakage", "--json"
    )
    assert code == 0, err
    content = json.loads(out)
    assert [fold["name"] for fold in content["folds"]] == ["block 1 of 2", "block 2 of 2"]
    assert content["notes"][-1].startswith("NOT INDEPENDENT") or any("NOT INDEP" in n for n in content["notes"])
    assert len(content["methods"]) == 1


def test_card_of_an_untrained_encoder_says_so(run, tmp_path):
    write_study(tmp_path, num_recordings=2, num_rows=100, checkpoint="seed:0 (untrained)")
    code, out, err = run("probe", "train", tmp_path / "tracks", "-l", tmp_path / "labels.csv", "-o", tmp_path / "p")
    assert code == 0, err
    assert "UNTRAINED encoder" in out
    assert "figures       none yet" in out
    code, _, err = run("probe", "card", tmp_path / "tracks")
    assert (code, "expected a probe bundle" in err) == (1, True)


def test_other_tracks_are_refused_by_the_difference(run, arguments, tmp_path):
    run("probe", "train", *arguments, "--out", tmp_path / "p")
    write_track(make_track("other", np.zeros((30, 12)), model="videoprism-base"), tmp_path / "t")
    code, _, err = run("probe", "predict", tmp_path / "t", "--probe", tmp_path / "p", "--out", tmp_path / "b.csv")
    assert code == 1
    assert re.search("model: videoprism-tiny for this probe, videoprism-base in the track", err)
    assert not (tmp_path / "b.csv").exists()


def test_tracks_are_found_once_and_in_order(lab, tmp_path):
    from vp_science.errors import ProbeError

    folder = lab / "tracks"
    found = find_tracks([folder, folder / "rec1.embeddings.h5", str(folder / "*.h5")])
    assert [path.name for path in found] == [f"rec{i}.embeddings.h5" for i in range(3)]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ProbeError, match=r"expected embedding files \(\*.embeddings.h5\) in .*empty, found none"):
        find_tracks([tmp_path / "empty"])
    with pytest.raises(ProbeError, match="matches no file"):
        find_tracks([str(tmp_path / "*.h5")])
    copy = tmp_path / "rec0.embeddings.h5"
    copy.write_bytes((folder / copy.name).read_bytes())
    with (
        pytest.raises(ProbeError, match=r"expected one embedding file per recording, found .* of 'rec0'"),
        open_tracks([folder, copy]),
    ):
        pass


def test_frames_are_timed_by_tracks_of_every_frame(lab):
    with open_tracks([lab / "tracks"]) as tracks:
        clock = clock_of(tracks)
        assert clock.seconds("rec1", np.array([0, 5]))[1] == pytest.approx(0.2)
        assert clock_of(tracks, 50).seconds("rec1", np.array([5]))[0] == pytest.approx(0.1)
    coarse = make_track("r", np.zeros((20, 2)), grid={"sample_fps": 5.0, "num_grid": 20})
    assert not clock_of([coarse]).knows("r")


def test_names_of_behaviors_may_hold_commas():
    assert choose_behaviors(["a, b", "c,d"], ["a, b", "c", "d"]) == ["a, b", "c", "d"]
