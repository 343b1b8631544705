"""Settings that all stages of training share: the optimiser and the loop."""

from dataclasses import dataclass, field
from typing import Literal

from vp_science.errors import SettingsError


@dataclass(frozen=True)
class OptimizerSettings:
    """How parameters move.

    Attributes:
        name: ``adamw`` (Loshchilov & Hutter 2019) or ``adafactor`` (Shazeer & Stern 2018) as it is used for vision
            transformers (Zhai et al. 2022, section 3.4): with momentum and without scaling by the size of a parameter,
            so that a rate means about the same for both.
        learning_rate: at its highest.
        schedule: after the warm-up: ``cosine`` or ``linear`` decay to ``final_rate``, or ``constant``.
        warmup_steps: steps in which the rate rises linearly from 0; at most the steps of the run.
        final_rate: at the last step, for ``cosine`` and ``linear``.
        weight_decay: decoupled, of matrices; biases, norm scales, position tables and learned tokens do not decay.
        betas: decay of the running mean of gradients and of their squares; for Adafactor the second one is the highest
            that the decay of the squares comes to.
        clip_norm: the gradient is scaled to at most this global norm; None leaves it.
        layer_decay: factor of the rate per layer away from the loss; 1 trains all alike.
        ema_decay: of the running mean of the parameters, which becomes the result; None keeps no mean. In the first
            steps the decay is lower, (1 + step) / (10 + step), so that the start is forgotten.
    """

    name: Literal["adamw", "adafactor"] = "adamw"
    learning_rate: float = 1e-4
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_steps: int = 0
    final_rate: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float | None = 1.0
    layer_decay: float = 1.0
    ema_decay: float | None = None

    def __post_init__(self) -> None:
        _check("learning_rate", self.learning_rate, self.learning_rate > 0, "more than 0")
        _check("warmup_steps", self.warmup_steps, self.warmup_steps >= 0, "0 or more")
        _check("final_rate", self.final_rate, 0 <= self.final_rate <= self.learning_rate, "0 to learning_rate")
        _check("weight_decay", self.weight_decay, self.weight_decay >= 0, "0 or more")
        _check("betas", self.betas, all(0 <= beta < 1 for beta in self.betas), "two numbers from 0 to below 1")
        _check("clip_norm", self.clip_norm, self.clip_norm is None or self.clip_norm > 0, "more than 0, or none")
        _check("layer_decay", self.layer_decay, 0 < self.layer_decay <= 1, "more than 0, at most 1")
        ema = self.ema_decay
        _check("ema_decay", ema, ema is None or 0 < ema < 1, "between 0 and 1, or none")


@dataclass(frozen=True)
class LoopSettings:
    """How long a training runs, on what, and what it keeps.

    Attributes:
        steps: updates of the parameters.
        batch_size: clips per update, over all devices and hosts.
        accumulation: pieces into which the batch of an update is cut, one after the other; gradients are averaged.
        remat: ``layers`` recomputes activations in the backward pass: less memory, about a third more work.
        precision: operands of matrix products; parameters, sums and the optimiser stay float32. ``auto``: what is fast.
        fsdp: devices over which parameters are cut; the others repeat them for other parts of the batch. 1 repeats
            them on all devices.
        checkpoint_every: steps between checkpoints.
        keep_last: newest checkpoints that are kept.
        keep_best: checkpoints that are kept, too: with the highest score on held-out data, or, where there are none,
            with the lowest loss (mean since the one before).
        log_every: steps between lines of metrics.
        tensorboard: also write TensorBoard event files.
        nan_guard: stop, with the batch saved, when loss or gradient are no longer finite.
    """

    steps: int = 1000
    batch_size: int = 32
    accumulation: int = 1
    remat: Literal["none", "layers"] = "none"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    fsdp: int = 1
    checkpoint_every: int = 500
    keep_last: int = 2
    keep_best: int = 1
    log_every: int = 10
    tensorboard: bool = True
    nan_guard: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulation", "fsdp", "checkpoint_every", "keep_last", "log_every"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        _check("keep_best", self.keep_best, self.keep_best >= 0, "0 or more")
        fits = self.batch_size % self.accumulation == 0
        _check("accumulation", self.accumulation, fits, f"a divisor of batch_size={self.batch_size}")


@dataclass(frozen=True)
class HostSettings:
    """Which processes train together: one on each machine, or one for each device.

    Attributes:
        coordinator: ``none``: this process trains alone. ``auto``: jax finds the others (Slurm, Open MPI, TPU pods).
            Otherwise address and port of the first process, for example ``10.0.0.1:1234``.
        count: how many processes there are, where ``coordinator`` is an address.
        index: which of them this is, from 0; process 0 runs at the address and writes the metrics.
    """

    coordinator: str = "none"
    count: int = 1
    index: int = 0

    def __post_init__(self) -> None:
        address = self.coordinator not in ("none", "auto")
        fits = not address or self.coordinator.rpartition(":")[2].isdecimal()
        _check("coordinator", self.coordinator, fits, "none, auto, or an address with a port")
        _check(
            "count", self.count, self.count >= 2 if address else self.count == 1, "2 or more behind an address, else 1"
        )
        _check("index", self.index, 0 <= self.index < self.count, f"0 to {self.count - 1}")


@dataclass(frozen=True)
class RunSettings:
    """What the settings of every stage have.

    Attributes:
        out: folder of the run: settings, metrics, checkpoints, result.
        seed: of everything random: first weights, order of clips, augmentation, masks.
        optimizer: how parameters move.
        loop: how long, on what.
        hosts: which processes train together.
    """

    out: str = "run"
    seed: int = 0
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    loop: LoopSettings = field(default_factory=LoopSettings)
    hosts: HostSettings = field(default_factory=HostSettings)

    def __post_init__(self) -> None:
        _check("out", self.out, bool(self.out.strip()), "the name of a folder")
        _check("seed", self.seed, 0 <= self.seed < 1 << 32, "0 to 4294967295")


def _check(name: str, found: object, fits: bool, expected: str) -> None:
    if not fits:
        raise SettingsError(f"{name}: expected {expected}, found {found}")
