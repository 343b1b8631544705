"""Trainings by name: from settings to the result in one call."""

import importlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vp_science.errors import SettingsError
from vp_science.train.failure import Repeated, repeat_step
from vp_science.train.loop import TrainResult, fit
from vp_science.train.mesh import start_hosts, this_host
from vp_science.train.progress import Report
from vp_science.train.run_folder import SETTINGS
from vp_science.train.settings import RunSettings
from vp_science.train.settings_file import read_settings
from vp_science.train.signals import start_helper_processes
from vp_science.train.stage import BatchStream, Stage
from vp_science.train.stages import STAGES, find_stage
from vp_science.typing import StrPath


@dataclass(frozen=True)
class Made:
    """What a training is made of.

    Attributes:
        stage: what is optimised.
        stream: the batches of this host.
    """

    stage: Stage
    stream: BatchStream


def run(settings: RunSettings, *, resume: bool = False, report: Report | None = None) -> TrainResult:
    """Train what the settings say; see :func:`vp_science.train.fit`.

    Args:
        settings: of a stage: ``ContrastiveSettings``, ``DistillSettings`` or ``FinetuneSettings``.
        resume: go on with the run in the folder ``settings.out``; where there is none, begin.
        report: is told how it goes.

    Raises:
        SettingsError: when settings contradict each other, the data or the devices.
        TrainError: when the training cannot go on.
    """
    made = make(settings)
    try:
        result = fit(made.stage, made.stream, settings, resume=resume, report=report)
    except BaseException:
        with suppress(Exception):  # what ended the training counts more
            made.stream.close()
        raise
    made.stream.close()
    return result


def make(settings: RunSettings) -> Made:
    """Stage and batches of a training, by the type of its settings; meets the other hosts first.

    Raises:
        SettingsError: when they are settings of no stage.
    """
    module = _module_of(settings)
    start_hosts(settings.hosts)
    start_helper_processes()
    stage: Stage = module.make_stage(settings)
    stream: BatchStream = module.make_stream(settings, stage, host=this_host())
    return Made(stage, stream)


def repeat_failure(folder: StrPath) -> Repeated:
    """Make the step once more in which a training was no longer finite.

    Args:
        folder: that the message of the training named (``RUN/failures/step_N``).

    Returns:
        Loss, gradient norm and the names of the parameters that are to blame.

    Raises:
        TrainError: when there is no such step in the folder.
        SettingsError: when the settings of the run are not there.
    """
    settings_file = Path(folder).parents[1] / SETTINGS
    first = settings_file.read_text("utf-8").partition("\n")[0] if settings_file.is_file() else ""
    name = next((name for name in STAGES if f"vp-science train {name} " in first), None)
    if name is None:
        raise SettingsError(f"{settings_file}: expected the settings of a run, found none: keep the folder in its run")
    settings: RunSettings = read_settings(find_stage(name).settings(), settings_file)
    return repeat_step(folder, _module_of(settings).make_stage(settings), settings)


def _module_of(settings: RunSettings) -> Any:
    for stage in STAGES.values():
        if isinstance(settings, stage.settings()):
            return importlib.import_module(stage.module)
    kinds = ", ".join(stage.settings_name for stage in STAGES.values())
    raise SettingsError(f"settings: expected one of {kinds}, found {type(settings).__name__}")
