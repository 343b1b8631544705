"""How right the rest is: the interval holds what it promises, whatever the order and however wrong the scores are."""

import numpy as np
import pytest
from scipy.special import expit, logit

from vp_science.sessions.review_estimate import estimate_rest


def simulated(shift, slope, decided, order, turns=60, seed=0):
    """Estimates and truths of many reviews of 300 bouts."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(turns):
        scores = rng.beta(4, 1.5, 300)
        right = rng.random(300) < expit(shift + slope * logit(scores))
        places = np.argsort(scores) if order == "least sure first" else rng.permutation(300)
        done, left = places[:decided], places[decided:]
        found.append((estimate_rest(scores[left], scores[done], right[done]), right[left].mean()))
    return found


@pytest.mark.parametrize("order", ["least sure first", "any"])
@pytest.mark.parametrize(("shift", "slope"), [(0, 1), (-1, 0.7), (1.2, 1.2)])
@pytest.mark.parametrize("decided", [0, 40])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(order, shift, slope, decided):
    hits = [one.low <= truth <= one.high for one, truth in simulated(shift, slope, decided, order)]
    assert np.mean(hits) >= 0.85  # 95 % of 60, less the luck of 60 draws


def test_decisions_move_it_from_the_scores_to_the_truth_and_make_it_narrow():
    errors, widths = [], []
    for decided in (0, 30, 150):
        found = simulated(-1.5, 0.6, decided, "any", turns=30)
        errors.append(np.mean([one.share - truth for one, truth in found]))
        widths.append(np.mean([one.high - one.low for one, _ in found]))
    assert errors[0] > 0.25
    assert abs(errors[2]) < 0.03
    assert widths[0] > widths[1] > widths[2]


def test_few_decisions_do_no_harm_and_nothing_is_said_about_nothing():
    one = estimate_rest(np.full(50, 0.9), np.array([0.9]), np.array([False]))
    assert 0.4 < one.share < 0.9
    assert (one.rest, one.decisions) == (50, 1)
    none = estimate_rest(np.array([np.nan]), np.array([0.9]), np.array([True]))
    assert np.isnan(none.share)
    assert none.rest == 0
    assert estimate_rest(np.full(2000, 0.99), np.full(2000, 0.99), np.ones(2000, bool)).low > 0.99
