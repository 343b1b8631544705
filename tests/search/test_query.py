import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vp_science.errors import SettingsError
from vp_science.search.query import Example, Query, read_examples

MILLISECONDS = st.integers(-10_000_000, 100_000_000)


@given(st.text(min_size=1).filter(lambda text: text.strip() == text), MILLISECONDS, st.integers(0, 10_000_000))
def test_what_is_written_is_read_back(recording, start_ms, length_ms):
    example = Example(recording, start_ms / 1000, (start_ms + length_ms) / 1000)
    again = Example.parse(str(example))
    assert again.recording == example.recording
    assert again.start_s == pytest.approx(example.start_s, abs=1e-6)
    assert again.stop_s == pytest.approx(example.stop_s, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mouse3@12.5-14", Example("mouse3", 12.5, 14.0)),
        ("mouse3@1:02-1:03.5", Example("mouse3", 62.0, 63.5)),
        ("mouse3@1:02:03-1:02:10", Example("mouse3", 3723.0, 3730.0)),
        ("mouse3@90:00-91:00", Example("mouse3", 5400.0, 5460.0)),
        ("day 1/cage-2@left mouse@3-4", Example("day 1/cage-2@left mouse", 3.0, 4.0)),
        ("mouse3@12.5–14", Example("mouse3", 12.5, 14.0)),  # noqa: RUF001
        ("mouse3@-2.5--1", Example("mouse3", -2.5, -1.0)),
        ("mouse3@7-7", Example("mouse3", 7.0, 7.0)),
    ],
)
def test_forms_of_times(text, expected):
    assert Example.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["mouse3", "mouse3@12", "@1-2", "mouse3@1:2:3:4-5", "mouse3@1:75-2:00", "a@.-1", "", "a@b-c"]
)
def test_other_forms_are_refused_with_the_right_one(text):
    with pytest.raises(SettingsError, match='expected an example as "recording@start-stop"'):
        Example.parse(text)


def test_an_example_does_not_end_before_it_starts():
    with pytest.raises(SettingsError, match=r"start <= stop in seconds, found 4\.0 and 3\.0 in 'a': swap"):
        Example.parse("a@4-3")


def test_a_query_needs_something_to_look_for():
    with pytest.raises(SettingsError, match="something to look for, found nothing"):
        Query(unlike=(Example("a", 1, 2),))


def test_the_same_moment_cannot_be_both():
    with pytest.raises(SettingsError, match="either like or unlike, found a@1-2 as both"):
        Query(like=(Example("a", 1, 2),), unlike=(Example("a", 1, 2),))


def test_a_later_answer_replaces_an_earlier_one():
    first, other = Example("a", 1, 2), Example("b", 3, 4)
    query = Query(like=(first, other)).answered([], [other])
    assert query.like == (first,)
    assert query.unlike == (other,)


def test_examples_count_once():
    assert read_examples(["a@1-2", Example("a", 1.0, 2.0)]) == (Example("a", 1.0, 2.0),)
    assert read_examples("a@1-2") == (Example("a", 1.0, 2.0),)
    assert read_examples(None) == ()


def test_vectors_without_a_text_are_told_apart_by_their_content():
    one, other = Query(vectors=np.ones((1, 3), np.float32)), Query(vectors=np.eye(3, dtype=np.float32)[:1])
    assert one.to_json() != other.to_json()
