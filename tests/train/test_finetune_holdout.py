"""Whole recordings are held out, with what belongs to them; the others keep every behavior."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vp_science.batch import BatchItem
from vp_science.errors import SettingsError
from vp_science.timeline.grid import SampleGrid
from vp_science.train.data.settings import DataSettings
from vp_science.train.finetune.holdout import split_recordings, without_held_out
from vp_science.train.finetune.labelled import Labelled, labelled_stretches
from vp_science.train.finetune.settings import FinetuneSettings, LabelSettings, LoraSettings, ReadoutSettings
from vp_science.train.finetune.settings import ValidationSettings as Held
from vp_science.train.settings_file import read_settings


def recording(name, shown, frames=10, source=0, unknown=0):
    """Frames of which each behavior in ``shown`` has one; the last ``unknown`` ones are not labelled."""
    states = np.zeros((frames, 3), np.int8)
    for behavior in shown:
        states[behavior, behavior] = 1
    states[frames - unknown :] = -1
    grid = SampleGrid.from_timestamps(np.arange(frames) / 10)
    return Labelled(source, BatchItem(Path(name), name), name, "", grid, states)


def names(parts):
    return [one.recording for one in parts]


def test_about_a_fifth_is_held_out_with_as_many_behaviors_as_may_be():
    study = [recording("a", [0, 1, 2]), recording("b", [0, 1]), recording("c", [0, 1, 2]), recording("d", [0, 1, 2])]
    split = split_recordings([*study, recording("e", [2])], Held())
    assert len(split.held) == 1
    assert names(split.held)[0] in "acd"
    assert split.how == f"held-out recording {names(split.held)[0]}"
    assert sorted(names(split.train + split.held)) == list("abcde")


def test_the_only_example_of_a_behavior_stays_in_training():
    split = split_recordings([recording("a", [0]), recording("b", [0, 1]), recording("c", [0, 2])], Held())
    assert names(split.held) == ["a"]


def test_nothing_is_held_out_where_that_is_not_safe():
    for study in ([recording("a", [0, 1])], [recording("a", [0]), recording("b", [1])]):
        split = split_recordings(study, Held())
        assert split.held == []
        assert split.how.startswith("nothing was held out, because")
    assert split_recordings([recording("a", [0]), recording("b", [0])], Held(share=0.0)).held == []


def test_recordings_are_named_by_patterns():
    study = [recording(name, [0, 1]) for name in ("mouse1", "mouse2", "rat1")]
    split = split_recordings(study, Held(recordings=("mouse?",)))
    assert (names(split.held), names(split.train)) == (["mouse1", "mouse2"], ["rat1"])
    assert split.how == "held-out 2 recordings mouse1, mouse2"
    with pytest.raises(SettingsError, match=r"validation.recordings: .*\(mouse1, mouse2, rat1\), found 'cat', which"):
        split_recordings(study, Held(recordings=("mouse1", "cat")))
    with pytest.raises(SettingsError, match="expected labelled recordings besides those that are held out"):
        split_recordings(study, Held(recordings=("*",)))


def test_recordings_of_one_animal_stay_together(tmp_path):
    table = tmp_path / "recordings.csv"
    table.write_text("recording,animal\na1,A\na2,A\nb1,B\nb2,B\nc1,C\nc2,C\nd1,D\nd2,D\n")
    study = [recording(f"{animal}{n}", [0, 1]) for animal in "abcd" for n in (1, 2)]
    split = split_recordings(study, Held(table=str(table)))
    held = {name[0] for name in names(split.held)}
    assert len(held) == 1
    assert not held & {name[0] for name in names(split.train)}
    assert split.how.endswith("(with all that share an animal, a session or a site)")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sets(st.integers(0, 2)), st.integers(4, 40), st.integers(0, 3)), min_size=1, max_size=8),
    st.floats(0.05, 0.6),
)
def test_every_split_is_safe(kinds, share):
    study = [recording(f"r{i}", shown, frames, unknown=gap) for i, (shown, frames, gap) in enumerate(kinds)]
    split = split_recordings(study, Held(share=share))

    def shown(parts):
        return np.any([(one.states == 1).any(axis=0) for one in parts], axis=0)

    assert sorted(names(split.train + split.held)) == sorted(names(study))
    np.testing.assert_array_equal(shown(split.train), shown(study))
    total = sum(one.labelled_frames for one in study)
    assert sum(one.labelled_frames for one in split.held) <= total / 2


def test_what_is_held_out_leaves_its_data_set():
    data = (DataSettings("x", annotations="l", exclude=("old",)), DataSettings("y", annotations="l"))
    left = without_held_out(data, [recording("a[1]", [0], source=1), recording("b", [0], source=1)])
    assert left[0] == data[0]
    assert left[1].exclude == ("a[[]1]", "b")


def test_labelled_stretches_have_context_and_join_when_close():
    states = np.full((60, 1), -1, np.int8)
    states[10:12] = states[15] = states[40] = 0
    assert labelled_stretches(states, 3).tolist() == [[7, 19], [37, 44]]
    assert labelled_stretches(states, 20).tolist() == [[0, 60]]
    assert labelled_stretches(states[:5], 3).tolist() == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FinetuneSettings(), "data: expected at least one data set with recordings and annotations"),
        (lambda: FinetuneSettings(data=(DataSettings("x"),), blocks=0), "blocks: expected 1 or more, found 0"),
        (
            lambda: FinetuneSettings(data=(DataSettings("x"),), encoder_rate=0.0),
            "encoder_rate: expected more than 0, at most 10, or none, found 0",
        ),
        (
            lambda: FinetuneSettings(data=(DataSettings("x"),), labels=LabelSettings(central=65)),
            "labels.central: expected at most clips.num_frames=64, found 65",
        ),
        (lambda: FinetuneSettings(data=(DataSettings("x"),), name=" "), "name: expected a name, found ' '"),
        (lambda: ReadoutSettings(width=100, heads=8), "heads: expected a divisor of width=100, found 8"),
        (lambda: ReadoutSettings(dropout=1.0), "dropout: expected 0 to below 1, found 1"),
        (lambda: ReadoutSettings(layers=5), "layers: expected 1 to 4, found 5"),
        (lambda: LoraSettings(rank=0), "rank: expected 1 or more, found 0"),
        (lambda: LoraSettings(targets=("query", "query")), "targets: expected one or more, each once"),
        (lambda: LabelSettings(smoothing=0.5), "smoothing: expected 0 to below 0.5, found 0.5"),
        (lambda: Held(share=1.0), "share: expected 0 to below 1, found 1"),
    ],
)
def test_impossible_settings_are_refused(make, message):
    with pytest.raises(SettingsError, match=message):
        make()


@pytest.mark.parametrize("name", ["lora", "frames"])
def test_recipes_are_settings(name):
    recipe = Path(__file__).parents[2] / "recipes" / f"finetune_{name}.toml"
    chosen = read_settings(FinetuneSettings, recipe, [("data", '{path = "x", annotations = "y"}')])
    assert chosen.readout.kind == "frames"
    assert chosen.clips.num_frames == 64
    assert chosen.loop.batch_size % chosen.loop.accumulation == 0
    encoder_rate = chosen.optimizer.learning_rate * chosen.encoder_factor
    assert 3e-5 < encoder_rate < 2e-4


def test_the_rate_and_the_stride_follow_what_is_trained():
    data = (DataSettings("x"),)
    rates = [FinetuneSettings(data=data, train=train).encoder_factor for train in ("lora", "top", "full")]
    assert rates == [0.5, 0.1, 0.03]
    assert FinetuneSettings(data=data, encoder_rate=0.2).encoder_factor == 0.2
    assert FinetuneSettings(data=data).stride == 16
    assert FinetuneSettings(data=data, readout=ReadoutSettings("attention")).stride == 4
    assert FinetuneSettings(data=data, labels=LabelSettings(central=7)).stride == 7
