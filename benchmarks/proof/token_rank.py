"""In how many directions the tokens of an encoder differ, and how much of that is change over time.

    python -m benchmarks.proof.token_rank --arm stage1=runs/tiny/stage1 --arm stage2=runs/tiny/stage2 --size 144

Prints a table: effective dimensions (participation ratio of the covariance: its trace squared over the trace of its
square) of all tokens of 4 x 8 frames, and the share of their variance that is left when every place of a clip is
compared with its own mean over time. Seconds per recording and arm.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

import vp_science as vp
from benchmarks.proof.arms import add_arm_options, all_arms, encoder_config, load_arm
from benchmarks.proof.footage_split import FOOTAGE
from benchmarks.proof.studies import find_studies
from benchmarks.proof.tables import markdown

_STUDIES = ("fly", "rearing", "openfield", "worm")
_CLIPS, _FRAMES = 4, 8


def read_clips(path: Path, size: int) -> Float[np.ndarray, "clip frame height width 3"]:
    """A few clips spread over a recording, RGB in [0, 1]."""
    recording = vp.open_recording(path)
    first = np.linspace(0, recording.num_frames - _FRAMES, _CLIPS).astype(int)
    wanted = (first[:, None] + np.arange(_FRAMES)).ravel()
    frames = [frame.pixels for frame in recording.decode(wanted, vp.Preprocess(size, size))]
    recording.close()
    return np.stack(frames).reshape(_CLIPS, _FRAMES, size, size, 3).astype(np.float32) / 255


def describe(tokens: Float[np.ndarray, "clip frame place dim"]) -> tuple[float, float]:
    """Effective dimensions, and the share of the variance that is change over time."""
    rows = tokens.reshape(-1, tokens.shape[-1])
    covariance = np.cov(rows.T)
    changing = tokens - tokens.mean(axis=1, keepdims=True)
    share = (changing**2).mean() / ((rows - rows.mean(axis=0)) ** 2).mean()
    return float(np.trace(covariance) ** 2 / (covariance**2).sum()), float(share)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arm_options(parser)
    parser.add_argument("--footage", type=Path, default=FOOTAGE)
    parser.add_argument("--size", type=int, default=288)
    given = parser.parse_args(arguments)
    arms = all_arms(given.arm, given.untrained_seeds)
    config = encoder_config(arms)
    clips = {study.name: read_clips(study.recordings(given.footage)[0], given.size) for study in find_studies(_STUDIES)}
    rows = []
    for arm in arms:
        encoder, row = load_arm(arm, config), [f"{arm.name} {arm.seed}"]
        for video in clips.values():
            spatial = encoder.spatial(jnp.asarray(video).reshape(-1, *video.shape[2:]))
            tokens = encoder.temporal(spatial.reshape(_CLIPS, _FRAMES, *spatial.shape[1:]))
            dimensions, share = describe(np.asarray(tokens))
            row.append(f"{dimensions:.1f}, {100 * share:.2f} %")
        rows.append(row)
    print("\n".join(markdown(["encoder", *clips], rows)))


if __name__ == "__main__":
    main()
