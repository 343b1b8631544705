"""Commands of napari's menus and command palette: they act on the workbench of the viewer, and open it if need be."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari.viewer

    from napari_vp_science.workbench import Workbench

PLUGIN, WIDGET = "napari-vp-science", "Behaviour workbench"


def open_workbench(viewer: "napari.viewer.Viewer") -> "Workbench":
    """The workbench of a viewer; napari makes it once and gives the same one afterwards."""
    _, workbench = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    return workbench


def import_labels(viewer: "napari.viewer.Viewer") -> None:
    """Choose a file of labels and take it in."""
    open_workbench(viewer).labels.import_labels()


def export_labels(viewer: "napari.viewer.Viewer") -> None:
    """Write labels for another program."""
    open_workbench(viewer).labels.export_labels()


def next_bout(viewer: "napari.viewer.Viewer") -> None:
    """Go to the next bout."""
    open_workbench(viewer).timeline.next_bout(1)


def previous_bout(viewer: "napari.viewer.Viewer") -> None:
    """Go to the previous bout."""
    open_workbench(viewer).timeline.next_bout(-1)


def show_keys(viewer: "napari.viewer.Viewer") -> None:
    """Show all keys."""
    open_workbench(viewer).labels.show_keys()
