"""Numbers per patch, over the picture that they are about."""

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from vp_science.errors import FigureError
from vp_science.plots.style import MUTED, SKY, axes_for, headline

_SIDE = 3.2  # inches
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_OPACITY = 0.62


def patch_map(
    picture: UInt8[np.ndarray, "h w 3"],
    values: Float[np.ndarray, "rows columns"],
    *,
    marked: tuple[int, int] | None = None,
    limits: tuple[float, float] | None = None,
    title: str = "",
    note: str = "",
    axes: Axes | None = None,
) -> Axes:
    """Draw a number for every patch of a picture in color over the picture, which is shown in grey.

    For what an encoder says of places: attention (``vp_science.encoder.spatial_attention``), the similarity of tokens,
    the position table.

    Args:
        picture: RGB.
        values: row by row from the top; the patches cover the picture.
        marked: row and column of a patch to outline: the one that the numbers are about.
        limits: values of the darkest and the brightest color; None takes the smallest and the largest. Give the same
            to pictures that are compared.
        title: headline.
        note: small text below it.
        axes: to draw into; None makes a figure.

    Returns:
        The axes of the picture; the color bar is other axes of its figure.

    Raises:
        FigureError: when a value is not finite, or ``marked`` is no patch.
    """
    rows, columns = values.shape
    if not values.size or not np.isfinite(values).all():
        found = f"{np.count_nonzero(~np.isfinite(values))} others" if values.size else "none"
        raise FigureError(f"values: expected a finite number for every patch, found {found}: leave no patch out")
    if marked is not None and not (0 <= marked[0] < rows and 0 <= marked[1] < columns):
        raise FigureError(f"marked: expected a row below {rows} and a column below {columns}, found {marked}")
    height, width = picture.shape[:2]
    axes = axes_for(axes, _SIDE * width / max(width, height), _SIDE * height / max(width, height))
    low, high = (float(values.min()), float(values.max())) if limits is None else limits
    place = (0, columns, rows, 0)
    aspect = height * columns / (width * rows)  # of a patch
    axes.imshow(picture @ _LUMA, cmap="gray", vmin=0, vmax=255, extent=place, aspect=aspect)
    image = axes.imshow(
        values, cmap="magma", vmin=low, vmax=high, alpha=_OPACITY, extent=place, aspect=aspect, interpolation="nearest"
    )
    if marked is not None:
        axes.add_patch(Rectangle(marked[::-1], 1, 1, fill=False, edgecolor=SKY, linewidth=1.8))
    axes.set_axis_off()
    _add_color_bar(axes, image, low, high)
    headline(axes, title, note)
    return axes


def _add_color_bar(axes: Axes, image: AxesImage, low: float, high: float) -> None:
    figure = axes.get_figure()
    assert figure is not None
    ticks = [low, high] if high > low else [low]
    bar = figure.colorbar(image, cax=axes.inset_axes((1.03, 0.65, 0.04, 0.35)), ticks=ticks)
    bar.ax.set_yticklabels([f"{tick:.2g}" for tick in ticks])
    bar.ax.tick_params(length=0, colors=MUTED, labelsize=8)
    bar.outline.set_visible(False)
