"""What can go wrong, said once: every message names what was expected, what was found and what to do."""

import importlib
from types import ModuleType


class VPScienceError(Exception):
    """Base class of every error that is about the user's input or settings, not about a bug.

    The command line prints these as one line and exits with code 1.
    """


class RecordingError(VPScienceError):
    """A recording cannot be opened or read."""


class CheckpointError(VPScienceError):
    """Weights are missing, incomplete, misshapen or not what they claim to be."""


class StoreError(VPScienceError):
    """An embedding file cannot be read or written."""


class AnnotationError(VPScienceError):
    """Annotations (behaviors, bouts, observed intervals) that cannot be read, contradict themselves or do not fit."""


class PoseError(VPScienceError):
    """A pose file that cannot be read, or that is not of this recording."""


class ProbeError(VPScienceError):
    """A probe that cannot be fitted, loaded, or used with these embeddings."""


class FigureError(VPScienceError):
    """A figure that cannot be drawn from these data, or not be written to this file."""


class MapError(VPScienceError):
    """A map that cannot be made, read, or used with these tracks or names."""


class BenchError(VPScienceError):
    """The data of a benchmark are not laid out as their download, or its protocol cannot be followed with them."""


class TrainError(VPScienceError):
    """A training that cannot go on: no longer finite, stopped from outside, or its folder cannot be written or read."""


class ClusterError(VPScienceError):
    """The workers or the scheduler of a cluster cannot be had, or cannot work on this batch."""


class SettingsError(VPScienceError):
    """Settings that contradict each other, or the settings of an existing file."""


class MissingExtraError(VPScienceError):
    """An optional dependency is not installed."""


def require_extra(module: str, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: the module to import, for example ``"matplotlib.pyplot"``.
        extra: the extra of ``vp-science`` that brings it.

    Raises:
        MissingExtraError: with the pip command, when the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise MissingExtraError(
            f'this needs the package "{name}", which is not installed: run pip install "vp-science[{extra}]"'
        ) from error
