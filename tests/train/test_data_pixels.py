import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

sys.path.insert(0, str(Path(__file__).parent))

from vp_science.errors import SettingsError
from vp_science.train.data.colors import jitter_colors, mean_luma
from vp_science.train.data.mixup import mix_pair
from vp_science.train.data.random_crop import WHOLE, BoxedPreprocess, draw_box
from vp_science.train.data.schedule import Schedule
from vp_science.train.data.settings import AugmentSettings, ClipSettings, DataSettings, DrawSettings
from vp_science.train.data.trivial import TRIVIAL_OPERATIONS, apply_operation, apply_trivial
from vp_science.video.preprocess import Preprocess
from vp_science.video.resize import FrameScaler

RNG = np.random.default_rng(3)
CLIP = RNG.integers(0, 256, (2, 9, 12, 3), dtype=np.uint8)


def shown(box, fit="squash", source=(64, 48), size=48):
    geometry = BoxedPreprocess(size, size, fit, None, box).geometry(*source)
    ramp = np.zeros((source[1], source[0], 3), np.uint8)
    ramp[..., 0] = np.arange(source[0])[None, :] * 4
    ramp[..., 1] = np.arange(source[1])[:, None] * 5
    ramp[..., 2] = 200
    return geometry, FrameScaler(*source, geometry).array(ramp)


def test_the_whole_box_is_the_plain_preprocessing():
    for fit in ("squash", "crop", "pad"):
        plain = Preprocess(30, 30, fit).geometry(64, 48)
        assert BoxedPreprocess(30, 30, fit, None, WHOLE).geometry(64, 48) == plain


def test_a_crop_is_cut_out_of_the_source_pixels():
    geometry, pixels = shown((0.25, 0.5, 0.5, 0.25), source=(96, 96), size=24)
    assert geometry.source == (24, 48, 48, 24)
    assert (geometry.scaled, geometry.offset) == ((24, 24), (0, 0))
    same, exact = shown((0.25, 0.25, 0.5, 0.5), source=(96, 96), size=48)  # one source pixel is one output pixel
    assert same.source == (24, 24, 48, 48)
    np.testing.assert_array_equal(exact[..., 0], np.tile(np.uint8(np.arange(24, 72) * 4 % 256), (48, 1)))
    assert pixels.shape == (24, 24, 3)


def test_a_crop_of_padded_frames_keeps_what_is_black():
    geometry, pixels = shown((0.0, 0.0, 0.5, 0.5), fit="pad", source=(64, 32), size=64)
    assert geometry.source == (0, 0, 32, 16)  # the upper half of the square: black, then half of the picture
    assert (geometry.scaled, geometry.offset) == ((64, 32), (0, 32))
    assert not pixels[:32].any()
    assert (pixels[32:, :, 2] == 200).all()
    black = BoxedPreprocess(64, 64, "pad", None, (0.0, 0.0, 0.2, 0.2))
    assert black.geometry(64, 32) == Preprocess(64, 64, "pad").geometry(64, 32)


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)), st.sampled_from(["squash", "crop", "pad"]), st.integers(0, 99),
    st.sampled_from([(0.02, 0.1), (0.3, 1.0), (1.0, 1.0)]),
)  # fmt: skip
def test_every_box_gives_pixels_inside_of_the_frame(source, fit, seed, area):
    box = draw_box(AugmentSettings(area=area, aspect=(0.5, 2.0)), np.random.default_rng(seed))
    assert min(box) >= 0
    assert box[0] + box[2] <= 1 + 1e-9
    assert box[1] + box[3] <= 1 + 1e-9
    geometry = BoxedPreprocess(18, 18, fit, None, box).geometry(*source)
    x, y, width, height = geometry.source
    assert x >= 0
    assert y >= 0
    assert 1 <= width <= source[0] - x
    assert 1 <= height <= source[1] - y
    for axis in (0, 1):
        assert geometry.scaled[axis] >= 1
        assert 0 <= geometry.offset[axis] <= 18 - geometry.scaled[axis]


def test_boxes_have_the_areas_and_aspects_asked_for():
    settings = AugmentSettings(area=(0.3, 0.9), aspect=(0.5, 2.0))
    boxes = [draw_box(settings, np.random.default_rng(seed)) for seed in range(500)]
    drawn = np.array([box for box in boxes if box != WHOLE])
    area, aspect = drawn[:, 2] * drawn[:, 3], drawn[:, 2] / drawn[:, 3]
    assert area.min() >= 0.3 - 1e-9
    assert area.max() <= 0.9 + 1e-9
    assert area.min() < 0.33
    assert aspect.min() >= 0.5 - 1e-9
    assert aspect.max() <= 2 + 1e-9
    assert aspect.max() > 1.6
    assert len(drawn) > 450


def test_colors_are_one_affine_map_for_the_whole_clip():
    assert np.array_equal(jitter_colors(CLIP, 0.0, np.random.default_rng(0)), CLIP)
    rng = np.random.default_rng(5)
    brightness, contrast, saturation = np.random.default_rng(5).uniform(0.6, 1.4, 3)
    slow = CLIP.astype(np.float64) * brightness
    luma = np.array([0.299, 0.587, 0.114])
    slow = (slow - mean_luma(CLIP) * brightness) * contrast + mean_luma(CLIP) * brightness
    grey = (CLIP.astype(np.float64) @ luma)[..., None] * brightness * contrast + mean_luma(CLIP) * brightness * (
        1 - contrast
    )
    slow = grey + saturation * (slow - grey)
    expected = np.floor(np.clip(slow + 0.5, 0, 255.5))
    found = jitter_colors(CLIP, 0.4, rng)
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.01
    still = np.repeat(CLIP[:1], 3, axis=0)
    varied = jitter_colors(still, 0.4, np.random.default_rng(1))
    assert (varied == varied[:1]).all()


def pil(name, strength, frame):
    image, factor = Image.fromarray(frame), 1 + 0.99 * strength
    enhancers = {"brightness": ImageEnhance.Brightness, "sharpness": ImageEnhance.Sharpness}
    if name in enhancers:
        return np.asarray(enhancers[name](image).enhance(factor))
    if name == "saturation":
        return np.asarray(ImageEnhance.Color(image).enhance(factor))
    if name == "posterize":
        return np.asarray(ImageOps.posterize(image, 8 - round(abs(strength) * 6)))
    if name == "solarize":
        return np.asarray(ImageOps.solarize(image, 256 - round(abs(strength) * 256)))
    if name == "autocontrast":
        return np.asarray(ImageOps.autocontrast(image))
    return np.asarray(image.rotate(135 * strength, Image.Resampling.BILINEAR))


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("brightness", 1), ("saturation", 2), ("posterize", 0), ("solarize", 0), ("autocontrast", 1), ("sharpness", 0)],
)
@pytest.mark.parametrize("strength", [-0.8, 0.5, 1.0])
def test_operations_are_those_of_pillow(name, tolerance, strength):
    found = apply_operation(CLIP[:1], name, strength)
    assert np.abs(found[0].astype(int) - pil(name, strength, CLIP[0]).astype(int)).max() <= tolerance


def test_movements_move_what_they_should():
    clip = np.zeros((1, 21, 21, 3), np.uint8)
    clip[:, 8:13, 8:13] = 255
    right = apply_operation(clip, "translate_x", -1.0)  # 3 pixels
    assert np.argwhere(right[0, :, :, 0]).min(axis=0).tolist() == [8, 11]
    assert np.array_equal(apply_operation(clip, "identity", 1.0), clip)
    quarter = np.zeros((1, 21, 21, 3), np.uint8)
    quarter[:, 9:12, 2:6] = 255
    turned = apply_operation(quarter, "rotate", 90 / 135)
    rows, columns = np.argwhere(turned[0, :, :, 0] > 128).mean(axis=0)
    assert abs(columns - 10) < 0.6
    assert abs(abs(rows - 10) - 6.5) < 0.6
    equal = apply_operation(CLIP, "equalize", 0.0)
    assert equal.min() == 0
    assert equal.max() == 255
    flat = np.full((2, 5, 5, 3), 7, np.uint8)
    for name in TRIVIAL_OPERATIONS:
        assert apply_operation(flat, name, 1.0).shape == flat.shape
    assert np.array_equal(apply_operation(flat, "equalize", 1.0), flat)


@given(st.integers(0, 10_000))
def test_every_frame_of_a_clip_is_varied_alike(seed):
    clip = np.repeat(CLIP[:1], 3, axis=0)
    varied = apply_trivial(clip, np.random.default_rng(seed))
    assert varied.dtype == np.uint8
    assert varied.shape == clip.shape
    assert (varied == varied[:1]).all()


def test_mixup_mixes_pixels_and_keeps_both_labels():
    first = {"video": np.full((2, 3, 3, 3), 200, np.uint8), "valid": np.array([True, False]), "states": np.eye(2, 2)}
    second = {
        "video": np.full((2, 3, 3, 3), 100, np.uint8),
        "valid": np.array([True, True]),
        "states": np.zeros((2, 2)),
    }
    one, other = mix_pair(first, second, 0.8, np.random.default_rng(2))
    share = float(one["mix"])
    assert 0 < share < 1
    assert one["mix"] == other["mix"]
    assert (one["video"] == int(200 * share + 100 * (1 - share) + 0.5)).all()
    assert (other["video"] == int(100 * share + 200 * (1 - share) + 0.5)).all()
    assert one["states"] is first["states"]
    assert one["partner_states"] is second["states"]
    assert other["partner_states"] is first["states"]
    assert one["valid"].all()
    shares = [float(mix_pair(first, second, 0.8, np.random.default_rng(seed))[0]["mix"]) for seed in range(400)]
    assert abs(np.mean(shares) - 0.5) < 0.04
    assert np.var(shares) == pytest.approx(0.25 / (2 * 0.8 + 1), rel=0.15)


def test_data_sets_alternate_by_weight_and_without_chance():
    schedule = Schedule.of([2.0, 1.0, 1.0])
    drawn = [schedule(step) for step in range(4000)]
    sets = np.array([chosen for chosen, _ in drawn])
    np.testing.assert_array_equal(np.bincount(sets), [2000, 1000, 1000])
    for window in range(0, 3996):
        assert 1 <= (sets[window : window + 4] == 0).sum() <= 3
    for number in range(3):
        assert [earlier for chosen, earlier in drawn if chosen == number] == list(range((sets == number).sum()))
    rare = Schedule.of([1.0, 1e-5])
    assert (rare.period == 1).sum() == 2
    assert Schedule.of([5.0])(123) == (0, 123)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataSettings("x", weight=0.0), "weight: expected more than 0"),
        (lambda: DataSettings("x", rare=2.0), "rare: expected 0 to 1"),
        (lambda: DataSettings("x", captions="a", poses="b"), "captions: expected none"),
        (lambda: DataSettings("synthetic", captions="a"), "captions: expected none for synthetic"),
        (lambda: DataSettings("x", draw=DrawSettings(pairs=0.5)), "draw: expected none for recordings"),
        (lambda: DataSettings("x", source_fps=0.0), "source_fps: expected more than 0"),
        (lambda: ClipSettings(fps=5.0, cover="whole"), "fps: expected none with cover"),
        (lambda: ClipSettings(num_frames=0), "num_frames: expected 1 or more"),
        (lambda: AugmentSettings(area=(0.9, 0.3)), "area: expected two rising numbers"),
        (lambda: AugmentSettings(mixup=-1.0), "mixup: expected 0 or more"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, message):
    with pytest.raises(SettingsError, match=message):
        make()
