"""``vp-science info``: what this installation is and has."""

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated

import typer

from vp_science.typing import JSON

if TYPE_CHECKING:
    from vp_science.encoder.family import VideoModel

_PACKAGES = (
    "vp-science",
    "jax",
    "jaxlib",
    "flax",
    "numpy",
    "av",
    "h5py",
    "hdf5plugin",
    "tifffile",
    "imagecodecs",
    "xarray",
)
_SMALL = " (trained on drawn animals: good for trying things out, not for science)"
_CODECS = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "mpeg2video", "mjpeg", "wmv3", "ffv1", "rawvideo", "prores")


def info(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print versions, devices, precision, codecs and cache folders: what a bug report needs."""
    facts = gather()
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            typer.echo(f"{name}:")
            for key, entry in value.items():
                typer.echo(f"  {key:<14} {entry}")
        else:
            typer.echo(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


def gather() -> dict[str, JSON]:
    """The facts as JSON."""
    import av
    import jax

    from vp_science.checkpoints.fetch import weights_folders
    from vp_science.encoder.precision import choose_precision

    return {
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "devices": [_device(device) for device in jax.devices()],
        "precision": choose_precision()[1],
        "ffmpeg": {name: ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()},
        "codecs": [name for name in _CODECS if name in av.codecs_available],
        "weights folders": [str(folder) for folder in weights_folders()],
        "hub cache": _hub_cache(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _device(device: object) -> str:
    kind, platform_name = getattr(device, "device_kind", "?"), getattr(device, "platform", "?")
    stats: dict[str, int] = getattr(device, "memory_stats", dict)() or {}
    memory = f", {stats['bytes_limit'] / 2**30:.1f} GiB for jax" if "bytes_limit" in stats else ""
    return f"{platform_name}: {kind}{memory}"


def _hub_cache() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def describe_encoder(encoder: "VideoModel") -> str:
    """One line about a loaded encoder: model, weights, precision, device."""
    import jax

    from vp_science.checkpoints.registry import is_included

    untrained = ", UNTRAINED (random weights: good for trying things out, not for science)"
    weights = untrained if encoder.info.untrained else f", {encoder.info.checkpoint[:19]}..."
    weights += _SMALL * (is_included(encoder.info.name) and not encoder.info.untrained)
    device = jax.devices()[0]
    return f"{encoder.info.name}{weights}\n{device.platform} ({device.device_kind}), {encoder.info.precision_reason}"
