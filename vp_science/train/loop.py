"""The loop of every training: batches to updates, metrics, checkpoints, being stopped and going on."""

import json
import time
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from vp_science.encoder.precision import choose_precision
from vp_science.errors import TrainError
from vp_science.train.failure import save_failure
from vp_science.train.functional import Params
from vp_science.train.memory import count_parameters
from vp_science.train.mesh import (
    agree,
    check_batch,
    fetch_tree,
    gather_text,
    make_mesh,
    place_batch,
    place_flags,
    place_tree,
    this_host,
)
from vp_science.train.metrics_log import MetricsLog
from vp_science.train.progress import Moment, Quiet, Report, RunFacts, Speedometer
from vp_science.train.run_checkpoints import Note, RunCheckpoints
from vp_science.train.run_folder import open_run_folder
from vp_science.train.settings import RunSettings
from vp_science.train.settings_file import describe_settings
from vp_science.train.signals import StopSignals, TrainingStopped
from vp_science.train.speed import find_peak
from vp_science.train.stage import Batch, BatchStream, Stage
from vp_science.train.state import Figures, State, make_training
from vp_science.typing import JSON

_GUARDS = ("finite", "stop")
_LAST = ("grad_norm", "learning_rate")


@dataclass(frozen=True)
class TrainResult:
    """What came out of a training.

    Attributes:
        folder: of the run: settings, metrics, checkpoints.
        steps: updates that were made.
        result: the weights or the bundle, as other parts of the package read them.
        metrics: of the last report.
    """

    folder: Path
    steps: int
    result: Path
    metrics: dict[str, float | None]


def fit(
    stage: Stage, stream: BatchStream, settings: RunSettings, *, resume: bool = False, report: Report | None = None
) -> TrainResult:
    """Train until ``loop.steps``, and write the result.

    The folder of the run holds ``settings.toml``, ``metrics.jsonl``, TensorBoard files, checkpoints and the result. On
    SIGTERM, SIGUSR1 or Ctrl-C the state is saved first. A run that goes on gives the same numbers as one that was
    never stopped: bit for bit on CPUs, elsewhere as far as the devices repeat themselves.

    Args:
        stage: what is optimised.
        stream: this host's part of the batches; it is left open.
        settings: of the run.
        resume: go on from the newest checkpoint in the folder; where there is none yet, begin.
        report: is told how it goes, on host 0.

    Raises:
        TrainingStopped: a signal stopped it; the state is saved.
        TrainError: loss or gradient are no longer finite, or the folder cannot be written or read.
        SettingsError: settings contradict the devices, the stage, or the run that is in the folder.
    """
    RunSettings.__post_init__(settings)
    folder, told = Path(settings.out), report if report is not None and this_host()[0] == 0 else Quiet()
    mesh = make_mesh(settings.loop.fsdp)
    check_batch(mesh, settings.loop.batch_size, 1 if stage.own_accumulation else settings.loop.accumulation)
    with ExitStack() as stack:
        goes_on = _enter_folder(stack, folder, stage, settings, resume)
        if resume and not goes_on:
            told.say(f"nothing to resume in {folder}: begins anew")
        loop = _Loop(stage, stream, settings, mesh, folder, told)
        stack.callback(loop.close)
        loop.begin(goes_on)
        with StopSignals() as signals:
            loop.run(signals)
            return loop.finish()


def _enter_folder(stack: ExitStack, folder: Path, stage: Stage, settings: RunSettings, resume: bool) -> bool:
    """Host 0 takes the folder; all hear whether there is something to go on with."""
    failed: Exception | None = None
    goes_on = False
    if this_host()[0] == 0:
        try:
            goes_on = stack.enter_context(open_run_folder(folder, stage.name, settings, resume=resume))
        except Exception as error:  # told to the other hosts, which wait for this one
            failed = error
    agree(failed)
    return gather_text("yes" if goes_on else "no")[0] == "yes"


@dataclass(frozen=True)
class _Pending:
    """A step that was given to the devices, and what will come of it."""

    step: int
    batch: Batch
    metrics: Figures
    waited_s: float


class _Mean:
    """Running means of figures, which can be kept in a checkpoint."""

    def __init__(self, record: Any = None):
        self._count = int(record["count"]) if record else 0
        self._sums: dict[str, float] = dict(record["sums"]) if record else {}

    def add(self, values: dict[str, float]) -> None:
        self._count += 1
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def take(self) -> dict[str, float]:
        """The means since this was called before."""
        means = {name: total / max(self._count, 1) for name, total in self._sums.items()}
        self._count, self._sums = 0, {}
        return means

    def to_json(self) -> JSON:
        return {"count": self._count, "sums": dict(self._sums)}


def _unique(texts: list[str]) -> list[JSON]:
    """One text where all hosts say the same."""
    return list(texts[:1] if len(set(texts)) == 1 else texts)


def _place(name: str) -> tuple[bool, bool, str]:
    """In a line of metrics the loss comes first, what the optimiser did last."""
    return name in _LAST, name != "loss", name


def _result_of(state: State) -> Params:
    """What a training is after: the running mean, where one is kept."""
    params: Params = state["mean"] if "mean" in state else state["params"]
    return params


class _Loop:
    """One run in one process."""

    def __init__(
        self, stage: Stage, stream: BatchStream, settings: RunSettings, mesh: Mesh, folder: Path, report: Report
    ):
        self._stage, self._stream, self._settings = stage, stream, settings
        self._mesh, self._folder, self._report = mesh, folder, report
        self._writes = this_host()[0] == 0
        self._params, frozen = stage.init(), stage.frozen()
        self._training = make_training(stage, settings, mesh, self._params, frozen)
        self._frozen = place_tree(frozen, self._training.frozen_shardings)
        loop = settings.loop
        precision = choose_precision()[0] if loop.precision == "auto" else loop.precision
        self._peak, self._peak_reason = find_peak(list(mesh.devices.flat), precision)
        self._speed = Speedometer(loop.batch_size, stage.flops_per_clip() * loop.batch_size, self._peak)
        self._checkpoints = RunCheckpoints(folder, loop.keep_last, loop.keep_best)
        self._log: MetricsLog | None = None
        self._state: Any = None
        self._step, self._saved = 0, -1
        self._pending: deque[_Pending] = deque()
        self._window, self._since_save = _Mean(), _Mean()
        self._last: dict[str, float | None] = {}
        self._stop = 0
        self._no_stop = place_flags(mesh, 0)

    def begin(self, goes_on: bool) -> None:
        """The first state: from a checkpoint, or new."""
        found = self._checkpoints.restore(self._training.abstract, self._report.say) if goes_on else None
        if found is None:
            shardings = self._training.shardings["params"]
            self._state = self._training.start(place_tree(self._params, shardings))
            if goes_on:
                self._report.say("there is no checkpoint yet: begins anew")
        else:
            self._state, note = found
            self._take_up(note)
        frozen = count_parameters(self._frozen)
        trained = count_parameters(self._params)
        del self._params
        failed: Exception | None = None
        if self._writes:
            try:
                self._log = MetricsLog(self._folder, self._step, tensorboard=self._settings.loop.tensorboard)
            except TrainError as error:
                failed = error
        agree(failed)
        devices = list(self._mesh.devices.flat)
        self._report.begin(
            RunFacts(
                stage=self._stage.name,
                folder=str(self._folder),
                steps=self._settings.loop.steps,
                done=self._step,
                devices=f"{len(devices)} x {devices[0].device_kind}",
                trained=trained,
                frozen=frozen,
                peak=self._peak_reason,
            )
        )

    def run(self, signals: StopSignals) -> None:
        """All updates that are left."""
        loop = self._settings.loop
        while self._step < loop.steps:
            if self._must_stop(signals):
                self._settle_all()
                self._save({})
                self._checkpoints.wait()
                raise TrainingStopped(self._stop, self._step, loop.steps, self._folder)
            before = self._step
            self._update(signals)
            if self._step > before and self._is_checkpoint(self._step):
                self._settle_all()
                scores = self._evaluate()
                self._write_line(self._step, scores)
                self._save(scores)

    def finish(self) -> TrainResult:
        """The last checkpoint is complete, the result written."""
        self._checkpoints.wait()
        self._take_best()
        params = fetch_tree(_result_of(self._state))
        failed: Exception | None = None
        path = ""
        if self._writes:
            try:
                path = str(self._stage.export(params, self._folder))
            except Exception as error:  # told to the other hosts, which wait for this one
                failed = error
        agree(failed)
        return TrainResult(self._folder, self._step, Path(gather_text(path)[0]), self._last)

    def close(self) -> None:
        """Let go of files and threads."""
        if self._log is not None:
            self._log.close()
        self._checkpoints.close()

    def _update(self, signals: StopSignals) -> None:
        began = time.monotonic()
        try:
            batch = next(self._stream)
        except Exception:
            # A signal to all processes may have ended those that read; then there is only the state to be saved.
            if self._must_stop(signals):
                return
            raise
        waited = time.monotonic() - began
        placed = place_batch(self._mesh, batch)
        stop = self._no_stop if signals.requested is None else place_flags(self._mesh, signals.requested)
        self._state, metrics = self._training.update(self._state, self._frozen, placed, stop)
        self._step += 1
        self._pending.append(_Pending(self._step, batch, metrics, waited))
        # What the step before came to is known by now, or soon: the devices have work while this waits for it.
        while len(self._pending) > 1:
            self._settle(self._pending.popleft())

    def _settle_all(self) -> None:
        while self._pending:
            self._settle(self._pending.popleft())

    def _settle(self, pending: _Pending) -> None:
        """Wait for a step; look at what it came to."""
        fetched = {name: float(value) for name, value in jax.device_get(pending.metrics).items()}
        values = {name: fetched[name] for name in sorted(fetched, key=_place) if name not in _GUARDS}
        if self._settings.loop.nan_guard and not fetched["finite"]:
            self._fail(pending, values)
        self._stop = self._stop or int(fetched["stop"])
        self._window.add(values)
        self._since_save.add({"loss": values["loss"]})
        self._speed.tick(pending.waited_s)
        steps = self._settings.loop.steps
        clips_per_s, mfu, waits = self._speed.recent()
        left = None if clips_per_s is None else (steps - pending.step) * self._settings.loop.batch_size / clips_per_s
        self._report.advance(Moment(pending.step, steps, values, clips_per_s, mfu, waits, left))
        # The line of a checkpoint's step is written with what the evaluation says.
        if pending.step % self._settings.loop.log_every == 0 and not self._is_checkpoint(pending.step):
            self._write_line(pending.step, {})

    def _write_line(self, step: int, scores: dict[str, float]) -> None:
        clips_per_s, mfu, waits = self._speed.lap()
        speed = {"clips_per_s": clips_per_s, "mfu": mfu, "data_wait": waits}
        self._last = {**self._window.take(), **scores, **self._ask_stream(), **speed}
        if self._log is not None:
            self._log.write(step, self._last)

    def _ask_stream(self) -> dict[str, float]:
        """What a stream that keeps count says of its data, such as damaged clips."""
        ask = getattr(self._stream, "metrics", None)
        return dict(ask()) if callable(ask) else {}

    def _fail(self, pending: _Pending, values: dict[str, float]) -> None:
        where = save_failure(
            self._folder,
            pending.step,
            self._settings.seed,
            pending.batch,
            self._state["params"],
            values,
            writes=self._writes,
        )
        kept = self._checkpoints.steps()
        older = f"the newest checkpoint is of step {kept[-1]}" if kept else "there is no checkpoint before it"
        raise TrainError(
            f"step {pending.step}: expected a finite loss and gradient, found loss {values['loss']:g} and gradient "
            f"norm {values['grad_norm']:g}. Batch and parameters are in {where}; {older}. Make the step once more: "
            f"python -c \"import vp_science as vp; print(vp.train.repeat_failure('{where}'))\". "
            "Often a lower optimizer.learning_rate, more warm-up or optimizer.clip_norm helps"
        )

    def _is_checkpoint(self, step: int) -> bool:
        return step % self._settings.loop.checkpoint_every == 0 or step == self._settings.loop.steps

    def _evaluate(self) -> dict[str, float]:
        """What held-out data say; not part of the speed of training."""
        began = time.monotonic()
        found = self._stage.evaluate(_result_of(self._state), self._frozen)
        self._speed.pause(time.monotonic() - began)
        return found

    def _take_best(self) -> None:
        """Where held-out data decide, the best checkpoint is the result."""
        best = self._checkpoints.best_scored()
        if best is None or best == self._step:
            return
        self._state = self._checkpoints.restore_step(best, self._training.abstract)
        self._report.say(f"the result is that of step {best}, which held-out data like best")

    def _save(self, scores: dict[str, float]) -> None:
        if self._saved == self._step:
            return
        if self._log is not None:
            self._log.flush()
        loss = self._since_save.take().get("loss")
        note: Note = {
            "stage": self._stage.name,
            "settings": describe_settings(self._settings),
            "loss": loss if loss is not None and np.isfinite(loss) else None,
            "score": scores.get("score"),
            "streams": _unique(gather_text(json.dumps(self._stream.get_state()))),
            "window": self._window.to_json(),
        }
        self._checkpoints.save(self._state, note)
        self._saved = self._step

    def _take_up(self, note: Note) -> None:
        """Where the run was: step, streams, means that were under way."""
        self._step = self._saved = int(self._state["step"])
        self._window = _Mean(note["window"])
        host, hosts = this_host()
        streams = note["streams"]
        assert isinstance(streams, list)
        if len(streams) not in (1, hosts):
            raise TrainError(
                f"hosts: expected {len(streams)} processes, as many as read batches when the checkpoint was written, "
                f"found {hosts}"
            )
        self._stream.set_state(json.loads(str(streams[host if len(streams) > 1 else 0])))
        self._report.say(f"resumed after step {self._step} of {self._settings.loop.steps}")

    def _must_stop(self, signals: StopSignals) -> bool:
        if this_host()[1] == 1:
            self._stop = signals.requested or 0
        # With several hosts the number that came with the metrics decides, which is the same everywhere.
        return self._stop > 0
