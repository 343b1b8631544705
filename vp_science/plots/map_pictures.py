"""Pictures of the most typical moment of every cluster."""

import numpy as np
from jaxtyping import UInt8

from vp_science.maps import Map
from vp_science.pictures import PictureBook


def medoid_pictures(made: Map, book: PictureBook, height: int = 120) -> dict[int, UInt8[np.ndarray, "_ _ 3"]]:
    """The frame in the middle of the medoid of every cluster, as ``embedding_map`` takes thumbnails.

    Args:
        made: a map with clusters.
        book: of the recordings of the map.
        height: of the pictures in pixels.

    Returns:
        Pictures by the position of the point; clusters without a medoid have none.

    Raises:
        SettingsError, RecordingError, ProbeError, PoseError: see ``PictureBook.frame``.
    """
    points = [int(point) for point in made.clusters["medoid"] if point >= 0]
    return {
        point: book.frame(
            made.recordings[made.recording[point]], float(made.start_s[point] + made.stop_s[point]) / 2, height
        )
        for point in points
    }
