"""Drawn clips: the same bytes every time, captions and states that say what is shown."""

import itertools

import numpy as np
import pytest

from vp_science.errors import SettingsError
from vp_science.samples.synthetic import (
    MOTION_ONLY,
    SYNTHETIC_BEHAVIORS,
    SyntheticSettings,
    draw_clips,
)
from vp_science.samples.synthetic.behaviors import PROGRAMS, SOCIAL, shown_table
from vp_science.samples.synthetic.species import SPECIES

FRAMES, SIZE = 8, 48
TINY = {"num_frames": FRAMES, "size": SIZE}


@pytest.fixture(scope="module")
def clips():
    return draw_clips(5, np.arange(24), SyntheticSettings(**TINY, changes=0.3, directions=True))


def test_a_clip_does_not_depend_on_its_batch(clips):
    settings = SyntheticSettings(**TINY, changes=0.3, directions=True)
    some = np.array([17, 3, 3, 20])
    again = draw_clips(5, some, settings)
    assert np.array_equal(again.video, clips.video[some])
    assert again.captions == [clips.captions[row] for row in some]
    assert again.paraphrases == [clips.paraphrases[row] for row in some]
    assert np.array_equal(again.states, clips.states[some])
    assert again.shown == [clips.shown[row] for row in some]


def test_clips_differ_by_row_and_seed_also_above_32_bits(clips):
    settings = SyntheticSettings(**TINY)
    far = np.array([1, 2, 1 + (1 << 32), 1 << 40])
    video = np.concatenate([draw_clips(5, far, settings).video, draw_clips(5 + (1 << 32), far, settings).video])
    assert len({clip.tobytes() for clip in video}) == len(video)


def test_shapes_and_ranges(clips):
    assert clips.video.shape == (24, FRAMES, SIZE, SIZE, 3)
    assert clips.video.dtype == np.uint8
    assert clips.states.shape == (24, FRAMES, len(SYNTHETIC_BEHAVIORS))
    assert (clips.states.sum(axis=2) == 1).all()
    spread = clips.video.reshape(24, -1).astype(float).std(axis=1)
    assert spread.min() > 3, "every picture shows something"


def test_states_and_captions_say_what_is_shown(clips):
    for row, shown in enumerate(clips.shown):
        named = [SYNTHETIC_BEHAVIORS.names[column] for column in clips.states[row].argmax(axis=1)]
        changes = sum(one != two for one, two in itertools.pairwise(named))
        assert named[0] == shown.behavior
        assert named[-1] == shown.then
        assert changes == (shown.then != shown.behavior)
        noun = shown.kind.name if shown.animals == 1 or shown.behavior in SOCIAL else shown.kind.plural
        for text in (clips.captions[row], *clips.paraphrases[row], clips.brief[row]):
            assert noun in text
            assert text.startswith("two ") == (shown.animals == 2 and shown.behavior not in SOCIAL)
            assert "{" not in text
        assert ", then " in clips.captions[row] or shown.then == shown.behavior
        if shown.look in ("grey", "infrared") and shown.color not in ("black", "white", "grey", "dark brown"):
            assert shown.color not in clips.captions[row], "a color that cannot be seen is not said"


def test_directions_are_said_only_when_asked():
    without = draw_clips(5, np.arange(24), SyntheticSettings(**TINY))
    texts = [*without.captions, *(text for pair in without.paraphrases for text in pair)]
    assert not any("left" in text or "right" in text.replace("upright", "") for text in texts)


def test_every_behavior_is_drawn_of_every_species_that_shows_it():
    settings = SyntheticSettings(**TINY)
    assert np.array_equal(settings.shown(), shown_table())
    assert len(SYNTHETIC_BEHAVIORS) >= 16
    assert shown_table().any(axis=1).all(), "no behavior without an animal"
    assert shown_table().any(axis=0).all(), "no animal without a behavior"
    for first, second in MOTION_ONLY:
        rows = [SYNTHETIC_BEHAVIORS.index(name) for name in (first, second)]
        if (first, second) != ("standing still", "trembling"):
            assert np.array_equal(*shown_table()[rows]), "pairs are shown by the same species"


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_frames": 0}, "num_frames: expected 1 to 4096, found 0"),
        ({"size": 8}, "size: expected 16 to 2048, found 8"),
        ({"fps": 0.0}, "fps: expected more than 0, found 0"),
        ({"fps": float("nan")}, "fps: expected more than 0, found nan"),
        ({"pairs": 1.5}, "pairs: expected 0 to 1, found 1.5"),
        ({"changes": -0.1}, "changes: expected 0 to 1"),
        ({"species": ("mose",)}, "found 'mose'; did you mean 'mouse'"),
        ({"behaviors": ("rering",)}, "found 'rering'; did you mean 'rearing'"),
        ({"backgrounds": ("moon",)}, "backgrounds: expected some of .*, found 'moon'"),
        ({"looks": ("gray",)}, "found 'gray'; did you mean 'grey'"),
        ({"species": ("worm",), "behaviors": ("rearing",)}, "found 'rearing', which .*mouse.* show: choose other"),
        ({"species": ("mouse", "fish"), "backgrounds": ("pale arena",)}, "found 'fish': leave it out"),
    ],
)
def test_settings_are_checked(values, message):
    with pytest.raises(SettingsError, match=message):
        SyntheticSettings(**values)


def test_species_follow_from_the_backgrounds():
    shown = SyntheticSettings(backgrounds=("open water",)).shown()
    assert {SPECIES[row].name for row in np.flatnonzero(shown.any(axis=0))} == {"fish"}


@pytest.mark.parametrize(("seed", "rows"), [(-1, [0]), (0, [-1]), (0, [])])
def test_seed_and_rows_are_checked(seed, rows):
    with pytest.raises(SettingsError, match="expected seed and rows of 0 or more"):
        draw_clips(seed, np.array(rows, np.int64), SyntheticSettings(**TINY))


@pytest.mark.parametrize(("first", "second"), [("rearing", "crouching"), ("curled up", "stretched out")])
def test_a_posture_changes_a_picture_more_than_time_does(first, second):
    # The same rows: the same scenes, where only what the animal does is another thing.
    kinds = {"species": ("mouse",), "pairs": 0.0, "looks": ("color",), "backgrounds": ("pale arena", "cage", "sand")}
    one, two = (
        draw_clips(3, np.arange(8), SyntheticSettings(**TINY, **kinds, behaviors=(name,))).video.astype(np.float32)
        for name in (first, second)
    )
    between = _most(one.mean(axis=1) - two.mean(axis=1))
    within = np.maximum(*(_most(video[:, :4].mean(axis=1) - video[:, 4:].mean(axis=1)) for video in (one, two)))
    assert np.median(between / within) > 1.5


def _most(change: np.ndarray) -> np.ndarray:
    """How much the pixels change that change most, per clip."""
    return np.quantile(np.abs(change).mean(axis=-1).reshape(len(change), -1), 0.99, axis=1)


def test_programs_are_a_catalogue():
    assert [entry.name for entry in PROGRAMS] == list(SYNTHETIC_BEHAVIORS.names)
    assert SYNTHETIC_BEHAVIORS.exclusive
    assert all(entry.description and entry.category for entry in SYNTHETIC_BEHAVIORS)
