"""By what a track says who made it: the weights and the software."""

import re
import socket
from importlib.metadata import version

from vp_science.encoder.family import TrackModel
from vp_science.encoder.info import ModelInfo
from vp_science.errors import SettingsError
from vp_science.typing import JSON

SOFTWARE = (
    f"vp-science {version('vp-science')} (" + ", ".join(f"{name} {version(name)}" for name in ("jax", "av")) + ")"
)


def check_software(expected: str) -> None:
    """Refuse to work for a batch that was started with other versions: its files would not be alike.

    Raises:
        SettingsError: naming both.
    """
    if expected != SOFTWARE:
        raise SettingsError(
            f"expected the same software on workers as where the batch was started ({expected}), found {SOFTWARE} on "
            f"{socket.gethostname()}: install the same versions there"
        )


def checkpoint_identity(encoder: TrackModel) -> str:
    """The identity of the weights; a file that was renamed is still the same file."""
    return identity_of(encoder.info)


def identity_of(info: ModelInfo) -> str:
    """As ``checkpoint_identity``, of what is known of an encoder."""
    return info.checkpoint if info.untrained else info.checkpoint.split(" ")[0]


def checkpoint_seed(identity: object) -> int | None:
    """The seed that untrained weights were made from; None for weights of a file. The other way from ``ModelInfo``."""
    seed = re.fullmatch(r"seed:(\d+) \(untrained\)", str(identity))
    return int(seed[1]) if seed else None


def manifest_facts(encoder: TrackModel) -> dict[str, JSON]:
    """What a line of the manifest says beside the result."""
    return {"checkpoint": checkpoint_identity(encoder), "model": encoder.info.name, "software": SOFTWARE}
