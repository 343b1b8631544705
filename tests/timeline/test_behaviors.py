import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vp_science.errors import AnnotationError
from vp_science.timeline.behaviors import Behavior, Behaviors

names = st.lists(st.text(min_size=1).filter(lambda text: text.strip()), unique=True, max_size=6)


@given(names=names, exclusive=st.booleans(), data=st.data())
def test_catalogues_survive_json(names, exclusive, data):
    entries = [
        Behavior(name, data.draw(st.sampled_from(["state", "point"])), data.draw(st.text()), color="#E69f00")
        for name in names
    ]
    behaviors = Behaviors.of(entries, exclusive=exclusive)
    assert Behaviors.from_json(json.loads(json.dumps(behaviors.to_json()))) == behaviors
    assert [behaviors.index(name) for name in names] == list(range(len(names)))


def test_what_a_catalogue_knows():
    behaviors = Behaviors.of(["attack", Behavior("tap", "point")], exclusive=True, background="other")
    assert behaviors.names == ("attack", "tap")
    assert behaviors["tap"].kind == "point"
    assert "tap" in behaviors
    assert "other" not in behaviors
    assert len(behaviors) == 2
    assert [entry.name for entry in behaviors] == ["attack", "tap"]
    assert not behaviors.replaced(exclusive=False).exclusive
    with pytest.raises(AnnotationError, match="expected one of the behaviors attack, tap, found 'groom': check"):
        behaviors.index("groom")


def test_merged_catalogues():
    one = Behaviors.of(["a", "b"], exclusive=True, background="other")
    two = Behaviors.of(["b", "c"], exclusive=True)
    assert one.merged(two) == Behaviors.of(["a", "b", "c"], exclusive=True, background="other")
    assert not one.merged(two.replaced(exclusive=False)).exclusive
    with pytest.raises(AnnotationError, match="'b' is a state in one file and a point in another: rename"):
        one.merged(Behaviors.of([Behavior("b", "point")]))
    with pytest.raises(AnnotationError, match="calls time without behavior 'other', another 'none'"):
        one.merged(Behaviors.of([], background="none"))
    with pytest.raises(AnnotationError, match="'other' is a behavior in one file and the background in another"):
        one.merged(Behaviors.of(["other"]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Behavior("  "), "expected every behavior to have a name"),
        (lambda: Behavior("a", color="red"), "behavior 'a': expected a color such as #e69f00, found 'red'"),
        (lambda: Behaviors.of(["a", "a"]), "expected every behavior once, found 'a' twice"),
        (lambda: Behaviors.of(["a"], background="a"), "expected the background 'a' not to be a behavior as well"),
    ],
)
def test_wrong_catalogues(make, message):
    with pytest.raises(AnnotationError, match=message):
        make()


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"entries": [], "exclusive": 1, "background": ""},
        {"entries": [{"name": 3}], "exclusive": True, "background": ""},
        {"entries": [{"nome": "a"}], "exclusive": True, "background": ""},
        {"entries": ["a"], "exclusive": True, "background": ""},
        {"entries": [], "exclusive": True},
    ],
)
def test_json_that_is_no_catalogue(value):
    with pytest.raises(AnnotationError, match="expected a catalogue of behaviors as JSON, found something else"):
        Behaviors.from_json(value)
