"""The report: what stands in it, what it looks like, and odd names and studies."""

import json
import struct

import numpy as np
import pandas as pd
import pytest
from probe_study import make_study

from vp_science.errors import ProbeError
from vp_science.plots.bars import plot_bars, plot_confusion
from vp_science.plots.curves import plot_precision_recall, plot_reliability
from vp_science.plots.evaluation import save_evaluation
from vp_science.plots.strips import plot_strips
from vp_science.plots.style import plain, wrapped
from vp_science.probes.evaluate import evaluate_probe
from vp_science.probes.metric_names import CARD_METRICS, FIGURES
from vp_science.probes.probe import Probe
from vp_science.probes.report import count_bouts, labelled_seconds, spread
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.timeline.ethogram import Ethogram

ODD = ("walk | run", "cost $5 a_b^2", "Flügelschlag", "approach the other animal from behind, very slowly", "<b>`x`*")


@pytest.fixture(scope="module")
def report():
    return evaluate_probe(Probe("logistic"), *make_study(3, 120))


@pytest.fixture(scope="module")
def odd():
    return evaluate_probe(
        Probe("logistic"), *make_study(2, 240, names=ODD, exclusive=False), baselines=["majority", "pixels"]
    )


def png_size(path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def test_json_is_plain_and_complete(report):
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["format"] == "vp_science.evaluation"
    assert [method["name"] for method in content["methods"]] == ["probe", "majority", "pixels", "untrained"]
    assert len(content["folds"]) == len(content["methods"][0]["folds"]) == 3
    assert content["folds"][0]["test_bouts"] == dict(report.folds[0].test_bouts)
    assert content["methods"][2]["pooled"] is None
    assert content["settings"]["probe"]["head"] == "logistic"
    assert len(content["table"]) == len(report.table())
    assert {row["metric"] for row in content["card"]["figures"]} <= set(CARD_METRICS)


def test_the_table_is_tidy(report):
    table = report.table()
    assert list(table) == ["method", "behavior", "metric", "pooled", "mean", "sd", "min", "max", "folds", "note"]
    assert not table.duplicated(["method", "behavior", "metric"]).any()
    done = table[table["folds"] > 1]
    assert (done["min"] <= done["mean"] + 1e-12).all()
    assert (done["mean"] <= done["max"] + 1e-12).all()
    assert set(table["behavior"]) == {"", "walk", "groom", "rear"}


def test_every_figure_with_a_meaning_exists(report):
    table = report.table().query("method == 'probe'")
    per_behavior = set(table.query("behavior == 'walk'")["metric"])
    overall = set(table.query("behavior == ''")["metric"])
    assert {entry.key for entry in FIGURES if entry.key} <= per_behavior
    assert {entry.overall_key for entry in FIGURES if entry.overall_key} <= overall
    assert set(CARD_METRICS) <= per_behavior | overall
    with pytest.raises(ProbeError, match="expected a behavior and a metric of the table, found 'walk', 'mAP'"):
        report.figure("mAP", "walk")
    with pytest.raises(ProbeError, match="expected one of probe, majority, pixels, untrained, found 'svm'"):
        report.method("svm")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 3.0], {"mean": 2, "sd": 2**0.5, "min": 1, "max": 3, "folds": 2}),
        ([1.0, np.nan], {"mean": 1, "sd": np.nan, "min": 1, "max": 1, "folds": 1}),
        ([np.nan], {"mean": np.nan, "sd": np.nan, "min": np.nan, "max": np.nan, "folds": 0}),
    ],
)
def test_spread_over_the_folds_in_which_a_figure_exists(values, expected):
    assert spread(np.array(values)) == pytest.approx(expected, nan_ok=True)


def test_sample_sizes_are_counted_by_hand():
    behaviors = Behaviors.of([Behavior("a"), Behavior("jump", "point")])
    states = np.array([[1, 1], [1, 1], [0, 0], [-1, -1], [1, 0]], np.int8)
    truth = Ethogram(behaviors, np.arange(5) / 10, states)
    assert count_bouts([truth, truth]) == {"a": 4, "jump": 4}
    assert labelled_seconds([truth]) == pytest.approx(0.4)


def test_the_page_says_what_stands_behind_the_numbers(report):
    page = report.text(["a.png"])
    first = page.split("## ")[0]
    assert "3 behaviors (one at a time), 3 labelled recordings" in first
    assert "Every recording was predicted by a probe that was trained on the others" in first
    assert f"{report.figure('macro_average_precision')['pooled']:.3f}" in first
    assert "needs the recordings (--recordings)" in first
    for entry in FIGURES:
        assert f"- **{entry.title}**: {entry.meaning}" in page
    walk = next(line for line in page.splitlines() if line.startswith("| walk |"))
    assert walk.split("|")[2].strip() == str(sum(fold.test_bouts["walk"] for fold in report.folds))
    assert "![a.png](a.png)" in page
    assert "held-out recording" in page


def test_tables_of_the_page_have_one_width_whatever_the_names(odd):
    widths: set[int] = set()
    for line in odd.text().splitlines():
        cells = len(line.replace("\\\\", "").replace("\\|", "").split("|"))
        if not line.startswith("|"):
            assert len(widths) <= 1
            widths = set()
        else:
            widths.add(cells)
    assert "<b>" not in odd.text()


def test_a_report_with_all_its_figures(report, tmp_path):
    files = save_evaluation(report, tmp_path / "new" / "folder")
    names = [file.name for file in files]
    assert names == [
        "evaluation.json", "evaluation.md", "average_precision.png", "bouts.png", "precision_recall.png",
        "reliability.png", "confusion.png", "ethograms_01.png",
    ]  # fmt: skip
    assert sorted(names) == sorted(file.name for file in files[0].parent.iterdir())
    page = files[1].read_text(encoding="utf-8")
    for file in files[2:]:
        wide, high = png_size(file)
        assert wide > 600
        assert high > 400
        assert f"]({file.name})" in page


def test_figures_with_odd_names_and_overlapping_behaviors(odd, tmp_path, recwarn):
    names = [path.name for path in save_evaluation(odd, tmp_path)]
    assert "confusion.png" not in names
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_one_fold_and_a_behavior_that_never_happens(tmp_path):
    tracks, annotations = make_study(1, 200)
    behaviors = Behaviors.of([*annotations.behaviors, "fly"], exclusive=True)
    labels = type(annotations).of(annotations.bouts, annotations.observed, behaviors)
    report = evaluate_probe(
        Probe("logistic"), tracks, labels, folds="time-blocks", num_blocks=2, allow_leakage=True, baselines=[]
    )
    only = type(report)(report.behaviors, report.settings, report.folds, report.methods, report.notes)
    for number, draw in enumerate((plot_confusion, plot_precision_recall, plot_reliability)):
        png_size(draw(only, tmp_path / f"{number}.png"))
    png_size(plot_bars(only, "average_precision", "title", tmp_path / "bars.png"))


def test_long_studies_take_several_pages(report, tmp_path):
    many = [one for one in report.probe.tested for _ in range(3)]
    files = plot_strips(many, [fold.name for fold in report.folds], tmp_path)
    assert [file.name for file in files] == ["ethograms_01.png", "ethograms_02.png"]
    assert all(png_size(file)[1] <= 160 * 15 for file in files)


def test_a_folder_that_cannot_be_written(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ProbeError, match=r"cannot write the report to .*choose a folder with room"):
        report.save(tmp_path / "file")


def test_names_in_pictures():
    assert plain("$5") == r"\$5"
    assert wrapped("one two three four five six seven eight", 9, 2).count("\n") == 1
    assert wrapped("one two three four five six seven eight", 9, 2).endswith("…")
    assert wrapped(" ") == " "


def test_the_table_reads_back_from_json(report):
    content = json.loads(json.dumps(report.to_json()))
    table = pd.DataFrame(content["table"])
    walk = table.query("method == 'probe' and behavior == 'walk' and metric == 'f1'").iloc[0]
    assert walk["pooled"] == pytest.approx(report.figure("f1", "walk")["pooled"])
