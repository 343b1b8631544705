"""KABR frame labels (Charades layout): frames from 1, classes beside; Charades itself counts from 0."""

import json
from pathlib import Path

import numpy as np
import pytest
from annotation_tools import catalogue, example, frame_states, observed, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import charades
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, detect_format, read_annotations
from vp_science.annotations.frame_labels import states_to_annotations
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

HEADER = "original_vido_id video_id frame_id path labels"
KABR = {"Walk": 0, "Graze": 1, "Head Up": 2}
CLOCK = FrameClock(10)


def rows(video: str, first: int, labels: str) -> list[str]:
    """A row per letter; "." leaves the frame out."""
    numbered = enumerate(labels, start=first)
    return [f"{video} 1 {frame} {video}/{frame}.jpg {label}" for frame, label in numbered if label != "."]


def read(path: Path, *lines: str, classes: object = KABR, **options) -> Annotations:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if classes is not None:
        path.with_name("classes.json").write_text(json.dumps(classes))
    assert detect_format(path).name == "charades"
    return charades.read(path, ReadOptions(**{"clock": CLOCK, **options}))


def test_kabr(tmp_path):
    found = read(tmp_path / "train.csv", HEADER, *rows("G0001", 1, "00112"), *rows("ZP0002", 1, "22"), annotator="k")
    assert found.behaviors.exclusive
    assert found.behaviors.names == ("Walk", "Graze", "Head Up")
    assert times(found, ["recording", "behavior", "start_s", "stop_s", "source"]) == [
        ("G0001", "Graze", 0.2, 0.4, "manual:k"),
        ("G0001", "Head Up", 0.4, 0.5, "manual:k"),
        ("G0001", "Walk", 0.0, 0.2, "manual:k"),
        ("ZP0002", "Head Up", 0.0, 0.2, "manual:k"),
    ]
    assert observed(found) == [("G0001", "", "", 0.0, 0.5), ("ZP0002", "", "", 0.0, 0.2)]


def test_frames_without_a_row_are_unknown(tmp_path):
    found = read(tmp_path / "val.csv", HEADER, *rows("G1", 1, "0..00"))
    assert observed(found) == [("G1", "", "", 0.0, 0.1), ("G1", "", "", 0.3, 0.5)]
    assert times(found, ["start_s", "stop_s"]) == [(0.0, 0.1), (0.3, 0.5)]


def test_charades_counts_from_0_and_lists_labels(tmp_path):
    lines = [
        'A 0 0 A/1.jpg ""',
        'A 0 1 A/2.jpg "0,2"',
        'A 0 2 A/3.jpg "[0, 2]"',
        "A 0 3 A/4.jpg [1, 2]",
        "A 0 4 A/5.jpg 2",
    ]
    found = read(tmp_path / "train.csv", HEADER, *lines)
    assert not found.behaviors.exclusive
    assert times(found, ["behavior", "start_s", "stop_s"]) == [
        ("Graze", 0.3, 0.4),
        ("Head Up", 0.1, 0.5),
        ("Walk", 0.1, 0.3),
    ]
    assert observed(found) == [("A", "", "", 0.0, 0.5)]


def test_several_files_and_tabs(tmp_path):
    read(tmp_path / "train.csv", HEADER, *rows("G1", 1, "0"))
    read(tmp_path / "val.csv", *[line.replace(" ", "\t") for line in (HEADER, *rows("G2", 1, "1"))])
    found = read_annotations([tmp_path / "train.csv", tmp_path / "val.csv"], fps=10)
    assert found.recordings == ("G1", "G2")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER, "G 1 1 p 3"], r"line 2, column 'labels': expected a whole number from 0 to 2, found '3'"),
        ([HEADER, "G 1 1 p 0", "G 1 x p 0"], r"line 3, column 'frame_id': expected a whole number .*, found 'x'"),
        ([HEADER, "G 1 -1 p 0"], r"line 2, column 'frame_id': expected a whole number from 0"),
        ([HEADER, "G 1 1 p 0", "G 1 1 p 1"], r"line 3: expected every frame of 'G' once, found frame 1 again"),
        ([HEADER, "G 1 1"], r"line 2: expected 5 cells, found 3 cells"),
    ],
)
def test_bad_rows(tmp_path, lines, message):
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path / "t.csv", *lines)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            None,
            r"t\.csv: expected classes\.json beside it with the names of the classes, found 'nothing there'|nothing",
        ),
        ({"a": 0, "b": 0}, r"classes\.json: expected every number once, found 0 for 'a' and 'b'"),
        ({"a": 0, "b": 2}, r"classes\.json: expected a whole number from 0 to 1 at 'b', found 2"),
        ([1], r"classes\.json: expected a JSON object, found 'list'"),
    ],
)
def test_bad_classes(tmp_path, classes, message):
    with pytest.raises(AnnotationError, match=message):
        read(tmp_path / "t.csv", HEADER, "G 1 1 p 0", classes=classes)


def test_a_huge_frame_number_allocates_nothing(tmp_path):
    found = read(tmp_path / "t.csv", HEADER, "G 1 1 p 0", "G 1 268435455 p 0")
    assert len(found.bouts) == 2
    with pytest.raises(AnnotationError, match="expected a whole number from 0 to 268435456"):
        read(tmp_path / "t.csv", HEADER, "G 1 999999999999 p 0")


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame_states(exclusive=True, unknown=True), frame_states(exclusive=False, unknown=True))
def test_round_trip(tmp_path, one, many):
    for states in (one, many):
        exclusive = bool((states.clip(0).sum(axis=1) < 2).all())
        behaviors = catalogue(exclusive=exclusive)
        given_annotations = states_to_annotations(states, behaviors, "v1", CLOCK, "manual:")
        path = tmp_path / "frames.csv"
        assert charades.write(given_annotations, path, WriteOptions(CLOCK)) == [path, tmp_path / "classes.json"]
        back = charades.read(path, ReadOptions(CLOCK))
        assert times(back) == times(given_annotations)
        assert observed(back) == observed(given_annotations)
        if (states >= 0).any():  # a file without a row does not say whether behaviors may overlap
            assert back.behaviors == given_annotations.behaviors


def test_written_as_slowfast_reads(tmp_path):
    charades.write(example(), tmp_path / "train.csv", WriteOptions(FrameClock(25)))
    lines = (tmp_path / "train.csv").read_text().splitlines()
    assert lines[0] == HEADER
    assert len(lines) == 101
    # SlowFast splits rows at blanks.
    assert lines[11].split() == ["vid", "1", "11", "vid/11.jpg", "0"]
    assert json.loads((tmp_path / "classes.json").read_text()) == {"run": 0, "rest": 1}


def test_rare_times(tmp_path):
    """Frames of a recording whose times are not regular."""
    clock = FrameClock(time_s={"vid": np.array([0.0, 0.5, 1.2, 1.9, 3.0, 3.2])})
    charades.write(example(), tmp_path / "train.csv", WriteOptions(clock))
    lines = (tmp_path / "train.csv").read_text().splitlines()[1:]
    assert [line.split(" ")[4] for line in lines] == ['""', "0", "1", '""', "0", '""']


def test_what_the_layout_cannot_hold(tmp_path):
    path, options = tmp_path / "t.csv", WriteOptions(FrameClock(25))
    with pytest.raises(AnnotationError, match=r"expected recording ids without spaces.* found 'my vid'"):
        charades.write(example(recording="my vid"), path, options)
    part = Annotations.of(example().bouts, [{"recording": "vid", "start_s": 0.0, "stop_s": 4.0, "behavior": "run"}])
    with pytest.raises(AnnotationError, match=r"'rest' at 1\.2 s of 'vid' outside of it"):
        charades.write(part, path, options)
    half = Annotations.of(example().select(behaviors=["run"]).bouts, part.observed, example().behaviors)
    with pytest.raises(
        AnnotationError, match=r"expected all behaviors to be observed at the same times.* rest was not"
    ):
        charades.write(half, path, options)
    with pytest.raises(AnnotationError, match="outside of it"):
        charades.write(Annotations.of(example().bouts), path, options)
    assert not list(tmp_path.iterdir())


def test_classes_of_others_are_not_replaced(tmp_path):
    (tmp_path / "classes.json").write_text(json.dumps(KABR))
    with pytest.raises(AnnotationError, match=r"classes\.json: expected no other classes in this folder, found"):
        charades.write(example(), tmp_path / "t.csv", WriteOptions(FrameClock(25)))
