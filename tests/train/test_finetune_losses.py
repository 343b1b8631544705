"""Labels inside of a compiled step equal those of probes; mixed clips weigh both labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vp_science.probes.dataset import window_states
from vp_science.probes.objective import Objective
from vp_science.timeline.behaviors import Behavior, Behaviors
from vp_science.train.finetune.losses import central_states, encode_states, label_loss, mixed_targets

NAMES = ("a", "b", "c")


def objective(exclusive, *, background=True, **more):
    behaviors = Behaviors(tuple(map(Behavior, NAMES)), exclusive=exclusive)
    rows = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]] + [[0, 0, 0]] * (2 * background)
    return Objective.of(behaviors, [np.array(rows, np.int8)], **more)


def states_of(shape, exclusive):
    """Labels as recordings have them; in an exclusive catalogue at most one behavior at a time."""
    drawn = arrays(np.int8, (*shape, 3), elements=st.sampled_from([-1, 0, 1]))

    def first_only(states):
        later = np.cumsum(states == 1, axis=-1) > 1
        return np.where((states == 1) & later, 0, states).astype(np.int8)

    return drawn.map(first_only) if exclusive else drawn


@pytest.mark.parametrize(("exclusive", "background"), [(True, True), (True, False), (False, True)])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_targets_equal_those_of_probes(exclusive, background, data):
    states = data.draw(states_of((2, 5), exclusive))
    task = objective(exclusive, background=background)
    targets, known = encode_states(task, jnp.asarray(states))
    for row in range(2):
        expected, expected_known = task.encode(states[row])
        np.testing.assert_array_equal(known[row], expected_known)
        np.testing.assert_array_equal(np.asarray(targets[row])[expected_known], expected[expected_known])


@pytest.mark.parametrize("exclusive", [True, False])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_label_of_a_window_is_that_of_probes(exclusive, data):
    """A window owns the frames in its middle: those are the frames that it labels."""
    states = data.draw(states_of((3, 8), exclusive))
    found = central_states(jnp.asarray(states), 4, exclusive=exclusive)
    owner = np.repeat(np.arange(3), 4)
    expected = window_states(states[:, 2:6].reshape(12, 3), owner, 3, exclusive=exclusive)
    np.testing.assert_array_equal(found[:, 0], expected)


def batch(seed, exclusive, mixed=False):
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 5, (2, 4, 6))  # a behavior, none (3), unknown (4)
    states = np.where(index[..., None] == 4, -1, (index[..., None] == np.arange(3))).astype(np.int8)
    if not exclusive:
        states = rng.integers(-1, 2, states.shape).astype(np.int8)
    one = {"states": states[0]}
    return one | {"partner_states": states[1], "mix": np.float32([1.0, 0.7, 0.5, 0.0])} if mixed else one


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("loss", ["cross-entropy", "focal", "eql"])
def test_the_loss_of_a_batch_is_that_of_its_known_frames(exclusive, loss):
    task = objective(exclusive, loss=loss, smoothing=0.1)
    labels, key = batch(0, exclusive), jax.random.key(1)
    logits = jax.random.normal(jax.random.key(0), (4, 6, task.num_classes))
    found, metrics = label_loss(task, logits, labels, key, None)
    targets, known = encode_states(task, jnp.asarray(labels["states"]))
    np.testing.assert_allclose(found, task.loss(logits, targets, known, key), rtol=1e-6)
    assert float(metrics["labels"]) == np.asarray(known).sum() / (task.num_classes if exclusive else 1)


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_loss_of_mixed_clips_is_the_mean_of_both_losses_by_their_shares(exclusive):
    task = objective(exclusive, smoothing=0.1)
    mixed = batch(3, exclusive, mixed=True)
    logits = jax.random.normal(jax.random.key(0), (4, 6, task.num_classes))
    total, weight = 0.0, 0.0
    for share, states in ((mixed["mix"], mixed["states"]), (1 - mixed["mix"], mixed["partner_states"])):
        for clip in range(4):
            for frame in range(6):
                one = {"states": states[clip : clip + 1, frame : frame + 1]}
                labels = encode_states(task, jnp.asarray(one["states"]))[1]
                count = float(np.asarray(labels).sum()) / (task.num_classes if exclusive else 1)
                value, _ = label_loss(task, logits[clip : clip + 1, frame : frame + 1], one, None, None)
                total += float(share[clip]) * float(value) * count
                weight += float(share[clip]) * count
    np.testing.assert_allclose(label_loss(task, logits, mixed, None, None)[0], total / weight, rtol=1e-5)


def test_a_clip_mixed_with_an_unknown_one_counts_by_its_share():
    task = objective(False)
    known, unknown = np.ones((1, 2, 3), np.int8), np.full((1, 2, 3), -1, np.int8)
    both = {"states": known, "partner_states": unknown, "mix": np.float32([0.25])}
    targets, weights = mixed_targets(task, both, None)
    np.testing.assert_array_equal(targets, 1)
    np.testing.assert_array_equal(weights, 0.25)


def test_what_is_unknown_has_no_gradient():
    task = objective(True)
    states = np.array([[[1, 0, 0], [-1, -1, -1]]], np.int8)
    gradient = jax.grad(lambda x: label_loss(task, x, {"states": states}, None, None)[0])(jnp.zeros((1, 2, 4)))
    assert np.abs(gradient[0, 0]).max() > 0.1
    np.testing.assert_array_equal(gradient[0, 1], 0)


def test_a_window_label_reads_the_first_row_of_its_logits():
    task = objective(True)
    labels = {"states": np.array([[[0, 1, 0]] * 6], np.int8)}
    logits = jnp.broadcast_to(jnp.array([0.0, 5.0, 0.0, 0.0]), (1, 6, 4))
    loss, metrics = label_loss(task, logits, labels, None, 2)
    assert float(metrics["labels"]) == 1
    assert float(metrics["accuracy"]) == 1
    np.testing.assert_allclose(loss, label_loss(task, logits, labels, None, None)[0], rtol=1e-5)
