"""Frozen probes on drawn animals: behaviors that differ in motion only, in appearance only, and all of them.

    python -m benchmarks.proof.motion_probes --arm stage1=runs/tiny/stage1_native --arm stage2=runs/tiny/stage2_native

A question is a pair of behaviors (chance 0.5) or all of them at once. Every question draws its own clips; train and
test clips have other seeds than any training. In the pairs of "motion" single frames of both behaviors have the same
distribution, so a readout of single frames cannot tell them apart; in the pairs of "appearance" both hold still.

With ``--scenes arena`` one species, in one look, alone on one ground, shows both behaviors of a pair: nothing else
differs. With ``any`` species, grounds, looks and numbers of animals differ from clip to clip.

A cell is one question, one arm, one readout, one seed. At 8 frames of 144 x 144 the clips of a pair take 20 s on two
CPU cores for each arm, all behaviors a minute and a half; readouts take seconds.
"""

import argparse
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import vp_science as vp
from benchmarks.proof.arms import Arm, add_arm_options, all_arms, encoder_config, load_arm
from benchmarks.proof.cells import RESULTS, Cells
from vp_science.store.provenance import Provenance
from vp_science.store.tables import EmbeddingTable

WHAT = "motion_probes"
READOUTS = ("logistic", "attentive")
CLIP_SEED = 7_000_000  # trainings use small seeds
ARENA = {"backgrounds": ("pale arena",), "looks": ("grey",), "pairs": 0.0}
_PARTS, _FPS = 8, 16.0


@dataclasses.dataclass(frozen=True)
class Question:
    """What a readout shall tell apart.

    Attributes:
        kind: ``motion``, ``appearance`` or ``all``.
        behaviors: the answers.
    """

    kind: str
    behaviors: tuple[str, ...]

    @property
    def name(self) -> str:
        """Short."""
        return " / ".join(self.behaviors) if self.kind != "all" else f"{len(self.behaviors)} behaviors"

    def species(self) -> tuple[str, ...]:
        """Those that show all of these behaviors: otherwise the animal would tell the behavior."""
        from vp_science.samples.synthetic.behaviors import SYNTHETIC_BEHAVIORS, shown_table
        from vp_science.samples.synthetic.species import SPECIES

        able = shown_table()[[SYNTHETIC_BEHAVIORS.names.index(name) for name in self.behaviors]].all(axis=0)
        unable = {kind.name for kind, fits in zip(SPECIES, able, strict=True) if not fits}  # in one of its views
        return tuple(dict.fromkeys(kind.name for kind in SPECIES if kind.name not in unable))


def questions(quick: bool = False) -> list[Question]:
    """All pairs, and all behaviors together."""
    from vp_science.samples.synthetic.behaviors import APPEARANCE_ONLY, MOTION_ONLY, SYNTHETIC_BEHAVIORS

    pairs = [Question("motion", pair) for pair in MOTION_ONLY] + [Question("appearance", p) for p in APPEARANCE_ONLY]
    everything = Question("all", SYNTHETIC_BEHAVIORS.names)
    return [pairs[1], pairs[len(MOTION_ONLY)]] if quick else [*pairs, everything]


class Clips:
    """Drawn clips of one question: the same ones for every arm."""

    def __init__(
        self, question: Question, seed: int, counts: tuple[int, int], size: int, num_frames: int, scenes: str = "any"
    ) -> None:
        from vp_science.samples.synthetic import SyntheticSettings

        species = question.species() if question.kind != "all" else ()
        settings = SyntheticSettings(num_frames, size, behaviors=question.behaviors, species=species)
        if scenes == "arena":
            settings = dataclasses.replace(settings, species=species[:1], **ARENA)
        self.behaviors = vp.Behaviors.of(question.behaviors, exclusive=True)
        self.sides = []
        for side, count in enumerate(counts):
            rows = np.arange(count) + 10_000_000 * side
            self.sides.append((settings, CLIP_SEED + seed, rows))

    def batches(self, side: int, size: int = 16):
        """Clips and which behavior each shows."""
        from vp_science.samples.synthetic import SYNTHETIC_BEHAVIORS, draw_clips

        settings, seed, rows = self.sides[side]
        for first in range(0, len(rows), size):
            drawn = draw_clips(seed, rows[first : first + size], settings)
            columns = [SYNTHETIC_BEHAVIORS.names.index(name) for name in self.behaviors.names]
            yield drawn.video, np.asarray(drawn.states)[:, 0, columns].argmax(axis=1)


def embed_clips(encoder, clips: Clips, side: int, pool: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of every clip, averaged over ``pool x pool`` regions of every frame: ``[b t k d]``; and its behavior."""
    cells, answers = [], []
    for video, answer in clips.batches(side):
        b, t, h, w, _ = video.shape
        frames = jnp.asarray(video, jnp.float32).reshape(b * t, h, w, 3) / 255
        spatial = encoder.spatial(frames)
        tokens = np.asarray(encoder.temporal(spatial.reshape(b, t, *spatial.shape[1:])))
        grid = math.isqrt(tokens.shape[2])
        cells.append(pool_grid(tokens.reshape(b, t, grid, grid, -1), pool))
        answers.append(answer)
    return np.concatenate(cells), np.concatenate(answers)


def pool_grid(tokens: np.ndarray, pool: int) -> np.ndarray:
    """Means of ``pool x pool`` regions of nearly equal size: ``[b t y x d]`` to ``[b t pool*pool d]``."""
    rows = np.array_split(np.arange(tokens.shape[2]), pool)
    columns = np.array_split(np.arange(tokens.shape[3]), pool)
    regions = [tokens[:, :, r][:, :, :, c].mean(axis=(2, 3)) for r in rows for c in columns]
    return np.stack(regions, axis=2).astype(np.float32)


def as_tracks(cells: np.ndarray, answers: np.ndarray, behaviors: vp.Behaviors, pool: int):
    """Clips as tracks whose windows are the clips, a few tracks so that a probe can hold one out; and their labels."""
    tracks, labels = [], []
    for number, rows in enumerate(np.array_split(np.arange(len(cells)), min(_PARTS, len(cells)))):
        num_frames = cells.shape[1]
        track = cells[rows].reshape(-1, *cells.shape[2:])
        states = np.zeros((len(track), len(behaviors)), np.int8)
        states[np.arange(len(track)), np.repeat(answers[rows], num_frames)] = 1
        start = np.arange(len(rows)) * num_frames
        provenance = Provenance(
            model="clips", checkpoint="", encoder_config={}, preprocess={}, source={}, grid={"sample_fps": None},
            num_frames=num_frames, stride=num_frames, spatial_pool=pool, dtype="float32", precision="float32",
            software="",
        )  # fmt: skip
        time_s, every = np.arange(len(track)) / _FPS, np.arange(len(track))
        tracks.append(EmbeddingTable(
            recording_id=f"clips{number}", num_frames=len(track), provenance=provenance, first_grid=0, track=track,
            window=track.mean(axis=1)[start], time_s=time_s, frame_index=every, shown_index=every,
            damaged_frames=np.zeros(0, np.int64), window_start=start, window_stop=start + num_frames,
        ))  # fmt: skip
        labels.append(vp.Ethogram(behaviors, time_s, states, recording=f"clips{number}"))
    return tracks, labels


def answer(readout: str, seed: int, clips: Clips, train, test, pool: int) -> dict:
    """Fit on the training clips, and the share of test clips that are answered rightly (mean over behaviors)."""
    features = {"features": "mean+std"} if readout == "logistic" else {}
    tracks, labels = as_tracks(*train, clips.behaviors, pool)
    probe = vp.Probe(readout, random_state=seed, **features).fit(tracks, labels)
    tracks, _ = as_tracks(*test, clips.behaviors, pool)
    scores = np.concatenate([ethogram.scores for ethogram in probe.predict(tracks)])
    num_frames = test[0].shape[1]
    chosen = scores.reshape(len(test[1]), num_frames, -1).mean(axis=1).argmax(axis=1)
    recalls = [float((chosen[test[1] == k] == k).mean()) for k in np.unique(test[1])]
    return {"accuracy": float(np.mean(recalls)), "chance": 1 / len(clips.behaviors), "clips": len(test[1])}


def run_arm(arm: Arm, encoder, given: argparse.Namespace, cells: Cells) -> None:
    """All cells of one encoder."""
    for question in given.questions:
        counts = tuple(count * (5 if question.kind == "all" else 1) for count in (given.train_clips, given.test_clips))
        for seed in given.seeds:
            clips = Clips(question, seed, counts, given.size, given.num_frames, given.scenes)
            made: list = []

            def sides(clips=clips, made=made):
                if not made:
                    made.extend(embed_clips(encoder, clips, side, given.pool) for side in (0, 1))
                return made

            for readout in given.readouts:
                key = {"kind": question.kind, "question": question.name, "arm": arm.name, "seed": arm.seed}
                key |= {"readout": readout, "clip_seed": seed}
                inputs = {"checkpoint": encoder.info.checkpoint, "clips": counts, "pool": given.pool,
                          "video": [given.num_frames, given.size, given.size]}  # fmt: skip
                inputs |= {} if given.scenes == "any" else {"scenes": given.scenes}
                cells.get(key, inputs, lambda r=readout, s=seed, c=clips, m=sides: answer(r, s, c, *m(), given.pool))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arm_options(parser)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{WHAT}.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the clips and of the readout")
    parser.add_argument("--readouts", nargs="+", choices=READOUTS, default=list(READOUTS))
    parser.add_argument("--train-clips", type=int, default=240, help="per pair; five times as many for all behaviors")
    parser.add_argument("--test-clips", type=int, default=240)
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=144)
    parser.add_argument("--scenes", choices=("any", "arena"), default="any", help="give another --out for arena")
    parser.add_argument("--pool", type=int, default=2, help="regions per side that a frame is averaged to")
    parser.add_argument("--quick", action="store_true", help="two pairs, few clips, one readout: does it run?")
    given = parser.parse_args(arguments)
    if given.quick:
        given.train_clips, given.test_clips, given.readouts, given.untrained_seeds = 32, 16, ["logistic"], [0]
    given.questions = questions(given.quick)
    if given.scenes == "arena":
        given.questions = [question for question in given.questions if question.kind != "all"]
    return given


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the cells that are not there yet."""
    given = parse(arguments)
    arms = all_arms(given.arm, given.untrained_seeds)
    config, cells = encoder_config(arms), Cells(given.out, WHAT)
    for arm in arms:
        run_arm(arm, load_arm(arm, config), given, cells)


if __name__ == "__main__":
    main()
