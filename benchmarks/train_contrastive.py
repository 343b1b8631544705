"""What tube dropping and gradient caching save in a step of the contrastive stage, and what they cost.

    python -m benchmarks.train_contrastive [--model videoprism-lvt-tiny] [--frames 8] [--size 144] [--batch 8]

Seconds are those of the processor (all threads together), the least of a few steps, so that other programs on the
machine change them little; memory is what the compiled program asks for besides parameters and batch.
"""

import argparse
import time

import jax
import numpy as np

from vp_science.checkpoints.registry import find_model
from vp_science.train.contrastive import ContrastiveSettings, make_stage
from vp_science.train.data.settings import ClipSettings
from vp_science.train.settings import LoopSettings


def measure(options, *, drop, accumulation, remat="none"):
    """Seconds and bytes of one gradient."""
    settings = ContrastiveSettings(
        model=options.model,
        drop_tokens=drop,
        clips=ClipSettings(options.frames, options.size),
        loop=LoopSettings(
            batch_size=options.batch, accumulation=accumulation, remat=remat, precision=options.precision
        ),
    )
    stage = make_stage(settings)
    rng = np.random.default_rng(0)
    pieces = find_model(options.model).config.vocabulary_size
    batch = {
        "video": rng.integers(0, 256, (options.batch, options.frames, options.size, options.size, 3), np.uint8),
        "text": rng.integers(0, pieces, (options.batch, 64)).astype(np.int32),
        "text_valid": np.ones((options.batch, 64), bool),
    }
    params, key = stage.init(), jax.random.key(0)
    program = jax.jit(stage.value_and_grad).lower(params, {}, batch, key).compile()
    seconds = []
    for _ in range(options.steps + 1):
        begin = time.process_time()
        jax.block_until_ready(program(params, {}, batch, key))
        seconds.append(time.process_time() - begin)
    return min(seconds[1:]), program.memory_analysis().temp_size_in_bytes, stage.flops_per_clip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="videoprism-lvt-tiny")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=144)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    print(f"{options.model}, {options.batch} clips of {options.frames} x {options.size} x {options.size}")
    print(f"{'dropped':>8} {'pieces':>7} {'remat':>7} {'s':>8} {'ratio':>6} {'MB':>7} {'GFLOP/clip':>11}")
    first = None
    pieces = max(2, options.batch // 2)
    for drop, accumulation, remat in ((0.0, 1, "none"), (0.5, 1, "none"), (0.5, 1, "layers"), (0.5, pieces, "none")):
        seconds, size, flops = measure(options, drop=drop, accumulation=accumulation, remat=remat)
        first = first or seconds
        print(
            f"{drop:8.1f} {accumulation:7d} {remat:>7} {seconds:8.2f} {seconds / first:6.2f} {size / 1e6:7.0f} "
            f"{flops / 1e9:11.2f}"
        )


if __name__ == "__main__":
    main()
