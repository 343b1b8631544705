"""Sample data of the plugin: no download needed."""

from typing import Any

import vp_science as vp


def sample_fly() -> list[tuple[Any, dict[str, Any], str]]:
    """A male fruit fly courting, 2 minutes (SLEAP project, BSD-3-Clause-Clear)."""
    from napari_vp_science.reader import read

    return read(str(vp.sample_recording()))
