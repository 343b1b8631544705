"""``vp-science train``: the stages of training, from a settings file and options."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vp_science.train.stages import STAGES, StageEntry

if TYPE_CHECKING:
    from vp_science.train.dry_run import DryRun
    from vp_science.train.settings import RunSettings

EXIT_STOPPED = 75  # EX_TEMPFAIL: schedulers put a job with this code into the queue again
EXIT_INTERRUPTED = 130

_RUN = "This run"
_EPILOG = (
    "Every key of the settings is an option, and wins over the file. Values are written as in TOML, texts without "
    "quotes."
)


class _Stages(TyperGroup):
    """Builds the options of a stage when it is named: their settings are not loaded for other verbs."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a stage."""
        if cmd_name not in STAGES:
            return super().get_command(ctx, cmd_name)
        if not hasattr(self, "_built"):
            self._built: dict[str, Any] = {}
        if cmd_name not in self._built:
            self._built[cmd_name] = build_command(cmd_name)
        return self._built[cmd_name]


app = typer.Typer(
    name="train",
    cls=_Stages,
    help="Train: contrastive stage, distillation and adaptation to your own footage, fine-tuning.",
    no_args_is_help=True,
)


def build_command(name: str) -> Any:
    """The command of a stage with an option for every key of its settings."""
    from vp_science.cli.train_options import add_options

    entry = STAGES[name]

    def stage(
        overrides: list[tuple[str, str]],
        config: Annotated[
            Path | None,
            typer.Option(
                "--config", "-c", help="Settings file (TOML); without it, the defaults.", rich_help_panel=_RUN
            ),
        ] = None,
        resume: Annotated[
            bool,
            typer.Option(
                "--resume",
                help="Go on with the run in the folder of --out; where there is none yet, begin. So the same command "
                "can be sent to a queue again and again.",
                rich_help_panel=_RUN,
            ),
        ] = False,
        dry_run: Annotated[
            bool,
            typer.Option(
                "--dry-run",
                help="Say what it would take (parameters, memory per device, seconds per step) and write nothing.",
                rich_help_panel=_RUN,
            ),
        ] = False,
        as_json: Annotated[
            bool, typer.Option("--json", help="Print the result, or the dry run, as JSON.", rich_help_panel=_RUN)
        ] = False,
    ) -> None:
        train(name, config, overrides, resume=resume, dry=dry_run, as_json=as_json)

    stage.__doc__ = entry.summary
    single = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    single.command(name, help=entry.summary, epilog=_EPILOG)(add_options(stage, entry.settings()))
    return typer.main.get_command(single)


def _stub(entry: StageEntry) -> Any:
    """Stands in the list of stages."""

    def stage() -> None:
        raise NotImplementedError

    stage.__doc__ = entry.summary
    return stage


for _name, _entry in STAGES.items():
    app.command(_name)(_stub(_entry))


def train(
    name: str, config: Path | None, overrides: list[tuple[str, str]], *, resume: bool, dry: bool, as_json: bool
) -> None:
    """Read the settings, train or only say what that would take, print what came out."""
    from vp_science.train.settings_file import read_settings

    entry = STAGES[name]
    settings = read_settings(entry.settings(), config, overrides)
    if dry:
        found = _try(settings)
        typer.echo(json.dumps(found.to_json(), indent=2) if as_json else _describe(found))
        return
    from vp_science.cli.train_progress import TrainProgress
    from vp_science.train.mesh import this_host
    from vp_science.train.running import run
    from vp_science.train.signals import TrainingStopped

    try:
        with TrainProgress() as progress:
            result = run(settings, resume=resume, report=progress)
    except TrainingStopped as stopped:
        typer.echo(str(stopped), err=True)
        sys.exit(EXIT_INTERRUPTED if stopped.signal.name == "SIGINT" else EXIT_STOPPED)
    except KeyboardInterrupt:
        typer.echo("interrupted: checkpoints so far are whole; --resume goes on from the newest", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if this_host()[0] > 0:
        return  # host 0 says it
    if as_json:
        record = {
            "folder": str(result.folder),
            "steps": result.steps,
            "result": str(result.result),
            "metrics": result.metrics,
        }
        typer.echo(json.dumps(record, indent=2))
        return
    following = entry.next_command.format(folder=result.folder, result=result.result)
    typer.echo(f"result of {result.steps} steps: {result.result}\nnext: {following}")


def _try(settings: "RunSettings") -> "DryRun":
    from vp_science.train.dry_run import dry_run
    from vp_science.train.running import make

    made = make(settings)
    try:
        return dry_run(made.stage, made.stream, settings)
    finally:
        made.stream.close()


def _describe(found: "DryRun") -> str:
    from vp_science.cli.train_progress import describe_dry_run

    return describe_dry_run(found)
