"""Layers for recordings that napari opens by itself: a file on the command line, dropped, or from its menu."""

from pathlib import Path
from typing import Any

import vp_science as vp
from napari_vp_science.video.decoder import Decoder
from napari_vp_science.video.feed import LayerFeed
from napari_vp_science.video.layer_data import LAYER_OPTIONS, LayerData


def recording_layer(path: Path) -> tuple[LayerData, dict[str, Any], str]:
    """What napari makes an Image layer of.

    In a window the recording is opened in a thread, and the layer follows when it is there. Without one (a script that
    asks for the data) it is opened here and now.

    Raises:
        VPScienceError: without a window, when it cannot be read.
    """
    import napari

    decoder = Decoder(path.resolve())
    viewer = napari.current_viewer()
    if viewer is None:
        decoder.desk.wait_open()
        if decoder.source is None:
            raise vp.VPScienceError(decoder.desk.error)
    data = LayerData(decoder)
    if viewer is not None:
        LayerFeed(viewer, alone=True).begin(data)  # the data hold it: both end with the layer
    options = {"name": path.name, "metadata": {"vp_science": {"path": str(decoder.path)}}, **LAYER_OPTIONS}
    return data, options, "image"
