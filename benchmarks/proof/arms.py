"""What is compared: encoders from trainings, and the same encoder with random weights."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import vp_science as vp
from vp_science.checkpoints.model_folder import read_model_folder
from vp_science.encoder.config import TINY
from vp_science.errors import SettingsError

UNTRAINED = "untrained"


@dataclass(frozen=True)
class Arm:
    """One encoder of a comparison.

    Attributes:
        name: what it is; arms of the same name differ in their seed.
        seed: of its training, or of its random weights.
        source: folder of a trained model, or a model's name; None for random weights.
    """

    name: str
    seed: int = 0
    source: str | None = None


def parse_arm(text: str) -> Arm:
    """``NAME=WEIGHTS`` or ``NAME:SEED=WEIGHTS``; weights are the folder of a training or a model's name."""
    label, equals, source = text.partition("=")
    name, colon, seed = label.partition(":")
    if not equals or not source or not name or name == UNTRAINED or (colon and not seed.isdigit()):
        raise argparse.ArgumentTypeError(
            f"expected NAME=WEIGHTS or NAME:SEED=WEIGHTS (not {UNTRAINED!r}: --untrained-seeds), found {text!r}"
        )
    return Arm(name, int(seed or 0), source)


def add_arm_options(parser: argparse.ArgumentParser) -> None:
    """The options by which a script is told what to compare."""
    parser.add_argument("--arm", action="append", type=parse_arm, default=[], metavar="NAME[:SEED]=WEIGHTS",
                        help="folder of a trained model, or the name of one; may be repeated")  # fmt: skip
    parser.add_argument("--untrained-seeds", type=int, nargs="*", default=[0, 1, 2], help="seeds of random weights")


def all_arms(given: Sequence[Arm], untrained_seeds: Sequence[int]) -> list[Arm]:
    """The arms of a comparison, each once.

    Raises:
        SettingsError: when two have the same name and seed.
    """
    arms = [*given, *(Arm(UNTRAINED, seed) for seed in untrained_seeds)]
    labels = [(arm.name, arm.seed) for arm in arms]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise SettingsError(f"expected arms that differ in name or seed, found {twice[0]} twice: NAME:SEED=WEIGHTS")
    return arms


def encoder_config(arms: Sequence[Arm]) -> vp.EncoderConfig:
    """Sizes of the video encoder of all arms; those of videoprism-tiny where none was trained."""
    for arm in arms:
        if arm.source is not None and Path(arm.source).is_dir():
            return _encoder_part(read_model_folder(arm.source).config)
    return TINY


def load_arm(arm: Arm, config: vp.EncoderConfig, precision: str = "float32"):
    """The video encoder of an arm, without text tower and poolers, so that all arms give the same kind of tokens."""
    if arm.source is None:
        return vp.load_encoder(config, precision=precision, seed=arm.seed)
    if not Path(arm.source).exists():
        return vp.load_encoder(arm.source, precision=precision)
    return vp.load_encoder(config, weights=arm.source, precision=precision)


def _encoder_part(config: vp.EncoderConfig) -> vp.EncoderConfig:
    return vp.EncoderConfig(**{field.name: getattr(config, field.name) for field in fields(vp.EncoderConfig)})
