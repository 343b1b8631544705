"""Weights for the package: a trained folder as one float16 file, whose metadata say what made it.

    python recipes/pack_tiny.py runs/tiny/text --out vp_science/checkpoints/videoprism-tiny.safetensors

The file of a video-text model holds the video encoder too: videoprism-tiny is read out of videoprism-lvt-tiny. Rounding
to float16 is checked: every value must come back within half a unit in the last place.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from vp_science.checkpoints.model_folder import read_model_folder
from vp_science.errors import CheckpointError
from vp_science.files import hash_file, write_atomically

MOST_BYTES = 12_000_000
RECIPES = Path(__file__).parent
PARTS = ("stage1", "stage1_native", "stage2", "stage2_native", "text")
TABLES = ("footage_captions.csv", "footage_split.csv")


def pack(folder: Path, out: Path) -> dict[str, str]:
    """Write the file and return its metadata.

    Raises:
        CheckpointError: when a value does not fit into float16, or the file is too large to ship.
    """
    card = read_model_folder(folder)
    if hash_file(card.weights) != card.sha256:
        raise CheckpointError(
            f"{card.weights}: expected the weights that {folder} describes, found others: train again"
        )
    tensors = {}
    with safe_open(card.weights, framework="numpy") as file:
        for name in sorted(file.keys()):
            tensors[name] = to_half(name, file.get_tensor(name))
    metadata = {
        "format": "vp_science.weights",
        "name": card.name,
        "config": json.dumps(card.config.to_json(), sort_keys=True),
        "trained_sha256": card.sha256,
        "seed": str(card.provenance.get("seed")),
        "recipe_sha256": hash_recipes(),
        "provenance": json.dumps(card.provenance, sort_keys=True, ensure_ascii=False),
    }
    write_atomically(out, lambda file: save_file(tensors, file.name, metadata), shared=True)
    if (size := out.stat().st_size) > MOST_BYTES:
        out.unlink()
        raise CheckpointError(f"{out}: expected at most {MOST_BYTES} bytes, found {size}: ship a smaller model")
    return metadata


def to_half(name: str, values: np.ndarray) -> np.ndarray:
    """Values as float16."""
    with np.errstate(over="ignore"):  # what overflows is refused below
        half = values.astype(np.float16)
    back = half.astype(np.float32)
    close = np.abs(back - values) <= np.maximum(np.abs(values) * 2.0**-11, 2.0**-25)
    if not np.isfinite(back).all() or not close.all():
        raise CheckpointError(f"{name}: expected values that fit into float16, found {values[~close].ravel()[:1]}")
    return half


def hash_recipes() -> str:
    """sha256 of the recipes that make the weights and of the tables that they read, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted([*(f"tiny_{part}.toml" for part in PARTS), *TABLES, "train_tiny.sh"]):
        digest.update(f"{name} {hash_file(RECIPES / name)}\n".encode())
    return digest.hexdigest()


def main(arguments: list[str] | None = None) -> None:
    """Pack, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    metadata = pack(given.folder, given.out)
    print(f"{given.out}: {given.out.stat().st_size} bytes, sha256 {hash_file(given.out)}")
    for name in ("name", "seed", "trained_sha256", "recipe_sha256"):
        print(f"  {name}: {metadata[name]}")


if __name__ == "__main__":
    main()
