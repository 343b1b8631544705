"""Run by test_contrastive_devices: the stage on eight simulated devices and on one of them; prints what differs."""

import json
import re
import sys
from pathlib import Path

import jax
import numpy as np

from vp_science.train.functional import flat_names
from vp_science.train.mesh import batch_sharding, make_mesh, place_batch, tree_shardings

sys.path.insert(0, str(Path(__file__).parent))
from contrastive_micro import micro_batch, micro_stage

KEY = jax.random.key(5)
SHAPE = re.compile(r"= \(?(\w+)\[([\d,]*)\]\S* all-gather(?:-start)?\(")


def compute(stage, batch, *, spread):
    """Loss and gradient, and the sizes of all arrays that were gathered."""
    params = stage.init()
    run = jax.jit(stage.value_and_grad)
    if spread:
        mesh = make_mesh(fsdp=1)
        params = jax.device_put(params, tree_shardings(mesh, params))
        batch = place_batch(mesh, batch)
        assert batch["video"].sharding == batch_sharding(mesh)
    program = run.lower(params, {}, batch, KEY).compile()
    (loss, _), gradient = program(params, {}, batch, KEY)
    text = program.as_text()
    gathered = [[name, [int(size) for size in sizes.split(",") if size]] for name, sizes in SHAPE.findall(text)]
    return float(loss), {name: np.asarray(leaf) for name, leaf in flat_names(gradient).items()}, gathered


def distance(one, other):
    largest = max(np.abs(leaf).max() for leaf in one.values())
    return float(max(np.abs(leaf - other[name]).max() for name, leaf in one.items()) / largest)


def main():
    batch = micro_batch(16)
    loss, gradient, _ = compute(micro_stage(16), batch, spread=False)
    found = {"devices": len(jax.devices())}
    for name, accumulation in (("plain", 1), ("cached", 2)):
        other_loss, other, gathered = compute(micro_stage(16, accumulation), batch, spread=True)
        found[name] = {
            "loss": abs(other_loss - loss) / loss,
            "gradient": distance(gradient, other),
            "gathered": gathered,
        }
    print(json.dumps(found))


main()
