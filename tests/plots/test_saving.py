"""Files of figures, colors, axes of time."""

import subprocess
import sys

import numpy as np
import pytest
from drawn import texts
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import vp_science.plots as plots
from vp_science.errors import FigureError
from vp_science.plots.palette import HUES, NUM_LOOKS, behavior_looks, lightness, line_color, look, looks, mixed
from vp_science.plots.style import axes_for, headline
from vp_science.plots.time_axis import far_from_zero, show_time, unit_for
from vp_science.timeline.behaviors import Behavior, Behaviors


@pytest.fixture
def axes():
    made = axes_for(None, 2, 1)
    made.plot([0, 1], [0, 1])
    headline(made, "A title with $ and äöü", "a note")
    return made


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")]
)
def test_formats_by_ending_with_text_as_text_and_equal_bytes(axes, tmp_path, ending, start):
    first, second = (plots.save(axes, tmp_path / f"{number}.{ending}").read_bytes() for number in (1, 2))
    assert first.startswith(start)
    assert first == second
    if ending == "svg":
        assert "A title with $ and äöü" in first.decode()
    if ending == "pdf":
        assert b"/FontFile2" in first  # TrueType, embedded: not outlines
        assert b"/CreationDate" not in first
    assert [path.name for path in tmp_path.glob("*.tmp")] == []


@pytest.mark.parametrize("name", ["figure.gif", "figure", "figure.jpg", "png"])
def test_other_endings_are_refused_before_anything_is_written(axes, tmp_path, name):
    with pytest.raises(FigureError, match=r"expected a figure file ending in .png, .svg or .pdf, found '" + name):
        plots.save(axes, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file(axes, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FigureError, match=r"cannot write .*x.png .*choose a folder with room"):
        plots.save(axes, tmp_path / "file" / "x.png")


def test_what_stands_outside_the_axes_is_in_the_picture(tmp_path):
    from PIL import Image

    narrow, wide = axes_for(None, 2, 1), axes_for(None, 2, 1)
    wide.text(5, 0.5, "far to the right", transform=wide.transAxes)
    sizes = []
    for number, axes in enumerate((narrow, wide)):
        with Image.open(plots.save(axes, tmp_path / f"{number}.png")) as picture:
            sizes.append(picture.width)
    assert sizes[1] > 2 * sizes[0]


def test_importing_the_package_is_cheap_and_names_are_there():
    code = (
        "import sys, vp_science.plots as p, vp_science.cli.plot\n"
        "heavy = {'matplotlib', 'pandas', 'jax', 'av', 'sklearn', 'umap', 'h5py', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert all(callable(getattr(p, name)) for name in p.__all__)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"ethogram", "embedding_map", "self_similarity", "confusion", "precision_recall", "reliability",
            "time_budget", "transitions", "save"} <= set(plots.__all__)  # fmt: skip
    with pytest.raises(AttributeError, match=r"no attribute 'etogram': expected one of .*ethogram"):
        _ = plots.etogram


def test_every_function_draws_into_given_axes_and_leaves_the_canvas(axes):
    figure = Figure()
    canvas = figure.canvas
    given_axes = figure.add_subplot()
    assert axes_for(given_axes, 1, 1) is given_axes
    assert plots.embedding_map(np.eye(2, dtype=np.float32), np.array([0, 1]), axes=given_axes) is given_axes
    assert figure.canvas is canvas


# Colors


def test_looks_differ_until_they_repeat():
    every = [look(index) for index in range(NUM_LOOKS)]
    assert len(set(every)) == len({one.color for one in every}) == NUM_LOOKS == 21
    assert [one.color for one in every[: len(HUES)]] == [hue.lower() for hue in HUES]
    assert len({(one.hatch, one.marker) for one in every}) == 3
    assert look(NUM_LOOKS) == every[0]
    assert list(looks("ab")) == ["a", "b"]


@pytest.mark.parametrize("simulate", ["deuteranope", "protanope", "grey"])
def test_hues_stay_apart(simulate):
    """Machado et al. (2009), full severity, in linear RGB; distances in sRGB. On grey paper four levels are left."""
    matrix = {
        "deuteranope": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        "protanope": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "grey": [[0.2126, 0.7152, 0.0722]] * 3,
    }[simulate]
    rgb = np.array([[int(hue[i : i + 2], 16) / 255 for i in (1, 3, 5)] for hue in HUES])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(matrix).T, 0, 1)
    shown = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    apart = np.linalg.norm(shown[:, None] - shown[None], axis=2)[np.triu_indices(len(HUES), 1)]
    if simulate == "grey":
        assert apart[0] > 0.3  # the first two: two groups side by side
    else:
        assert apart.min() > 0.12


def test_colors_of_the_catalogue_come_first():
    behaviors = Behaviors.of(["a", Behavior("b", color="#0072b2"), Behavior("c", color="#0072B2"), "d"])
    found = behavior_looks(behaviors)
    assert (found["b"].color, found["c"].color) == ("#0072b2", "#0072B2")
    assert found["b"].hatch != found["c"].hatch
    assert "#0072b2" not in (found["a"].color.lower(), found["d"].color.lower())
    assert found["a"].color != found["d"].color


@given(st.integers(0, 500))
def test_colors_are_colors(index):
    one = look(index)
    assert mixed(one.color, "#ffffff", 0) == one.color.lower()
    assert mixed(one.color, "#ffffff", 1) == "#ffffff"
    assert 0 <= lightness(one.color) <= 1
    assert lightness(line_color(one.color)) < 0.76


# Time


@pytest.mark.parametrize(("span_s", "unit"), [(0.5, "s"), (180, "s"), (181, "min"), (3 * 3600, "min"), (11_000, "h"),
                                              (5 * 86400, "h"), (1e6, "days")])  # fmt: skip
def test_units_of_time(span_s, unit):
    assert unit_for(span_s).name == unit


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 1e6))
def test_ticks_are_round_in_their_unit(span_s):
    axes = axes_for(None, 4, 1)
    axes.set_xlim(0, span_s)
    unit = show_time(axes.xaxis, span_s)
    ticks = axes.get_xticks()
    assert axes.get_xlabel() == f"time ({unit.name})"
    steps = np.diff(ticks) / unit.seconds
    digits = steps[0] / 10 ** np.floor(np.log10(steps[0]))
    assert np.isclose(digits, [1, 2, 2.5, 5, 10]).any()
    labels = [label.get_text() for label in axes.get_xticklabels()]
    np.testing.assert_allclose([float(text) * unit.seconds for text in labels], ticks, rtol=1e-6, atol=1e-6)


def test_epoch_seconds_are_far():
    assert far_from_zero(1.7e9, 600)
    assert not far_from_zero(30, 600)
    assert texts(axes_for(None, 1, 1)) is not None
