"""DeepEthogram label tables, as its GUI writes them."""

from pathlib import Path

import numpy as np
import pytest
from annotation_tools import NAMES, catalogue, example, frame_states, observed, span, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import deepethogram
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions
from vp_science.annotations.frame_labels import states_to_annotations
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

HEADER = ",background,groom,Körper"


def read(path: Path, *rows: str, header: str = HEADER, encoding: str = "utf-8", **options) -> Annotations:
    path.write_bytes(("\n".join([header, *rows]) + "\n").encode(encoding))
    assert deepethogram.matches(path, path.read_bytes()[:65536])
    return deepethogram.read(path, ReadOptions(**{"clock": FrameClock(10), **options}))


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "mouse 1_labels.csv"


def test_labels_and_unlabelled_frames(file):
    found = read(file, "0,1,0,0", "1,0,1,0", "2,0,1,1", "3,-1,-1,-1", "4,-1,-1,-1", "5,1,0,0")
    assert times(found, ["recording", "behavior", "start_s", "stop_s"]) == [
        ("mouse 1", "Körper", 0.2, 0.3),
        ("mouse 1", "groom", 0.1, 0.3),
    ]
    assert observed(found) == [("mouse 1", "", "", 0.0, 0.3), ("mouse 1", "", "", 0.5, 0.6)]
    assert (found.behaviors.background, found.behaviors.exclusive) == ("background", False)


def test_frames_have_the_times_of_the_recording(file):
    times_s = np.array([0.0, 0.1, 0.5, 0.6, 0.7])
    clock = FrameClock(None, {"mouse 1": times_s})
    found = read(file, "0,1,0,0", "1,0,1,0", "2,0,1,0", clock=clock)
    assert found.bouts[["start_s", "stop_s"]].to_numpy().tolist() == [[0.1, 0.6]]
    assert observed(found) == [("mouse 1", "", "", 0.0, 0.6)]
    with pytest.raises(AnnotationError, match=r"labels.csv: expected frames 0 to 5 \(the end\) of 'mouse 1', found 6"):
        read(file, *(f"{index},1,0,0" for index in range(7)), clock=clock)


def test_a_frame_known_for_some_behaviors_only(file):
    found = read(file, "0,-1,1,-1", "1,-1,0,-1")
    assert times(found, ["behavior", "start_s"]) == [("groom", 0.0)]
    assert observed(found) == [("mouse 1", "", "groom", 0.0, 0.2)]


def test_files_that_went_through_excel(file):
    found = read(file, "0;1,0;0;0", "1;0;1;0", header=HEADER.replace(",", ";"), encoding="utf-8-sig")
    assert times(found, ["behavior", "start_s"]) == [("groom", 0.1)]


def test_options(file):
    found = read(file, "0,0,1,0", annotator="Zoë", recording="m7", exclusive=True)
    assert (found.recordings, found.bouts["source"][0], found.behaviors.exclusive) == (("m7",), "manual:Zoë", True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,0,2,0", "line 2, column 'groom': expected 1, 0 or -1 (not labelled), found '2'"),
        ("0,0,,1", "line 2, column 'groom': expected 1, 0 or -1 (not labelled), found ''"),
        ("0,1,1,0", "line 2: expected background 0 where a behavior happens, found 1 together with groom"),
        ("0,0,0,0", "line 2: expected a behavior or the background to be 1, found 0 everywhere: write background 1 if"),
        ("0,1,0,0,1", "line 2: expected 4 cells as in the header, found 5 cells"),
    ],
)
def test_bad_rows(file, row, message):
    with pytest.raises(AnnotationError) as error:
        read(file, row)
    assert str(error.value).startswith(f"{file}, {message}")


def test_bad_tables(file):
    with pytest.raises(AnnotationError, match="expected one row per frame, found no row"):
        read(file)
    with pytest.raises(AnnotationError, match="expected columns with behaviors, found only the background"):
        read(file, "0,1", header=",background")
    with pytest.raises(AnnotationError, match=r"labels.csv: expected to know when the frames of 'mouse 1' are shown"):
        read(file, "0,1,0,0", clock=FrameClock())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=frame_states(exclusive=False, unknown=True))
def test_round_trip(tmp_path, states):
    clock = FrameClock(29.97)
    annotations = states_to_annotations(states, catalogue(), "vid", clock, "manual:")
    if not annotations.recordings:
        return
    path = tmp_path / "vid_labels.csv"
    deepethogram.write(annotations, path, WriteOptions(clock))
    found = deepethogram.read(path, ReadOptions(clock))
    assert times(found) == times(annotations)
    assert observed(found) == observed(annotations)
    assert found.behaviors.names == NAMES


def test_what_it_writes(file):
    deepethogram.write(example(), file, WriteOptions(FrameClock(5)))
    lines = file.read_text().splitlines()
    assert lines[:5] == [",background,run,rest", "0,1,0,0", "1,1,0,0", "2,0,1,0", "3,0,1,0"]
    assert len(lines) == 1 + 20


def test_several_recordings_go_into_a_folder(tmp_path):
    silent = Annotations.of([], [span(0, 1, "silent")], example().behaviors)
    both = Annotations.concat([example(), example().renamed({"vid": "day2/m 2"}), silent])
    files = deepethogram.write(both, tmp_path / "out", WriteOptions(FrameClock(5)))
    names = [path.relative_to(tmp_path / "out").as_posix() for path in files]
    assert names == ["day2/m 2_labels.csv", "silent_labels.csv", "vid_labels.csv"]
    with pytest.raises(AnnotationError, match="expected a folder, because this format holds one recording per file"):
        deepethogram.write(both, tmp_path / "one.csv", WriteOptions(FrameClock(5)))


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (example(target="B"), "expected annotations without targets, because the format has no place for them"),
        (example(modifiers="x"), "expected annotations without modifiers"),
        (example(subject=["A", "A", "B"]), "without several subjects, because the format has no place for"),
        (example(source=["manual:a", "manual:a", "model:b"]), "without several sources"),
        (example().select(behaviors=["run"]).renamed({"vid": "other"}), "expected to know when the frames of 'other'"),
        (Annotations.of(example().bouts, [{"recording": "vid", "start_s": 0, "stop_s": 1}]),
         "expected every bout in time that was scored, found 'run' at 0.4 to 1.2 s of 'vid' outside of it"),
    ],
)  # fmt: skip
def test_what_it_cannot_hold(file, annotations, message):
    clock = FrameClock(None, {"vid": np.arange(100) / 25})
    with pytest.raises(AnnotationError) as error:
        deepethogram.write(annotations, file, WriteOptions(clock))
    assert message in str(error.value)
    assert not file.exists()


def test_bouts_behind_the_end_of_the_recording_are_refused(file):
    with pytest.raises(
        AnnotationError, match=r"expected bouts within the frames of 'vid' \(0 to 2 s\), found 'run' at 3"
    ):
        deepethogram.write(example(), file, WriteOptions(FrameClock(None, {"vid": np.arange(50) / 25})))
