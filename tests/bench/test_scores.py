"""The published metrics against cases computed by hand, brute force and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.bench.boxes import BoxScores, box_average_precision, cell_weights, intersection_over_union
from vp_science.bench.scores import TestPart, score_parts
from vp_science.errors import BenchError
from vp_science.timeline.behaviors import Behaviors

AB = Behaviors.of(["a", "b"])


def part(states, scores, boxes=None):
    return TestPart("r", np.array(states, np.int8), np.array(scores, np.float32), boxes)


def test_frame_average_precision_by_hand():
    # Behavior a: right at ranks 1 and 3 of 4: (1 + 2/3) / 2. Behavior b: its only frame comes last of the 3 that count.
    parts = [
        part([[1, 0], [0, -1]], [[0.9, 0.8], [0.8, 0.9]]),
        part([[1, 1], [0, 0]], [[0.7, 0.1], [0.6, 0.5]]),
    ]
    score = score_parts(parts, AB, "frame mAP")
    assert score.per_behavior == pytest.approx({"a": 100 * (1 + 2 / 3) / 2, "b": 100 / 3})
    assert score.value == pytest.approx(100 * ((1 + 2 / 3) / 2 + 1 / 3) / 2)
    assert score.chance == pytest.approx(100 * (1 / 2 + 1 / 3) / 2)


def test_frames_of_all_recordings_are_one_pool():
    one = [part([[1, 0], [0, 1], [0, 0]], [[0.9, 0.1], [0.2, 0.3], [0.4, 0.6]])]
    split = [part([[1, 0]], [[0.9, 0.1]]), part([[0, 1], [0, 0]], [[0.2, 0.3], [0.4, 0.6]])]
    assert score_parts(one, AB, "frame mAP") == score_parts(split, AB, "frame mAP")


def test_a_behavior_without_examples_is_left_out():
    score = score_parts([part([[1, 0], [0, 0]], [[0.9, 0.1], [0.2, 0.3]])], AB, "frame mAP")
    assert score.per_behavior == {"a": 100.0, "b": None}
    assert score.value == 100.0
    with pytest.raises(BenchError, match=r"expected test frames that show a or b, found none"):
        score_parts([part([[0, 0], [-1, -1]], [[0.9, 0.1], [0.2, 0.3]])], AB, "frame mAP")


def test_macro_accuracy_by_hand():
    states = [[1, 0], [1, 0], [1, 0], [0, 1], [0, 0], [-1, -1]]
    scores = [[0.9, 0.1], [0.6, 0.5], [0.3, 0.4], [0.2, 0.3], [0.9, 0.1], [0.9, 0.1]]
    score = score_parts([part(states, scores)], AB, "macro accuracy")
    assert score.per_behavior == pytest.approx({"a": 200 / 3, "b": 100.0})
    assert score.value == pytest.approx(250 / 3)
    assert score.chance == 50.0


def animal(boxes, states, scores, recording="r"):
    return BoxScores(recording, np.array(boxes, np.float32), np.array(states, np.int8), np.array(scores, np.float32))


def test_boxes_apart_give_plain_average_precision_with_an_envelope():
    left, right = [[0, 0, 1, 1]] * 3, [[5, 0, 1, 1]] * 3
    animals = [
        animal(left, [[1], [0], [1]], [[0.9], [0.8], [0.3]]),
        animal(right, [[0], [1], [0]], [[0.7], [0.6], [0.1]]),
    ]
    # Right, wrong, wrong, right, right, wrong: precision 1, 1/2, 3/5 at the hits; the envelope lifts 2/4 to 3/5.
    assert box_average_precision(animals, 1) == pytest.approx([(1 + 3 / 5 + 3 / 5) / 3])


def test_an_overlapping_box_takes_the_place_of_the_true_one():
    # Both lie almost on each other; only the first does it, the second has the higher score and counts as right.
    animals = [animal([[0, 0, 10, 10]], [[1]], [[0.4]]), animal([[1, 0, 10, 10]], [[0]], [[0.9]])]
    assert box_average_precision(animals, 1) == pytest.approx([1.0])
    apart = [animal([[0, 0, 10, 10]], [[1]], [[0.4]]), animal([[9, 0, 10, 10]], [[0]], [[0.9]])]
    assert box_average_precision(apart, 1) == pytest.approx([0.5])


def test_frames_without_any_behavior_do_not_count():
    nothing = animal([[0, 0, 1, 1]] * 2, [[0], [1]], [[0.99], [0.1]])
    assert box_average_precision([nothing], 1) == pytest.approx([1.0])
    assert np.isnan(box_average_precision([animal([[0, 0, 1, 1]], [[0]], [[0.5]])], 1)).all()


def test_chance_of_boxes_is_the_share_of_the_boxes_that_count():
    box = np.array([[0, 0, 1, 1]] * 3, np.float32)
    far = np.array([[5, 0, 1, 1], [5, 0, 1, 1], [np.nan] * 4], np.float32)
    parts = [
        part([[1, 0], [0, 0], [1, 1]], [[0.9, 0.1]] * 3, box),
        part([[0, 0], [0, 0], [-1, -1]], [[0.1, 0.1]] * 3, far),
    ]
    # The second frame shows nothing; of the three boxes in the others two show a and one shows b.
    score = score_parts(parts, AB, "box mAP")
    assert score.chance == pytest.approx(100 * (2 / 3 + 1 / 3) / 2)
    assert score.per_behavior["a"] == 100.0


def test_animals_that_are_not_there_do_not_count():
    gone = [[np.nan] * 4, [5, 0, 1, 1]]
    animals = [
        animal([[0, 0, 1, 1]] * 2, [[1], [1]], [[0.5], [0.5]]),
        animal(gone, [[-1], [0]], [[0.9], [0.1]]),
    ]
    assert box_average_precision(animals, 1) == pytest.approx([1.0])


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_boxes_agree_with_brute_force(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count, frames = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    animals = [
        animal(
            np.concatenate([rng.integers(0, 4, (frames, 2)), rng.integers(1, 5, (frames, 2))], axis=1),
            rng.integers(0, 2, (frames, 1)),
            rng.permutation(frames * count * 7)[:frames, None] / (frames * count * 7) * 0.9 + 0.01,
        )
        for _ in range(count)
    ]
    assert box_average_precision(animals, 1) == pytest.approx([brute_force(animals)], nan_ok=True)


def brute_force(animals):
    """AVA's rules read one after another, a prediction at a time."""
    predictions, truths = [], 0
    for frame in range(len(animals[0].states)):
        true = [a.boxes[frame] for a in animals if a.states[frame, 0] == 1]
        if not true:
            continue
        truths += len(true)
        taken = set()
        for a in sorted(animals, key=lambda a: -a.scores[frame, 0]):
            overlaps = [overlap(a.boxes[frame], box) for box in true]
            best = int(np.argmax(overlaps))
            hit = overlaps[best] >= 0.5 and best not in taken
            taken |= {best} if hit else set()
            predictions.append((-float(a.scores[frame, 0]), hit))
    if not truths:
        return np.nan
    hits = [hit for _, hit in sorted(predictions, key=lambda p: p[0])]
    area = 0.0
    for k in range(1, truths + 1):
        after = [sum(hits[: n + 1]) / (n + 1) for n in range(len(hits)) if sum(hits[: n + 1]) >= k]
        area += max(after, default=0.0) / truths
    return area


def overlap(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def test_intersection_over_union_by_hand():
    a, b = np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 1, 2, 2], [0, 0, 2, 2], [5, 5, 1, 1], [0, 0, 0, 0]])
    assert intersection_over_union(a, b)[0] == pytest.approx([1 / 7, 1, 0, 0])


def test_cells_under_a_box_by_hand():
    boxes = np.array([[0, 0, 0.5, 0.5], [0.25, 0, 0.5, 1], [0.5, 0.5, 9, 9], [np.nan] * 4, [1.5, 0.2, 0.1, 0.1]])
    weights = cell_weights(boxes.astype(np.float32), 2)
    assert weights == pytest.approx(
        np.array([[1, 0, 0, 0], [0.25] * 4, [0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0]]), abs=1e-6
    )


@given(st.lists(st.floats(-0.5, 1.5), min_size=4, max_size=4), st.sampled_from([1, 2, 4, 8, 16]))
@settings(max_examples=100, deadline=None)
def test_weights_of_cells_are_shares(numbers, k):
    x, y, right, bottom = numbers
    box = np.array([[x, y, abs(right - x), abs(bottom - y)]], np.float32)
    weights = cell_weights(box, k)
    assert weights.shape == (1, k * k)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-5)
