"""CalMS21 JSON, as the download has it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_tools import catalogue, example, frame_states, observed, span, times
from hypothesis import HealthCheck, given, settings

from vp_science.annotations import calms21
from vp_science.annotations.clock import FrameClock
from vp_science.annotations.formats import ReadOptions, WriteOptions, detect_format
from vp_science.annotations.frame_labels import states_to_annotations
from vp_science.errors import AnnotationError
from vp_science.timeline.annotations import Annotations

VOCAB = {"attack": 0, "investigation": 1, "mount": 2, "other": 3}
SEQUENCE = "task1/train/mouse001_task1_annotator1"


def sequence(annotations: Any, **metadata: Any) -> dict[str, Any]:
    count = len(annotations) if isinstance(annotations, list) else 2
    keypoints = np.round(np.random.default_rng(0).uniform(0, 1000, (count, 2, 2, 7)), 6)
    return {
        "keypoints": keypoints.tolist(),
        "scores": np.ones((count, 2, 7)).tolist(),
        "annotations": annotations,
        "metadata": {"vocab": VOCAB, **metadata},
    }


def read(path: Path, tree: Any, **options: Any) -> Annotations:
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    assert calms21.matches(path, path.read_bytes()[:65536])
    return calms21.read(path, ReadOptions(**options))


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "calms21_task1_train.json"


def test_a_file_of_task_1(file):
    tree = {"annotator-id_0": {SEQUENCE: sequence([3, 0, 0, 1, 3, 2])}}
    found = read(file, tree)
    assert times(found, ["recording", "behavior", "start_s", "stop_s", "source"]) == [
        ("mouse001_task1_annotator1", "attack", round(1 / 30, 6), 0.1, "manual:annotator-id_0"),
        ("mouse001_task1_annotator1", "investigation", 0.1, round(4 / 30, 6), "manual:annotator-id_0"),
        ("mouse001_task1_annotator1", "mount", round(5 / 30, 6), 0.2, "manual:annotator-id_0"),
    ]
    assert found.behaviors.names == ("attack", "investigation", "mount")
    assert (found.behaviors.exclusive, found.behaviors.background) == (True, "other")
    assert observed(found) == [("mouse001_task1_annotator1", "", "", 0.0, 0.2)]


def test_several_annotators_and_sequences_of_one_name(file):
    tree = {
        "annotator-id_1": {"task2/a/m1": sequence([0, 0]), "task2/b/m1": sequence([1, 3])},
        "annotator-id_2": {"task2/a/m2": sequence([3, 3])},
    }
    found = read(file, tree)
    assert found.recordings == ("a/m1", "b/m1", "m2")
    assert set(found.bouts["source"]) == {"manual:annotator-id_1"}
    assert set(read(file, tree, annotator="Zoë").bouts["source"]) == {"manual:Zoë"}


def test_nan_among_the_key_points_and_numbers_in_exponent_form(file):
    text = json.dumps({"g": {"s": sequence([0, 3])}}).replace("[[[[", "[[[[NaN, 1e-7, ", 1)
    assert times(read(file, text), ["behavior", "start_s"]) == [("attack", 0.0)]


def test_rates(file):
    tree = {"g": {"s": sequence([0, 3], fps=10)}}
    assert read(file, tree).bouts["stop_s"].tolist() == [0.1]
    assert read(file, tree, clock=FrameClock(20)).bouts["stop_s"].tolist() == [0.05]
    assert read(file, {"g": {"s": sequence([0, 3], fps="12.5")}}).bouts["stop_s"].tolist() == [0.08]
    with pytest.raises(AnnotationError, match=r"metadata: expected fps as a whole number or text.*give the rate"):
        read(file, {"g": {"s": sequence([0, 3], fps=12.5)}})


def test_names_in_a_list(file):
    entry = {"annotations": [1, 0], "metadata": {"vocab": ["other", "approach"]}}
    assert times(read(file, {"g": {"s": entry}}), ["behavior", "start_s"]) == [("approach", 0.0)]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (
            {"g": {"s": {"keypoints": [], "scores": []}}},
            "sequence 's' of 'g': expected annotations, one class per frame",
        ),
        ({"g": {"s": sequence([0, 7])}}, "sequence 's' of 'g', frame 1: expected one of the classes"),
        (
            {"g": {"s": sequence([0, 1.5])}},
            "frame 1: expected whole numbers as classes, found a number with a fraction",
        ),
        ({"g": {"s": sequence([0, "attack"])}}, "frame 1: expected whole numbers as classes, found 'attack'"),
        ({"g": {"s": sequence([0, float("nan")])}}, "frame 1: expected whole numbers as classes, found nan"),
        (
            {"g": {"s": {**sequence([0]), "metadata": {"vocab": {"a": 0, "b": 0}}}}},
            "vocab: expected one number per class",
        ),
        ({"g": {"s": {**sequence([0]), "metadata": {"vocab": 3}}}}, "vocab: expected a vocabulary such as"),
        ({"g": {"s": sequence([0]), "t": 3}}, "group 'g': expected an object of sequences"),
        (json.dumps({"g": {"s": sequence([0])}})[:-9], "expected CalMS21 as JSON, found"),
    ],
)
def test_bad_files(file, tree, message):
    with pytest.raises(AnnotationError) as error:
        read(file, tree)
    assert str(error.value).startswith(str(file))
    assert message in str(error.value)


def test_the_pickle_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "calms21_task1_train.npy"
    np.save(path, np.array({"g": 1}, dtype=object), allow_pickle=True)
    with pytest.raises(
        AnnotationError, match=r"an array or pickle file, which can run code.*CalMS21: the .json of the"
    ):
        detect_format(path)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(states=frame_states(exclusive=True, unknown=False))
def test_round_trip(tmp_path, states):
    clock = FrameClock(29.97)
    annotations = states_to_annotations(
        states, catalogue(exclusive=True, background="other"), "day 1/m.1", clock, "manual:Zoë"
    ).renamed({"day 1/m.1": "m.1"})
    path = tmp_path / "round.json"
    calms21.write(annotations, path, WriteOptions(clock))
    found = calms21.read(path, ReadOptions(annotator="Zoë"))
    assert times(found) == times(annotations)
    assert observed(found) == observed(annotations)
    assert found.behaviors == annotations.behaviors


def test_the_tree_it_writes(file):
    calms21.write(example(source="model:p1"), file, WriteOptions(FrameClock(5)))
    tree = json.loads(file.read_text())
    assert tree == {
        "model:p1": {
            "vid": {
                "annotations": [2, 2, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0, 2, 2, 2, 2],
                "metadata": {"vocab": {"run": 0, "rest": 1, "other": 2}, "fps": 5},
            }
        }
    }
    assert set(calms21.read(file, ReadOptions()).bouts["source"]) == {"model:p1"}


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (example(start_s=[0.4, 1.0, 3.0]), "expected one behavior at a time, found run and rest at 1.000 s of 'vid'"),
        (Annotations.of(example().bouts, [span(0, 3.6), span(3.8, 4)]),
         "expected every frame of 'vid' to be scored, because the format has no word for unknown, found frame 18"),
        (example(target="B"), "without targets"),
    ],
)  # fmt: skip
def test_what_it_cannot_hold(file, annotations, message):
    with pytest.raises(AnnotationError) as error:
        calms21.write(annotations, file, WriteOptions(FrameClock(5)))
    assert message in str(error.value)
    assert not file.exists()
