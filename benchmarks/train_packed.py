"""What a gradient of the student costs by the share of tokens that it sees: dense grid against packed tokens.

    python benchmarks/train_packed.py                                  # tiny at 8 x 144 x 144 and 16 x 288 x 288
    python benchmarks/train_packed.py --model videoprism-base --frames 16 --size 288 --batch 1 --rounds 1
    python benchmarks/train_packed.py --step                           # the whole stage: teacher, student, decoders

Forward and backward pass, random weights. Variants run in turn; the least time of a few rounds is taken: of the
processor (all threads together) on a CPU, so that other programs change it little, and of the clock elsewhere. Memory
is what the compiled program asks for besides parameters and pixels.
"""

import argparse
import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from vp_science.checkpoints.registry import find_model
from vp_science.encoder.video import VideoEncoder
from vp_science.train.data.settings import ClipSettings
from vp_science.train.distill import DistillSettings, MaskSettings, make_stage
from vp_science.train.distill.block_masks import TokenGrid, count_masked, draw_masks
from vp_science.train.distill.cost import count_student_flops
from vp_science.train.distill.distill_stage import encoder_part
from vp_science.train.distill.packed import encode_packed
from vp_science.train.distill.packing import find_places, take
from vp_science.train.distill.student import encode_dense
from vp_science.train.functional import split_model
from vp_science.train.memory import set_remat
from vp_science.train.settings import LoopSettings


def clock():
    return time.process_time() if jax.default_backend() == "cpu" else time.perf_counter()


def least_seconds(programs, rounds):
    """The least time of every program, run in turn; called without arguments. Without rounds nothing runs: NaN."""
    if not rounds:
        return dict.fromkeys(programs, float("nan"))
    seconds = {name: [] for name in programs}
    for program in programs.values():
        jax.block_until_ready(program())
    for _ in range(rounds):
        for name, program in programs.items():
            begin = clock()
            jax.block_until_ready(program())
            seconds[name].append(clock() - begin)
    return {name: min(values) for name, values in seconds.items()}


def student_program(options, way, ratio):
    """A compiled gradient of the student, its memory and its operations per clip."""
    config = encoder_part(find_model(options.model).config)
    encoder = VideoEncoder(config, compute_dtype=options.precision, rngs=nnx.Rngs(0))
    set_remat(encoder, options.remat)
    skeleton, params = split_model(encoder)
    side = options.size // config.patch_size
    grid = TokenGrid(options.frames, side, side)
    video = jax.random.uniform(jax.random.key(0), (options.batch, options.frames, options.size, options.size, 3))
    valid = jnp.ones((options.batch, options.frames), bool)
    hidden = draw_masks(jax.random.key(1), options.batch, grid, MaskSettings(ratio)) if ratio else None
    shape = (options.batch, grid.frames, grid.patches)
    visible = jnp.ones(shape, bool) if hidden is None else ~hidden
    count = grid.tokens - (count_masked(grid, ratio) if ratio else 0)
    places = find_places(visible.reshape(options.batch, -1), count)

    def loss(params, video, visible, places):
        bound = skeleton.bind(params)
        if way == "packed":
            tokens = encode_packed(bound, video, places, valid)
        else:
            dense = encode_dense(bound, video, visible)
            tokens = take(dense.reshape(options.batch, -1, config.model_dim), places)
        return jnp.mean(tokens[..., 0] ** 2)

    program = jax.jit(jax.grad(loss)).lower(params, video, visible, places).compile()
    settings = dataclasses.replace(DistillSettings(), student=way)
    flops = 3 * count_student_flops(settings, config, grid, count)
    return lambda: program(params, video, visible, places), program.memory_analysis().temp_size_in_bytes, flops


def compare_students(options):
    shape = f"{options.batch} x {options.frames} x {options.size} x {options.size}"
    print(f"\nstudent: {options.model}, {shape}, remat {options.remat}")
    print(f"{'student':>8} {'visible':>8} {'s':>8} {'ratio':>6} {'operations':>11} {'MB':>7}")
    built = {}
    for way, ratio in [("dense", 0.0), ("dense", 0.65), *(("packed", ratio) for ratio in (0.0, 0.35, 0.5, 0.65, 0.8))]:
        built[way, ratio] = student_program(options, way, ratio)
    seconds = least_seconds({name: program for name, (program, _, _) in built.items()}, options.rounds)
    whole = seconds["dense", 0.0], built["dense", 0.0][2]
    for (way, ratio), (_, memory, flops) in built.items():
        took = seconds[way, ratio]
        print(
            f"{way:>8} {1 - ratio:>8.2f} {took:>8.3f} {took / whole[0]:>6.2f} {flops / whole[1]:>11.2f} "
            f"{memory / 1e6:>7.0f}",
            flush=True,
        )


def compare_steps(options):
    print(f"\nwhole step: {options.model}, {options.batch} x {options.frames} x {options.size} x {options.size}")
    print(f"{'student':>8} {'remat':>7} {'s':>8} {'MB':>7} {'GFLOP/clip':>11}")
    rng = np.random.default_rng(0)
    batch = {
        "video": rng.integers(0, 256, (options.batch, options.frames, options.size, options.size, 3), np.uint8),
        "valid": np.ones((options.batch, options.frames), bool),
    }
    for way, remat in (("dense", "none"), ("packed", "none"), ("packed", "layers")):
        settings = DistillSettings(
            init=options.model,
            clips=ClipSettings(options.frames, options.size),
            loop=LoopSettings(precision=options.precision, remat=remat),
            student=way,
        )
        stage = make_stage(settings)
        params, frozen, key = stage.init(), stage.frozen(), jax.random.key(0)
        program = jax.jit(stage.value_and_grad).lower(params, frozen, batch, key).compile()
        took = least_seconds({way: lambda p=program, a=(params, frozen, batch, key): p(*a)}, options.rounds)[way]
        memory = program.memory_analysis().temp_size_in_bytes
        print(
            f"{way:>8} {remat:>7} {took:>8.3f} {memory / 1e6:>7.0f} {stage.flops_per_clip() / 1e9:>11.1f}", flush=True
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=144)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3, help="0 compiles only: memory and operations")
    parser.add_argument("--remat", default="none")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--step", action="store_true", help="the whole stage instead of the student alone")
    options = parser.parse_args()
    run = compare_steps if options.step else compare_students
    if options.model:
        run(options)
        return
    for frames, size, batch in ((8, 144, 8), (16, 288, 1)):
        run(
            argparse.Namespace(
                **vars(options) | {"model": "videoprism-tiny", "frames": frames, "size": size, "batch": batch}
            )
        )


if __name__ == "__main__":
    main()
