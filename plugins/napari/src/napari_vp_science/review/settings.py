"""What the review remembers in the session."""

from typing import Any

import vp_science as vp
from napari_vp_science.state import PanelState


def save_setting(state: PanelState, name: str, value: Any) -> None:
    """Keep a value in the session, on disk at once; None removes it."""
    session = state.session
    if session is None or session.settings.get(name) == value:
        return
    if value is None:
        session.settings.pop(name, None)
    else:
        session.settings[name] = value
    try:
        session.save()
    except vp.VPScienceError as error:
        state.message.emit(str(error))
