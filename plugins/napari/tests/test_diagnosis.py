import pytest
from napari_vp_science.diagnosis import qt_problem


@pytest.mark.parametrize(
    ("api", "version", "python", "broken"),
    [
        ("PySide6", "6.12.0", (3, 11), True),
        ("PySide6", "6.12.0", (3, 12), False),
        ("PySide6", "6.11.3", (3, 11), False),
        ("PyQt6", "6.12.0", (3, 11), False),
    ],
)
def test_the_one_known_fault_is_named_with_the_way_out(api, version, python, broken):
    problem = qt_problem(api, version, python)
    assert (problem is not None) == broken
    if broken:
        assert "PySide6-Essentials<6.12" in problem


def test_the_binding_of_the_tests_is_sound():
    assert qt_problem() is None
