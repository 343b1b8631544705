"""Checkpoints of a run: orbax writes them in the background; what cannot be read back whole is not used.

A checkpoint holds the state (parameters, optimiser, running mean, step) and a note in JSON: where the streams of all
hosts are, the settings, and a checksum of every array. The checksum is of values and not of files: it is the same
however the arrays lie on devices, and is compared after the arrays are back in memory.
"""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt32

from vp_science.errors import TrainError, require_extra
from vp_science.train.mesh import agree
from vp_science.train.state import State
from vp_science.typing import JSON

FORMAT, SCHEMA = "vp_science.training", 1
_FOLDER, _DAMAGED = "checkpoints", "checkpoints.damaged"

Note = dict[str, JSON]


class RunCheckpoints:
    """The checkpoints of one run, for one process at a time on every host.

    Args:
        folder: of the run.
        keep_last: newest checkpoints that are kept.
        keep_best: those with the highest score on held-out data that are kept, too; where there are no such data, those
            with the lowest loss.

    Raises:
        TrainError: when the folder cannot be written.
    """

    def __init__(self, folder: Path, keep_last: int, keep_best: int):
        self._orbax = require_extra("orbax.checkpoint", "train")
        self._folder = (folder / _FOLDER).resolve()
        self._damaged = folder / _DAMAGED
        self._keep = keep_last, keep_best
        # A step that was not finished before a kill has a temporary name, which is removed here.
        options = self._orbax.CheckpointManagerOptions(
            max_to_keep=None, cleanup_tmp_directories=True, enable_async_checkpointing=True
        )
        self._manager = self._guard("write", lambda: self._orbax.CheckpointManager(self._folder, options=options))
        self._notes: dict[int, tuple[float, float]] = {}
        for step in self.steps():
            with suppress(Exception):  # a damaged note; restoring says so
                self._notes[step] = _quality(self._read_note(step))

    def steps(self) -> list[int]:
        """Steps of which there is a whole checkpoint, or one that looks so."""
        return sorted(self._manager.all_steps())

    def save(self, state: State, note: Mapping[str, JSON]) -> None:
        """Begin to write; the state may be given up as soon as this returns.

        Waits for the checkpoint before, and then removes those that are no longer kept.

        Args:
            state: whole.
            note: JSON; ``score`` (high) and ``loss`` (low) rank checkpoints.

        Raises:
            TrainError: when this one or the one before cannot be written.
        """
        step = int(state["step"])
        sums = dict(zip(_names(_named(state)), np.asarray(checksums(_named(state))).tolist(), strict=True))
        record = {"format": FORMAT, "schema": SCHEMA, "step": step, **note, "checksums": sums}
        args = self._orbax.args
        composite = args.Composite(state=args.StandardSave(_named(state)), note=args.JsonSave(record))
        self.wait()
        self._guard("write", lambda: self._manager.save(step, args=composite, force=True))
        self._notes[step] = _quality(record)

    def best_scored(self) -> int | None:
        """The step with the highest score on held-out data; None when none has one."""
        scored = [step for step in self.steps() if self._rank(step)[0] < math.inf]
        return min(scored, key=self._rank, default=None)

    def restore_step(self, step: int, abstract: State) -> State:
        """The state of one checkpoint.

        Raises:
            TrainError: when it is damaged.
        """
        state: State = self._guard("read", lambda: self._restore_step(step, abstract)[0])
        return state

    def restore(self, abstract: State, say: Callable[[str], None]) -> tuple[State, Note] | None:
        """The newest checkpoint that is whole; those that are not are moved aside.

        Args:
            abstract: shapes, types and shardings of the state; another number of devices than before will do.
            say: told about checkpoints that are damaged.

        Returns:
            The state and its note; None when there is no checkpoint.

        Raises:
            TrainError: when there are checkpoints, and none of them is whole.
        """
        damaged: list[int] = []
        with _without_late_callbacks():
            for step in reversed(self.steps()):
                try:
                    found = self._restore_step(step, abstract)
                except Exception as error:  # whatever orbax and tensorstore make of damaged files
                    say(f"checkpoint of step {step}: expected a whole one, found it damaged ({_first_line(error)})")
                    damaged.append(step)
                    continue
                self._move_aside(damaged, say)
                return found
        if damaged:
            raise TrainError(
                f"{self._folder}: expected a checkpoint, found only damaged ones (steps {damaged[::-1]}): "
                "begin anew with another --out"
            )
        return None

    def wait(self) -> None:
        """Until the checkpoint that is being written is on the disk; then remove those that are no longer kept.

        Raises:
            TrainError: when it could not be written.
        """
        self._guard("write", self._manager.wait_until_finished)
        self._guard("write", self._prune)

    def close(self) -> None:
        """Let go of threads; errors were told by :meth:`wait`."""
        with suppress(Exception):
            self._manager.close()

    def _restore_step(self, step: int, abstract: State) -> tuple[State, Note]:
        args = self._orbax.args
        note = self._read_note(step)
        if note.get("format") != FORMAT or note.get("schema") != SCHEMA or note.get("step") != step:
            raise ValueError(f"its note is not one of {FORMAT} {SCHEMA} and step {step}")
        wanted = args.Composite(state=args.StandardRestore(_named(abstract)))
        named = self._manager.restore(step, args=wanted).state
        expected, found = note.get("checksums"), np.asarray(checksums(named)).tolist()
        if expected != dict(zip(_names(named), found, strict=True)):
            raise ValueError("checksums of its arrays do not match")
        return _unnamed(named, abstract), note

    def _read_note(self, step: int) -> Note:
        args = self._orbax.args
        note = self._manager.restore(step, args=args.Composite(note=args.JsonRestore())).note
        if not isinstance(note, dict):
            raise ValueError("its note is not a JSON object")
        return note

    def _move_aside(self, steps: list[int], say: Callable[[str], None]) -> None:
        """Their steps will be written again; what is in them may still be of use to somebody."""
        if not steps:
            return
        failed: Exception | None = None
        if jax.process_index() == 0:
            try:
                self._damaged.mkdir(exist_ok=True)
                for step in steps:
                    number = sum(1 for _ in self._damaged.glob(f"{step}*"))
                    (self._folder / str(step)).rename(self._damaged / (f"{step}.{number}" if number else str(step)))
            except OSError as error:
                failed = _cannot("write", self._damaged, error)
        agree(failed)
        self._manager.reload()
        say(f"damaged checkpoints were moved to {self._damaged}")

    def _prune(self) -> None:
        steps, (last, best) = self.steps(), self._keep
        ranked = sorted(steps, key=self._rank)
        for step in set(steps) - set(steps[-last:]) - set(ranked[:best]):
            self._manager.delete(step)
            self._notes.pop(step, None)

    def _rank(self, step: int) -> tuple[float, float, int]:
        """Smaller is better: high scores, then low losses, then later steps."""
        return *self._notes.get(step, (math.inf, math.inf)), -step

    def _guard(self, doing: str, call: Callable[[], Any]) -> Any:
        try:
            with _without_late_callbacks():
                return call()
        except TrainError:
            raise
        except Exception as error:  # orbax passes on errors of files, tensorstore and threads, each of its own type
            raise _cannot(doing, self._folder, error) from error


@jax.jit
def checksums(tree: Any) -> UInt32[Array, " arrays"]:
    """A checksum of every array, in the order of the tree: the sum of its bits as odd multiples of their places.

    Sums of integers modulo 2^32 have no order, so they do not depend on how the arrays lie on devices.
    """

    def checksum(leaf: Array) -> Array:
        if leaf.dtype == jnp.bool_:
            bits = leaf.astype(jnp.uint32)
        else:
            unsigned = jnp.dtype(f"uint{8 * leaf.dtype.itemsize}")
            bits = jax.lax.bitcast_convert_type(leaf, unsigned).astype(jnp.uint32)
        place = jnp.zeros(leaf.shape, jnp.uint32)
        for axis, size in enumerate(leaf.shape):
            place = place * jnp.uint32(size) + jax.lax.broadcasted_iota(jnp.uint32, leaf.shape, axis)
        return jnp.sum(bits * (2 * place + 1), dtype=jnp.uint32)

    return jnp.stack([checksum(leaf) for leaf in jax.tree.leaves(tree)])


@contextmanager
def _without_late_callbacks() -> Iterator[None]:
    """When one file of many fails, threads of tensorstore report the others to nobody: tracebacks of no use."""
    before = sys.unraisablehook

    def hook(found: Any) -> None:
        if not (isinstance(found.exc_value, RuntimeError) and str(found.exc_value) == "Event loop is closed"):
            before(found)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _named(state: Any) -> dict[str, Any]:
    """A state as nested dictionaries; the optimiser's arrays by number, as its types are those of a library."""
    leaves = jax.tree.leaves(state["opt"])
    return dict(state) | {"opt": {f"{index:04d}": leaf for index, leaf in enumerate(leaves)}}


def _unnamed(named: Mapping[str, Any], abstract: State) -> State:
    structure = jax.tree.structure(abstract["opt"])
    numbered = named["opt"]
    return dict(named) | {"opt": jax.tree.unflatten(structure, [numbered[name] for name in sorted(numbered)])}


def _names(tree: Any) -> list[str]:
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in jax.tree.leaves_with_path(tree)]


def _quality(note: Mapping[str, Any]) -> tuple[float, float]:
    """The score, negated, and the loss; infinite where there is none."""
    return -_number(note.get("score"), -math.inf), _number(note.get("loss"), math.inf)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else otherwise


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200] if lines else 'no message'}"


def _cannot(doing: str, folder: Path, error: Exception) -> TrainError:
    return TrainError(
        f"{folder}: expected to {doing} a checkpoint, found {_first_line(error)}: make room or choose another folder "
        "(--out); checkpoints before it are whole and can be resumed"
    )
