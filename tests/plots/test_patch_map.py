"""Numbers per patch over a picture."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from vp_science.errors import FigureError
from vp_science.plots import patch_map

PICTURE = np.full((40, 60, 3), 90, np.uint8)
VALUES = np.arange(6.0).reshape(2, 3)


def test_every_patch_lies_on_its_part_of_the_picture():
    axes = patch_map(PICTURE, VALUES, marked=(1, 2), title="attention")
    picture, values = axes.images
    assert picture.get_extent() == values.get_extent() == [0, 3, 2, 0]
    np.testing.assert_array_equal(values.get_array(), VALUES)
    assert values.get_clim() == (0, 5)
    [mark] = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert (*mark.get_xy(), mark.get_width(), mark.get_height()) == (2, 1, 1, 1)
    bar = next(other for other in axes.child_axes)
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0", "5"]


def test_pixels_stay_square():
    axes = patch_map(PICTURE, np.zeros((2, 2)))
    assert axes.get_aspect() == pytest.approx(40 / 60)  # a patch is 30 wide and 20 high


def test_limits_are_shared_by_pictures_that_are_compared():
    axes = patch_map(PICTURE, VALUES, limits=(0.0, 10.0))
    assert axes.images[1].get_clim() == (0, 10)


def test_equal_values_have_one_tick():
    axes = patch_map(PICTURE, np.full((2, 3), 0.25))
    assert [label.get_text() for label in axes.child_axes[0].get_yticklabels()] == ["0.25"]


@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        (np.full((2, 3), np.nan), {}, "expected a finite number for every patch, found 6 others"),
        (np.zeros((0, 3)), {}, "found none"),
        (VALUES, {"marked": (2, 0)}, r"marked: expected a row below 2 and a column below 3, found \(2, 0\)"),
    ],
)
def test_what_cannot_be_drawn(values, more, message):
    with pytest.raises(FigureError, match=message):
        patch_map(PICTURE, values, **more)
