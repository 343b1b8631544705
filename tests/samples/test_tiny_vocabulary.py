"""The vocabulary that ships: made by its recipe, small, and any text has ids."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from vp_science.checkpoints.tokenizer import MAX_PIECES, TINY_VOCABULARY, canonicalize, load_tokenizer

RECIPE = Path(__file__).parents[2] / "recipes" / "tiny_vocabulary.py"


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("tiny_vocabulary_recipe", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus(recipe):
    return recipe.sentences()


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(TINY_VOCABULARY)


def decoded(tokenizer, text: str) -> str:
    ids, valid = tokenizer([text], max_length=512)
    return tokenizer._processor.decode([int(one) for one in ids[0][valid[0]]])


def test_it_is_small_and_has_1024_pieces(tokenizer):
    assert tokenizer.size == 1024
    assert TINY_VOCABULARY.stat().st_size < 40_000


def test_the_recipe_makes_these_bytes(recipe, corpus):
    assert recipe.train(corpus) == TINY_VOCABULARY.read_bytes()


@pytest.mark.parametrize(
    "text",
    ["a mouse rearing against the wall", "Éland, 動物 ☃!", "Pan troglodytes verus", "x" * 90, "\u0000\u2028", "ﬁsh"],
)
def test_any_text_has_ids_and_comes_back(tokenizer, text):
    ids, valid = tokenizer([text], max_length=512)
    assert valid.sum() >= 1
    assert (ids[valid] < tokenizer.size).all()
    assert tokenizer._processor.unk_id() not in ids[valid]
    if text.isascii() and text.isprintable():
        assert decoded(tokenizer, text) == canonicalize(text)


def test_captions_are_short_and_words_of_the_grammar_are_mostly_whole(tokenizer, corpus):
    texts = corpus[-900:]
    ids, valid = tokenizer(texts)
    assert valid.sum(axis=1).max() < MAX_PIECES
    words = np.array([len(canonicalize(text).split()) for text in texts])
    assert (valid.sum(axis=1) / words).mean() < 1.25
    assert ids.max() < 1024


def test_padding_is_0_and_no_marks_are_put_around(tokenizer):
    ids, valid = tokenizer(["a mouse", "a mouse walks forward in a pale arena"])
    assert (ids[~valid] == 0).all()
    assert (ids[valid] > 2).all()
