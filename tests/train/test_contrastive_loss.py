import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vp_science.train.contrastive.loss import at_least, contrastive_loss, same_captions

MODES = ("exclude", "share", "contrast")


def unit(rng, rows, dim):
    x = rng.standard_normal((rows, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def slow_loss(clips, texts, temperature, captions, mode):
    """One pair after the other, in float64."""
    scores = clips.astype(np.float64) @ texts.T.astype(np.float64) / temperature
    total = 0.0
    for table in (scores, scores.T):
        for i in range(len(table)):
            alike = [j for j in range(len(table)) if captions[j] == captions[i]]
            rivals = [j for j in range(len(table)) if mode != "exclude" or j == i or j not in alike]
            log_sum = np.log(sum(np.exp(table[i, j]) for j in rivals))
            targets = alike if mode == "share" else [i]
            total -= sum(table[i, j] - log_sum for j in targets) / len(targets)
    return total / (2 * len(scores))


def same_as(captions):
    captions = np.asarray(captions)
    return jnp.asarray(captions[:, None] == captions[None])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("captions", [(0, 1, 2, 3, 4, 5), (0, 1, 0, 2, 1, 0), (7,) * 6])
def test_equals_one_pair_after_the_other(mode, captions):
    rng = np.random.default_rng(0)
    clips, texts = unit(rng, 6, 5), unit(rng, 6, 5)
    loss, _ = contrastive_loss(jnp.asarray(clips), jnp.asarray(texts), jnp.asarray(0.2), same_as(captions), mode)
    np.testing.assert_allclose(loss, slow_loss(clips, texts, 0.2, captions, mode), rtol=1e-5, atol=1e-6)


def test_without_repeated_captions_all_ways_to_treat_them_agree():
    rng = np.random.default_rng(1)
    clips, texts = jnp.asarray(unit(rng, 5, 4)), jnp.asarray(unit(rng, 5, 4))
    losses = [contrastive_loss(clips, texts, jnp.asarray(0.1), same_as(range(5)), mode)[0] for mode in MODES]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-6)


def test_a_perfect_model_reaches_zero_only_where_repeated_captions_do_not_contrast():
    captions = (0, 0, 1, 2)
    perfect = jnp.eye(4, dtype=jnp.float32)[jnp.asarray(captions)]
    loss = {
        mode: float(contrastive_loss(perfect, perfect, jnp.asarray(0.01), same_as(captions), mode)[0]) for mode in MODES
    }
    assert loss["exclude"] < 1e-6
    # Two of four clips cannot tell which of two equal texts is theirs: log 2 for each of them, either way.
    assert loss["contrast"] == pytest.approx(np.log(2) / 2, abs=1e-5)
    assert loss["share"] == pytest.approx(np.log(2) / 2, abs=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_finite_where_nothing_is_left_to_contrast(mode):
    rng = np.random.default_rng(2)
    clips, texts = jnp.asarray(unit(rng, 4, 3)), jnp.asarray(unit(rng, 4, 3))

    def loss(clips, texts, temperature):
        return contrastive_loss(clips, texts, temperature, same_as((1, 1, 1, 1)), mode)[0]

    gradients = jax.grad(loss, argnums=(0, 1, 2))(clips, texts, jnp.asarray(0.01))
    assert all(bool(jnp.isfinite(gradient).all()) for gradient in gradients)
    if mode == "exclude":
        assert all(float(jnp.abs(gradient).max()) == 0 for gradient in gradients)


def test_gradients_agree_with_differences():
    rng = np.random.default_rng(3)
    clips, texts = unit(rng, 5, 3), unit(rng, 5, 3)
    captions = (0, 1, 0, 2, 3)
    for mode in MODES:
        gradient = jax.grad(
            lambda x, mode=mode: contrastive_loss(x, jnp.asarray(texts), jnp.asarray(0.3), same_as(captions), mode)[0]
        )(jnp.asarray(clips))
        step = np.zeros_like(clips)
        step[2, 1] = 1e-4
        ahead, behind = (slow_loss(clips + sign * step, texts, 0.3, captions, mode) for sign in (1, -1))
        assert float(gradient[2, 1]) == pytest.approx((ahead - behind) / 2e-4, abs=1e-3)


def test_retrieval_counts_any_text_that_says_the_same():
    captions = (0, 0, 1, 2)
    vectors = jnp.eye(4, dtype=jnp.float32)
    # Clip 1 finds the text of clip 0, which says the same; clip 3 finds that of clip 2, which does not.
    clips = vectors[jnp.asarray((0, 0, 2, 2))]
    _, metrics = contrastive_loss(clips, vectors, jnp.asarray(0.1), same_as(captions), "exclude")
    assert float(metrics["retrieval_v2t"]) == 0.75
    assert float(metrics["repeated_captions"]) == 0.5


@given(st.integers(0, 2**32 - 1))
def test_captions_are_the_same_when_all_their_pieces_are(seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 2, (6, 3)).astype(np.int32)
    valid = np.arange(3) < rng.integers(0, 4, 6)[:, None]
    said = [tuple(row[real]) for row, real in zip(ids, valid, strict=True)]
    expected = [[one == other for other in said] for one in said]
    np.testing.assert_array_equal(same_captions(jnp.asarray(ids), jnp.asarray(valid)), expected)


@pytest.mark.parametrize(
    ("x", "pull", "value", "passed"),
    [
        (0.5, 1.0, 0.5, 1.0),
        (0.5, -1.0, 0.5, -1.0),
        (-0.5, 1.0, 0.0, 0.0),
        (-0.5, -1.0, 0.0, -1.0),
        (0.0, 1.0, 0.0, 0.0),
    ],
)
def test_a_limited_parameter_is_pushed_no_further_and_can_come_back(x, pull, value, passed):
    found, gradient = jax.value_and_grad(lambda x: pull * at_least(x, 0.0))(jnp.asarray(x))
    assert float(found) == pull * value
    assert float(gradient) == passed
