"""The ablation of the paper in miniature: what stage 2, shuffling and global distillation are good for.

    python -m benchmarks.proof.ablation --runs runs/ablation --seeds 0 1 2                          # one GPU: 20 min
    python -m benchmarks.proof.ablation --runs runs/ablation --seeds 0 1 2 \\
        --set loop.steps=400 --set2 loop.batch_size=32                                              # two CPU cores: 9 h

Per seed: stage 1, then every variant of stage 2 from that stage 1, then probes of motion and appearance on all of them
(benchmarks/proof/motion_probes.py, whose cells this fills). Everything that is finished is kept: call it again after an
interruption.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.proof.cells import RESULTS
from benchmarks.proof.trainings import RECIPES, parse_change, train

VARIANTS: dict[str, dict[str, object]] = {
    "full": {},
    "no_shuffling": {"shuffle": False},
    "no_global": {"global_loss": 0.0},
    "no_global_no_shuffling": {"shuffle": False, "global_loss": 0.0},
    "tube_masks": {"masks.tube_range": [1.0, 1.0]},
}
STAGE1, LONGER = "stage1", "stage1_longer"
OUT = RESULTS / "ablation.json"


def train_seed(given: argparse.Namespace, seed: int) -> dict[str, Path]:
    """All models of one seed by name."""
    runs = given.runs / f"seed{seed}"
    changes = {"seed": seed, **dict(given.set), **dict(given.set1)}
    first = train("contrastive", RECIPES / "tiny_ablation_stage1.toml", changes, runs / STAGE1)
    models = {STAGE1: first}
    for name in given.variants:
        if name == LONGER:
            changes = {"seed": seed + 1000, "init": first, **dict(given.set), **dict(given.set1)}
            changes |= dict(given.set_longer)
            models[name] = train("contrastive", RECIPES / "tiny_ablation_stage1.toml", changes, runs / name)
            continue
        changes = {"seed": seed, "init": first, **VARIANTS[name], **dict(given.set), **dict(given.set2)}
        models[name] = train("distill", RECIPES / "tiny_ablation_stage2.toml", changes, runs / name)
    return models


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is not there yet, then probe it."""
    from benchmarks.proof import motion_probes

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=[*VARIANTS, LONGER], default=[*VARIANTS, LONGER])
    parser.add_argument("--set", action="append", type=parse_change, default=[], help="KEY=VALUE for all trainings")
    parser.add_argument("--set1", action="append", type=parse_change, default=[], help="KEY=VALUE for stage 1 alone")
    parser.add_argument("--set2", action="append", type=parse_change, default=[], help="KEY=VALUE for stage 2 alone")
    parser.add_argument("--set-longer", action="append", type=parse_change, default=[("loop.steps", "500")],
                        help="KEY=VALUE for stage1_longer: as many clips as stage 2")  # fmt: skip
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--probe", default="", help="further options of motion_probes, in one text")
    given = parser.parse_args(arguments)
    arms = []
    for seed in given.seeds:
        arms += [f"--arm={name}:{seed}={folder}" for name, folder in train_seed(given, seed).items()]
        untrained = ["--untrained-seeds", *map(str, range(given.seeds.index(seed) + 1))]
        motion_probes.main([*arms, *untrained, "--out", str(given.out), *given.probe.split()])


if __name__ == "__main__":
    main()
