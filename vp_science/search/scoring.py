"""From examples and answers to a score of every moment.

With few examples the score is the cosine to a prototype: the mean of what is wanted, less a part of the mean of what is
not (after Rocchio, 1971). With more on both sides it is the probability of a logistic regression that is fitted on the
spot. Where the one becomes the other was measured (docs/search.md).
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64, Int64

from vp_science.errors import SettingsError
from vp_science.search.index import Common, SearchIndex, unit_rows
from vp_science.search.query import Example, Query

Method = Literal["prototype", "logistic"]

LOGISTIC_FROM = 8
"""Examples that are needed on either side before logistic regression takes over."""

NEGATIVE_SHARE = 0.5
"""How much of the mean of the unwanted is subtracted from the mean of the wanted."""

REGULARIZATION = 10.0
"""Inverse of the penalty of the regression, on unit vectors."""

_MAX_ITERATIONS = 200


@dataclass(frozen=True, eq=False)
class Scorer:
    """A linear function of moments.

    Attributes:
        method: ``prototype`` gives cosines (-1 to 1), ``logistic`` probabilities (0 to 1).
        direction: of length 1.
        common: what is subtracted from the moments first.
        scale: of the cosine, for probabilities.
        bias: added to it.
    """

    method: Method
    direction: Float32[np.ndarray, " dim"]
    common: Common
    scale: float = 1.0
    bias: float = 0.0

    def score(self, index: SearchIndex) -> Float32[np.ndarray, " point"]:
        """The score of every moment."""
        cosine = index.project(self.direction[None], self.common)[0]
        return cosine if self.method == "prototype" else _sigmoid(self.scale * cosine + self.bias)


def make_scorer(index: SearchIndex, query: Query, common: Common, method: Method | None = None) -> Scorer:
    """The score that a query asks for.

    Args:
        index: in which the examples lie.
        query: what is looked for.
        common: what is subtracted from all moments first.
        method: None chooses by the number of examples.

    Raises:
        SettingsError: when an example lies in no track, or nothing is left of the query.
    """
    like = [_example_vectors(index, example, common) for example in query.like]
    unlike = [_example_vectors(index, example, common) for example in query.unlike]
    if method is None:
        method = "logistic" if min(len(like), len(unlike)) >= LOGISTIC_FROM else "prototype"
    if method == "logistic":
        return _logistic(like, unlike, common)
    return _prototype(index, query, like, unlike, common)


def _prototype(
    index: SearchIndex, query: Query, like: list[np.ndarray], unlike: list[np.ndarray], common: Common
) -> Scorer:
    """Every example and vector counts the same, however long it is."""
    wanted = [unit_rows(rows.mean(axis=0, keepdims=True)) for rows in like]
    wanted += [_given(index, row[None], common) for row in query.vectors]
    unwanted = [unit_rows(rows.mean(axis=0, keepdims=True)) for rows in unlike]
    direction = np.concatenate(wanted).mean(axis=0, keepdims=True)
    if unwanted:
        direction = direction - NEGATIVE_SHARE * np.concatenate(unwanted).mean(axis=0, keepdims=True)
    direction = unit_rows(np.asarray(direction, np.float32))
    if not direction.any():
        raise SettingsError(
            f"expected examples with a direction, found nothing that tells {query.describe()} from what all moments "
            'have in common: give other examples, or subtract nothing (common="none")'
        )
    return Scorer("prototype", direction[0], common)


def _logistic(like: list[np.ndarray], unlike: list[np.ndarray], common: Common) -> Scorer:
    """Moments of an example share its weight; both sides weigh the same."""
    if not like or not unlike:
        raise SettingsError("expected examples on both sides for logistic regression, found none on one: add some")
    from sklearn.linear_model import LogisticRegression

    weights = [np.full(len(rows), 1 / (len(side) * len(rows))) for side in (like, unlike) for rows in side]
    number = len(like) + len(unlike)
    label = np.repeat([1, 0], [sum(map(len, like)), sum(map(len, unlike))])
    model: Any = LogisticRegression(C=REGULARIZATION, max_iter=_MAX_ITERATIONS)
    model.fit(np.concatenate([*like, *unlike]), label, sample_weight=np.concatenate(weights) * number / 2)
    coefficients = np.asarray(model.coef_[0], np.float64)
    length = float(np.linalg.norm(coefficients))
    if not length:
        raise SettingsError("expected examples that differ, found the same moments on both sides: give others")
    direction = (coefficients / length).astype(np.float32)
    return Scorer("logistic", direction, common, scale=length, bias=float(model.intercept_[0]))


def _example_vectors(index: SearchIndex, example: Example, common: Common) -> Float32[np.ndarray, "n dim"]:
    points: Int64[np.ndarray, " n"] = index.points_of(example)
    return index.vectors(points, common)


def _given(index: SearchIndex, vector: Float32[np.ndarray, "1 dim"], common: Common) -> Float32[np.ndarray, "1 dim"]:
    """A vector that comes from no recording, without what all recordings have in common."""
    unit = unit_rows(vector)
    return unit if common == "none" else unit_rows(unit - index.mean)


def _sigmoid(logits: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    halves: Float64[np.ndarray, " n"] = 0.5 * np.tanh(0.5 * logits.astype(np.float64)) + 0.5
    return halves.astype(np.float32)
