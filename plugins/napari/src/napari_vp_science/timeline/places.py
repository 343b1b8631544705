"""The parts of the timeline on the screen: overview, ruler, selected moments, names and rows."""

from dataclasses import dataclass
from functools import cached_property

from qtpy.QtCore import QRect

OVERVIEW_TOP, OVERVIEW_PX = 3, 16
RULER_PX = 22
MOMENTS_PX = 12
NAMES_PX = 168
RIGHT_PX = 6


@dataclass(frozen=True)
class Places:
    """Rectangles in pixels of the widget.

    Attributes:
        width: of the widget.
        height: of the widget.
        has_moments: whether there is a lane for selected moments.
        bar_px: width of the scroll bar, 0 without one.
    """

    width: int
    height: int
    has_moments: bool = False
    bar_px: int = 0

    @cached_property
    def left(self) -> int:
        """Where time begins; names are left of it."""
        return min(NAMES_PX, self.width // 3)

    @cached_property
    def time_px(self) -> int:
        """How wide the visible time is."""
        return max(self.width - self.left - RIGHT_PX - self.bar_px, 1)

    @cached_property
    def overview(self) -> QRect:
        """The whole recording."""
        return QRect(self.left, OVERVIEW_TOP, self.time_px, OVERVIEW_PX)

    @cached_property
    def ruler(self) -> QRect:
        """Ticks with times."""
        return QRect(self.left, OVERVIEW_TOP + OVERVIEW_PX + 1, self.time_px, RULER_PX)

    @cached_property
    def moments(self) -> QRect:
        """Selected moments; empty without any."""
        return QRect(self.left, self.ruler.bottom() + 1, self.time_px, MOMENTS_PX if self.has_moments else 0)

    @cached_property
    def rows_top(self) -> int:
        """Where the rows begin."""
        return self.ruler.bottom() + 1 + (MOMENTS_PX if self.has_moments else 0)

    @cached_property
    def rows(self) -> QRect:
        """The rows, without names."""
        return QRect(self.left, self.rows_top, self.time_px, max(self.height - self.rows_top, 0))

    @cached_property
    def names(self) -> QRect:
        """The names of the rows."""
        return QRect(0, self.rows_top, self.left, max(self.height - self.rows_top, 0))
