"""The scatter: picking, lasso, pan and zoom with the mouse; the marker does not draw the points again."""

import numpy as np
import pytest
from napari_vp_science.map.coloring import Classes, Scale, viridis
from napari_vp_science.map.legend import LegendView
from napari_vp_science.map.scatter import Note, PointColors, ScatterView
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QColor, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
PLAIN, SHIFT, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier
CORNERS = np.array([[0, 0], [10, 0], [10, 10], [0, 10], [5, 5]], np.float32)
RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def scatter(qtbot):
    view = ScatterView()
    qtbot.addWidget(view)
    view.resize(300, 300)
    view.show()
    qtbot.waitExposed(view)
    view.set_points(CORNERS)
    view.set_colors(PointColors(np.array([0, 0, 1, 1, -1], np.int16), np.array([RED, BLUE], np.uint8)))
    yield view
    view.close_view()


def place(view, point):
    return QPoint(*(int(value) for value in view.view.to_pixels(CORNERS[point][None])[0]))


def color_at(view, point):
    return view.grab().toImage().pixelColor(place(view, point)).getRgb()[:3]


def drag(view, path, button=LEFT, held=PLAIN):
    QTest.mousePress(view, button, held, path[0])
    for at in path[1:]:
        QTest.mouseMove(view, at)
    QTest.mouseRelease(view, button, held, path[-1])


def around(view, *points):
    """A lasso around points of the upper or lower edge."""
    places = [place(view, point) for point in points]
    left, right = min(p.x() for p in places) - 12, max(p.x() for p in places) + 12
    top, bottom = min(p.y() for p in places) - 12, max(p.y() for p in places) + 12
    return [QPoint(left, top), QPoint(right, top), QPoint(right, bottom), QPoint(left, bottom), QPoint(left, top + 5)]


def wheel(view, at, up=True):
    event = QWheelEvent(
        QPointF(at), QPointF(view.mapToGlobal(at)), QPoint(), QPoint(0, 120 if up else -120),
        Qt.MouseButton.NoButton, PLAIN, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)


def test_points_have_the_color_of_their_class_and_grey_without(scatter):
    scatter.set_theme(QColor("black"), QColor("white"), QColor(90, 90, 90), QColor("red"))
    found = [color_at(scatter, point) for point in range(5)]
    np.testing.assert_allclose(found, [RED, RED, BLUE, BLUE, (90, 90, 90)], atol=4)  # screens of 16 bits round


def test_the_picture_outlives_the_array_that_it_was_made_of(scatter, qtbot):
    """A pixmap must not go on reading memory that NumPy has given to somebody else."""
    before = scatter.grab().toImage()
    for _ in range(20):
        np.full((300, 300), 0xFF00FF00, np.uint32)
    scatter.update()
    qtbot.wait(1)
    assert scatter.grab().toImage() == before


def test_hidden_classes_are_not_drawn_picked_or_chosen(scatter, qtbot):
    scatter.set_theme(QColor("black"), QColor("white"), QColor(90, 90, 90), QColor("red"))
    table = np.array([RED, BLUE], np.uint8)
    scatter.set_colors(PointColors(np.array([0, 0, 1, 1, -1], np.int16), table, frozenset({1, -1})))
    assert [color_at(scatter, point) for point in (0, 2, 4)] == [RED, (0, 0, 0), (0, 0, 0)]
    assert scatter.point_at(QPointF(place(scatter, 2))) == -1
    assert scatter.point_at(QPointF(place(scatter, 0))) == 0
    with qtbot.waitSignal(scatter.lassoed) as told:
        drag(scatter, around(scatter, 0, 1, 2, 3))
    np.testing.assert_array_equal(told.args[0], [True, True, False, False, False])


def test_chosen_points_keep_their_color_and_others_step_back(scatter):
    scatter.set_theme(QColor("black"), QColor("white"), QColor(90, 90, 90), QColor("red"))
    scatter.set_chosen(np.array([True, False, False, False, False]))
    assert color_at(scatter, 0) == RED
    assert 0 < color_at(scatter, 1)[0] < 120
    scatter.set_chosen(None)
    assert color_at(scatter, 1) == RED


def test_a_click_picks_the_nearest_point_and_nothing_far_from_all(scatter, qtbot):
    with qtbot.waitSignal(scatter.picked) as told:
        QTest.mouseClick(scatter, LEFT, PLAIN, place(scatter, 2) + QPoint(3, -2))
    assert told.args == [2]
    with qtbot.assertNotEmitted(scatter.picked):
        QTest.mouseClick(scatter, LEFT, PLAIN, place(scatter, 2) + QPoint(-60, 3))


@pytest.mark.parametrize(("held", "mode"), [(PLAIN, "set"), (SHIFT, "add"), (ALT, "remove")])
def test_a_lasso_encloses_points(scatter, qtbot, held, mode):
    with qtbot.waitSignal(scatter.lassoed) as told, qtbot.assertNotEmitted(scatter.picked):
        drag(scatter, around(scatter, 2, 3), held=held)
    np.testing.assert_array_equal(told.args[0], [False, False, True, True, False])
    assert told.args[1] == mode


def test_the_right_button_pans_or_asks(scatter, qtbot):
    before = place(scatter, 4)
    with qtbot.assertNotEmitted(scatter.asked):
        drag(scatter, [QPoint(100, 100), QPoint(120, 110), QPoint(140, 130)], RIGHT)
    assert place(scatter, 4) - before == QPoint(40, 30)
    with qtbot.waitSignal(scatter.asked) as told:
        QTest.mouseClick(scatter, RIGHT, PLAIN, place(scatter, 4))
    assert told.args[0] == 4


def test_ctrl_with_the_left_button_pans_for_those_who_have_one_button(scatter, qtbot):
    before = place(scatter, 4)
    with qtbot.assertNotEmitted(scatter.lassoed):
        drag(scatter, [QPoint(100, 100), QPoint(120, 110)], held=Qt.KeyboardModifier.ControlModifier)
    assert place(scatter, 4) - before == QPoint(20, 10)


def test_the_wheel_zooms_around_the_mouse_within_limits_and_a_double_click_shows_everything(scatter):
    whole, at = scatter.view, QPoint(80, 200)
    under = whole.to_map(80, 200)
    for _ in range(5):
        wheel(scatter, at)
    assert scatter.view.scale > 2 * whole.scale
    np.testing.assert_allclose(scatter.view.to_map(80, 200), under, atol=1e-3)
    for _ in range(100):
        wheel(scatter, at, up=False)
    assert whole.scale * 0.4 < scatter.view.scale < whole.scale
    QTest.mouseDClick(scatter, LEFT, PLAIN, at)
    assert scatter.view == whole


def test_the_marker_moves_without_drawing_the_points_again(scatter, qtbot, monkeypatch):
    scatter.grab()
    drawn = []
    monkeypatch.setattr(scatter, "_rendered", lambda: drawn.append(1))
    before = scatter.grab().toImage()
    scatter.set_marker(2, np.array([0, 4, 2]))
    assert scatter.grab().toImage() != before
    scatter.set_marker(None)
    assert scatter.grab().toImage() == before
    assert not drawn


def test_resting_on_a_point_is_told_and_leaving_it_too(scatter, qtbot):
    with qtbot.waitSignal(scatter.hovered) as told:
        QTest.mouseMove(scatter, place(scatter, 3) + QPoint(2, 1))
    assert told.args == [3]
    with qtbot.waitSignal(scatter.hovered) as told:
        QTest.mouseMove(scatter, QPoint(150, 60))
    assert told.args == [-1]


def test_names_are_drawn_above_their_points_and_do_not_cover_each_other(scatter):
    scatter.set_theme(QColor("black"), QColor(0, 255, 0), QColor(90, 90, 90), QColor("red"))

    def green():
        image = scatter.grab().toImage()
        return sum(image.pixelColor(x, y).green() > 200 for x in range(0, 300) for y in range(100, 160))

    scatter.set_notes([Note(5, 5, "sleep")])
    once = green()
    scatter.set_notes([Note(5, 5, "sleep"), Note(5.1, 5, "sleep")])
    assert green() == once > 10


def test_an_empty_map_says_what_to_do(scatter):
    scatter.empty_text = "Make a map"
    scatter.set_points(np.zeros((0, 2)))
    assert scatter.point_at(QPointF(10, 10)) == -1
    assert len({scatter.grab().toImage().pixelColor(x, 150).rgb() for x in range(60, 240)}) > 1


def test_resizing_keeps_what_is_seen(scatter, qtbot):
    scatter.resize(600, 600)
    qtbot.waitUntil(lambda: scatter.view.width == 600)
    assert place(scatter, 4) == QPoint(300, 300)
    assert all(scatter.rect().contains(place(scatter, point)) for point in range(5))


# ---- legend


@pytest.fixture
def legend(qtbot):
    view = LegendView(QColor("gray"))
    qtbot.addWidget(view)
    view.resize(300, 60)
    table = np.array([RED, BLUE, (9, 9, 9)], np.uint8)
    index = np.array([0, 1, 1, -1], np.int16)
    view.show_coloring(Classes(index, ("groom", "walk", "none of these"), table, "not scored"))
    return view


def test_a_click_hides_a_class_and_another_one_shows_it(legend, qtbot):
    assert [chip.text() for chip in legend.chips.values()] == ["groom", "walk", "not scored"]
    with qtbot.waitSignal(legend.hidden_changed) as told:
        legend.chips[1].click()
    assert told.args == [frozenset({1})]
    assert legend.chips[1].font().strikeOut()
    with qtbot.waitSignal(legend.hidden_changed) as told:
        legend.chips[1].click()
    assert told.args == [frozenset()]
    assert not legend.chips[1].font().strikeOut()


def test_showing_only_one_class_and_all_again(legend):
    legend.show_only(0)
    assert legend.hidden == {1, -1}
    legend.show_only(0)
    assert legend.hidden == frozenset()


def test_numbers_have_a_bar(legend):
    legend.show_coloring(Scale(np.array([0, 63, -1]), viridis(64), "0", "1", "Score of groom", "no score"))
    assert legend.chips == {}
    image = legend.grab().toImage()
    left, right = image.pixelColor(4, 5), image.pixelColor(legend.width() - 5, 5)
    assert left.blue() > left.red()
    assert right.red() > 200 > right.blue()


def test_viridis_grows_lighter_step_by_step():
    light = viridis(64) @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(light) > 0).all()
