"""Metrics on disk: ``metrics.jsonl``, a line per report, and TensorBoard event files."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vp_science.errors import TrainError, require_extra
from vp_science.files import write_atomically

METRICS = "metrics.jsonl"
_TENSORBOARD = "tensorboard"
# Text of a log is small; what is larger is something else.
_MAX_BYTES = 1 << 30


class MetricsLog:
    """Appends one line of JSON per report; a line is there whole or not at all.

    Args:
        folder: of the run.
        step: updates that are kept: lines after it are dropped, so that no step occurs twice when a run goes on.
        tensorboard: also write event files.

    Raises:
        TrainError: when the folder cannot be written.
    """

    def __init__(self, folder: Path, step: int, *, tensorboard: bool):
        self._path = folder / METRICS
        self._file: int | None = None
        self._writer: Any = None
        if tensorboard:
            writer = require_extra("tensorboardX", "train").SummaryWriter
        try:
            _drop_after(self._path, step)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            if tensorboard:
                self._writer = writer(str(folder / _TENSORBOARD), purge_step=step + 1 if step else None)
        except OSError as error:
            raise _cannot_write(self._path, error) from error

    def write(self, step: int, values: Mapping[str, float | None]) -> None:
        """One line; what is None or not finite is null in it, and left out of TensorBoard.

        Raises:
            TrainError: when it cannot be written; nothing of it is then in the file.
        """
        known = {name: _finite(value) for name, value in values.items()}
        line = (json.dumps({"step": step, **known}, ensure_ascii=False, allow_nan=False) + "\n").encode()
        assert self._file is not None
        before = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(28, os.strerror(28))
        except OSError as error:
            os.ftruncate(self._file, before)
            raise _cannot_write(self._path, error) from error
        if self._writer is not None:
            for name, value in known.items():
                if value is not None:
                    self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        """Bring everything to the disk, before a checkpoint says that it is there.

        Raises:
            TrainError: when it cannot be written.
        """
        try:
            if self._file is not None:
                os.fsync(self._file)
            if self._writer is not None:
                self._writer.flush()
        except OSError as error:
            raise _cannot_write(self._path, error) from error

    def close(self) -> None:
        """End the files."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()


def _drop_after(path: Path, step: int) -> None:
    """Keep the whole lines up to a step."""
    if not path.exists():
        return
    if path.stat().st_size > _MAX_BYTES:
        raise TrainError(f"{path}: expected a log of metrics, found over {_MAX_BYTES} bytes: move it away")
    content = path.read_bytes()
    kept = b"".join(line for line in content.splitlines(keepends=True) if _is_kept(line, step))
    if kept != content:
        write_atomically(path, lambda file: file.write(kept))


def _is_kept(line: bytes, step: int) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        record = json.loads(line)
    except ValueError:
        return False
    found = record.get("step") if isinstance(record, dict) else None
    return isinstance(found, int) and found <= step


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cannot_write(path: Path, error: OSError) -> TrainError:
    return TrainError(
        f"{path}: expected to write metrics, found {error.strerror or error}: make room or choose another folder "
        "(--out); checkpoints so far can be resumed"
    )
