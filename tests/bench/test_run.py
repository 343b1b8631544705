"""Whole benchmarks on miniature downloads: from the files to the report."""

import json
import shutil
from dataclasses import asdict, replace

import downloads as make
import numpy as np
import pytest

from vp_science.bench import run
from vp_science.bench.changes import Changes
from vp_science.bench.registry import NAMES
from vp_science.bench.run import run_bench
from vp_science.embedding.outcome import BatchError
from vp_science.errors import BenchError, SettingsError
from vp_science.probes.bundle import load_probe
from vp_science.probes.probe import Probe

QUICK = Changes(size=36, spatial_pool=2, stride=4, train_every=1, head="logistic")
"""Compiling the attentive head takes seconds for every number of classes: one benchmark does it."""


def quick(name: str) -> Changes:
    """A mini-scene of KABR has few frames: every one starts a clip, as in the protocol."""
    if name == "kabr":
        return Changes(size=36, spatial_pool=2, epochs=2, width=32)
    return QUICK


@pytest.fixture(scope="module", params=NAMES)
def finished(request, downloads, encoder, tmp_path_factory):
    """Name, folder and report of a run."""
    out = tmp_path_factory.mktemp(request.param)
    changes = quick(request.param)
    return request.param, out, run_bench(request.param, downloads[request.param], encoder, out=out, changes=changes)


def test_a_run_gives_the_published_metric_beside_the_published_numbers(finished):
    _, out, report = finished
    assert 0 <= report.score.value <= 100
    assert np.isfinite(report.score.chance)
    values = [value for value in report.score.per_behavior.values() if value is not None]
    assert report.score.value == pytest.approx(np.mean(values))
    rows = report.rows()
    assert rows[:-2] == [(row.method, row.value, row.source) for row in report.protocol.published]
    assert rows[-2] == (report.ours, report.score.value, "this run, NOT comparable")
    assert "UNTRAINED" in report.ours
    page = (out / "report.md").read_text()
    assert "NOT comparable with the published numbers" in page
    assert all(f"| {row.method} | {row.value:.1f} | {row.source} |" in page for row in report.protocol.published)
    assert all(text in page for text in (*report.protocol.as_published, *report.protocol.differs))


def test_the_json_report_says_everything(finished):
    name, out, report = finished
    found = json.loads((out / "report.json").read_text())
    assert found["benchmark"] == name
    assert found["value"] == report.score.value
    assert found["comparable"] is False
    assert found["untrained"] is True
    assert found["seed"] == 0
    assert found["preprocess"]["height"] == 36
    if name == "kabr":
        changed = ["spatial pool 2 instead of 4", "epochs 2 instead of 50", "width 32 instead of 768"]
        assert (found["head"]["head"], found["head"]["loss"]) == ("attentive", "eql")
    else:
        stride = 10 if name == "chimpact" else 1
        changed = [f"stride 4 instead of {stride}", "head logistic instead of attentive"]
        assert found["head"] == {"head": "logistic"}
    assert {*changed} <= {*found["deviations"]}
    assert found["published"] == [asdict(row) for row in report.protocol.published]
    assert found["seconds"].keys() == {"embed", "fit", "predict"}


def test_the_probe_of_a_run_can_be_used(finished):
    name, out, report = finished
    probe = load_probe(out / "probe.zip")
    assert probe.behaviors_.names == tuple(report.score.per_behavior)
    assert probe.id.startswith(f"bench-{name}-")


def test_counts_are_those_of_the_labels(finished):
    name, _, report = finished
    expected = {
        "calms21": {"train": (1, 36), "val": (2, 72), "test": (1, 36)},
        "fly-vs-fly": {"train": (2, 78), "val": (0, 0), "test": (1, 39)},
        "kabr": {"train": (2, 36), "val": (0, 0), "test": (1, 18)},
        "crim13": {"train": (2, 72), "val": (0, 0), "test": (1, 36)},
        "chimpact": {"train": (2, 132), "val": (1, 66), "test": (1, 66)},
    }[name]
    assert {split: (c.recordings, c.frames) for split, c in report.counts.items()} == expected


def test_a_second_run_reuses_the_tracks_and_gives_the_same_number(finished, downloads, encoder):
    name, out, report = finished
    before = {path: path.stat().st_mtime_ns for path in (out / "tracks").rglob("*.h5")}
    again = run_bench(name, downloads[name], encoder, out=out, changes=quick(name))
    assert {path: path.stat().st_mtime_ns for path in (out / "tracks").rglob("*.h5")} == before
    assert again.score == report.score


def test_a_head_that_learns_beats_chance(encoder, tmp_path):
    """Coloured stripes tell the behavior, even to a small encoder of random numbers."""
    data = make.make_calms21(tmp_path / "data", train=3, num_frames=96, length=24)
    report = run_bench("calms21", data, encoder, out=tmp_path / "out", changes=QUICK)
    assert report.score.value > report.score.chance + 30


@pytest.mark.parametrize(
    ("name", "shift", "length", "columns"),
    [
        ("calms21", 4, 6, [0, 1, 2]),
        ("fly-vs-fly", 10, 6, [0, 1, 2, 3, 3, 3]),
        ("kabr", 3, 15, [0, 1, 2, 3]),
        ("crim13", 2, 6, [0, 1, 3, 3, 3, 3, 3, 3, 3, 2, 3, 3]),
    ],
)
def test_labels_and_predictions_meet_at_the_right_frames(
    downloads, encoder, tmp_path, monkeypatch, name, shift, length, columns
):
    """Scores that are the truth give 100 percent: nothing is shifted on the way from the files to the metric."""

    class Oracle(Probe):
        def fit(self, tables, ethograms):
            self.training_ = {}
            return self

        def predict_proba(self, table):
            classes = make.blocks(table.num_frames, 4, length, shift)[table.frame_index]
            shown = np.eye(4, dtype=np.float32)[classes][:, columns]
            shown[:, [c == 3 and name != "kabr" for c in columns]] = 0
            return shown

    monkeypatch.setattr(run, "Probe", lambda **_: Oracle())
    monkeypatch.setattr(run, "save_probe", lambda *_, **__: None)
    report = run_bench(name, downloads[name], encoder, out=tmp_path, changes=quick(name))
    assert report.score.value == 100


def test_a_quick_look_says_so(downloads, encoder, tmp_path):
    report = run_bench("calms21", downloads["calms21"], encoder, out=tmp_path, changes=replace(QUICK, max_recordings=1))
    assert report.counts["val"].recordings == 1
    assert "a quick look: at most 1 recordings of every split" in report.deviations


def test_nothing_is_embedded_before_the_labels_are_checked(downloads, encoder, tmp_path):
    data = shutil.copytree(downloads["calms21"], tmp_path / "data")
    path = data / "task1_classic_classification" / "calms21_task1_test.json"
    value = json.loads(path.read_text())
    value["annotator-id_0"]["task1/test/mouse004_task1_annotator1"]["annotations"].pop()
    path.write_text(json.dumps(value))
    with pytest.raises(BenchError, match=r"expected labels for the 36 frames .* found 35.*--length-tolerance 1"):
        run_bench("calms21", data, encoder, out=tmp_path / "out", changes=QUICK)
    assert not (tmp_path / "out").exists()


def test_a_recording_that_fails_stops_the_benchmark_after_the_others(downloads, encoder, tmp_path, monkeypatch):
    broken = run.embed

    def embed_or_fail(opened, *arguments, **options):
        if opened.id.endswith("mouse002_task1_annotator1"):
            opened.close()
            monkeypatch.setattr(type(opened), "decode", lambda *_: (_ for _ in ()).throw(OSError("gone")), raising=True)
            try:
                return broken(opened, *arguments, **options)
            finally:
                monkeypatch.undo()
        return broken(opened, *arguments, **options)

    monkeypatch.setattr(run, "embed", embed_or_fail)
    with pytest.raises(BatchError, match=r"1 of 4 recordings failed"):
        run_bench("calms21", downloads["calms21"], encoder, out=tmp_path, changes=QUICK)


def test_settings_that_make_no_sense_are_refused(downloads, encoder, tmp_path):
    for changes, message in (
        (Changes(epochs=0), r"epochs: expected a whole number above 0, found 0"),
        (Changes(max_recordings=-1), r"max_recordings: expected a whole number above 0, found -1"),
        (Changes(length_tolerance=-1), r"length_tolerance: expected 0 or more frames, found -1"),
    ):
        with pytest.raises(SettingsError, match=message):
            run_bench("calms21", downloads["calms21"], encoder, out=tmp_path, changes=changes)
    with pytest.raises(SettingsError, match=r"view: the benchmark calms21 has one camera, found side"):
        run_bench("calms21", downloads["calms21"], encoder, out=tmp_path, view="side")
