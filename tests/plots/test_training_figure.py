"""Curves of trainings: what is read from a run, what is drawn, what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from drawn import texts
from typer.testing import CliRunner

from vp_science.cli.plot import app
from vp_science.errors import FigureError
from vp_science.plots import read_metrics, training_curves
from vp_science.plots.training import name_runs


def write_run(folder, rows, tail=""):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail)
    return folder


def rows(count, start=2.0):
    return [
        {"step": 10 * i, "loss": start / (i + 1), "accuracy": i / count, "learning_rate": 1e-3, "clips_per_s": 12.5}
        for i in range(count)
    ]


def test_a_run_is_read(tmp_path):
    run = write_run(tmp_path / "run", rows(3), tail='{"step": 30, "lo')
    found = read_metrics(run)
    assert list(found["step"]) == [0, 10, 20]
    assert list(found["loss"]) == [2.0, 1.0, 2.0 / 3]
    assert read_metrics(run / "metrics.jsonl").equals(found)


def test_after_a_resume_the_later_line_counts(tmp_path):
    run = write_run(
        tmp_path, [{"step": 1, "loss": 5.0}, {"step": 2, "loss": 4.0}, {"step": 1, "loss": 3.0, "extra": 1}]
    )
    found = read_metrics(run)
    assert list(found["step"]) == [1, 2]
    assert list(found["loss"]) == [3.0, 4.0]
    assert np.isnan(found["extra"].iloc[1])


def test_texts_and_flags_are_no_figures_and_nan_is_one(tmp_path):
    run = write_run(tmp_path, [{"step": 1, "loss": float("nan"), "stage": "distill", "resumed": True, "notes": [1]}])
    found = read_metrics(run)
    assert list(found.columns) == ["step", "loss"]
    assert np.isnan(found["loss"].iloc[0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected lines of metrics, found none: wait"),
        ("nonsense\n", r"line 1: expected a JSON object, found something else"),
        ("[1, 2]\n", "line 1: expected a JSON object with a whole number step"),
        ('{"loss": 1}\n', "line 1: expected a JSON object with a whole number step"),
        ('{"step": true}\n', "expected a JSON object with a whole number step"),
        ("[" * 100_000 + "\n", "line 1: expected a JSON object"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "metrics.jsonl").write_text(content)
    with pytest.raises(FigureError, match=message):
        read_metrics(tmp_path)


def test_a_missing_run_is_named(tmp_path):
    with pytest.raises(FigureError, match=r"expected metrics of a training, found no file: give the folder of a run"):
        read_metrics(tmp_path / "nothing")


def test_a_panel_per_figure_the_loss_on_top(tmp_path):
    table = pd.DataFrame([{"step": i, "accuracy": i / 9, "learning_rate": 1e-3, "loss": 9.0 - i} for i in range(10)])
    axes = training_curves(table, title="Stage 1")
    panels = axes.get_figure(root=True).axes
    assert [panel.get_ylabel() for panel in panels] == ["loss", "accuracy"]
    np.testing.assert_array_equal(panels[0].lines[0].get_ydata(), 9.0 - np.arange(10))
    np.testing.assert_array_equal(panels[1].lines[0].get_xdata(), np.arange(10))
    assert "Stage 1" in texts(axes)
    figure = axes.get_figure(root=True)
    figure.draw_without_rendering()
    heights = [panel.get_window_extent().height / figure.dpi for panel in panels]
    assert heights[0] == pytest.approx(heights[1], rel=0.02)
    assert heights[0] > 1.5
    assert panels[1].get_xlabel() == "step"
    axes = training_curves(table, ["learning_rate"], log=True)
    assert axes.get_ylabel() == "learning rate"
    assert axes.get_yscale() == "log"


def test_many_lines_are_smoothed_and_the_values_stay():
    values = np.random.default_rng(0).normal(size=400)
    axes = training_curves(pd.DataFrame({"step": np.arange(400), "loss": values}))
    raw, mean = (line.get_ydata() for line in axes.lines)
    np.testing.assert_array_equal(raw, values)
    np.testing.assert_allclose(mean[200], values[195:205].mean())
    assert "pale: single values; thick: running mean" in texts(axes)
    axes = training_curves(pd.DataFrame({"step": np.arange(400), "loss": values}), smooth=1)
    assert len(axes.lines) == 1


def test_runs_are_compared_and_gaps_are_no_zeros():
    first = pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, np.nan, 1.0]})
    second = pd.DataFrame({"step": [1, 2], "loss": [4.0, 2.0], "accuracy": [0.1, 0.2]})
    axes = training_curves({"full": first, "no shuffling": second})
    assert [list(line.get_ydata()) for line in axes.lines] == [[3.0, 1.0], [4.0, 2.0]]
    assert {"full", "no shuffling"} <= set(texts(axes))
    below = axes.get_figure(root=True).axes[1]
    assert len(below.lines) == 1


def test_what_cannot_be_drawn():
    run = pd.DataFrame({"step": [1], "loss": [1.0]})
    with pytest.raises(FigureError, match=r"expected a figure among loss, found 'los': did you mean 'loss'\?"):
        training_curves(run, ["los"])
    with pytest.raises(FigureError, match="expected at least one figure besides the step"):
        training_curves(run[["step"]])
    with pytest.raises(FigureError, match="expected at most 12 figures, found 13"):
        training_curves(run, [f"m{i}" for i in range(13)])
    with pytest.raises(FigureError, match="expected at most 21 runs, found 22"):
        training_curves({str(i): run for i in range(22)})
    with pytest.raises(FigureError, match="expected at least one run"):
        training_curves({})


def test_runs_are_named_by_where_they_differ(tmp_path):
    paths = [tmp_path / "a" / "run", tmp_path / "b" / "run" / "metrics.jsonl"]
    assert name_runs(paths) == {"a/run": paths[0], "b/run": paths[1]}
    assert list(name_runs([tmp_path / "x", tmp_path / "y"])) == ["x", "y"]
    with pytest.raises(FigureError, match="expected every run once"):
        name_runs([paths[0], paths[0] / "metrics.jsonl"])


def test_the_verb(tmp_path):
    one, two = write_run(tmp_path / "stage1", rows(5)), write_run(tmp_path / "stage2", rows(5, start=4.0))
    out = tmp_path / "curves.svg"
    arguments = ["training", str(one), str(two / "metrics.jsonl"), "--metrics", "loss,clips_per_s", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    drawn = out.read_text("utf-8")
    for words in ("stage1", "stage2", "loss", "clips per s"):
        assert words in drawn
    assert "accuracy" not in drawn
