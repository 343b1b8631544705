"""Small stages and streams for tests of the loop; also run as a program, to be killed or to be one of several hosts."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vp_science.encoder.config import EncoderConfig
from vp_science.encoder.video import VideoEncoder
from vp_science.errors import TrainError
from vp_science.train.functional import split_model
from vp_science.train.loop import fit
from vp_science.train.memory import set_remat
from vp_science.train.mesh import start_hosts, this_host
from vp_science.train.settings import HostSettings, LoopSettings, OptimizerSettings, RunSettings
from vp_science.train.settings_file import build_settings
from vp_science.train.stage import Stage

WIDTH, BATCH = 64, 16


@dataclass(frozen=True)
class ToySettings(RunSettings):
    """Settings of the toy.

    Attributes:
        shift: is added to what is learned.
        names: words.
    """

    shift: float = 0.0
    names: tuple[str, ...] = ()


def settings(out, **loop):
    return ToySettings(
        out=str(out),
        optimizer=OptimizerSettings(learning_rate=1e-2, weight_decay=0.1, warmup_steps=2, ema_decay=0.9),
        loop=LoopSettings(**{"steps": 12, "batch_size": BATCH, "checkpoint_every": 3, "log_every": 4, **loop}),
    )


class Toy(Stage):
    """Two layers learn a product; with noise that depends on the key."""

    name = "toy"

    def __init__(self, noise=0.01):
        self.noise = noise

    def init(self):
        rng = np.random.default_rng(0)
        first = jnp.asarray(rng.normal(size=(WIDTH, WIDTH)) * 0.1, jnp.float32)
        second = jnp.asarray(rng.normal(size=(WIDTH, 1)) * 0.1, jnp.float32)
        return {"first": {"kernel": first, "bias": jnp.zeros(WIDTH)}, "second": {"kernel": second}}

    def loss(self, params, frozen, batch, key):
        hidden = jnp.tanh(batch["video"] @ params["first"]["kernel"] + params["first"]["bias"])
        found = (hidden @ params["second"]["kernel"])[:, 0]
        noise = self.noise * jax.random.normal(key, found.shape) if self.noise else 0.0
        return jnp.mean((found + noise - batch["target"]) ** 2), {"mean_output": jnp.mean(found)}

    def flops_per_clip(self):
        return 6.0 * WIDTH * (WIDTH + 1)

    def export(self, params, folder):
        path = folder / "result.npz"
        np.savez(path, first=params["first"]["kernel"], second=params["second"]["kernel"])
        return path


class EncoderStage(Stage):
    """A small encoder learns the mean brightness of clips; there is something frozen, too."""

    name = "encoder"
    config = EncoderConfig(
        patch_size=6,
        pos_emb_shape=(2, 2, 2),
        model_dim=32,
        num_spatial_layers=2,
        num_temporal_layers=2,
        num_heads=2,
        mlp_dim=128,
    )

    def __init__(self, remat="none"):
        model = VideoEncoder(self.config, rngs=nnx.Rngs(0))
        set_remat(model, remat)
        self.skeleton, _ = split_model(model)

    def init(self):
        return split_model(VideoEncoder(self.config, rngs=nnx.Rngs(1)))[1]

    def frozen(self):
        return {"readout": {"w": jnp.linspace(-1, 1, 32)}}

    def loss(self, params, frozen, batch, key):
        clips = batch["video"].astype(jnp.float32) / 255
        tokens = self.skeleton.bind(params)(clips)
        found = tokens.mean(axis=1) @ frozen["readout"]["w"]
        return jnp.mean((found - clips.mean(axis=(1, 2, 3, 4))) ** 2), {}

    def flops_per_clip(self):
        return 3 * self.config.count_flops(2, 12, 12)

    def depths(self, params):
        depths = jax.tree.map(lambda leaf: np.zeros((), np.int32), params)
        stack = depths["spatial_encoder"]["transformers_stack"]
        stack["x_layers"] = jax.tree.map(lambda leaf: np.array([2, 1]), stack["x_layers"])
        return depths

    def export(self, params, folder):
        from vp_science.train.functional import flat_names

        path = folder / "result.npz"
        np.savez(path, **{name.replace("/", "."): value for name, value in flat_names(params).items()})
        return path


class ToyStream:
    """Batches from their number; does what it is told before some of them."""

    def __init__(self, kind="toy", before=None, host=(0, 1)):
        self.number, self.kind, self.before, self.host = 0, kind, before or {}, host
        self.closed = False

    def __iter__(self):
        return self

    def __next__(self):
        number, action = self.number, self.before.get(self.number)
        rng = np.random.default_rng([7, number])
        if self.kind == "toy":
            video = rng.normal(size=(BATCH, WIDTH)).astype(np.float32)
            batch = {"video": video, "target": video[:, 0] * video[:, 1], "row": np.arange(BATCH)}
        else:
            batch = {"video": rng.integers(0, 256, (BATCH, 2, 12, 12, 3), np.uint8)}
        if action is not None:
            batch = action(batch) or batch
        self.number = number + 1
        index, count = self.host
        part = BATCH // count
        return {name: array[index * part : (index + 1) * part] for name, array in batch.items()}

    def get_state(self):
        return {"number": self.number}

    def set_state(self, state):
        self.number = state["number"]

    def close(self):
        self.closed = True


class Told:
    """A report that remembers."""

    def __init__(self):
        self.facts, self.moments, self.lines = None, [], []

    def begin(self, facts):
        self.facts = facts

    def advance(self, moment):
        self.moments.append(moment)

    def say(self, line):
        self.lines.append(line)


def read_result(folder):
    with np.load(folder / "result.npz") as arrays:
        return dict(arrays)


def read_lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def start_program(order, devices=1):
    """This file as a process of its own, with so many simulated devices; its output is to be read."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, __file__, json.dumps(order)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
    )


def run_program(order, devices=1):
    """Wait for it; its output is in ``output``."""
    process = start_program(order, devices)
    process.output = process.communicate(timeout=280)[0]
    return process


def send(number):
    """An action of a stream: send a signal to this process."""

    def action(batch):
        os.kill(os.getpid(), number)

    return action


def _runs(order):
    """One or more trainings in one process, as JSON says."""
    for run in order:
        chosen = build_settings(ToySettings, run["settings"])
        kind = run.get("kind", "toy")
        before = {int(step): send(getattr(signal, name)) for step, name in run.get("before", {}).items()}
        stream = ToyStream(kind, before, this_host())
        try:
            result = fit(Toy() if kind == "toy" else EncoderStage(), stream, chosen, resume=run.get("resume", False))
            print(f"done {result.steps}", flush=True)
        except TrainError as error:
            print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    start_hosts(build_settings(HostSettings, given[0]["settings"].get("hosts", {})))
    _runs(given)
