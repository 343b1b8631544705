"""Sentences to ids, as the official code makes them."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from toy_tokenizer import SENTENCES, make_tokenizer

from vp_science.checkpoints.fetch import fetch_file, find_cached
from vp_science.checkpoints.registry import TOKENIZER
from vp_science.checkpoints.tokenizer import MAX_PIECES, TextWarning, canonicalize, load_tokenizer
from vp_science.errors import CheckpointError, SettingsError


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_tokenizer(make_tokenizer(tmp_path_factory.mktemp("spm") / "toy.model"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", "hello world."),
        ("Hello,World..", "hello world."),
        ("  Hello   WORLD", "hello world."),
        ("", "."),
        ("a_mouse/rearing-up", "a mouse rearing up."),
        ("two\tflies\n", "two flies."),
        ("ÄÖ b", "äö b."),
    ],
)
def test_canonical_texts(text, expected):
    assert canonicalize(text) == expected


@given(st.text(max_size=50))
def test_canonical_texts_stay_as_they_are(text):
    once = canonicalize(text)
    assert canonicalize(once) == once
    assert once.endswith(".")
    assert "  " not in once


def test_ids_are_padded_on_the_right_without_marks(tokenizer):
    ids, valid = tokenizer(["A mouse, grooming!", "two flies walk"])
    assert ids.shape == valid.shape == (2, MAX_PIECES)
    assert ids.dtype == np.int32
    counts = valid.sum(axis=1)
    for row, text in enumerate(["a mouse grooming.", "two flies walk."]):
        pieces = tokenizer._processor.encode(text, out_type=int)
        assert list(ids[row, : counts[row]]) == pieces
        assert 1 not in pieces, "an end mark was added"
        assert valid[row, : counts[row]].all()
        assert (ids[row, counts[row] :] == 0).all()
    assert (ids < tokenizer.size).all()


def test_as_it_stands_without_canonical_form(tokenizer):
    same, _ = tokenizer(["a mouse grooming."], canonical=False)
    other, _ = tokenizer(["A MOUSE grooming."], canonical=False)
    assert (same == tokenizer(["a mouse grooming."])[0]).all()
    assert (same != other).any()


def test_a_begin_mark_where_the_model_has_one(tmp_path):
    options = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
    with_bos = load_tokenizer(make_tokenizer(tmp_path / "bos.model", **options))
    ids, _ = with_bos(["a mouse"])
    assert ids[0, 0] == 1
    assert 2 not in ids[0]


def test_long_texts_are_cut_with_a_warning(tokenizer):
    with pytest.warns(TextWarning, match=r'a text has \d+ pieces, and the model reads 6: the rest of "a mouse'):
        ids, valid = tokenizer(["a mouse grooming and rearing and walking", "a"], max_length=6)
    assert valid[0].all()
    assert not valid[1].all()
    whole, _ = tokenizer(["a mouse grooming and rearing and walking"])
    assert (ids[0] == whole[0, :6]).all()


@pytest.mark.parametrize("texts", ["a mouse", [], [3]])
def test_texts_must_be_a_list_of_texts(tokenizer, texts):
    # The type checker of the test run stops numbers before our own check sees them.
    with pytest.raises((SettingsError, TypeCheckError), match=r"expected a list of at least one sentence|texts"):
        tokenizer(texts)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 1000])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.model"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x.model: expected a SentencePiece model, found something else"):
        load_tokenizer(path)


def test_missing_files_folders_and_weights(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read the tokenizer .*absent"):
        load_tokenizer(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="cannot read the tokenizer"):
        load_tokenizer(tmp_path)
    big = tmp_path / "weights.npz"
    with big.open("wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(CheckpointError, match="at most 64 MiB, found 100 MiB"):
        load_tokenizer(big)


def test_the_released_tokenizer_is_pinned_and_looked_for_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("VP_SCIENCE_WEIGHTS", str(tmp_path))
    assert len(TOKENIZER.revision) == 40
    [file] = TOKENIZER.files
    assert len(file.sha256) == 64
    assert file.size_bytes == 798_330
    dropped = tmp_path / file.local_name
    dropped.write_bytes(b"\n" * file.size_bytes)
    found = hashlib.sha256(dropped.read_bytes()).hexdigest()
    with pytest.raises(CheckpointError, match=f"expected sha256 {file.sha256}, found {found}"):
        load_tokenizer()
    dropped.unlink()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(
        CheckpointError, match=r"c4_en: expected the tokenizer file spiece.model .*vp-science fetch c4_en"
    ):
        fetch_file(TOKENIZER, offline=True, cache_dir=tmp_path / "hub")


def test_golden_ids_of_the_released_tokenizer():
    """Published by the authors of the transformers port, from the official notebook."""
    if find_cached(TOKENIZER) is None:
        pytest.skip("needs the released tokenizer: vp-science fetch c4_en")
    ids, valid = load_tokenizer(offline=True)(
        [
            f"a video of {what}."
            for what in ("playing drums", "sitting", "playing flute", "playing at playground", "concert")
        ]
    )
    expected = [
        [262, 266, 768, 267, 1376, 14293, 259],
        [262, 266, 768, 267, 2865, 259],
        [262, 266, 768, 267, 1376, 20682, 259],
        [262, 266, 768, 267, 1376, 289, 10691, 259],
        [262, 266, 768, 267, 4605, 259],
    ]
    assert [list(row[real]) for row, real in zip(ids, valid, strict=True)] == expected


def test_training_sentences_are_not_unknown(tokenizer):
    ids, valid = tokenizer(SENTENCES[:6])
    assert not (ids[valid] == 2).any()
