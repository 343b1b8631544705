"""Speed of the encoder against a straightforward JAX implementation, and of reusing spatial tokens.

    python benchmarks/encoder.py                 # base model, 16 x 288 x 288, all parts
    python benchmarks/encoder.py --model videoprism-tiny --rounds 3
    python benchmarks/encoder.py --only joint    # the joint attention of the video-text model

Variants run in turn in one process with the same threads, so that ratios hold where single times drift. Everything is
float32 unless it says otherwise; "default" is what ``--precision auto`` chooses on this machine.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from _reference import encode
from flax import nnx

from vp_science.checkpoints.load import load_encoder
from vp_science.encoder import attention
from vp_science.encoder.config import VideoTextConfig
from vp_science.encoder.precision import choose_precision
from vp_science.encoder.video_text import VideoTextModel


def time_in_turn(variants, rounds):
    """Seconds of every variant in every round, after one warm-up of each."""
    for run in variants.values():
        jax.block_until_ready(run())
    seconds = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratio(a, b):
    """Median of the ratios round by round."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def matmul_rates(rounds):
    """GFLOP/s of plain matrix products of the encoder's size, in float32 and with bfloat16 operands."""
    key = jax.random.key(0)
    a, b = jax.random.normal(key, (4096, 768)), jax.random.normal(key, (768, 3072))

    def product(dtype):
        left, right = a.astype(dtype), b.astype(dtype)
        run = jax.jit(lambda x, y: jax.lax.dot(x, y, preferred_element_type=jnp.float32))
        return lambda: run(left, right)

    seconds = time_in_turn({"float32": product(jnp.float32), "bfloat16": product(jnp.bfloat16)}, 3 * rounds)
    return {name: 2 * 4096 * 768 * 3072 / min(values) / 1e9 for name, values in seconds.items()}


def whole_clip(models, rounds, rates, config, peak_tflops):
    """One clip through the reference and through every precision."""
    height, width = config.image_size
    video = jax.random.uniform(jax.random.key(1), (1, config.num_frames, height, width, 3))
    params = nnx.to_pure_dict(nnx.state(models["float32"], nnx.Param))
    reference = jax.jit(encode)
    variants = {"reference": lambda: reference(params, video)}
    variants |= {name: partial(model, video) for name, model in models.items()}
    expected = np.asarray(variants["reference"]())
    seconds = time_in_turn(variants, rounds)
    flops = config.count_flops(config.num_frames, height, width)
    print(f"\none clip of {config.num_frames} x {height} x {width}, {flops / 1e12:.2f} TFLOP, {rounds} rounds")
    print(
        f"{'':<12}{'seconds':>9}{'GFLOP/s':>9}{'of matmul':>11}{'vs reference':>14}{'max error':>11}{'rel. error':>12}"
    )
    for name, values in seconds.items():
        found = np.asarray(variants[name]())
        rate = flops / statistics.median(values) / 1e9
        limit = rates["bfloat16" if name == "bfloat16" else "float32"]
        error = np.abs(found - expected).max()
        relative = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        print(
            f"{name:<12}{statistics.median(values):>9.3f}{rate:>9.0f}{rate / limit:>11.0%}"
            f"{median_ratio(seconds['reference'], values):>13.2f}x{error:>11.1e}{relative:>12.1e}"
        )
        if peak_tflops:
            print(f"{'':<12}model FLOP utilisation {rate / 1e3 / peak_tflops:.1%} of {peak_tflops} TFLOP/s")
    return seconds


def reuse(encoder, num_frames, rounds, stride, reference=None):
    """Steady state of a recording: the cost of one stride of new frames, with and without reusing spatial tokens."""
    height, width = encoder.config.image_size
    frames = jax.random.uniform(jax.random.key(2), (num_frames + stride, height, width, 3))
    known = encoder.spatial(frames[:num_frames])

    @jax.jit
    def step(encoder, new, known):
        tokens = jnp.concatenate([known[stride:], encoder.spatial(new)])
        return encoder.temporal(tokens[None])

    variants = {
        "separate": lambda: encoder(frames[None, stride:]),
        "reused": lambda: step(encoder, frames[num_frames:], known),
    }
    if reference is not None:
        params = nnx.to_pure_dict(nnx.state(reference, nnx.Param))
        run = jax.jit(encode)
        variants["reference"] = lambda: run(params, frames[None, stride:])
    seconds = time_in_turn(variants, rounds)
    same = np.asarray(variants["separate"]()).reshape(-1) - np.asarray(variants["reused"]()).reshape(-1)
    line = f"stride {stride}: reusing is {median_ratio(seconds['separate'], seconds['reused']):.2f}x faster"
    line += f", largest difference {np.abs(same).max():.1e}"
    if reference is not None:
        line += f"; {median_ratio(seconds['reference'], seconds['reused']):.2f}x faster than the reference per window"
    print(line, flush=True)


JOINT = {"num_spatial_layers": 1, "num_temporal_layers": 1, "num_unimodal_layers": 1, "vocabulary_size": 10}


def joint_memory(num_frames, blocks, answers):
    """Peak memory of the auxiliary layers and the pooler of LvT-base on one clip, in a process of its own."""
    attention.LONG_SEQUENCE = 1024 if blocks else 1 << 30
    # The other parts play no role here: their layers are left out, so that the weights take little memory.
    model = load_encoder(VideoTextConfig(**JOINT), precision="float32", seed=0)
    tokens = jax.random.normal(jax.random.key(0), (1, num_frames, 256, 768))
    jax.block_until_ready(tokens)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    program = VideoTextModel.pool_clips.lower(model, tokens).compile()
    vector = np.asarray(VideoTextModel.pool_clips(model, tokens))
    seconds = time_in_turn({"pool": lambda: VideoTextModel.pool_clips(model, tokens)}, 3)["pool"]
    answers.put(
        {
            "seconds": min(seconds),
            "temporary_mb": program.memory_analysis().temp_size_in_bytes / 1e6,
            "grown_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3,
            "vector": vector[0].tolist(),
        }
    )


def joint():
    """Memory of the joint attention over all tokens of a clip, in blocks of queries and as one matrix."""
    print("\njoint attention of LvT-base over all tokens of one clip (2 auxiliary layers and the pooler), float32")
    context = multiprocessing.get_context("spawn")
    found = {}
    for num_frames, blocks in ((16, True), (64, True), (16, False)):
        answers = context.Queue()
        process = context.Process(target=joint_memory, args=(num_frames, blocks, answers))
        process.start()
        answer = found[num_frames, blocks] = answers.get()
        process.join()
        shown = {name: round(value, 1) for name, value in answer.items() if name != "vector"}
        print(f"{num_frames} frames, {'in blocks' if blocks else 'one matrix'}: {json.dumps(shown)}", flush=True)
    # What a layer has to hold at once anyway: the residual stream, its norm, query, key and value.
    activations = 5 * 64 * 256 * 768 * 4 / 1e6
    rest = found[64, True]["temporary_mb"] - activations
    print(
        f"64 frames without the activations ({activations:.0f} MB) over 16 frames: "
        f"{rest / found[16, True]['temporary_mb']:.2f} (goal: at most 1.5)"
    )
    difference = np.abs(np.subtract(found[16, True]["vector"], found[16, False]["vector"])).max()
    print(
        f"largest difference of the unit vector, blocks against one matrix: {difference:.1e}; time "
        f"{found[16, False]['seconds'] / found[16, True]['seconds']:.2f} x"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="videoprism-base")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak-tflops", type=float, help="of the device, to print model FLOP utilisation")
    parser.add_argument("--only", choices=["clip", "reuse", "joint"])
    options = parser.parse_args()
    if options.only == "joint":
        joint()
        return
    chosen, reason = choose_precision()
    device = jax.devices()[0]
    print(f"{options.model} (random weights) on {device.platform} {device.device_kind}; {reason}")
    rates = matmul_rates(options.rounds)
    print("plain matrix product: " + ", ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in rates.items()))
    models = {name: load_encoder(options.model, precision=name, seed=0) for name in ("float32", "bfloat16")}
    config = models["float32"].config
    if options.only != "reuse":
        whole_clip(models, options.rounds, rates, config, options.peak_tflops)
    if options.only != "clip":
        print(f"\na recording in windows of 16 frames, default precision ({chosen}), per window in steady state")
        for stride in (4, 1):
            baseline = models["float32"] if stride == 4 and config.num_frames == 16 else None
            reuse(models[chosen], 16, options.rounds, stride, baseline)
    if options.only is None:
        joint()


if __name__ == "__main__":
    main()
