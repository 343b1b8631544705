"""NWB with ndx-ethogram: what pynwb reads of ours, and files as other programs write them with pynwb."""

import json
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest
from annotation_tools import example, observed, times
from hypothesis import HealthCheck, given, settings
from rich_rows import rich_rows

from vp_science.annotations import nwb
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, detect_format
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations
from vp_science.timeline.behaviors import Behavior, Behaviors

pynwb = pytest.importorskip("pynwb")
START = datetime(2026, 5, 1, 12, tzinfo=UTC)


def session(path: Path, build) -> Path:
    """A file of another program; ``build`` gets the NWB file and its behavior module."""
    file = pynwb.NWBFile(session_description="s", identifier="x", session_start_time=START, session_id="day 3")
    build(file, file.create_processing_module("behavior", "behavior"))
    with pynwb.NWBHDF5IO(str(path), "w") as output:
        output.write(file)
    assert detect_format(path).name == "nwb"
    return path


def table(method: str = "manual", rows=((1.0, 2.5, "grooming"), (2.0, 3.0, "rear")), name: str = "bouts", **more):
    from ndx_ethogram import EthogramBouts

    bouts = EthogramBouts(name=name, description="d", labeling_method=method, **more)
    for start, stop, label in rows:
        bouts.add_row(start_time=start, stop_time=stop, label=label)
    return bouts


def video(path: str = "./cam/mouse ä.mp4", **timing):
    from pynwb.image import ImageSeries

    return ImageSeries(name="cam", external_file=[path], starting_frame=[0], format="external", unit="n.a.", **timing)


def test_minimal_file_was_assessed_throughout(tmp_path):
    path = session(tmp_path / "sub-1.nwb", lambda file, module: module.add(table(annotator="anna")))
    found = nwb.read(path, ReadOptions())
    assert times(found, ["recording", "behavior", "start_s", "stop_s", "source"]) == [
        ("sub-1", "grooming", 1.0, 2.5, "manual:anna"),
        ("sub-1", "rear", 2.0, 3.0, "manual:anna"),
    ]
    assert observed(found) == [("sub-1", "", "", 0.0, 3.0)]
    clock = FrameClock(time_s={"sub-1": np.arange(100) / 10})
    assert observed(nwb.read(path, ReadOptions(clock))) == [("sub-1", "", "", 0.0, 10.0)]


def test_several_methods_catalogue_and_partial_labels(tmp_path):
    def build(file, module):
        from ndx_ethogram import Ethogram
        from pynwb.epoch import TimeIntervals

        seen = TimeIntervals(name="seen", description="d")
        seen.add_row(start_time=0.0, stop_time=30.0)
        ethogram = Ethogram(name="catalogue", description="d", exclusive=True)
        ethogram.add_column("behavior_type", "d")
        ethogram.add_column("category", "d")
        ethogram.add_row(behavior="grooming", definition="licks", behavior_type="state", category="self")
        ethogram.add_row(behavior="never", definition="", behavior_type="state", category="")
        module.add(seen)
        module.add(ethogram)
        human = table(annotator="anna", observation_intervals=seen, ethogram=ethogram)
        predicted = table("automated", [(40.0, 41.0, "grooming")], "model", source_software="VAME 1.1")
        predicted.add_column("confidence", "c", data=[0.75])
        reviewed = table("curated", [(50.0, 51.0, "grooming")], "checked", observation_intervals=seen)
        for bouts in (human, predicted, reviewed):
            module.add(bouts)

    found = nwb.read(session(tmp_path / "s.nwb", build), ReadOptions(annotator="zoë"))
    assert times(found, ["behavior", "start_s", "source"]) == [
        ("grooming", 1.0, "manual:anna"),
        ("grooming", 40.0, "model:VAME 1.1"),
        ("grooming", 50.0, "curated:zoë"),
        ("rear", 2.0, "manual:anna"),
    ]
    # What the model ran on was not scored by anybody.
    assert observed(found) == [("s", "", "", 0.0, 30.0)]
    assert found.behaviors.names == ("grooming", "never", "rear")
    assert found.behaviors.exclusive
    assert found.behaviors["grooming"].description == "licks"
    assert found.behaviors["grooming"].category == "self"
    assert found.bouts["score"].max() == 0.75


def test_bouts_move_to_the_clock_of_a_linked_video(tmp_path):
    def build(file, module):
        cam = video(rate=10.0, starting_time=100.0, num_samples=50)
        file.add_acquisition(cam)
        module.add(table(rows=[(101.0, 102.0, "a")], source_video=cam))

    path = session(tmp_path / "s.nwb", build)
    found = nwb.read(path, ReadOptions())
    assert times(found, ["recording", "start_s", "stop_s"]) == [("mouse ä", 1.0, 2.0)]
    assert observed(found) == [("mouse ä", "", "", 0.0, 5.0)]
    found = nwb.read(path, ReadOptions(FrameClock(time_s={"mouse ä": 0.04 + np.arange(50) / 10})))
    assert times(found, ["start_s", "stop_s"]) == [(1.04, 2.04)]


def test_clocks_that_drift_apart_are_matched_frame_by_frame(tmp_path):
    stamps = 100 + np.arange(51) * 0.11  # the camera says 10 frames per second, the rig saw one every 0.11 s

    def build(file, module):
        cam = video(timestamps=stamps)
        file.add_acquisition(cam)
        module.add(table(rows=[(float(stamps[20]), float(stamps[30]), "a")], source_video=cam))

    clock = FrameClock(time_s={"mouse ä": np.arange(51) / 10})
    found = nwb.read(session(tmp_path / "s.nwb", build), ReadOptions(clock))
    assert times(found, ["start_s", "stop_s"]) == [(2.0, 3.0)]


def test_events_are_behaviors_only_if_the_catalogue_says_so(tmp_path):
    def build(file, module):
        from ndx_ethogram import Ethogram
        from pynwb.event import EventsTable

        ethogram = Ethogram(name="catalogue", description="d")
        ethogram.add_column("behavior_type", "d")
        ethogram.add_row(behavior="call", definition="", behavior_type="point")
        module.add(ethogram)
        module.add(table())
        for name in ("call", "lick"):
            events = EventsTable(name=name, description="d")
            events.add_row(timestamp=4.5)
            file.add_events_table(events)

    found = nwb.read(session(tmp_path / "s.nwb", build), ReadOptions())
    assert times(found, ["behavior", "kind", "start_s", "stop_s"])[0] == ("call", "point", 4.5, 4.5)
    assert "lick" not in found.behaviors


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rich_rows())
def test_round_trip(tmp_path, rows):
    given_annotations = Annotations.of(*rows)
    path = tmp_path / "bouts.nwb"
    assert nwb.write(given_annotations, path, WriteOptions()) == [path]
    back = nwb.read(path, ReadOptions())
    columns = [*given_annotations.bouts.columns.drop("score")]
    assert times(back, columns) == times(given_annotations, columns)
    assert sorted(set(observed(back))) == sorted(set(observed(given_annotations)))
    assert back.behaviors == given_annotations.behaviors


def written(tmp_path: Path) -> Path:
    behaviors = Behaviors((Behavior("run", "state", "moves", "loco", "r", "#ff0000"), Behavior("rest")), exclusive=True)
    point = {
        "recording": "vid",
        "behavior": "ping",
        "start_s": 3.5,
        "stop_s": 3.5,
        "kind": "point",
        "source": "manual:a",
    }
    manual = Annotations.of(example(source="manual:a", subject="m 1").bouts, example().observed, behaviors)
    model = Annotations.of(example(source="model:p1", score=0.5, target="m 2").bouts, example().observed, behaviors)
    both = Annotations.concat([manual, model, Annotations.of([point])])
    path = tmp_path / "vid.nwb"
    media = {"media": tmp_path / "raw" / "vid.mp4", "time_s": np.arange(100) / 25}
    about = {"subject_id": "m1", "subject": {"species": "Mus musculus", "sex": "F", "age": "P90D"}}
    return nwb.write_nwb(path, both, "vid", session_start_time=START, parameters='{"head": "knn"}', **media, **about)


def test_written_as_pynwb_reads(tmp_path):
    path = written(tmp_path)
    assert not pynwb.validate(path=str(path))
    with pynwb.NWBHDF5IO(str(path), "r") as input:
        file = input.read()
        module = file.processing["behavior"]
        manual, model = module["bouts_manual_a"], module["bouts_automated_p1"]
        assert (manual.labeling_method, manual.annotator) == ("manual", "a")
        assert (model.labeling_method, model.source_software) == ("automated", "p1")
        assert json.loads(model.parameters) == {"head": "knn"}
        frame = model.to_dataframe()
        assert list(frame["label"]) == ["run", "rest", "run"]
        assert list(frame["score"]) == [0.5, 0.5, 0.5]
        assert set(manual.to_dataframe()["subject"]) == {"m 1"}
        assert manual.ethogram.to_dataframe()["behavior"].tolist() == ["run", "rest", "ping"]
        assert manual.observation_intervals.to_dataframe()["stop_time"].tolist() == [4.0]
        cam = manual.source_video
        assert list(cam.external_file) == ["./raw/vid.mp4"]
        assert (cam.rate, cam.starting_time, cam.num_samples) == (25.0, 0.0, 100)
        assert file.get_events_table("ping").to_dataframe()["timestamp"].tolist() == [3.5]
        assert (file.subject.subject_id, file.subject.sex, file.session_start_time) == ("m1", "F", START)
    back = nwb.read(path, ReadOptions())
    assert len(back.bouts) == 7
    assert back.behaviors["run"] == Behavior("run", "state", "moves", "loco", "r", "#ff0000")


def test_nwbinspector_has_only_suggestions(tmp_path):
    inspector = pytest.importorskip("nwbinspector")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "vid.mp4").touch()
    full, bare = written(tmp_path), nwb.write_nwb(tmp_path / "bare.nwb", example(), "vid")
    for path, expected in ((full, set()), (bare, {"check_subject_exists"})):
        messages = inspector.inspect_nwbfile(nwbfile_path=str(path))
        serious = [m for m in messages if m.importance.name != "BEST_PRACTICE_SUGGESTION"]
        assert {message.check_function_name for message in serious} == expected


def test_nothing_scored_is_not_everything_scored(tmp_path):
    unseen = Annotations.of(example().bouts)
    nothing = Annotations.of((), [{"recording": "vid", "start_s": 0.0, "stop_s": 4.0}], Behaviors.of(["run"]))
    for annotations in (unseen, nothing):
        [path] = nwb.write(annotations, tmp_path / "vid.nwb", WriteOptions())
        assert not pynwb.validate(path=str(path))
        back = nwb.read(path, ReadOptions())
        assert observed(back) == observed(annotations)
        assert times(back) == times(annotations)


def test_rates_and_times_of_the_video(tmp_path):
    stamps = np.array([0.5, 0.54, 0.6, 0.9])
    nwb.write_nwb(tmp_path / "a.nwb", example(), "vid", media="vid.mp4", time_s=stamps)
    with h5py.File(tmp_path / "a.nwb") as file:
        assert file["acquisition/video/timestamps"][()].tolist() == stamps.tolist()
    with pytest.raises(AnnotationError, match=r"expected the times of the frames of '\./vid\.mp4'"):
        nwb.write_nwb(tmp_path / "b.nwb", example(), "vid", media="vid.mp4")
    assert not (tmp_path / "b.nwb").exists()


def test_what_nwb_cannot_hold(tmp_path):
    with pytest.raises(AnnotationError, match=r"HDF5 cannot store the character in 'a\\x00b'"):
        nwb.write(example(comment="a\0b"), tmp_path / "a.nwb", WriteOptions())
    with pytest.raises(AnnotationError, match="expected session_start_time with a time zone"):
        nwb.write_nwb(tmp_path / "a.nwb", example(), "vid", session_start_time=datetime(2026, 1, 1))
    assert not list(tmp_path.iterdir())


def damage(name: str):
    def change(file: h5py.File) -> None:
        bouts = file["processing/behavior/bouts"]
        if name == "method":
            bouts.attrs["labeling_method"] = "guessed"
        elif name == "short":
            del bouts["stop_time"]
            bouts["stop_time"] = np.zeros(1)
        elif name == "numbers":
            del bouts["start_time"]
            bouts["start_time"] = np.array(["a", "b"], dtype=object)
        elif name == "backward":
            bouts["stop_time"][1] = 1.0
        elif name == "external":
            bouts["observation_intervals"] = h5py.ExternalLink("/etc/passwd", "/x")
        elif name == "dangling":
            bouts["observation_intervals"] = h5py.SoftLink("/nowhere")
        elif name == "version":
            del file.attrs["nwb_version"]
        elif name == "none":
            del file["processing/behavior/bouts"]

    return change


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("method", r"/processing/behavior/bouts: expected labeling_method manual, automated, curated, found 'guessed'"),
        ("short", r"expected columns of one length, found 2 starts, 1 stops and 2 labels"),
        ("numbers", r"expected numbers in the column 'start_time', found 'object'"),
        ("backward", r"expected start_time before stop_time, found 2\.0 to 1\.0 in row 1"),
        ("external", r"observation_intervals: expected links within the file, found one to '/etc/passwd'"),
        ("dangling", r"expected observation_intervals to be a table, found a link to nothing"),
        ("version", r"expected an NWB file \(attribute nwb_version\), found another HDF5 file"),
        ("none", r"expected a table of type EthogramBouts, found 'none'"),
    ],
)
def test_bad_files(tmp_path, name, message):
    path = session(tmp_path / "s.nwb", lambda file, module: module.add(table()))
    with h5py.File(path, "a") as file:
        damage(name)(file)
    with pytest.raises(AnnotationError, match=message):
        nwb.read(path, ReadOptions())


def test_damaged_file(tmp_path):
    path = session(tmp_path / "s.nwb", lambda file, module: module.add(table()))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(AnnotationError, match=r"s\.nwb: expected an HDF5 file, found .*: the file is damaged"):
        nwb.read(path, ReadOptions())
